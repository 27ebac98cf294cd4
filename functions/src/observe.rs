//! One look at the world: everything a turn needs, in one go.

use ebbtide_controller::arn::short;
use ebbtide_controller::deployment::Plan;
use ebbtide_controller::flows::{self, Flows};
use ebbtide_controller::id::{LoadBalancerArn, TargetGroupArn};
use ebbtide_controller::identity::DeploymentId;
use ebbtide_controller::phase::Phase;
use ebbtide_controller::request::Request;
use ebbtide_controller::routing;
use ebbtide_controller::world::{
    Alarm, AlarmState, DeploymentController, Listener, LoadBalancer, Service, ServiceStatus,
    StoppedTasks, TargetGroup, TaskDefinition, TaskSet, World,
};
use tokio::try_join;

use crate::clients::Clients;
use crate::error::StepError;
use crate::{observe_cloudwatch, observe_ecs, observe_elb, observe_settings};

/// Reads the service, its task sets and its load balancer, and what CloudWatch says; `None` where the
/// cluster has no such service. `now` is in seconds since 1970.
///
/// Calls that do not need one another's answers are made at once. The task definition is read only where
/// a task set may be created from it, stopped tasks only where their reasons may be asked for, alarms and
/// metrics only where a step goes by them, so that each function makes no call it has no use for. What
/// only findings rest on (the load balancer's zones and its cross-zone setting, the tags of task sets) is
/// read by preflight alone. The target groups that a deployment names are read whether a listener uses
/// them or not.
pub(crate) async fn observe(
    clients: &Clients,
    phase: Phase,
    id: &DeploymentId,
    request: &Request,
    plan: Option<&Plan>,
    now: u64,
) -> Result<Option<World>, StepError> {
    let (cluster, balanced, task_definition, alarms, flows) = try_join!(
        task_sets(clients, phase, id, request, plan),
        balancer(clients, phase, request.load_balancer.as_ref()),
        task_definition(clients, phase, request, plan),
        alarms(clients, phase, plan),
        async { Ok(metrics(clients, phase, plan, now).await) },
    )?;
    let Cluster {
        service,
        task_sets,
        stopped_tasks,
    } = cluster;
    let elb = &clients.elb;
    let balanced = if balanced.is_some() {
        balanced
    } else {
        // The request names none: the task sets do.
        let arn = observe_elb::load_balancer_of(elb, &task_sets).await?;
        balancer(clients, phase, arn.as_ref()).await?
    };
    let (load_balancer, mut listeners, mut target_groups) = match balanced {
        Some(Balanced {
            load_balancer,
            listeners,
            target_groups,
        }) => (Some(load_balancer), listeners, target_groups),
        None => (None, Vec::new(), Vec::new()),
    };
    // In the middle of a swap that replaces groups, one of them is in no listener, and AWS does not
    // count it among the load balancer's: its task set or the deployment still names it.
    let named = named_by(&task_sets, plan, &target_groups);
    if load_balancer.is_some() && !named.is_empty() {
        target_groups.extend(observe_elb::target_groups_by_arn(elb, named).await?);
        target_groups.sort_by(|a, b| a.name.cmp(&b.name));
    }
    observe_elb::read_tags(elb, &mut listeners, &mut target_groups).await?;
    // Health and attributes of this service's two groups only: a load balancer may have a hundred.
    let own: Vec<_> = routing::candidates(&task_sets, &target_groups, request)
        .iter()
        .map(|group| group.arn.clone())
        .collect();
    if let [one, other] = &own[..] {
        let (one, other) = try_join!(
            observe_elb::health_of(elb, one),
            observe_elb::health_of(elb, other)
        )?;
        for (arn, health) in own.iter().zip([one, other]) {
            let mut groups = target_groups.iter_mut();
            if let Some(group) = groups.find(|group| group.arn == *arn) {
                health.put_into(group);
            }
        }
    }
    Ok(service.map(|service| World {
        service,
        task_sets,
        load_balancer,
        listeners,
        target_groups,
        task_definition,
        stopped_tasks,
        alarms,
        flows,
        now,
    }))
}

/// What ECS says.
struct Cluster {
    service: Option<Service>,
    task_sets: Vec<TaskSet>,
    stopped_tasks: StoppedTasks,
}

async fn task_sets(
    clients: &Clients,
    phase: Phase,
    id: &DeploymentId,
    request: &Request,
    plan: Option<&Plan>,
) -> Result<Cluster, StepError> {
    let ecs = &clients.ecs;
    let (service, ids) = observe_ecs::service(ecs, request).await?;
    // ECS refuses to describe the task sets of any other service, and preflight says it better.
    let has_task_sets = service.as_ref().is_some_and(|service| {
        service.status == ServiceStatus::Active
            && service.deployment_controller == DeploymentController::External
    });
    let task_sets = if ids.is_empty() || !has_task_sets {
        Vec::new()
    } else {
        observe_ecs::task_sets(ecs, request, &ids, phase == Phase::Preflight).await?
    };
    // Before the swap all of the replacement's that failed, and those since while it drains the original.
    let failures = match phase {
        Phase::CheckAndCreate => plan.filter(|plan| plan.replacement.is_some()),
        Phase::Swap | Phase::ScaleDown => {
            plan.filter(|plan| plan.goes_forward() && plan.swapped.is_some())
        }
        Phase::Preflight | Phase::Cleanup | Phase::Rollback => None,
    };
    let stopped_tasks = match (failures, replacement(id, &task_sets)) {
        (Some(plan), Some(replacement)) => {
            observe_ecs::stopped_tasks(ecs, request, &replacement.id, plan.swapped).await?
        }
        _ => StoppedTasks::default(),
    };
    Ok(Cluster {
        service,
        task_sets,
        stopped_tasks,
    })
}

