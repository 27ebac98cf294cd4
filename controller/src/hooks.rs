//! Hooks: Lambda functions of the user's, called at points of a deployment, whose answers decide whether it goes on.
//!
//! The contract is that of ECS's own lifecycle hooks (AWS documentation), so that a function written for one serves the
//! other. The state machine calls them: a function may run for 15 minutes, and the lock is not busy meanwhile. The turn
//! before answers with the call, the turn after reads the reply, with health and alarms checked at both. A turn that is
//! repeated may call again: hooks are called at least once.

mod event;
mod reply;
mod wire;

use std::fmt;

use serde_json::{Map, Value};

use crate::arn::short;
use crate::clock::rfc3339;
use crate::command::Order;
use crate::deployment::Plan;
use crate::drain;
use crate::fix::Fix;
use crate::pauses::OnTimeout;
use crate::point::Point;
use crate::preflight::EVENTS_A_TURN;
use crate::reason::Code;
use crate::refusal::{ErrorName, Refusal};
use crate::request::Request;
use crate::shift::Shift;
use crate::world::World;

pub(crate) use reply::MOST_DETAILS;
pub use reply::Reply;

/// A function that the input asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Hook {
    /// Where.
    pub at: Point,
    /// The lifecycle stage that it gets: the one that the input names, or that of the point.
    pub stage: &'static str,
    /// The function's ARN.
    pub lambda: String,
    /// What it gets as `hookDetails`.
    pub details: Map<String, Value>,
    /// Seconds that it has, calls and waits together.
    pub timeout: u32,
    /// What happens then.
    pub on_timeout: OnTimeout,
}

impl Hook {
    /// Seconds between two calls, at least.
    fn least_delay(&self) -> u32 {
        self.timeout.div_ceil(self.at.most_calls()).max(1)
    }

    fn problem(&self, why: &str) -> String {
        format!("Hook {} at {} {why}.", Named(self), self.at)
    }

    fn failure(&self, why: &str) -> Refusal {
        let logs = format!("aws logs tail {} --since 1h", self.log_group());
        Refusal::new(
            ErrorName::CheckFailed,
            self.problem(why),
            Fix::run("Read what the function has written", [logs]),
        )
    }

    /// The log group that Lambda writes what the function prints to, by its default name (AWS documentation).
    fn log_group(&self) -> String {
        let name = self.lambda.split(':').nth(6).unwrap_or_default();
        format!("/aws/lambda/{name}")
    }
}

/// In words: which, where, how long, and what then.
impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let then = match self.on_timeout {
            OnTimeout::Continue => "continues",
            OnTimeout::Rollback => "fails",
        };
        let (timeout, at) = (self.timeout, self.at);
        let each = if at.repeats() { " each time" } else { "" };
        write!(
            f,
            "for hook {} at {at}, {timeout} s at most{each}; ",
            Named(self)
        )?;
        if at.decides() {
            write!(f, "then it {then}")
        } else {
            f.write_str("its answer undoes nothing")
        }
    }
}

/// The function's name, with its version or alias.
struct Named<'a>(&'a Hook);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(short(&self.0.lambda).trim_start_matches("function:"))
    }
}

/// How far a deployment has got with its hooks.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Calls {
    /// The last point at which one was called; those before it are over.
    pub at: Option<Point>,
    /// Which time the deployment was there, for a point that it comes to more than once.
    pub round: u32,
    /// Hooks at this point that are over.
    pub done: u32,
    /// The next one, once it was called.
    pub call: Option<Call>,
    /// What hooks answered that can undo nothing any more.
    pub remark: Option<String>,
}

/// A hook that was called.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Call {
    /// When for the first time, in seconds since 1970.
    pub began: u64,
    /// How often.
    pub calls: u32,
    /// Seconds until it is called again.
    pub wait: u32,
    /// Why the last call was not made.
    pub trouble: Option<String>,
    /// The `hookDetails` that it has answered with.
    pub details: Map<String, Value>,
    /// What it has answered, until a turn has judged that.
    pub reply: Option<Reply>,
}

/// A turn of a hook.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// The hook.
    pub hook: Hook,
    /// How it goes on.
    pub stage: Stage,
    /// Seconds until the next turn; those that the hook may run, where it is called.
    pub wait: u32,
    /// Seconds for which the hook has held the deployment, once it is over.
    pub took: u32,
    calls: Calls,
}

