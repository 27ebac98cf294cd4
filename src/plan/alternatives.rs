//! What else would do.

use ebbtide_controller::budget;
use ebbtide_controller::pace::{Budget, OnDeadline, Pace};
use ebbtide_controller::plan::Plan;

use super::{Arguments, Service, busiest_minute};
use crate::narrate::clock;

/// What pace would keep to a number of reconnects, and what would come of a time.
pub(super) fn alternatives(arguments: &Arguments, service: Service) -> Vec<String> {
    let mut alternatives = Vec::new();
    let of_time = |seconds: u32| {
        let pace = Pace::Within { seconds };
        let plan = Plan::of(&pace, service.tasks, service.deregistration_delay);
        let reconnects = plan.reconnects(service.connections_per_task, service.reconnect_within);
        let peak = reconnects.iter().copied().fold(0.0, f64::max);
        (plan, busiest_minute(&reconnects), peak)
    };
    if let Some(wanted) = arguments.for_reconnects {
        #[expect(clippy::cast_precision_loss, reason = "a rate of reconnects")]
        let wanted = wanted as f64;
        // The rate falls with the time: the least that keeps to it is found by halves.
        let (mut short, mut long) = (0, 86_400);
        while short < long {
            let middle = u32::midpoint(short, long);
            if of_time(middle).1 <= wanted {
                long = middle;
            } else {
                short = middle + 1;
            }
        }
        let (plan, minute, peak) = of_time(long);
        alternatives.push(if minute <= wanted {
            format!(
                "for {wanted} reconnects a second in every minute: \"drain\": {{\"within\": {long}}}, {} steps in {} (peak {peak:.0} in one second)",
                plan.steps.len(),
                clock(f64::from(plan.seconds())).trim(),
            )
        } else {
            format!("no drain within a day keeps to {wanted} reconnects a second: one task's connections are more")
        });
    }
    if let Some(seconds) = arguments.for_seconds {
        let (plan, minute, peak) = of_time(seconds);
        alternatives.push(format!(
            "within {seconds} s: \"drain\": {{\"within\": {seconds}}}, {} steps, {minute:.0} reconnects a second in the busiest minute, {peak:.0} in the busiest second",
            plan.steps.len(),
        ));
        let budget = budget::ample_budget(
            &Budget {
                reconnects: 1.0,
                connections_per_task: Some(service.connections_per_task),
                deadline: seconds,
                on_deadline: OnDeadline::Finish,
            },
            service.tasks,
            service.deregistration_delay,
        );
        if let Some(budget) =
            budget.filter(|_| seconds > budget::tail(service.deregistration_delay))
        {
            alternatives.push(format!(
                "by a deadline of {seconds} s until the last task has gone: a budget of at least {budget} reconnects a second"
            ));
        }
    }
    alternatives
}
