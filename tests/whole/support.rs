//! A deployment of the public sample's service, and what came of it.

use ebbtide_controller::arn::{Arn, short};
use ebbtide_controller::request::Request;
use ebbtide_simulator::asl::{EventKind, Outcome, Status};
use ebbtide_simulator::deployment::Installation;
use ebbtide_simulator::world::{
    CreateListener, CreateTargetGroup, EventKind as WorldEventKind, ModifyListener, Scale, Tag,
    UpdateService, UpdateTaskSet, World,
};
use ebbtide_simulator::{Names, Scenario, SimulatedAws};
use serde_json::Value;

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
    /// The output of an execution that succeeded.
    pub(crate) fn output(&self) -> &Value {
        match &self.outcome.status {
            Status::Succeeded { output } => output,
            other => panic!("{other:?}"),
        }
    }

    /// The error and the cause of one that failed.
    pub(crate) fn failure(&self) -> (&str, &str) {
        match &self.outcome.status {
            Status::Failed { error, cause } => (error, cause),
            other => panic!("{other:?}"),
        }
    }

    /// How it ended, as text.
    pub(crate) fn text(&self) -> String {
        match &self.outcome.status {
            Status::Failed { error, cause } => format!("{error}: {cause}"),
            other => format!("{other:?}"),
        }
    }

    /// Task set and tasks wanted, of every `UpdateTaskSet`.
    pub(crate) fn scales(&self) -> Vec<(String, u32)> {
        let scaled = |event: &WorldEventKind| match event {
            WorldEventKind::ScaleSet {
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
        let [set] = sets[..] else {
            panic!("{sets:?}");
        };
        assert_eq!(set.status.as_str(), "PRIMARY");
        let group = &set.load_balancers[0].target_group_arn;
        assert_eq!(live(&self.world, 80), [short(group)]);
        let groups = self.world.target_groups();
        let tagged = groups.filter(|group| {
            group
                .tags
                .get("isProduction")
                .is_some_and(|tag| tag == "true")
        });
        let tagged: Vec<_> = tagged.map(|group| &group.arn).collect();
        assert_eq!(tagged, [group]);
        set.id.clone()
    }

    /// The calls that were not reads.
    pub(crate) fn writes(&self) -> Vec<String> {
        let calls = self.world.calls().map(|call| call.operation.clone());
        calls
            .filter(|operation| !operation.contains(":Describe") && !operation.contains(":List"))
            .collect()
    }
}

/// The public sample's own input.
pub(crate) fn sample() -> Value {
    serde_json::from_str(include_str!("../../events/sample.json")).unwrap()
}

/// The same with some fields that are different.
pub(crate) fn sample_with(fields: &Value) -> Value {
    let mut event = sample();
    for (name, value) in fields.as_object().unwrap() {
        event[name] = value.clone();
    }
    event
}

/// The names of its service.
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

/// A world with that service in service.
pub(crate) fn world(scenario: &Scenario) -> World {
    scenario.world_for(&names()).unwrap()
}

/// The same with nothing particular about it.
pub(crate) fn served() -> World {
    world(&Scenario::default())
}

/// The ids of the service's task sets, oldest first.
pub(crate) fn sets(world: &World) -> Vec<String> {
    let names = names();
    let sets = world.task_sets_of(&names.cluster, &names.service);
    sets.into_iter().map(|set| set.id.clone()).collect()
}

/// The ARN of the listener on a port.
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

/// Has the listener on a port forward by weights to groups whose names end so.
pub(crate) fn forward(world: &mut World, port: u16, weights: &[(&str, u16)]) {
    let arns: Vec<_> = weights
        .iter()
        .map(|(suffix, weight)| (group(world, suffix), *weight))
        .collect();
    let weights: Vec<_> = arns
        .iter()
        .map(|(arn, weight)| (arn.as_str(), *weight))
        .collect();
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

/// Tags a resource of Elastic Load Balancing.
pub(crate) fn tag(world: &mut World, arn: &str, key: &str, value: &str) {
    let tag = Tag {
        key: key.into(),
        value: value.into(),
    };
    world.add_elb_tags(&[arn.to_owned()], &[tag]).unwrap();
}

/// Takes tags from a resource of Elastic Load Balancing.
pub(crate) fn untag(world: &mut World, arn: &str, keys: &[&str]) {
    let keys: Vec<_> = keys.iter().map(|&key| key.to_owned()).collect();
    world.remove_elb_tags(&[arn.to_owned()], &keys).unwrap();
}

/// Sets the service's desired count.
pub(crate) fn desire(world: &mut World, count: u32) {
    let names = names();
    let request = UpdateService {
        cluster: Some(names.cluster),
        service: names.service,
        desired_count: Some(count),
        ..UpdateService::default()
    };
    world.update_service(&request).unwrap();
}

/// Sets the scale of a task set, in percent.
pub(crate) fn scale(world: &mut World, task_set: &str, percent: f64) {
    let names = names();
    let request = UpdateTaskSet {
        cluster: names.cluster,
        service: names.service,
        task_set: task_set.to_owned(),
        scale: Scale {
            value: Some(percent),
            unit: None,
        },
    };
    world.update_task_set(&request).unwrap();
}

/// The ARN of the group whose name ends so: `-tg-1` serves at first, `-tg-2` is the other.
pub(crate) fn group(world: &World, suffix: &str) -> String {
    let mut groups = world.target_groups();
    groups
        .find(|group| group.name.ends_with(suffix))
        .unwrap()
        .arn
        .clone()
}

/// Runs a deployment.
pub(crate) async fn deploy(world: World, name: &str, event: &Value) -> Ended {
    deploy_among(world, name, event, |_, _, _| {}).await
}

/// Runs a deployment while `people` may change the world: whenever a state is entered, with its
/// name and how often it was entered before.
pub(crate) async fn deploy_among(
    mut world: World,
    name: &str,
    event: &Value,
    mut people: impl FnMut(&str, usize, &mut World),
) -> Ended {
    world.begin();
    let aws = SimulatedAws::new(world, 1.0);
    let installation = Installation::new(&aws).unwrap();
    let (mut states, mut reasons, mut events) = (Vec::<String>::new(), Vec::new(), Vec::new());
    let outcome = installation
        .deploy(name, event.clone(), 1, &mut |event| {
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
        })
        .await;
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
