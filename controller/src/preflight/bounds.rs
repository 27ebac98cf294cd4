//! Whether a deployment, its rollback and what was left over fit an execution of the state machine.

use super::pace::check_drain;
use crate::checks;
use crate::cleanup;
use crate::command::LONGEST_PAUSE;
use crate::counted::counted;
use crate::deployment::Outgoing;
use crate::drain::deregistration::Deregistration;
use crate::drain::{self, Schedule};
use crate::hooks;
use crate::point::Point;
use crate::refusal::Refusal;
use crate::request::{CHECKS, Request};
use crate::scale_down;
use crate::window::Closures;

/// Events of Step Functions' history that one turn of any loop costs: Task 5, Choice 2, Wait 2 (AWS
/// documentation; a test counts them in the shipped definition). A turn that goes on without a Wait
/// costs less.
pub const EVENTS_A_TURN: u32 = 9;

/// Events that all loops together may cost. History ends at 25,000 (AWS documentation); the rest
/// is for an operator's pauses ([`LONGEST_PAUSE`]), for retries, at about 3
/// events each, and for what comes once.
pub const EVENTS_ALLOWED: u32 = 18_000;

/// Seconds that all phases together may last: the state machine ends after 14 days, and a day is left
/// for an operator's pauses, another for retries and for the functions themselves.
pub const LONGEST_PHASES: u64 = 12 * 86_400;

/// Refuses times and steps that no world would allow: a `drainTimeout` that the steps cannot keep, and
/// what would outgrow the execution's history or outlive the state machine.
pub fn bounds(
    request: &Request,
    tasks: u32,
    deregistration: Deregistration,
) -> Result<(), Refusal> {
    check_drain(request, tasks, deregistration)?;
    execution_fits(request, tasks, deregistration, 0, 0)
}

/// Refuses what would outlive the state machine or outgrow the execution's history. `forgetting`: seconds until no
/// client of a registry remembers what a drain removes.
pub(crate) fn execution_fits(
    request: &Request,
    tasks: u32,
    deregistration: Deregistration,
    left: u32,
    forgetting: u32,
) -> Result<(), Refusal> {
    let passed = u64::from(2 + left) * u64::from(forgetting);
    time_fits(request, tasks, deregistration, left, passed)?;
    history_fits(request, tasks, deregistration, left, forgetting, None)
}

/// How far an execution is that is given another pace.
pub(crate) struct SoFar {
    /// Turns that it has made.
    pub(crate) turns: u32,
    /// Seconds since its swap.
    pub(crate) seconds: u64,
    /// Whether traffic has moved.
    pub(crate) swapped: bool,
    /// Seconds for which operators have paused it.
    pub(crate) paused: u32,
}

/// Refuses another pace of a drain that the drain cannot keep, or that would outlive the state machine or outgrow
/// the history. The request has the planned pauses that are still to come; `tasks` are those that are left, and those
/// that the service wants, which a rollback would remove.
pub(crate) fn repaced_fits(
    request: &Request,
    tasks: [u32; 2],
    deregistration: Deregistration,
    forgetting: u32,
    so_far: &SoFar,
) -> Result<(), Refusal> {
    let [left, whole] = tasks;
    check_drain(request, left, deregistration)?;
    let passed = so_far.seconds + 2 * u64::from(forgetting);
    time_fits(request, whole, deregistration, 0, passed)?;
    history_fits(request, whole, deregistration, 0, forgetting, Some(so_far))
}

