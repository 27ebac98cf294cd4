//! What happens in an execution, for people: the one narrator of `simulate`, `deploy` and `status`.
//!
//! A sentence for each thing that happened, and how far the drain is. What a program needs is read from
//! fields, and never from the sentence.

mod names;
mod progress;
#[cfg(feature = "simulator")]
pub(crate) mod world;

use ebbtide_controller::quote::{quote, sentence};
use ebbtide_controller::reason::Code;
use serde::Deserialize;
use serde_json::Value;

use crate::output::{BAD, GOOD, PLAIN, Style, WARNING};

pub(crate) use names::Names;
pub(crate) use progress::{Drain, Progress, Serves, Shift};
use progress::{NEWS, OFTEN};

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    Entered {
        state: String,
    },
    Exited {
        state: String,
        output: Value,
    },
    /// A call of the state that was entered last failed; it may be tried again.
    Failed {
        error: String,
        cause: String,
    },
    Redriven,
    /// It has started another execution.
    Started {
        /// Its ARN.
        execution: String,
    },
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) state: String,
    /// What was seen and decided, or what went wrong.
    pub(crate) sentence: String,
    pub(crate) mood: Mood,
}

/// What a sentence means for the deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Mood {
    #[default]
    Usual,
    /// A phase is over.
    Good,
    /// It waits for something that it should not have to wait for.
    Held,
    Bad,
    /// The last sentence: how the deployment ended.
    Ended,
}

impl Mood {
    fn of(code: &str) -> Self {
        const MOODS: [(Mood, &[Code]); 4] = [
            (
                Mood::Good,
                &[
                    Code::Ready,
                    Code::Swapped,
                    Code::Drained,
                    Code::Restored,
                    Code::SwappedBack,
                ],
            ),
            (
                Mood::Held,
                &[
                    Code::Blocked,
                    Code::Paused,
                    Code::WaitingForApproval,
                    Code::WindowClosed,
                    Code::WaitingForHook,
                    Code::GoingOn,
                    Code::Unanswered,
                ],
            ),
            (Mood::Bad, &[Code::Refused]),
            (Mood::Ended, &[Code::Deployed, Code::Failed]),
        ];
        // Of several services.
        if ["servicesDeployed", "servicesFailed"].contains(&code) {
            return Self::Ended;
        }
        let has = |codes: &[Code]| codes.iter().any(|known| known.as_str() == code);
        let mood = MOODS.iter().find(|(_, codes)| has(codes));
        mood.map_or(Self::Usual, |(mood, _)| *mood)
    }

