//! What a turn answers with, apart from its decision, and what it logs.

use std::time::Duration;

use ebbtide_controller::contract::{self, Failure};
use ebbtide_controller::deployment::{Answer, Deployment};
use ebbtide_controller::lock::{Busy, End, Lock, SETTLE};
use ebbtide_controller::phase::To;
use ebbtide_controller::quote::sentence;
use ebbtide_controller::reason::Reason;
use ebbtide_controller::world::World;
use serde_json::Value;

use super::Step;
use crate::metrics;
use crate::observe::in_short;

impl Step<'_> {
    /// The same turn again, in [`SETTLE`] seconds.
    pub(super) fn again(&self, deployment: &Deployment, reason: Reason) -> Answer {
        let mut progress = deployment.progress;
        progress.unanswered = progress.unanswered.saturating_add(1);
        progress.waited = progress.waited.saturating_add(SETTLE);
        Answer {
            progress,
            ..self.unchanged(deployment, reason, SETTLE)
        }
    }

    /// The state as it came, after a wait.
    pub(super) fn busy(&self, mut deployment: Deployment, busy: Busy) -> Value {
        deployment.lock.seen = Some(busy.seen);
        let answer = self.unchanged(&deployment, Reason::Busy { wait: busy.wait }, busy.wait);
        tracing::info!(
            deployment = self.event.id.name(),
            phase = self.event.phase.as_str(),
            reason = %answer.reason,
            "busy"
        );
        answer.to_json(&deployment.lock)
    }

    /// The same phase again, with the state as it came.
    pub(super) fn unchanged(&self, deployment: &Deployment, reason: Reason, wait: u32) -> Answer {
        Answer {
            to: self.event.phase.wait(),
            reason,
            wait,
            plan: deployment.plan.clone(),
            progress: deployment.progress,
            heard: None,
            tidy: Vec::new(),
        }
    }

    /// The deployment has ended before, and that answer was lost.
    pub(super) fn ended(&self, deployment: &Deployment, end: &End) -> Value {
        if end.to == To::DeploymentSucceeded {
            let answer = Answer {
                to: end.to,
                ..self.unchanged(deployment, Reason::EndedBefore, 0)
            };
            return contract::report(&answer, self.age());
        }
        let failure = deployment.plan.failure.clone();
        let failure = failure.unwrap_or_else(|| Failure {
            error: "DeploymentFailed".to_owned(),
            cause: "The deployment failed, and the answer with the reason was lost.".to_owned(),
        });
        contract::failed(&failure, &Reason::EndedBefore.to_string())
    }

    /// The answer as the state machine's next state.
    pub(super) fn finished(&self, answer: &Answer, lock: &Lock) -> Value {
        match answer.to {
            To::DeploymentSucceeded => contract::report(answer, self.age()),
            To::DeploymentFailed => {
                let failure = &answer.plan.failure;
                let failure = failure.clone().unwrap_or_else(|| self.event.failure());
                metrics::log(
                    &answer.plan.request,
                    self.invocation.now_millis() / 1_000,
                    metrics::OF_FAILURE,
                );
                self.failed(&failure, &answer.reason.to_string())
            }
            To::Preflight
            | To::CheckAndCreateService
            | To::WaitForServiceReady
            | To::Swap
            | To::Bake
            | To::ScaleDown
            | To::Wait
            | To::Cleanup
            | To::WaitForDeletion
            | To::Rollback
            | To::WaitForOriginal
            | To::Hook(_)
            | To::DryRunSucceeded => answer.to_json(lock),
        }
    }

    /// The end of a deployment that failed: what it fails with, and what was undone.
    pub(super) fn failed(&self, failure: &Failure, outcome: &str) -> Value {
        tracing::info!(
            deployment = self.event.id.name(),
            phase = self.event.phase.as_str(),
            error = failure.error,
            reason = sentence(outcome),
            "done"
        );
        contract::failed(failure, outcome)
    }

    /// Logs an answer, and the metrics that go with it.
    pub(super) fn tell(&self, world: &World, answer: &Answer) {
        let outcome = if answer.to == self.event.phase.wait() {
            "wait"
        } else if let To::Hook(_) = answer.to {
            "hook"
        } else {
            "done"
        };
        self.log(world, outcome, &answer.reason.to_string(), answer.wait);
        if let Some(heard) = &answer.heard {
            self.log(world, "command", &heard.to_string(), 0);
        }
        let told = metrics::of_answer(self.event.phase, world, answer, self.age());
        let now = self.invocation.now_millis() / 1_000;
        metrics::log(&answer.plan.request, now, &told);
    }

    /// Seconds since the execution started.
    pub(super) fn age(&self) -> u64 {
        let started = Duration::from_millis(self.event.started());
        let now = Duration::from_millis(self.invocation.now_millis());
        now.saturating_sub(started).as_secs()
    }

    /// One structured line; never the whole event.
    pub(super) fn log(&self, world: &World, decision: &str, reason: &str, wait: u32) {
        tracing::info!(
            deployment = self.event.id.name(),
            phase = self.event.phase.as_str(),
            observation = sentence(&in_short(world)),
            decision,
            reason = sentence(reason),
            wait,
            "step"
        );
    }
}
