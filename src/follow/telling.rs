//! What an execution's history tells people: a sentence for each thing that happened, and how far the
//! drain is.

use ebbtide_controller::arn::Arn;
use ebbtide_controller::plan::Plan;
use ebbtide_controller::quote::{quote, sentence};
use ebbtide_controller::request::Request;
use serde::Serialize;
use serde_json::Value;

use crate::executions::{Event, What};

/// Where ECS's default for it is not known to be changed.
const DEREGISTRATION_DELAY: u32 = 300;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    /// Seconds since 1970.
    pub(crate) at: u64,
    /// The state it happened in.
    pub(crate) state: String,
    /// What was seen and decided, or what went wrong.
    pub(crate) sentence: String,
}

/// How far a drain is. Times are seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Drain {
    /// Tasks that no step has taken away yet.
    pub(crate) left: u32,
    /// Tasks at its start.
    pub(crate) of: u32,
    /// When the next step comes.
    pub(crate) next: Option<u64>,
    /// When the last step comes, if nothing holds one up: an estimate.
    pub(crate) last: Option<u64>,
}

/// What has been heard of an execution so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Telling {
    /// The state that was entered last.
    entered: String,
    /// The last sentence of a step, and of a failure: what is the same is not said again.
    said: String,
    failed: String,
    drain: Option<Drain>,
}

impl Telling {
    /// The drain, once traffic has moved.
    pub(crate) fn drain(&self) -> Option<Drain> {
        self.drain
    }

    /// Takes in the next event; what it tells that is new.
    pub(crate) fn hear(&mut self, event: &Event) -> Option<Said> {
        match &event.what {
            What::Entered { state } => {
                self.entered.clone_from(state);
                pause(state).and_then(|said| self.say(event.at, state, said))
            }
            What::Exited { state, output } => {
                if state == "Rollback" {
                    // The original is filled up again; the way back has a drain of its own.
                    self.drain = None;
                } else {
                    self.follow_drain(event.at, output);
                }
                let said = said(output)?;
                match warnings(output) {
                    Some(warnings) => self.say(event.at, state, &format!("{said}; {warnings}")),
                    None => self.say(event.at, state, said),
                }
            }
            What::Failed { error, .. } if error == CONDITION_FAILED => self.say(
                event.at,
                &self.entered.clone(),
                "another execution has the lock of this service: looking whose it is",
            ),
            What::Failed { error, cause } => {
                let said = format!(
                    "failed with {}: {}",
                    quote(if error.is_empty() {
                        "an error without a name"
                    } else {
                        error
                    }),
                    sentence(cause)
                );
                let place = format!("{} {said}", self.entered);
                let new = self.failed != place;
                self.failed = place;
                new.then(|| Said {
                    at: event.at,
                    state: self.entered.clone(),
                    sentence: said,
                })
            }
            What::Redriven => self.say(event.at, "Redriven", "somebody has redriven the execution"),
            What::Other => None,
        }
    }

    fn say(&mut self, at: u64, state: &str, said: &str) -> Option<Said> {
        if self.said == said {
            return None;
        }
        said.clone_into(&mut self.said);
        Some(Said {
            at,
            state: state.to_owned(),
            sentence: sentence(said),
        })
    }

    fn follow_drain(&mut self, at: u64, output: &Value) {
        let text = |field: &str| output.get(field).and_then(Value::as_str);
        let number = |field: &str| output.get(field).and_then(Value::as_u64);
        let (status, reason) = (text("status"), text("reason").unwrap_or_default());
        match status {
            Some("swapped") => {
                let of = number("tasks").and_then(|tasks| u32::try_from(tasks).ok());
                // A first deployment has nothing to drain.
                self.drain = of.filter(|of| *of > 0).map(|of| Drain {
                    left: of,
                    of,
                    next: None,
                    last: None,
                });
            }
            Some("draining") => {
                if let Some((left, of)) = left_after_a_step(reason) {
                    let wait = number("wait").unwrap_or_default();
                    self.drain = Some(Drain {
                        left,
                        of,
                        next: Some(at + wait),
                        last: until_last_step(output, left, of).map(|seconds| at + seconds),
                    });
                } else if reason.contains(" still run") {
                    self.all_taken();
                } else if let Some(drain) = &mut self.drain {
                    // A step that is held, or a bake: nobody knows when the next one comes.
                    (drain.next, drain.last) = (None, None);
                }
            }
            Some("drained") => self.all_taken(),
            _ => {}
        }
    }

    /// Every step has been taken.
    fn all_taken(&mut self) {
        if let Some(drain) = &mut self.drain {
            (drain.left, drain.next, drain.last) = (0, None, None);
        }
    }
}

/// What a conditional write of the lock fails with where somebody else has it: no fault.
const CONDITION_FAILED: &str = "DynamoDB.ConditionalCheckFailedException";

/// What preflight warns of, by name; nothing where it does not warn.
fn warnings(output: &Value) -> Option<String> {
    let findings = output.get("findings")?.as_array()?;
    let names: Vec<_> = findings
        .iter()
        .filter(|finding| finding["severity"] == "warning")
        .filter_map(|finding| finding["name"].as_str())
        .map(quote)
        .collect();
    (!names.is_empty()).then(|| {
        format!(
            "warnings of preflight: {} (`ebbtide preflight` tells more)",
            names.join(", ")
        )
    })
}

/// The sentence of an output: for people, where it has one, else the controller's reason.
fn said(output: &Value) -> Option<&str> {
    ["message", "reason"]
        .iter()
        .find_map(|field| output.get(field)?.as_str())
        .filter(|said| !said.is_empty())
}

/// What is to be said of a wait of minutes that no function answers for.
fn pause(state: &str) -> Option<&'static str> {
    match state {
        "Grace" => Some(
            "an execution that has ended still holds the service's lock: it is taken over in three minutes, \
             when nothing that it called can still write",
        ),
        "WaitForFunction" | "WaitForLastFunction" => Some(
            "Step Functions cannot tell whether the function still runs: nothing is done until it must have ended",
        ),
        _ => None,
    }
}

/// The numbers of `… 3 of 4 tasks left after step 1 …`.
fn left_after_a_step(reason: &str) -> Option<(u32, u32)> {
    let (before, _) = reason.split_once(" tasks left after step ")?;
    let mut words = before.rsplit(' ');
    let of = words.next()?.parse().ok()?;
    let "of" = words.next()? else {
        return None;
    };
    Some((words.next()?.parse().ok()?, of))
}

/// Seconds until the last step, as the drain is planned, when `left` of `of` tasks are left.
fn until_last_step(output: &Value, left: u32, of: u32) -> Option<u64> {
    let home = Arn::parse(output.get("originalTargetGroup")?.as_str()?)?.home();
    let request = Request::parse(output.get("request")?, &home).ok()?;
    let plan = Plan::of(&request.drain.pace, of, DEREGISTRATION_DELAY);
    let taken = plan.steps.iter().find(|step| step.left <= left)?;
    Some(u64::from(plan.seconds().saturating_sub(taken.at)))
}

#[cfg(test)]
mod tests;
