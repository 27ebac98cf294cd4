//! What else would do.

use ebbtide_controller::budget;
use ebbtide_controller::counted::counted;
use ebbtide_controller::pace::Pace;
use ebbtide_controller::plan;
use ebbtide_controller::preflight;
use ebbtide_controller::request::Request;

use super::service::Service;
use crate::output::clock;

/// Seconds of the longest drain that is proposed: a day.
const LONGEST: u32 = 86_400;

/// What pace would keep to a number of reconnects, and what would come of a time.
pub(super) fn of(
    for_reconnects: Option<u64>,
    for_seconds: Option<u32>,
    request: &Request,
    service: &Service,
) -> Vec<String> {
    let mut alternatives = Vec::new();
    // What else the input asks for may not go with it.
    let refusal = |pace: Pace| {
        let mut other = request.clone();
        other.drain.pace = pace;
        let bounds = preflight::bounds(&other, service.tasks, service.deregistration);
        bounds.err().map_or_else(String::new, |refusal| {
            format!("; preflight would refuse it with the rest of the input as it is: {refusal}")
        })
    };
    let of_time = |seconds: u32| service.forecast(&Pace::Within { seconds });
    if let Some(wanted) = for_reconnects {
        #[expect(clippy::cast_precision_loss, reason = "a rate of reconnects")]
        let wanted = wanted as f64;
        // The rate falls with the time: the least that keeps to it is found by halves.
        let (mut short, mut long) = (0, LONGEST);
        while short < long {
            let middle = u32::midpoint(short, long);
            if of_time(middle).peak <= wanted {
                long = middle;
            } else {
                short = middle + 1;
            }
        }
        let forecast = of_time(long);
        let (plan, peak, minute) = (&forecast.plan, forecast.peak, forecast.busiest_minute);
        let refused = match service.accepts().filter(|accepts| peak > *accepts) {
            Some(_) => "; more than the replacement accepts",
            None => "",
        };
        alternatives.push(if peak <= wanted {
            format!(
                "for {wanted} reconnects in every second: \"drain\": {{\"within\": {long}}}, {} in {} ({minute:.0} a second in the busiest minute{refused}){}",
                counted(plan.steps.len(), "step"),
                clock(f64::from(plan.seconds())),
                refusal(Pace::Within { seconds: long }),
            )
        } else {
            format!(
                "no drain within a day keeps to {wanted} reconnects in every second: the smallest step has {peak:.0}"
            )
        });
    }
    if let Some(seconds) = for_seconds.filter(|_| !service.has_load_balancer()) {
        let steps = of_time(seconds).plan.steps.len();
        let refusal = refusal(Pace::Within { seconds });
        let steps = counted(steps, "step");
        return vec![format!(
            "within {seconds} s: \"drain\": {{\"within\": {seconds}}}, {steps}{refusal}"
        )];
    }
    if let Some(seconds) = for_seconds {
        let forecast = of_time(seconds);
        alternatives.push(format!(
            "within {seconds} s: \"drain\": {{\"within\": {seconds}}}, {}, {:.0} reconnects a second in the busiest minute, {:.0} in the busiest second{}",
            counted(forecast.plan.steps.len(), "step"),
            forecast.busiest_minute,
            forecast.peak,
            refusal(Pace::Within { seconds }),
        ));
        let budget = service.budget(1, seconds);
        let deregistration = service.deregistration;
        alternatives.push(match plan::ample_budget(&budget, service.tasks, deregistration) {
            Some(enough) => format!(
                "by a deadline of {seconds} s until the last task has gone: \"drain\": {{\"reconnectsPerSecond\": {enough}, \"connectionsPerTask\": {}, \"deadline\": {seconds}}}{}",
                service.connections_per_task,
                refusal(Pace::Budget(service.budget(enough, seconds)))
            ),
            None => format!(
                "no budget has the last task gone within {seconds} s: the last targets alone may take {} s after their step",
                budget::tail(deregistration)
            ),
        });
    }
    // A pace helps only where the connections of one task fit.
    let limit = service.limit_per_task;
    if let Some(limit) = limit.filter(|_| service.too_many_of_one_task.is_none()) {
        // Half of what the replacement accepts: tasks differ, and clients that were refused come again.
        let half = (limit * u64::from(service.tasks) / 2).max(1);
        let budget = service.budget(half, u32::MAX);
        let (tasks, deregistration) = (service.tasks, service.deregistration);
        if let Some((_, deadline)) = plan::deadlines(&budget, tasks, deregistration) {
            alternatives.push(format!(
                "for a replacement whose tasks accept {limit} a second each: \"drain\": {{\"reconnectsPerSecond\": {half}, \"connectionsPerTask\": {}, \"deadline\": {deadline}}}, half of what all of them accept{}",
                service.connections_per_task,
                refusal(Pace::Budget(service.budget(half, deadline)))
            ));
        }
    }
    alternatives
}
