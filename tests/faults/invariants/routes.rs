//! Routes as the invariants see them: the default action of a listener, or one of its rules.

use std::collections::BTreeMap;
use std::fmt;

use ebbtide_simulator::world::{Action, Listener, Rule, WeightedGroup, World};

/// The port of the test listener in every scenario.
const TEST_PORT: u16 = 8080;

/// The tag of the rules that users come through, in every scenario.
pub(crate) const USERS: &str = "users";

/// The tag of a rule that a deployment has created for its tests.
const CREATED: &str = "ebbtide:deployment";

pub(super) struct Route<'a> {
    listener: &'a Listener,
    rule: Option<&'a Rule>,
}

impl fmt::Display for Route<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(rule) = self.rule {
            write!(f, "rule {} of ", rule.priority.unwrap_or_default())?;
        }
        write!(f, "listener {}", self.listener.port)
    }
}

impl<'a> Route<'a> {
    pub(super) fn arn(&self) -> &'a str {
        self.rule.map_or(&self.listener.arn, |rule| &rule.arn)
    }

    pub(super) fn port(&self) -> u16 {
        self.listener.port
    }

    pub(super) fn tags(&self) -> &'a BTreeMap<String, String> {
        self.rule.map_or(&self.listener.tags, |rule| &rule.tags)
    }

    fn actions(&self) -> &'a [Action] {
        match self.rule {
            Some(rule) => &rule.actions,
            None => &self.listener.default_actions,
        }
    }

    /// The groups that it sends new connections to; a lone group gets all, whatever its weight.
    pub(super) fn live(&self) -> Vec<&'a str> {
        self.actions().iter().flat_map(live_groups).collect()
    }

    /// The groups that it sends new connections to, with whole percents where they share these.
    pub(super) fn shares(&self) -> Vec<(&'a str, u64)> {
        let live = self.live();
        let share = |group| (group, self.share_of(group));
        live.into_iter().map(share).collect()
    }

    /// Percent of new connections that a group gets, rounded down.
    pub(super) fn share_of(&self, arn: &str) -> u64 {
        let forwards = self.actions().iter().filter_map(|action| match action {
            Action::Forward(forward) => Some(&forward.groups),
            Action::Answer { .. } => None,
        });
        let groups: Vec<_> = forwards.flatten().collect();
        let lone = groups.len() == 1;
        let weight = |group: &WeightedGroup| if lone { 1 } else { u64::from(group.weight) };
        let all: u64 = groups.iter().map(|group| weight(group)).sum();
        let its = groups.iter().filter(|group| group.arn == arn);
        let its: u64 = its.map(|group| weight(group)).sum();
        (its * 100).checked_div(all).unwrap_or_default()
    }

    /// Whether a deployment has created it for its tests.
    pub(super) fn is_created(&self) -> bool {
        self.tags().contains_key(CREATED)
    }

    /// Whether users come through it.
    fn is_production(&self) -> bool {
        match self.rule {
            None => matches!(self.listener.port, 80 | 443),
            Some(rule) => rule.tags.contains_key(USERS),
        }
    }

    /// Whether it is there for tests alone.
    pub(super) fn is_test(&self) -> bool {
        self.is_created() || (self.rule.is_none() && self.listener.port == TEST_PORT)
    }

    /// All of it but for where it forwards to, and for our own tags.
    pub(super) fn plain(&self) -> String {
        let kept = self.actions().iter().map(|action| match action {
            Action::Forward(forward) => format!("{:?}", forward.stickiness),
            other @ Action::Answer { .. } => format!("{other:?}"),
        });
        let kept: Vec<_> = kept.collect();
        let mut tags = self.tags().clone();
        tags.retain(|key, _| !key.starts_with("ebbtide:"));
        let rule = self.rule.map(|rule| (rule.priority, &rule.conditions));
        let listener = self.listener;
        format!(
            "{} {} {:?} {:?} {:?} {rule:?} {kept:?} {tags:?}",
            listener.protocol,
            listener.port,
            listener.ssl_policy,
            listener.certificates,
            listener.alpn_policy,
        )
    }
}

/// Every route, but for default rules, which are default actions.
pub(super) fn routes(world: &World) -> impl Iterator<Item = Route<'_>> {
    world.listeners().flat_map(|listener| {
        let rules = listener.rules.values().map(Some);
        let all = std::iter::once(None).chain(rules);
        all.map(move |rule| Route { listener, rule })
    })
}

/// The routes that users reach.
pub(super) fn production(world: &World) -> impl Iterator<Item = Route<'_>> {
    routes(world).filter(Route::is_production)
}

pub(super) fn by_arn<'a>(world: &'a World, arn: &str) -> Option<Route<'a>> {
    routes(world).find(|route| route.arn() == arn)
}

fn live_groups(action: &Action) -> Vec<&str> {
    let Action::Forward(forward) = action else {
        return Vec::new();
    };
    let lone = forward.groups.len() == 1;
    let groups = forward.groups.iter();
    groups
        .filter(|group| lone || group.weight > 0)
        .map(|group| group.arn.as_str())
        .collect()
}
