//! Findings about the replacement: what it takes over from the original, and how its tasks stop.

use super::{Finding, FindingName, Scene};
use crate::arn::short;
use crate::cleanup::{POLL, POLLS};
use crate::fix::Fix;
use crate::tags::untag;
use crate::world::{Launch, LaunchType};

pub(super) fn findings(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(keys_that_differ_in_case(scene));
    found.extend(new_tags(scene));
    found.extend(stop_timeout(scene));
    found
}

/// Keys of the input that the original has in other capitals: a tag policy knows one way to write them.
fn keys_that_differ_in_case(scene: &Scene<'_>) -> Option<Finding> {
    let original = scene.original?;
    let mut keys = scene.request.tags.keys();
    let (given, known) = keys.find_map(|given| {
        let mut known = original.tags.keys();
        let known =
            known.find(|known| *known != given && known.to_lowercase() == given.to_lowercase())?;
        Some((given, known))
    })?;
    Some(Finding::warning(
        FindingName::Tags,
        &format!(
            "tags has the key {given}, and {} the tag {known}.",
            original.id
        ),
        "The replacement gets both. A tag policy that fixes the capitals of the key refuses one of them, and ECS answers CreateTaskSet with AccessDeniedException.",
        Fix::run(
            &format!("Write {known} in tags, or remove the other one from the task set"),
            [untag(scene.request, scene.original, known)],
        ),
    ))
}

/// Tags that no task set of the service has had, or none at all: what policies demand or forbid is not read.
fn new_tags(scene: &Scene<'_>) -> Option<Finding> {
    let given = &scene.request.tags;
    let had = scene.original.map(|original| &original.tags);
    let new: Vec<_> = given
        .iter()
        .filter(|(key, value)| had.and_then(|had| had.get(*key)) != Some(*value))
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let none = given.is_empty() && had.is_none() && scene.production.is_some();
    let seen = match (none, &new[..]) {
        (true, _) => "The first task set gets no tags, because the input has none.".to_owned(),
        (false, []) => return None,
        (false, new) => format!(
            "The replacement gets tags that the original does not have: {}.",
            new.join(", ")
        ),
    };
    Some(Finding::info(
        FindingName::Tags,
        &seen,
        "A tag policy or a policy with aws:RequestTag may require tags or refuse their values. ECS then answers CreateTaskSet with AccessDeniedException, and the deployment fails with Permission before any traffic has moved. Not checked: which policies apply.",
        Fix::run(
            "",
            ["aws organizations describe-effective-policy --policy-type TAG_POLICY"],
        ),
    ))
}

/// Outside of Fargate, which gives it 120 s (AWS documentation), a container may take any time to stop, and a
/// task set is gone when its last task is.
fn stop_timeout(scene: &Scene<'_>) -> Option<Finding> {
    let definition = scene.world.task_definition.as_ref()?;
    let before = scene.original.and_then(|set| set.launch.as_ref());
    let launch = scene.request.launch.as_ref().or(before);
    let on_fargate = match launch {
        Some(Launch::Type(launch)) => *launch == LaunchType::Fargate,
        Some(Launch::Providers(providers)) => {
            providers.iter().all(|one| one.name.starts_with("FARGATE"))
        }
        None => true,
    };
    let containers = definition.containers.iter();
    let longest = containers
        .filter_map(|container| container.stop_timeout)
        .max()?;
    let waited = POLL * POLLS;
    if on_fargate || longest <= waited {
        return None;
    }
    let name = short(&definition.arn);
    Some(Finding::warning(
        FindingName::StopTimeout,
        &format!(
            "A container of {name} may take {longest} s to stop, and Ebbtide waits {waited} s for a deletion."
        ),
        "A deployment that replaces such tasks succeeds with the remark slowDeletion; the next one may have no room for its task set or its tasks.",
        format!(
            "Register {name} again (aws ecs register-task-definition) with a stopTimeout of at most {waited}."
        ),
    ))
}
