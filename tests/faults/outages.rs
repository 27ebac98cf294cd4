//! AWS goes away: right after a write and for as long as the execution lives, or one service for some
//! minutes. Traffic stays where it is, and what does not end well is brought in order by a new execution.

use std::cell::Cell;

use ebbtide_simulator::asl::{EventKind, HistoryEvent, Status};
use ebbtide_simulator::fault::Fault;
use ebbtide_simulator::world::{AlarmState, AlarmType};
use serde_json::json;

use crate::pairs::{Write, writes};
use crate::run::{Plan, Ran, Stage, Tally, run_clean, run_from, unsafe_or_stuck};
use crate::scenarios::{self, Case};

/// More calls than an execution makes, none of which is answered.
const FOR_EVER: u64 = 5_000;

async fn after_each_write(name: &str) {
    let case = scenarios::named(name);
    let mut tally = Tally::default();
    let (_, path) = run_clean(&case).await;
    for Write { number: write, .. } in writes(&case).await {
        let unreachable = write + 1..write + FOR_EVER;
        let plan = Plan {
            calls: unreachable.map(|call| (call, Fault::Unreachable)).collect(),
            ..Plan::default()
        };
        let ran = run_from(&case, &path, &plan).await;
        tally.count(&ran);
        assert!(ran.calls < write + FOR_EVER, "the outage was over");
        if let Some(what) = unsafe_or_stuck(&case, ran).await {
            tally.failed(&Plan::call(write + 1, Fault::Unreachable), &what);
        }
    }
    assert!(tally.runs > 15, "{}", tally.runs);
    tally.end(&format!("{name}, AWS gone after each write"));
}

macro_rules! outages {
    ($($test:ident = $name:literal,)*) => {
        $(
            #[tokio::test(start_paused = true)]
            async fn $test() {
                after_each_write($name).await;
            }
        )*
    };
}

outages! {
    an_outage_after_any_write = "two tasks",
    an_outage_after_any_write_with_groups_replaced = "groups replaced",
    an_outage_after_any_write_with_several_listeners = "several production listeners",
    an_outage_after_any_write_of_a_first_deployment = "first deployment",
    an_outage_after_any_write_with_scale_in_held = "auto scaling",
}

/// Runs a case in which a service goes away for some minutes when a state is entered for the nth time
/// that any is; `None` where no more are entered. Says whether traffic had moved by then.
async fn with_an_outage(
    case: &Case,
    service: &'static str,
    minutes: u64,
    at: u32,
) -> Option<(Ran, bool)> {
    let stage = Stage::new(case);
    let (entered, swapped) = (Cell::new(0), Cell::new(false));
    let mut waits = 0;
    let mut on_event = |event: &HistoryEvent| {
        stage.note(event, &mut waits);
        let EventKind::StateEntered { name, .. } = &event.kind else {
            return;
        };
        entered.set(entered.get() + 1);
        swapped.set(swapped.get() || (name == "Swapped" && entered.get() <= at));
        if entered.get() == at {
            stage.aws.begin_outage(service, minutes * 60_000);
        }
    };
    let event = case.event.clone();
    let running = stage.installation.deploy("run-1", event, 7, &mut on_event);
    let outcome = running.await;
    stage.settled().await;
    (entered.get() >= at).then(|| (Ran::of(stage, Some(outcome)), swapped.get()))
}

async fn minutes_without(service: &'static str) {
    let mut case = match service {
        "application-autoscaling" => scenarios::named("auto scaling"),
        _ => scenarios::two_tasks(),
    };
    case.event["alarms"] = json!(["errors"]);
    case.world
        .put_alarm("errors", AlarmType::MetricAlarm, AlarmState::Ok)
        .unwrap();
    let mut tally = Tally::default();
    for minutes in [1, 20] {
        for at in 1.. {
            let ran = with_an_outage(&case, service, minutes, at).await;
            let Some((ran, swapped)) = ran else {
                break;
            };
            tally.count(&ran);
            let ended = format!("{:?}", ran.status());
            let succeeded = matches!(ran.status(), Some(Status::Succeeded { .. }));
            let what = match unsafe_or_stuck(&case, ran).await {
                None if swapped && !succeeded => Some(ended),
                what => what,
            };
            if let Some(what) = what {
                let what = format!("{minutes} minutes at state {at}: {what}");
                tally.failed(&Plan::default(), &what);
            }
        }
    }
    assert!(tally.runs > 40, "{}", tally.runs);
    tally.end(&format!("{service} away"));
}

macro_rules! minutes {
    ($($test:ident = $service:literal,)*) => {
        $(
            #[tokio::test(start_paused = true)]
            async fn $test() {
                minutes_without($service).await;
            }
        )*
    };
}

minutes! {
    a_healthy_version_outlasts_an_outage_of_ecs = "ecs",
    a_healthy_version_outlasts_an_outage_of_elastic_load_balancing = "elasticloadbalancing",
    a_healthy_version_outlasts_an_outage_of_dynamodb = "dynamodb",
    a_healthy_version_outlasts_an_outage_of_cloudwatch = "cloudwatch",
    a_healthy_version_outlasts_an_outage_of_application_auto_scaling = "application-autoscaling",
    a_healthy_version_outlasts_an_outage_of_lambda = "lambda",
}
