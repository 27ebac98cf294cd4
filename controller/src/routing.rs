//! Which routes are production and where they send traffic: the routes say so, tags record it (rule R1).
//!
//! A route is the default action of a listener, or one of its rules. Those that forward to one of the service's two
//! target groups are its routes.

use crate::action::Role;
use crate::arn::{is_listener_rule, short};
use crate::deployment::Plan;
use crate::fix::Fix;
use crate::id::{RouteArn, TargetGroupArn};
use crate::identity::is_in_steps;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::world::{Route, TargetGroup, TaskSet, World};

mod groups;
mod production;

pub use groups::{candidates, pair};
pub(crate) use groups::{how_to_settle, unrecorded};
use production::production_group;
pub use production::{Evidence, Taken};

/// Where production traffic goes today.
#[derive(Debug, Clone, PartialEq)]
pub struct Routing<'a> {
    /// The target group that every production route forwards to.
    pub production: &'a TargetGroup,
    /// The other one.
    pub alternate: &'a TargetGroup,
    /// What each route is for.
    pub roles: Roles<'a>,
}

/// The routes of a service by what they are for.
#[derive(Debug, Clone, PartialEq)]
pub struct Roles<'a> {
    /// Users reach the service through these; at least one. In the order in which they are moved: by port, the
    /// default action of a listener before its rules, and these by priority.
    pub production: Vec<&'a Route>,
    /// These reach the other task set.
    pub test: Vec<&'a Route>,
    /// What says so.
    pub by: Evidence,
}

impl<'a> Roles<'a> {
    /// Every route with its role.
    pub fn all(&self) -> impl Iterator<Item = (&'a Route, Role)> + '_ {
        let production = self.production.iter().map(|l| (*l, Role::Production));
        let test = self.test.iter().map(|l| (*l, Role::Test));
        production.chain(test)
    }

    /// The ARNs of the production routes.
    pub(crate) fn production_arns(&self) -> Vec<RouteArn> {
        self.production
            .iter()
            .map(|route| route.arn.clone())
            .collect()
    }

    /// Whether every production route sends all new connections to this group.
    pub fn production_is_all_to(&self, target_group: &TargetGroupArn) -> bool {
        self.production
            .iter()
            .all(|route| route.forward.is_all_to(target_group))
    }

    /// Whether any production route shares new connections between the two groups.
    pub(crate) fn are_shared(&self) -> bool {
        self.production
            .iter()
            .any(|route| route.forward.live().count() > 1)
    }

    /// Whether any production route sends new connections to this group.
    pub fn production_reaches(&self, target_group: &TargetGroupArn) -> bool {
        self.production
            .iter()
            .any(|route| route.forward.live().any(|live| live == target_group))
    }
}

/// Reads the routing of a service.
///
/// Refuses with `PreflightFailed` where the groups or the routes' roles cannot be determined, and
/// with `Drift` where production routes disagree with each other.
pub fn read<'a>(world: &'a World, request: &Request) -> Result<Routing<'a>, Refusal> {
    let pair = pair(world, request)?;
    let roles = roles(world, pair, request)?;
    let [first, second] = pair;
    if roles.production_is_all_to(&first.arn) {
        Ok(Routing {
            production: first,
            alternate: second,
            roles,
        })
    } else if roles.production_is_all_to(&second.arn) {
        Ok(Routing {
            production: second,
            alternate: first,
            roles,
        })
    } else {
        Err(Refusal::drift(
            format!(
                "The production {} of service {} send traffic to different target groups: {}.",
                in_general(&roles.production),
                request.service,
                all_forwards(&roles.production)
            ),
            format!(
                "Point all of them at the target group of the task set that should serve ({}).",
                modified_by(&roles.production)
            ),
        ))
    }
}