/// How a hook goes on.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// It is called, with this event.
    Called(Value),
    /// It has answered `IN_PROGRESS`, and is called again later.
    InProgress {
        /// Calls so far.
        calls: u32,
        /// Why the last one was not made.
        trouble: Option<String>,
        /// When its time is over, in seconds since 1970.
        until: u64,
    },
    /// It has answered `SUCCEEDED`.
    Succeeded,
    /// It can undo nothing, and did not succeed: this is why.
    Remarked(String),
    /// Its time is over, and the deployment goes on.
    RanOut,
}

/// Seconds until the turn after the one that ends a hook.
const AT_ONCE: u32 = 1;

/// Seconds from an answer `IN_PROGRESS` without `callBackDelay` to the next call (AWS documentation).
const DELAY: u32 = 30;

/// Calls of one hook at most, within its timeout: more would outgrow an execution's history.
const MOST_CALLS: u32 = 60;

/// The same at a point that a deployment comes to again and again.
const MOST_CALLS_EACH: u32 = 6;

/// Events of the history that a call costs: the turn that calls has no Wait, and the call is a Task and a Choice. The
/// turn that reads the reply comes on top.
const EVENTS_A_CALL: u32 = 14;

/// Seconds that one call may take: the longest that Lambda lets a function run (AWS documentation), and a minute.
const LONGEST_CALL: u32 = 960;

impl Point {
    fn most_calls(self) -> u32 {
        if self.repeats() {
            MOST_CALLS_EACH
        } else {
            MOST_CALLS
        }
    }
}

/// The turn of a hook at this point, where one is still to be called or to answer.
///
/// Refuses with `CheckFailed` where one has failed, or run out of time and is to roll back then.
pub(crate) fn due(
    world: &World,
    plan: &Plan,
    point: Point,
    round: u32,
) -> Result<Option<Turn>, Refusal> {
    let promoted = world.order.as_ref().is_some_and(Order::promotes);
    let skipped = point.decides() && promoted;
    if skipped || (point != Point::AfterRollback && !plan.goes_forward()) {
        return Ok(None);
    }
    let Some(calls) = plan.calls.at_point(point, round) else {
        return Ok(None);
    };
    let Some(hook) = nth(&plan.request, &calls) else {
        return Ok(None);
    };
    let turn = Judging {
        world,
        plan,
        hook,
        calls,
    };
    turn.judge().map(Some)
}

/// Refuses with `CheckFailed` where a hook has failed: also while something else holds the deployment.
pub(crate) fn not_failed(world: &World, plan: &Plan) -> Result<(), Refusal> {
    let promoted = world.order.as_ref().is_some_and(Order::promotes);
    let call = plan.calls.call.as_ref();
    let reply = call.and_then(|call| call.reply.as_ref());
    let Some((Reply::Failed(why), hook)) = reply.zip(nth(&plan.request, &plan.calls)) else {
        return Ok(());
    };
    if promoted || !plan.goes_forward() || !hook.at.decides() {
        return Ok(());
    }
    Err(hook.failure(why))
}

/// Whether a hook was called at this point, that time.
pub(crate) fn were_called(plan: &Plan, point: Point, round: u32) -> bool {
    let Calls { at, call, done, .. } = &plan.calls;
    let called = call.is_some() || *done > 0;
    called && *at == Some(point) && plan.calls.round == round
}

/// The hook that comes next at the point that the calls are at.
fn nth<'a>(request: &'a Request, calls: &Calls) -> Option<&'a Hook> {
    let hooks = request.hooks.iter();
    let mut here = hooks.filter(|hook| Some(hook.at) == calls.at);
    here.nth(usize::try_from(calls.done).ok()?)
}

/// Whether hooks are called between the steps of the drain.
pub(crate) fn judge_steps(plan: &Plan) -> bool {
    let mut hooks = plan.request.hooks.iter();
    hooks.any(|hook| hook.at == Point::EachStep)
}

/// Whether a hook that decides something is still to come at one of these points, or goes on there.
pub(crate) fn left(plan: &Plan, points: &[Point]) -> bool {
    let at = plan.calls.at;
    let mut hooks = plan.request.hooks.iter();
    let later = hooks.any(|hook| points.contains(&hook.at) && Some(hook.at) > at);
    let here = at.is_some_and(|at| points.contains(&at));
    later || (here && nth(&plan.request, &plan.calls).is_some())
}

