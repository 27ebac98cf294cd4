//! `CheckAndCreateService`: adopts or creates the replacement task set, beside the one that serves.

use crate::action::{Action, NewTaskSet, Role};
use crate::deployment::{Plan, Progress};
use crate::identity::client_token;
use crate::next::Next;
use crate::phase::To;
use crate::preflight;
use crate::reason::Reason;
use crate::refusal::{ErrorName, Refusal};
use crate::registry;
use crate::request::SwapMode;
use crate::routing;
use crate::scale_down;
use crate::tags;
use crate::world::{Forward, Launch, Network, TaskSet, World};

/// What brings the replacement task set into being, and the first check of it after `waitForService`
/// seconds once it exists, on the target group that does not serve.
///
/// Until then preflight's checks are made again on what is seen now, and it is created by
/// [`actions`]. Refuses what [`preflight::settle`] refuses.
pub fn next(world: &World, plan: &Plan) -> Result<Next, Refusal> {
    let Some(replacement) = plan.incoming_in(world) else {
        return actions(world, plan).map(Next::in_order);
    };
    if replacement.is_being_deleted() {
        return Err(Refusal::drift(
            format!(
                "The replacement {} of this deployment was deleted.",
                replacement.id
            ),
            "Start a new execution; this one would not bring it back.",
        ));
    }
    is_beside(world, plan, replacement)?;
    let settled = preflight::settle(&plan.id, &plan.request, world, Some(replacement))?;
    let wait = settled.request.wait_for_service;
    let reason = Reason::Created {
        replacement: replacement.id.clone(),
        task_definition: settled.request.task_definition.clone(),
        target_group: settled.replacement_target_group.clone(),
        wait,
    };
    // What is settled as the service is now.
    let plan = Plan {
        replacement: Some(replacement.id.clone()),
        ..settled
    };
    let progress = Progress::default();
    Ok(Next::wait(
        To::WaitForServiceReady,
        reason,
        wait,
        &plan,
        progress,
    ))
}

/// A replacement is adopted only where production traffic does not go.
fn is_beside(world: &World, plan: &Plan, replacement: &TaskSet) -> Result<(), Refusal> {
    let routing = routing::read(world, &plan.request)?;
    if replacement.is_attached_to(&routing.alternate.arn) {
        return Ok(());
    }
    Err(Refusal::drift(
        format!(
            "The replacement {} of this deployment is not on target group {}, which does not serve.",
            replacement.id, routing.alternate.name
        ),
        "Start a new execution.",
    ))
}

/// Records whose the target groups are and what each listener is for, puts the alternate group into the production listeners at
/// weight 0 (a group in no listener is never health-checked: AWS documentation), and creates.
fn actions(world: &World, plan: &Plan) -> Result<Vec<Action>, Refusal> {
    scale_down::quiet(world, plan)?;
    let settled = preflight::settle(&plan.id, &plan.request, world, None)?;
    let routing = routing::read(world, &settled.request)?;
    let mut actions = Vec::new();
    let pair = [routing.production, routing.alternate];
    if let Some((target_groups, service)) = routing::unrecorded(pair, &settled.request) {
        actions.push(Action::RecordService {
            target_groups,
            service,
        });
    }
    for (listener, role) in routing.roles.all() {
        if listener.role.as_deref() != Some(role.as_str()) {
            actions.push(Action::RecordRole {
                listener: listener.arn.clone(),
                role,
            });
        }
    }
    if settled.request.swap_mode == SwapMode::Weighted {
        for (listener, role) in routing.roles.all() {
            if role == Role::Production && !listener.forward.names(&routing.alternate.arn) {
                actions.push(Action::Forward {
                    listener: listener.arn.clone(),
                    seen: listener.forward.clone(),
                    wanted: Forward::weighted(&routing.production.arn, &routing.alternate.arn),
                });
            }
        }
    }
    actions.push(Action::CreateTaskSet(Box::new(new_task_set(
        world, &settled,
    )?)));
    Ok(actions)
}

