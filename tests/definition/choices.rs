//! Where an answer leads: a Choice after each Task, by `$.next` and nothing else.

use std::collections::BTreeSet;

use ebbtide_controller::phase::{Phase, To};

use crate::graph::{Definition, HOOK, shipped};

/// Every answer that a phase may give (`controller::turn`, `functions::handler`).
fn answers(phase: Phase) -> &'static [To] {
    match phase {
        Phase::Preflight => &[
            To::CheckAndCreateService,
            To::DryRunSucceeded,
            To::DeploymentFailed,
        ],
        Phase::CheckAndCreate => &[
            To::WaitForServiceReady,
            To::Swap,
            // What an earlier deployment left is drained first, or the rollback of an execution that has
            // ended is finished where it was.
            To::ScaleDown,
            To::Wait,
            To::Cleanup,
            To::Rollback,
            To::Hook(Phase::CheckAndCreate),
            To::DeploymentFailed,
        ],
        Phase::Swap => &[
            To::Bake,
            To::ScaleDown,
            // The replacement has lost its health again.
            To::WaitForServiceReady,
            // The swap of an earlier deployment is finished.
            To::CheckAndCreateService,
            To::Rollback,
            To::Hook(Phase::Swap),
            To::DeploymentFailed,
        ],
        Phase::ScaleDown => &[
            To::Wait,
            To::Cleanup,
            // The swap of an earlier deployment shows in the drain of what it left.
            To::Swap,
            // Nothing is left of an earlier deployment.
            To::CheckAndCreateService,
            To::Rollback,
            To::Hook(Phase::ScaleDown),
            To::DeploymentFailed,
        ],
        Phase::Cleanup => &[
            To::WaitForDeletion,
            // The rollback of an execution that has ended is finished.
            To::CheckAndCreateService,
            To::DeploymentSucceeded,
            To::Rollback,
            To::Hook(Phase::Cleanup),
            To::DeploymentFailed,
        ],
        Phase::Rollback => &[
            To::WaitForOriginal,
            To::Swap,
            // After an error of AWS the swap or the drain goes on.
            To::Bake,
            To::Wait,
            // The rollback of an execution that has ended is finished.
            To::CheckAndCreateService,
            // The deployment had succeeded, and the answer that says so was lost on the way.
            To::DeploymentSucceeded,
            To::Hook(Phase::Rollback),
            To::DeploymentFailed,
        ],
    }
}

#[test]
fn every_task_leads_to_a_choice_of_its_own() {
    let definition = shipped();
    let choices = Phase::ALL.map(|phase| definition.choice_of(phase).0);
    let choices = BTreeSet::from(choices);
    assert_eq!(choices.len(), Phase::ALL.len());
    // And the one after a hook.
    assert_eq!(definition.of_type("Choice").count(), choices.len() + 1);
}

#[test]
fn every_rule_leads_to_the_state_that_next_names() {
    let definition = shipped();
    for (name, choice) in definition.of_type("Choice") {
        for rule in choice["Choices"].as_array().unwrap() {
            let fields: Vec<_> = rule.as_object().unwrap().keys().collect();
            assert_eq!(fields, ["Variable", "StringEquals", "Next"], "{name}");
            let after_a_hook = definition.state(HOOK)["Next"] == name;
            let field = if after_a_hook {
                "$.hook.then"
            } else {
                "$.next"
            };
            assert_eq!(rule["Variable"], field, "{name}");
            assert_eq!(rule["StringEquals"], rule["Next"], "{name}");
        }
    }
}

#[test]
fn every_answer_of_a_phase_is_a_rule_of_its_choice() {
    let definition = shipped();
    for phase in Phase::ALL {
        let (name, choice) = definition.choice_of(phase);
        let rules = choice["Choices"].as_array().unwrap().iter();
        let rules: BTreeSet<_> = rules.map(|rule| rule["Next"].as_str().unwrap()).collect();
        let answers: BTreeSet<_> = answers(phase).iter().map(|to| to.as_str()).collect();
        assert_eq!(rules, answers, "{name}");
    }
}

#[test]
fn every_phase_under_the_lock_may_wait_fail_and_be_rolled_back() {
    for phase in Phase::ALL {
        let answers = answers(phase);
        assert!(answers.contains(&To::DeploymentFailed), "{phase}");
        if phase == Phase::Preflight {
            continue;
        }
        assert!(answers.contains(&phase.wait()), "{phase}");
        let is_rolled_back = answers.contains(&To::Rollback);
        assert_eq!(is_rolled_back, phase != Phase::Rollback, "{phase}");
    }
}

#[test]
fn an_answer_without_a_rule_is_rolled_back_and_one_of_the_rollback_is_the_end() {
    let definition = shipped();
    for phase in Phase::ALL {
        let (name, choice) = definition.choice_of(phase);
        let is_rollback = phase == Phase::Rollback;
        let default = if is_rollback {
            "RollbackFailed"
        } else {
            "Rollback"
        };
        assert_eq!(choice["Default"], default, "{name}");
    }
}

fn leading_to<'a>(definition: &'a Definition, state: &str) -> BTreeSet<&'a str> {
    let ways = definition.ways().into_iter().filter(|way| way.to == state);
    ways.map(|way| way.from).collect()
}

#[test]
fn only_a_rollback_ends_in_a_failed_rollback() {
    let definition = shipped();
    let (choice, _) = definition.choice_of(Phase::Rollback);
    assert_eq!(
        leading_to(&definition, "RollbackFailed"),
        BTreeSet::from(["Rollback", choice])
    );
}

#[test]
fn a_dry_run_ends_after_preflight_alone() {
    let definition = shipped();
    let (may_deploy, _) = definition.choice_of(Phase::Preflight);
    let mut ways = definition.ways();
    ways.retain(|way| way.to == "DryRunSucceeded");
    assert_eq!(ways.len(), 1, "{ways:?}");
    assert_eq!(ways[0].from, may_deploy);
    let first = Phase::Preflight.task().as_str();
    assert_eq!(definition.machine.start_at(), first);
}

#[test]
fn each_state_reaches_what_it_should() {
    let definition = shipped();
    let ends = ["DeploymentSucceeded", "DeploymentFailed", "RollbackFailed"];
    for phase in Phase::ALL {
        let reached = definition.reached(phase.task().as_str(), |_| true);
        for end in ends {
            assert!(reached.contains(end), "{phase} never reaches {end}");
        }
        // Nothing goes back to the beginning.
        assert_eq!(reached.contains("Preflight"), phase == Phase::Preflight);
    }
    for (name, state) in definition.states() {
        let ends_there = state["Type"] == "Succeed" || state["Type"] == "Fail";
        let reached = definition.reached(name, |_| true);
        assert_eq!(reached.len() == 1, ends_there, "{name}");
    }
}

#[test]
fn a_deployment_succeeds_after_cleanup_alone() {
    let definition = shipped();
    let from = leading_to(&definition, "DeploymentSucceeded");
    // A rollback that finds the deployment ended says so again.
    let (cleanup, _) = definition.choice_of(Phase::Cleanup);
    let (rollback, _) = definition.choice_of(Phase::Rollback);
    assert_eq!(from, BTreeSet::from([cleanup, rollback]));
}
