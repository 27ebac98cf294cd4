//! The events of an execution, its quotas, its own timeout, and its redrive.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_turn_of_task_wait_and_choice_costs_9_events_and_a_retry_3() {
    let turn = |next: &str| Ok(json!({ "wait": 30, "next": next }));
    let events = async |answers: Vec<Result<Value, TaskError>>| {
        let (outcome, _) = run_states(&looping(), json!({}), &Script::new(answers)).await;
        outcome.events
    };
    let once = events(vec![turn("Done")]).await;
    assert_eq!(once, 1 + 9 + 3);
    assert_eq!(events(vec![turn("A"), turn("Done")]).await - once, 9);
    let retried = events(vec![fails("Transient"), turn("Done")]).await;
    assert_eq!(retried - once, 3);
}

#[tokio::test(start_paused = true)]
async fn the_25000th_event_is_the_failure() {
    let turns = std::iter::repeat_with(|| Ok(json!({ "wait": 1, "next": "A" }))).take(3_000);
    let (outcome, history) = run_states(&looping(), json!({}), &Script::new(turns)).await;
    assert_eq!(error_of(&outcome), "States.Runtime");
    assert!(cause_of(&outcome).contains("maximum number of history events (25000)"));
    assert_eq!((outcome.events, history[24_999].id), (25_000, 25_000));
    assert_eq!(history[24_999].kind.name(), "ExecutionFailed");
}

#[tokio::test(start_paused = true)]
async fn a_success_may_be_the_25000th_event() {
    let machine = machine(&task(&json!({})));
    let from = Entering {
        state: "Done".to_owned(),
        input: json!({}),
        at: Duration::ZERO,
        events: 24_996,
    };
    let from = Beginning::Redrive(Redrive { from, count: 1 });
    let outcome = run_from(&machine, from, &Script::default(), &mut Vec::new()).await;
    assert_eq!(outcome.status, succeeded(json!({})));
    assert_eq!(outcome.events, 25_000);
}

#[tokio::test(start_paused = true)]
async fn the_machines_timeout_ends_a_wait_a_task_and_a_retry() {
    let wait = json!({
        "A": { "Type": "Wait", "SecondsPath": "$.wait", "Next": "Done" },
        "Done": { "Type": "Succeed" },
    });
    let retry = task(&json!({ "Retry": [{ "ErrorEquals": ["X"], "IntervalSeconds": 100 }] }));
    let slow = Script::slow([(100, json!({}))]);
    for (states, script) in [
        (wait, Script::default()),
        (task(&json!({})), slow),
        (retry, Script::new([fails("X")])),
    ] {
        let definition = json!({ "StartAt": "A", "TimeoutSeconds": 60, "States": states });
        let machine = StateMachine::parse(&definition.to_string()).unwrap();
        let (outcome, history) = run_machine(&machine, json!({ "wait": 100 }), &script).await;
        assert_eq!(outcome.status, Status::TimedOut);
        assert_eq!(outcome.elapsed, Duration::from_mins(1));
        assert_eq!(names(&history).last().unwrap(), "ExecutionTimedOut");
    }
}

#[tokio::test(start_paused = true)]
async fn a_result_above_256_kib_is_caught_by_its_own_name_only() {
    for name in [
        "States.ALL",
        "States.TaskFailed",
        "States.DataLimitExceeded",
    ] {
        let large = Script::new([Ok(json!("x".repeat(262_143)))]);
        let events = too_large(name, json!({}), large).await;
        assert_eq!(events[4], "TaskFailed");
    }
}

/// The events of a Task with something above the limit, which only a catch of its own name catches.
async fn too_large(caught: &str, input: Value, script: Script) -> Vec<String> {
    let states = task(&json!({ "Catch": [{ "ErrorEquals": [caught], "Next": "Caught" }] }));
    let (outcome, history) = run_states(&states, input, &script).await;
    if caught == "States.DataLimitExceeded" {
        assert_eq!(outcome.last_state, "Caught");
    } else {
        assert_eq!(outcome.last_state, "A", "{caught}");
        assert_eq!(error_of(&outcome), "States.DataLimitExceeded");
    }
    names(&history)
}

#[tokio::test(start_paused = true)]
async fn parameters_above_256_kib_are_not_sent_and_are_caught_by_their_own_name_only() {
    let input = json!({ "a": "x".repeat(262_100) });
    for name in ["States.ALL", "States.DataLimitExceeded"] {
        let events = too_large(name, input.clone(), Script::default()).await;
        assert!(!events.contains(&"TaskScheduled".to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn an_output_above_256_kib_fails_the_execution() {
    let states = task(&json!({
        "Parameters": { "FunctionName": "swap", "Payload": {} },
        "Catch": [{ "ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "Caught" }],
    }));
    let input = json!({ "a": "x".repeat(262_100) });
    let (outcome, history) = run_states(&states, input, &Script::new([fails("Drift")])).await;
    assert_eq!(error_of(&outcome), "States.DataLimitExceeded");
    assert_eq!(names(&history)[4..], ["TaskFailed", "ExecutionFailed"]);
}

#[tokio::test(start_paused = true)]
async fn a_stopped_execution_is_redriven_from_where_it_was() {
    let machine = machine(&looping());
    let script = Script::new([
        Ok(json!({ "wait": 600, "next": "A" })),
        Ok(json!({ "wait": 1, "next": "Done" })),
    ]);
    let mut history = Vec::new();
    let from = Beginning::Start { input: json!({}) };
    let stopped = run_from(&machine, from, &script, &mut history);
    let stopped = tokio::time::timeout(Duration::from_mins(1), stopped).await;
    stopped.expect_err("it waits for ten minutes");
    let redrive = Redrive::of(&history, Duration::from_mins(3)).unwrap();
    assert_eq!((redrive.from.events, redrive.count), (7, 1));
    assert_eq!(redrive.from.state, "Wait");
    let from = Beginning::Redrive(redrive);
    let outcome = run_from(&machine, from, &script, &mut history).await;
    assert_eq!(outcome.last_state, "Done");
    let began = ["ExecutionRedriven", "WaitStateEntered"];
    assert_eq!(names(&history)[7..9], began);
    assert_eq!(history[7].at, Duration::from_mins(3));
    assert_eq!(outcome.elapsed, Duration::from_secs(3 * 60 + 600 + 1));
    assert_eq!(outcome.events, history.len() as u64);
}

#[tokio::test(start_paused = true)]
async fn a_redriven_execution_keeps_its_start_and_the_input_of_the_state_that_failed() {
    let states = task(&json!({ "Parameters": {
        "FunctionName": "swap",
        "Payload": { "startedAt.$": "$$.Execution.StartTime", "state.$": "$" },
    } }));
    let machine = machine(&states);
    let script = Script::new([fails("Drift"), fails("Drift"), Ok(json!({}))]);
    let mut history = Vec::new();
    let input = json!({ "a": 1 });
    run_from(&machine, Beginning::Start { input }, &script, &mut history).await;
    for hours in [1, 2] {
        let redrive = Redrive::of(&history, Duration::from_hours(hours)).unwrap();
        assert_eq!(redrive.count, u32::try_from(hours).unwrap());
        let from = Beginning::Redrive(redrive);
        run_from(&machine, from, &script, &mut history).await;
    }
    let start = json!({ "startedAt": "2026-11-20T21:10:37.000Z", "state": { "a": 1 } });
    assert_eq!(script.called(), [start.clone(), start.clone(), start]);
}
