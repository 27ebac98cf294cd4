//! Which listener is production and where it sends traffic: the listener says so, tags record it
//! (rule R1).

use crate::action::Role;
use crate::arn::short;
use crate::fix::Fix;
use crate::id::TargetGroupArn;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::world::{Listener, TargetGroup, TaskSet, World};

mod groups;
mod production;

pub use groups::{candidates, pair};
pub(crate) use groups::{how_to_settle, unrecorded};
use production::production_group;
pub use production::{Evidence, Taken};

/// Where production traffic goes today.
#[derive(Debug, Clone, PartialEq)]
pub struct Routing<'a> {
    /// The target group that every production listener forwards to.
    pub production: &'a TargetGroup,
    /// The other one.
    pub alternate: &'a TargetGroup,
    /// What each listener is for.
    pub roles: Roles<'a>,
}

/// The listeners of a service by what they are for.
#[derive(Debug, Clone, PartialEq)]
pub struct Roles<'a> {
    /// Users reach the service through these; at least one.
    pub production: Vec<&'a Listener>,
    /// These reach the other task set.
    pub test: Vec<&'a Listener>,
    /// What says so.
    pub by: Evidence,
}

impl<'a> Roles<'a> {
    /// Every listener with its role.
    pub fn all(&self) -> impl Iterator<Item = (&'a Listener, Role)> + '_ {
        let production = self.production.iter().map(|l| (*l, Role::Production));
        let test = self.test.iter().map(|l| (*l, Role::Test));
        production.chain(test)
    }

    /// Whether every production listener sends all new connections to this group.
    pub fn production_is_all_to(&self, target_group: &TargetGroupArn) -> bool {
        self.production
            .iter()
            .all(|listener| listener.forward.is_all_to(target_group))
    }

    /// Whether any production listener sends new connections to this group.
    pub fn production_reaches(&self, target_group: &TargetGroupArn) -> bool {
        self.production
            .iter()
            .any(|listener| listener.forward.live().any(|live| live == target_group))
    }
}

/// Reads the routing of a service.
///
/// Refuses with `PreflightFailed` where the groups or the listeners' roles cannot be determined, and
/// with `Drift` where production listeners disagree with each other.
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
        let listeners: Vec<_> = roles.production.iter().map(|l| forwards(l)).collect();
        Err(Refusal::drift(
            format!(
                "The production listeners of service {} send traffic to different target groups: {}.",
                request.service,
                listeners.join(", ")
            ),
            "Point all of them at the target group of the task set that should serve (aws elbv2 modify-listener).",
        ))
    }
}

/// Reads the routing of a service whose swap may be half done: where production listeners disagree
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

/// What each listener of the two groups is for.
///
/// Refuses with `PreflightFailed` where it cannot be determined or a role tag is not understood, and with
/// `Drift` where a listener shares traffic between groups.
pub fn roles<'a>(
    world: &'a World,
    pair: [&'a TargetGroup; 2],
    request: &Request,
) -> Result<Roles<'a>, Refusal> {
    let ours = |arn: &TargetGroupArn| pair.iter().any(|group| group.arn == *arn);
    let mut leads = Vec::new();
    for listener in &world.listeners {
        if let Some(group) = listener.rule_target_groups.iter().find(|arn| ours(arn)) {
            return Err(Refusal::preflight(
                format!(
                    "A rule of listener {} forwards to target group {}, but Ebbtide moves default actions only.",
                    listener.port,
                    short(group)
                ),
                "Give the service a listener of its own, with its target group in the default action.",
            ));
        }
        if !pair.iter().any(|group| listener.forward.names(&group.arn)) {
            continue;
        }
        let live: Vec<_> = listener.forward.live().collect();
        if live.is_empty() {
            return Err(Refusal::drift(
                format!(
                    "Listener {} has no target group with a weight above 0: {}.",
                    listener.port,
                    forwards(listener)
                ),
                "Give the target group of the task set that should serve a weight above 0 (aws elbv2 modify-listener).",
            ));
        }
        let [only] = live[..] else {
            return Err(Refusal::drift(
                format!(
                    "Listener {} shares new connections between several target groups: {}.",
                    listener.port,
                    forwards(listener)
                ),
                "Finish that traffic shift first: give all the weight to one group \
                 (aws elbv2 modify-listener).",
            ));
        };
        if !ours(only) || listener.forward.0.iter().any(|g| !ours(&g.target_group)) {
            return Err(Refusal::preflight(
                format!(
                    "Listener {} also names a target group of another service: {}.",
                    listener.port,
                    forwards(listener)
                ),
                "Leave only this service's two target groups in it (aws elbv2 modify-listener).",
            ));
        }
        leads.push(Lead {
            listener,
            role: role(listener, request)?,
            live: only,
        });
    }
    every_named_one_is_there(request, &leads)?;
    by_evidence(world, pair, &leads)
}

/// A listener whose default action sends traffic to a task set, and that is not recorded as a test listener.
///
/// Every listener's role is recorded before a task set is created: one without a role came later, and
/// may be one that users reach.
pub(crate) fn reached_beside<'a>(world: &'a World, task_set: &TaskSet) -> Option<&'a Listener> {
    world.listeners.iter().find(|listener| {
        let mut reached = listener.forward.live();
        listener.role.as_deref() != Some(Role::Test.as_str())
            && reached.any(|group| task_set.is_attached_to(group))
    })
}