fn new_task_set(world: &World, plan: &Plan) -> Result<NewTaskSet, Refusal> {
    let request = &plan.request;
    let unsettled = |field: &str| {
        Refusal::new(
            ErrorName::InvalidInput,
            format!("{field} is missing from the request that preflight returned."),
            "Start the state machine, not this function: preflight fills it in.",
        )
    };
    let container_name = request
        .container_name
        .clone()
        .ok_or_else(|| unsettled("containerName"))?;
    let container_port = request
        .container_port
        .ok_or_else(|| unsettled("containerPort"))?;
    let launch = request
        .launch
        .clone()
        .ok_or_else(|| unsettled("launchType"))?;
    let network = request.subnets.clone().map(|subnets| Network {
        subnets,
        security_groups: request.security_groups.clone().unwrap_or_default(),
        assign_public_ip: request.assign_public_ip.unwrap_or(false),
    });
    let original = plan.outgoing_in(world);
    let definition = world.task_definition.as_ref();
    let definition = definition.ok_or_else(|| unsettled("taskDefinition"))?;
    let service_registries = registry::registries(request, definition, original)?;
    let tags = tags::tags(request, original)?;
    let token = {
        let port = container_port.to_string();
        // Not the execution's ARN alone: its name may be used again after 90 days.
        let label = plan.id.external_id();
        let target_group = plan.replacement_target_group.as_str();
        let placed = placement(
            network.as_ref(),
            &launch,
            request.platform_version.as_deref(),
        );
        let taken_over = format!("{service_registries:?} {tags:?}");
        client_token(&[
            &request.cluster,
            &request.service,
            &label,
            &request.task_definition,
            target_group,
            &container_name,
            &port,
            &placed,
            &taken_over,
        ])
    };
    Ok(NewTaskSet {
        task_definition: request.task_definition.clone(),
        external_id: plan.id.external_id(),
        client_token: token,
        target_group: plan.replacement_target_group.clone(),
        container_name,
        container_port,
        network,
        launch,
        platform_version: request.platform_version.clone(),
        service_registries,
        tags,
    })
}