    pub(crate) fn style(self) -> Style {
        match self {
            Self::Usual | Self::Ended => PLAIN,
            Self::Good => GOOD,
            Self::Held => WARNING,
            Self::Bad => BAD,
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Narrator {
    entered: String,
    /// The last sentence of a step, and of a failure: what is the same is not said again.
    said: String,
    failed: String,
    /// The shift as it was said last.
    shift: Option<Shift>,
    /// The drain as a pause in it was said last, and when.
    paused: Option<(Drain, u64)>,
    /// When clients of a registry will have forgotten what goes, as it was said last.
    forgotten: Option<u64>,
    progress: Progress,
    names: Names,
}

impl Narrator {
    /// The drain, once traffic has moved.
    pub(crate) fn drain(&self) -> Option<Drain> {
        self.progress.drain
    }

    /// How far the deployment is.
    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The state that was entered last.
    pub(crate) fn entered(&self) -> &str {
        &self.entered
    }

    /// The short names, as far as they are known.
    pub(crate) fn names(&mut self) -> &mut Names {
        &mut self.names
    }

    /// Takes in what happened next, at that second; what it tells that is new.
    pub(crate) fn hear(&mut self, at: u64, what: &What) -> Option<Said> {
        self.progress.hear(at, what);
        match what {
            What::Entered { state } => {
                self.entered.clone_from(state);
                None
            }
            What::Exited { state, output } => {
                self.names.learn(output);
                let reason = Reason::of(output)?;
                let warnings = warnings(output).unwrap_or_default();
                let shift = self
                    .progress
                    .shift
                    .filter(|_| reason.code == Code::Shifting.as_str());
                let said = self.shift.zip(shift);
                if said.is_some_and(|(said, shift)| said.is_about(&shift)) {
                    return None;
                }
                self.shift = shift;
                let pauses = reason.code == Code::Pause.as_str();
                let steps = pauses || reason.code == Code::Step.as_str();
                let drain = self.progress.drain.filter(|_| steps);
                let said = self.paused.zip(drain).filter(|_| pauses);
                if said.is_some_and(|((said, then), now)| said.is_about(&now) && at < then + OFTEN)
                {
                    return None;
                }
                self.paused = drain.map(|drain| (drain, at));
                let leaves = reason.code == Code::LeavingRegistry.as_str();
                let next = self.progress.drain.and_then(|drain| drain.next);
                let forgotten = next.filter(|_| leaves);
                let said = self.forgotten.zip(forgotten);
                if said.is_some_and(|(said, at)| said.abs_diff(at) < NEWS) {
                    return None;
                }
                self.forgotten = forgotten;
                self.say(state, reason.text + &warnings, Mood::of(&reason.code))
            }
            What::Failed { error, cause } => {
                let nameless = error.is_empty();
                let error = if nameless {
                    "an error without a name"
                } else {
                    error
                };
                let said = format!("failed with {}: {}", quote(error), sentence(cause));
                let place = format!("{} {said}", self.entered);
                let new = self.failed != place;
                self.failed = place;
                new.then(|| Said {
                    state: self.entered.clone(),
                    sentence: said,
                    mood: Mood::Held,
                })
            }
            What::Redriven => {
                let said = "the execution was redriven".to_owned();
                self.say("Redriven", said, Mood::Usual)
            }
            What::Started { .. } | What::Other => None,
        }
    }

    /// Choices and Waits pass on what the function before them said: it is said once.
    fn say(&mut self, state: &str, said: String, mood: Mood) -> Option<Said> {
        if self.said == said {
            return None;
        }
        self.said = said;
        Some(Said {
            state: state.to_owned(),
            sentence: sentence(&self.said),
            mood,
        })
    }
}

/// What a turn came to, as its answer has it.
#[derive(Deserialize)]
struct Reason {
    #[serde(default)]
    code: String,
    text: String,
}

impl Reason {
    fn of(output: &Value) -> Option<Self> {
        let reason = Self::deserialize(output.get("reason")?).ok()?;
        (!reason.text.is_empty()).then_some(reason)
    }
}

/// What preflight warns of, by name; nothing where it does not warn.
fn warnings(output: &Value) -> Option<String> {
    let findings = output.get("findings")?.as_array()?.iter();
    let warnings = findings.filter(|finding| finding["severity"] == "warning");
    let names = warnings.filter_map(|finding| finding["name"].as_str());
    let mut names: Vec<_> = names.map(quote).collect();
    names.dedup();
    (!names.is_empty()).then(|| {
        let names = names.join(", ");
        format!("; warnings of preflight: {names} (`ebbtide preflight` explains them)")
    })
}

/// The sentence of an error: Lambda puts it into an object beside the error's type, Step Functions into the description of
/// an execution.
pub(crate) fn cause_of(cause: &str) -> String {
    let wrapped = serde_json::from_str::<Value>(cause).ok();
    let text = |name: &str| wrapped.as_ref()?.get(name)?.as_str();
    // Step Functions describes an execution that another one has started.
    let started = || Some(format!("{}: {}", text("Error")?, text("Cause")?));
    let message = text("errorMessage").map(str::to_owned).or_else(started);
    message.unwrap_or_else(|| cause.to_owned())
}

#[cfg(all(test, feature = "simulator"))]
mod tests;
