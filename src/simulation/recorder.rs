//! Counting along while a deployment runs: from the world's events, without reading the world between
//! them.

use std::collections::BTreeSet;

use ebbtide_controller::arn::short;
use ebbtide_controller::request::Request;
use ebbtide_simulator::asl::{EventKind as HistoryKind, HistoryEvent, Outcome};
use ebbtide_simulator::world::{Call, Clients, EventKind, Phase, TaskSet, World, WorldEvent};
use serde::Serialize;

use super::callers::{Known, Spread, called, undisturbed};
use super::instances::Instances;
use super::members::{Members, extra_task_hours};
use super::run::{Felt, Role, Run, Series, Visit};
use super::summary::Summary;

/// Seconds after the end of a deployment in which clients that were cut may still come back.
const LONGEST_WAY_BACK: u64 = 600;

/// Tasks that run, and targets that are healthy: without a load balancer, instances of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Counts {
    /// Running tasks of the task set that served at the start.
    pub(crate) original_tasks: usize,
    /// Its healthy targets.
    pub(crate) original_healthy: usize,
    /// Running tasks of the other ones.
    pub(crate) replacement_tasks: usize,
    /// Their healthy targets.
    pub(crate) replacement_healthy: usize,
}

#[derive(Debug)]
pub(super) struct Recorder {
    cluster: String,
    service: String,
    desired: u32,
    /// Tasks by task set, in the order in which the sets were made.
    tasks: Vec<Members>,
    /// Targets by target group.
    healthy: Vec<Members>,
    instances: Instances,
    /// How evenly callers would call the tasks without this deployment.
    undisturbed: Option<Spread>,
    states: Vec<Visit>,
    marks: Vec<(f64, String)>,
    calls: usize,
}

impl Recorder {
    pub(super) fn new(world: &World, request: &Request) -> Self {
        let (cluster, service) = (short(&request.cluster), request.service.as_str());
        let sets = world.task_sets_of(cluster, service);
        let serving = sets.first().and_then(|set| group_of(set));
        let role = |group: Option<&str>, other| {
            let is_original = group == serving;
            if is_original { Role::Original } else { other }
        };
        let tasks = sets.iter().map(|set| {
            let tasks = world.tasks_of(&set.id).into_iter();
            let running = tasks.filter(|task| task.last_status.counts_as_running());
            let running = running.map(|task| task.arn.clone()).collect();
            Members::new(role(group_of(set), Role::Leftover), &set.id, running)
        });
        let healthy = world.target_groups().map(|group| {
            let targets = group.targets.iter();
            let healthy = targets.filter(|(_, target)| target.phase == Phase::Healthy);
            let healthy = healthy.map(|(key, _)| key.clone()).collect();
            let role = role(Some(&group.arn), Role::Replacement);
            Members::new(role, &group.arn, healthy)
        });
        let tasks: Vec<_> = tasks.collect();
        let instances = Instances::new(world, &tasks);
        let found = world.service(cluster, service);
        Self {
            cluster: cluster.to_owned(),
            service: service.to_owned(),
            desired: found.map_or(0, |service| service.desired_count),
            tasks,
            healthy: healthy.collect(),
            undisturbed: undisturbed(world, &instances.before),
            instances,
            states: Vec::new(),
            marks: Vec::new(),
            calls: 0,
        }
    }

    pub(super) fn note(
        &mut self,
        events: &[WorldEvent],
        calls: &[Call],
        history: Option<&HistoryEvent>,
    ) {
        for event in events {
            self.happened(event.at_ms, &event.kind);
            self.mark(event);
        }
        self.calls += calls.len();
        if let Some(HistoryEvent { at, kind, .. }) = history
            && let HistoryKind::StateEntered { name, .. } = kind
        {
            self.enter(name, at.as_secs_f64());
        }
    }

    /// Swaps, steps and alarms; a rollback is a state.
    fn mark(&mut self, WorldEvent { at_ms, kind }: &WorldEvent) {
        let steps = || {
            let since = self.marks.iter().rev();
            let since = since.take_while(|(_, label)| !label.starts_with("swap"));
            since.filter(|(_, label)| label.starts_with("step")).count() + 1
        };
        let label = match kind {
            EventKind::PrimaryChanged { .. } => {
                let again = self.marks.iter().any(|(_, label)| label == "swap");
                if again { "swap back" } else { "swap" }.to_owned()
            }
            EventKind::ScaleSet { scale, .. } if *scale < 100.0 => format!("step {}", steps()),
            EventKind::AlarmChanged { alarm, state } => format!("{alarm} {state}"),
            _ => return,
        };
        let at = std::time::Duration::from_millis(*at_ms).as_secs_f64();
        self.marks.push((at, label));
    }

