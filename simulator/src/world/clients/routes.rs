//! Where new connections go, as the load balancer has it.

use std::collections::BTreeMap;

use super::held::Held;
use super::{Clients, Entrance};
use crate::world::action::groups_of;
use crate::world::listener::Before;
use crate::world::{Action, Phase, TargetGroup, World};

/// Where new connections go until the world changes.
#[derive(Debug, Default)]
pub(super) struct Routes {
    /// For each target group, where the clients' connections through each of its targets are kept;
    /// `None` is a target that accepts no connection.
    pub(super) groups: Vec<Vec<Option<usize>>>,
    ways: Vec<Way>,
    /// Target groups that clients stay with: their number here, and for how many seconds.
    sticky: BTreeMap<String, (usize, u64)>,
}

/// Target groups by number, and their weights.
type Shares = Vec<(usize, u64)>;

#[derive(Debug)]
struct Way {
    now: Shares,
    /// Where it sent them before, until when, and how long it takes for all to follow, all in
    /// milliseconds.
    before: Option<(Shares, u64, u64)>,
}

/// What all listeners together have to give: divides by most small numbers.
const WHOLE: u64 = 720_720_000;

impl Entrance {
    pub(super) fn route<'a>(&self, world: &'a World) -> Option<(&'a [Action], Option<&'a Before>)> {
        let listener = world.listeners.get(&self.listener)?;
        Some(listener.route_of(&self.visit))
    }
}

impl Routes {
    /// The number of the group that clients stay with which had their last connection through it, and have been
    /// without for that many seconds.
    ///
    /// Stickiness counts before weights, and lasts until its duration is over, whether the group has targets or not
    /// (AWS guidance). That so it is at weight 0, and that the duration begins with the end of the last connection,
    /// is unproven, and the worse for a drain.
    pub(super) fn keep(&self, group: &str, seconds: u64) -> Option<usize> {
        let (number, duration) = self.sticky.get(group)?;
        (seconds < *duration).then_some(*number)
    }

    pub(super) fn is_sticky(&self, group: &str) -> bool {
        self.sticky.contains_key(group)
    }

    /// The places of the targets that new connections reach now, when every listener has reached the
    /// load balancer's nodes.
    pub(super) fn reached(&self) -> impl Iterator<Item = usize> {
        let groups = self.ways.iter().flat_map(|way| &way.now);
        let targets = groups.flat_map(|(group, _)| &self.groups[*group]);
        targets.flatten().copied()
    }

    /// What each group gets of the connections that are made at that time; last, what reaches none.
    ///
    /// A change of a listener reaches the load balancer's nodes one after the other: what still goes
    /// where it went before becomes less evenly until none does. (Field: 75 seconds observed.)
    pub(super) fn weights(&self, at_ms: u64) -> Vec<u64> {
        let mut weights = vec![0; self.groups.len() + 1];
        let open = self.ways.iter().filter_map(|way| {
            let before = way.before.as_ref();
            let before = before.filter(|(_, until_ms, _)| at_ms < *until_ms);
            (before.is_some() || !way.now.is_empty()).then_some((way, before))
        });
        let open: Vec<_> = open.collect();
        let Some(each) = WHOLE.checked_div(open.len() as u64) else {
            weights[self.groups.len()] = WHOLE;
            return weights;
        };
        for (way, before) in open {
            let old = before.map_or(0, |(shares, until_ms, over_ms)| {
                let remaining = (until_ms - at_ms).min(*over_ms);
                let old = scaled(each, remaining, *over_ms);
                give(&mut weights, shares, old);
                old
            });
            give(&mut weights, &way.now, each - old);
        }
        weights
    }
}

/// Gives an amount to groups by weight, or to none where there is no weight.
fn give(weights: &mut [u64], shares: &[(usize, u64)], amount: u64) {
    let total: u64 = shares.iter().map(|(_, weight)| weight).sum();
    let nowhere = weights.len() - 1;
    let mut left = amount;
    for (index, (group, weight)) in shares.iter().enumerate() {
        let last = index + 1 == shares.len();
        let given = if last {
            left
        } else {
            scaled(amount, *weight, total).min(left)
        };
        weights[*group] += given;
        left -= given;
    }
    if shares.is_empty() {
        weights[nowhere] += amount;
    }
}

fn scaled(amount: u64, by: u64, of: u64) -> u64 {
    let scaled = u128::from(amount) * u128::from(by) / u128::from(of.max(1));
    u64::try_from(scaled).unwrap_or(amount)
}

/// The groups with a part in new connections; a lone group has all, whatever its weight.
fn shares(actions: &[Action]) -> Vec<(&str, u64)> {
    let groups: Vec<_> = actions.iter().flat_map(groups_of).collect();
    let lone = groups.len() == 1;
    let shares = groups.into_iter().map(|group| {
        let weight = if lone { 1 } else { u64::from(group.weight) };
        (group.arn.as_str(), weight)
    });
    shares.filter(|(_, weight)| *weight > 0).collect()
}

