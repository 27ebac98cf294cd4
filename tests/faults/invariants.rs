//! What must hold after every call that AWS has carried out, whatever went wrong; S1 to S22 are
//! the names that ARCHITECTURE.md and a failure give them.

mod auto_scaling;
mod checks;
mod end;
mod lock;
mod others;
mod quiet;
mod registry;
mod routes;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ebbtide_simulator::aws::Effect;
use ebbtide_simulator::world::{
    Call, ExecutionStatus, Phase, ScalableTarget, TargetGroup, TaskSet, TaskSetStatus, World,
};
use serde_json::Value;

use crate::join::ROUNDED;
use crate::scenarios::{CLUSTER, Case, Ends, Meanwhile, SERVICE};

use checks::Compared;
pub(crate) use end::{converged, unfinished};
use lock::{commands, lock_item, one_inside};
use others::{neighbours, overwritten, same_resources, tags_lost};
pub(crate) use routes::USERS;
use routes::{Route, by_arn, production, routes};

/// The lock table of an installation.
const LOCK_TABLE: &str = "ebbtide-locks";

/// Milliseconds for which the last function of an execution that has ended may still write: the
/// function's own timeout, and what a late write takes to land.
const LATE_WRITES_MS: u64 = 90_000;

/// The execution that a call was made for: callers are named after function and execution.
fn execution_of(call: &Call) -> &str {
    call.caller.rsplit(' ').next().unwrap_or_default()
}

#[expect(clippy::struct_excessive_bools, reason = "each is about another rule")]
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Watch {
    healthy: usize,
    pub(crate) wait_ms: u64,
    neighbours: Vec<String>,
    served: BTreeSet<String>,
    lowered: BTreeMap<String, u64>,
    moves: BTreeMap<String, u32>,
    /// Where each production route was first moved to.
    towards: BTreeMap<String, String>,
    /// Percents of new connections at the steps of the shift that was asked for.
    shift: Vec<u64>,
    /// Executions that have called AWS, and those of them that are over: a function of theirs may
    /// still be at work.
    executions: BTreeSet<String>,
    over: BTreeSet<String>,
    had_health: bool,
    /// Whether traffic may go back: nothing is wrong with the replacement of any other case.
    pub(crate) may_go_back: bool,
    /// Whether the service grows, shrinks or loses single tasks, which no version is abandoned for.
    changes: bool,
    /// Whether a task set leaves its registry before it is scaled down: not one of a first deployment, beside which
    /// nothing else serves.
    leaves_first: bool,
    /// The case's window: when it closes and opens again, in minutes after midnight of the world's clock.
    closed: Option<(u64, u64)>,
    /// The case's hooks: function and point.
    hooks: BTreeSet<String>,
    /// The scalable target, as it was at first.
    scaling: Option<ScalableTarget>,
    compared: Compared,
    /// An execution has begun to roll back: scales may rise, and traffic may move once more.
    pub(crate) rolling_back: bool,
    pub(crate) broken: Option<String>,
    pub(crate) checks: u64,
}

impl Watch {
    pub(crate) fn new(case: &Case) -> Self {
        // A budget's steps come as close as it can bear, but never closer than 3 s.
        let by_default = if case.event["drain"].is_null() { 60 } else { 3 };
        let wait = case.event["scaledown_wait"].as_u64().unwrap_or(by_default);
        let mut watch = Self {
            healthy: case.healthy,
            wait_ms: wait * 1_000,
            neighbours: neighbours(&case.world),
            served: BTreeSet::new(),
            lowered: BTreeMap::new(),
            moves: BTreeMap::new(),
            towards: BTreeMap::new(),
            shift: percents(&case.event["shift"]),
            executions: BTreeSet::new(),
            over: BTreeSet::new(),
            had_health: false,
            may_go_back: matches!(case.ends, Ends::RolledBack(_)) || case.healthy == 0,
            changes: case
                .meanwhile
                .is_some_and(|meanwhile| meanwhile != Meanwhile::IsOperated),
            leaves_first: registry::the(&case.world).is_some()
                && living(&case.world).next().is_some(),
            closed: quiet::closed(&case.event),
            hooks: hooks(&case.event),
            scaling: auto_scaling::target(&case.world),
            compared: Compared::of(&case.event, &case.world),
            rolling_back: false,
            broken: None,
            checks: 0,
        };
        watch.note_served(&case.world);
        watch
    }

