//! The service as a plan sees it, and what a pace makes of it.

use ebbtide_controller::arn::{self, Arn};
use ebbtide_controller::deregistration::Deregistration;
use ebbtide_controller::pace::{Budget, OnDeadline, Pace};
use ebbtide_controller::plan::Plan;
use ebbtide_controller::registry;
use ebbtide_controller::request::Request;
use ebbtide_simulator::Scenario;
use ebbtide_simulator::world::Kind;

#[derive(Debug, Clone)]
pub(super) struct Service {
    pub(super) tasks: u32,
    pub(super) connections_per_task: f64,
    pub(super) reconnect_after: u32,
    pub(super) reconnect_within: u32,
    pub(super) limit_per_task: Option<u64>,
    /// That the replacement does not accept the connections of one task as they come back.
    pub(super) too_many_of_one_task: Option<String>,
    pub(super) deregistration: Deregistration,
    pub(super) stop_timeout: u32,
    /// Without one, clients find it in a registry alone.
    pub(super) load_balancer: Option<Kind>,
    pub(super) zones: u32,
    pub(super) cross_zone: bool,
    /// Whether CloudWatch has seen its connections.
    pub(super) metrics: bool,
    /// Seconds from the moment in which it is taken out of a registry to the first step.
    pub(super) registry_wait: Option<u32>,
}

#[derive(Debug)]
pub(super) struct Forecast {
    pub(super) plan: Plan,
    /// Reconnects in each second since the first step's cut.
    pub(super) reconnects: Vec<f64>,
    /// The most that may come in a second while a step's clients come back, by step.
    pub(super) peaks: Vec<f64>,
    /// The most of these.
    pub(super) peak: f64,
    /// The most that may come in a minute, a second.
    pub(super) busiest_minute: f64,
}

impl Service {
    pub(super) fn has_load_balancer(&self) -> bool {
        self.load_balancer.is_some()
    }

    /// Seconds from a step until its tasks have gone.
    pub(super) fn lag(&self) -> u32 {
        self.deregistration.most.saturating_add(self.stop_timeout)
    }

    /// New connections a second that all tasks together accept.
    #[expect(clippy::cast_precision_loss, reason = "a limit of connections")]
    pub(super) fn accepts(&self) -> Option<f64> {
        let limit = self.limit_per_task?;
        Some(limit as f64 * f64::from(self.tasks))
    }

    /// A budget for this service.
    pub(super) fn budget(&self, reconnects: u64, deadline: u32) -> Budget {
        #[expect(clippy::cast_precision_loss, reason = "a rate of connections")]
        let reconnects = reconnects as f64;
        Budget {
            reconnects,
            connections_per_task: Some(self.connections_per_task),
            deadline,
            on_deadline: OnDeadline::Finish,
        }
    }

    /// The pace with the connections a task that the drain will count on: CloudWatch's number where the event
    /// has none, or less than half of it.
    pub(super) fn with_connections(&self, pace: &Pace) -> Pace {
        let held = Some(self.connections_per_task);
        pace.counted(held.filter(|held| self.metrics && *held > 0.0))
    }

    /// The most seconds that clients are without a connection whose last ones are back at that second, if all
    /// that are refused are accepted as soon as there is room.
    pub(super) fn longest_without(&self, reconnects: &[f64], last: usize) -> u32 {
        if !self.has_load_balancer() {
            return 0;
        }
        let accepted = self.accepts().unwrap_or(f64::INFINITY);
        let came = reconnects.iter().take(last + 1);
        let refused = came.fold(0.0, |refused: f64, came| {
            (refused + came - accepted).max(0.0)
        });
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "seconds, and not negative"
        )]
        let later = (refused / accepted).ceil() as u32;
        self.reconnect_after
            .saturating_add(self.reconnect_within)
            .saturating_add(later)
    }

    /// The most reconnects that a minute may have, a second: where targets are deregistered unevenly, those of
    /// all steps that may be cut in the same one.
    fn busiest_minute(&self, plan: &Plan, reconnects: &[f64]) -> f64 {
        if self.is_even() {
            return busiest_minute(reconnects);
        }
        let tasks = f64::from(plan.most_in_a_minute(self.deregistration));
        tasks * self.connections_per_task / 60.0
    }

    /// The most reconnects that a second may have, by step: of all whose clients may come back in the same one.
    fn peaks(&self, plan: &Plan, reconnects: &[f64]) -> Vec<f64> {
        let within = self.reconnect_within;
        if self.is_even() {
            let second = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
            let steps = plan.steps.iter();
            let seconds = steps.map(|step| &reconnects[second(step.at)..second(step.at + within)]);
            return seconds
                .map(|those| those.iter().copied().fold(0.0, f64::max))
                .collect();
        }
        let together = plan.together(within, self.deregistration).into_iter();
        let a_second = self.connections_per_task / f64::from(within);
        together.map(|tasks| f64::from(tasks) * a_second).collect()
    }

    /// Whether each deregistration takes as long as every other, so that clients come back as planned.
    pub(super) fn is_even(&self) -> bool {
        self.deregistration.spread() == 0
    }

    pub(super) fn forecast(&self, pace: &Pace) -> Forecast {
        let plan = Plan::of(pace, self.tasks, self.deregistration);
        let reconnects = plan.reconnects(self.connections_per_task, self.reconnect_within);
        let peaks = self.peaks(&plan, &reconnects);
        let peak = peaks.iter().copied().fold(0.0, f64::max);
        Forecast {
            // Of slow clients, fewer come in a minute than were cut in it.
            busiest_minute: self.busiest_minute(&plan, &reconnects).min(peak),
            plan,
            reconnects,
            peaks,
            peak,
        }
    }
}

