//! Answers of a turn of the drain that removes nothing: what is left, and when the next check is.

use super::{HALF_LOST, drained_for, timeout};
use crate::alarms;
use crate::checks;
use crate::command::Paused;
use crate::deployment::{Answer, Plan, Progress};
use crate::drain::pacing::Drain;
use crate::drain::{self, budget};
use crate::gates::Gate;
use crate::next::Next;
use crate::phase::To;
use crate::reason::{Blocker, DrainProgress, Draining, Reason, Stage, StepMade};
use crate::registry::{Removal, SHOWS};
use crate::request::CHECKS;
use crate::window::{Closed, is_late};

/// The drain is over, with `running` tasks that do not stop.
pub(super) fn drained(plan: &Plan, progress: &Progress, running: u32) -> Next {
    let report = DrainProgress {
        left: 0,
        of: plan.tasks,
        running,
        step: progress.step.saturating_add(plan.earlier_steps()),
        next_step: None,
        last_step: None,
        done: None,
    };
    let progress = Progress {
        waited: 0,
        checks: 0,
        ..*progress
    };
    let reason = reason(plan, report, Stage::Drained, Vec::new(), None);
    Next::at_once(To::Cleanup, reason, plan.clone(), progress)
}

fn reason(
    plan: &Plan,
    progress: DrainProgress,
    stage: Stage,
    deleted_alarms: Vec<String>,
    late: Option<u64>,
) -> Reason {
    Reason::Drain(Box::new(Draining {
        outgoing: plan.outgoing.clone(),
        task_set: plan.outgoing_set().cloned(),
        progress,
        stage,
        deleted_alarms,
        late,
    }))
}

/// A turn that takes nothing away.
pub(super) struct Waiting<'a> {
    /// As it is after this turn.
    drain: Drain<'a>,
    report: DrainProgress,
    /// Seconds for which a step was blocked until now.
    held: u32,
    /// Seconds between two checks.
    poll: u32,
}

impl<'a> Waiting<'a> {
    /// `running` tasks or targets of what goes are still there.
    pub(super) fn new(mut drain: Drain<'a>, running: u32) -> Self {
        drain.progress.checks = 0;
        let held = std::mem::take(&mut drain.progress.held);
        Self {
            report: DrainProgress {
                left: drain.wanted,
                of: of(&drain),
                running,
                step: made(&drain, drain.progress.step.saturating_sub(1)),
                next_step: None,
                last_step: None,
                done: None,
            },
            held,
            poll: checks(&drain).poll(waited(&drain.progress)),
            drain,
        }
    }

    /// An operator has paused the deployment: these seconds do not count towards the drain.
    fn paused_by_operator(mut self, paused: Paused, running: u32) -> Next {
        let Drain { plan, wanted, .. } = self.drain;
        let wait = paused.wait;
        let progress = &mut self.drain.progress;
        progress.pause = progress.pause.saturating_sub(wait);
        // With what the turn itself takes: a day of pauses has hundreds of turns.
        progress
            .control
            .put_off(wait.saturating_add(drain::plan::TURN));
        let by = Blocker::Paused(paused);
        let stage = Stage::Blocked {
            wanted,
            running,
            by,
            wait,
        };
        let (reason, plan) = (self.reason(stage), plan.paused_for(wait));
        Next::go(To::Wait, reason, wait, plan, self.drain.progress)
    }

    /// A hook or a planned pause: these seconds do not count towards bake and drain.
    fn gate(mut self, gate: Box<Gate>, running: u32) -> Next {
        let plan = checks::passed(self.drain.plan);
        let (to, plan, wait) = (gate.to(To::Wait), gate.plan(&plan), gate.wait());
        self.drain.progress.control.put_off(gate.took());
        let stage = Stage::Blocked {
            wanted: self.drain.wanted,
            running,
            by: Blocker::Gate(gate),
            wait,
        };
        let reason = self.reason(stage);
        Next::go(to, reason, wait, plan, self.drain.progress)
    }

    /// A check waits for samples: these seconds do not count towards the drain.
    fn awaiting_samples(mut self, by: Blocker, running: u32) -> Next {
        let wait = drain::longest_check(self.drain.plan.checked.held);
        let progress = &mut self.drain.progress;
        progress
            .control
            .put_off(wait.saturating_add(drain::plan::TURN));
        let stage = Stage::Blocked {
            wanted: self.drain.wanted,
            running,
            by,
            wait,
        };
        let mut plan = self.drain.plan.held_for(wait);
        plan.checked.held = plan.checked.held.saturating_add(wait);
        let reason = self.reason(stage);
        Next::go(To::Wait, reason, wait, plan, self.drain.progress)
    }

