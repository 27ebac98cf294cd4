//! Answers that AWS may give in the future, and that a caller must be able to read.

use serde_json::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Distortion {
    /// Statuses and states have a value that no version of the API has had so far.
    UnknownValue,
    /// A list has no items, and goes on on a next page.
    EmptyPage,
}

const UNKNOWN: &str = "NOT_KNOWN_YET";

/// The members that say how something stands, by the member that holds it.
const STATES: [(&str, &[&str]); 5] = [
    ("taskSets", &["status", "stabilityStatus"]),
    ("TargetHealth", &["State"]),
    ("MetricAlarms", &["StateValue"]),
    ("CompositeAlarms", &["StateValue"]),
    ("MetricDataResults", &["StatusCode"]),
];

/// Where the next page of a list starts, in the words of each service.
const NEXT: [&str; 3] = ["NextMarker", "nextToken", "NextToken"];

impl Distortion {
    /// Changes the answer to a request that asked for this page. One that has nothing of the kind
    /// stays as it is.
    pub(super) fn apply(self, page: Option<&str>, answer: &mut Value) {
        match self {
            Self::UnknownValue => {
                if answer.get("executionArn").is_some() {
                    answer["status"] = UNKNOWN.into();
                }
                // The health of instances, by their ids.
                if let Some(Value::Object(status)) = answer.get_mut("Status") {
                    status
                        .values_mut()
                        .for_each(|health| *health = UNKNOWN.into());
                }
                make_unknown(answer);
            }
            Self::EmptyPage => empty_page(page, answer),
        }
    }
}

fn make_unknown(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let states = STATES.iter().find(|(holder, _)| holder == name);
                for state in states.into_iter().flat_map(|(_, states)| *states) {
                    set_unknown(field, state);
                }
                make_unknown(field);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(make_unknown),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// In an object, or in every object of a list.
fn set_unknown(value: &mut Value, name: &str) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| set_unknown(item, name)),
        Value::Object(fields) => {
            if let Some(field) = fields.get_mut(name) {
                *field = UNKNOWN.into();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn empty_page(page: Option<&str>, answer: &mut Value) {
    let Value::Object(fields) = answer else {
        return;
    };
    let Some(next) = NEXT.into_iter().find(|name| fields.contains_key(*name)) else {
        return;
    };
    for field in fields.values_mut() {
        match field {
            Value::Array(items) => items.clear(),
            Value::Object(items) => items.clear(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    // The next page is the one that was asked for, under another name: a client that is handed the
    // token it has sent takes the list to be at its end.
    let token = match page {
        Some(token) => token.replacen("page-", "page-0", 1),
        None => "page-0".to_owned(),
    };
    fields.insert(next.to_owned(), token.into());
}

/// Where the page begins that a request asks for.
pub(super) fn asked_page(input: &Value) -> Option<String> {
    let mut names = NEXT.into_iter().chain(["Marker"]);
    let token = names.find_map(|name| input.get(name)?.as_str());
    token.map(str::to_owned)
}