    /// An operator skips every hook and every check from now on.
    pub(crate) fn promoted(&mut self) {
        self.hooks.clear();
        self.compared.end();
    }

    pub(crate) fn see(&mut self, effect: &Effect<'_>) {
        let (before, after, call) = (effect.before, effect.after, effect.call);
        self.checks += 1;
        self.executions.insert(execution_of(call).to_owned());
        if self.broken.is_some() {
            return;
        }
        let mut broken = self.state(after);
        if broken.is_none() && !std::ptr::eq(before, after) {
            broken = self.write(before, after, call);
        }
        self.note_served(after);
        let Call {
            operation, caller, ..
        } = call;
        self.broken = broken.map(|what| format!("{what} (after {operation} by {caller})"));
    }

    /// Whether all is the same but the times of steps, which are at most as much later.
    pub(crate) fn goes_on_as(&self, other: &Self, late: Duration) -> bool {
        let plain = |watch: &Self| Self {
            lowered: BTreeMap::new(),
            compared: Compared::default(),
            checks: 0,
            ..watch.clone()
        };
        let later_by_up_to = |at: u64, other: u64| {
            let later = at.checked_sub(other).map(Duration::from_millis);
            later.is_some_and(|later| later <= late + ROUNDED)
        };
        let mut steps = self.lowered.iter().zip(&other.lowered);
        plain(self) == plain(other)
            && self.compared.goes_on_as(&other.compared)
            && self.lowered.len() == other.lowered.len()
            && steps.all(|((set, at), (of, other))| set == of && later_by_up_to(*at, *other))
    }

    fn state(&mut self, world: &World) -> Option<String> {
        for route in production(world) {
            let shares = route.shares();
            let asked = |(_, share): &(&str, u64)| self.shift.contains(share);
            if shares.len() != 1 && !(shares.len() == 2 && shares.iter().any(asked)) {
                return Some(format!("S2: {route} reaches {shares:?}"));
            }
            for (group, _) in shares {
                let targets = world.target_group(group).into_iter();
                let targets = targets.flat_map(|group| group.targets.values());
                let healthy = targets.filter(|target| target.phase == Phase::Healthy);
                let (healthy, wanted) = (healthy.count(), self.healthy);
                self.had_health |= healthy >= wanted;
                if self.had_health && healthy < wanted {
                    let what = format!("S1: {healthy} of {wanted} healthy targets");
                    return Some(format!("{what} behind {route}"));
                }
            }
        }
        let lacking = registry::lacking(world, self.healthy, &mut self.had_health);
        // ECS itself replaces tasks that are sick, and waits for no client.
        let stopped = registry::to_stopped(world).filter(|_| self.healthy > 0);
        if let Some(what) = lacking.or(stopped) {
            return Some(what);
        }
        if let Some(what) = auto_scaling::changed(world, self.scaling.as_ref()) {
            return Some(what);
        }
        let sets = world.task_sets_of(CLUSTER, SERVICE);
        if sets.len() > 5 {
            return Some(format!("S10: {} task sets", sets.len()));
        }
        let mut labels = BTreeSet::new();
        for set in living(world) {
            if let Some(label) = &set.external_id
                && !labels.insert(label)
            {
                return Some(format!("S3: two task sets of {label}"));
            }
        }
        None
    }

    /// S8, S9: routes keep everything but their target groups, and neighbours everything.
    fn properties(&self, before: &World, after: &World) -> Option<String> {
        if neighbours(after) != self.neighbours {
            return Some("S9: a neighbour was changed".to_owned());
        }
        for was in routes(before).filter(|route| !route.is_created()) {
            let Some(is) = by_arn(after, was.arn()) else {
                return Some(format!("S8: {was} is gone"));
            };
            let (was, is) = (was.plain(), is.plain());
            if is != was {
                return Some(format!("S8: a route was {was} and is {is}"));
            }
        }
        let mut new = routes(after).filter(|route| by_arn(before, route.arn()).is_none());
        let stranger = new.find(|route| !route.is_created());
        stranger.map(|route| format!("S17: {route} was created, and says not by whom"))
    }

