//! A deployment of the public sample's service, and what came of it.

use ebbtide_controller::arn::{Arn, short};
use ebbtide_controller::request::Request;
use ebbtide_simulator::asl::{EventKind, Outcome, Status};
use ebbtide_simulator::deployment::Installation;
use ebbtide_simulator::world::{EventKind as WorldEventKind, World};
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
        load_balancer_arn: request.load_balancer,
        task_definition: short(arn).to_owned(),
        ..Names::default()
    }
}

/// A world with that service in service.
pub(crate) fn world(scenario: &Scenario) -> World {
    scenario.world_for(&names()).unwrap()
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
