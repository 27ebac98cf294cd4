//! `Order`: the step of the parent state machine that deploys several services of one application.
//!
//! It decides which services may start, which are undone and how the whole ends. Each service is deployed by an
//! execution of the state machine that deploys one, under the service's own lock: nothing here writes to it. What has
//! become of those executions is read anew in every turn, so that a lost answer is found again.

mod answer;
mod application;
mod event;
mod standing;
mod undo;

use crate::contract::Failure;
use crate::counted::listed;
use crate::refusal::ErrorName;

pub use answer::{Before, Item, answer, dry_run, fits, none_started, of_siblings, refused};
pub use application::{
    APPLICATION_FIELDS, Application, MOST_SERVICES, Member, OnFailure, SERVICE_FIELDS,
};
pub use event::{Event, Kind};
pub use standing::{Stage, Standing};
pub use undo::{can_be_undone, earlier, is_back, unclear};

/// How many times a deployment is started that was not there afterwards.
const MOST_STARTS: u32 = 5;

/// Seconds before a deployment is started again; twice as many the next time.
const START_AGAIN: u32 = 30;

/// The same, at most: in the fourteen days that a deployment may take, 336 such waits of one service cost about 12,000 of
/// the history's 25,000 events.
const LONGEST_WAIT: u32 = 3_600;

/// What has become of a service's execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Step Functions knows none of that name.
    Absent,
    /// It runs.
    Running,
    /// It has succeeded.
    Succeeded {
        /// The task set that serves since then.
        task_set: Option<String>,
    },
    /// It was asked to go back, and what served before it serves again.
    RolledBack(Failure),
    /// It has ended in another way.
    Failed(Failure),
}

impl Seen {
    /// An execution that has failed. One that was asked to go back counts as rolled back until [`is_back`] says otherwise.
    pub fn failed(failure: Failure) -> Self {
        if failure.error == ErrorName::OperatorRollback.as_str() {
            Self::RolledBack(failure)
        } else {
            Self::Failed(failure)
        }
    }
}

/// What the turn comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Start the deployments of these services, and wait for all of them.
    Start(Vec<usize>),
    /// Deploy the earlier versions of these services again, if that is still possible, and wait for that.
    Undo(Vec<usize>),
    /// Wait for so many seconds: a deployment was not there after its start, or still runs although nothing waits
    /// for it. It is started again afterwards, which is no other deployment: the name is the same.
    Wait(u32),
    /// Every service is deployed.
    Deployed,
    /// One is not; nothing is left to be undone.
    Failed(Failure),
}

/// Takes in what has become of the executions that were under way.
///
/// `seen` is asked for those only. `reported` is what Step Functions said of an execution that could not be started;
/// `waited`: the turn before this one answered with [`Next::Wait`].
pub fn observe(
    standings: &mut [Standing],
    seen: impl Fn(usize) -> Option<Seen>,
    reported: impl Fn(usize) -> Option<Failure>,
    waited: bool,
) {
    for (number, standing) in standings.iter_mut().enumerate() {
        let undoes = standing.is_being_undone();
        let Some(starts) = standing.stage.starts() else {
            continue;
        };
        let stage = match seen(number) {
            None | Some(Seen::Running) => continue,
            Some(Seen::Absent) if starts < MOST_STARTS => continue,
            Some(Seen::Absent) => {
                let failure = reported(number).unwrap_or_else(|| Failure {
                    error: "NotStarted".to_owned(),
                    cause: format!("It was not there after {MOST_STARTS} starts."),
                });
                ended(failure, undoes)
            }
            Some(Seen::Succeeded { .. }) if undoes => Stage::Undone { warm: false },
            Some(Seen::Succeeded { task_set }) => Stage::Deployed { task_set },
            // A sibling that was still under way: its deployment has gone back by itself.
            Some(Seen::RolledBack(_)) if !undoes => Stage::Undone { warm: true },
            Some(Seen::RolledBack(failure) | Seen::Failed(failure)) => ended(failure, undoes),
        };
        standing.stage = stage;
    }
    // Nothing starts beside a service that has failed. What has just been started may show a moment later.
    let has_failed = standings.iter().any(|standing| has_failed(&standing.stage));
    if !has_failed || !waited {
        return;
    }
    for (number, standing) in standings.iter_mut().enumerate() {
        let is_started = matches!(standing.stage, Stage::Started { .. });
        if is_started && seen(number) == Some(Seen::Absent) {
            standing.stage = Stage::Waiting;
        }
    }
}

fn ended(failure: Failure, undoes: bool) -> Stage {
    if undoes {
        let Failure { error, cause } = failure;
        return Stage::Kept {
            why: format!("its earlier version could not be deployed: {error}: {cause}"),
        };
    }
    Stage::Failed(failure)
}

/// Whether a service is not deployed, or not any more. Without another one's failure, an operator has rolled it back.
fn has_failed(stage: &Stage) -> bool {
    matches!(
        stage,
        Stage::Failed(_) | Stage::Undone { .. } | Stage::Kept { .. }
    )
}