impl Forecast {
    /// The reconnects rounded up, so that none is less than it is.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "reconnects a second: neither negative nor beyond some millions"
    )]
    pub(super) fn whole_reconnects(&self) -> Vec<u64> {
        let up = |reconnects: &f64| reconnects.ceil() as u64;
        self.reconnects.iter().map(up).collect()
    }
}

/// Seconds for which clients may remember what has been taken out of the registry; nothing where it is in none, or
/// cannot be taken out.
pub(super) fn registry_wait(
    scenario: &Scenario,
    request: &Request,
) -> Result<Option<u32>, std::num::TryFromIntError> {
    let registry = scenario.registry.as_ref();
    let Some(registry) = registry.filter(|registry| registry.custom_health) else {
        return Ok(None);
    };
    let ttl = u32::try_from(registry.ttl_seconds)?;
    Ok(Some(registry::wait(ttl, request, scenario.tasks)))
}

fn busiest_minute(reconnects: &[f64]) -> f64 {
    let sum = |minute: &[f64]| minute.iter().sum::<f64>() / 60.0;
    if reconnects.len() <= 60 {
        return sum(reconnects);
    }
    reconnects.windows(60).map(sum).fold(0.0, f64::max)
}

/// Whether a request names an Application Load Balancer, or a route of one.
pub(super) fn is_application(request: &Request) -> bool {
    let load_balancer = request.load_balancer.as_deref();
    let mut routes = request.routes.production.iter().chain(&request.routes.test);
    let of_one = |route: &str| {
        let kinds = ["listener/app/", "listener-rule/app/"];
        Arn::parse(route).is_some_and(|arn| kinds.iter().any(|kind| arn.resource.starts_with(kind)))
    };
    load_balancer.is_some_and(arn::is_application_load_balancer)
        || request.test.is_some()
        || routes.any(|route| of_one(route))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_minute_is_busier_than_the_busiest_second() {
        let mut most = Vec::new();
        for delay in [0, 60, 299, 300, 3_600] {
            for (tasks, reconnect_within) in [(1, 5), (40, 5), (100, 60), (100, 600)] {
                let service = Service {
                    tasks,
                    connections_per_task: 2_500.0,
                    reconnect_after: 0,
                    reconnect_within,
                    limit_per_task: None,
                    too_many_of_one_task: None,
                    deregistration: Deregistration::new(delay, true),
                    stop_timeout: 30,
                    load_balancer: Some(Kind::Network),
                    zones: 2,
                    cross_zone: true,
                    metrics: true,
                    registry_wait: None,
                };
                let forecast = service.forecast(&Pace::Within { seconds: 1_800 });
                let Forecast {
                    peak,
                    busiest_minute,
                    ..
                } = forecast;
                assert!(
                    busiest_minute <= peak,
                    "{delay} s, {tasks} tasks: {forecast:?}"
                );
                most.push(peak.round());
            }
        }
        // Steps 46 s and 18 s apart: up to five, and up to fourteen, are cut together.
        assert_eq!(most[..4], [500.0, 2_500.0, 583.0, 183.0]);
        assert_eq!(most[12..16], [500.0, 500.0, 167.0, 138.0]);
    }
}
