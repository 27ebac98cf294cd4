//! Quiet hours: when traffic moves and steps are made, by the clocks of the window.

use ebbtide_controller::clock::seconds;
use ebbtide_simulator::Scenario;
use ebbtide_simulator::world::World;
use serde_json::{Value, json};

use crate::support::{Ended, deploy, live, sample_with, sets, world};

/// A service that is deployed from this time on.
fn starting(at: &str) -> World {
    world(&Scenario::with(|scenario| {
        scenario.starts_at = Some(at.to_owned());
    }))
}

/// An input with a window in the night of Berlin, and more.
fn quiet(more: &Value) -> Value {
    let mut event = sample_with(more);
    for field in ["scaledown_decrement", "scaledown_wait"] {
        event.as_object_mut().unwrap().remove(field);
    }
    event["window"] = json!({"from": "22:00", "to": "06:00", "zone": "Europe/Berlin"});
    event
}

/// Whole hours from a time to each call of an operation.
fn hours(ended: &Ended, operation: &str, since: &str) -> Vec<u64> {
    let start = ended.world.epoch_ms() - ended.world.now();
    let since = seconds(since).unwrap() * 1_000;
    let calls = ended.world.calls();
    let calls = calls.filter(|call| call.operation == operation);
    let hours = calls.map(|call| (start + call.at_ms - since) / 3_600_000);
    hours.collect()
}

const STEP: &str = "ecs:UpdateTaskSet";
const LISTENER: &str = "elasticloadbalancing:ModifyListener";

/// The clocks go back: the night is an hour longer, and the third step is made in it.
#[tokio::test(start_paused = true)]
async fn a_night_in_which_clocks_go_back_has_an_hour_more() {
    let event = quiet(&json!({"drain": {"tasks": 1, "every": 14_400}}));
    let started = "2026-10-24T20:00:00+02:00";
    let ended = deploy(starting(started), "run-1", &event).await;
    ended.assert_deployed();
    // Weight 0 for the alternate group at once, and the swap in the night.
    let moved = hours(&ended, LISTENER, started);
    assert_eq!((moved[0], moved.last()), (0, Some(&2)), "{moved:?}");
    // It closes eleven hours after the start, and opens again after twenty-seven.
    assert_eq!(hours(&ended, STEP, started), [2, 6, 10, 27]);
}

/// They go forward: it is an hour shorter, and the third step waits for the next night.
#[tokio::test(start_paused = true)]
async fn a_night_in_which_clocks_go_forward_has_an_hour_less() {
    let event = quiet(&json!({"drain": {"tasks": 1, "every": 14_400}}));
    let started = "2027-03-27T20:00:00+01:00";
    let ended = deploy(starting(started), "run-1", &event).await;
    ended.assert_deployed();
    assert_eq!(hours(&ended, STEP, started), [2, 6, 25, 29]);
}

/// A week lasts as long as an execution's history allows.
#[tokio::test(start_paused = true)]
async fn a_window_once_a_week_is_waited_for() {
    let mut event = quiet(&json!({"drain": {"within": 600}}));
    event["window"] =
        json!({"days": ["Sun"], "from": "02:00", "to": "06:00", "zone": "America/Sao_Paulo"});
    let started = "2026-01-04T06:00:00-03:00";
    let ended = deploy(starting(started), "run-1", &event).await;
    ended.assert_deployed();
    assert_eq!(hours(&ended, LISTENER, started).last(), Some(&164));
    assert!(hours(&ended, STEP, started).iter().all(|hour| *hour == 164));
}

#[tokio::test(start_paused = true)]
async fn a_rollback_does_not_wait_for_the_night() {
    let changes = json!([{"afterSeconds": 4 * 3_600, "state": "ALARM"}]);
    let alarm = json!({"name": "errors", "changes": changes});
    let world = world(&Scenario::with(|scenario| {
        scenario.starts_at = Some("2026-01-05T05:00:00+01:00".to_owned());
        scenario.alarms = vec![serde_json::from_value(alarm).unwrap()];
    }));
    let first = sets(&world)[0].clone();
    let event = quiet(&json!({"drain": {"tasks": 1, "every": 2_400}, "alarms": ["errors"]}));
    let ended = deploy(world, "run-1", &event).await;
    let (error, cause) = ended.failure();
    assert_eq!(error, "AlarmRaised", "{cause}");
    assert_eq!(sets(&ended.world), [first.as_str()]);
    assert_eq!(live(&ended.world, 80), ["sample-external-deployment-tg-1"]);
    let closed = ended
        .reasons
        .iter()
        .any(|reason| reason.contains("opens at 2026-01-05T22:00:00+01:00"));
    assert!(closed, "{:?}", ended.reasons);
    // By noon.
    assert!(ended.world.now() < 8 * 3_600_000, "{}", ended.world.now());
}

#[tokio::test(start_paused = true)]
async fn what_can_no_longer_end_in_time_moves_no_traffic() {
    let world = starting("2026-01-05T12:00:00+01:00");
    let first = sets(&world)[0].clone();
    let event = sample_with(&json!({
        "finishBy": "2026-01-05T13:00:00+01:00",
        "pauses": [{"at": "beforeSwap", "timeout": 7_200, "onTimeout": "continue"}],
    }));
    let ended = deploy(world, "run-1", &event).await;
    let (error, cause) = ended.failure();
    assert_eq!(error, "TooLate", "{cause}");
    assert!(
        cause.contains("could no longer end by 2026-01-05T12:00:00Z (finishBy)"),
        "{cause}"
    );
    // ECS is deleting the replacement.
    let deleted = ended.deleted();
    assert!(deleted.len() == 1 && deleted[0].0 != first, "{deleted:?}");
    assert_eq!(live(&ended.world, 80), ["sample-external-deployment-tg-1"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_for_a_deployment_that_cannot_end_in_time() {
    let event = quiet(&json!({"finishBy": "2026-01-05T21:59:59+01:00"}));
    let ended = deploy(starting("2026-01-05T12:00:00+01:00"), "run-1", &event).await;
    let (error, cause) = ended.failure();
    assert_eq!(error, "PreflightFailed");
    assert!(
        cause.contains("traffic moves at 2026-01-05T22:00:00+01:00"),
        "{cause}"
    );
    assert_eq!(ended.writes(), Vec::<String>::new());
}