/// Decides what comes next. `waited`: the turn before this one answered with [`Next::Wait`].
///
/// A service starts once all that it depends on are deployed. Once one has failed, nothing more starts; with
/// [`OnFailure::UndoEarlier`], those that are deployed are undone, each one after those that depend on it.
pub fn next(application: &Application, standings: &mut [Standing], waited: bool) -> Next {
    let under_way = |standing: &Standing| standing.stage.starts();
    if let Some(starts) = standings.iter().filter_map(under_way).max() {
        if !waited {
            let wait = START_AGAIN.saturating_mul(2_u32.saturating_pow(starts.saturating_sub(1)));
            return Next::Wait(wait.min(LONGEST_WAIT));
        }
        let again = (0..standings.len()).filter(|number| under_way(&standings[*number]).is_some());
        return Next::Start(again.collect());
    }
    let has_failed = standings.iter().any(|standing| has_failed(&standing.stage));
    if !has_failed {
        let members = application.members.iter().enumerate();
        let ready = members.filter(|(number, member)| {
            let mut after = member.after.iter();
            standings[*number].stage == Stage::Waiting
                && after.all(|on| is_deployed(&standings[*on]))
        });
        let ready: Vec<_> = ready.map(|(number, _)| number).collect();
        return if ready.is_empty() {
            Next::Deployed
        } else {
            Next::Start(ready)
        };
    }
    if application.on_failure == OnFailure::UndoEarlier {
        keep_what_is_needed(application, standings);
        let last = (0..standings.len()).filter(|number| {
            let mut dependents = application.dependents(*number);
            is_deployed(&standings[*number]) && !dependents.any(|on| is_deployed(&standings[on]))
        });
        let last: Vec<_> = last.collect();
        if !last.is_empty() {
            return Next::Undo(last);
        }
    }
    Next::Failed(failure(application, standings))
}

fn is_deployed(standing: &Standing) -> bool {
    matches!(standing.stage, Stage::Deployed { .. })
}

/// A service stays deployed where one that depends on it was not undone.
fn keep_what_is_needed(application: &Application, standings: &mut [Standing]) {
    let kept = |standing: &Standing| matches!(standing.stage, Stage::Kept { .. });
    // Each round reaches those one step further down.
    for _ in 0..standings.len() {
        for number in 0..standings.len() {
            let mut dependents = application.dependents(number);
            let needs_it = dependents.find(|on| kept(&standings[*on]));
            if let Some(on) = needs_it.filter(|_| is_deployed(&standings[number])) {
                let name = application.members[on].service();
                let why = format!("{name} depends on it, and stays deployed");
                standings[number].stage = Stage::Kept { why };
            }
        }
    }
}

/// The error of an application that was not deployed: what failed first, what was undone, what remains.
fn failure(application: &Application, standings: &[Standing]) -> Failure {
    let mut failed = Vec::new();
    let mut told = Vec::new();
    let of = |is: fn(&Stage) -> bool| {
        let members = application.members.iter().zip(standings);
        let names = members.filter(move |(_, standing)| is(&standing.stage));
        names
            .map(|(member, _)| member.service())
            .collect::<Vec<_>>()
    };
    for (member, standing) in application.members.iter().zip(standings) {
        match &standing.stage {
            Stage::Failed(Failure { error, cause }) => {
                let cause = cause.trim_end_matches('.');
                failed.push(format!("{}: {error}: {cause}", member.service()));
            }
            Stage::Kept { why } => {
                let why = why.trim_end_matches('.');
                told.push(format!("{} stays deployed: {why}.", member.service()));
            }
            _ => {}
        }
    }
    let back = of(|stage| *stage == Stage::Undone { warm: true });
    let again = of(|stage| *stage == Stage::Undone { warm: false });
    let deployed = of(|stage| matches!(stage, Stage::Deployed { .. }));
    let waiting = of(|stage| *stage == Stage::Waiting);
    for (names, what) in [
        (back, "Rolled back"),
        (again, "Deployed in their earlier version again"),
        (deployed, "Still deployed, as onFailure is stop"),
        (waiting, "Not started"),
    ] {
        if !names.is_empty() {
            told.push(format!("{what}: {}.", listed(&names)));
        }
    }
    if failed.is_empty() {
        failed.push("An operator rolled it back".to_owned());
    }
    let failed = failed.join(". ");
    let point = if failed.ends_with('.') { "" } else { "." };
    Failure {
        error: ErrorName::ServiceFailed.as_str().to_owned(),
        cause: format!("{failed}{point} {}", told.join(" "))
            .trim_end()
            .to_owned(),
    }
}

impl Next {
    /// The state that it leads to.
    pub fn state(&self) -> &'static str {
        match self {
            Self::Start(_) | Self::Undo(_) => "Deployments",
            Self::Wait(_) => "BeforeNextStart",
            Self::Deployed => "ServicesDeployed",
            Self::Failed(_) => "ServicesFailed",
        }
    }

    /// The reason of the answer: a code for programs, and words for people.
    pub fn reason(&self, application: &Application) -> (&'static str, String) {
        let names = |numbers: &[usize]| {
            let names = numbers
                .iter()
                .map(|number| application.members[*number].service());
            listed(&names.collect::<Vec<_>>())
        };
        match self {
            Self::Start(numbers) => ("servicesStart", format!("starting {}", names(numbers))),
            Self::Wait(wait) => (
                "servicesWait",
                format!("a deployment is under way, or was not started: next start in {wait} s"),
            ),
            Self::Undo(numbers) => (
                "servicesUndone",
                format!("deploying the earlier version of {} again", names(numbers)),
            ),
            Self::Deployed => ("servicesDeployed", "every service is deployed".to_owned()),
            Self::Failed(failure) => ("servicesFailed", failure.cause.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
