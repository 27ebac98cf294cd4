//! How far a deployment is, in numbers: what the progress line, `status` and a report show.

use ebbtide_controller::arn::is_of_a_registry;
use ebbtide_controller::clock::rfc3339;
use ebbtide_controller::reason::{Code, Shared};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::What;

/// The states that wait, for the `wait` of the answer before them.
pub(crate) const WAITS: [&str; 5] = [
    "WaitForServiceReady",
    "Bake",
    "Wait",
    "WaitForDeletion",
    "WaitForOriginal",
];

/// The codes of turns that begin a rollback or are part of it before traffic moves.
const ROLLS_BACK: [Code; 3] = [Code::Refused, Code::RollingBack, Code::Restored];

/// How far a drain is. Times are seconds, on the clock of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Drain {
    /// Tasks that no step has removed yet.
    pub(crate) left: u32,
    /// Tasks at its start.
    pub(crate) of: u32,
    /// Tasks that still run.
    pub(crate) running: u32,
    /// When the next step comes.
    #[serde(rename = "nextStep")]
    pub(crate) next: Option<u64>,
    /// When the last step comes, if nothing holds one up: an estimate.
    #[serde(rename = "lastStep")]
    pub(crate) last: Option<u64>,
    /// When the last task has gone, if nothing holds a step up: an estimate.
    pub(crate) done: Option<u64>,
}

impl Drain {
    /// Whether another one says nothing that is new: as many tasks, and the next step at about the same time.
    pub(super) fn is_about(&self, other: &Self) -> bool {
        let next = self.next.zip(other.next);
        (self.left, self.running) == (other.left, other.running)
            && next.is_none_or(|(one, other)| one.abs_diff(other) < NEWS)
    }

    /// As JSON with dates, where its times are those since 1970.
    pub(crate) fn to_json(self) -> Value {
        let [next, last, done] = [self.next, self.last, self.done].map(|at| at.map(rfc3339));
        json!({"left": self.left, "of": self.of, "running": self.running,
            "nextStep": next, "lastStep": last, "done": done})
    }
}

/// How far a traffic shift is. Times are seconds, on the clock of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shift {
    /// Percent of new connections that go to the replacement, or of the tasks.
    pub(crate) percent: u32,
    /// Of what.
    pub(crate) shared: Shared,
    pub(crate) step: u32,
    pub(crate) of: u32,
    /// Percent at the next step, and when it comes if nothing holds it.
    pub(crate) next_percent: u32,
    pub(crate) next: u64,
    /// New connections that the replacement has seen, where the step waits for them.
    pub(crate) seen: Option<u64>,
}

/// Seconds by which the next step comes sooner or later than was said, so that it is said again.
pub(super) const NEWS: u64 = 60;

/// Seconds after which a pause is said again that goes on as before.
pub(super) const OFTEN: u64 = 600;

impl Shift {
    /// Whether another one says nothing that is new: the same step, and the next one at about the same time.
    pub(super) fn is_about(&self, other: &Self) -> bool {
        self.step == other.step && self.seen == other.seen && self.next.abs_diff(other.next) < NEWS
    }

    /// As JSON with dates, where its times are those since 1970.
    pub(crate) fn to_json(self) -> Value {
        json!({"percent": self.percent, "step": self.step, "of": self.of,
            "nextPercent": self.next_percent, "nextStep": rfc3339(self.next)})
    }
}

impl std::fmt::Display for Shift {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            percent,
            shared,
            step,
            of,
            ..
        } = self;
        write!(f, "{percent} % of {shared}, step {step} of {of}")
    }
}

/// What a task set that is waited for lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shortfall {
    /// `runningTasks`, `healthyTargets` or `healthyInstances`.
    pub(crate) of: String,
    pub(crate) seen: u32,
    pub(crate) wanted: u32,
}

impl std::fmt::Display for Shortfall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match self.of.as_str() {
            "healthyTargets" | "healthyInstances" => "healthy",
            _ => "running",
        };
        write!(f, "{} of {} {what}", self.seen, self.wanted)
    }
}

/// Which task set production traffic goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Serves {
    /// No task set yet, in a first deployment.
    Nothing,
    Original,
    Replacement,
}

impl Serves {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Original => "original",
            Self::Replacement => "replacement",
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    phase: Option<&'static str>,
    pub(crate) serves: Option<Serves>,
    /// While traffic is shared.
    pub(crate) shift: Option<Shift>,
    /// Before traffic moves.
    pub(crate) shortfall: Option<Shortfall>,
    /// Once traffic has moved.
    pub(crate) drain: Option<Drain>,
    /// Tasks of the original and of the replacement, as far as the functions have said.
    pub(crate) tasks: (u32, u32),
    /// When the pause ends that the execution is in.
    pub(crate) pause_ends: Option<u64>,
    wait: u64,
    /// Whether tasks of the original were stopped.
    has_drained: bool,
}

/// What a function answered, as far as it matters here.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    next: String,
    #[serde(default)]
    wait: u64,
    reason: Reason,
    #[serde(default)]
    plan: Plan,
}

#[derive(Deserialize)]
struct Reason {
    #[serde(default)]
    code: String,
    shortfall: Option<Shortfall>,
    drain: Option<DrainWire>,
    shift: Option<ShiftWire>,
}

/// How far its shift is; the time is seconds from the turn.
#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "camelCase")]
struct ShiftWire {
    percent: u32,
    step: u32,
    of: u32,
    next_percent: u32,
    next: u64,
    seen: Option<u64>,
}