    fn write(&mut self, before: &World, after: &World, call: &Call) -> Option<String> {
        self.properties(before, after)
            .or_else(|| overwritten(before, after))
            .or_else(|| tags_lost(before, after))
            .or_else(|| one_inside(before, after))
            .or_else(|| commands(before, after))
            .or_else(|| Self::owned(before, after, call))
            .or_else(|| Self::tagged(before, after))
            .or_else(|| self.asked_first(before, after))
            .or_else(|| self.out_of_hours(before, after))
            .or_else(|| self.compared(before, after))
            .or_else(|| self.moved(before, after, call))
            .or_else(|| self.taken_away(before, after))
    }

    /// S6: nothing of AWS's is written without the lock.
    fn owned(before: &World, after: &World, call: &Call) -> Option<String> {
        let services = [
            "ecs:",
            "elastic",
            "servicediscovery:",
            "application-autoscaling:",
        ];
        let mut services = services.iter();
        let ours = services.any(|service| call.operation.starts_with(service));
        if !ours || same_resources(before, after) {
            return None;
        }
        let item = lock_item(before);
        let text = |name: &str| item.and_then(|item| item.get(name)?.as_s());
        let Some(owner) = text("owner") else {
            return Some("S6: a write, and the lock has no owner".to_owned());
        };
        if text("busyBy").is_none() {
            return Some(format!("S6: {} writes outside of the lock", call.caller));
        }
        // A caller's name is its function and its execution.
        let caller = &call.caller;
        let writer = caller.split(' ').nth(1).unwrap_or_default();
        if owner.rsplit(':').next() != Some(writer) {
            return Some(format!("S6: {caller} writes under the lock of {owner}"));
        }
        let Some(execution) = before.execution(owner) else {
            return Some(format!("S6: the lock is {owner}'s, which does not exist"));
        };
        let has_ended = execution.status != ExecutionStatus::Running;
        let stopped = execution.stop_date_ms.filter(|_| has_ended)?;
        let late = after.epoch_ms().saturating_sub(stopped);
        let what = format!("S6: {owner} writes {late} ms after it has ended");
        (late > LATE_WRITES_MS).then_some(what)
    }

    /// R5: the listener is moved before the tags are.
    fn tagged(before: &World, after: &World) -> Option<String> {
        let mut tagged = after.target_groups().filter(|group| {
            let before = before.target_group(&group.arn);
            is_production(group) && !before.is_some_and(is_production)
        });
        let group = tagged.find(|group| {
            let arn = group.arn.as_str();
            !production(after).all(|route| route.live() == [arn])
        })?;
        Some(format!(
            "R5: {} is tagged before traffic goes to it",
            group.name
        ))
    }

    /// S18: what a hook decides about is done once it was called, and not at all where it has refused.
    fn asked_first(&self, before: &World, after: &World) -> Option<String> {
        if self.rolling_back {
            return None;
        }
        let was_called = |at: &str| {
            let mut calls = after.function_events("check").iter();
            calls.any(|call| call["ebbtide"]["at"] == at)
        };
        let created = living(after).any(|set| before.task_set(&set.id).is_none());
        let moved = production(after)
            .any(|route| by_arn(before, route.arn()).is_some_and(|was| was.live() != route.live()));
        let primary = |world| registry::serving(world).map(|set| set.id.clone());
        let moved = moved || primary(before) != primary(after);
        let lowered = living(before).any(|was| {
            let is = after.task_set(&was.id);
            is.is_some_and(|is| is.scale < was.scale)
        });
        for (point, happened) in [
            ("beforeCreate", created),
            ("beforeSwap", moved),
            ("beforeDrain", lowered),
        ] {
            if happened && self.hooks.contains(&format!("check at {point}")) && !was_called(point) {
                return Some(format!("S18: done before the hook at {point} was called"));
            }
        }
        let refused = self.hooks.iter().any(|hook| hook.starts_with("refuse"));
        (refused && lowered).then(|| "S18: a drain that a hook has refused".to_owned())
    }

