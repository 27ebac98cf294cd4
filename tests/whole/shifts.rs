//! Traffic that moves in steps: to the end, and back from the middle.

use std::time::Duration;

use ebbtide_simulator::asl::{EventKind, HistoryEvent, Status};
use ebbtide_simulator::deployment::Installation;
use ebbtide_simulator::scenario::ClientsScenario;
use ebbtide_simulator::world::{AlarmState, AlarmType, EventKind as Happened, Kind, World};
use ebbtide_simulator::{Names, Scenario, SimulatedAws};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::{
    deploy, deploy_among, group, installed, live, names, sample_with, served, sets, share_of, world,
};

/// The shares of new connections that the production listener has given the replacement, as the functions have said
/// them, and those of the states in which they said nothing of it.
fn told(reasons: &[Value]) -> Vec<u64> {
    let shifts = reasons
        .iter()
        .filter_map(|reason| reason["shift"]["percent"].as_u64());
    let mut shares: Vec<_> = shifts.collect();
    shares.dedup();
    shares
}

/// What each turn of an execution has answered with.
pub(crate) fn reasons(history: &[HistoryEvent]) -> Vec<Value> {
    let answers = history.iter().filter_map(|event| match &event.kind {
        EventKind::TaskSucceeded { output, .. } => Some(output["Payload"]["reason"].clone()),
        _ => None,
    });
    answers.collect()
}

/// Writes to the production listener.
fn moves(events: &[Happened]) -> usize {
    let moved = events
        .iter()
        .filter(|event| matches!(event, Happened::ListenerChanged { port, .. } if *port == 80));
    moved.count()
}

#[tokio::test(start_paused = true)]
async fn a_linear_shift_moves_the_same_share_each_time() {
    let event = sample_with(&json!({"shift": {"percent": 30, "every": 120}}));
    let (aws, installation) = installed(served());
    let outcome = installation.deploy("run-1", event, 1, &mut |_| {}).await;
    assert!(outcome.status.is_success(), "{:?}", outcome.status);
    let reasons = reasons(&installation.history("run-1"));
    assert_eq!(told(&reasons), [30, 60, 90]);
    let first = reasons
        .iter()
        .find(|reason| reason["shift"].is_object())
        .unwrap();
    let shift = &first["shift"];
    assert_eq!(
        *shift,
        json!({"percent": 30, "step": 1, "of": 4, "nextPercent": 60, "next": 210})
    );
    let world = aws.snapshot();
    assert_eq!(live(&world, 80), ["sample-external-deployment-tg-2"]);
}

#[tokio::test(start_paused = true)]
async fn a_canary_takes_one_write_more_than_a_swap() {
    let whole = deploy(served(), "run-1", &sample_with(&json!({}))).await;
    let event = sample_with(&json!({"shift": {"percent": 5, "for": 300}}));
    let canary = deploy(served(), "run-1", &event).await;
    canary.assert_deployed();
    assert_eq!(moves(&canary.events), moves(&whole.events) + 1);
    assert_eq!(canary.scales(), whole.scales());
}

#[tokio::test(start_paused = true)]
async fn steps_of_a_list_come_one_after_the_other() {
    let steps =
        json!([{"percent": 1, "for": 60}, {"percent": 50, "for": 60}, {"percent": 99, "for": 60}]);
    let event = sample_with(&json!({"shift": {"steps": steps}}));
    let mut seen = Vec::new();
    let ended = deploy_among(served(), "run-1", &event, |state, _, world| {
        if state == "Bake" {
            let replacement = group(world, "-tg-2");
            seen.push(share_of(world, 80, &replacement));
        }
    })
    .await;
    ended.assert_deployed();
    seen.dedup();
    assert_eq!(seen, [1, 50, 99, 100]);
}

