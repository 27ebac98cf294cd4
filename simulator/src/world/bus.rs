//! The account's default event bus: events are taken, and are in the world's event log.
//!
//! There are no rules, so they go nowhere.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ApiError, EventKind, World};

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct PutEvents {
    /// 1 to 10.
    pub entries: Vec<PutEventsEntry>,
}

/// An event as it is put. What is missing refuses the event, not the call.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct PutEventsEntry {
    /// The source; `aws.` is reserved for AWS.
    pub(crate) source: String,
    pub(crate) detail_type: String,
    pub(crate) detail: String,
    /// ARNs that the event is about. Not kept.
    pub(crate) resources: Vec<String>,
    /// The default bus where it is missing, and there is no other.
    pub(crate) event_bus_name: Option<String>,
}

/// The result for an event: its id, or why it was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase", untagged)]
pub enum PutEventsResult {
    #[serde(rename_all = "PascalCase")]
    Taken { event_id: String },
    #[serde(rename_all = "PascalCase")]
    Refused {
        error_code: &'static str,
        error_message: String,
    },
}

/// The most entries of one call (AWS API model).
const MOST: usize = 10;

impl World {
    /// `PutEvents`: each entry by itself, in their order.
    pub fn put_events(&mut self, request: &PutEvents) -> Result<Vec<PutEventsResult>, ApiError> {
        let count = request.entries.len();
        if !(1..=MOST).contains(&count) {
            return Err(ApiError::invalid(format!(
                "1 validation error detected: Value '{count} entries' at 'entries' failed to \
                 satisfy constraint: Member must have length from 1 to {MOST}"
            )));
        }
        let mut results = Vec::new();
        for (entry, number) in request.entries.iter().zip(0_u32..) {
            results.push(match read(entry) {
                Ok(detail) => {
                    self.record(EventKind::EventPut {
                        source: entry.source.clone(),
                        detail_type: entry.detail_type.clone(),
                        detail,
                    });
                    // Of the request that is being answered.
                    let event_id = format!("{number:08x}-0000-4000-8001-{:012x}", self.answered);
                    PutEventsResult::Taken { event_id }
                }
                Err(refused) => refused,
            });
        }
        Ok(results)
    }
}

/// An entry's detail, or the code and the sentence it is refused with.
fn read(entry: &PutEventsEntry) -> Result<Value, PutEventsResult> {
    let refused = |error_code, error_message| {
        Err(PutEventsResult::Refused {
            error_code,
            error_message,
        })
    };
    let given = [
        ("Source", &entry.source),
        ("DetailType", &entry.detail_type),
        ("Detail", &entry.detail),
    ];
    if let Some((name, _)) = given.iter().find(|(_, value)| value.is_empty()) {
        let why = format!("Parameter {name} is not valid. Reason: {name} is a required argument.");
        return refused("InvalidArgument", why);
    }
    if entry.source.starts_with("aws.") {
        let why = format!("Not authorized for the source {}.", entry.source);
        return refused("NotAuthorizedForSourceException", why);
    }
    let bus = entry.event_bus_name.as_deref().unwrap_or("default");
    if bus != "default" {
        let why = format!("The event bus {bus} is not simulated; the default one is.");
        return refused("InvalidArgument", why);
    }
    match serde_json::from_str(&entry.detail) {
        Ok(detail @ Value::Object(_)) => Ok(detail),
        _ => refused("MalformedDetail", "Detail is malformed.".to_owned()),
    }
}
