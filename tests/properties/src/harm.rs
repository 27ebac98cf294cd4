//! Actions that no step may decide on, whatever it sees.
//!
//! Said here without the code that decides: what a route sends where is read off the world,
//! and one that is not recorded as a test route may be one that users reach.

use ebbtide_controller::action::{Action, NewRule, NewTaskSet};
use ebbtide_controller::auto_scaling::Suspended;
use ebbtide_controller::id::{InstanceId, RegistryArn, RouteArn, TargetGroupArn, TaskSetId};
use ebbtide_controller::shift::Shift;
use ebbtide_controller::world::{Forward, Route, TaskSet, TaskSetStatus, World};

/// Whether a step takes tasks away by a plan, or may bring them back too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A step of a drain: no scale rises but that of what serves.
    Drain,
    /// Any other.
    Other,
}

/// Why some writes would do harm in the world they were decided for; `None` where they would not. Each action
/// is judged when those before it are done.
pub fn harm(
    kind: Kind,
    shift: Option<&Shift>,
    world: &World,
    actions: &[Action],
) -> Option<String> {
    if actions.is_empty() {
        return Some("an order to act names no action".to_owned());
    }
    let mut world = world.clone();
    for action in actions {
        if let Err(why) = harm_of(kind, shift, &world, action) {
            return Some(format!("{action}: {why}"));
        }
        done(&mut world, action);
    }
    None
}

/// What an action changes of where traffic goes and of what is known of it.
fn done(world: &mut World, action: &Action) {
    for seen in &mut world.routes {
        match action {
            Action::RecordRole { route, role } if seen.arn == *route => {
                seen.role = Some(role.as_str().to_owned());
            }
            Action::Forward { route, wanted, .. } if seen.arn == *route => {
                seen.forward = wanted.clone();
            }
            _ => {}
        }
    }
}

fn harm_of(
    kind: Kind,
    shift: Option<&Shift>,
    world: &World,
    action: &Action,
) -> Result<(), &'static str> {
    match action {
        Action::RecordRole { route, .. } => {
            let role = seen_route(world, route)?.role.as_deref();
            let understood = role.is_none_or(|role| ["production", "test"].contains(&role));
            refuse(!understood, "it overwrites a role that a person wrote")
        }
        Action::RecordService { target_groups, .. } => {
            for arn in target_groups {
                seen_group(world, arn)?;
                let mut groups = world.target_groups.iter();
                let recorded = groups.any(|group| group.arn == *arn && group.service.is_some());
                refuse(recorded, "it overwrites whose group it is")?;
            }
            Ok(())
        }
        Action::Forward { route, wanted, .. } => forward(shift, world, route, wanted),
        Action::CreateRule(new) => rule_created(world, new),
        Action::DeleteRule { rule } => refuse(
            seen_route(world, rule)?.created.is_none(),
            "no deployment has created it",
        ),
        Action::RecordHold { .. } => refuse(
            world.scaling.target.is_none_or(|target| target.scale_in),
            "what a person has suspended would be resumed",
        ),
        Action::SuspendScaling { wanted } => suspends(world, *wanted),
        Action::CreateTaskSet(new) => created(world, new),
        Action::RecordSwapIntent { target_group, .. }
        | Action::ClearSwapIntent { target_group } => seen_group(world, target_group),
        Action::TagProduction {
            target_group,
            task_set,
        } => {
            seen_group(world, target_group)?;
            seen_task_set(world, task_set).map(drop)
        }
        Action::UntagProduction { target_group } => {
            seen_group(world, target_group)?;
            let reaches = |l: &Route| is_production(l) && l.forward.is_all_to(target_group);
            refuse(
                world.routes.iter().any(reaches),
                "users reach it, and the record would be lost",
            )
        }
        Action::MakePrimary { task_set } => refuse(
            seen_task_set(world, task_set)?.is_being_deleted(),
            "it is being deleted",
        ),
        Action::SetScale {
            task_set, percent, ..
        } => {
            let set = seen_task_set(world, task_set)?;
            let possible = (0.0..=100.0).contains(percent);
            refuse(!possible, "ECS takes 0 to 100 percent")?;
            let (rises, falls) = (*percent > set.scale, *percent < set.scale);
            let serves = serves(world, set);
            refuse(
                rises && !serves && kind == Kind::Drain,
                "what is drained never rises",
            )?;
            refuse(falls && is_found(world, set), "clients find its tasks")?;
            refuse(falls && serves, "users reach it")
        }
        Action::SetInstanceHealth {
            registry,
            instances,
            healthy,
        } => {
            let hides = |set: &TaskSet| is_to_be_found(world, set) && !healthy;
            seen_instances(world, registry, instances, hides)
        }
        Action::DeregisterInstances {
            registry,
            instances,
        } => seen_instances(world, registry, instances, |set| is_to_be_found(world, set)),
        Action::DeregisterTargets { target_group } => {
            seen_group(world, target_group)?;
            let wanted = |set: &TaskSet| set.scale > 0.0 && set.is_attached_to(target_group);
            let is_wanted = world.task_sets.iter().any(wanted);
            refuse(is_wanted, "a task set on it wants tasks")?;
            refuse(
                may_reach_users(world, target_group),
                "users reach what is behind it",
            )
        }
        Action::DeleteTaskSet { task_set, force } => {
            let set = seen_task_set(world, task_set)?;
            refuse(serves(world, set), "users reach it")?;
            refuse(
                is_found(world, set) && !force && set.tasks() > 0,
                "clients find its tasks",
            )?;
            let primary = set.status == TaskSetStatus::Primary;
            refuse(*force && primary, "what is PRIMARY has served")?;
            refuse(
                *force && is_recorded(world, set),
                "its group records that it serves or that a swap to it has begun",
            )
        }
    }
}