impl Calls {
    /// The same with so many seconds more for the hook that goes on, which is not called meanwhile.
    pub(crate) fn put_off(&self, seconds: u32) -> Self {
        let mut calls = self.clone();
        if let Some(call) = &mut calls.call {
            // With what the turn itself takes.
            let seconds = seconds.saturating_add(drain::plan::TURN);
            call.began = call.began.saturating_add(u64::from(seconds));
        }
        calls
    }

    /// Those of a deployment that drains anew: each step is judged again, and the hook that goes on is called anew,
    /// unless it has failed.
    pub(crate) fn anew(&self, request: &Request) -> Self {
        let mut calls = self.clone();
        let reply = calls.call.as_ref().and_then(|call| call.reply.as_ref());
        if matches!(reply, Some(Reply::Failed(_))) {
            return calls;
        }
        calls.call = None;
        if calls.at == Some(Point::EachStep) {
            let hooks = request.hooks.iter();
            let before = hooks.filter(|hook| hook.at == Point::BeforeDrain).count();
            (calls.at, calls.round) = (Some(Point::BeforeDrain), 0);
            calls.done = u32::try_from(before).unwrap_or(u32::MAX);
        }
        calls
    }

    /// The calls at this point, from where they are; `None` where the deployment is past it.
    fn at_point(&self, point: Point, round: u32) -> Option<Self> {
        let before = self.at.map(|at| (at, self.round));
        if before > Some((point, round)) {
            return None;
        }
        if before == Some((point, round)) {
            return Some(self.clone());
        }
        Some(Self {
            at: Some(point),
            round,
            done: 0,
            call: None,
            remark: self.remark.clone(),
        })
    }
}

/// A hook whose turn it is.
struct Judging<'a> {
    world: &'a World,
    plan: &'a Plan,
    hook: &'a Hook,
    calls: Calls,
}

impl Judging<'_> {
    fn judge(mut self) -> Result<Turn, Refusal> {
        let Some(mut call) = self.calls.call.take() else {
            let began = self.world.now;
            return Ok(self.call(Call {
                began,
                ..Call::default()
            }));
        };
        let until = call.began.saturating_add(u64::from(self.hook.timeout));
        let left = until.saturating_sub(self.world.now);
        let left = u32::try_from(left).unwrap_or(u32::MAX);
        match call.reply.take() {
            Some(Reply::Succeeded) => Ok(self.over(&call, Stage::Succeeded)),
            Some(Reply::InProgress { delay, details }) => {
                call.wait = delay.unwrap_or(DELAY).max(self.hook.least_delay());
                if !details.is_empty() {
                    call.details = details;
                }
                call.trouble = None;
                self.wait(call, left, until)
            }
            Some(Reply::NotCalled(why)) => {
                call.wait = DELAY.max(self.hook.least_delay());
                call.trouble = Some(why);
                self.wait(call, left, until)
            }
            Some(Reply::Silent) => self.out_of_time(&call),
            Some(Reply::Failed(why)) => self.failed(&call, &why),
            None => self.wait(call, left, until),
        }
    }

    fn call(mut self, mut call: Call) -> Turn {
        call.calls = call.calls.saturating_add(1);
        let passed = self.world.now.saturating_sub(call.began);
        let left = u64::from(self.hook.timeout).saturating_sub(passed);
        let wait = u32::try_from(left).unwrap_or(u32::MAX);
        let event = event::of(self.world, self.plan, self.hook, &call, self.calls.round);
        self.calls.call = Some(call);
        self.turn(Stage::Called(event), wait.clamp(1, LONGEST_CALL))
    }

    /// Until it is called again, under the checks of the deployment.
    fn wait(mut self, mut call: Call, left: u32, until: u64) -> Result<Turn, Refusal> {
        if left == 0 {
            return self.out_of_time(&call);
        }
        if call.wait == 0 {
            return Ok(self.call(call));
        }
        let waited = self.hook.timeout.saturating_sub(left);
        let wait = drain::longest_check(waited).min(call.wait).min(left);
        call.wait = call.wait.saturating_sub(wait);
        let stage = Stage::InProgress {
            calls: call.calls,
            trouble: call.trouble.clone(),
            until,
        };
        self.calls.call = Some(call);
        Ok(self.turn(stage, wait))
    }

    /// On to the next hook at this point, or past it.
    fn over(mut self, call: &Call, stage: Stage) -> Turn {
        self.calls.done = self.calls.done.saturating_add(1);
        if let Stage::Remarked(why) = &stage {
            let before = self.calls.remark.take();
            self.calls.remark = Some(match before {
                Some(before) => format!("{before} {why}"),
                None => why.clone(),
            });
        }
        let took = self.world.now.saturating_sub(call.began);
        let took = u32::try_from(took).unwrap_or(u32::MAX);
        Turn {
            took,
            ..self.turn(stage, AT_ONCE)
        }
    }

    fn out_of_time(self, call: &Call) -> Result<Turn, Refusal> {
        match self.hook.on_timeout {
            OnTimeout::Continue if self.hook.at.decides() => Ok(self.over(call, Stage::RanOut)),
            OnTimeout::Continue | OnTimeout::Rollback => {
                let timeout = self.hook.timeout;
                let trouble = call.trouble.as_ref();
                let trouble = trouble.map(|trouble| format!("; the last call {trouble}"));
                let trouble = trouble.unwrap_or_default();
                self.failed(
                    call,
                    &format!("had not succeeded after {timeout} s{trouble}"),
                )
            }
        }
    }

    fn failed(self, call: &Call, why: &str) -> Result<Turn, Refusal> {
        if !self.hook.at.decides() {
            let problem = self.hook.problem(why);
            return Ok(self.over(call, Stage::Remarked(problem)));
        }
        Err(self.hook.failure(why))
    }

    fn turn(self, stage: Stage, wait: u32) -> Turn {
        Turn {
            hook: self.hook.clone(),
            stage,
            wait,
            took: 0,
            calls: self.calls,
        }
    }
}

