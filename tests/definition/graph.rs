//! The definition as states and the ways between them.

use std::collections::{BTreeMap, BTreeSet};

use ebbtide_controller::contract::Step;
use ebbtide_simulator::asl::{StateMachine, substitute};
use ebbtide_simulator::deployment::DEFINITION;
use serde_json::Value;

/// The service integrations that the definition uses.
pub(crate) const LAMBDA: &str = "arn:aws:states:::lambda:invoke";
pub(crate) const UPDATE_ITEM: &str = "arn:aws:states:::dynamodb:updateItem";
pub(crate) const GET_ITEM: &str = "arn:aws:states:::dynamodb:getItem";
pub(crate) const DESCRIBE_EXECUTION: &str = "arn:aws:states:::aws-sdk:sfn:describeExecution";
pub(crate) const DESCRIBE_ALARMS: &str = "arn:aws:states:::aws-sdk:cloudwatch:describeAlarms";
pub(crate) const PUT_EVENTS: &str = "arn:aws:states:::events:putEvents";
pub(crate) const GET_METRIC_DATA: &str = "arn:aws:states:::aws-sdk:cloudwatch:getMetricData";

/// What a conditional write of the lock fails with when its condition does not hold.
pub(crate) const CONDITION_FAILED: &str = "DynamoDB.ConditionalCheckFailedException";

/// The definition, with its names put in.
pub(crate) struct Definition {
    /// As the interpreter reads it.
    pub(crate) machine: StateMachine,
    json: Value,
}

/// One way from a state to another.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Way<'a> {
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) by: By<'a>,
}

/// What takes an execution along a way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum By<'a> {
    /// `Next`, or the `Default` of a Choice.
    Next,
    /// A rule of a Choice.
    Rule(&'a Value),
    /// A Catch.
    Catch(&'a Value),
}

pub(crate) fn shipped() -> Definition {
    let values = BTreeMap::from([
        ("Partition", "aws"),
        ("CheckAndCreateFunction", "check-and-create"),
        ("SwapFunction", "swap"),
        ("ScaleDownFunction", "scale-down"),
        ("LockTable", "locks"),
        (
            "StateMachine",
            "arn:aws:states:us-east-1:555555555555:stateMachine:Ebbtide",
        ),
    ]);
    let text = substitute(DEFINITION, &values).unwrap();
    Definition {
        machine: StateMachine::parse(&text).unwrap(),
        json: serde_json::from_str(&text).unwrap(),
    }
}

/// The error names of a Catch.
pub(crate) fn names(catcher: &Value) -> Vec<&str> {
    let names = catcher["ErrorEquals"].as_array().unwrap().iter();
    names.map(|name| name.as_str().unwrap()).collect()
}

impl Definition {
    /// The states by name.
    pub(crate) fn states(&self) -> impl Iterator<Item = (&str, &Value)> {
        let states = self.json["States"].as_object().unwrap();
        states.iter().map(|(name, state)| (name.as_str(), state))
    }

    pub(crate) fn state(&self, name: &str) -> &Value {
        let state = &self.json["States"][name];
        assert!(state.is_object(), "there is no state {name}");
        state
    }

    /// The Tasks that call one service integration.
    pub(crate) fn calling<'a>(&'a self, resource: &'a str) -> impl Iterator<Item = &'a str> {
        self.states()
            .filter(move |(_, state)| state["Resource"] == resource)
            .map(|(name, _)| name)
    }

    /// The Tasks that invoke a function for a step that may write.
    pub(crate) fn writers(&self) -> Vec<&str> {
        self.calling(LAMBDA)
            .filter(|name| self.step(name).writes())
            .collect()
    }

    /// The step for which a Task invokes its function.
    pub(crate) fn step(&self, name: &str) -> Step {
        let step = &self.state(name)["Parameters"]["Payload"]["step"];
        let found = Step::ALL.into_iter().find(|known| step == known.as_str());
        found.unwrap_or_else(|| panic!("{name} invokes for {step}"))
    }

    /// The Task that invokes a function for a step.
    pub(crate) fn task_of(&self, step: Step) -> &str {
        let mut tasks = self.calling(LAMBDA).filter(|name| self.step(name) == step);
        let task = tasks.next().unwrap_or_else(|| panic!("{step:?}"));
        assert_eq!(tasks.next(), None, "{step:?} is called twice");
        task
    }

    /// Every way there is.
    pub(crate) fn ways(&self) -> Vec<Way<'_>> {
        let mut ways = Vec::new();
        for (from, state) in self.states() {
            let mut add = |to: &'static str, holder, by| push(&mut ways, from, to, holder, by);
            add("Next", state, By::Next);
            add("Default", state, By::Next);
            for rule in state["Choices"].as_array().into_iter().flatten() {
                add("Next", rule, By::Rule(rule));
            }
            for catcher in state["Catch"].as_array().into_iter().flatten() {
                add("Next", catcher, By::Catch(catcher));
            }
        }
        ways
    }

    pub(crate) fn ways_to(&self, name: &str) -> Vec<Way<'_>> {
        let mut ways = self.ways();
        ways.retain(|way| way.to == name);
        ways
    }

    /// What can be reached from states, themselves included, by the ways that are open.
    pub(crate) fn reached<'a>(
        &'a self,
        from: &[&'a str],
        open: impl Fn(&Way<'a>) -> bool,
    ) -> BTreeSet<&'a str> {
        let ways = self.ways();
        let mut reached: BTreeSet<_> = from.iter().copied().collect();
        let mut next: Vec<_> = from.to_vec();
        while let Some(here) = next.pop() {
            for way in ways.iter().filter(|way| way.from == here && open(way)) {
                if reached.insert(way.to) {
                    next.push(way.to);
                }
            }
        }
        reached
    }
}

fn push<'a>(ways: &mut Vec<Way<'a>>, from: &'a str, field: &str, holder: &'a Value, by: By<'a>) {
    if let Some(to) = holder[field].as_str() {
        ways.push(Way { from, to, by });
    }
}