fn suspends(world: &World, wanted: Suspended) -> Result<(), &'static str> {
    let target = world.scaling.target.ok_or("there is no scalable target")?;
    let others = Suspended {
        scale_in: wanted.scale_in,
        ..target
    };
    refuse(others != wanted, "it changes more than scale-in")
}

fn rule_created(world: &World, new: &NewRule) -> Result<(), &'static str> {
    seen_group(world, &new.target_group)?;
    let on_it = |route: &Route| {
        let rule = route.rule.as_ref();
        route.listener == new.listener && rule.is_some_and(|rule| rule.priority == new.priority)
    };
    refuse(world.routes.iter().any(on_it), "the number is taken")?;
    refuse(
        may_reach_users(world, &new.target_group),
        "users reach what it is to test",
    )
}

fn created(world: &World, new: &NewTaskSet) -> Result<(), &'static str> {
    if let Some(attached) = &new.load_balancer {
        seen_group(world, &attached.target_group)?;
        refuse(
            may_reach_users(world, &attached.target_group),
            "users reach it before it is healthy",
        )?;
    }
    refuse(
        new.load_balancer.is_none() && new.service_registries.is_empty(),
        "no client finds it",
    )?;
    refuse(
        new.client_token.len() > 36,
        "ECS takes 36 characters of a client token",
    )
}

/// Whether clients are to find a task set: in a registry alone, the one that is `PRIMARY`.
fn is_to_be_found(world: &World, set: &TaskSet) -> bool {
    world.load_balancer.is_none() && set.status == TaskSetStatus::Primary
}

/// The instances are of the registry, and none of them is one that clients are to find.
fn seen_instances(
    world: &World,
    registry: &RegistryArn,
    instances: &[InstanceId],
    hides: impl Fn(&TaskSet) -> bool,
) -> Result<(), &'static str> {
    let seen = world.registry.as_ref().filter(|one| one.arn == *registry);
    let seen = seen.ok_or("it was not seen")?;
    for id in instances {
        let mut all = seen.instances.iter();
        let its = all.find(|instance| instance.id == *id);
        let its = its.ok_or("it was not seen")?;
        let mut sets = world.task_sets.iter();
        let set = sets.find(|set| set.external_id == its.external_id);
        refuse(set.is_none_or(&hides), "users find it")?;
    }
    Ok(())
}

