//! Waits, Choices and the states that end an execution.

use super::*;

fn waiting() -> Value {
    json!({
        "A": { "Type": "Wait", "SecondsPath": "$.wait", "Next": "Done" },
        "Done": { "Type": "Succeed" },
    })
}

#[tokio::test(start_paused = true)]
async fn a_wait_takes_its_seconds_and_no_more() {
    for seconds in [0, 30, 99_999_999] {
        let input = json!({ "wait": seconds });
        let (outcome, _) = run_states(&waiting(), input.clone(), &Script::default()).await;
        assert_eq!(outcome.status, succeeded(input));
        assert_eq!(outcome.elapsed, Duration::from_secs(seconds));
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_of_anything_but_whole_seconds_fails_the_execution() {
    for (input, problem) in lines(
        r#"
{} => does not reference an input value: $.wait
{ "wait": -1 } => references a negative value: $.wait == -1
{ "wait": 1.5 } => cannot be parsed as a long value: $.wait == 1.5
{ "wait": "30" } => cannot be parsed as a long value: $.wait == "30"
{ "wait": null } => cannot be parsed as a long value: $.wait == null
{ "wait": 100000000 } => above 99999999: $.wait == 100000000
"#,
    ) {
        let (outcome, history) = run_states(&waiting(), input, &Script::default()).await;
        let (error, cause) = failure_of(&outcome);
        assert_eq!(error, "States.Runtime");
        assert!(cause.ends_with(problem), "{cause}");
        assert!(cause.contains("'A' (entered at the event id #2)"));
        let events = ["ExecutionStarted", "WaitStateEntered", "ExecutionFailed"];
        assert_eq!(names(&history), events);
    }
}

#[tokio::test(start_paused = true)]
async fn a_choice_takes_the_first_rule_that_holds() {
    let end = json!({ "Type": "Succeed" });
    let states = json!({
        "A": {
            "Type": "Choice",
            "Choices": [
                { "Variable": "$.next", "StringEquals": "Swap", "Next": "First" },
                { "Variable": "$.next", "StringEquals": "Swap", "Next": "Second" },
                { "Variable": "$.next", "StringEquals": "Wait", "Next": "Second" },
            ],
            "Default": "Other",
        },
        "First": end, "Second": end, "Other": end,
    });
    for (input, expected) in [
        (json!({ "next": "Swap" }), Ok("First")),
        (json!({ "next": "Wait" }), Ok("Second")),
        (json!({ "next": "wait" }), Ok("Other")),
        (json!({ "next": 3 }), Ok("Other")),
        (json!({ "next": null }), Ok("Other")),
        (json!({}), Err("States.Runtime")),
    ] {
        let (outcome, _) = run_states(&states, input.clone(), &Script::default()).await;
        let came_to = match &outcome.status {
            Status::Failed { error, .. } => Err(error.as_str()),
            Status::Succeeded { output } => {
                assert_eq!(*output, input);
                Ok(outcome.last_state.as_str())
            }
            Status::TimedOut => panic!("{outcome:?}"),
        };
        assert_eq!(came_to, expected, "{input}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fail_state_says_what_it_was_told() {
    let input = json!({ "failure": { "Error": "Drift", "Cause": "A listener was edited." } });
    for (paths, wanted) in lines(
        r#"
["$.failure.Error", "$.failure.Cause"] => Drift: A listener was edited.
["$.none", "$.failure.Cause"] => States.Runtime: The JSONPath '$.none' specified for the field 'ErrorPath' could not be found
["$.failure.Error", "$.failure"] => States.Runtime: the field 'CausePath' is not a string
"#,
    ) {
        let fail = json!({ "Type": "Fail", "ErrorPath": paths[0], "CausePath": paths[1] });
        let states = json!({ "A": fail });
        let (outcome, history) = run_states(&states, input.clone(), &Script::default()).await;
        let (error, cause) = wanted.split_once(": ").unwrap();
        assert_eq!(error_of(&outcome), error, "{fail}");
        assert!(cause_of(&outcome).contains(cause), "{fail}: {outcome:?}");
        let events = ["ExecutionStarted", "FailStateEntered", "ExecutionFailed"];
        assert_eq!(names(&history), events);
    }
}
