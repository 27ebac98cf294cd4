//! What is said to an execution that may not have the lock of its service.

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
            "Service {id} is being deployed by {owner} ({}); nothing was changed.",
            item.reason
        ),
        format!(
            "Wait until that one has ended, or stop it (aws stepfunctions stop-execution \
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
        "Start a new execution for the version that is to serve.",
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
                    "Service {id} is being deployed by {owner} since this execution stopped ({}); \
                     nothing more was written.",
                    item.reason
                ),
                "Wait until that one has ended, then start a new execution.",
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

/// The item is of a version whose locks had another form.
pub fn of_another_version(id: &str, table: &str) -> Refusal {
    Refusal::new(
        ErrorName::Drift,
        format!(
            "The lock of service {id} in the table {table} has no rev: an earlier version has written it."
        ),
        format!(
            "Delete it once no execution deploys the service: aws dynamodb delete-item --table-name {table} \
             --key '{{\"id\": {{\"S\": \"{id}\"}}}}' (in a saved world: from its tables), then start a new execution."
        ),
    )
}
