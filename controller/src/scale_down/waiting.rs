//! What a turn of the drain answers where it takes nothing away: what is left, and when the next look is.

use super::{HALF_LOST, bake_time, drained_for, timeout};
use crate::arn;
use crate::deployment::{Course, Deployment};
use crate::drain::{self, budget, pacing};
use crate::next::Next;
use crate::observation::Observation;
use crate::phase::To;
use crate::ready;
use crate::reason::{Blocker, DrainProgress, Draining, Outgoing, Reason, Stage, StepMade};
use crate::request::LOOKS;

/// The drain is over.
pub(super) fn drained(deployment: &Deployment) -> Next {
    let mut deployment = deployment.clone();
    deployment.progress.waited = 0;
    deployment.progress.looks = 0;
    let progress = DrainProgress {
        left: 0,
        of: deployment.tasks,
        step: deployment.progress.step,
        next_step: None,
        last_step: None,
    };
    let reason = reason(&deployment, progress, Stage::Drained);
    Next::at_once(To::Cleanup, reason, deployment)
}

fn reason(deployment: &Deployment, progress: DrainProgress, stage: Stage) -> Reason {
    Reason::Drain(Box::new(Draining {
        outgoing: match deployment.course {
            Course::Forward | Course::HalfSwapped => Outgoing::Original,
            Course::Back => Outgoing::Replacement,
            Course::Leftover => Outgoing::Leftover,
        },
        task_set: deployment.original.clone(),
        progress,
        stage,
    }))
}

/// A turn that takes nothing away.
pub(super) struct Waiting<'a> {
    observation: &'a Observation,
    /// As it is after this turn.
    deployment: Deployment,
    progress: DrainProgress,
    /// Tasks that the service wants.
    desired: u32,
    /// Tasks that the outgoing set is to have now.
    wanted: u32,
    /// Seconds for which a step was blocked until now.
    held: u32,
    /// Seconds between two looks.
    poll: u32,
}

impl<'a> Waiting<'a> {
    pub(super) fn new(observation: &'a Observation, deployment: &Deployment, desired: u32) -> Self {
        let mut deployment = deployment.clone();
        deployment.progress.looks = 0;
        let held = std::mem::take(&mut deployment.progress.held);
        let wanted = pacing::wanted(observation, &deployment);
        Self {
            observation,
            progress: DrainProgress {
                left: wanted,
                of: pacing::share(deployment.tasks, &deployment, desired),
                step: deployment.progress.step.saturating_sub(1),
                next_step: None,
                last_step: None,
            },
            desired,
            wanted,
            held,
            poll: drain::poll(timeout(observation, &deployment)),
            deployment,
        }
    }

    fn go(mut self, stage: Stage, wait: u32) -> Next {
        let waited = &mut self.deployment.progress.waited;
        *waited = waited.saturating_add(wait);
        let reason = reason(&self.deployment, self.progress, stage);
        Next::go(To::Wait, reason, wait, self.deployment)
    }

    /// The pause before the first step goes on for `left` seconds.
    pub(super) fn baking(mut self, left: u32) -> Next {
        let wait = drain::bake_poll(bake_time(&self.deployment)).min(left);
        self.progress.next_step = Some(left);
        self.go(Stage::Baking { left, wait }, wait)
    }

    /// A pause goes on for `seconds`, before a step that takes some of `left` tasks away.
    pub(super) fn paused(mut self, left: u32, seconds: u32) -> Next {
        self.progress.left = left;
        self.progress.next_step = Some(seconds);
        pacing::judge(self.observation, &mut self.deployment);
        let wait = self.until_the_next_look(seconds);
        self.go(Stage::Pause { seconds }, wait)
    }

    /// A step is made, to `left` tasks: what comes next, and when.
    pub(super) fn step_made(mut self, left: u32) -> Next {
        let step = self.begin();
        let next = pacing::next(self.observation, &mut self.deployment, self.desired, false);
        self.deployment.progress.step = step.saturating_add(1);
        let last_step = next.wait.saturating_add(next.then);
        self.progress = DrainProgress {
            left,
            step,
            next_step: Some(next.wait),
            last_step: Some(last_step),
            ..self.progress
        };
        let made = StepMade {
            steps: steps(self.observation, &self.deployment),
            next_tasks: next.tasks,
            next_step: next.wait,
            done_at: done_at(self.observation, &self.deployment, last_step),
            now: self.deployment.now,
            pace: next.remark,
        };
        let wait = self.until_the_next_look(next.wait);
        self.go(Stage::Step(made), wait)
    }

