//! How a service that is deployed is undone: the version that served before is deployed again.

use serde_json::Value;

use crate::id::{ExecutionArn, TaskSetId};
use crate::request::Request;
use crate::world::{TaskSet, TaskSetStatus, World};

/// The request that deploys the version which serves now, in the way in which this request deploys another one.
///
/// What the task set says of itself is in it, not left to be copied: the version that is undone then may run elsewhere.
/// What holds a deployment back has no place in one that undoes: alarms, checks, hooks, pauses, a shift in steps,
/// a window, a time by which it is to end, test rules.
pub fn earlier(request: &Request, world: &World, original: &TaskSetId) -> Option<Request> {
    let serves = world.task_sets.iter().find(|set| set.id == *original)?;
    let attached = serves.load_balancers.first();
    let network = serves.network.as_ref();
    let mut tags = serves.tags.clone();
    tags.retain(|key, _| !crate::tags::is_of_aws(key));
    Some(Request {
        task_definition: serves.task_definition.clone(),
        subnets: network.map(|network| network.subnets.clone()),
        security_groups: network
            .map(|network| network.security_groups.clone())
            .filter(|groups| !groups.is_empty()),
        assign_public_ip: network.map(|network| network.assign_public_ip),
        container_name: attached.and_then(|attached| attached.container_name.clone()),
        container_port: attached.and_then(|attached| attached.container_port),
        launch: serves.launch.clone(),
        platform_version: serves.platform_version.clone(),
        tags,
        test: None,
        registry: None,
        alarms: Vec::new(),
        checks: Vec::new(),
        pauses: Vec::new(),
        hooks: Vec::new(),
        shift: None,
        window: None,
        finish_by: None,
        dry_run: false,
        rollback_on_failure: true,
        comment: None,
        ..request.clone()
    })
}

/// A task set whose status this version does not know, where none is `PRIMARY`: what serves cannot be said.
pub fn unclear(world: Option<&World>) -> Option<&TaskSet> {
    let sets = || world.iter().flat_map(|world| &world.task_sets);
    let known = sets().any(|set| set.status == TaskSetStatus::Primary);
    let unknown = sets().find(|set| matches!(set.status, TaskSetStatus::Unknown(_)));
    unknown.filter(|_| !known)
}

/// Whether the earlier version serves, as the world shows it now: after a rollback that was asked for.
///
/// Before its first swap no task set of a service need be `PRIMARY`: then it is the one that is not being deleted.
pub fn is_back(earlier: Option<&Value>, world: Option<&World>) -> bool {
    let sets = || world.iter().flat_map(|world| &world.task_sets);
    let primary = sets().find(|set| set.status == TaskSetStatus::Primary);
    let mut living = sets().filter(|set| !set.is_being_deleted());
    let alone = living.next().filter(|_| living.next().is_none());
    let serves = primary.or(alone).map(|set| set.task_definition.as_str());
    let before = earlier.map(|earlier| earlier["taskDefinition"].as_str().unwrap_or_default());
    serves == before
}

/// Whether a service can be undone, as the world shows it now; or why not.
///
/// A later deployment by another execution is not undone: `task_set` is what this one has deployed.
pub fn can_be_undone(
    earlier: Option<&Value>,
    task_set: Option<&str>,
    world: Option<&World>,
) -> Result<(), String> {
    if earlier.is_none() {
        return Err("there was no earlier version".to_owned());
    }
    let world = world.ok_or("the service is gone")?;
    let mut sets = world.task_sets.iter();
    let primary = sets.find(|set| set.status == TaskSetStatus::Primary);
    let serves = primary.map(|set| &*set.id);
    if serves == task_set {
        return Ok(());
    }
    Err(format!(
        "{} serves now, and this execution has deployed {}",
        serves.unwrap_or("no task set"),
        task_set.unwrap_or("none")
    ))
}

/// The input of the deployment that undoes: the same in every turn, so that Step Functions takes a second start for the
/// first.
pub(super) fn input(earlier: &Value, parent: &ExecutionArn) -> Value {
    let mut input = earlier.clone();
    input["comment"] = format!("Undoes what {parent} has deployed.").into();
    input
}
