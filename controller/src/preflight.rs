//! Preflight: does the request fit the world? Reads only, fills every default in.

use crate::arn::short;
use crate::deployment::{Answer, Deployment, Progress, Status};
use crate::drain::Schedule;
use crate::identity::DeploymentId;
use crate::observation::{Launch, Network, Observation, Service, TaskDefinition, TaskSet};
use crate::ready::LOOKS;
use crate::refusal::{ErrorName, Refusal};
use crate::request::{Request, SwapMode};
use crate::routing::{self, Routing};

/// Task sets that ECS allows a service, those being deleted included (seen in the field: the
/// refusal speaks of 5 deployments).
pub const TASK_SET_LIMIT: usize = 5;

/// Events of Step Functions' history that one turn of a loop costs: Task 5, Wait 2, Choice 2
/// (AWS documentation; a test counts them in the shipped definition).
pub const EVENTS_A_TURN: u32 = 9;

/// Events that all loops together may cost. History ends at 25,000 (AWS documentation); the rest
/// is for retries, at about 3 events each.
pub const EVENTS_ALLOWED: u32 = 15_000;

/// Seconds a task may need beyond the deregistration delay: the longest stop timeout (120 s on
/// Fargate), and a quarter of an hour for a held step or a slow deregistration.
const DRAIN_SLACK: u32 = 120 + 900;

/// The least number of seconds a drain is given where the input names none.
const SHORTEST_DEFAULT_DRAIN: u32 = 1_800;

/// Checks a request against the world and fills its defaults in.
///
/// Returns the deployment that the following steps carry out. Refuses with `ServiceNotActive`,
/// `TaskSetLimit`, `PreflightFailed` or `Drift`; whatever it refuses, nothing has been written.
pub fn settle(
    id: &DeploymentId,
    request: &Request,
    observation: &Observation,
) -> Result<Deployment, Refusal> {
    let service = active_service(request, observation)?;
    let definition = active_task_definition(request, observation)?;
    if observation.load_balancer.is_none() {
        return Err(Refusal::preflight(
            format!(
                "nlb is missing, and service {} has no task set that names a load balancer.",
                request.service
            ),
            "Give the load balancer's ARN in nlb.",
        ));
    }
    let routing = routing::read(observation, &request.service)?;
    let original = original(id, request, observation, &routing)?;
    alternate_is_free(request, &routing)?;
    let tasks = original.map_or(0, |task_set| task_set.computed_desired_count);

    let mut settled = request.clone();
    settled.load_balancer = observation.load_balancer.as_ref().map(|lb| lb.arn.clone());
    settle_container(&mut settled, definition, original)?;
    settle_network(&mut settled, definition, original)?;
    settle_launch(&mut settled, original);
    settle_drain(&mut settled, tasks, routing.production.deregistration_delay)?;
    history_fits(&settled, tasks, service)?;

    Ok(Deployment {
        id: id.clone(),
        request: settled,
        original_target_group: routing.production.arn.clone(),
        replacement_target_group: routing.alternate.arn.clone(),
        original: original.map(|task_set| task_set.id.clone()),
        replacement: None,
        tasks,
        progress: Progress::default(),
    })
}

/// The answer of a preflight that found nothing in the way.
pub fn answer(deployment: Deployment) -> Answer {
    let request = &deployment.request;
    let from = match &deployment.original {
        Some(original) => format!(
            "{original} ({} tasks) on {} serves",
            deployment.tasks,
            short(&deployment.original_target_group)
        ),
        None => "nothing serves yet".to_owned(),
    };
    let steps = Schedule::new(deployment.tasks, request.scale_down_decrement).steps();
    let reason = format!(
        "service {}: {from}; {} goes to {}, then the original drains in {steps} steps, {} s apart",
        request.service,
        short(&request.task_definition),
        short(&deployment.replacement_target_group),
        request.scale_down_wait,
    );
    Answer {
        status: if request.dry_run {
            Status::DryRun
        } else {
            Status::Passed
        },
        reason,
        wait: 0,
        deployment,
    }
}