    /// The window is closed: these seconds do not count towards the drain.
    fn closed(mut self, closed: Box<Closed>, running: u32) -> Next {
        let wait = closed.wait;
        let left = closed.opens.saturating_sub(self.drain.world.now);
        self.report.next_step = Some(u32::try_from(left).unwrap_or(u32::MAX));
        self.drain
            .progress
            .control
            .put_off(wait.saturating_add(drain::plan::TURN));
        let stage = Stage::Blocked {
            wanted: self.drain.wanted,
            running,
            by: Blocker::Closed(closed),
            wait,
        };
        let reason = self.reason(stage);
        Next::go(
            To::Wait,
            reason,
            wait,
            checks::passed(self.drain.plan),
            self.drain.progress,
        )
    }

    fn go(self, stage: Stage, wait: u32) -> Next {
        let reason = self.reason(stage);
        let Drain { plan, progress, .. } = self.drain;
        Next::wait(To::Wait, reason, wait, plan, progress)
    }

    fn reason(&self, stage: Stage) -> Reason {
        let Drain { world, plan, .. } = self.drain;
        let alarms = alarms::unknown(world, plan).filter(|_| plan.goes_forward());
        let done = self.report.done.or(self.report.next_step);
        let late = is_late(world, plan, done);
        reason(plan, self.report, stage, alarms.cloned().collect(), late)
    }

    /// The pause before the first step goes on for `left` seconds.
    pub(super) fn baking(mut self, left: u32) -> Next {
        let wait = drain::longest_check(self.drain.progress.waited).min(left);
        self.report.next_step = Some(left);
        self.go(Stage::Baking { left, wait }, wait)
    }

    /// A pause goes on for `seconds`, before a step that takes some of `left` tasks away.
    pub(super) fn paused(mut self, left: u32, seconds: u32) -> Next {
        self.report.left = left;
        self.report.next_step = Some(seconds);
        self.drain.judge();
        let wait = self.until_the_next_check(seconds);
        self.go(Stage::Pause { seconds }, wait)
    }

    /// A step is made, to `left` tasks: what comes next, and when.
    pub(super) fn step_made(mut self, left: u32) -> Next {
        let step = self.begin();
        let next = self.drain.next(false);
        self.drain.progress.step = step.saturating_add(1);
        let last_step = next.wait.saturating_add(next.then);
        let leaving = self.drain.deregistration().most.saturating_add(STOPPING);
        let done = last_step.saturating_add(leaving);
        self.report = DrainProgress {
            left,
            step: made(&self.drain, step),
            next_step: Some(next.wait),
            last_step: Some(last_step),
            done: Some(done),
            ..self.report
        };
        let made = StepMade {
            steps: steps(&self.drain),
            next_tasks: next.tasks,
            next_step: next.wait,
            done,
            pace: next.remark,
        };
        let wait = self.until_the_next_check(next.wait);
        // The original is another one from here on: nothing is compared with it.
        let checked = checks::over(self.drain.world, self.drain.plan);
        self.go(Stage::Step(made), wait).map(|answer| Answer {
            plan: Plan {
                checked,
                ..answer.plan
            },
            ..answer
        })
    }

    /// The next step waits for something.
    ///
    /// A replacement without health is abandoned after a while: its first minutes are counted one by one.
    pub(super) fn blocked(mut self, by: Blocker, running: u32) -> Next {
        let is_held = matches!(by, Blocker::Health { .. } | Blocker::AlarmState { .. });
        let wait = match by {
            Blocker::Paused(paused) => return self.paused_by_operator(paused, running),
            Blocker::Gate(gate) => return self.gate(gate, running),
            Blocker::Check { .. } => return self.awaiting_samples(by, running),
            Blocker::Closed(closed) => return self.closed(closed, running),
            Blocker::Leaving { left, .. } => {
                self.report.next_step = Some(left);
                self.poll.min(left)
            }
            Blocker::Registry { left, .. } => self.poll.min(left),
            Blocker::Grows { .. } => self.sooner(),
            Blocker::Reconnects { .. } => {
                let wait = self.sooner().max(budget::HOLD);
                self.drain.next(true);
                wait
            }
            Blocker::Health { .. } | Blocker::AlarmState { .. } => {
                let wait = if self.held < HALF_LOST {
                    self.sooner()
                } else {
                    self.poll
                };
                let progress = &mut self.drain.progress;
                progress.held = self.held.saturating_add(wait);
                progress.pause = progress.pause.saturating_sub(wait);
                wait
            }
        };
        let stage = Stage::Blocked {
            wanted: self.drain.wanted,
            running,
            by,
            wait,
        };
        let next = self.go(stage, wait);
        if !is_held {
            return next;
        }
        next.map(|answer| Answer {
            plan: answer.plan.held_for(wait),
            ..answer
        })
    }

