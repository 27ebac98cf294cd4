//! Refusals for an execution that does not get the lock of its service.

use super::Item;
use crate::id::ExecutionArn;
use crate::quote::quote;
use crate::refusal::{ErrorName, Refusal};

/// Another execution has the lock.
pub fn concurrent(id: &str, owner: &ExecutionArn, item: &Item) -> Refusal {
    let owner = quote(owner);
    Refusal::new(
        ErrorName::ConcurrentDeployment,
        format!(
            "Service {id} is being deployed by {owner} (its last message: {}); nothing was changed.",
            item.reason
        ),
        format!(
            "Wait until it has ended, or stop it (aws stepfunctions stop-execution \
             --execution-arn {owner}), then start a new execution."
        ),
    )
}

/// A newer execution has had the lock.
pub fn superseded(id: &str, item: &Item) -> Refusal {
    let ended = || item.ends.first().map(|end| &end.execution);
    let newer = item.owner.as_ref().or_else(ended);
    let newer = newer.map_or_else(
        || "an execution that started later".to_owned(),
        |newer| quote(newer),
    );
    Refusal::new(
        ErrorName::ConcurrentDeployment,
        format!(
            "Service {id} was deployed by {newer}, which started after this execution; nothing was \
             changed."
        ),
        "Start a new execution with the version that should run.",
    )
}

/// The lock was this execution's, and is not any more.
pub fn lost(id: &str, owner: Option<&str>, item: &Item) -> Refusal {
    match owner {
        Some(owner) => {
            let owner = quote(owner);
            Refusal::new(
                ErrorName::LockLost,
                format!(
                    "Since this execution stopped, service {id} is being deployed by {owner} (its last message: {}); nothing more was written.",
                    item.reason
                ),
                "Wait until it has ended, then start a new execution.",
            )
        }
        None => Refusal::new(
            ErrorName::LockLost,
            format!(
                "Another execution has deployed service {id} since this one stopped; nothing more \
                 was written."
            ),
            "Start a new execution.",
        ),
    }
}

/// The item was written by a version with another form of locks.
pub fn of_another_version(id: &str, table: &str) -> Refusal {
    Refusal::new(
        ErrorName::Drift,
        format!(
            "The lock of service {id} in the table {table} has no rev: an incompatible earlier version of Ebbtide wrote it."
        ),
        format!(
            "Once no execution deploys the service, delete it: aws dynamodb delete-item --table-name {table} \
             --key '{{\"id\": {{\"S\": \"{id}\"}}}}' (in a saved world: from its tables), then start a new execution."
        ),
    )
}
