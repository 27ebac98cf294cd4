//! Which routes are production where no role is recorded.

use std::fmt;

use crate::fix::Fix;
use crate::id::{TargetGroupArn, TaskSetId};
use crate::identity::is_label;
use crate::refusal::Refusal;
use crate::world::{Route, TargetGroup, TaskSetStatus, World};

use super::{Lead, Roles, forwards};

/// Ports at which clients of a protocol connect by default (IANA's service names), of protocols that
/// services behind a load balancer speak.
const WELL_KNOWN: [u16; 30] = [
    21, 22, 25, 53, 80, 110, 143, 389, 443, 465, 587, 636, 853, 993, 995, 1883, 3306, 3478, 4222,
    5060, 5061, 5222, 5223, 5349, 5432, 5671, 5672, 6379, 8883, 9092,
];

/// What says which listener is production.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// The `ebbtide:role` tag of a listener.
    Role,
    /// All listeners forward to one group.
    OneGroup,
    /// The `isProduction` tag of a target group.
    Tag,
    /// No tag is left, and this is the only task set.
    TaskSet {
        /// Its id.
        id: TaskSetId,
        /// Whether it is `PRIMARY`; otherwise it has all targets.
        primary: bool,
    },
    /// Nothing serves yet, and only this listener is on a well-known port.
    Port(u16),
}

/// The roles that the listeners of a service are taken to have, if no tag names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The production routes, by port and rule.
    pub production: Vec<String>,
    /// The test routes.
    pub test: Vec<String>,
    /// Why, as a clause.
    pub because: String,
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (listener, is) = match self.production[..] {
            [_] => ("listener", "is"),
            [..] => ("listeners", "are"),
        };
        write!(
            f,
            "{listener} {} {is} taken as production and {} as test, because {}",
            self.production.join(" and "),
            self.test.join(" and "),
            self.because
        )
    }
}

impl Roles<'_> {
    /// The roles that listeners are taken to have, if no tag names them and they are ambiguous.
    pub fn taken(&self) -> Option<Taken> {
        let because = match &self.by {
            Evidence::Role | Evidence::OneGroup | Evidence::Tag => return None,
            Evidence::Port(port) => format!("only {port} is a well-known port"),
            Evidence::TaskSet { id, primary: true } => {
                format!("the only task set, {id}, is PRIMARY there")
            }
            Evidence::TaskSet { id, primary: false } => {
                format!("the only task set, {id}, has its targets there")
            }
        };
        let names = |routes: &[&Route]| routes.iter().map(|route| route.short()).collect();
        Some(Taken {
            production: names(&self.production),
            test: names(&self.test),
            because,
        })
    }
}