    /// Clients of a registry find what goes, or remember it: no task of it is stopped yet.
    pub(super) fn removing(mut self, removal: Removal, running: u32) -> Next {
        let (left, removed) = match &removal {
            Removal::Found { left, removed, .. } | Removal::Remembered { left, removed } => {
                (*left, *removed)
            }
        };
        self.report.next_step = Some(left);
        let wait = match removal {
            // Until then, reads may show what was before the writes.
            Removal::Found { .. } => SHOWS,
            Removal::Remembered { .. } => self.poll.min(left).max(1),
        };
        let stage = Stage::Blocked {
            wanted: self.drain.wanted,
            running,
            by: removal.blocker(),
            wait,
        };
        let next = self.go(stage, wait).map(|answer| Answer {
            plan: Plan {
                removed,
                ..answer.plan
            },
            ..answer
        });
        match (removal, next) {
            (Removal::Found { write, .. }, Next::Go(answer)) => {
                Next::WriteAndGo(vec![write], answer)
            }
            (_, next) => next,
        }
    }

    /// Every step is made, and tasks or targets are still there.
    pub(super) fn tasks_stopping(mut self, blocker: Option<&Blocker>) -> Next {
        self.begin();
        self.drain.progress.pause = 0;
        let wait = self.sooner();
        let unhealthy = match blocker {
            Some(Blocker::Health { shortfall, .. }) => {
                self.drain.progress.held = self.held.saturating_add(wait);
                Some(shortfall.clone())
            }
            Some(
                Blocker::AlarmState { .. }
                | Blocker::Paused(_)
                | Blocker::Gate(_)
                | Blocker::Leaving { .. }
                | Blocker::Registry { .. }
                | Blocker::Grows { .. }
                | Blocker::Check { .. }
                | Blocker::Closed(_)
                | Blocker::Reconnects { .. },
            )
            | None => None,
        };
        let stage = Stage::TasksStopping {
            running: self.report.running,
            idle: self.drain.is_idle(),
            unhealthy,
            wait,
        };
        self.go(stage, wait)
    }

    /// The original is not there, in `seen` checks in a row.
    pub(super) fn confirming(mut self, seen: u32) -> Next {
        self.drain.progress.checks = seen;
        let (wanted, wait) = (CHECKS, self.poll);
        self.go(Stage::Confirming { seen, wanted, wait }, wait)
    }

    /// The bake is over: from here on, the seconds of the drain are counted.
    fn begin(&mut self) -> u32 {
        self.drain.progress.waited = drained_for(self.drain.plan, &self.drain.progress);
        self.drain.begin()
    }

    /// Seconds until the next check of a drain whose checks are far apart: a minute, as long as there are
    /// such checks left.
    fn sooner(&mut self) -> u32 {
        let soon = &mut self.drain.progress.soon;
        if self.poll <= 60 || *soon >= drain::MOST_SOON {
            return self.poll;
        }
        *soon = soon.saturating_add(1);
        60
    }

    /// Seconds until the next check of a drain whose next step is due in `pause` seconds.
    fn until_the_next_check(&mut self, pause: u32) -> u32 {
        let wait = checks(&self.drain).in_pause(pause, waited(&self.drain.progress));
        self.drain.progress.pause = pause.saturating_sub(wait);
        wait
    }
}

fn checks(drain: &Drain<'_>) -> drain::Checks {
    drain::Checks::at(&drain.plan.outgoing, timeout(drain))
}

/// Seconds for which a drain has gone on, with those before an interruption.
fn waited(progress: &Progress) -> u32 {
    progress.waited.saturating_add(progress.spent)
}

/// Seconds that a task has to stop, where its definition does not say (AWS documentation).
const STOPPING: u32 = 30;

/// Of how many steps, where that is settled: a budget takes as many as it needs.
fn steps(drain: &Drain<'_>) -> Option<u32> {
    match drain.plan.request.drain.pace.budget() {
        Some(_) => None,
        None => Some(made(drain, drain.schedule().steps())),
    }
}

/// Tasks that the drain began with, as many as they would be now.
fn of(drain: &Drain<'_>) -> u32 {
    drain.share_of(drain.plan.tasks, drain.plan.desired)
}

/// So many steps, with those made before the drain was given another pace.
fn made(drain: &Drain<'_>, steps: u32) -> u32 {
    steps.saturating_add(drain.plan.earlier_steps())
}