/// Reads the routing of a service whose swap may be half done: where production routes disagree
/// and one group bears the record of a swap to it, the other one is production still.
///
/// Refuses what [`read`] refuses otherwise.
pub fn read_amid_swap<'a>(world: &'a World, request: &Request) -> Result<Routing<'a>, Refusal> {
    read(world, request).or_else(|refusal| {
        let pair = pair(world, request)?;
        let (production, alternate) = match pair.map(|group| group.swap_intent.is_some()) {
            [true, false] => (pair[1], pair[0]),
            [false, true] => (pair[0], pair[1]),
            [true, true] | [false, false] => return Err(refusal),
        };
        Ok(Routing {
            production,
            alternate,
            roles: roles(world, pair, request)?,
        })
    })
}

/// What each route to the two groups is for, but for the rules that deployments create for their tests.
///
/// Refuses with `PreflightFailed` where it cannot be determined, or a role tag or a part of an action is not
/// understood, and with `Drift` where a route shares traffic between groups.
pub fn roles<'a>(
    world: &'a World,
    pair: [&'a TargetGroup; 2],
    request: &Request,
) -> Result<Roles<'a>, Refusal> {
    roles_in(world, pair, request, false)
}

/// The same for a deployment on its way: a read of the record may be old, and its request says as well that traffic
/// moves in steps.
pub(crate) fn roles_of<'a>(
    world: &'a World,
    pair: [&'a TargetGroup; 2],
    plan: &Plan,
) -> Result<Roles<'a>, Refusal> {
    let in_steps = plan.replacement.is_some() && plan.asks_for_a_shift().is_some();
    roles_in(world, pair, &plan.request, in_steps)
}

fn roles_in<'a>(
    world: &'a World,
    pair: [&'a TargetGroup; 2],
    request: &Request,
    in_steps: bool,
) -> Result<Roles<'a>, Refusal> {
    let is_recorded = |group: &&TargetGroup| {
        let record = group.swap_intent.as_deref();
        record.is_some_and(is_in_steps)
    };
    let in_steps = in_steps || pair.iter().any(is_recorded);
    // While traffic is shared, production is where it comes from.
    let from = pair.iter().find(|group| group.swap_intent.is_none());
    let ours = |arn: &TargetGroupArn| pair.iter().any(|group| group.arn == *arn);
    let mut leads = Vec::new();
    for route in &world.routes {
        if !pair.iter().any(|group| route.forward.names(&group.arn)) {
            continue;
        }
        // Those are neither production nor moved.
        if route.created.is_some() {
            continue;
        }
        if let Some(unknown) = &route.unknown {
            return Err(Refusal::preflight(
                format!(
                    "{} has {unknown}, which this version of Ebbtide does not know and might lose when it changes the route.",
                    route.at_start()
                ),
                "Update Ebbtide to a version that knows it, or remove it from the actions.",
            ));
        }
        let live: Vec<_> = route.forward.live().collect();
        if live.is_empty() {
            return Err(Refusal::drift(
                format!(
                    "{} has no target group with a weight above 0: {}.",
                    route.at_start(),
                    forwards(route)
                ),
                format!(
                    "Give the target group of the task set that should serve a weight above 0 ({}).",
                    route.modified_by()
                ),
            ));
        }
        let role = role(route, request)?;
        let is_shared = in_steps
            && role == Some(Role::Production)
            && live.len() == 2
            && live.iter().all(|group| ours(group));
        let only = match live[..] {
            [only] => only,
            [first, ..] if is_shared => from.map_or(first, |group| &group.arn),
            [..] => {
                return Err(Refusal::drift(
                    format!(
                        "{} shares new connections between several target groups: {}.",
                        route.at_start(),
                        forwards(route)
                    ),
                    format!(
                        "Finish that traffic shift first: give all the weight to one group ({}).",
                        route.modified_by()
                    ),
                ));
            }
        };
        if !ours(only) || route.forward.0.iter().any(|g| !ours(&g.target_group)) {
            return Err(Refusal::preflight(
                format!(
                    "{} also names a target group of another service: {}.",
                    route.at_start(),
                    forwards(route)
                ),
                format!(
                    "Leave only this service's two target groups in it ({}).",
                    route.modified_by()
                ),
            ));
        }
        leads.push(Lead {
            route,
            role,
            live: only,
        });
    }
    every_named_one_is_there(world, request, &leads)?;
    by_evidence(world, pair, &leads)
}

