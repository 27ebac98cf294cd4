//! One look at the world: everything a step needs, in one observation.

use ebbtide_controller::arn::short;
use ebbtide_controller::contract::Step;
use ebbtide_controller::identity::DeploymentId;
use ebbtide_controller::observation::{LoadBalancer, Observation, TargetGroup, TaskSet};
use ebbtide_controller::request::Request;
use ebbtide_controller::routing;

use crate::clients::Clients;
use crate::error::StepError;
use crate::{observe_ecs, observe_elb, observe_settings};

/// Reads the service, its task sets and its load balancer.
///
/// The task definition is read only where a task set may be created from it, and stopped tasks
/// only where their reasons may be asked for, so that each function makes no call it has no use
/// for. What only findings rest on (the load balancer's zones and its cross-zone setting, the tags of
/// task sets) is read by preflight alone. `also` names target groups that are read whether a listener uses them or not.
pub(crate) async fn observe(
    clients: &Clients,
    step: Step,
    id: &DeploymentId,
    request: &Request,
    also: &[&str],
) -> Result<Observation, StepError> {
    let ecs = &clients.ecs;
    let (service, ids) = observe_ecs::service(ecs, request).await?;
    // ECS refuses to describe the task sets of any other service, and preflight says it better.
    let has_task_sets = service.as_ref().is_some_and(|service| {
        service.status == "ACTIVE" && service.deployment_controller == "EXTERNAL"
    });
    let task_sets = if ids.is_empty() || !has_task_sets {
        Vec::new()
    } else {
        observe_ecs::task_sets(ecs, request, &ids, step == Step::Preflight).await?
    };
    let task_definition = match step {
        Step::Preflight | Step::Create => observe_ecs::task_definition(ecs, request).await?,
        Step::FinishSwap
        | Step::Leftovers
        | Step::Ready
        | Step::Swap
        | Step::ScaleDown
        | Step::Cleanup
        | Step::Rollback
        | Step::SwapBack
        | Step::Explain => None,
    };
    let stopped_tasks = match (step, replacement(id, &task_sets)) {
        (Step::Ready, Some(replacement)) => {
            observe_ecs::stopped_tasks(ecs, request, &replacement.id).await?
        }
        _ => Vec::new(),
    };

    let elb = &clients.elb;
    let load_balancer = match &request.load_balancer {
        Some(arn) => Some(arn.clone()),
        None => observe_elb::load_balancer_of(elb, &task_sets).await?,
    };
    let (mut listeners, mut target_groups) = match &load_balancer {
        Some(arn) => (
            observe_elb::listeners(elb, arn).await?,
            observe_elb::target_groups(elb, arn).await?,
        ),
        None => (Vec::new(), Vec::new()),
    };
    // In the middle of a swap that replaces groups, one of them is in no listener, and AWS does not
    // count it among the load balancer's: its task set or the deployment still names it.
    let named = named_by(&task_sets, also, &target_groups);
    if load_balancer.is_some() && !named.is_empty() {
        target_groups.extend(observe_elb::target_groups_by_arn(elb, named).await?);
        target_groups.sort_by(|a, b| a.name.cmp(&b.name));
    }
    observe_elb::read_tags(elb, &mut listeners, &mut target_groups).await?;
    // Health and attributes of this service's two groups only: a load balancer may have a hundred.
    let own: Vec<_> = routing::candidates(&target_groups, &request.service)
        .iter()
        .map(|group| group.arn.clone())
        .collect();
    if own.len() == 2 {
        for group in target_groups.iter_mut().filter(|g| own.contains(&g.arn)) {
            group.targets = observe_elb::targets(elb, &group.arn).await?;
            observe_settings::read_attributes(elb, group).await?;
        }
    }
    let load_balancer = match load_balancer {
        Some(arn) if step == Step::Preflight => {
            Some(observe_settings::load_balancer(elb, &arn).await)
        }
        other => other.map(LoadBalancer::of),
    };
    Ok(Observation {
        service,
        task_sets,
        load_balancer,
        listeners,
        target_groups,
        task_definition,
        stopped_tasks,
    })
}

/// The target groups of living task sets, and others by name, that are not known yet.
fn named_by(task_sets: &[TaskSet], also: &[&str], known: &[TargetGroup]) -> Vec<String> {
    let mut arns: Vec<_> = task_sets
        .iter()
        .filter(|task_set| !task_set.is_being_deleted())
        .flat_map(|task_set| &task_set.load_balancers)
        .map(|attached| attached.target_group.clone())
        .chain(also.iter().map(|arn| (*arn).to_owned()))
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

/// An observation in one line of a log.
pub(crate) fn in_short(observation: &Observation) -> String {
    let mut parts: Vec<String> = observation
        .task_sets
        .iter()
        .map(|set| {
            format!(
                "{} {} {}/{}",
                set.id, set.status, set.running_count, set.computed_desired_count
            )
        })
        .collect();
    for listener in &observation.listeners {
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