/// How far its drain is; times are seconds from the turn.
#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "camelCase")]
struct DrainWire {
    left: u32,
    of: u32,
    running: Option<u32>,
    next_step: Option<u64>,
    last_step: Option<u64>,
    done: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Plan {
    outgoing: String,
    original: Option<String>,
    replacement_target_group: String,
    tasks: u32,
    desired: u32,
    swapped: Option<u64>,
}

/// Traffic is shared.
const SHIFT: &str = "shift";

/// At a planned pause.
const APPROVAL: &str = "approval";

/// While the caches of clients expire that have found the original in a registry.
const REGISTRY: &str = "registry";

/// Until the window opens.
const WINDOW: &str = "window";

/// At a hook, or while clients leave that one has sent away.
const HOOK: &str = "hook";

impl Progress {
    /// What the deployment is at, in a word.
    pub(crate) fn phase(&self) -> &'static str {
        self.phase.unwrap_or("preflight")
    }

    /// The commands that a running deployment may take now; its next turn decides.
    pub(crate) fn commands(&self) -> &'static [&'static str] {
        match self.phase() {
            "preflight" | "rollback" => &[],
            "cleanup" => &["rollback"],
            "paused" => &["resume", "pace", "rollback"],
            APPROVAL => &["resume", "promote", "pace", "rollback"],
            HOOK | WINDOW => &["promote", "pause", "pace", "rollback"],
            SHIFT => &["pause", "promote", "pace", "rollback"],
            _ => &["pause", "pace", "rollback"],
        }
    }

    /// Takes in what happened at that second.
    pub(crate) fn hear(&mut self, at: u64, what: &What) {
        match what {
            What::Entered { state } => {
                let waits = WAITS.contains(&state.as_str());
                self.pause_ends = waits.then_some(at + self.wait);
            }
            // A Wait passes on an answer that is old by then.
            What::Exited { state, output } if !WAITS.contains(&state.as_str()) => {
                if let Ok(answer) = Answer::deserialize(output) {
                    self.answered(at, answer);
                }
            }
            What::Exited { .. }
            | What::Failed { .. }
            | What::Redriven
            | What::Started { .. }
            | What::Other => {}
        }
    }

    fn answered(&mut self, at: u64, answer: Answer) {
        let Answer {
            next,
            wait,
            reason,
            plan,
        } = answer;
        self.wait = wait;
        let code = reason.code.as_str();
        self.phase = match (code, plan.outgoing.as_str()) {
            ("paused", _) => Some("paused"),
            ("waitingForApproval", _) => Some(APPROVAL),
            ("windowClosed", _) => Some(WINDOW),
            ("callingHook" | "waitingForHook" | "clientsLeaving", "original") => Some(HOOK),
            ("leavingRegistry", "original") => Some(REGISTRY),
            _ if reason.shift.is_some() => Some(SHIFT),
            (_, "replacement") => Some("rollback"),
            (_, "leftover") => Some("leftover"),
            _ => phase_before(&next).or(self.phase),
        };
        self.serves = match (code, plan.outgoing.as_str()) {
            ("swapped", _) => Some(Serves::Replacement),
            ("swappedBack", _) => Some(Serves::Original),
            // An end names no task set, nor does the plan of a dry run.
            (_, "") => self.serves,
            (_, "original") if plan.swapped.is_some() => Some(Serves::Replacement),
            (_, "replacement") if reason.drain.is_some() => Some(Serves::Original),
            (_, "replacement") => self.serves.or(Some(Serves::Replacement)),
            _ if plan.original.is_none() => Some(Serves::Nothing),
            _ => Some(Serves::Original),
        };
        let seen = reason.shortfall.as_ref().map(|shortfall| shortfall.seen);
        let running = reason
            .drain
            .map(|drain| drain.running.unwrap_or(drain.left));
        let (original, replacement) = &mut self.tasks;
        match plan.outgoing.as_str() {
            "original" => {
                self.has_drained |= running.is_some();
                if let Some(running) = running {
                    *original = running;
                } else if !self.has_drained {
                    *original = plan.tasks;
                }
                let serves = plan.swapped.is_some() || matches!(code, "ready" | "swapped");
                let whole = serves.then_some(plan.desired);
                *replacement = seen.or(whole).unwrap_or(*replacement);
            }
            "replacement" => {
                *original = seen.unwrap_or(plan.desired);
                *replacement = running.unwrap_or(*replacement);
            }
            _ => {}
        }
        self.shortfall = reason.shortfall;
        self.shift = reason.shift.map(|shift| Shift {
            percent: shift.percent,
            shared: if is_of_a_registry(&plan.replacement_target_group) {
                Shared::Tasks
            } else {
                Shared::NewConnections
            },
            step: shift.step,
            of: shift.of,
            next_percent: shift.next_percent,
            next: at + shift.next,
            seen: shift.seen,
        });
        if let Some(drain) = reason.drain {
            let known = self.drain.and_then(|drain| drain.done);
            let time = |seconds: Option<u64>| seconds.map(|seconds| at + seconds);
            self.drain = Some(Drain {
                left: drain.left,
                of: drain.of,
                running: drain.running.unwrap_or(drain.left),
                next: time(drain.next_step),
                last: time(drain.last_step),
                done: time(drain.done).or(known),
            });
        } else if ROLLS_BACK.iter().any(|rolls| rolls.as_str() == code) {
            // The original is filled up again; the rollback has a drain of its own.
            self.drain = None;
        }
    }
}

/// The phase that a state begins or goes on with.
fn phase_before(next: &str) -> Option<&'static str> {
    Some(match next {
        "CheckAndCreateService" => "create",
        "WaitForServiceReady" => "readiness",
        "Swap" => "swap",
        "Bake" => "bake",
        "ScaleDown" | "Wait" => "drain",
        "Cleanup" | "WaitForDeletion" => "cleanup",
        "Rollback" | "WaitForOriginal" => "rollback",
        _ => return None,
    })
}