/// Where tasks are placed, as text that goes into the idempotency token.
fn placement(network: Option<&Network>, launch: &Launch, platform: Option<&str>) -> String {
    format!("{network:?} {launch:?} {platform:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Scene, group_arn, listener_arn};

    fn check(scene: &Scene) -> Result<Next, Refusal> {
        next(&scene.world, &scene.plan())
    }

    fn actions_in(scene: &Scene) -> Vec<Action> {
        check(scene).unwrap().writes()
    }

    fn created(actions: &[Action]) -> &NewTaskSet {
        match actions.last() {
            Some(Action::CreateTaskSet(new)) => new,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn groups_and_roles_are_recorded_and_the_alternate_group_attached_before_the_task_set_is_created()
     {
        let actions = actions_in(&Scene::serving());
        assert_eq!(
            actions[..4],
            [
                Action::RecordService {
                    target_groups: vec![group_arn("blue"), group_arn("green")],
                    service: "main/web".into(),
                },
                Action::RecordRole {
                    listener: listener_arn(80),
                    role: Role::Production
                },
                Action::RecordRole {
                    listener: listener_arn(8080),
                    role: Role::Test
                },
                Action::Forward {
                    listener: listener_arn(80),
                    seen: Forward::to(&group_arn("blue")),
                    wanted: Forward::weighted(&group_arn("blue"), &group_arn("green")),
                },
            ]
        );
        assert_eq!(created(&actions).target_group, group_arn("green"));
        assert_eq!(actions.len(), 5);
    }

    #[test]
    fn replace_mode_leaves_the_production_listener_alone_until_the_swap() {
        let mut scene = Scene::serving();
        scene.request.swap_mode = SwapMode::Replace;
        let actions = actions_in(&scene);
        assert!(!actions.iter().any(|a| matches!(a, Action::Forward { .. })));
    }

    #[test]
    fn what_is_recorded_already_is_not_written_again() {
        let mut scene = Scene::serving();
        for group in &mut scene.world.target_groups {
            group.service = Some("main/web".into());
        }
        scene.listener_mut(80).role = Some("production".into());
        scene.listener_mut(8080).role = Some("test".into());
        scene.listener_mut(80).forward = Forward::weighted(&group_arn("blue"), &group_arn("green"));
        assert_eq!(actions_in(&scene).len(), 1);
    }

    #[test]
    fn the_same_deployment_creates_with_the_same_token_and_another_with_another() {
        let scene = Scene::serving();
        let first = created(&actions_in(&scene)).client_token.clone();
        assert_eq!(created(&actions_in(&scene)).client_token, first);
        let mut other = Scene::serving();
        other.execution = "run-2".into();
        assert_ne!(created(&actions_in(&other)).client_token, first);
        let mut other = Scene::serving();
        other.request.container_port = Some(8081);
        other.container_mut().ports.push(8081);
        assert_ne!(created(&actions_in(&other)).client_token, first);
    }

    #[test]
    fn an_existing_replacement_is_adopted() {
        let scene = Scene::created();
        let answer = check(&scene).unwrap().answer();
        assert_eq!(answer.to, To::WaitForServiceReady);
        assert_eq!(answer.plan.replacement.as_deref(), Some("ecs-svc/2"));
        assert_eq!(answer.progress.waited, 60);
    }

    #[test]
    fn a_deleted_replacement_is_not_made_again() {
        let mut scene = Scene::created();
        scene.task_set_mut("ecs-svc/2").status = crate::world::TaskSetStatus::Draining;
        assert_eq!(check(&scene).unwrap_err().error, ErrorName::Drift);
    }

    #[test]
    fn a_task_set_on_the_production_group_is_never_adopted() {
        let mut scene = Scene::created();
        scene.task_set_mut("ecs-svc/2").load_balancers[0].target_group = group_arn("blue");
        assert_eq!(check(&scene).unwrap_err().error, ErrorName::Drift);
    }

    #[test]
    fn what_serves_is_looked_up_anew() {
        let scene = Scene::created();
        let mut plan = scene.plan();
        plan.original = Some("ecs-svc/0".into());
        plan.original_target_group = group_arn("green");
        let answer = next(&scene.world, &plan).unwrap().answer();
        assert_eq!(answer.plan.original.as_deref(), Some("ecs-svc/1"));
        assert_eq!(answer.plan.original_target_group, group_arn("blue"));
    }

    #[test]
    fn nothing_is_created_beside_what_is_left_over() {
        let mut scene = Scene::created();
        scene.task_set_mut("ecs-svc/2").external_id = Some("ebbtide:Ebbtide:run-0:x".into());
        let plan = scene.plan_to_create();
        let refusal = next(&scene.world, &plan).unwrap_err();
        assert_eq!(refusal.error, ErrorName::Drift);
    }

    #[test]
    fn nothing_is_created_while_an_alarm_rings_or_is_unknown() {
        let refused = |scene: Scene| check(&scene).err().map(|refusal| refusal.error);
        assert_eq!(refused(Scene::serving().alarmed("OK")), None);
        assert_eq!(refused(Scene::serving().alarmed("INSUFFICIENT_DATA")), None);
        let ringing = Scene::serving().alarmed("ALARM");
        assert_eq!(refused(ringing), Some(ErrorName::AlarmRaised));
        let mut unknown = Scene::serving().alarmed("OK");
        unknown.world.alarms.clear();
        assert_eq!(refused(unknown), Some(ErrorName::PreflightFailed));
    }

    #[test]
    fn the_replacement_runs_where_the_original_does_unless_told_otherwise() {
        let mut scene = Scene::serving();
        scene.request.subnets = None;
        scene.request.security_groups = None;
        let actions = actions_in(&scene);
        let network = created(&actions).network.clone().unwrap();
        assert_eq!(network.subnets, ["subnet-0"]);
        assert_eq!(created(&actions).launch, Launch::Type("FARGATE".into()));
    }
}
