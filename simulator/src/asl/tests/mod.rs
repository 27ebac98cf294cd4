//! Whole executions: a definition, what its tasks answer, and the history that must come of it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde_json::{Value, json};

use super::definition::Kind;
use super::*;

mod quotas;
mod refusals;
mod states;
mod tasks;

/// Functions that answer what they were told to, in turn, each after its time.
#[derive(Default)]
struct Script {
    answers: RefCell<VecDeque<(Duration, Result<Value, TaskError>)>>,
    calls: RefCell<Vec<(String, Value)>>,
}

impl Resources for Script {
    async fn call(&self, function: &str, payload: Value) -> Result<Value, TaskError> {
        self.calls.borrow_mut().push((function.to_owned(), payload));
        let answer = self.answers.borrow_mut().pop_front();
        let (after, answer) = answer.expect("no answer is left");
        tokio::time::sleep(after).await;
        answer
    }
}

impl Script {
    fn new(answers: impl IntoIterator<Item = Result<Value, TaskError>>) -> Self {
        let answers = answers.into_iter();
        let answers = answers.map(|answer| (Duration::ZERO, answer));
        Self {
            answers: RefCell::new(answers.collect()),
            ..Self::default()
        }
    }

    /// Answers after so many seconds each.
    fn slow(answers: impl IntoIterator<Item = (u64, Value)>) -> Self {
        let answers = answers.into_iter();
        let answers = answers.map(|(after, answer)| (Duration::from_secs(after), Ok(answer)));
        Self {
            answers: RefCell::new(answers.collect()),
            ..Self::default()
        }
    }

    /// The payloads, in the order of the calls.
    fn called(&self) -> Vec<Value> {
        let calls = self.calls.borrow();
        calls.iter().map(|(_, payload)| payload.clone()).collect()
    }
}

fn fails(error: &str) -> Result<Value, TaskError> {
    Err(TaskError {
        error: error.to_owned(),
        cause: format!("why {error}"),
    })
}

fn execution() -> Execution {
    Execution {
        arn: "arn:aws:states:eu-west-1:111122223333:execution:ebbtide:deploy-1".to_owned(),
        role_arn: "arn:aws:iam::111122223333:role/ebbtide".to_owned(),
        start_time: "2026-11-20T21:10:37Z".parse().unwrap(),
    }
}

fn machine(states: &Value) -> StateMachine {
    StateMachine::parse(&json!({ "StartAt": "A", "States": states }).to_string()).unwrap()
}

/// A Task `A` with these fields, going on to a Succeed `Done`; a catch may lead to `Caught`.
fn task(fields: &Value) -> Value {
    let mut task = json!({
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": { "FunctionName": "swap", "Payload": { "state.$": "$" } },
        "Next": "Done",
    });
    let caught = fields.get("Catch").is_some();
    task.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    let mut states = json!({ "A": task, "Done": { "Type": "Succeed" } });
    if caught {
        states["Caught"] = json!({ "Type": "Succeed" });
    }
    states
}

async fn run_states(states: &Value, input: Value, script: &Script) -> (Outcome, Vec<HistoryEvent>) {
    run_machine(&machine(states), input, script).await
}

async fn run_machine(
    machine: &StateMachine,
    input: Value,
    script: &Script,
) -> (Outcome, Vec<HistoryEvent>) {
    let mut history = Vec::new();
    let mut lot = fastrand::Rng::with_seed(7);
    let mut note = |event: &HistoryEvent| history.push(event.clone());
    let from = Beginning::Start { input };
    let outcome = run(machine, &execution(), from, script, &mut lot, &mut note).await;
    assert_eq!(outcome.events, history.len() as u64);
    (outcome, history)
}

fn names(history: &[HistoryEvent]) -> Vec<String> {
    history.iter().map(|event| event.kind.name()).collect()
}

fn succeeded(output: Value) -> Status {
    Status::Succeeded { output }
}

fn error_of(outcome: &Outcome) -> &str {
    match &outcome.status {
        Status::Failed { error, .. } => error,
        other => panic!("not failed: {other:?}"),
    }
}

fn cause_of(outcome: &Outcome) -> &str {
    match &outcome.status {
        Status::Failed { cause, .. } => cause,
        other => panic!("not failed: {other:?}"),
    }
}

/// Task `A` → Wait → Choice, and back to `A` while the task says so.
fn looping() -> Value {
    json!({
        "A": {
            "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Next": "Wait",
            "Parameters": { "FunctionName": "swap", "Payload": { "state.$": "$" } },
            "Retry": [{ "ErrorEquals": ["Transient"] }],
        },
        "Wait": { "Type": "Wait", "SecondsPath": "$.wait", "Next": "More" },
        "More": {
            "Type": "Choice",
            "Choices": [{ "Variable": "$.next", "StringEquals": "A", "Next": "A" }],
            "Default": "Done",
        },
        "Done": { "Type": "Succeed" },
    })
}

fn shipped() -> StateMachine {
    let definition = include_str!("../../../../statemachine/deployment.asl.json");
    let wanted: BTreeSet<&str> = definition
        .split("${")
        .skip(1)
        .filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
        .collect();
    let value = |name: &str| {
        if name == "Partition" {
            "aws"
        } else {
            "substituted"
        }
    };
    let values: BTreeMap<&str, &str> = wanted.iter().map(|name| (*name, value(name))).collect();
    StateMachine::parse(&substitute(definition, &values).unwrap()).unwrap()
}

#[test]
fn the_shipped_state_machine_is_read_whole() {
    let machine = shipped();
    assert!(machine.comment().is_some() && machine.timeout().is_some());
    for state in machine.states() {
        let name = state.name();
        assert!(state.comment().is_some(), "{name} has no Comment");
        match &state.kind {
            Kind::Task(task) => {
                assert!(task.timeout_seconds.is_some(), "{name} has no timeout");
                assert!(!task.retry.is_empty(), "{name} is not retried");
                let last = task.catch.last().expect("a Task has a Catch");
                assert!(
                    last.errors.matches("AnyError"),
                    "{name} does not catch everything"
                );
            }
            Kind::Choice(choice) => {
                for rule in &choice.choices {
                    // Every function's answer has it.
                    assert_eq!(rule.variable.to_string(), "$.next", "{name}");
                }
            }
            Kind::Wait(_) | Kind::Succeed(_) | Kind::Fail(_) => {}
        }
    }
}