    /// The next step waits for something.
    ///
    /// A replacement without health is given up after a while: its first minutes are counted one by one.
    pub(super) fn blocked(mut self, by: Blocker) -> Next {
        let wait = match by {
            Blocker::Reconnects { .. } => {
                let wait = self.sooner().max(budget::HOLD);
                pacing::next(self.observation, &mut self.deployment, self.desired, true);
                wait
            }
            Blocker::Health { .. } | Blocker::AlarmState { .. } => {
                let wait = if self.held < HALF_LOST {
                    self.sooner()
                } else {
                    self.poll
                };
                let progress = &mut self.deployment.progress;
                progress.held = self.held.saturating_add(wait);
                progress.pause = progress.pause.saturating_sub(wait);
                wait
            }
        };
        let original = self.deployment.original_in(self.observation);
        let stage = Stage::Blocked {
            wanted: self.wanted,
            running: original.map_or(0, |original| original.running_count),
            by,
            wait,
        };
        self.go(stage, wait)
    }

    /// Every step is made, and `running` tasks or targets are still there.
    pub(super) fn tasks_stopping(mut self, running: u32) -> Next {
        self.begin();
        self.deployment.progress.pause = 0;
        let wait = self.sooner();
        let stage = Stage::TasksStopping {
            running,
            idle: pacing::connections_are_gone(&self.deployment),
            unhealthy: ready::lost_health(self.observation, &self.deployment),
            wait,
        };
        self.go(stage, wait)
    }

    /// The original is not there, in `seen` looks in a row.
    pub(super) fn confirming(mut self, seen: u32) -> Next {
        self.deployment.progress.looks = seen;
        let (wanted, wait) = (LOOKS, self.poll);
        self.go(Stage::Confirming { seen, wanted, wait }, wait)
    }

    /// The bake is over: from here on, the seconds of the drain are counted.
    fn begin(&mut self) -> u32 {
        let deployment = &mut self.deployment;
        deployment.progress.waited = drained_for(deployment);
        deployment.progress.step = pacing::next_step(deployment);
        pacing::begin(deployment);
        deployment.progress.step
    }

    /// Seconds until the next look of a drain whose looks are far apart: a minute, as long as there are
    /// such looks left.
    fn sooner(&mut self) -> u32 {
        let soon = &mut self.deployment.progress.soon;
        if self.poll <= 60 || *soon >= drain::MOST_SOON {
            return self.poll;
        }
        *soon = soon.saturating_add(1);
        60
    }

    /// Seconds until the next look at a drain whose next step is due in `pause` seconds.
    fn until_the_next_look(&mut self, pause: u32) -> u32 {
        let wait = drain::pause_poll(pause, timeout(self.observation, &self.deployment));
        self.deployment.progress.pause = pause.saturating_sub(wait);
        wait
    }
}

/// When the original's last task has gone, if its last step comes in so many seconds: targets take as
/// long as their deregistration delay, and a Network Load Balancer three minutes at least (AWS
/// support). In seconds since 1970.
fn done_at(observation: &Observation, deployment: &Deployment, last_step: u32) -> u64 {
    let least = match deployment.request.load_balancer.as_deref() {
        Some(balancer) if arn::is_application_load_balancer(balancer) => 0,
        _ => 180,
    };
    let deregistered = pacing::delay(observation, deployment).max(least);
    deployment.now + u64::from(last_step) + u64::from(deregistered)
}

/// Of how many steps, where that is settled: a budget takes as many as it needs.
fn steps(observation: &Observation, deployment: &Deployment) -> Option<u32> {
    match deployment.request.drain.pace.budget() {
        Some(_) => None,
        None => Some(pacing::schedule(observation, deployment).steps()),
    }
}