    fn enter(&mut self, name: &str, at: f64) {
        let was = self.states.last().map(|state| state.name.as_str());
        if name == "Rollback" && !matches!(was, Some("Rollback" | "WaitForOriginal")) {
            self.marks.push((at, "rollback".to_owned()));
        }
        self.leave(at);
        self.states.push(Visit {
            name: name.to_owned(),
            from: at,
            to: at,
        });
    }

    fn leave(&mut self, at: f64) {
        if let Some(last) = self.states.last_mut() {
            last.to = at;
        }
    }

    pub(super) fn counts(&self) -> Counts {
        let (original_tasks, replacement_tasks) = now(&self.tasks);
        let (original_healthy, replacement_healthy) = now(self.healthy());
        Counts {
            original_tasks,
            original_healthy,
            replacement_tasks,
            replacement_healthy,
        }
    }

    /// Healthy targets by target group; without a load balancer, healthy instances by task set.
    fn healthy(&self) -> &[Members] {
        if self.healthy.is_empty() {
            &self.instances.sets
        } else {
            &self.healthy
        }
    }

    fn happened(&mut self, at_ms: u64, kind: &EventKind) {
        self.instances.happened(at_ms, kind);
        let (all, id, member, is_in) = match kind {
            EventKind::TaskSetCreated { task_set, .. } => {
                let made = Members::new(Role::Replacement, task_set, BTreeSet::new());
                self.tasks.push(made);
                return;
            }
            EventKind::TaskStarted { task, task_set } => (&mut self.tasks, task_set, task, true),
            EventKind::SigtermSent { task, task_set }
            | EventKind::TaskCrashed { task, task_set } => (&mut self.tasks, task_set, task, false),
            EventKind::TargetHealthy {
                target_group,
                target,
            } => (&mut self.healthy, target_group, target, true),
            EventKind::TargetUnhealthy {
                target_group,
                target,
            }
            | EventKind::TargetUnused {
                target_group,
                target,
            }
            | EventKind::TargetDraining {
                target_group,
                target,
            }
            | EventKind::TargetDeregistered {
                target_group,
                target,
            } => (&mut self.healthy, target_group, target, false),
            // The others change no count.
            _ => return,
        };
        if let Some(members) = all.iter_mut().find(|members| members.id == *id) {
            members.set(at_ms, member, is_in);
        }
    }

    /// The deployment has ended, and this is a copy of its world: time goes on there until the
    /// clients are back that were cut last.
    pub(super) fn finish(
        mut self,
        outcome: &Outcome,
        (invocations, metrics): (u64, u64),
        mut world: World,
    ) -> Run {
        self.leave(outcome.elapsed.as_secs_f64());
        let states = self.states.iter().map(|state| state.name.clone()).collect();
        let (cluster, service) = (&self.cluster, &self.service);
        let summary = Summary::of(outcome, states, self.calls, &world, cluster, service);
        let ended_ms = world.now();
        until_all_are_back(&mut world);
        let seconds = usize::try_from(world.now() / 1_000).unwrap_or(usize::MAX) + 1;
        let clients = world.clients();
        let clients = clients.map(|clients| felt(clients, &self.tasks, seconds));
        let known = Known {
            before: self.undisturbed,
            after: self.instances.now(),
            during: self.instances.beside(ended_ms),
            sets: &self.tasks,
        };
        let callers = called(&mut world, &known, seconds);
        let tasks = self.tasks.iter().map(|set| set.series(&set.id, seconds));
        let healthy = self.healthy().iter();
        let healthy = healthy.map(|group| group.series(short(&group.id), seconds));
        let healthy = healthy.collect();
        Run {
            states: self.states,
            marks: self.marks,
            invocations,
            metrics,
            desired: self.desired,
            extra_task_hours: extra_task_hours(&self.tasks, self.desired, ended_ms),
            clients,
            callers,
            tasks: tasks.collect(),
            healthy,
            of_targets: !self.healthy.is_empty(),
            summary,
        }
    }
}

/// Time goes on until the clients are back that were cut last.
pub(super) fn until_all_are_back(world: &mut World) {
    let longest = world.all_clients().iter().map(|clients| {
        let clients = clients.scenario();
        // Clients that leave by themselves never are all back.
        match clients.lifetime_seconds {
            Some(_) => clients.reconnect_after_seconds + clients.reconnect_within_seconds,
            None => LONGEST_WAY_BACK,
        }
    });
    let longest = longest.max().unwrap_or_default().min(LONGEST_WAY_BACK);
    let until_ms = world.now() + longest * 1_000;
    let waits = |world: &World| world.all_clients().iter().any(|left| left.waiting() > 0);
    while world.now() < until_ms && waits(world) {
        world.advance_to(world.now() + 1_000);
    }
}