/// What Elastic Load Balancing says of one load balancer.
struct Balanced {
    load_balancer: LoadBalancer,
    listeners: Vec<Listener>,
    target_groups: Vec<TargetGroup>,
}

async fn balancer(
    clients: &Clients,
    phase: Phase,
    arn: Option<&LoadBalancerArn>,
) -> Result<Option<Balanced>, StepError> {
    let Some(arn) = arn else {
        return Ok(None);
    };
    let elb = &clients.elb;
    let (listeners, target_groups, load_balancer) = try_join!(
        observe_elb::listeners(elb, arn),
        observe_elb::target_groups(elb, arn),
        async {
            Ok(if phase == Phase::Preflight {
                observe_settings::load_balancer(elb, arn).await
            } else {
                LoadBalancer::of(arn.clone())
            })
        },
    )?;
    Ok(Some(Balanced {
        load_balancer,
        listeners,
        target_groups,
    }))
}

async fn task_definition(
    clients: &Clients,
    phase: Phase,
    request: &Request,
    plan: Option<&Plan>,
) -> Result<Option<TaskDefinition>, StepError> {
    let may_create = match phase {
        Phase::Preflight => true,
        Phase::CheckAndCreate => plan.is_none_or(|plan| plan.replacement.is_none()),
        Phase::Swap | Phase::ScaleDown | Phase::Cleanup | Phase::Rollback => false,
    };
    if may_create {
        observe_ecs::task_definition(&clients.ecs, request).await
    } else {
        Ok(None)
    }
}

/// The alarms that a request names, where one that rings stops what is done.
async fn alarms(
    clients: &Clients,
    phase: Phase,
    plan: Option<&Plan>,
) -> Result<Vec<Alarm>, StepError> {
    let Some(plan) = plan else {
        return Ok(Vec::new());
    };
    let stops = match phase {
        Phase::CheckAndCreate => plan.replacement.is_none(),
        // Without a replacement, a swap that was left half done is finished.
        Phase::Swap => plan.goes_forward() && plan.replacement.is_some(),
        Phase::ScaleDown => plan.goes_forward(),
        Phase::Preflight | Phase::Cleanup | Phase::Rollback => false,
    };
    let names = &plan.request.alarms;
    if !stops || names.is_empty() {
        return Ok(Vec::new());
    }
    match observe_cloudwatch::alarms(&clients.cloudwatch, names).await {
        // One that cannot be read is not one that rings: the next step waits for it.
        Err(error) if plan.swapped.is_some() => {
            let unread = |name: &String| Alarm {
                name: name.clone(),
                state: AlarmState::Unknown(format!("UNREAD ({})", error.name.as_str())),
            };
            Ok(names.iter().map(unread).collect())
        }
        alarms => alarms,
    }
}

/// The metrics that the drain goes by.
async fn metrics(clients: &Clients, phase: Phase, plan: Option<&Plan>, now: u64) -> Flows {
    let drains = phase == Phase::ScaleDown || phase == Phase::Swap;
    match plan.filter(|_| drains) {
        Some(plan) => {
            let queries = flows::queries(plan);
            observe_cloudwatch::flows(&clients.cloudwatch, &queries, now).await
        }
        None => Flows::default(),
    }
}

/// The target groups of living task sets, and others by name, that are not known yet.
fn named_by(
    task_sets: &[TaskSet],
    plan: Option<&Plan>,
    known: &[TargetGroup],
) -> Vec<TargetGroupArn> {
    let also = plan.into_iter().flat_map(|plan| {
        [
            plan.original_target_group.clone(),
            plan.replacement_target_group.clone(),
        ]
    });
    let mut arns: Vec<_> = task_sets
        .iter()
        .filter(|task_set| !task_set.is_being_deleted())
        .flat_map(|task_set| &task_set.load_balancers)
        .map(|attached| attached.target_group.clone())
        .chain(also)
        .filter(|arn| known.iter().all(|group| group.arn != *arn))
        .collect();
    arns.sort();
    arns.dedup();
    arns
}

fn replacement<'a>(id: &DeploymentId, task_sets: &'a [TaskSet]) -> Option<&'a TaskSet> {
    let external_id = id.external_id();
    task_sets
        .iter()
        .find(|task_set| task_set.external_id.as_deref() == Some(external_id.as_str()))
}

/// The world in one line of a log.
pub(crate) fn in_short(world: &World) -> String {
    let mut parts: Vec<String> = world
        .task_sets
        .iter()
        .map(|set| {
            format!(
                "{} {} {}/{}",
                set.id, set.status, set.running_count, set.computed_desired_count
            )
        })
        .collect();
    for listener in &world.listeners {
        let groups: Vec<_> = listener
            .forward
            .0
            .iter()
            .map(|group| format!("{}:{}", short(&group.target_group), group.weight))
            .collect();
        parts.push(format!("listener {} {}", listener.port, groups.join("+")));
    }
    parts.join("; ")
}
