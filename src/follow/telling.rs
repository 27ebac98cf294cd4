//! What an execution's history tells people: a sentence for each thing that happened, and how far the
//! drain is.

use ebbtide_controller::quote::{quote, sentence};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::executions::{Event, What};

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
                None
            }
            What::Exited { state, output } => {
                let reason = Reason::of(output)?;
                self.follow_drain(event.at, &reason);
                match warnings(output) {
                    Some(warnings) => {
                        self.say(event.at, state, &format!("{}; {warnings}", reason.text))
                    }
                    None => self.say(event.at, state, &reason.text),
                }
            }
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
            What::Redriven => self.say(event.at, "Redriven", "the execution was redriven"),
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

    fn follow_drain(&mut self, at: u64, reason: &Reason) {
        if let Some(drain) = reason.drain {
            self.drain = Some(Drain {
                left: drain.left,
                of: drain.of,
                next: drain.next_step.map(|seconds| at + seconds),
                last: drain.last_step.map(|seconds| at + seconds),
            });
        } else if ROLLS_BACK.contains(&reason.code.as_str()) {
            // The original is filled up again; the way back has a drain of its own.
            self.drain = None;
        }
    }
}

/// The codes of turns that begin a rollback or are part of it before traffic moves.
const ROLLS_BACK: [&str; 3] = ["refused", "rollingBack", "restored"];

/// What a turn came to, as its answer has it.
#[derive(Deserialize)]
struct Reason {
    #[serde(default)]
    code: String,
    text: String,
    drain: Option<DrainProgress>,
}

/// How far its drain is; times are seconds from the turn.
#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "camelCase")]
struct DrainProgress {
    left: u32,
    of: u32,
    next_step: Option<u64>,
    last_step: Option<u64>,
}

impl Reason {
    fn of(output: &Value) -> Option<Self> {
        let reason = Self::deserialize(output.get("reason")?).ok()?;
        (!reason.text.is_empty()).then_some(reason)
    }
}

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

#[cfg(test)]
mod tests;