/// Until all traffic has moved, the original runs all of its tasks.
#[tokio::test(start_paused = true)]
async fn an_alarm_in_mid_shift_brings_traffic_back_at_once_and_drains_what_it_had() {
    let event = sample_with(&json!({"shift": {"percent": 25, "every": 600}, "alarms": ["errors"]}));
    let mut world = served();
    world
        .put_alarm("errors", AlarmType::MetricAlarm, AlarmState::Ok)
        .unwrap();
    let first = sets(&world)[0].clone();
    let ended = deploy_among(world, "run-1", &event, |state, before, world| {
        if state == "Bake" && before == 12 {
            world.change_alarm_in(0, "errors", AlarmState::Alarm);
        }
    })
    .await;
    let (error, cause) = ended.failure();
    assert_eq!(error, "AlarmRaised");
    assert!(
        cause.starts_with("At 50 % of new connections (step 2 of 4 of the shift): "),
        "{cause}"
    );
    assert_eq!(sets(&ended.world).concat(), first);
    assert_eq!(live(&ended.world, 80), ["sample-external-deployment-tg-1"]);
    // It has served: step by step, and not by force.
    let scales = ended.scales();
    assert!(
        scales.len() > 1 && scales.iter().all(|(set, _)| *set != first),
        "{scales:?}"
    );
    assert!(
        ended.deleted().iter().all(|(_, force)| !force),
        "{:?}",
        ended.deleted()
    );
    assert_eq!(moves(&ended.events), 1 + 2 + 1);
}

async fn left_in_mid_shift(scenario: &Scenario) -> (SimulatedAws, Installation) {
    let event = sample_with(&json!({"shift": {"percent": 40, "every": 300}}));
    let (aws, installation) = installed(world(scenario));
    let (stop, mut bakes) = (Notify::new(), 0);
    let mut on_event = |event: &HistoryEvent| {
        bakes += u32::from(event.enters("Bake"));
        if bakes == 8 {
            stop.notify_one();
        }
    };
    let until = stop.notified();
    let stopped = installation.deploy_until("run-1", event, 1, &mut on_event, until);
    assert_eq!(stopped.await, None);
    let replacement = group(&aws.snapshot(), "-tg-2");
    assert_eq!(share_of(&aws.snapshot(), 80, &replacement), 80);
    (aws, installation)
}

#[tokio::test(start_paused = true)]
async fn a_shift_that_is_left_goes_back_and_what_it_has_tried_drains_gently() {
    let (aws, installation) = left_in_mid_shift(&Scenario::default()).await;
    let [first, tried] = &sets(&aws.snapshot())[..] else {
        panic!("{:?}", sets(&aws.snapshot()));
    };
    let event = sample_with(&json!({}));
    let outcome = installation.deploy("run-2", event, 1, &mut |_| {}).await;
    assert!(outcome.status.is_success(), "{:?}", outcome.status);
    let Status::Succeeded { output } = &outcome.status else {
        panic!("{:?}", outcome.status)
    };
    // It went back: the one that was tried is drained as a leftover, and the first one is the original.
    assert_eq!(output["previousTaskSet"], json!(first));
    let happened = aws.with_world(World::take_events);
    let gone = happened.iter().filter_map(|event| match &event.kind {
        Happened::TaskSetDraining { task_set, force } => Some((task_set.clone(), *force)),
        _ => None,
    });
    let gone: Vec<_> = gone.collect();
    assert_eq!(gone, [(tried.clone(), false), (first.clone(), false)]);
}

#[tokio::test(start_paused = true)]
async fn a_redriven_shift_goes_on_where_it_was() {
    let (aws, installation) = left_in_mid_shift(&Scenario::default()).await;
    let redriven = installation.redrive("run-1", 2, &mut |_| {}).await.unwrap();
    assert!(redriven.status.is_success(), "{:?}", redriven.status);
    let told = told(&reasons(&installation.history("run-1")));
    assert_eq!(told, [40, 80]);
    assert_eq!(
        live(&aws.snapshot(), 80),
        ["sample-external-deployment-tg-2"]
    );
    assert_eq!(names().service, "sample-external-deployment");
}

