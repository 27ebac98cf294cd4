//! A wrong decision in the place of ours, while a person changes the service.

use ebbtide_controller::phase::Phase;
use ebbtide_controller::refusal::{ErrorName, Refusal};
use ebbtide_controller::turn::{self, Turn};
use ebbtide_controller::world::Forward;
use ebbtide_simulator::asl::HistoryEvent;
use ebbtide_simulator::world::{AlarmState, AlarmType, World};
use serde_json::json;

use crate::people::points_the_listener_at_the_first_group;
use crate::run::{Stage, rescale};
use crate::scenarios::{self, Case, group, tag};

/// What a run with this decision breaks where a person does something when a state is entered for the first time.
async fn broken_beside(
    case: &Case,
    next: Turn,
    entered: &str,
    person: fn(&mut World),
) -> Option<String> {
    let stage = Stage::new(&case.deciding_by(next));
    let (mut waits, mut met) = (0, false);
    let mut on_event = |event: &HistoryEvent| {
        stage.note(event, &mut waits);
        if event.enters(entered) && !met {
            met = true;
            stage.aws.with_world(person);
        }
    };
    let input = case.event.clone();
    let deployment = stage.installation.deploy("run-1", input, 7, &mut on_event);
    let _ = deployment.await;
    stage.broken()
}

/// Asserts that a decision breaks the invariant where a person does something when a state is entered, and
/// the shipped one nothing.
async fn assert_caught_beside(
    invariant: &str,
    case: &Case,
    next: Turn,
    entered: &str,
    person: fn(&mut World),
) {
    let what = broken_beside(case, next, entered, person).await;
    let what = what.expect("something is reported");
    assert!(what.starts_with(invariant), "{entered}: {what}");
    let shipped = broken_beside(case, turn::next, entered, person).await;
    assert_eq!(shipped, None, "{entered}");
    println!("caught: {what}");
}

#[tokio::test(start_paused = true)]
async fn a_drain_without_its_guard_is_caught() {
    let next: Turn = |phase, seen, plan, progress| {
        let mut seen = seen.clone();
        if phase == Phase::ScaleDown && plan.goes_forward() {
            for route in &mut seen.routes {
                route.forward = Forward::to(&plan.replacement_target_group);
            }
        }
        turn::next(phase, &seen, plan, progress)
    };
    let case = Case {
        healthy: 0,
        ..scenarios::two_tasks()
    };
    let person = points_the_listener_at_the_first_group;
    assert_caught_beside("S4", &case, next, "Wait", person).await;
}

/// Health is judged by what is wanted now.
#[tokio::test(start_paused = true)]
async fn a_healthy_version_that_is_given_up_for_growth_is_caught() {
    let next: Turn = |phase, seen, plan, progress| {
        let incoming = plan.incoming_in(seen).filter(|_| plan.goes_forward());
        let lacks = incoming.is_some_and(|set| set.running_count < seen.service.desired_count);
        if phase == Phase::ScaleDown && lacks {
            let (error, missing) = (ErrorName::ReplacementFailed, "Tasks are missing.");
            return Err(Refusal::new(error, missing, "Wait."));
        }
        turn::next(phase, seen, plan, progress)
    };
    let case = scenarios::named("a service that triples");
    let person = |world: &mut World| rescale(world, 6);
    assert_caught_beside("S16", &case, next, "ScaleDown", person).await;
}

fn rule_to_the_first_group(world: &mut World) {
    let balancer = world.load_balancers().next().unwrap().arn.clone();
    let listener = production_listener(world);
    let first = group(world, "-tg-1");
    world.set_ip_address_type(&balancer, "dualstack").unwrap();
    let rule = scenarios::rule(&listener, "ipv6", &first);
    world.create_rule(&rule).unwrap();
}

fn production_listener(world: &World) -> String {
    let mut listeners = world.listeners();
    let listener = listeners.find(|listener| listener.port == 80);
    listener.unwrap().arn.clone()
}

/// As if Network Load Balancers had no rules.
#[tokio::test(start_paused = true)]
async fn a_drain_of_what_a_rule_reaches_is_caught() {
    let next: Turn = |phase, seen, plan, progress| {
        let mut seen = seen.clone();
        seen.routes.retain(|route| route.rule.is_none());
        turn::next(phase, &seen, plan, progress)
    };
    let case = scenarios::two_tasks();
    for state in ["Wait", "Cleanup"] {
        let person = rule_to_the_first_group;
        assert_caught_beside("S15", &case, next, state, person).await;
    }
}

/// As if a role that is not understood were not there; a person writes one.
#[tokio::test(start_paused = true)]
async fn a_role_that_is_guessed_over_a_persons_word_is_caught() {
    let next: Turn = |phase, seen, plan, progress| {
        let mut seen = seen.clone();
        for route in &mut seen.routes {
            let understood = |role: &String| ["production", "test"].contains(&role.as_str());
            route.role = route.role.take().filter(understood);
        }
        turn::next(phase, &seen, plan, progress)
    };
    let person = |world: &mut World| {
        let (arn, role) = (
            production_listener(world),
            tag("ebbtide:role", "Production"),
        );
        world.add_elb_tags(&[arn], &[role]).unwrap();
    };
    let case = scenarios::two_tasks();
    assert_caught_beside("S17", &case, next, "CheckAndCreateService", person).await;
}

/// As if an alarm that was deleted rang.
#[tokio::test(start_paused = true)]
async fn a_healthy_version_that_is_given_up_for_a_deleted_alarm_is_caught() {
    let next: Turn = |phase, seen, plan, progress| {
        let drains = phase == Phase::ScaleDown && plan.goes_forward();
        if drains && seen.alarms.len() < plan.request.alarms.len() {
            let error = ErrorName::AlarmRaised;
            return Err(Refusal::new(error, "It is gone.", "Look."));
        }
        turn::next(phase, seen, plan, progress)
    };
    let mut case = scenarios::two_tasks();
    case.event["alarms"] = json!(["errors"]);
    let metric = AlarmType::MetricAlarm;
    case.world
        .put_alarm("errors", metric, AlarmState::Ok)
        .unwrap();
    let person = |world: &mut World| world.delete_alarm("errors");
    assert_caught_beside("S14", &case, next, "Wait", person).await;
}