    /// S22: with a check that has failed or has too few samples, no more traffic moves and no drain begins.
    fn compared(&mut self, before: &World, after: &World) -> Option<String> {
        if self.rolling_back {
            return None;
        }
        self.compared.forbidden(before, after)
    }

    /// S7: a deployment moves production traffic once, or once a step of its shift, and back once if it fails.
    fn moved(&mut self, before: &World, after: &World, call: &Call) -> Option<String> {
        if self.over.contains(execution_of(call)) {
            return None;
        }
        if let Some(what) = self.made_primary(before, after) {
            return Some(what);
        }
        for route in production(after) {
            let Some(was) = by_arn(before, route.arn()) else {
                continue;
            };
            let rises = |group: &str| route.share_of(group) > was.share_of(group);
            let shares = route.shares();
            let Some((group, _)) = shares.iter().find(|(group, _)| rises(group)) else {
                continue;
            };
            let arn = route.arn().to_owned();
            let moves = self.moves.entry(arn.clone()).or_default();
            *moves += 1;
            let towards = self
                .towards
                .entry(arn)
                .or_insert_with(|| (*group).to_owned());
            let goes_back = towards != group;
            if goes_back && !self.may_go_back {
                let invariant = if self.changes { "S16" } else { "S14" };
                return Some(format!(
                    "{invariant}: {route} goes back, and nothing is wrong with the replacement"
                ));
            }
            let steps = 1 + u32::try_from(self.shift.len()).unwrap_or_default();
            if *moves > steps + u32::from(self.rolling_back) {
                return Some(format!("S7: {route} was moved {moves} times"));
            }
            if goes_back && !self.rolling_back {
                return Some(format!("S7: {route} goes back in the middle of its way"));
            }
        }
        None
    }

    /// S7, S14: in a registry alone, what is `PRIMARY` changes once, and once more back if the deployment fails.
    fn made_primary(&mut self, before: &World, after: &World) -> Option<String> {
        let (was, is) = (registry::serving(before)?, registry::serving(after)?);
        if was.id == is.id {
            return None;
        }
        let moves = self.moves.entry("PRIMARY".to_owned()).or_default();
        *moves += 1;
        let moves = *moves;
        let mut first = self.towards.values();
        let goes_back = first.next().is_some_and(|towards| *towards != is.id);
        self.towards
            .entry("PRIMARY".to_owned())
            .or_insert_with(|| is.id.clone());
        if goes_back && !self.may_go_back {
            let (is, was) = (&is.id, &was.id);
            return Some(format!(
                "S14: {is} is PRIMARY again, and nothing is wrong with {was}"
            ));
        }
        let most = 1 + u32::from(self.rolling_back);
        (moves > most).then(|| format!("S7: PRIMARY was changed {moves} times"))
    }

    /// What moves traffic now is another deployment.
    pub(crate) fn forget_moves(&mut self) {
        self.moves.clear();
        self.towards.clear();
    }

    /// A new execution may move traffic again.
    pub(crate) fn begin_another(&mut self) {
        self.forget_moves();
        // It may finish a swap that was left half done, and then make its own.
        self.may_go_back = true;
        // What drains a leftover compares nothing.
        self.compared.end();
        self.over.clone_from(&self.executions);
    }