/// No metric of a Network Load Balancer tells two target groups apart.
#[tokio::test(start_paused = true)]
async fn connections_that_nothing_counts_are_refused_by_their_field() {
    let steps = json!([{"percent": 5, "connections": 500}]);
    let event = sample_with(&json!({"shift": {"steps": steps}}));
    let ended = deploy(served(), "run-1", &event).await;
    let (error, cause) = ended.failure();
    assert_eq!(error, "PreflightFailed");
    assert!(cause.starts_with("shift.steps[0].connections: "), "{cause}");
    assert_eq!(
        ended
            .writes()
            .iter()
            .filter(|call| call.starts_with("ecs"))
            .count(),
        0
    );
}

/// Three tasks with 600 connections each, of which three a second are new.
fn with_clients(load_balancer: Kind) -> World {
    let clients = ClientsScenario {
        connections_per_task: 600,
        lifetime_seconds: Some(600),
        ..ClientsScenario::default()
    };
    let scenario = Scenario::with(|scenario| {
        scenario.load_balancer = load_balancer;
        scenario.clients = Some(clients);
    });
    let names = Names {
        load_balancer_arn: None,
        ..names()
    };
    scenario.world_for(&names).unwrap()
}

/// The event of a step that waits for so many connections.
fn counting(connections: u32, within: u32, more: &Value) -> Value {
    let steps = json!([{"percent": 20, "connections": connections, "within": within}]);
    let mut event = sample_with(&json!({"shift": {"steps": steps}}));
    let fields = event.as_object_mut().unwrap();
    fields.remove("nlb");
    if more["drain"].is_object() {
        fields.retain(|field, _| !field.starts_with("scaledown_"));
    }
    fields.extend(more.as_object().unwrap().clone());
    event
}

fn by_a_metric() -> Value {
    let metric = json!({"namespace": "Chat", "metricName": "Connections", "dimensions": {"TaskSet": "{taskSet}"}});
    json!({"drain": {"within": 180, "connectionsMetric": metric}})
}

/// How many connections each turn of the step has seen.
async fn seen(world: World, event: Value) -> (Status, Vec<u64>) {
    let (_, installation) = installed(world);
    let outcome = installation.deploy("run-1", event, 1, &mut |_| {}).await;
    let reasons = reasons(&installation.history("run-1"));
    let seen = reasons
        .iter()
        .filter_map(|reason| reason["shift"]["seen"].as_u64());
    (outcome.status, seen.collect())
}

