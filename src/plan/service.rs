//! The service as a plan sees it, and what a pace makes of it.

use ebbtide_controller::arn;
use ebbtide_controller::pace::{Budget, OnDeadline, Pace};
use ebbtide_controller::plan::Plan;
use ebbtide_controller::request::Request;

#[derive(Debug, Clone, Copy)]
pub(super) struct Service {
    pub(super) tasks: u32,
    pub(super) connections_per_task: f64,
    pub(super) reconnect_within: u32,
    pub(super) limit_per_task: Option<u64>,
    pub(super) deregistration_delay: u32,
    pub(super) stop_timeout: u32,
    pub(super) is_application: bool,
    pub(super) zones: u32,
    pub(super) cross_zone: bool,
    /// Whether CloudWatch has its connections.
    pub(super) metrics: bool,
}

#[derive(Debug)]
pub(super) struct Forecast {
    pub(super) plan: Plan,
    /// Reconnects in each second since the first step's cut.
    pub(super) reconnects: Vec<f64>,
    /// The most of them in one second.
    pub(super) peak: f64,
    /// The most of them in a minute, a second.
    pub(super) busiest_minute: f64,
}

impl Service {
    /// Seconds from a step until its tasks have gone: an NLB takes three to five minutes to
    /// deregister a target, whatever its delay.
    pub(super) fn lag(&self) -> u32 {
        let least = if self.is_application { 0 } else { 180 };
        self.deregistration_delay
            .max(least)
            .saturating_add(self.stop_timeout)
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

    /// The pace. A budget without a number of connections is planned with the service's own, as the
    /// metrics would tell it.
    pub(super) fn with_connections(&self, pace: &Pace) -> Pace {
        let mut pace = pace.clone();
        if let Pace::Budget(budget) = &mut pace {
            let held = Some(self.connections_per_task).filter(|held| *held > 0.0);
            budget.connections_per_task = budget.connections_per_task.or(held);
        }
        pace
    }

    pub(super) fn forecast(&self, pace: &Pace) -> Forecast {
        let plan = Plan::of(pace, self.tasks, self.deregistration_delay);
        let reconnects = plan.reconnects(self.connections_per_task, self.reconnect_within);
        Forecast {
            peak: reconnects.iter().copied().fold(0.0, f64::max),
            busiest_minute: busiest_minute(&reconnects),
            plan,
            reconnects,
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

fn busiest_minute(reconnects: &[f64]) -> f64 {
    let sum = |minute: &[f64]| minute.iter().sum::<f64>() / 60.0;
    if reconnects.len() <= 60 {
        return sum(reconnects);
    }
    reconnects.windows(60).map(sum).fold(0.0, f64::max)
}

/// Whether a request names an Application Load Balancer.
pub(super) fn is_application(request: &Request) -> bool {
    let load_balancer = request.load_balancer.as_deref();
    load_balancer.is_some_and(arn::is_application_load_balancer)
}
