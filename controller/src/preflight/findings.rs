//! The findings of preflight: what it refuses, and what may cause trouble.
//!
//! A finding says what was seen, why it matters and what to do. Only errors stop a deployment,
//! and they are what preflight refuses by itself.

mod auto_scaling;
mod capacity;
mod checks;
mod connections;
mod errors;
mod groups;
mod health;
mod listeners;
mod load_balancer;
mod name;
mod registry;
mod routes;
mod shift;
mod task_set;
mod window;

use std::fmt;

use crate::arn::short;
use crate::drain::deregistration::Deregistration;
use crate::drain::pace::Pace;
use crate::drain::plan::Plan;
use crate::fix::Fix;
use crate::preflight::pace::pace_of;
use crate::quote::sentence;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::routing::{self, Roles};
use crate::world::{LoadBalancer, Route, TargetGroup, TaskSet, World};

pub use capacity::too_few_for_the_zones;
pub use connections::{CLIENT_PORTS, overlap, ports_of_clients};
pub use name::FindingName;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Preflight refuses it.
    Error,
    /// The deployment starts, but clients or operators will notice.
    Warning,
    /// Worth knowing, or not known.
    Info,
}

impl Severity {
    /// Every severity, the gravest first.
    pub const ALL: [Self; 3] = [Self::Error, Self::Warning, Self::Info];

    /// As JSON and text have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// One thing that preflight has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How severe it is.
    pub severity: Severity,
    /// What it is about; a name is never renamed.
    pub name: FindingName,
    /// What was seen, as a sentence.
    pub seen: String,
    /// Why it matters, as a sentence.
    pub why: String,
    /// What to do, or a command that shows more.
    pub fix: Fix,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.seen, self.why)
    }
}

impl Finding {
    fn new(
        severity: Severity,
        name: FindingName,
        seen: &str,
        why: &str,
        fix: impl Into<Fix>,
    ) -> Self {
        Self {
            severity,
            name,
            seen: sentence(seen),
            why: sentence(why),
            fix: fix.into(),
        }
    }

    fn warning(name: FindingName, seen: &str, why: &str, fix: impl Into<Fix>) -> Self {
        Self::new(Severity::Warning, name, seen, why, fix)
    }

    fn info(name: FindingName, seen: &str, why: &str, fix: impl Into<Fix>) -> Self {
        Self::new(Severity::Info, name, seen, why, fix)
    }

    /// A refusal as a finding.
    pub fn of(name: FindingName, refusal: &Refusal) -> Self {
        let why = name.why_refused();
        Self {
            fix: refusal.fix.clone(),
            ..Self::new(Severity::Error, name, &refusal.problem, why, "")
        }
    }
}

/// All findings of preflight, most severe first.
///
/// The same request and world have the same findings. A request whose defaults preflight has
/// filled in may have more findings than the original one.
pub fn findings(request: &Request, world: &World) -> Vec<Finding> {
    let mut found = errors::errors(request, world);
    let scene = Scene::of(request, world);
    found.extend(groups::findings(&scene, &found));
    found.extend(registry::findings(&scene));
    found.extend(task_set::findings(&scene));
    found.extend(listeners::findings(&scene));
    found.extend(routes::findings(&scene));
    found.extend(shift::findings(&scene));
    found.extend(checks::findings(&scene));
    found.extend(window::findings(&scene));
    found.extend(load_balancer::findings(&scene));
    found.extend(health::findings(&scene));
    found.extend(connections::findings(&scene));
    found.extend(capacity::findings(&scene));
    found.extend(auto_scaling::findings(&scene));
    found.sort_by_key(|finding| finding.severity);
    found
}

/// What the findings are about, as far as it is known: a service that preflight refuses has
/// findings too.
struct Scene<'a> {
    request: &'a Request,
    world: &'a World,
    load_balancer: Option<&'a LoadBalancer>,
    /// The service's two target groups; fewer or none where they cannot be determined.
    groups: Vec<&'a TargetGroup>,
    production: Option<&'a TargetGroup>,
    /// What the service's routes are for, where it can be determined.
    roles: Option<Roles<'a>>,
    original: Option<&'a TaskSet>,
    /// The service's desired count.
    desired: u32,
    /// How long the production group's targets take to be deregistered.
    deregistration: Deregistration,
    pace: Pace,
    /// The drain of the original.
    plan: Plan,
}

impl<'a> Scene<'a> {
    fn of(request: &'a Request, world: &'a World) -> Self {
        let mut groups = routing::candidates(&world.task_sets, &world.target_groups, request);
        if groups.len() > 2 {
            groups.clear();
        }
        let routing = routing::read_amid_swap(world, request).ok();
        let production = routing.as_ref().map(|routing| routing.production);
        let living = world.task_sets.iter().filter(|set| !set.is_being_deleted());
        let mut serving =
            living.filter(|set| production.is_some_and(|group| set.is_attached_to(&group.arn)));
        let original = serving.next();
        let tasks = original.map_or(0, |set| set.computed_desired_count);
        let deregistration =
            production.map_or(Deregistration::new(0, true), TargetGroup::deregistration);
        let pace = pace_of(request, world, tasks);
        Self {
            request,
            world,
            load_balancer: world.load_balancer.as_ref(),
            groups,
            production,
            roles: routing.map(|routing| routing.roles),
            original,
            desired: world.service.desired_count,
            deregistration,
            plan: Plan::of(&pace, tasks, deregistration),
            pace,
        }
    }

    fn production_routes(&self) -> &[&'a Route] {
        self.roles.as_ref().map_or(&[], |roles| &roles.production)
    }

    fn is_network(&self) -> bool {
        self.load_balancer.is_some_and(|lb| !lb.is_application())
    }

    /// The groups that a condition holds for.
    fn groups_that(&self, holds: impl Fn(&TargetGroup) -> bool) -> Vec<&'a TargetGroup> {
        let groups = self.groups.iter().copied();
        groups.filter(|group| holds(group)).collect()
    }

    fn cluster(&self) -> &str {
        short(&self.request.cluster)
    }
}

/// `blue`, or `blue and green`.
fn names(groups: &[&TargetGroup]) -> String {
    let names: Vec<_> = groups.iter().map(|group| group.name.as_str()).collect();
    names.join(" and ")
}

/// What sets an attribute of target groups.
fn set_attribute(text: &str, groups: &[&TargetGroup], key: &str, value: &str) -> Fix {
    let command = |group: &&TargetGroup| {
        format!(
            "aws elbv2 modify-target-group-attributes --target-group-arn {} --attributes Key={key},Value={value}",
            group.arn
        )
    };
    Fix::run(text, groups.iter().map(command))
}

#[cfg(test)]
mod tests;