/// Refuses what would outgrow the execution's history (rule R9): a deployment forth, its rollback,
/// and the drains of what was left over, each taking as long as it may. With the turns that an execution has
/// made, all that is before its drain.
fn history_fits(
    request: &Request,
    tasks: u32,
    deregistration: Deregistration,
    left: u32,
    forgetting: u32,
    so_far: Option<&SoFar>,
) -> Result<(), Refusal> {
    let readiness = request.readiness_timeout;
    let checks = readiness.div_ceil(request.wait_for_service) + CHECKS;
    let returns = readiness.div_ceil(readiness.div_ceil(drain::MOST_POLLS).max(60)) + CHECKS;
    let deletions = cleanup::POLLS.saturating_mul(2 + left);
    let forgets = drain::checks_within(forgetting);
    let turns = |outgoing| {
        let turns = Turns::of(request, tasks, deregistration, outgoing);
        Turns {
            polls: turns.polls.saturating_add(forgets),
            ..turns
        }
    };
    let forth = turns(&Outgoing::Original);
    let back = turns(&Outgoing::Replacement);
    let leftover = turns(&Outgoing::Leftover(None));
    // A swap that has to wait, because the replacement has lost its health again, comes after `CHECKS`
    // good checks at the earliest.
    let vain_swaps = checks.div_ceil(CHECKS);
    let pauses = request.pauses.iter();
    let approvals: u32 = pauses
        .map(|pause| drain::checks_within(pause.timeout) + 1)
        .sum();
    let (hooks, _) = hooks::most(request, forth.steps);
    // Its steps, and what holds them in all.
    let shifts = request.shift.as_ref().map_or(0, |shift| {
        let held = readiness.div_ceil(60) + CHECKS;
        shift.turns(request).saturating_add(held)
    });
    let samples = drain::checks_within(checks::longest(request));
    let closures = closures(request, tasks, deregistration, left, forgetting);
    let closed = closures.as_ref().map_or(0, Closures::checks);
    let readiness = u64::from(checks) + u64::from(vain_swaps) + u64::from(shifts + samples);
    // Turns that were made, and an operator's pauses that may come, are in the room for those as well.
    let (made, readiness, allowed) = match so_far {
        None => (0, readiness, EVENTS_ALLOWED),
        Some(so_far) => {
            let pauses = LONGEST_PAUSE.saturating_sub(so_far.paused);
            let made = so_far.turns.saturating_add(drain::checks_within(pauses));
            let room = EVENTS_A_TURN * drain::checks_within(LONGEST_PAUSE);
            let readiness = if so_far.swapped { 0 } else { readiness };
            (made, readiness, EVENTS_ALLOWED + room)
        }
    };
    let turns = u64::from(made)
        + readiness
        + u64::from(approvals)
        + u64::from(hooks)
        + u64::from(closed)
        + u64::from(forth.all())
        + u64::from(back.all())
        + u64::from(left) * u64::from(leftover.all())
        // To finish a swap that was left half done, to bring the original back, to swap back to it.
        + 3 * u64::from(returns)
        + u64::from(deletions);
    let events = turns * u64::from(EVENTS_A_TURN);
    let (steps, polls) = (forth.steps, forth.polls);
    let while_closed = match closed {
        0 => String::new(),
        checks => format!(", {checks} checks while the window is closed"),
    };
    if events <= u64::from(allowed) {
        return Ok(());
    }
    let fix = if closed > hooks.max(approvals).max(checks).max(steps).max(polls) {
        "Widen the window (each check while it is closed takes room in the history), drain faster, so that fewer of its days are needed, or wait for no person after the swap."
    } else if hooks > approvals.max(checks).max(steps).max(polls) {
        "Shorten the timeouts of hooks, call fewer of them, or take fewer steps where one is called at eachStep or eachShift."
    } else if shifts > approvals.max(checks).max(steps).max(polls) {
        "Shift in fewer or shorter steps."
    } else if approvals > checks.max(steps).max(polls) {
        "Shorten the timeouts of pauses."
    } else if checks > steps.max(polls) {
        "Raise waitForService, or lower readinessTimeout."
    } else if steps > polls {
        "Take larger steps (scaledown_decrement or drain): these are too small for this many tasks."
    } else {
        "Shorten the drain or bakeTime (shorter pauses, an earlier deadline, a lower drainTimeout), since a waiting deployment is checked every minute in the first two hours and every five minutes later; or raise waitForService, or lower readinessTimeout."
    };
    Err(Refusal::preflight(
        format!(
            "This deployment and its rollback could take {events} events of the execution's history ({checks} checks of readiness, {} and {polls} checks per drain, {} drains{while_closed}), and {allowed} are allowed.",
            counted(steps, "step"),
            2 + left
        ),
        fix,
    ))
}

/// Refuses what would outlive the state machine (rule R10): it would end without a rollback, in the
/// middle of a drain.
fn time_fits(
    request: &Request,
    tasks: u32,
    deregistration: Deregistration,
    left: u32,
    passed: u64,
) -> Result<(), Refusal> {
    let lasts = Lasts::of(request, tasks, deregistration);
    let forth = lasts.forth(request, left);
    let Lasts {
        drain,
        approvals,
        hooks,
        shifts,
        ..
    } = lasts;
    let closures = closures(request, tasks, deregistration, left, 0);
    let closed = closures.map_or(0, |closures| closures.seconds);
    let seconds = passed
        + closed
        + forth
        // Back.
        + drain
        + u64::from(request.bake_time)
        // Until it is ready; a rollback's wait for the original, and another to swap back to it.
        + 3 * u64::from(request.readiness_timeout)
        + u64::from(2 + left) * u64::from(cleanup::POLLS * cleanup::POLL);
    if seconds <= LONGEST_PHASES {
        return Ok(());
    }
    Err(Refusal::preflight(
        format!(
            "This deployment and its rollback could take {seconds} s ({} drains of {drain} s each{}), and {LONGEST_PHASES} s are allowed.",
            2 + left,
            if closed > 0 {
                format!(", {closed} s in which the window is closed")
            } else {
                String::new()
            }
        ),
        if closed > hooks.max(approvals).max(drain) {
            "Widen the window, drain faster, so that fewer of its days are needed, or wait for no person after the swap."
        } else if hooks > approvals.max(drain) {
            "Shorten the timeouts of hooks, or call fewer of them."
        } else if shifts > approvals.max(drain) {
            "Shift in fewer or shorter steps."
        } else if approvals > drain {
            "Shorten the timeouts of pauses."
        } else {
            "Take larger steps or shorter pauses (scaledown_decrement and scaledown_wait, or drain), or set drainTimeout."
        },
    ))
}

