//! The state between two turns, and what an execution ends with, as JSON.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::failure::FailureWire;
use super::plan::{PlanWire, unreadable};
use super::{Event, Failure};
use crate::clock::rfc3339;
use crate::command::Heard;
use crate::deployment::{Answer, Deployment, Progress};
use crate::drain::budget::Control;
use crate::lock::{Lock, Seen};
use crate::phase::To;
use crate::quote::{quote, sentence};
use crate::reason::{Blocker, Code, DrainProgress, Reason, Remark, Shifting, Shortfall};
use crate::refusal::Refusal;
use crate::request::Request;
use crate::window::{Times, Window, shown};

/// The state between two turns. Ids only, so it stays far below the 256 KiB of a payload.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StateWire {
    /// The state that the Choice leads to.
    #[serde(skip_deserializing)]
    next: String,
    /// Seconds that a Wait waits.
    #[serde(skip_deserializing)]
    wait: u32,
    #[serde(skip_deserializing)]
    reason: Value,
    /// The hook that the state machine calls.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    hook: Option<Value>,
    request: Value,
    plan: PlanWire,
    progress: ProgressWire,
    /// How a drain by a budget goes on.
    #[serde(default, with = "ControlWire", skip_serializing_if = "has_not_begun")]
    control: Control,
    lock: LockWire,
    /// Why the deployment is rolled back, while it is: a Catch overwrites `failure`.
    #[serde(skip_serializing_if = "Option::is_none")]
    rolling_back: Option<FailureWire>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<FailureWire>,
}

/// How far a phase has got, field by field as [`Progress`] has it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProgressWire {
    waited: u32,
    checks: u32,
    step: u32,
    held: u32,
    soon: u32,
    pause: u32,
    baking: bool,
    #[serde(default, skip_serializing_if = "is_none")]
    spent: u32,
    #[serde(default, skip_serializing_if = "is_none")]
    returns: u32,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    interrupted: bool,
    unanswered: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
pub(super) fn is_none(count: &u32) -> bool {
    *count == 0
}

/// How a drain by a budget goes on, field by field as [`Control`] has it.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Control", rename_all = "camelCase")]
struct ControlWire {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    began: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    left: Option<u32>,
    factor: f64,
    #[serde(default = "whole_pace")]
    before: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    baseline: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    connections_per_task: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    judged: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    changed: Option<u64>,
}

fn whole_pace() -> f64 {
    Control::default().before
}

/// A drain that has not begun carries none.
fn has_not_begun(control: &Control) -> bool {
    *control == Control::default()
}

/// What the execution knows of the lock.
#[derive(Serialize, Deserialize)]
struct LockWire {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fence: Option<u64>,
    turn: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    seen: Option<SeenWire>,
}

#[derive(Serialize, Deserialize)]
struct SeenWire {
    rev: u64,
    waited: u32,
}

impl LockWire {
    fn of(lock: &Lock) -> Self {
        Self {
            id: lock.id.clone(),
            fence: lock.fence,
            turn: lock.turn,
            seen: lock.seen.map(|seen| SeenWire {
                rev: seen.rev,
                waited: seen.waited,
            }),
        }
    }

    fn read(self) -> Lock {
        Lock {
            id: self.id,
            fence: self.fence,
            turn: self.turn,
            seen: self.seen.map(|seen| Seen {
                rev: seen.rev,
                waited: seen.waited,
            }),
        }
    }
}