/// What each route to the two groups is for, where every production route that the plan names is still one.
///
/// Refuses what [`roles`] refuses, and with `Drift` where one is gone.
pub(crate) fn planned_roles<'a>(
    world: &'a World,
    pair: [&'a TargetGroup; 2],
    plan: &Plan,
) -> Result<Roles<'a>, Refusal> {
    let roles = roles_of(world, pair, plan)?;
    let is_gone = |arn: &&RouteArn| roles.production.iter().all(|route| route.arn != **arn);
    match plan.routes.iter().find(is_gone) {
        None => Ok(roles),
        Some(gone) => Err(Refusal::drift(
            format!(
                "{} no longer sends production traffic to service {}.",
                short(gone),
                plan.request.service
            ),
            "It was changed outside this deployment. Start a new execution with the version that should run.",
        )),
    }
}

/// A route that sends traffic to a task set, and that is not recorded as a test route (rule R14).
///
/// Every route's role is recorded before a task set is created: one without a role came later, and
/// may be one that users reach.
pub(crate) fn reached_beside<'a>(world: &'a World, task_set: &TaskSet) -> Option<&'a Route> {
    let reaches = |route: &&Route| {
        route
            .forward
            .live()
            .any(|group| task_set.is_attached_to(group))
    };
    not_for_tests(world).find(reaches)
}

/// Whether users may come to a group: a route without the tag of one for tests forwards to it.
pub(crate) fn may_reach_users(world: &World, group: &TargetGroupArn) -> bool {
    not_for_tests(world).any(|route| route.forward.live().any(|live| live == group))
}

fn not_for_tests(world: &World) -> impl Iterator<Item = &Route> {
    let routes = world.routes.iter();
    routes.filter(|route| route.role.as_deref() != Some(Role::Test.as_str()))
}

impl Route {
    /// The command that records what a route is for.
    fn tag_as(&self, role: Role) -> String {
        format!(
            "aws elbv2 add-tags --resource-arns {} --tags Key=ebbtide:role,Value={role}",
            self.arn
        )
    }

    /// What is wrong with a route that [`reached_beside`] found.
    pub(crate) fn unrecorded_for(&self, task_set: &TaskSet) -> String {
        format!(
            "{} sends traffic to {}, but is not recorded as a test route.",
            self.at_start(),
            task_set.id
        )
    }
}

/// `listeners`, or `routes` where a rule is among them.
pub(crate) fn in_general(routes: &[&Route]) -> &'static str {
    if routes.iter().all(|route| route.rule.is_none()) {
        "listeners"
    } else {
        "routes"
    }
}

/// The commands that change routes by hand.
pub(crate) fn modified_by(routes: &[&Route]) -> String {
    let mut commands: Vec<_> = routes.iter().map(|route| route.modified_by()).collect();
    commands.sort_unstable();
    commands.dedup();
    commands.join(", ")
}

/// A route of the service: its recorded role, and the one group that it sends all new connections to.
#[derive(Debug, Clone, Copy)]
struct Lead<'a> {
    route: &'a Route,
    role: Option<Role>,
    live: &'a TargetGroupArn,
}

/// The recorded role of a route. Another value was written by a person: no role is guessed.
fn recorded(route: &Route) -> Result<Option<Role>, Refusal> {
    let Some(value) = route.role.as_deref() else {
        return Ok(None);
    };
    Role::parse(value).map(Some).ok_or_else(|| {
        Refusal::preflight(
            format!(
                "{} is tagged ebbtide:role={value}, which is neither production nor test.",
                route.at_start()
            ),
            Fix::run(
                "If users come through it, tag it as follows; if not, with Value=test",
                [route.tag_as(Role::Production)],
            ),
        )
    })
}

