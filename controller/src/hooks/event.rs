//! The event that a hook is called with.

use serde_json::{Map, Value, json};

use super::{Call, Hook};
use crate::arn::short;
use crate::deployment::Plan;
use crate::drain::{self, Schedule};
use crate::id::{TargetGroupArn, TaskSetId};
use crate::point::Point;
use crate::routing;
use crate::world::{Registry, Route, World};

/// ECS's own fields, in both forms in which functions read them: at the top (AWS documentation), and in
/// `executionDetails`, beside `executionId` and `resourceArn` (the examples that AWS has published). A task set's ARN
/// stands where ECS has that of a service revision. What only Ebbtide has is in `ebbtide`.
pub(super) fn of(world: &World, plan: &Plan, hook: &Hook, call: &Call, round: u32) -> Value {
    let service = resource(plan, "service", "");
    let target = plan.replacement.as_ref().map(|id| task_set(plan, id));
    let (production, test) = weights(world, plan);
    let mut details = hook.details.clone();
    details.extend(call.details.clone());
    let execution = json!({
        "serviceArn": service,
        "targetServiceRevisionArn": target,
        "testTrafficWeights": test,
        "productionTrafficWeights": production,
    });
    let mut own = json!({
        "at": hook.at.as_str(),
        "call": call.calls,
        "cluster": plan.request.cluster,
        "serviceName": plan.request.service,
        "taskDefinition": plan.request.task_definition,
        "original": plan.original,
        "replacement": plan.replacement,
        "comment": plan.request.comment,
    });
    if hook.at.repeats() {
        own["round"] = json!(round);
    }
    if let Some(failure) = &plan.failure {
        own["failure"] = json!({"error": failure.error, "cause": failure.cause});
    }
    if matches!(hook.at, Point::BeforeDrain | Point::EachStep) {
        own["drain"] = drain(world, plan, hook.at, round);
    }
    json!({
        "executionDetails": execution,
        "executionId": plan.id.execution().as_str(),
        "resourceArn": plan.id.execution().as_str(),
        "lifecycleStage": hook.stage,
        "serviceArn": service,
        "targetServiceRevisionArn": target,
        "testTrafficWeights": test,
        "productionTrafficWeights": production,
        "hookDetails": details,
        "ebbtide": own,
    })
}

/// An ECS resource of the service.
fn resource(plan: &Plan, kind: &str, rest: &str) -> String {
    let home = plan.id.home();
    format!(
        "arn:{}:ecs:{}:{}:{kind}/{}/{}{rest}",
        home.partition,
        home.region,
        home.account,
        short(&plan.request.cluster),
        plan.request.service
    )
}

fn task_set(plan: &Plan, id: &TaskSetId) -> String {
    resource(plan, "task-set", &format!("/{id}"))
}

/// The percent of new connections that each task set gets, by its ARN: of production traffic and of that for tests.
fn weights(world: &World, plan: &Plan) -> (Value, Value) {
    if let Some(registry) = world
        .registry
        .as_ref()
        .filter(|_| world.load_balancer.is_none())
    {
        return (found(world, plan, registry), json!({}));
    }
    let roles =
        routing::pair(world, &plan.request).and_then(|pair| routing::roles_of(world, pair, plan));
    let (production, test) = match &roles {
        Ok(roles) => (roles.production.first(), roles.test.first()),
        Err(_) => (None, None),
    };
    let of = |route: Option<&&Route>| {
        let shares = route.map(|route| shares(route, plan));
        Value::Object(shares.unwrap_or_default())
    };
    (of(production), of(test))
}

/// In a registry, the share that each task set has of the tasks that clients find.
fn found(world: &World, plan: &Plan, registry: &Registry) -> Value {
    let sets = [&plan.original, &plan.replacement];
    let sets = sets
        .into_iter()
        .flatten()
        .filter_map(|id| world.task_set(id));
    let found: Vec<_> = sets
        .map(|set| (&set.id, registry.found_of(set).count()))
        .collect();
    let all: usize = found.iter().map(|(_, count)| count).sum();
    let shares = found.iter().filter_map(|(id, count)| {
        let percent = (count * 100)
            .checked_div(all)
            .filter(|percent| *percent > 0)?;
        Some((task_set(plan, id), json!(percent)))
    });
    Value::Object(shares.collect())
}

fn shares(route: &Route, plan: &Plan) -> Map<String, Value> {
    let all: u32 = route.forward.0.iter().map(|group| group.weight).sum();
    let set_on = |target_group: &TargetGroupArn| {
        if *target_group == plan.replacement_target_group {
            plan.replacement.as_ref()
        } else {
            plan.original.as_ref()
        }
    };
    let shares = route.forward.0.iter().filter_map(|group| {
        let percent = (group.weight * 100).checked_div(all)?;
        let id = set_on(&group.target_group)?;
        Some((task_set(plan, id), json!(percent)))
    });
    shares.collect()
}

/// What the drain is planned to do, so that an application can send its clients away in its own time; between two steps,
/// what is left of it.
fn drain(world: &World, plan: &Plan, at: Point, round: u32) -> Value {
    let outgoing = plan.outgoing_in(world);
    let tasks = outgoing.map_or(0, |outgoing| outgoing.computed_desired_count);
    let group = world.group(&plan.original_target_group);
    let Ok(deregistration) = group.map(crate::world::TargetGroup::deregistration) else {
        return json!({"tasks": tasks});
    };
    let pace = &plan.request.drain.pace;
    let planned = drain::plan::Plan::of(pace, tasks, deregistration);
    // A budget plans as it goes: its plan is one for the tasks that are left.
    let (steps, seconds) = if at == Point::EachStep && pace.budget().is_none() {
        let most = drain::most_steps(&plan.outgoing);
        let schedule = Schedule::new(plan.scheduled().0, pace, most, deregistration);
        let (step, last) = (round.saturating_sub(plan.earlier_steps()), schedule.steps());
        let seconds = schedule.at(last).saturating_sub(schedule.at(step));
        (last.saturating_sub(step.saturating_sub(1)), seconds)
    } else {
        let steps = u32::try_from(planned.steps.len()).unwrap_or(u32::MAX);
        (steps, planned.seconds())
    };
    let until = plan.request.drain.until;
    // In which clients can be sent away: before the first step, or while it goes on.
    let time = until.map_or(seconds, |until| until.deadline);
    let connections = world.flows.connections(world.now);
    let rate = connections.map(|connections| connections / f64::from(time.max(1)));
    json!({
        "taskSet": plan.original,
        "targetGroup": plan.original_target_group,
        "tasks": tasks,
        "steps": steps,
        "seconds": seconds,
        "deadline": until.map(|until| until.deadline),
        "connections": connections,
        "connectionsPerSecond": rate,
    })
}