    /// S4, S5, S11, S15: what is removed from whom.
    fn taken_away(&mut self, before: &World, after: &World) -> Option<String> {
        for was in living(before) {
            let Some(is) = after.task_set(&was.id) else {
                return Some(format!("S4: {} is gone at once", was.id));
            };
            let deleted = is.status == TaskSetStatus::Draining;
            let serves = reached(before, was);
            if serves && (deleted || is.scale < was.scale) {
                return Some(format!("S4: {} serves, and goes to {} %", was.id, is.scale));
            }
            if (deleted || is.scale < was.scale)
                && self.leaves_first
                && let Some(what) = registry::still_found(before, was)
            {
                return Some(what);
            }
            if (deleted || is.scale < was.scale)
                && let Some(route) = route_to(before, was, deleted)
            {
                let (id, scale) = (&was.id, is.scale);
                return Some(format!(
                    "S15: {route} reaches {id}, which goes to {scale} %"
                ));
            }
            let tasks = before.tasks_of(&was.id);
            let mut tasks = tasks.iter();
            let runs = tasks.any(|task| task.last_status.counts_as_running());
            if deleted && runs && self.served.contains(&was.id) {
                return Some(format!(
                    "S11: {} has served, and was deleted by force",
                    was.id
                ));
            }
            // A new execution may repair what is down, and removes what no traffic reaches before it does.
            let repairs = !self.over.is_empty();
            if deleted && !repairs && self.served.contains(&was.id) && is_down(before) {
                return Some(format!("S13: {} is deleted, and nothing works", was.id));
            }
            // In a registry alone, a shift raises the scale of what takes over.
            let shifts = !self.shift.is_empty()
                && registry::alone(before).is_some()
                && !self.lowered.contains_key(&was.id);
            if is.scale > was.scale && !self.rolling_back && !shifts {
                return Some(format!("S5: {} rises to {} %", was.id, is.scale));
            }
            if is.scale < was.scale {
                let last = self.lowered.insert(was.id.clone(), after.now());
                // A second for the state machine's own clock.
                if last.is_some_and(|last| after.now() + 1_000 < last + self.wait_ms) {
                    return Some(format!("S5: {} takes two steps in one wait", was.id));
                }
            }
        }
        None
    }

    fn note_served(&mut self, world: &World) {
        for set in world.task_sets_of(CLUSTER, SERVICE) {
            if reached(world, set) || (self.leaves_first && registry::found(world, set) > 0) {
                self.served.insert(set.id.clone());
            }
        }
    }
}

/// The hooks of an input, each as function and point.
fn hooks(event: &Value) -> BTreeSet<String> {
    let hooks = event["hooks"].as_array().into_iter().flatten();
    let name = |hook: &Value| {
        let (lambda, at) = (hook["lambda"].as_str()?, hook["at"].as_str()?);
        Some(format!("{} at {at}", lambda.rsplit(':').next()?))
    };
    hooks.filter_map(name).collect()
}

/// Percents of new connections at the steps of a shift before the last.
fn percents(shift: &Value) -> Vec<u64> {
    let percent = |of: &Value| of["percent"].as_u64();
    match (shift["steps"].as_array(), percent(shift)) {
        (Some(steps), _) => steps.iter().filter_map(percent).collect(),
        (None, Some(each)) if !shift["every"].is_null() => {
            let steps = (1..100).map(|step| step * each);
            steps.take_while(|all| *all < 100).collect()
        }
        (None, one) => one.into_iter().collect(),
    }
}

/// Whether no target behind a production route is healthy.
fn is_down(world: &World) -> bool {
    if let Some(serving) = registry::serving(world) {
        return registry::found(world, serving) == 0;
    }
    production(world).any(|route| {
        let mut live = route.live().into_iter();
        !live.any(|group| {
            let group = world.target_group(group).into_iter();
            let mut targets = group.flat_map(|group| group.targets.values());
            targets.any(|target| target.phase == Phase::Healthy)
        })
    })
}

fn is_production(group: &TargetGroup) -> bool {
    let tag = group.tags.get("isProduction");
    tag.is_some_and(|value| value == "true")
}

fn living(world: &World) -> impl Iterator<Item = &TaskSet> {
    let sets = world.task_sets_of(CLUSTER, SERVICE).into_iter();
    sets.filter(|set| set.status != TaskSetStatus::Draining)
}

fn reached(world: &World, set: &TaskSet) -> bool {
    if let Some(serving) = registry::serving(world) {
        return serving.id == set.id;
    }
    production(world).any(|route| {
        let live = route.live();
        let mut groups = set
            .load_balancers
            .iter()
            .map(|attached| &attached.target_group_arn);
        groups.any(|group| live.contains(&group.as_str()))
    })
}

/// A route that sends traffic to a task set, test routes aside; but a set that is deleted has no rule for tests left.
fn route_to(world: &World, set: &TaskSet, deleted: bool) -> Option<String> {
    let counts = |route: &Route<'_>| !route.is_test() || (deleted && route.is_created());
    let found = routes(world).filter(counts).find(|route| {
        let mut attached = set.load_balancers.iter();
        let live = route.live();
        attached.any(|attached| live.contains(&attached.target_group_arn.as_str()))
    });
    found.map(|route| route.to_string())
}