impl Event {
    /// The deployment that the turn before answered with.
    ///
    /// A Rollback that comes by a Catch begins anew: with the failure that was caught, with no progress,
    /// and with a turn that overtakes the one that failed, whose function may still be at work.
    pub fn deployment(&self) -> Result<Deployment, Refusal> {
        let wire = StateWire::deserialize(&self.state).map_err(|error| unreadable(&error))?;
        wire.plan.names_its_own(self)?;
        let caught = self.is_caught();
        let kept = wire.rolling_back.as_ref().map(FailureWire::read);
        let failure = match (kept, caught.then(|| self.failure())) {
            (Some(kept), Some(later)) => Some(kept.then(&later.cause)),
            (Some(kept), None) => Some(kept),
            (None, Some(caught)) => Some(caught),
            (None, None) => wire.failure.as_ref().map(FailureWire::read),
        };
        let mut lock = wire.lock.read();
        if caught {
            lock.turn = lock.turn.saturating_add(1);
        }
        let progress = Progress {
            waited: wire.progress.waited,
            checks: wire.progress.checks,
            step: wire.progress.step,
            held: wire.progress.held,
            soon: wire.progress.soon,
            pause: wire.progress.pause,
            baking: wire.progress.baking,
            spent: wire.progress.spent,
            returns: wire.progress.returns,
            interrupted: wire.progress.interrupted,
            unanswered: wire.progress.unanswered,
            control: wire.control,
        };
        let request = Request::parse(&wire.request, self.id.home())?;
        let reply = self.reply_of_hook();
        let plan = wire.plan.read(self.id.clone(), request, failure, reply)?;
        let progress = if caught {
            Progress {
                interrupted: true,
                ..progress.of_rollback(&plan)
            }
        } else {
            progress
        };
        Ok(Deployment {
            plan,
            progress,
            lock,
        })
    }
}

fn reason(reason: &Reason, heard: Option<&Heard>) -> Value {
    let text = match heard {
        Some(heard) => format!("{reason}; {heard}"),
        None => reason.to_string(),
    };
    let mut told = told(reason.code(), &text);
    if let Some(Heard { asked, refused, .. }) = heard {
        told["command"] = json!({
            "asked": asked.command.as_str(),
            "by": quote(&asked.by),
            "at": rfc3339(asked.at),
            "refused": refused.as_ref().map(ToString::to_string),
        });
    }
    if let Some((of, seen, wanted)) = reason.shortfall().and_then(Shortfall::counts) {
        told["shortfall"] = json!({"of": of, "seen": seen, "wanted": wanted});
    }
    if let Some(turn) = reason.hook() {
        told["hook"] = turn.numbers();
    }
    if let Reason::Shifting(shifting) = reason {
        told["shift"] = shift(shifting);
    }
    if let Some(closed) = reason.closed() {
        told["window"] = json!({"opens": closed.opens_at()});
    }
    if let Reason::Passed(passed) = reason
        && let Some(times) = &passed.times
    {
        told["earliest"] = earliest(times, passed.window.as_ref());
    }
    if let Reason::Drain(draining) = reason
        && let Some(by) = draining.late
    {
        told["late"] = json!({"finishBy": rfc3339(by)});
    }
    if let Some(Blocker::Check {
        check,
        samples,
        wanted,
        left,
        ..
    }) = reason.blocker()
    {
        told["check"] =
            json!({"number": check, "samples": samples, "wanted": wanted, "left": left});
    }
    if let Some(drain) = reason.drain() {
        let DrainProgress {
            left,
            of,
            running,
            step,
            next_step,
            last_step,
            done,
        } = drain;
        told["drain"] = json!({"left": left, "of": of, "running": running, "step": step});
        let times = [
            ("nextStep", next_step),
            ("lastStep", last_step),
            ("done", done),
        ];
        for (name, seconds) in times {
            if let Some(seconds) = seconds {
                told["drain"][name] = json!(seconds);
            }
        }
    }
    told
}

/// The earliest times of a deployment.
fn earliest(times: &Times, window: Option<&Window>) -> Value {
    let at = |seconds| json!(shown(seconds, window));
    let mut earliest = json!({"swap": at(times.swap), "done": at(times.done)});
    if let Some((first, last)) = times.steps {
        earliest["firstStep"] = at(first);
        earliest["lastStep"] = at(last);
    }
    earliest
}

/// Percent of new connections now and next, and the seconds until then; connections where they decide.
fn shift(shifting: &Shifting) -> Value {
    let Shifting {
        percent,
        step,
        of,
        then,
        next,
        ..
    } = shifting;
    let mut shift =
        json!({"percent": percent, "step": step, "of": of, "nextPercent": then, "next": next});
    if let Some(awaited) = &shifting.awaited {
        shift["seen"] = json!(awaited.seen);
        shift["wanted"] = json!(awaited.wanted);
    }
    shift
}