fn active_service<'a>(
    request: &Request,
    observation: &'a Observation,
) -> Result<&'a Service, Refusal> {
    let name = &request.service;
    let cluster = short(&request.cluster);
    let Some(service) = &observation.service else {
        return Err(Refusal::preflight(
            format!("serviceName: cluster {cluster} has no service {name}."),
            format!("Look them up: aws ecs list-services --cluster {cluster}"),
        ));
    };
    if service.status != "ACTIVE" {
        return Err(Refusal::new(
            ErrorName::ServiceNotActive,
            format!("Service {name} is {}, not ACTIVE.", service.status),
            "Create it again (aws ecs create-service) or name another one.",
        ));
    }
    if service.deployment_controller != "EXTERNAL" {
        return Err(Refusal::preflight(
            format!(
                "Service {name} has the deployment controller {}, and only EXTERNAL has task sets.",
                service.deployment_controller
            ),
            "The controller of a service cannot be changed: create a service with \
             --deployment-controller type=EXTERNAL.",
        ));
    }
    if service.desired_count == 0 {
        return Err(Refusal::preflight(
            format!(
                "Service {name} wants 0 tasks, so nothing could be checked before traffic moves."
            ),
            format!(
                "Set a desired count first: aws ecs update-service --cluster {cluster} --service \
                 {name} --desired-count 1"
            ),
        ));
    }
    Ok(service)
}

fn active_task_definition<'a>(
    request: &Request,
    observation: &'a Observation,
) -> Result<&'a TaskDefinition, Refusal> {
    let name = short(&request.task_definition);
    let register = "Register it first: aws ecs register-task-definition";
    match &observation.task_definition {
        None => Err(Refusal::preflight(
            format!("taskDefinition: {name} does not exist."),
            register,
        )),
        Some(definition) if !definition.active => Err(Refusal::preflight(
            format!("taskDefinition: {name} is INACTIVE and starts no new tasks."),
            register,
        )),
        Some(definition) => Ok(definition),
    }
}

/// The one task set that serves; `None` where the service has none yet.
fn original<'a>(
    id: &DeploymentId,
    request: &Request,
    observation: &'a Observation,
    routing: &Routing<'_>,
) -> Result<Option<&'a TaskSet>, Refusal> {
    let service = &request.service;
    let others: Vec<_> = observation
        .task_sets
        .iter()
        .filter(|set| set.external_id.as_deref() != Some(id.external_id().as_str()))
        .collect();
    if others.len() >= TASK_SET_LIMIT {
        let names: Vec<_> = others
            .iter()
            .map(|set| format!("{} ({})", set.id, set.status))
            .collect();
        return Err(Refusal::new(
            ErrorName::TaskSetLimit,
            format!(
                "Service {service} has {} task sets and ECS allows {TASK_SET_LIMIT}: {}.",
                others.len(),
                names.join(", ")
            ),
            "Wait for those that are DRAINING, or delete what no listener reaches: aws ecs delete-task-set",
        ));
    }
    let living: Vec<_> = others
        .into_iter()
        .filter(|s| !s.is_being_deleted())
        .collect();
    match living[..] {
        [] => Ok(None),
        [only] if only.is_attached_to(&routing.production.arn) => Ok(Some(only)),
        _ => {
            let places: Vec<_> = living.iter().map(|set| place(set)).collect();
            Err(Refusal::drift(
                format!(
                    "Exactly one task set of service {service} should run, on target group {}, \
                     which the production listener forwards to; seen: {}.",
                    routing.production.name,
                    places.join(", ")
                ),
                format!(
                    "Delete what does not serve: aws ecs delete-task-set --cluster {} --service \
                     {service} --task-set ID --force",
                    short(&request.cluster)
                ),
            ))
        }
    }
}

fn place(task_set: &TaskSet) -> String {
    let groups: Vec<_> = task_set
        .load_balancers
        .iter()
        .map(|attached| short(&attached.target_group))
        .collect();
    let on = if groups.is_empty() {
        "no target group".to_owned()
    } else {
        groups.join(" and ")
    };
    format!(
        "{} ({} tasks) on {on}",
        task_set.id, task_set.computed_desired_count
    )
}

fn alternate_is_free(request: &Request, routing: &Routing<'_>) -> Result<(), Refusal> {
    let alternate = routing.alternate;
    if alternate.targets.registered() > 0 {
        return Err(Refusal::preflight(
            format!(
                "Target group {} should be empty, and has targets that no task set owns: {}.",
                alternate.name, alternate.targets
            ),
            format!(
                "They would get traffic after the swap. Remove them: aws elbv2 deregister-targets \
                 --target-group-arn {} --targets Id=ID",
                alternate.arn
            ),
        ));
    }
    if request.swap_mode == SwapMode::Replace && routing.roles.test.is_empty() {
        return Err(Refusal::preflight(
            format!(
                "swapMode is replace, and no test listener would be left for target group {}: a group in no listener is never health-checked.",
                alternate.name
            ),
            "Leave swapMode at weighted, or create a test listener that forwards to it.",
        ));
    }
    Ok(())
}

