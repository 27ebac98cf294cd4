//! Whole executions: a definition, the answers of its tasks, and the resulting history.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde_json::{Value, json};

use super::definition::{Graph, Integration, Kind};
use super::*;

mod maps;
mod quotas;
mod refusals;
mod states;
mod tasks;

/// Functions with prepared answers, in order, each after its time.
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

    async fn start(
        &self,
        machine: &str,
        name: &str,
        input: Value,
        submitted: &mut dyn FnMut(Value),
    ) -> Result<Value, TaskError> {
        submitted(json!({ "ExecutionArn": format!("{machine}:{name}") }));
        self.call(name, input).await
    }
}

impl Script {
    fn new(answers: impl IntoIterator<Item = Result<Value, TaskError>>) -> Self {
        Self::timed(answers.into_iter().map(|answer| (0, answer)))
    }

    fn slow(answers: impl IntoIterator<Item = (u64, Value)>) -> Self {
        let answers = answers.into_iter();
        Self::timed(answers.map(|(after, answer)| (after, Ok(answer))))
    }

    fn timed(answers: impl Iterator<Item = (u64, Result<Value, TaskError>)>) -> Self {
        let answers = answers.map(|(after, answer)| (Duration::from_secs(after), answer));
        Self {
            answers: RefCell::new(answers.collect()),
            ..Self::default()
        }
    }

    fn called(&self) -> Vec<Value> {
        let calls = self.calls.borrow();
        calls.iter().map(|(_, payload)| payload.clone()).collect()
    }
}

/// The lines `JSON => refusal`.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (Value, &str)> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| {
        let (json, refusal) = line.split_once(" => ").unwrap();
        (serde_json::from_str(json).unwrap(), refusal.trim())
    })
}

fn fails(error: &str) -> Result<Value, TaskError> {
    Err(TaskError::new(error, format!("why {error}")))
}

fn execution() -> Execution {
    Execution {
        input: Value::Null,
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
    let fields = fields.as_object().unwrap();
    task.as_object_mut().unwrap().extend(fields.clone());
    let mut states = json!({ "A": task, "Done": { "Type": "Succeed" } });
    if fields.contains_key("Catch") {
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
    let outcome = run_from(machine, Beginning::Start { input }, script, &mut history).await;
    assert_eq!(outcome.events, history.len() as u64);
    (outcome, history)
}

async fn run_from(
    machine: &StateMachine,
    from: Beginning,
    script: &Script,
    history: &mut Vec<HistoryEvent>,
) -> Outcome {
    let mut lot = fastrand::Rng::with_seed(7);
    let mut note = |event: &HistoryEvent| history.push(event.clone());
    run(machine, &execution(), from, script, &mut lot, &mut note).await
}

fn names(history: &[HistoryEvent]) -> Vec<String> {
    history.iter().map(|event| event.kind.name()).collect()
}

fn succeeded(output: Value) -> Status {
    Status::Succeeded { output }
}

fn failure_of(outcome: &Outcome) -> (&str, &str) {
    match &outcome.status {
        Status::Failed { error, cause } => (error, cause),
        other => panic!("not failed: {other:?}"),
    }
}

fn error_of(outcome: &Outcome) -> &str {
    failure_of(outcome).0
}

fn cause_of(outcome: &Outcome) -> &str {
    failure_of(outcome).1
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

fn shipped(definition: &str) -> StateMachine {
    let wanted = definition.split("${").skip(1);
    let wanted = wanted.filter_map(|rest| rest.split_once('}'));
    let values = wanted.map(|(name, _)| match name {
        "Partition" => (name, "aws"),
        _ => (name, "substituted"),
    });
    let values: BTreeMap<&str, &str> = values.collect();
    StateMachine::parse(&substitute(definition, &values).unwrap()).unwrap()
}

#[test]
fn the_shipped_state_machine_is_read_whole() {
    let one = include_str!("../../../../statemachine/deployment.asl.json");
    let several = include_str!("../../../../statemachine/services.asl.json");
    for definition in [one, several] {
        let machine = shipped(definition);
        assert!(machine.comment.is_some() && machine.timeout.is_some());
        is_whole(&machine.graph);
    }
}

fn is_whole(graph: &Graph) {
    for state in &graph.states {
        let name = state.name();
        assert!(state.comment.is_some(), "{name} has no Comment");
        match &state.kind {
            Kind::Map(map) => is_whole(&map.processor),
            // It waits as long as the execution that it has started runs, and what has failed is started anew by Order.
            Kind::Task(task) if task.resource == Integration::Start => {
                let last = task.catch.last().expect("a Task has a Catch");
                assert!(last.errors.matches("AnyError"), "{name} lets errors pass");
            }
            Kind::Task(task) => {
                let ends = task.timeout_seconds.is_some() || task.timeout_seconds_path.is_some();
                assert!(ends, "{name} has no timeout");
                assert!(!task.retry.is_empty(), "{name} is not retried");
                let last = task.catch.last().expect("a Task has a Catch");
                assert!(last.errors.matches("AnyError"), "{name} lets errors pass");
            }
            Kind::Choice(choice) => {
                for rule in &choice.choices {
                    // Every function's answer has it, and every call of a hook says who called.
                    let field = match name {
                        "AfterHook" => "$.hook.then",
                        _ => "$.next",
                    };
                    assert_eq!(rule.variable.to_string(), field, "{name}");
                }
            }
            Kind::Wait(_) | Kind::Succeed(_) | Kind::Fail(_) => {}
        }
    }
}
