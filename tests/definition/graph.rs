//! The definition as states and the ways between them.

use std::collections::{BTreeMap, BTreeSet};

use ebbtide_controller::phase::Phase;
use ebbtide_simulator::asl::{StateMachine, substitute};
use ebbtide_simulator::deployment::DEFINITION;
use serde_json::Value;

pub(crate) struct Definition {
    /// As the interpreter reads it.
    pub(crate) machine: StateMachine,
    json: Value,
}

/// The Task that calls hooks.
pub(crate) const HOOK: &str = "Hook";

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Way<'a> {
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) by: By,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum By {
    Next,
    Rule,
    Default,
    Catch,
}

pub(crate) fn shipped() -> Definition {
    let values = BTreeMap::from([
        ("Partition", "aws"),
        ("CheckAndCreateFunction", "check-and-create"),
        ("SwapFunction", "swap"),
        ("ScaleDownFunction", "scale-down"),
    ]);
    let text = substitute(DEFINITION, &values).unwrap();
    Definition {
        machine: StateMachine::parse(&text).unwrap(),
        json: serde_json::from_str(&text).unwrap(),
    }
}

impl Definition {
    pub(crate) fn json(&self) -> &Value {
        &self.json
    }

    pub(crate) fn states(&self) -> impl Iterator<Item = (&str, &Value)> {
        let states = self.json["States"].as_object().unwrap();
        states.iter().map(|(name, state)| (name.as_str(), state))
    }

    pub(crate) fn state(&self, name: &str) -> &Value {
        let state = &self.json["States"][name];
        assert!(state.is_object(), "there is no state {name}");
        state
    }

    pub(crate) fn of_type<'a>(
        &'a self,
        kind: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.states()
            .filter(move |(_, state)| state["Type"] == kind)
    }

    /// The Tasks that invoke the functions; another one calls hooks.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.of_type("Task").filter(|(name, _)| *name != HOOK)
    }

    pub(crate) fn choice_of(&self, phase: Phase) -> (&str, &Value) {
        let name = self.state(phase.task().as_str())["Next"].as_str().unwrap();
        (name, self.state(name))
    }

    pub(crate) fn ways(&self) -> Vec<Way<'_>> {
        let mut ways = Vec::new();
        for (from, state) in self.states() {
            let list = |field: &str| state[field].as_array().into_iter().flatten();
            let next = [(&state["Next"], By::Next), (&state["Default"], By::Default)];
            let rules = list("Choices").map(|rule| (&rule["Next"], By::Rule));
            let catchers = list("Catch").map(|catcher| (&catcher["Next"], By::Catch));
            let all = next.into_iter().chain(rules).chain(catchers);
            ways.extend(all.filter_map(|(to, by)| {
                Some(Way {
                    from,
                    to: to.as_str()?,
                    by,
                })
            }));
        }
        ways
    }

    /// What can be reached from a state, itself included, by the ways that are open.
    pub(crate) fn reached<'a>(
        &'a self,
        from: &'a str,
        open: impl Fn(&Way<'a>) -> bool,
    ) -> BTreeSet<&'a str> {
        let ways = self.ways();
        let mut reached = BTreeSet::from([from]);
        let mut next = vec![from];
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
