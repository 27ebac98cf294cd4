//! The functions' writes of the lock, changed on their way.

use serde_json::{Map, Value, json};

use crate::run::{Plan, Stage, run_on};
use crate::scenarios::Case;

/// A conditional write of the lock, as a function sends it.
pub(super) struct LockWrite {
    pub(super) condition: String,
    pub(super) update: String,
    pub(super) values: Map<String, Value>,
}

impl LockWrite {
    pub(super) fn leaves(&self) -> bool {
        self.condition == "busyBy = :nonce"
    }

    /// The end of what it keeps others out for.
    pub(super) fn keep_out(&mut self, until: impl FnOnce(i64) -> i64) {
        let shipped = self.values[":until"]["N"].as_str().unwrap();
        let until = until(shipped.parse().unwrap());
        self.values[":until"] = json!({"N": until.to_string()});
    }
}

/// A lock without one of its parts.
pub(super) type Change = fn(&mut LockWrite);

fn as_shipped(_: &mut LockWrite) {}

pub(super) fn lock_without(stage: &Stage, change: impl Fn(&mut LockWrite) + Send + Sync + 'static) {
    stage.aws.rewrite(move |request| {
        let target = request.headers().get("x-amz-target");
        if target.is_none_or(|target| target != "DynamoDB_20120810.UpdateItem") {
            return;
        }
        let mut body: Value = serde_json::from_slice(request.body()).unwrap();
        let text = |field: &str| body[field].as_str().unwrap().to_owned();
        let mut write = LockWrite {
            condition: text("ConditionExpression"),
            update: text("UpdateExpression"),
            values: body["ExpressionAttributeValues"]
                .as_object()
                .unwrap()
                .clone(),
        };
        change(&mut write);
        // A value or a name that no expression uses is refused, and so are no names.
        let is_used = |name: &String, sign: char| {
            let word = |text: &str| {
                text.split(|c: char| !c.is_alphanumeric() && c != sign)
                    .any(|word| word == name)
            };
            word(&write.condition) || word(&write.update)
        };
        write.values.retain(|name, _| is_used(name, ':'));
        if let Some(names) = body["ExpressionAttributeNames"].as_object_mut() {
            names.retain(|name, _| is_used(name, '#'));
            if names.is_empty() {
                body["ExpressionAttributeNames"].take();
            }
        }
        body["ConditionExpression"] = write.condition.into();
        body["UpdateExpression"] = write.update.into();
        body["ExpressionAttributeValues"] = write.values.into();
        *request.body_mut() = body.to_string().into();
    });
}

/// A world in which functions write their lock so.
pub(super) fn with_lock(case: &Case, change: Change) -> Stage {
    let stage = Stage::new(case);
    lock_without(&stage, change);
    stage
}

/// What the first of these runs breaks that breaks anything.
pub(super) async fn first_broken(
    case: &Case,
    change: Change,
    plans: impl IntoIterator<Item = Plan>,
) -> Option<String> {
    for plan in plans {
        let broken = run_on(with_lock(case, change), &plan).await.broken;
        if broken.is_some() {
            return broken;
        }
    }
    None
}

/// Asserts that a lock with this change breaks the invariant, and the shipped one nothing.
pub(super) async fn assert_opens(
    invariant: &str,
    change: Change,
    broken: impl AsyncFn(Change) -> Option<String>,
) {
    let what = broken(change).await.expect("something is reported");
    assert!(what.starts_with(invariant), "{invariant} expected: {what}");
    println!("caught: {what}");
    assert_eq!(broken(as_shipped).await, None);
}
