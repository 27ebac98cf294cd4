//! What will not go well.

use ebbtide_controller::pace::Pace;
use ebbtide_controller::plan::{Limit, Plan};
use ebbtide_controller::preflight::{self, findings};
use ebbtide_controller::request::Request;

use super::{Arguments, Service, is_application};

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
    let mut found = vec![
        findings::overlap(plan, delay, ""),
        findings::long_pause(plan),
        findings::ports_of_clients(service.connections_per_task),
    ];
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
    if !arguments.cross_zone && !is_application(request) {
        found.push(
            findings::too_few_for_the_zones(service.tasks, zones, "")
                .or_else(|| findings::thin_in_the_drain(plan, zones, "")),
        );
    }
    let found = found.iter().flatten().map(ToString::to_string);
    found.chain(warnings).collect()
}