/// The guard before every scale-down and every delete: no rule of any listener forwards to a target group that
/// the task set is on (rule R14).
pub(crate) fn no_rule_reaches(world: &World, task_set: &TaskSet) -> Result<(), Refusal> {
    let reaching = world.listeners.iter().find(|listener| {
        let mut groups = listener.rule_target_groups.iter();
        groups.any(|group| task_set.is_attached_to(group))
    });
    let Some(listener) = reaching else {
        return Ok(());
    };
    Err(Refusal::drift(
        format!(
            "A rule of listener {} sends traffic to {}.",
            listener.port, task_set.id
        ),
        format!(
            "No more of its tasks were removed. Point the rule elsewhere or delete it (aws elbv2 describe-rules \
             --listener-arn {}), then start a new execution.",
            listener.arn
        ),
    ))
}

impl Listener {
    /// The command that records what a listener is for.
    fn tag_as(&self, role: Role) -> String {
        format!(
            "aws elbv2 add-tags --resource-arns {} --tags Key=ebbtide:role,Value={role}",
            self.arn
        )
    }

    /// What is wrong with a listener that [`reached_beside`] found.
    pub(crate) fn unrecorded_for(&self, task_set: &TaskSet) -> String {
        format!(
            "Listener {} sends traffic to {}, but is not recorded as a test listener.",
            self.port, task_set.id
        )
    }
}

/// A listener of the service: its recorded role, and the one group that it sends all new connections to.
#[derive(Debug, Clone, Copy)]
struct Lead<'a> {
    listener: &'a Listener,
    role: Option<Role>,
    live: &'a TargetGroupArn,
}

/// The recorded role of a listener. Another value was written by a person: no role is guessed.
fn recorded(listener: &Listener) -> Result<Option<Role>, Refusal> {
    let Some(value) = listener.role.as_deref() else {
        return Ok(None);
    };
    Role::parse(value).map(Some).ok_or_else(|| {
        Refusal::preflight(
            format!(
                "Listener {} is tagged ebbtide:role={value}, which is neither production nor test.",
                listener.port
            ),
            Fix::run(
                "Correct the tag, or give it Value=test",
                [listener.tag_as(Role::Production)],
            ),
        )
    })
}

/// What a listener is for, as its tag or the request says it.
fn role(listener: &Listener, request: &Request) -> Result<Option<Role>, Refusal> {
    let recorded = recorded(listener)?;
    let named = request.role_of(&listener.arn);
    match (named, recorded) {
        (Some(named), Some(recorded)) if named != recorded => Err(Refusal::preflight(
            format!(
                "{} names listener {}, which is tagged ebbtide:role={recorded}.",
                field(named),
                listener.port
            ),
            Fix::run("Correct the input or the tag", [listener.tag_as(named)]),
        )),
        _ => Ok(named.or(recorded)),
    }
}

/// The field of the input that names listeners of a role.
fn field(role: Role) -> &'static str {
    match role {
        Role::Production => "productionListeners",
        Role::Test => "testListeners",
    }
}

/// Every listener that the request names is one of the service's.
fn every_named_one_is_there(request: &Request, leads: &[Lead<'_>]) -> Result<(), Refusal> {
    let stranger = request.named_listeners().find(|(arn, _)| {
        let mut leads = leads.iter();
        leads.all(|lead| lead.listener.arn != **arn)
    });
    let Some((arn, role)) = stranger else {
        return Ok(());
    };
    let ports: Vec<_> = leads
        .iter()
        .map(|lead| lead.listener.port.to_string())
        .collect();
    Err(Refusal::preflight(
        format!(
            "{} names {arn}, whose default action forwards to neither target group of service {}.",
            field(role),
            request.service
        ),
        format!(
            "Name a listener that does. On this load balancer: {}.",
            ports.join(", ")
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
            Some(Role::Production) => production.push(lead.listener),
            None if lead.live == group => production.push(lead.listener),
            Some(Role::Test) | None => test.push(lead.listener),
        }
    }
    Ok(Roles {
        production,
        test,
        by,
    })
}

fn forwards(listener: &Listener) -> String {
    let groups: Vec<_> = listener
        .forward
        .0
        .iter()
        .map(|group| match listener.forward.0.len() {
            1 => short(&group.target_group).to_owned(),
            _ => format!("{} ({})", short(&group.target_group), group.weight),
        })
        .collect();
    format!("{} to {}", listener.port, groups.join(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Scene, group_arn};
    use crate::refusal::ErrorName;

    #[test]
    fn a_task_set_that_a_rule_of_any_listener_reaches_loses_no_task() {
        let scene = Scene::swapped();
        let outgoing = scene.world.task_set(&"ecs-svc/1".into()).unwrap().clone();
        assert_eq!(no_rule_reaches(&scene.world, &outgoing), Ok(()));
        for port in [80, 8080] {
            let mut scene = Scene::swapped();
            scene.listener_mut(port).role = Some("test".into());
            scene.listener_mut(port).rule_target_groups = vec![group_arn("blue")];
            let refusal = no_rule_reaches(&scene.world, &outgoing).unwrap_err();
            assert_eq!(refusal.error, ErrorName::Drift);
            let named = format!("A rule of listener {port} sends traffic to ecs-svc/1.");
            assert_eq!(refusal.problem, named);
        }
    }
}
