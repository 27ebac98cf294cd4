//! A service in a registry, as the rest of this crate knows services: with two groups and a route.

use std::borrow::Cow;

use crate::arn;
use crate::deployment::Plan;
use crate::id::{ListenerArn, RouteArn, TargetGroupArn};
use crate::identity::{DeploymentId, service_tag};
use crate::request::Request;
use crate::world::{
    Forward, GroupSettings, Registry, Route, TargetGroup, Targets, TaskSet, TaskSetLoadBalancer,
    TaskSetStatus, World,
};

/// The same world; where a service is found in a registry alone, with two groups and a route of it.
///
/// The instances of one task set are a group, with the registry's ARN and the set's `externalId` as its name. The
/// group of the task set that is `PRIMARY`, or of the only one, is the one in production: the registry's only route
/// leads there. The other one is that of the replacement, on which leftovers of earlier deployments are too, as on a load balancer.
pub fn grouped<'a>(
    world: &'a World,
    request: &Request,
    id: &DeploymentId,
    plan: Option<&Plan>,
) -> Cow<'a, World> {
    let Some(registry) = &world.registry else {
        return Cow::Borrowed(world);
    };
    if world.load_balancer.is_some() || !world.target_groups.is_empty() {
        return Cow::Borrowed(world);
    }
    // A deployment behind a load balancer that is gone is not one in a registry alone.
    let began = plan.map(|plan| [&plan.original_target_group, &plan.replacement_target_group]);
    if began
        .into_iter()
        .flatten()
        .any(|arn| !arn::is_of_a_registry(arn))
    {
        return Cow::Borrowed(world);
    }
    let seen = Seen {
        world,
        registry,
        named: plan.filter(|plan| plan.replacement.is_some()),
        own: group_arn(registry, &id.external_id()),
    };
    let (production, alternate) = seen.names(plan);
    let serving = seen.serving();
    let mut grouped = world.clone();
    for set in &mut grouped.task_sets {
        let arn = if Some(&set.id) == serving.map(|set| &set.id) {
            &production
        } else {
            &alternate
        };
        set.load_balancers = vec![TaskSetLoadBalancer {
            target_group: arn.clone(),
            container_name: None,
            container_port: None,
        }];
    }
    let service = service_tag(request);
    let group = |arn: &TargetGroupArn, targets, serving: Option<&TaskSet>| TargetGroup {
        service: Some(service.clone()),
        is_production: serving.map(|_| "true".to_owned()),
        task_set_id: serving.map(|set| set.id.clone()),
        targets,
        ..named(arn)
    };
    let served = serving.map(|set| registry.counts_of(set));
    grouped.target_groups = vec![
        group(&production, served.unwrap_or_default(), serving),
        group(&alternate, seen.beside(), None),
    ];
    // What a deployment began with may be neither of them now, and is known all the same.
    let known = plan.map(|plan| [&plan.original_target_group, &plan.replacement_target_group]);
    for arn in known.into_iter().flatten() {
        if *arn != production && *arn != alternate {
            grouped.target_groups.push(named(arn));
        }
    }
    grouped.routes = vec![route(registry, &production, &alternate)];
    Cow::Owned(grouped)
}

struct Seen<'a> {
    world: &'a World,
    registry: &'a Registry,
    /// The plan of a deployment whose replacement exists.
    named: Option<&'a Plan>,
    /// The group of this deployment's own replacement.
    own: TargetGroupArn,
}

impl<'a> Seen<'a> {
    /// The task set that is meant to serve: the one that is `PRIMARY`. One that nothing was ever made `PRIMARY` beside
    /// serves as well.
    fn serving(&self) -> Option<&'a TaskSet> {
        let world = self.world;
        let mut sets = world.task_sets.iter();
        let primary = sets.find(|set| set.status == TaskSetStatus::Primary);
        primary.or_else(|| {
            let others = world.living().filter(|set| !self.is_replacement(set));
            match others.collect::<Vec<_>>()[..] {
                [only] => Some(only),
                [..] => None,
            }
        })
    }

    /// The production group and the other one.
    fn names(&self, plan: Option<&Plan>) -> (TargetGroupArn, TargetGroupArn) {
        let own = match self.named {
            Some(named) => named.replacement_target_group.clone(),
            None => self.own.clone(),
        };
        let before = plan.map(|plan| plan.original_target_group.clone());
        let before = before.unwrap_or_else(|| group_arn(self.registry, NOTHING));
        let production = match self.serving() {
            Some(serving) if self.is_replacement(serving) => own.clone(),
            Some(serving) => {
                let label = serving.external_id.as_deref();
                group_arn(self.registry, label.unwrap_or(&serving.id))
            }
            None => before.clone(),
        };
        let alternate = if production == own { before } else { own };
        (production, alternate)
    }

    fn is_replacement(&self, set: &TaskSet) -> bool {
        if let Some(named) = self.named {
            return named.replacement.as_ref() == Some(&set.id);
        }
        let label = set.external_id.as_deref();
        label.is_some_and(|label| group_arn(self.registry, label) == self.own)
    }

    /// The instances of the other group: the replacement's or the original's of a deployment that has both, and
    /// otherwise all of what was left over. Those of tasks that do not stop are not waited for.
    fn beside(&self) -> Targets {
        let serving = self.serving().map(|set| &set.id);
        let sets = self.world.task_sets.iter();
        let others = sets.filter(|set| Some(&set.id) != serving);
        let others = others.filter(|set| match self.named {
            Some(named) => [&named.original, &named.replacement].contains(&&Some(set.id.clone())),
            None => !self.world.straggles(set),
        });
        others.map(|set| self.registry.counts_of(set)).sum()
    }
}

/// The name of a production group that no task set is in.
const NOTHING: &str = "none";

/// What the instances of a task set with this label are called.
fn group_arn(registry: &Registry, label: &str) -> TargetGroupArn {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/".contains(c);
    let label: String = label
        .chars()
        .map(|c| if plain(c) { c } else { '-' })
        .collect();
    format!("{}/{label}", registry.arn).into()
}

fn named(arn: &TargetGroupArn) -> TargetGroup {
    TargetGroup {
        arn: arn.clone(),
        name: crate::arn::short(arn).to_owned(),
        load_balancer: None,
        is_production: None,
        service: None,
        service_name: None,
        task_set_id: None,
        swap_intent: None,
        deregistration_delay: 0,
        settings: GroupSettings::default(),
        targets: Targets::default(),
        strays: Vec::new(),
    }
}

fn route(registry: &Registry, live: &TargetGroupArn, idle: &TargetGroupArn) -> Route {
    Route {
        arn: RouteArn::from(registry.arn.as_str()),
        listener: ListenerArn::from(registry.arn.as_str()),
        port: 0,
        protocol: String::new(),
        rule: None,
        forward: Forward::weighted(live, idle),
        unknown: None,
        authenticates: false,
        sticky: None,
        role: Some("production".to_owned()),
        created: None,
        stack: None,
    }
}
