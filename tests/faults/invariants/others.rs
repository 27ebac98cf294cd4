//! What is not the deployment's: tags, routes and target groups of others, and whether a call has changed anything.

use ebbtide_simulator::world::{Registry, TargetGroup, World};

use super::routes::{by_arn, routes};
use super::{auto_scaling, living, reached, registry};
use crate::scenarios::{CLUSTER, SERVICE};

/// Tags that a deployment moves from group to group.
const MOVED: [&str; 3] = ["isProduction", "taskSetId", "ebbtide:swap"];

/// S17: tags that are there stay as they are, but for those that a deployment moves.
pub(super) fn overwritten(before: &World, after: &World) -> Option<String> {
    let of_routes = routes(before).filter_map(|was| {
        let is = by_arn(after, was.arn())?;
        Some((was.to_string(), was.tags(), is.tags()))
    });
    let of_groups = before.target_groups().filter_map(|was| {
        let is = after.target_group(&was.arn)?;
        Some((was.name.clone(), &was.tags, &is.tags))
    });
    of_routes.chain(of_groups).find_map(|(what, was, is)| {
        let mut kept = was.iter().filter(|(key, _)| !MOVED.contains(&key.as_str()));
        let (key, value) = kept.find(|(key, value)| is.get(*key) != Some(*value))?;
        let now = is.get(key);
        Some(format!("S17: {key}={value} of {what} is {now:?} now"))
    })
}

/// S17: a task set that is created has the tags of the one that serves, those of AWS aside.
pub(super) fn tags_lost(before: &World, after: &World) -> Option<String> {
    let serving = living(before).find(|set| reached(before, set))?;
    let created = living(after).find(|set| before.task_set(&set.id).is_none())?;
    let mut tags = serving
        .tags
        .iter()
        .filter(|(key, _)| !key.starts_with("aws:"));
    let (key, _) = tags.find(|(key, value)| created.tags.get(*key) != Some(*value))?;
    Some(format!(
        "S17: {} was created without the tag {key}",
        created.id
    ))
}

/// Everything that the request does not name.
pub(super) fn neighbours(world: &World) -> Vec<String> {
    let groups = world.target_groups();
    let groups = groups.filter(|group| !group.name.contains("-tg-"));
    let groups = groups.map(|group| format!("{group:?}"));
    let listeners = world.listeners();
    let listeners = listeners.filter(|listener| listener.port == 9_000);
    let listeners = listeners.map(|listener| format!("{listener:?}"));
    // Rules of its own listeners to the groups of others.
    let rules = routes(world).filter(|route| route.port() != 9_000);
    let rules = rules.filter(|route| route.live().iter().any(|group| !group.contains("-tg-")));
    let rules =
        rules.map(|route| format!("{} {:?} {:?}", route.plain(), route.live(), route.tags()));
    groups.chain(listeners).chain(rules).collect()
}

/// Whether a call has changed nothing but the lock.
pub(super) fn same_resources(before: &World, after: &World) -> bool {
    let services = |world: &World| world.service(CLUSTER, SERVICE).cloned();
    let (sets, same_sets) = (
        before.task_sets_of(CLUSTER, SERVICE),
        after.task_sets_of(CLUSTER, SERVICE),
    );
    let tags = |group: &TargetGroup| group.tags.clone();
    let instances = |world: &World| -> Vec<String> {
        let registry = registry::the(world).into_iter();
        let all = registry.flat_map(Registry::instances);
        all.map(|instance| format!("{instance:?}")).collect()
    };
    services(before) == services(after)
        && instances(before) == instances(after)
        && auto_scaling::target(before) == auto_scaling::target(after)
        && sets == same_sets
        && before
            .target_groups()
            .map(tags)
            .eq(after.target_groups().map(tags))
        && before.listeners().eq(after.listeners())
}
