//! What will not go well.

use ebbtide_controller::arn::Home;
use ebbtide_controller::budget;
use ebbtide_controller::pace::{Budget, Pace};
use ebbtide_controller::plan::{Limit, Plan};
use ebbtide_controller::preflight::findings::{self, FindingName, Severity};
use ebbtide_controller::preflight::unkept;
use ebbtide_controller::request::Request;
use ebbtide_simulator::Scenario;
use ebbtide_simulator::world::Kind;

use super::service::Service;
use crate::exit::Error;
use crate::preflight;

pub(super) fn of(
    request: &Request,
    pace: &Pace,
    plan: &Plan,
    peak_per_task: f64,
    service: &Service,
) -> Vec<String> {
    let mut warnings = Vec::new();
    let deregistration = service.deregistration;
    let mut found = vec![
        findings::overlap(plan, deregistration, ""),
        findings::ports_of_clients(service.connections_per_task),
    ];
    if plan.limit == Limit::Budget || plan.limit == Limit::MostSteps {
        let most = plan.steps.iter().map(|step| step.tasks).max();
        let most = f64::from(most.unwrap_or_default());
        let minute = most * service.connections_per_task / 60.0;
        if let Some(budget) = pace.budget().filter(|budget| minute > budget.reconnects) {
            warnings.push(format!(
                "one step alone cuts {minute:.0} reconnects a second of its minute, more than the budget of {}: it cannot be kept",
                budget.reconnects
            ));
        }
    }
    let asked = request.drain.pace.budget();
    let counted_on = asked.and_then(|budget| budget.connections_per_task);
    let held = service.connections_per_task;
    if let (Some(counted_on), Some(planned)) = (counted_on, pace.budget()) {
        let by = planned.connections_per_task;
        if by != Some(counted_on) {
            warnings.push(format!(
                "the event counts on {counted_on} connections a task, and CloudWatch would see {held}, which is more than twice as many: the drain is planned by these, as it would be carried out"
            ));
        } else if counted_on > 2.0 * held || held > 2.0 * counted_on {
            warnings.push(format!(
                "the event counts on {counted_on} connections a task, and the service is said to hold {held}: the drain is planned by the event's number, and what it cuts by the other"
            ));
        }
    }
    if let Some(budget) = pace.budget() {
        budgets(&mut warnings, counted_on, budget, plan, service);
    }
    warnings.extend(service.too_many_of_one_task.clone());
    if let Some(limit) = service.limit_per_task {
        #[expect(clippy::cast_precision_loss, reason = "a limit of connections")]
        let limit = limit as f64;
        if peak_per_task > limit {
            warnings.push(format!(
                "{peak_per_task:.0} reconnects a second come to each replacement task, and it accepts {limit}: the rest is refused and tries again"
            ));
        }
    }
    let said = |budget| unkept(budget, service.tasks, deregistration);
    let said = pace.budget().and_then(said);
    warnings.extend(said.map(|unkept| format!("its {unkept}")));
    let zones = service.zones;
    if !service.cross_zone && service.load_balancer == Some(Kind::Network) {
        found.push(findings::too_few_for_the_zones(service.tasks, zones, ""));
    }
    let found = found.iter().flatten();
    let found = found.filter(|finding| finding.severity == Severity::Warning);
    let found = found.map(ToString::to_string);
    found.chain(warnings).collect()
}

/// What preflight warns of, in a service such as the described one.
///
/// What a plan says itself, by its own flags, is left out.
pub(super) fn of_preflight(
    scenario: &Scenario,
    home: Home,
    request: Request,
) -> Result<Vec<String>, Error> {
    let Ok((_, _, inspection)) = preflight::in_scenario(scenario, home, request)? else {
        return Ok(Vec::new());
    };
    let found = inspection.findings.iter();
    let found = found.filter(|one| {
        one.severity == Severity::Warning
            && !matches!(
                one.name,
                FindingName::DeregistrationDelay
                    | FindingName::Budget
                    | FindingName::ClientPorts
                    | FindingName::Zones
            )
    });
    let warnings =
        found.map(|one| format!("preflight will warn ({}): {}", one.name.as_str(), one.seen));
    Ok(warnings.collect())
}

/// What a budget cannot do.
fn budgets(
    warnings: &mut Vec<String>,
    counted_on: Option<f64>,
    budget: &Budget,
    plan: &Plan,
    service: &Service,
) {
    let deregistration = service.deregistration;
    if counted_on.is_none() {
        let evenly = budget::last_step(budget, deregistration);
        warnings.push(if service.metrics {
            format!(
                "the event does not say connectionsPerTask: this plan rests on what CloudWatch says of the connections; without that, the steps are spread over {evenly} s"
            )
        } else {
            format!(
                "the event does not say connectionsPerTask, and CloudWatch has no connections in this scenario: the steps are spread over {evenly} s"
            )
        });
    }
    if plan.seconds() < budget::dead_time(deregistration) {
        warnings.push(format!(
            "all steps are made within {} s, and what the first one does is in CloudWatch after {} s at the latest: the budget is kept as far as connectionsPerTask is right, and not corrected",
            plan.seconds(),
            budget::dead_time(deregistration)
        ));
    }
    if let Some(accepted) = service
        .accepts()
        .filter(|accepted| budget.reconnects > *accepted)
    {
        warnings.push(format!(
            "the budget of {} is more than the {accepted} that all replacement tasks together accept: clients that are refused come again and again",
            budget.reconnects
        ));
    }
    let one_task = service.connections_per_task / 60.0;
    if budget.reconnects < 3.0 * one_task {
        warnings.push(format!(
            "one task's connections are {one_task:.0} a second of its minute: a budget of {} leaves no room for a task that holds more than others",
            budget.reconnects
        ));
    }
}
