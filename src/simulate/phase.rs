//! The states of a deployment in a few phases: the loops would be hundreds of bars.

use crate::simulation::Visit;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Phase {
    /// The state that gives it its name.
    pub(crate) name: &'static str,
    /// Seconds since the start.
    pub(crate) from: f64,
    /// Seconds since the start.
    pub(crate) to: f64,
    pub(crate) states: Vec<String>,
}

pub(crate) fn phases(states: &[Visit]) -> Vec<Phase> {
    let mut phases: Vec<Phase> = Vec::new();
    for state in states {
        // What is a part of every phase, or unknown, belongs to the one in which it comes.
        let name = phase_of(&state.name).or_else(|| phases.last().map(|phase| phase.name));
        let name = name.unwrap_or("Preflight");
        match phases.last_mut().filter(|phase| phase.name == name) {
            Some(phase) => {
                phase.to = state.to;
                if !phase.states.contains(&state.name) {
                    phase.states.push(state.name.clone());
                }
            }
            None => phases.push(Phase {
                name,
                from: state.from,
                to: state.to,
                states: vec![state.name.clone()],
            }),
        }
    }
    phases
}

/// The phase that a state belongs to: the Task that its loop is about. Nothing for a state that may come
/// in several.
pub(super) fn phase_of(state: &str) -> Option<&'static str> {
    let phase = match state {
        "Preflight" | "MayDeploy" | "DryRunSucceeded" => "Preflight",
        "CheckAndCreateService" | "ServiceReady" | "WaitForServiceReady" => "CheckAndCreateService",
        "Swap" | "Swapped" | "Bake" => "Swap",
        "ScaleDown" | "LoopTillRunning" | "Wait" => "ScaleDown",
        "Cleanup" | "CleanedUp" | "WaitForDeletion" => "Cleanup",
        "Rollback" | "RolledBack" | "WaitForOriginal" | "RollbackFailed" => "Rollback",
        "DeploymentFailed" => "DeploymentFailed",
        "DeploymentSucceeded" => "DeploymentSucceeded",
        _ => return None,
    };
    Some(phase)
}

#[cfg(test)]
mod tests {
    use ebbtide_simulator::deployment::DEFINITION;
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_state_of_the_shipped_definition_belongs_to_a_phase() {
        let definition: Value = serde_json::from_str(DEFINITION).unwrap();
        let states = definition["States"].as_object().unwrap();
        // Every phase may call one.
        let of_any = ["Hook", "AfterHook"];
        for state in states
            .keys()
            .filter(|state| !of_any.contains(&state.as_str()))
        {
            // Its name is a state that people see in the console.
            let phase = phase_of(state).unwrap_or_else(|| panic!("{state}"));
            assert!(states.contains_key(phase), "{phase}");
        }
    }

    #[test]
    fn a_loop_is_one_phase() {
        let names = ["Swap", "Bake", "Swap", "ScaleDown", "Wait"];
        let states: Vec<_> = names
            .iter()
            .zip([0.0, 60.0, 60.0, 90.0, 91.0])
            .zip([60.0, 60.0, 90.0, 91.0, 120.0])
            .map(|((name, from), to)| Visit {
                name: (*name).to_owned(),
                from,
                to,
            })
            .collect();
        let phases = phases(&states);
        let told: Vec<_> = phases.iter().map(|p| (p.name, p.from, p.to)).collect();
        assert_eq!(told, [("Swap", 0.0, 90.0), ("ScaleDown", 90.0, 120.0)]);
        assert_eq!(phases[0].states, ["Swap", "Bake"]);
    }
}
