//! What will not go well.

use ebbtide_controller::pace::Pace;
use ebbtide_controller::plan::{Limit, Plan};
use ebbtide_controller::preflight;
use ebbtide_controller::request::Request;

use super::{Arguments, Service, is_application};

/// Connections of a target from which an NLB runs out of ports, where client addresses are not kept
/// (AWS documentation).
const PORTS: f64 = 55_000.0;

pub(super) fn warnings(
    arguments: &Arguments,
    request: &Request,
    pace: &Pace,
    plan: &Plan,
    peak_per_task: f64,
    service: Service,
) -> Vec<String> {
    let mut warnings = Vec::new();
    let delay = service.deregistration_delay;
    let pause = plan.steps.windows(2).map(|two| two[1].at - two[0].at).min();
    if let Some(pause) = pause.filter(|pause| *pause < delay) {
        let overlap = delay
            .div_ceil(pause.max(1))
            .min(u32::try_from(plan.steps.len()).unwrap_or(u32::MAX));
        warnings.push(format!(
            "the deregistration delay of {delay} s is longer than the {pause} s between two steps: up to {overlap} steps' tasks are on their way out at once, and what a step does is seen {delay} s later"
        ));
    }
    if plan.limit == Limit::Budget || plan.limit == Limit::MostSteps {
        let minute = f64::from(
            plan.steps
                .iter()
                .map(|step| step.tasks)
                .max()
                .unwrap_or_default(),
        ) * service.connections_per_task
            / 60.0;
        if let Some(budget) = pace.budget().filter(|budget| minute > budget.reconnects) {
            warnings.push(format!(
                "one step alone cuts {minute:.0} reconnects a second of its minute, more than the budget of {}: it cannot be kept",
                budget.reconnects
            ));
        }
    }
    let counted_on = request
        .drain
        .pace
        .budget()
        .and_then(|budget| budget.connections_per_task);
    if let Some(counted_on) = counted_on.filter(|counted_on| {
        let held = service.connections_per_task;
        *counted_on > 2.0 * held || held > 2.0 * counted_on
    }) {
        warnings.push(format!(
            "the event counts on {counted_on} connections a task, and the service is said to hold {}: the drain is planned by the event's number, and what it cuts by the other",
            service.connections_per_task
        ));
    }
    if service.connections_per_task > PORTS {
        warnings.push(format!(
            "{} connections a task are more than the {PORTS} that a target of type ip takes where client addresses are not preserved",
            service.connections_per_task
        ));
    }
    if let Some(limit) = service.limit_per_task {
        #[expect(clippy::cast_precision_loss, reason = "a limit of connections")]
        let limit = limit as f64;
        if peak_per_task > limit {
            warnings.push(format!(
                "{peak_per_task:.0} reconnects a second come to each replacement task, and it accepts {limit}: the rest is refused and tries again"
            ));
        }
    }
    if let Some(unkept) = pace
        .budget()
        .and_then(|budget| preflight::unkept(budget, service.tasks, delay))
    {
        warnings.push(unkept.trim_start_matches("; ").to_owned());
    }
    let bound = preflight::bounds(request, service.tasks, delay);
    if let Err(refusal) = bound {
        warnings.push(format!("preflight will refuse it: {refusal}"));
    }
    let zones = arguments.zones;
    let cross_zone = arguments.cross_zone || is_application(request);
    if !cross_zone && zones > 1 {
        if service.tasks < zones {
            warnings.push(format!(
                "{} tasks cannot be in all {zones} zones: with cross-zone load balancing off, clients of a zone without a healthy target are not served there",
                service.tasks
            ));
        } else if let Some(step) = plan.steps.iter().position(|step| step.left < zones) {
            warnings.push(format!(
                "from step {} on the original has tasks in fewer than {zones} zones: with cross-zone load balancing off, a zone without a healthy target in every used group may leave the load balancer's DNS (AWS documentation; not proven for a group of weight 0)",
                step + 1
            ));
        }
    }
    warnings
}