fn settle_container(
    settled: &mut Request,
    definition: &TaskDefinition,
    original: Option<&TaskSet>,
) -> Result<(), Refusal> {
    let attached = original.and_then(|task_set| task_set.load_balancers.first());
    let all: Vec<_> = definition
        .containers
        .iter()
        .flat_map(|container| {
            container
                .ports
                .iter()
                .map(|port| (container.name.as_str(), *port))
        })
        .collect();
    let name = settled
        .container_name
        .clone()
        .or_else(|| attached.and_then(|lb| lb.container_name.clone()));
    let port = settled
        .container_port
        .or_else(|| attached.and_then(|lb| lb.container_port));
    let fits = |candidate: &&(&str, u16)| {
        name.as_deref().is_none_or(|name| name == candidate.0)
            && port.is_none_or(|port| port == candidate.1)
    };
    let fitting: Vec<_> = all.iter().filter(fits).collect();
    if let [(name, port)] = fitting[..] {
        settled.container_name = Some((*name).to_owned());
        settled.container_port = Some(*port);
        return Ok(());
    }
    let wanted = format!(
        "containerName {} with containerPort {}",
        name.as_deref().unwrap_or("(any)"),
        port.map_or_else(|| "(any)".to_owned(), |port| port.to_string())
    );
    let has: Vec<_> = all
        .iter()
        .map(|(name, port)| format!("{name}:{port}"))
        .collect();
    Err(Refusal::preflight(
        format!(
            "{wanted} should be one container port of {}, which maps: {}.",
            short(&definition.arn),
            if has.is_empty() {
                "none".to_owned()
            } else {
                has.join(", ")
            }
        ),
        "Give containerName and containerPort as the task definition has them.",
    ))
}

fn settle_network(
    settled: &mut Request,
    definition: &TaskDefinition,
    original: Option<&TaskSet>,
) -> Result<(), Refusal> {
    if definition.network_mode != "awsvpc" {
        if settled.subnets.is_some() || settled.security_groups.is_some() {
            return Err(Refusal::preflight(
                format!(
                    "subnets and task_sg are for the network mode awsvpc, and {} has {}.",
                    short(&definition.arn),
                    definition.network_mode
                ),
                "Leave both out, or register the task definition with the network mode awsvpc.",
            ));
        }
        return Ok(());
    }
    let before: Option<&Network> = original.and_then(|task_set| task_set.network.as_ref());
    for (field, missing) in [
        ("subnets", settled.subnets.is_none()),
        ("task_sg", settled.security_groups.is_none()),
    ] {
        if missing && before.is_none() {
            return Err(Refusal::preflight(
                format!("{field} is missing, and no task set serves whose network could be used."),
                format!(
                    "Give {field}: {} runs in awsvpc mode.",
                    short(&definition.arn)
                ),
            ));
        }
    }
    if let Some(before) = before {
        settled
            .subnets
            .get_or_insert_with(|| before.subnets.clone());
        // A task set without security groups uses the VPC's default one; so does its replacement.
        if settled.security_groups.is_none() && !before.security_groups.is_empty() {
            settled.security_groups = Some(before.security_groups.clone());
        }
        settled
            .assign_public_ip
            .get_or_insert(before.assign_public_ip);
    }
    settled.assign_public_ip.get_or_insert(false);
    Ok(())
}

fn settle_launch(settled: &mut Request, original: Option<&TaskSet>) {
    let before = original.and_then(|task_set| task_set.launch.clone());
    let as_before = settled.launch.is_none() || settled.launch == before;
    if settled.launch.is_none() {
        settled.launch = Some(before.unwrap_or_else(|| Launch::Type("FARGATE".to_owned())));
    }
    // A platform version belongs to Fargate: it is taken over only with the way of launching.
    if settled.platform_version.is_none() && as_before {
        settled.platform_version = original.and_then(|task_set| task_set.platform_version.clone());
    }
}