/// The production group, and what says so, where no listener's role is recorded as production.
pub(super) fn production_group<'a>(
    world: &World,
    pair: [&'a TargetGroup; 2],
    all: &[Lead<'a>],
) -> Result<(&'a TargetGroupArn, Evidence), Refusal> {
    let leads = all.iter().copied().filter(|lead| lead.role.is_none());
    let leads: &[Lead<'_>] = &leads.collect::<Vec<_>>();
    let Some(first) = leads.iter().min_by_key(|lead| lead.route.port) else {
        return Err(Refusal::preflight(
            format!(
                "No listener forwards to target group {} or {}.",
                pair[0].name, pair[1].name
            ),
            "Create the production listener with one of them as its default action \
             (aws elbv2 create-listener).",
        ));
    };
    if leads.iter().all(|lead| lead.live == first.live) {
        return Ok((first.live, Evidence::OneGroup));
    }
    let tagged: Vec<_> = pair.iter().filter(|g| g.is_tagged_production()).collect();
    // The public sample moves listeners and tags one after the other: where it died in between, the tag is on
    // the group that users have left. It is believed only if nothing contradicts it.
    let mut lowest = leads
        .iter()
        .filter(|lead| lead.route.port == first.route.port);
    if let [only] = tagged[..]
        && (lowest.all(|lead| *lead.live == only.arn)
            || world.living().all(|set| set.is_attached_to(&only.arn)))
    {
        return Ok((&only.arn, Evidence::Tag));
    }
    if leads.len() == all.len()
        && tagged.is_empty()
        && let Some((group, evidence)) = only_task_set(world, pair, leads)
    {
        return Ok((&group.arn, evidence));
    }
    // Nothing serves yet, so no connection can be cut. The choice is recorded before any other write.
    if let [only] = well_known(leads)[..]
        && world.task_sets.is_empty()
        && tagged.is_empty()
    {
        return Ok((only.live, Evidence::Port(only.route.port)));
    }
    Err(unclear(world, pair, leads, &tagged))
}

/// The group of the only living task set, where that is `PRIMARY` or has the only targets and nothing
/// contradicts it: infrastructure code has taken the tags away.
///
/// With a second task set, `PRIMARY` may be that of a swap that was left half done. A task set that Ebbtide has
/// created is `PRIMARY` once it has served: one that is not never has, whatever targets it has.
fn only_task_set<'a>(
    world: &World,
    pair: [&'a TargetGroup; 2],
    leads: &[Lead<'_>],
) -> Option<(&'a TargetGroup, Evidence)> {
    let [only] = world.living().collect::<Vec<_>>()[..] else {
        return None;
    };
    let (group, other) = match pair.map(|group| only.is_attached_to(&group.arn)) {
        [true, false] => (pair[0], pair[1]),
        [false, true] => (pair[1], pair[0]),
        [true, true] | [false, false] => return None,
    };
    let primary = only.status == TaskSetStatus::Primary;
    let label = only.external_id.as_deref().unwrap_or_default();
    let serves = primary || (group.targets.registered() > 0 && !is_label(label));
    let known = well_known(leads);
    let ports_differ = known.iter().any(|lead| *lead.live == other.arn)
        && known.iter().all(|lead| *lead.live != group.arn);
    let contradicted = ports_differ
        || other.targets.registered() > 0
        || pair.iter().any(|group| group.swap_intent.is_some());
    let id = only.id.clone();
    (serves && !contradicted).then_some((group, Evidence::TaskSet { id, primary }))
}

/// The listeners on well-known ports.
fn well_known<'l, 'a>(leads: &'l [Lead<'a>]) -> Vec<&'l Lead<'a>> {
    let leads = leads.iter();
    leads
        .filter(|lead| WELL_KNOWN.contains(&lead.route.port))
        .collect()
}

/// The refusal that names each listener and what would settle it.
fn unclear(
    world: &World,
    pair: [&TargetGroup; 2],
    leads: &[Lead<'_>],
    tagged: &[&&TargetGroup],
) -> Refusal {
    let listed: Vec<_> = leads.iter().map(|lead| forwards(lead.route)).collect();
    let tags = match tagged {
        [] => "neither is tagged isProduction=true".to_owned(),
        [only] => format!(
            "only {} is tagged isProduction=true, but the lowest port and a task set are on the other",
            only.name
        ),
        [..] => "both are tagged isProduction=true".to_owned(),
    };
    let ports = match well_known(leads).len() {
        0 if world.task_sets.is_empty() => " No listener is on a well-known port.",
        2.. if world.task_sets.is_empty() => " Several listeners are on well-known ports.",
        _ => "",
    };
    let arns: Vec<_> = leads
        .iter()
        .map(|lead| format!("{} is {}", lead.route.short(), lead.route.arn))
        .collect();
    Refusal::preflight(
        format!(
            "Cannot tell which listener is production: {}; of the target groups {} and {}, {tags}.{ports}",
            listed.join(", "),
            pair[0].name,
            pair[1].name
        ),
        Fix::run(
            &format!(
                "Listener {}. Tag the test listener with Value=test, and the production listener",
                arns.join(", ")
            ),
            ["aws elbv2 add-tags --resource-arns ARN --tags Key=ebbtide:role,Value=production"],
        ),
    )
}
