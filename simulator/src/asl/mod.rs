//! The interpreter that runs the shipped state machine in virtual time.
//!
//! It implements what `statemachine/deployment.asl.json` uses of the Amazon States Language and of Step
//! Functions' Standard workflows, and refuses everything else by name when the definition is parsed: ignoring
//! a field would make the simulated world kinder than AWS.
//!
//! Waits and retries sleep on tokio's clock. Under a paused clock a deployment of eight days takes
//! milliseconds; what a function does, and how long it takes, is the caller's ([`Resources`]).
//!
//! What happens in which order, and the events that it leaves, follows the language's specification
//! (<https://states-language.net/spec.html>) and, where that is silent, histories recorded on AWS.

mod definition;
mod execution;
mod history;
mod parse;
mod path;
mod payload;
mod retry;
mod run;
mod size;
mod step;
mod substitute;
mod task;

#[cfg(test)]
mod tests;

pub use definition::{State, StateMachine};
pub(crate) use execution::{Beginning, Redrive};
pub use execution::{Entering, Outcome, Resources, Status, TaskError};
pub use history::{EventKind, HistoryEvent};
pub use parse::DefinitionError;
pub(crate) use payload::Execution;
pub use retry::{ErrorNames, Jitter, Retrier};
pub(crate) use run::run;
pub use substitute::{SubstitutionError, substitute};
