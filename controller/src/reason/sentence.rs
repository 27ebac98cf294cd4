//! The one sentence that is made from a reason.

use std::fmt;

use super::drain::StillRuns;
use super::{NextDrain, Passed, Reason, Shared, Swapped};
use crate::arn::{is_of_a_registry, short};
use crate::counted::counted;
use crate::id::{TargetGroupArn, TaskSetId};

/// Before what a deployment would do.
pub(crate) const DRY_RUN: &str = "dry run, nothing was changed: ";

/// The reason as one sentence.
impl fmt::Display for Reason {
    #[expect(clippy::too_many_lines, reason = "a sentence for each variant")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed(passed) => passed.fmt(f),
            Self::TakenOver { before } => write!(
                f,
                "an earlier execution ended during its rollback ({before}): that rollback is finished first"
            ),
            Self::RollbackFinished { outcome } => write!(
                f,
                "the rollback of an earlier execution is finished: {outcome}"
            ),
            Self::LeftoverFound => {
                f.write_str("an earlier deployment left a task set: it is removed first")
            }
            Self::LeftoverPlanned {
                task_set,
                tasks,
                target_group,
                wait,
            } => write!(
                f,
                "{task_set} ({}{}) was left by an earlier deployment: its drain begins in {wait} s",
                counted(*tasks, "task"),
                On(target_group)
            ),
            Self::Deregistering { targets, wait } => write!(
                f,
                "waiting until {} without a task set are deregistered; next check in {wait} s",
                counted(*targets, "target")
            ),
            Self::LeftoverDeleting { task_set, wait } | Self::Deleting { task_set, wait } => {
                write!(f, "ECS is deleting {task_set}; next check in {wait} s")
            }
            Self::HalfSwapped => f.write_str(
                "a swap of an earlier deployment was left unfinished: listeners, tags and PRIMARY are corrected first",
            ),
            Self::SwapFinished => f.write_str(
                "the swap of an earlier deployment is finished: tags, test listener and PRIMARY \
                 agree with the production listener",
            ),
            Self::Settled {
                original: Some(original),
            } => write!(f, "{original} serves, and nothing is left to clean up"),
            Self::Settled { original: None } => f.write_str("the service has no task set yet"),
            Self::Created {
                replacement,
                task_definition,
                target_group,
                wait,
            } => write!(
                f,
                "replacement {replacement} of {} is {}; first check in {wait} s",
                short(task_definition),
                Placed(target_group)
            ),
            Self::NotReady {
                incoming,
                is_original,
                shortfall,
                stopped,
                not_placed,
                wait,
            } => {
                let role = if *is_original {
                    "original"
                } else {
                    "replacement"
                };
                write!(f, "{role} {}: {shortfall}", known(incoming.as_ref()))?;
                for why in not_placed.iter().chain(stopped) {
                    write!(f, "; {why}")?;
                }
                write!(f, "; next check in {wait} s")
            }
            Self::Confirming {
                replacement,
                seen,
                wanted,
                wait,
            } => write!(
                f,
                "replacement {}: steady and healthy in {seen} of {wanted} checks; next check in {wait} s",
                known(replacement.as_ref())
            ),
            Self::Ready { replacement } => write!(
                f,
                "replacement {}: steady and healthy",
                known(replacement.as_ref())
            ),
            Self::Shifting(shifting) => shifting.fmt(f),
            Self::Swapped(swapped) => swapped.fmt(f),
            Self::BakeOver => f.write_str("the bake is over"),
            Self::Drain(draining) => draining.fmt(f),
            Self::StillRuns { running, wait } => {
                write!(f, "{}; next check in {wait} s", StillRuns(*running))
            }
            Self::DeletingTestRules { rules, wait } => write!(
                f,
                "still to delete: {}; next check in {wait} s",
                counted(*rules, "test rule")
            ),
            Self::Down {
                task_set,
                running,
                targets,
                wait,
            } => write!(
                f,
                "{task_set} serves, but does not work: it runs {}, targets: {targets}; next check in {wait} s",
                counted(*running, "task")
            ),
            Self::Deployed(running) => running.fmt(f),
            Self::EndedBefore => f.write_str(
                "this deployment has already ended; its answer was lost",
            ),
            Self::SecondLook { original, wait } => write!(
                f,
                "rolling back{}: what there is to undo is read again in {wait} s",
                BackTo(original.as_ref())
            ),
            Self::RollingBack {
                original,
                shortfall,
                not_placed,
                wait,
            } => {
                write!(f, "rolling back to {original}: {shortfall}")?;
                if let Some(why) = not_placed {
                    write!(f, "; {why}")?;
                }
                write!(f, "; next check in {wait} s")
            }
            Self::PutBack {
                original,
                instances,
                wait,
            } => write!(
                f,
                "rolling back to {original}: {} put back into the registry; next check in {wait} s",
                counted(*instances, "instance")
            ),
            Self::Restarting {
                original,
                tasks,
                wait,
            } => write!(
                f,
                "rolling back to {original}: {} that no client finds stop first, and new ones start; next check in {wait} s",
                counted(*tasks, "task")
            ),
            Self::TakenOut { original } => write!(
                f,
                "rolling back: {original} serves, and the replacement leaves the registry before its tasks are stopped"
            ),
            Self::Restored {
                original,
                lacks: None,
            } => write!(
                f,
                "rolling back: {original} is steady and healthy at 100 %, so traffic can move back to it"
            ),
            Self::Restored {
                original,
                lacks: Some((shortfall, 0)),
            } => write!(
                f,
                "rolling back: traffic moves back to {original}, which has the rest of it ({shortfall})"
            ),
            Self::Restored {
                original,
                lacks: Some((shortfall, seconds)),
            } => write!(
                f,
                "rolling back: traffic moves back to {original}, which is not at full strength after {seconds} s ({shortfall}), because the task set that serves has no healthy target"
            ),
            Self::GoingOn { cause, wait } => write!(
                f,
                "traffic stays where it is, and the deployment continues in {wait} s: {cause}"
            ),
            Self::Recovered { replacement, wait } => write!(
                f,
                "{} is healthy again and keeps the traffic; next check in {wait} s",
                known(replacement.as_ref())
            ),
            Self::Paused(paused) => {
                write!(f, "{paused}; next check in {} s", paused.wait)
            }
            Self::Closed(closed) => {
                write!(f, "{closed}; next check in {} s", closed.wait)
            }
            Self::Gate(gate) => gate.fmt(f),
            Self::Repaced { pace, begun: true } => {
                write!(f, "the drain goes on at another pace: {pace}")
            }
            Self::Repaced { pace, begun: false } => {
                write!(f, "the drain will go at another pace: {pace}")
            }
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Failed(outcome) => outcome.fmt(f),
            Self::Busy { wait } => write!(
                f,
                "a previous turn may still be running; next attempt in {wait} s"
            ),
            Self::Overtaken => f.write_str("a later turn of this execution has already run"),
            Self::Denied { why, wait } => write!(f, "{why}; next attempt in {wait} s"),
            Self::Unanswered { why, wait } => write!(
                f,
                "a write was not answered and may still land ({why}); next check in {wait} s"
            ),
        }
    }
}

