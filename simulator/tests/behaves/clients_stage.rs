//! A service with clients, and a deployment of it by hand, straight in the world.

use ebbtide_simulator::world::{
    Clients, DeleteTaskSet, ModifyListener, Scale, StopTask, Task, UpdateTaskSet, World,
};
use ebbtide_simulator::{Names, Scenario};
use serde_json::{Value, json};

pub(crate) const PRODUCTION: usize = 0;
pub(crate) const ALTERNATE: usize = 1;

/// The world, and the names in it.
pub(crate) struct Service {
    pub(crate) world: World,
    pub(crate) names: Names,
    pub(crate) original: String,
    /// Production, alternate.
    pub(crate) groups: [String; 2],
    pub(crate) listener: String,
}

/// A scenario without chance, unless it says otherwise.
pub(crate) fn even(mut scenario: Value) -> Value {
    if scenario.get("timings").is_none() {
        scenario["timings"] = json!({ "jitterPercent": 0 });
    }
    scenario
}

pub(crate) fn service(scenario: Value) -> Service {
    let scenario: Scenario = serde_json::from_value(scenario).expect("a scenario");
    let names = Names::default();
    let world = scenario.world_for(&names).expect("a world");
    let original = world.task_sets_of(&names.cluster, &names.service)[0]
        .id
        .clone();
    let mut groups: Vec<_> = world.target_groups().collect();
    groups.sort_by_key(|group| &group.name);
    let groups = [groups[0].arn.clone(), groups[1].arn.clone()];
    let listener = world
        .listeners()
        .find(|listener| listener.forwards_to(&groups[PRODUCTION]))
        .expect("a production listener")
        .arn
        .clone();
    Service {
        world,
        names,
        original,
        groups,
        listener,
    }
}

impl Service {
    pub(crate) fn clients(&self) -> &Clients {
        self.world.clients().expect("clients")
    }

    /// Time passes.
    pub(crate) fn wait(&mut self, seconds: u64) {
        self.world.advance_to(self.world.now() + seconds * 1_000);
    }

    pub(crate) fn scale(&mut self, task_set: &str, percent: f64) {
        let request = UpdateTaskSet {
            cluster: self.names.cluster.clone(),
            service: self.names.service.clone(),
            task_set: task_set.to_owned(),
            scale: Scale {
                value: Some(percent),
                unit: None,
            },
        };
        self.world.update_task_set(&request).expect("scaled");
    }

    pub(crate) fn delete(&mut self, task_set: &str) {
        let request: DeleteTaskSet = serde_json::from_value(json!({
            "cluster": self.names.cluster,
            "service": self.names.service,
            "taskSet": task_set,
            "force": true,
        }))
        .expect("a request");
        self.world.delete_task_set(&request).expect("deleted");
    }

    /// Creates the replacement in the alternate group, and waits until it is healthy.
    pub(crate) fn replacement(&mut self) -> String {
        let id = self.create_replacement();
        self.wait(600);
        assert!(self.world.task_set(&id).expect("it").steady);
        id
    }

    /// Creates the replacement in the alternate group.
    pub(crate) fn create_replacement(&mut self) -> String {
        let request = self.names.task_set(&self.groups[ALTERNATE]);
        self.world.create_task_set(&request).expect("a task set")
    }

    /// Has the production listener forward by these weights.
    pub(crate) fn forward(&mut self, weights: &[(usize, u16)]) {
        let weights = weights.iter();
        let weights: Vec<_> = weights
            .map(|(group, weight)| (self.groups[*group].as_str(), *weight))
            .collect();
        let request = ModifyListener::forwarding(&self.listener, &weights);
        self.world.modify_listener(&request).expect("modified");
    }

    pub(crate) fn set_attribute(&mut self, group: usize, key: &str, value: &str) {
        let attributes = [(key.to_owned(), value.to_owned())];
        self.world
            .modify_target_group_attributes(&self.groups[group], &attributes)
            .expect("set");
    }

    /// The first task of a task set that still runs is stopped by hand.
    pub(crate) fn stop_a_task(&mut self, task_set: &str) -> String {
        let tasks = self.world.tasks_of(task_set);
        let task: &Task = tasks.first().expect("a task");
        let arn = task.arn.clone();
        let request = StopTask {
            cluster: Some(self.names.cluster.clone()),
            task: arn.clone(),
            reason: None,
        };
        self.world.stop_task(&request).expect("stopped");
        arn
    }

    /// Who is connected and who is not are all there are.
    pub(crate) fn check_that_nobody_is_lost(&self) {
        let clients = self.clients();
        assert_eq!(clients.connected() + clients.waiting(), clients.total());
        let by_task_set: u64 = clients
            .task_sets()
            .iter()
            .map(|task_set| clients.connected_to(task_set))
            .sum();
        assert_eq!(by_task_set, clients.connected());
    }
}