fn forward(
    shift: Option<&Shift>,
    world: &World,
    route: &RouteArn,
    to: &Forward,
) -> Result<(), &'static str> {
    let route = seen_route(world, route)?;
    for group in &to.0 {
        seen_group(world, &group.target_group)?;
    }
    let asked = |live: &TargetGroupArn| {
        let percents = shift.into_iter().flat_map(Shift::steps);
        let mut percents = percents.map(|step| step.percent);
        percents.any(|percent| to.share(live) == Some(percent))
    };
    refuse(
        to.live().count() != 1 && !to.live().any(asked),
        "it shares traffic between groups",
    )?;
    refuse(
        to.live().count() > 1 && is_for_tests(route),
        "it shares the traffic of a test route",
    )?;
    let healthy = |arn: &TargetGroupArn| {
        let groups = &world.target_groups;
        groups
            .iter()
            .any(|g| g.arn == *arn && g.targets.healthy > 0)
    };
    let moves = |live: &TargetGroupArn| to.share(live) > route.forward.share(live);
    refuse(
        !is_for_tests(route) && to.live().any(|live| moves(live) && !healthy(live)),
        "it sends users where no target is healthy",
    )
}

fn refuse(is_so: bool, why: &'static str) -> Result<(), &'static str> {
    if is_so { Err(why) } else { Ok(()) }
}

/// Whether users may reach a task set.
fn serves(world: &World, task_set: &TaskSet) -> bool {
    if world.registry.is_some() && world.load_balancer.is_none() {
        return task_set.status == TaskSetStatus::Primary;
    }
    task_set
        .load_balancers
        .iter()
        .any(|attached| may_reach_users(world, &attached.target_group))
}

/// Whether clients of a registry may find tasks of a task set that can be taken out of it.
fn is_found(world: &World, set: &TaskSet) -> bool {
    world.registry.as_ref().is_some_and(|registry| {
        let mut its = set.service_registries.iter();
        let can_leave = registry.custom_health && its.any(|its| its.arn == registry.arn);
        can_leave && registry.found_of(set).next().is_some()
    })
}

/// Whether a route sends traffic to a group; test routes aside.
fn may_reach_users(world: &World, group: &TargetGroupArn) -> bool {
    world.routes.iter().any(|route| {
        let reaches = route.forward.live().any(|live| live == group);
        reaches && route.role.as_deref() != Some("test")
    })
}

/// Whether a tag says that a task set serves, or may by now.
fn is_recorded(world: &World, task_set: &TaskSet) -> bool {
    world.target_groups.iter().any(|group| {
        group.task_set_id.as_ref() == Some(&task_set.id)
            || (group.swap_intent.is_some() && task_set.is_attached_to(&group.arn))
    })
}

fn is_production(route: &Route) -> bool {
    route.role.as_deref() == Some("production")
}

/// One without a tag may be production: that rests on the traffic that it has.
fn is_for_tests(route: &Route) -> bool {
    route.role.as_deref() == Some("test")
}

fn seen_task_set<'a>(world: &'a World, id: &TaskSetId) -> Result<&'a TaskSet, &'static str> {
    let mut task_sets = world.task_sets.iter();
    let found = task_sets.find(|set| set.id == *id);
    found.ok_or("no such task set was seen")
}

fn seen_route<'a>(world: &'a World, arn: &RouteArn) -> Result<&'a Route, &'static str> {
    let mut routes = world.routes.iter();
    let found = routes.find(|route| route.arn == *arn);
    found.ok_or("no such route was seen")
}

fn seen_group(world: &World, arn: &TargetGroupArn) -> Result<(), &'static str> {
    let mut groups = world.target_groups.iter();
    let found = groups.any(|group| group.arn == *arn);
    refuse(!found, "no such target group was seen")
}
