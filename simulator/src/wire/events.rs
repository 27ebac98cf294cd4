//! EventBridge over awsJson1.1.

use serde_json::{Value, json};

use super::Handler;
use crate::world::{ApiError, PutEventsResult, World};

pub(super) const OPERATIONS: &[(&str, Handler)] = &[("PutEvents", put_events)];

fn put_events(world: &mut World, input: Value) -> Result<Value, ApiError> {
    let request = super::parse(input, ApiError::invalid)?;
    let results = world.put_events(&request)?;
    let refused = results
        .iter()
        .filter(|result| matches!(result, PutEventsResult::Refused { .. }));
    Ok(json!({ "FailedEntryCount": refused.count(), "Entries": results }))
}