/// The ARN of the target group that a task set's tasks are registered with.
fn group_of(set: &TaskSet) -> Option<&str> {
    let attached = set.load_balancers.first()?;
    Some(&attached.target_group_arn)
}

/// How many members the originals have now, and how many the others.
fn now(all: &[Members]) -> (usize, usize) {
    let count = |original: bool| {
        let members = all.iter();
        let of_role = members.filter(|members| (members.role == Role::Original) == original);
        of_role.map(|members| members.now.len()).sum()
    };
    (count(true), count(false))
}

/// What clients felt within so many seconds; `sets` are those of the deployment.
pub(super) fn felt(clients: &Clients, sets: &[Members], seconds: usize) -> Felt {
    let none = || vec![0; seconds];
    let connections = clients.task_sets().iter().map(|id| Series {
        role: Role::of(sets, id),
        name: id.clone(),
        values: none(),
    });
    let mut connections: Vec<_> = connections.collect();
    let (mut reconnects, mut refused, mut cuts) = (none(), none(), none());
    for second in clients.seconds() {
        let Some(at) = usize::try_from(second.at_s).ok().filter(|at| *at < seconds) else {
            continue;
        };
        for (series, value) in connections.iter_mut().zip(&second.by_task_set) {
            series.values[at] = *value;
        }
        reconnects[at] = second.reconnects;
        refused[at] = second.refused;
        cuts[at] = second.cut;
    }
    for series in &mut connections {
        // Nothing is recorded of the moment of the start.
        if let [start, first, ..] = series.values.as_mut_slice() {
            *start = *first;
        }
    }
    // Task sets of earlier deployments, which hold no connection any more.
    connections.retain(|series| series.values.iter().any(|value| *value > 0));
    let replacements = sets.iter().filter(|set| set.role != Role::Original);
    let peaks = replacements.map(|set| clients.peak_of_a_task(&set.id).attempts);
    Felt {
        total: clients.total(),
        connections,
        reconnects,
        refused,
        cuts,
        peak_of_a_task: peaks.max().unwrap_or_default(),
        longest_without: clients.longest_without(),
    }
}

#[cfg(test)]
mod tests {
    use ebbtide_simulator::deployment::Installation;
    use ebbtide_simulator::scenario::RegistryScenario;
    use ebbtide_simulator::world::{ClientsScenario, InstanceHealth, Registry};
    use ebbtide_simulator::{Names, Scenario, SimulatedAws};

    use super::*;

    /// What is counted from events is what the world shows, after every state of a deployment.
    #[tokio::test(start_paused = true)]
    async fn counting_events_counts_what_the_world_has() {
        let clients = Some(ClientsScenario::default());
        counts_what_there_is(Scenario::with(|scenario| scenario.clients = clients)).await;
        let registry = Some(RegistryScenario::default());
        counts_what_there_is(Scenario::with(|scenario| scenario.registry = registry)).await;
    }

    async fn counts_what_there_is(scenario: Scenario) {
        let names = Names::default();
        let world = scenario.world_for(&names).unwrap();
        let event = names.event();
        let request = Request::parse(&event, &crate::input::home_in(&event)).unwrap();
        let mut recorder = Recorder::new(&world, &request);
        let aws = SimulatedAws::new(world, 1.0);
        let installation = Installation::new(&aws).unwrap();
        let mut compared = 0;
        let mut compare = |history: &HistoryEvent| {
            let events = aws.with_world(World::take_events);
            recorder.note(&events, &[], Some(history));
            aws.with_world(|world| {
                for set in world.task_sets_of(&names.cluster, &names.service) {
                    let tasks = world.tasks_of(&set.id);
                    let running = tasks.iter().filter(|t| t.last_status.counts_as_running());
                    let counted = recorder.tasks.iter().find(|known| known.id == set.id);
                    assert_eq!(counted.unwrap().now.len(), running.count(), "{}", set.id);
                }
                let mut instances: Vec<_> = recorder.instances.now().into_iter().collect();
                let all = world.registries().flat_map(Registry::instances);
                let healthy = all.filter(|one| one.health == InstanceHealth::Healthy);
                let mut healthy: Vec<_> = healthy.map(|one| one.id.clone()).collect();
                instances.sort();
                healthy.sort();
                assert_eq!(instances, healthy);
                for group in world.target_groups() {
                    let targets = group.targets.values();
                    let healthy = targets.filter(|target| target.phase == Phase::Healthy);
                    let counted = recorder.healthy.iter().find(|known| known.id == group.arn);
                    assert_eq!(counted.unwrap().now.len(), healthy.count(), "{}", group.arn);
                }
            });
            compared += 1;
        };
        installation.deploy("counted", event, 1, &mut compare).await;
        assert!(compared > 100, "{compared}");
    }
}