fn settle_drain(
    settled: &mut Request,
    tasks: u32,
    deregistration_delay: u32,
) -> Result<(), Refusal> {
    let steps = Schedule::new(tasks, settled.scale_down_decrement).steps();
    let least = steps
        .saturating_sub(1)
        .saturating_mul(settled.scale_down_wait)
        .saturating_add(deregistration_delay);
    match settled.drain_timeout {
        Some(timeout) if timeout < least => Err(Refusal::preflight(
            format!(
                "drainTimeout is {timeout} s, but {steps} steps {} s apart and a deregistration delay of {deregistration_delay} s take {least} s.",
                settled.scale_down_wait
            ),
            format!("Give at least {least} in drainTimeout, or leave it out."),
        )),
        Some(_) => Ok(()),
        None => {
            settled.drain_timeout = Some(
                least
                    .saturating_add(DRAIN_SLACK)
                    .max(SHORTEST_DEFAULT_DRAIN),
            );
            Ok(())
        }
    }
}

/// Refuses what would outgrow the execution's history (rule R9).
fn history_fits(settled: &Request, tasks: u32, service: &Service) -> Result<(), Refusal> {
    let looks = settled.readiness_timeout.div_ceil(settled.wait_for_service) + LOOKS;
    let steps = Schedule::new(
        tasks.max(service.desired_count),
        settled.scale_down_decrement,
    )
    .steps();
    let polls = settled
        .drain_timeout
        .unwrap_or_default()
        .div_ceil(crate::scale_down::POLL);
    let turns = [looks, steps, polls, crate::cleanup::POLLS]
        .into_iter()
        .fold(0u32, u32::saturating_add);
    let events = turns.saturating_mul(EVENTS_A_TURN);
    if events <= EVENTS_ALLOWED {
        return Ok(());
    }
    let most = EVENTS_ALLOWED / EVENTS_A_TURN;
    Err(Refusal::preflight(
        format!(
            "This deployment could take {turns} turns of the state machine ({looks} looks at readiness, {steps} steps, {polls} looks at the drain), and its history holds {most}."
        ),
        "Raise waitForService or scaledown_decrement, or lower readinessTimeout or drainTimeout.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{World, group_arn};
    use crate::observation::{TaskSetLoadBalancer, TaskSetStatus};

    fn look(world: &World) -> Result<Deployment, Refusal> {
        settle(&world.deployment().id, &world.request, &world.observation)
    }

    fn refused(world: &World) -> String {
        let refusal = look(world).unwrap_err();
        format!("{}: {refusal}", refusal.error)
    }

    fn assert_refused(expected: &str, change: impl Fn(&mut World)) {
        let mut world = World::serving();
        change(&mut world);
        let seen = refused(&world);
        assert!(seen.contains(expected), "wanted {expected:?} in {seen:?}");
    }

    #[test]
    fn defaults_are_what_the_task_set_in_service_has() {
        let deployment = look(&World::serving()).unwrap();
        let request = &deployment.request;
        assert_eq!(request.container_name.as_deref(), Some("webserver"));
        assert_eq!(request.container_port, Some(8080));
        assert_eq!(
            request.subnets.as_deref(),
            Some(&["subnet-0".to_owned()][..])
        );
        assert_eq!(request.platform_version.as_deref(), Some("1.4.0"));
        assert_eq!(deployment.original.as_deref(), Some("ecs-svc/1"));
        assert_eq!(deployment.replacement_target_group, group_arn("green"));
        assert_eq!(deployment.tasks, 4);
    }

    #[test]
    fn a_settled_request_settles_to_itself() {
        let mut world = World::serving();
        let settled = look(&world).unwrap();
        world.request = settled.request.clone();
        assert_eq!(look(&world).unwrap(), settled);
    }

    #[test]
    fn a_service_that_cannot_be_deployed_to_is_refused_with_what_mends_it() {
        assert_refused(
            "PreflightFailed: serviceName: cluster main has no service web",
            |w| {
                w.observation.service = None;
            },
        );
        assert_refused("ServiceNotActive: Service web is INACTIVE", |w| {
            w.observation.service.as_mut().unwrap().status = "INACTIVE".into();
        });
        assert_refused("deployment controller CODE_DEPLOY", |w| {
            w.observation
                .service
                .as_mut()
                .unwrap()
                .deployment_controller = "CODE_DEPLOY".into();
        });
        assert_refused("--desired-count 1", |w| {
            w.observation.service.as_mut().unwrap().desired_count = 0;
        });
    }

    #[test]
    fn a_task_definition_that_starts_no_tasks_is_refused() {
        assert_refused(
            "PreflightFailed: taskDefinition: web:2 does not exist",
            |w| {
                w.observation.task_definition = None;
            },
        );
        assert_refused("web:2 is INACTIVE", |w| {
            w.observation.task_definition.as_mut().unwrap().active = false;
        });
    }

    #[test]
    fn a_container_or_port_that_is_not_in_the_task_definition_is_refused() {
        assert_refused("containerName sidecar", |w| {
            w.request.container_name = Some("sidecar".into());
        });
        assert_refused("containerPort 9090", |w| {
            w.request.container_port = Some(9090);
        });
        assert_refused("which maps: none", |w| w.container_mut().ports.clear());
    }

    #[test]
    fn the_only_container_port_is_the_default_of_a_first_deployment() {
        let mut world = World::serving();
        world.observation.task_sets.clear();
        world.request.subnets = Some(vec!["subnet-0".into()]);
        world.request.security_groups = Some(vec!["sg-0".into()]);
        let deployment = look(&world).unwrap();
        assert_eq!(deployment.request.container_port, Some(8080));
        assert_eq!(
            deployment.request.launch,
            Some(Launch::Type("FARGATE".into()))
        );
        assert_eq!((deployment.original, deployment.tasks), (None, 0));
        world.container_mut().ports.push(9090);
        assert!(refused(&world).contains("webserver:8080, webserver:9090"));
    }

    #[test]
    fn a_first_deployment_says_what_nothing_can_be_taken_from() {
        assert_refused("subnets is missing", |w| w.observation.task_sets.clear());
        assert_refused("nlb is missing", |w| w.observation.load_balancer = None);
    }

    #[test]
    fn a_sixth_task_set_is_refused_before_it_is_asked_for() {
        assert_refused("TaskSetLimit: Service web has 5 task sets", |w| {
            for number in 2..6 {
                let mut draining = w.observation.task_sets[0].clone();
                draining.id = format!("ecs-svc/{number}");
                draining.status = TaskSetStatus::Draining;
                w.observation.task_sets.push(draining);
            }
        });
    }

    #[test]
    fn a_leftover_on_the_alternate_group_is_refused_by_name() {
        assert_refused("Drift: Exactly one task set", |w| {
            let mut leftover = w.observation.task_sets[0].clone();
            leftover.id = "ecs-svc/9".into();
            leftover.load_balancers = vec![TaskSetLoadBalancer {
                target_group: group_arn("green"),
                container_name: None,
                container_port: None,
            }];
            w.observation.task_sets.push(leftover);
        });
        assert_refused("ecs-svc/1 (4 tasks) on green", |w| {
            w.task_set_mut("ecs-svc/1").load_balancers[0].target_group = group_arn("green");
        });
        assert_refused("targets that no task set owns: 2 healthy", |w| {
            w.group_mut("green").targets.healthy = 2;
        });
    }

    #[test]
    fn targets_of_the_last_deployment_that_still_leave_are_no_obstacle() {
        let mut world = World::serving();
        world.group_mut("green").targets.draining = 3;
        assert!(look(&world).is_ok());
    }

    #[test]
    fn replace_mode_needs_a_test_listener() {
        assert_refused("swapMode is replace", |w| {
            w.request.swap_mode = SwapMode::Replace;
            w.observation.listeners.truncate(1);
        });
    }

    #[test]
    fn a_drain_that_cannot_fit_its_timeout_is_refused_with_the_number_that_would() {
        assert_refused("Give at least 210 in drainTimeout", |w| {
            w.request.drain_timeout = Some(100);
        });
        let mut world = World::serving();
        world.request.drain_timeout = Some(210);
        assert!(look(&world).is_ok());
    }

    #[test]
    fn what_would_outgrow_the_history_is_refused() {
        assert_refused("turns of the state machine", |w| {
            w.request.wait_for_service = 1;
            w.request.readiness_timeout = 3_600;
        });
    }

    #[test]
    fn subnets_are_for_awsvpc_only() {
        assert_refused("has bridge", |w| {
            w.observation.task_definition.as_mut().unwrap().network_mode = "bridge".into();
            w.request.subnets = Some(vec!["subnet-0".into()]);
        });
        let mut world = World::serving();
        world
            .observation
            .task_definition
            .as_mut()
            .unwrap()
            .network_mode = "bridge".into();
        assert_eq!(look(&world).unwrap().request.subnets, None);
    }

    #[test]
    fn a_dry_run_says_so() {
        let mut world = World::serving();
        world.request.dry_run = true;
        let answer = answer(look(&world).unwrap());
        assert_eq!(answer.status, Status::DryRun);
        assert_eq!(
            answer.reason,
            "service web: ecs-svc/1 (4 tasks) on blue serves; web:2 goes to green, then the \
             original drains in 4 steps, 60 s apart"
        );
    }
}
