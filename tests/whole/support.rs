//! A deployment of the public sample's service, and its result.

use std::collections::BTreeMap;

use ebbtide_controller::arn::{Arn, short};
use ebbtide_controller::request::Request;
use ebbtide_permissions::judged;
use ebbtide_simulator::asl::{EventKind, HistoryEvent, Outcome, Status};
use ebbtide_simulator::deployment::Installation;
use ebbtide_simulator::fault::Fault;
use ebbtide_simulator::world::{
    Action, CreateListener, CreateTargetGroup, EventKind as WorldEventKind, ModifyListener, Tag,
    World,
};
use ebbtide_simulator::{Names, Scenario, SimulatedAws};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A deployment that ended: how, which states, what the functions said, what happened, and the
/// world after it.
pub(crate) struct Ended {
    pub(crate) outcome: Outcome,
    pub(crate) states: Vec<String>,
    pub(crate) reasons: Vec<String>,
    pub(crate) events: Vec<WorldEventKind>,
    pub(crate) world: World,
}

impl Ended {
    pub(crate) fn output(&self) -> &Value {
        match &self.outcome.status {
            Status::Succeeded { output } => output,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn failure(&self) -> (&str, &str) {
        match &self.outcome.status {
            Status::Failed { error, cause } => (error, cause),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn text(&self) -> String {
        match &self.outcome.status {
            Status::Failed { error, cause } => format!("{error}: {cause}"),
            other => format!("{other:?}"),
        }
    }

    /// Task set and tasks wanted, of every `UpdateTaskSet`.
    pub(crate) fn scales(&self) -> Vec<(String, u32)> {
        use WorldEventKind::ScaleSet;
        let scaled = |event: &WorldEventKind| match event {
            ScaleSet {
                task_set, wanted, ..
            } => Some((task_set.clone(), *wanted)),
            _ => None,
        };
        self.events.iter().filter_map(scaled).collect()
    }

    /// Task sets that were deleted, and whether by force.
    pub(crate) fn deleted(&self) -> Vec<(String, bool)> {
        let deletions = self.events.iter().filter_map(|event| match event {
            WorldEventKind::TaskSetDraining { task_set, force } => Some((task_set.clone(), *force)),
            _ => None,
        });
        deletions.collect()
    }

    /// Asserts that one task set is left, the primary, and that the production listener and the tags
    /// lead to it; its id.
    #[track_caller]
    pub(crate) fn assert_deployed(&self) -> String {
        assert_eq!(self.output()["status"], "deployed", "{}", self.text());
        let names = names();
        let sets = self.world.task_sets_of(&names.cluster, &names.service);
        assert_eq!(sets.len(), 1, "{sets:?}");
        let set = sets[0];
        assert_eq!(set.status.as_str(), "PRIMARY");
        let group = &set.load_balancers[0].target_group_arn;
        assert_eq!(live(&self.world, 80), [short(group)]);
        let groups = self.world.target_groups();
        let tag = |tags: &BTreeMap<String, String>| tags.get("isProduction").cloned();
        let tagged = groups.filter(|group| tag(&group.tags).as_deref() == Some("true"));
        let tagged: Vec<_> = tagged.map(|group| &group.arn).collect();
        assert_eq!(tagged, [group]);
        set.id.clone()
    }

    pub(crate) fn writes(&self) -> Vec<String> {
        let reads = |operation: &String| {
            [":Describe", ":List"]
                .iter()
                .any(|read| operation.contains(read))
        };
        let calls = self.world.calls().map(|call| call.operation.clone());
        calls.filter(|operation| !reads(operation)).collect()
    }
}

pub(crate) fn sample() -> Value {
    serde_json::from_str(include_str!("../../events/sample.json")).unwrap()
}

pub(crate) fn sample_with(fields: &Value) -> Value {
    let mut event = sample();
    let fields = fields.as_object().unwrap().clone();
    event.as_object_mut().unwrap().extend(fields);
    event
}

/// A world with something about it that no call can change: saved, changed, and loaded again.
pub(crate) fn edited(world: &World, edit: impl FnOnce(&mut Value)) -> World {
    let mut saved = serde_json::to_value(world).unwrap();
    edit(&mut saved);
    serde_json::from_value(saved).unwrap()
}

pub(crate) fn names() -> Names {
    let event = sample();
    let arn = event["taskDefinition"].as_str().unwrap();
    let home = Arn::parse(arn).unwrap().home();
    let request = Request::parse(&event, &home).unwrap();
    Names {
        account: home.account,
        region: home.region,
        cluster: request.cluster,
        service: request.service,
        load_balancer_arn: request.load_balancer.map(|arn| arn.to_string()),
        task_definition: short(arn).to_owned(),
        ..Names::default()
    }
}

pub(crate) fn world(scenario: &Scenario) -> World {
    scenario.world_for(&names()).unwrap()
}

pub(crate) fn served() -> World {
    world(&Scenario::default())
}

pub(crate) fn sets(world: &World) -> Vec<String> {
    let names = names();
    let sets = world.task_sets_of(&names.cluster, &names.service);
    sets.into_iter().map(|set| set.id.clone()).collect()
}

pub(crate) fn listener(world: &World, port: u16) -> String {
    let mut listeners = world.listeners();
    let listener = listeners.find(|listener| listener.port == port);
    listener.unwrap().arn.clone()
}

/// The target groups that the listener on a port sends new connections to.
pub(crate) fn live(world: &World, port: u16) -> Vec<String> {
    let listener = world.listener(&listener(world, port)).unwrap();
    let groups = listener.live_target_groups().into_iter();
    groups.map(|arn| short(arn).to_owned()).collect()
}

/// Percent of new connections that the listener on a port sends to a group.
pub(crate) fn share_of(world: &World, port: u16, group: &str) -> u16 {
    let listener = world.listener(&listener(world, port)).unwrap();
    let [Action::Forward(forward)] = &listener.default_actions[..] else {
        panic!("{:?}", listener.default_actions);
    };
    let its = forward.groups.iter().filter(|one| one.arn == group);
    its.map(|one| one.weight).sum()
}

/// Has the listener on a port forward by weights to groups whose names end so.
pub(crate) fn forward(world: &mut World, port: u16, weights: &[(&str, u16)]) {
    let arns = weights.iter();
    let arns = arns.map(|(suffix, weight)| (group(world, suffix), *weight));
    let arns: Vec<_> = arns.collect();
    let weights = arns.iter().map(|(arn, weight)| (arn.as_str(), *weight));
    let weights: Vec<_> = weights.collect();
    let request = ModifyListener::forwarding(&listener(world, port), &weights);
    world.modify_listener(&request).unwrap();
}

/// One more listener on the load balancer, to a group.
pub(crate) fn add_listener(world: &mut World, port: u16, group: &str) {
    let load_balancer = world.load_balancers().next().unwrap().arn.clone();
    let request = CreateListener::forwarding(&load_balancer, "TCP", port, group);
    world.create_listener(&request).unwrap();
}

/// One more target group, in no listener yet.
pub(crate) fn add_group(world: &mut World, name: &str) -> String {
    let request = CreateTargetGroup {
        port: Some(8080),
        protocol: Some("TCP".into()),
        ..CreateTargetGroup::ip(name)
    };
    world.create_target_group(&request).unwrap()
}

pub(crate) fn tag(world: &mut World, arn: &str, key: &str, value: &str) {
    let tag = Tag {
        key: key.into(),
        value: value.into(),
    };
    world.add_elb_tags(&[arn.to_owned()], &[tag]).unwrap();
}

pub(crate) fn untag(world: &mut World, arn: &str, keys: &[&str]) {
    let keys: Vec<_> = keys.iter().map(|&key| key.to_owned()).collect();
    world.remove_elb_tags(&[arn.to_owned()], &keys).unwrap();
}

/// A request with these fields, of the service.
pub(crate) fn of_the_service<T: DeserializeOwned>(mut request: Value) -> T {
    let names = names();
    request["cluster"] = json!(names.cluster);
    request["service"] = json!(names.service);
    serde_json::from_value(request).unwrap()
}

pub(crate) fn desire(world: &mut World, count: u32) {
    let request = of_the_service(json!({"desiredCount": count}));
    world.update_service(&request).unwrap();
}

pub(crate) fn scale(world: &mut World, task_set: &str, percent: f64) {
    let request = of_the_service(json!({"taskSet": task_set, "scale": {"value": percent}}));
    world.update_task_set(&request).unwrap();
}

/// The ARN of the group whose name ends so: `-tg-1` serves at first, `-tg-2` is the other.
pub(crate) fn group(world: &World, suffix: &str) -> String {
    let mut groups = world.target_groups();
    let group = groups.find(|group| group.name.ends_with(suffix));
    group.unwrap().arn.clone()
}

/// The simulated AWS from a world on, and Ebbtide installed in it.
pub(crate) fn installed(mut world: World) -> (SimulatedAws, Installation) {
    world.begin();
    let aws = judged(SimulatedAws::new(world, 1.0));
    let installation = Installation::new(&aws).unwrap();
    (aws, installation)
}

pub(crate) async fn deploy(world: World, name: &str, event: &Value) -> Ended {
    deploy_among(world, name, event, |_, _, _| {}).await
}

/// Runs a deployment while `people` may change the world: whenever a state is entered, with its
/// name and how often it was entered before.
pub(crate) async fn deploy_among(
    world: World,
    name: &str,
    event: &Value,
    mut people: impl FnMut(&str, usize, &mut World),
) -> Ended {
    let (aws, installation) = installed(world);
    let (mut states, mut reasons, mut events) = (Vec::<String>::new(), Vec::new(), Vec::new());
    let mut on_event = |event: &HistoryEvent| {
        let happened = aws.with_world(World::take_events);
        events.extend(happened.into_iter().map(|event| event.kind));
        match &event.kind {
            EventKind::StateEntered { name, .. } => {
                let before = states.iter().filter(|state| *state == name).count();
                states.push(name.clone());
                aws.with_world(|world| people(name, before, world));
            }
            EventKind::TaskSucceeded { output, .. } => {
                let reason = output["Payload"]["reason"]["text"].as_str();
                reasons.push(reason.unwrap_or_default().to_owned());
            }
            _ => {}
        }
    };
    let deployment = installation.deploy(name, event.clone(), 1, &mut on_event);
    let outcome = deployment.await;
    let happened = aws.with_world(World::take_events);
    events.extend(happened.into_iter().map(|event| event.kind));
    Ended {
        outcome,
        states,
        reasons,
        events,
        world: aws.snapshot(),
    }
}

/// The end of a deployment in which the first calls of an operation are denied, a number of times.
pub(crate) async fn deploy_denied(
    world: &World,
    event: &Value,
    operation: &str,
    times: usize,
) -> (Status, World) {
    // A call that is denied comes again, and moves those after it.
    let mut denied: Vec<u64> = Vec::new();
    loop {
        let (aws, installation) = installed(world.clone());
        aws.plan_faults(denied.iter().map(|call| (*call, Fault::AccessDenied)));
        let mut quiet = |_: &HistoryEvent| {};
        let deployment = installation.deploy("run-1", event.clone(), 1, &mut quiet);
        let status = deployment.await.status;
        let after = aws.snapshot();
        if denied.len() == times {
            return (status, after);
        }
        // A call that is denied has a number, and is not among those that AWS has carried out.
        let numbers = (1..).filter(|number| !denied.contains(number));
        let mut calls = numbers.zip(after.calls());
        let next = calls.find(|(_, call)| call.operation == operation);
        let (number, _) = next.expect(operation);
        denied.push(number);
    }
}