fn told(code: Code, text: &str) -> Value {
    json!({"code": code.as_str(), "text": sentence(text)})
}

impl Answer {
    /// The call of a hook, if the answer leads to one.
    fn hook(&self) -> Option<Value> {
        match self.to {
            To::Hook(phase) => self.reason.hook()?.to_json(phase),
            _ => None,
        }
    }

    /// The answer as the state machine's next state.
    pub fn to_json(&self, lock: &Lock) -> Value {
        let progress = &self.progress;
        let failure = self.plan.failure.as_ref().map(FailureWire::of);
        json!(StateWire {
            next: self.to.as_str().to_owned(),
            wait: self.wait,
            reason: reason(&self.reason, self.heard.as_ref()),
            hook: self.hook(),
            request: self.plan.request.to_json(),
            plan: PlanWire::of(&self.plan),
            progress: ProgressWire {
                waited: progress.waited,
                checks: progress.checks,
                step: progress.step,
                held: progress.held,
                soon: progress.soon,
                pause: progress.pause,
                baking: progress.baking,
                spent: progress.spent,
                returns: progress.returns,
                interrupted: progress.interrupted,
                unanswered: progress.unanswered,
            },
            control: progress.control,
            lock: LockWire::of(lock),
            rolling_back: failure.clone(),
            failure,
        })
    }
}

/// The output of a deployment that reached its end, after `seconds`.
pub fn report(answer: &Answer, seconds: u64) -> Value {
    let Answer { plan, progress, .. } = answer;
    let request = &plan.request;
    let remarks: Vec<_> = match &answer.reason {
        Reason::Deployed(running) => running.remarks.iter().map(remark).collect(),
        _ => Vec::new(),
    };
    json!({
        "next": answer.to.as_str(),
        "status": "deployed",
        "reason": reason(&answer.reason, answer.heard.as_ref()),
        "cluster": request.cluster,
        "service": request.service,
        "taskDefinition": request.task_definition,
        "taskSet": plan.replacement,
        "targetGroup": plan.replacement_target_group,
        "previousTaskSet": plan.original,
        "drainedTasks": plan.tasks,
        "steps": progress.step.saturating_add(plan.earlier_steps()),
        "seconds": seconds,
        "comment": request.comment,
        "remarks": remarks,
    })
}

fn remark(remark: &Remark) -> Value {
    let (code, fix) = (remark.code(), remark.fix());
    match remark {
        Remark::Straggler { task_set, tasks } | Remark::SlowDeletion { task_set, tasks } => {
            json!({"code": code, "taskSet": task_set, "tasks": tasks, "fix": fix})
        }
        Remark::TestRule { rule, .. } => json!({"code": code, "rule": rule, "fix": fix}),
        Remark::ScaleInHeld { resource, why } => {
            json!({"code": code, "resource": resource, "why": why, "fix": fix})
        }
        Remark::Hook(why) => json!({"code": code, "why": why, "fix": fix}),
        Remark::Check { number, .. } => json!({"code": code, "number": number, "fix": fix}),
        Remark::Late { finish_by, seconds } => {
            json!({"code": code, "finishBy": rfc3339(*finish_by), "seconds": seconds, "fix": fix})
        }
    }
}

/// The last answer of a deployment that failed: what the execution fails with.
pub fn failed(failure: &Failure, outcome: &str) -> Value {
    let mut cause = failure.cause.clone();
    if !outcome.is_empty() {
        // What to do may end in a command.
        if !cause.ends_with(['.', '!', '?']) {
            cause.push('.');
        }
        cause.push(' ');
        cause.push_str(&sentence(outcome));
    }
    let mut state = Map::new();
    state.insert("next".to_owned(), json!(To::DeploymentFailed.as_str()));
    state.insert("reason".to_owned(), told(Code::Failed, &cause));
    let failure = Failure {
        error: failure.error.clone(),
        cause,
    };
    state.insert("failure".to_owned(), json!(FailureWire::of(&failure)));
    Value::Object(state)
}