#[tokio::test(start_paused = true)]
async fn a_step_lasts_until_the_replacement_has_seen_its_connections() {
    for (load_balancer, more) in [
        (Kind::Network, by_a_metric()),
        (Kind::Application, json!({})),
    ] {
        let event = counting(100, 3_600, &more);
        let (status, seen) = seen(with_clients(load_balancer), event).await;
        assert!(status.is_success(), "{status:?}");
        // A fifth of three a second, and a metric that is a minute or two late.
        assert!((4..=8).contains(&seen.len()), "{seen:?}");
        assert!(seen.is_sorted() && seen.last() < Some(&100), "{seen:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_that_sees_too_few_connections_leads_back() {
    let event = counting(1_000_000, 300, &by_a_metric());
    let (status, seen) = seen(with_clients(Kind::Network), event).await;
    let Status::Failed { error, cause } = &status else {
        panic!("{status:?}")
    };
    assert_eq!(error, "ShiftTimeout");
    assert!(
        cause.contains("of 1000000 new connections in 300 s at 20 %, by Connections of Chat."),
        "{cause}"
    );
    assert!(seen.last() > Some(&0), "{seen:?}");
}

/// The replacement's exposure in a linear shift where a changed listener takes so many seconds: its share of the new
/// connections times seconds, as a part of what the steps ask for. And the seconds from the first share to all traffic.
async fn exposed(load_balancer: Kind, more: &Value, propagation: u64) -> (f64, f64) {
    let mut world = with_clients(load_balancer);
    world.timings.listener_propagation_ms = propagation * 1_000;
    let mut event = counting(1, 60, more);
    event["shift"] = json!({"percent": 25, "every": 360});
    let (aws, installation) = installed(world);
    let (mut times, mut plan) = (Vec::new(), Value::Null);
    let mut note = |event: &HistoryEvent| {
        let EventKind::TaskSucceeded { output, .. } = &event.kind else {
            return;
        };
        let (answer, shifts) = (&output["Payload"], ["shifting", "swapped"]);
        if shifts.contains(&answer["reason"]["code"].as_str().unwrap_or_default()) {
            times.push(event.at.as_secs_f64());
            plan = answer["plan"].clone();
        }
    };
    let deployment = installation.deploy("run-1", event, 1, &mut note);
    let status = deployment.await.status;
    assert!(status.is_success(), "{status:?}");
    let queries = ["replacement", "original"].map(|set| {
        let dimension = json!({"Name": "TaskSet", "Value": plan[set]});
        let metric = json!({"Namespace": "Chat", "MetricName": "New", "Dimensions": [dimension]});
        let stat = json!({"Metric": metric, "Period": 60, "Stat": "Sum"});
        json!({"Id": set, "MetricStat": stat})
    });
    let (start, now) = aws.with_world(|world| (world.epoch_ms() - world.now(), world.epoch_ms()));
    let request = json!({
        "StartTime": start / 1_000, "EndTime": now / 1_000, "MetricDataQueries": queries,
    });
    let request = serde_json::from_value(request).unwrap();
    let counted = aws
        .with_world(|world| world.get_metric_data(&request))
        .unwrap();
    let [replacement, original] = &counted.items[..] else {
        panic!("{counted:?}");
    };
    let (from, to) = (times[0], times[times.len() - 1]);
    let shares = replacement.datapoints.iter().map(|(at, new)| {
        let minute = Duration::from_millis(at - start).as_secs_f64();
        let seconds = (minute + 60.0).min(to) - minute.max(from);
        let kept = original.datapoints.iter().find(|(of, _)| of == at);
        seconds.max(0.0) * new / (new + kept.map_or(0.0, |(_, kept)| *kept))
    });
    // A quarter, a half and three quarters, for six minutes each.
    (shares.sum::<f64>() / (1.5 * 360.0), to - from)
}

/// Where new connections are counted, a step has what it asks for however long the listener takes; elsewhere only
/// where that takes as long as was observed.
#[tokio::test(start_paused = true)]
async fn a_step_lasts_as_long_as_its_share_is_there() {
    let metric =
        json!({"namespace": "Chat", "metricName": "New", "dimensions": {"TaskSet": "{taskSet}"}});
    let counted = json!({"drain": {"within": 180, "newConnectionsMetric": metric}});
    let uncounted = json!({});
    for (load_balancer, more, propagation, is_enough) in [
        (Kind::Network, &counted, 75, true),
        (Kind::Network, &counted, 300, true),
        (Kind::Application, &uncounted, 75, true),
        (Kind::Application, &uncounted, 300, true),
        (Kind::Network, &uncounted, 75, true),
        (Kind::Network, &uncounted, 300, false),
    ] {
        let (part, seconds) = exposed(load_balancer, more, propagation).await;
        let said = format!("{load_balancer:?} {more} {propagation}: {part} in {seconds} s");
        assert_eq!(part > 0.95, is_enough, "{said}");
        // Half of the propagation is lost at a step from nothing, and less at the others; it is known a minute late.
        let at_most = 3.0 * (360.0 + 60.0) + 2.0 * 150.0;
        assert!(seconds < at_most, "{said}");
    }
}
