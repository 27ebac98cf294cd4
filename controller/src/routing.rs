//! Which listener is production and where it sends traffic: the listener says so, tags record it
//! (rule R1).

use crate::action::Role;
use crate::arn::short;
use crate::id::TargetGroupArn;
use crate::refusal::Refusal;
use crate::world::{Listener, TargetGroup, TaskSet, World};

mod production;

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
/// Refuses with `PreflightFailed` where the groups or the listeners' roles cannot be told, and
/// with `Drift` where production listeners disagree with each other.
pub fn read<'a>(world: &'a World, service: &str) -> Result<Routing<'a>, Refusal> {
    let pair = pair(world, service)?;
    let roles = roles(world, pair)?;
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
                "The production listeners of service {service} send traffic to different target groups: {}.",
                listeners.join(", ")
            ),
            "Point all of them at the target group of the task set that shall serve \
             (aws elbv2 modify-listener), then start a new execution.",
        ))
    }
}

/// Reads the routing of a service whose swap may be half done: where production listeners disagree
/// and one group bears the record of a swap to it, the other one is production still.
///
/// Refuses what [`read`] refuses otherwise.
pub fn read_amid_swap<'a>(world: &'a World, service: &str) -> Result<Routing<'a>, Refusal> {
    read(world, service).or_else(|refusal| {
        let pair = pair(world, service)?;
        let (production, alternate) = match pair.map(|group| group.swap_intent.is_some()) {
            [true, false] => (pair[1], pair[0]),
            [false, true] => (pair[0], pair[1]),
            [true, true] | [false, false] => return Err(refusal),
        };
        Ok(Routing {
            production,
            alternate,
            roles: roles(world, pair)?,
        })
    })
}

/// The two target groups of the load balancer that belong to a service.
///
/// The `serviceName` tag decides where one exists: a group tagged for another service is never
/// this one's, and where any group is tagged for this service, untagged ones are not its.
pub fn pair<'a>(world: &'a World, service: &str) -> Result<[&'a TargetGroup; 2], Refusal> {
    let candidates = candidates(&world.target_groups, service);
    if let [first, second] = candidates[..] {
        return Ok([first, second]);
    }
    let load_balancer = world
        .load_balancer
        .as_ref()
        .map_or("the load balancer", |lb| short(&lb.arn));
    let names: Vec<_> = candidates.iter().map(|group| group.name.as_str()).collect();
    let seen = if names.is_empty() {
        "none".to_owned()
    } else {
        format!("{}: {}", names.len(), names.join(", "))
    };
    let tagged = candidates.iter().any(|group| group.service_name.is_some());
    let mend = if names.len() < 2 && !tagged {
        let balancer = world
            .load_balancer
            .as_ref()
            .map_or("ARN", |lb| lb.arn.as_str());
        format!(
            "A target group that no listener uses does not count: create a test listener that forwards \
             to the second one (aws elbv2 create-listener --load-balancer-arn {balancer} --protocol PROTOCOL \
             --port PORT --default-actions Type=forward,TargetGroupArn=ARN), or put both into the \
             production listener with weights 100 and 0 (aws elbv2 modify-listener)."
        )
    } else {
        format!(
            "Tag the two that are its own: aws elbv2 add-tags --resource-arns ARN ARN --tags \
             Key=serviceName,Value={service}"
        )
    };
    Err(Refusal::preflight(
        format!(
            "Service {service} needs exactly two target groups on {load_balancer}; seen: {seen}."
        ),
        mend,
    ))
}

/// The target groups that may belong to a service; see [`pair`].
pub fn candidates<'a>(groups: &'a [TargetGroup], service: &str) -> Vec<&'a TargetGroup> {
    let own: Vec<_> = groups
        .iter()
        .filter(|group| group.service_name.as_deref() == Some(service))
        .collect();
    if own.is_empty() {
        groups
            .iter()
            .filter(|group| group.service_name.is_none())
            .collect()
    } else {
        own
    }
}

/// What each listener of the two groups is for.
///
/// Refuses with `PreflightFailed` where it cannot be told or a role tag is not understood, and with
/// `Drift` where a listener shares traffic between groups.
pub fn roles<'a>(world: &'a World, pair: [&'a TargetGroup; 2]) -> Result<Roles<'a>, Refusal> {
    let ours = |arn: &TargetGroupArn| pair.iter().any(|group| group.arn == *arn);
    let mut leads = Vec::new();
    for listener in &world.listeners {
        if let Some(group) = listener.rule_target_groups.iter().find(|arn| ours(arn)) {
            return Err(Refusal::preflight(
                format!(
                    "A rule of listener {} forwards to target group {}, and Ebbtide moves default actions only.",
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
        let [only] = live[..] else {
            return Err(Refusal::drift(
                format!(
                    "Listener {} shares new connections between several target groups: {}.",
                    listener.port,
                    forwards(listener)
                ),
                "Finish that traffic shift first: give all the weight to one group \
                 (aws elbv2 modify-listener), then start a new execution.",
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
            role: recorded(listener)?,
            live: only,
        });
    }
    by_evidence(world, pair, &leads)
}

/// A listener that sends traffic to a task set, by its default action or by a rule, and is not
/// recorded as a test listener.
///
/// Every listener's role is recorded before a task set is created: one without a role came later, and
/// may be one that users reach.
pub(crate) fn reached_beside<'a>(world: &'a World, task_set: &TaskSet) -> Option<&'a Listener> {
    world.listeners.iter().find(|listener| {
        let rules = listener.rule_target_groups.iter();
        let mut reached = listener.forward.live().chain(rules);
        listener.role.as_deref() != Some(Role::Test.as_str())
            && reached.any(|group| task_set.is_attached_to(group))
    })
}

impl Listener {
    /// What is wrong with a listener that [`reached_beside`] found.
    pub(crate) fn unrecorded_for(&self, task_set: &TaskSet) -> String {
        format!(
            "Listener {} sends traffic to {}, and is not recorded as a test listener.",
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

/// The recorded role of a listener. A tag with another value is somebody's word that is not understood:
/// no role is guessed in its place.
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
            format!(
                "Correct the tag: aws elbv2 add-tags --resource-arns {} --tags \
                 Key=ebbtide:role,Value=production (or Value=test)",
                listener.arn
            ),
        )
    })
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
        let open = leads.iter().copied();
        let open: Vec<_> = open.filter(|lead| lead.role.is_none()).collect();
        production_group(world, pair, &open)?
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
mod tests;