impl Turn {
    pub(crate) fn code(&self) -> Code {
        match self.stage {
            Stage::Called(_) => Code::CallingHook,
            Stage::InProgress { .. } => Code::WaitingForHook,
            Stage::Succeeded | Stage::Remarked(_) | Stage::RanOut => Code::HookOver,
        }
    }

    /// Whether the state machine is to call the hook now.
    pub(crate) fn calls_it(&self) -> bool {
        matches!(self.stage, Stage::Called(_))
    }

    /// The plan after this turn.
    pub(crate) fn plan(&self, plan: &Plan) -> Plan {
        Plan {
            calls: self.calls.clone(),
            ..plan.clone()
        }
    }
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Hook { at, timeout, .. } = self.hook;
        let hook = Named(&self.hook);
        match &self.stage {
            Stage::Called(_) => write!(f, "calling hook {hook} at {at}"),
            Stage::InProgress {
                calls,
                trouble,
                until,
            } => {
                let next = format!(
                    "next check in {} s, its time is over at {}",
                    self.wait,
                    rfc3339(*until)
                );
                match (trouble, calls) {
                    (Some(trouble), _) => write!(
                        f,
                        "a call of hook {hook} at {at} {trouble}; it is called again: {next}"
                    ),
                    (None, 1) => write!(f, "hook {hook} at {at} is in progress; {next}"),
                    (None, calls) => write!(
                        f,
                        "hook {hook} at {at} is in progress after {calls} calls; {next}"
                    ),
                }
            }
            Stage::Succeeded => write!(f, "hook {hook} at {at} has succeeded"),
            Stage::Remarked(why) => write!(f, "{why} Nothing is undone for it"),
            Stage::RanOut => write!(
                f,
                "hook {hook} at {at} had not succeeded after {timeout} s: it continues"
            ),
        }
    }
}

/// Turns of hooks in a deployment with so many steps, at most: the calls, and the waits in between; and seconds.
pub(crate) fn most(request: &Request, steps: u32) -> (u32, u64) {
    let shifts = request.shift.as_ref().map_or(1, Shift::count);
    let each = request.hooks.iter().map(|hook| {
        let times = match hook.at {
            Point::EachStep => steps,
            Point::EachShift => shifts,
            _ => 1,
        };
        let calls = hook.timeout.div_ceil(hook.least_delay());
        let called = (calls * EVENTS_A_CALL).div_ceil(EVENTS_A_TURN);
        let turns = called + calls + drain::checks_within(hook.timeout) + 1;
        let seconds = u64::from(hook.timeout) * u64::from(times);
        (turns.saturating_mul(times), seconds)
    });
    each.fold((0, 0), |(turns, seconds): (u32, u64), (more, longer)| {
        (turns.saturating_add(more), seconds.saturating_add(longer))
    })
}