/// What a route is for, as its tag or the request says it.
fn role(route: &Route, request: &Request) -> Result<Option<Role>, Refusal> {
    let recorded = recorded(route)?;
    let named = request.role_of(&route.arn);
    match (named, recorded) {
        (Some(named), Some(recorded)) if named != recorded => Err(Refusal::preflight(
            format!("routes.{named} names {route}, which is tagged ebbtide:role={recorded}."),
            Fix::run("Correct the input or the tag", [route.tag_as(named)]),
        )),
        _ => Ok(named.or(recorded)),
    }
}

/// Every route that the request names is one of the service's.
fn every_named_one_is_there(
    world: &World,
    request: &Request,
    leads: &[Lead<'_>],
) -> Result<(), Refusal> {
    let stranger = request.routes.all().find(|(arn, _)| {
        let mut leads = leads.iter();
        leads.all(|lead| lead.route.arn != **arn)
    });
    let Some((arn, role)) = stranger else {
        return Ok(());
    };
    let action = if is_listener_rule(arn) {
        "which"
    } else {
        "whose default action"
    };
    let own = leads
        .iter()
        .map(|lead| format!("{} is {}", lead.route.short(), lead.route.arn));
    let own: Vec<_> = own.collect();
    let is_there = world.routes.iter().any(|route| route.arn == *arn);
    let what = if is_there {
        format!(
            "{action} forwards to neither target group of service {}",
            request.service
        )
    } else {
        "which is none of the listeners and rules of the load balancer".to_owned()
    };
    Err(Refusal::preflight(
        format!("routes.{role} names {arn}, {what}."),
        format!(
            "Name a route of the service: {}. Of a default rule, name the listener.",
            own.join(", ")
        ),
    ))
}

fn by_evidence<'a>(
    world: &World,
    pair: [&'a TargetGroup; 2],
    leads: &[Lead<'a>],
) -> Result<Roles<'a>, Refusal> {
    let is_production = |lead: &&Lead<'_>| lead.role == Some(Role::Production);
    let (group, by) = if let Some(lead) = leads.iter().find(is_production) {
        (lead.live, Evidence::Role)
    } else {
        production_group(world, pair, leads)?
    };
    let (mut production, mut test) = (Vec::new(), Vec::new());
    for lead in leads {
        match lead.role {
            Some(Role::Production) => production.push(lead.route),
            None if lead.live == group => production.push(lead.route),
            Some(Role::Test) | None => test.push(lead.route),
        }
    }
    Ok(Roles {
        production,
        test,
        by,
    })
}

/// Where each route forwards to, with weights.
pub(crate) fn all_forwards(routes: &[&Route]) -> String {
    let routes: Vec<_> = routes.iter().map(|route| forwards(route)).collect();
    routes.join(", ")
}

fn forwards(route: &Route) -> String {
    let groups: Vec<_> = route
        .forward
        .0
        .iter()
        .map(|group| match route.forward.0.len() {
            1 => short(&group.target_group).to_owned(),
            _ => format!("{} ({})", short(&group.target_group), group.weight),
        })
        .collect();
    format!("{} to {}", route.short(), groups.join(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Scene, group_arn};
    use crate::world::Forward;

    #[test]
    fn a_rule_that_reaches_a_task_set_is_found_unless_it_is_recorded_as_a_test_route() {
        let mut scene = Scene::swapped();
        let outgoing = scene.world.task_set(&"ecs-svc/1".into()).unwrap().clone();
        assert_eq!(reached_beside(&scene.world, &outgoing), None);
        scene.rule_mut(8080, 10).forward = Forward::to(&group_arn("blue"));
        let found = reached_beside(&scene.world, &outgoing).unwrap();
        assert_eq!(found.to_string(), "rule 10 of listener 8080");
        scene.rule_mut(8080, 10).role = Some("test".into());
        assert_eq!(reached_beside(&scene.world, &outgoing), None);
    }
}