/// How long a deployment waits for its window at most if its steps come when they are planned, and all else that they wait
/// for takes as long as it may. A rollback waits for none. If steps are held for longer, the deployment looks for itself
/// whether it has room for one more wait.
fn closures(
    request: &Request,
    tasks: u32,
    deregistration: Deregistration,
    left: u32,
    forgetting: u32,
) -> Option<Closures> {
    let window = request.window.as_ref()?;
    let lasts = Lasts::of(request, tasks, deregistration);
    let forgets = u64::from(1 + left) * u64::from(forgetting);
    let seconds = lasts.in_window(request, left) + forgets;
    // Hours pass while a person is waited for, the closed ones too: after each pause, there is one wait more. What is before
    // the swap is before the first wait; a replacement in a registry alone has waited by then.
    let in_registry = request.registry.is_some();
    let pauses = request.pauses.iter();
    let pauses = pauses.filter(|pause| in_registry || pause.at > Point::BeforeSwap);
    let pauses: Vec<_> = pauses.map(|pause| u64::from(pause.timeout)).collect();
    let after_each = window.most_closed(seconds, &pauses);
    let within_them = window.most_closed(seconds + lasts.approvals, &[]);
    Some(if after_each.seconds < within_them.seconds {
        after_each
    } else {
        within_them
    })
}

/// Seconds of the parts of a deployment, at most.
struct Lasts {
    /// One drain.
    drain: u64,
    /// Its steps, as they are planned.
    steps: u64,
    approvals: u64,
    hooks: u64,
    /// The steps of a shift, and what holds them.
    shifts: u64,
}

impl Lasts {
    fn of(request: &Request, tasks: u32, deregistration: Deregistration) -> Self {
        let pace = &request.drain.pace;
        let schedule = Schedule::new(tasks, pace, drain::MOST_STEPS, deregistration);
        let drain = request
            .drain_timeout
            .unwrap_or_else(|| drain::default_timeout(schedule, deregistration));
        let pauses = request.pauses.iter();
        let (_, hooks) = hooks::most(request, schedule.steps());
        let shift = request.shift.as_ref();
        Self {
            drain: u64::from(drain),
            steps: u64::from(schedule.last()),
            approvals: pauses.map(|pause| u64::from(pause.timeout)).sum(),
            hooks,
            shifts: shift.map_or(0, |shift| {
                let steps: u64 = shift.longest(request).map(u64::from).sum();
                steps + u64::from(request.readiness_timeout)
            }),
        }
    }

    /// From the moment in which the replacement is healthy, with the drains of what was left over.
    fn forth(&self, request: &Request, left: u32) -> u64 {
        self.approvals
            + self.hooks
            + self.shifts
            + u64::from(request.drain.leaving())
            + u64::from(checks::longest(request))
            + u64::from(1 + left) * self.drain
            + u64::from(request.bake_time)
    }

    /// The same until the last step, as it is planned, without what a person is waited for.
    fn in_window(&self, request: &Request, left: u32) -> u64 {
        self.hooks
            + self.shifts
            + u64::from(request.drain.leaving())
            + u64::from(checks::usual(request))
            + u64::from(left) * self.drain
            + self.steps
            + u64::from(request.bake_time)
    }
}

/// Turns of a drain's loop, at most.
struct Turns {
    steps: u32,
    /// Checks in between and after: while it bakes, while a step is held, while tasks stop.
    polls: u32,
}

impl Turns {
    fn of(
        request: &Request,
        tasks: u32,
        deregistration: Deregistration,
        outgoing: &Outgoing,
    ) -> Self {
        let pace = &request.drain.pace;
        let most = drain::most_steps(outgoing);
        let schedule = Schedule::new(tasks, pace, most, deregistration);
        let timeout = request
            .drain_timeout
            .unwrap_or_else(|| drain::default_timeout(schedule, deregistration));
        let timeout = timeout.saturating_add(scale_down::leaving(request, outgoing));
        let bakes = drain::checks_within(scale_down::bake_time(request, outgoing));
        let checks = drain::Checks::at(outgoing, timeout).most();
        Self {
            steps: schedule.steps(),
            polls: checks.saturating_add(bakes),
        }
    }

    fn all(&self) -> u32 {
        self.steps.saturating_add(self.polls)
    }
}
