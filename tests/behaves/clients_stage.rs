//! A service with clients, and a deployment of it by hand, straight in the world.

use ebbtide_simulator::world::{Clients, ModifyListener, StopTask, World};
use ebbtide_simulator::{Names, Scenario};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub(crate) const PRODUCTION: usize = 0;
pub(crate) const ALTERNATE: usize = 1;

/// The world, and the names in it.
pub(crate) struct Service {
    pub(crate) world: World,
    pub(crate) names: Names,
    pub(crate) original: String,
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
    let sets = world.task_sets_of(&names.cluster, &names.service);
    let original = sets[0].id.clone();
    let mut groups: Vec<_> = world.target_groups().collect();
    groups.sort_by_key(|group| &group.name);
    let groups = [groups[0].arn.clone(), groups[1].arn.clone()];
    let mut listeners = world.listeners();
    let listener = listeners.find(|listener| listener.forwards_to(&groups[PRODUCTION]));
    let listener = listener.expect("a production listener").arn.clone();
    drop(listeners);
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

    pub(crate) fn connected_to(&self, task_set: &str) -> u64 {
        self.clients().connected_to(task_set)
    }

    pub(crate) fn wait(&mut self, seconds: u64) {
        self.world.advance_to(self.world.now() + seconds * 1_000);
    }

    fn request<T: DeserializeOwned>(&self, mut request: Value) -> T {
        request["cluster"] = json!(self.names.cluster);
        request["service"] = json!(self.names.service);
        serde_json::from_value(request).expect("a request")
    }

    pub(crate) fn scale(&mut self, task_set: &str, percent: f64) {
        let request = self.request(json!({ "taskSet": task_set, "scale": { "value": percent } }));
        self.world.update_task_set(&request).expect("scaled");
    }

    pub(crate) fn delete(&mut self, task_set: &str) {
        let request = self.request(json!({ "taskSet": task_set, "force": true }));
        self.world.delete_task_set(&request).expect("deleted");
    }

    /// Creates the replacement in the alternate group, and waits until it is healthy.
    pub(crate) fn replacement(&mut self) -> String {
        let id = self.create_replacement();
        self.wait(600);
        assert!(self.world.task_set(&id).expect("it").steady);
        id
    }

    pub(crate) fn create_replacement(&mut self) -> String {
        let request = self.names.task_set(&self.groups[ALTERNATE]);
        self.world.create_task_set(&request).expect("a task set")
    }

    pub(crate) fn forward(&mut self, weights: &[(usize, u16)]) {
        let weights = weights.iter();
        let weights = weights.map(|(group, weight)| (self.groups[*group].as_str(), *weight));
        let weights: Vec<_> = weights.collect();
        let request = ModifyListener::forwarding(&self.listener, &weights);
        self.world.modify_listener(&request).expect("modified");
    }

    pub(crate) fn set_attribute(&mut self, group: usize, key: &str, value: &str) {
        let attributes = [(key.to_owned(), value.to_owned())];
        let group = &self.groups[group];
        let world = &mut self.world;
        let modified = world.modify_target_group_attributes(group, &attributes);
        modified.expect("set");
    }

    /// The first task of a task set that still runs is stopped by hand.
    pub(crate) fn stop_a_task(&mut self, task_set: &str) -> String {
        let tasks = self.world.tasks_of(task_set);
        let arn = tasks.first().expect("a task").arn.clone();
        let request = StopTask {
            cluster: Some(self.names.cluster.clone()),
            task: arn.clone(),
            reason: None,
        };
        self.world.stop_task(&request).expect("stopped");
        arn
    }

    /// Who is connected and who is not are all there are.
    pub(crate) fn check_that_no_client_is_lost(&self) {
        let clients = self.clients();
        assert_eq!(clients.connected() + clients.waiting(), clients.total());
        let sets = clients.task_sets().iter();
        let by_task_set: u64 = sets.map(|task_set| clients.connected_to(task_set)).sum();
        assert_eq!(by_task_set, clients.connected());
    }
}