/// The groups that an action keeps clients with, whatever their weights, and for how many seconds.
fn kept_by(action: &Action) -> Vec<(&str, u64)> {
    let Action::Forward(forward) = action else {
        return Vec::new();
    };
    let duration = forward.stickiness.duration_seconds;
    let Some(seconds) = duration.filter(|_| forward.stickiness.enabled) else {
        return Vec::new();
    };
    let groups = forward.groups.iter();
    groups
        .map(|group| (group.arn.as_str(), u64::from(seconds)))
        .collect()
}

/// The targets of a group that get new connections: the healthy ones, or, as there are none, all that
/// the load balancer knows: it fails open (Docs). One that is still being registered is not known.
fn open_targets(group: &TargetGroup) -> Vec<&str> {
    let of = |phases: &[Phase]| -> Vec<&str> {
        let targets = group.targets.iter();
        let targets = targets.filter(|(_, target)| phases.contains(&target.phase));
        targets.map(|(key, _)| key.as_str()).collect()
    };
    let healthy = of(&[Phase::Healthy]);
    if healthy.is_empty() {
        of(&[Phase::Checking, Phase::Unhealthy])
    } else {
        healthy
    }
}

impl Clients {
    /// Where new connections go now. The targets that they reach for the first time get a place in
    /// what is held.
    ///
    /// What clients send decides which rule counts for them, of the rules that the listener has now.
    pub(super) fn routes(&mut self, world: &World) -> Routes {
        let now_ms = self.next_ms;
        let mut groups: BTreeMap<&str, usize> = BTreeMap::new();
        let mut number = |group| {
            let next = groups.len();
            *groups.entry(group).or_insert(next)
        };
        let mut ways = Vec::new();
        let mut sticky = BTreeMap::new();
        let over_ms = world.timings.listener_propagation_ms;
        for (actions, before) in self.entrances.iter().filter_map(|one| one.route(world)) {
            let mut numbered = |actions| -> Shares {
                let shares = shares(actions).into_iter();
                shares
                    .map(|(group, weight)| (number(group), weight))
                    .collect()
            };
            let before = before.filter(|before| before.until_ms > now_ms);
            ways.push(Way {
                now: numbered(actions),
                before: before.map(|before| (numbered(&before.actions), before.until_ms, over_ms)),
            });
            for (group, seconds) in actions.iter().flat_map(kept_by) {
                let known = sticky.entry(group.to_owned());
                let (_, most) = known.or_insert((number(group), 0));
                *most = seconds.max(*most);
            }
        }
        let mut open: Vec<(&str, Vec<&str>)> = vec![("", Vec::new()); groups.len()];
        for (arn, number) in groups {
            let group = world.target_groups.get(arn);
            open[number] = (arn, group.map(open_targets).unwrap_or_default());
        }
        for (group, targets) in &open {
            self.take_in(world, group, targets);
        }
        let accepts = |held: &Held| {
            let task = world.tasks.get(&held.task);
            task.is_some_and(|task| world.passes_health_checks(task))
        };
        let groups = open.into_iter().map(|(group, targets)| {
            let places = self.places(world, group, &targets).into_iter();
            let open = places.map(|place| place.filter(|place| accepts(&self.held[*place])));
            open.collect()
        });
        let groups = groups.collect();
        Routes {
            groups,
            ways,
            sticky,
        }
    }

    /// Makes a place for the connections to each target that has none yet.
    fn take_in(&mut self, world: &World, group: &str, targets: &[&str]) {
        let places = self.places(world, group, targets);
        for (target, place) in targets.iter().zip(places) {
            if place.is_some() {
                continue;
            }
            let Some(task) = world.task_at(group, target) else {
                continue;
            };
            let (task_set, zone) = (number(&mut self.task_sets, &task.task_set), &task.zone);
            let held = Held {
                group: group.to_owned(),
                target: (*target).to_owned(),
                task: task.arn.clone(),
                task_set,
                zone: number(&mut self.zones, zone),
                connections: 0,
                became_unhealthy: false,
            };
            self.connected.resize(self.task_sets.len(), 0);
            self.connected_by_zone.resize(self.zones.len(), 0);
            let is_before = |known: &Held| known.place() < held.place();
            let after = self.held.partition_point(is_before);
            self.held.insert(after, held);
        }
    }

    /// The place of the connections to each target of a group, if the task that they are with is
    /// still there. Targets come in the order of their names, as what is held does.
    fn places(&self, world: &World, group: &str, targets: &[&str]) -> Vec<Option<usize>> {
        let is_before = |held: &Held| held.group.as_str() < group;
        let mut next = self.held.partition_point(is_before);
        let mut of_target = |target: &&str| {
            let mut found = None;
            while let Some(held) = self.held.get(next)
                && held.group == group
                && held.target.as_str() <= *target
            {
                if held.target == *target && held.is_alive(world) {
                    found = Some(next);
                }
                next += 1;
            }
            found
        };
        targets.iter().map(&mut of_target).collect()
    }
}

/// The place of a name in a list, to which it is added if it is new.
pub(super) fn number(names: &mut Vec<String>, name: &str) -> usize {
    let known = names.iter().position(|known| known == name);
    known.unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    })
}