/// Where the tasks of a task set are registered.
pub(super) struct Placed<'a>(pub(super) &'a TargetGroupArn);

impl fmt::Display for Placed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = short(self.0);
        match name.split_once('/') {
            Some((registry, _)) if is_of_a_registry(self.0) => write!(f, "in registry {registry}"),
            _ => write!(f, "on target group {name}"),
        }
    }
}

/// The same after a task set, where that says more than the registry that all are in.
struct On<'a>(&'a TargetGroupArn);

impl fmt::Display for On<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_of_a_registry(self.0) {
            return Ok(());
        }
        write!(f, " on {}", short(self.0))
    }
}

/// Where the tasks of a task set will be registered.
struct Towards<'a>(&'a TargetGroupArn);

impl fmt::Display for Towards<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = short(self.0);
        match name.split_once('/') {
            Some((registry, _)) if is_of_a_registry(self.0) => {
                write!(f, "into registry {registry}")
            }
            _ => write!(f, "to {name}"),
        }
    }
}

/// The original that a rollback goes back to, where there is one.
struct BackTo<'a>(Option<&'a TaskSetId>);

impl fmt::Display for BackTo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(original) => write!(f, " to {original}"),
            None => Ok(()),
        }
    }
}

fn known(id: Option<&TaskSetId>) -> &str {
    id.map_or("", TaskSetId::as_str)
}

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.dry_run {
            f.write_str(DRY_RUN)?;
        }
        write!(f, "service {}: ", self.service)?;
        match &self.original {
            Some(original) => write!(
                f,
                "{original} ({}){} serves",
                counted(self.tasks, "task"),
                On(&self.original_target_group)
            )?,
            None => f.write_str("nothing serves yet")?,
        }
        if let Some(taken) = &self.taken {
            write!(f, "; {taken}")?;
        }
        if !self.leftovers.is_empty() {
            write!(
                f,
                "; leftovers, removed first unless their deployment still runs: {}",
                self.leftovers
                    .iter()
                    .map(TaskSetId::as_str)
                    .collect::<Vec<_>>()
                    .join(" and ")
            )?;
        }
        write!(
            f,
            "; {} goes {}",
            short(&self.task_definition),
            Towards(&self.replacement_target_group)
        )?;
        if let Some(shift) = &self.shift {
            let shared = if is_of_a_registry(&self.replacement_target_group) {
                Shared::Tasks
            } else {
                Shared::NewConnections
            };
            write!(f, " ({})", shift.of(shared))?;
        }
        write!(f, ", then {}", self.drain)?;
        match &self.times {
            Some(times) => write!(f, "; {}", times.in_words(self.window.as_ref())),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Swapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(error) = &self.after {
            write!(f, "rolled back after {error}: ")?;
        }
        if !is_of_a_registry(&self.target_group) {
            let group = short(&self.target_group);
            write!(f, "production listener forwards to {group} and ")?;
        }
        write!(f, "{} is PRIMARY; ", known(self.replacement.as_ref()))?;
        match self.drain {
            Some(NextDrain { bake, .. }) if self.pauses || self.hooks => {
                let waits = match (self.hooks, self.pauses) {
                    (true, true) => "calls hooks and waits for approval",
                    (true, false) => "calls hooks",
                    (false, _) => "waits for approval",
                };
                write!(f, "the bake takes {bake} s, and the deployment {waits}")
            }
            Some(NextDrain { bake, .. })
                if is_of_a_registry(&self.target_group) && self.after.is_some() =>
            {
                write!(
                    f,
                    "the replacement leaves the registry, and its drain begins after that, in {bake} s at the earliest"
                )
            }
            Some(NextDrain { bake, .. }) => write!(f, "the drain begins in {bake} s"),
            None => f.write_str("there is nothing to drain"),
        }
    }
}
