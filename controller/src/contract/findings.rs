//! What preflight adds to its state: findings, and in a dry run the plan of the drain.
//!
//! Both are for people and for CI. No later step reads them, and the next function's answer leaves
//! them out.

use serde_json::{Value, json};

use crate::deployment::Answer;
use crate::drain::plan::{Limit, Plan};
use crate::lock::Lock;
use crate::phase::To;
use crate::preflight::findings::{Finding, Severity};

/// Bytes of findings in a state, of the 256 KiB that it may have in all (AWS documentation).
const MOST_BYTES: usize = 32 * 1024;

/// The answer of preflight as the state machine's next state.
///
/// `findings` are the warnings, in a dry run also the infos: as many as fit, most severe first, with the
/// number of the others in `findingsLeftOut`. `plan` is what the drain will do, and the steps before the last of a shift,
/// in a dry run.
pub fn passed(answer: &Answer, lock: &Lock, findings: &[Finding], plan: &Plan) -> Value {
    let dry_run = answer.to == To::DryRunSucceeded;
    let mut told: Vec<Value> = findings
        .iter()
        .filter(|finding| dry_run || finding.severity != Severity::Info)
        .map(finding)
        .collect();
    let all = told.len();
    let mut bytes = 0;
    let fitting = told.iter().take_while(|one| {
        bytes += one.to_string().len() + 1;
        bytes <= MOST_BYTES
    });
    let fitting = fitting.count();
    told.truncate(fitting);
    let mut state = answer.to_json(lock);
    state["findings"] = Value::Array(told);
    if fitting < all {
        state["findingsLeftOut"] = json!(all - fitting);
    }
    if dry_run {
        state["status"] = json!("dryRun");
        state["plan"] = self::plan(plan);
        if let Some(shift) = answer.plan.asks_for_a_shift() {
            let longest = shift.longest(&answer.plan.request);
            let steps = shift.steps().zip(longest).map(|(step, longest)| {
                json!({"percent": step.percent, "for": step.seconds, "atMost": longest})
            });
            state["plan"]["shift"] = steps.collect();
        }
    }
    state
}

/// One finding: `severity`, `name`, `seen`, `why`, the `fix` in one line, and its `commands` one by one.
pub fn finding(finding: &Finding) -> Value {
    json!({
        "severity": finding.severity.as_str(),
        "name": finding.name.as_str(),
        "seen": finding.seen,
        "why": finding.why,
        "fix": finding.fix.to_string(),
        "commands": finding.fix.commands,
    })
}

/// A plan: its `steps` (`at` in seconds after the first, `tasks` removed, `left` after it), the
/// `seconds` from the first to the last, and the `limit` that decides how fast it goes.
pub fn plan(plan: &Plan) -> Value {
    let steps = plan
        .steps
        .iter()
        .map(|step| json!({"at": step.at, "tasks": step.tasks, "left": step.left}));
    json!({
        "steps": steps.collect::<Vec<_>>(),
        "seconds": plan.seconds(),
        "limit": match plan.limit {
            Limit::Pace => "pace",
            Limit::ShortestWait => "shortestWait",
            Limit::MostSteps => "mostSteps",
            Limit::Budget => "budget",
            Limit::Deadline => "deadline",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Scene;
    use crate::preflight::{self, findings::FindingName};

    fn state(dry_run: bool, copies: usize) -> Value {
        let mut scene = Scene::serving();
        scene.request.dry_run = dry_run;
        scene.group_mut("blue").settings.sticky = true;
        let id = scene.plan().id;
        let (checked, mut found) = preflight::inspect(&id, &scene.request, Some(&scene.world));
        let one = found
            .iter()
            .find(|finding| finding.name == FindingName::Stickiness)
            .unwrap()
            .clone();
        found.splice(0..0, std::iter::repeat_n(one, copies));
        let checked = checked.unwrap();
        let plan = checked.drain();
        let answer = checked.answer();
        passed(&answer, &Lock::of(&scene.request), &found, &plan)
    }

    #[test]
    fn a_real_runs_state_has_the_warnings_and_no_plan() {
        let state = state(false, 0);
        let names: Vec<_> = state["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| {
                (
                    one["severity"].as_str().unwrap(),
                    one["name"].as_str().unwrap(),
                )
            })
            .collect();
        let warnings = ["deregistrationDelay", "stickiness"];
        assert_eq!(names, warnings.map(|name| ("warning", name)));
        assert_eq!(state["plan"]["steps"], Value::Null);
        assert_eq!(state["next"], "CheckAndCreateService");
    }

    #[test]
    fn a_dry_run_has_infos_and_the_plan_as_well() {
        let state = state(true, 0);
        assert_eq!(state["status"], "dryRun");
        let findings = state["findings"].as_array().unwrap();
        assert!(findings.iter().any(|one| one["name"] == "capacity"));
        assert_eq!(
            state["plan"],
            json!({
                "steps": [
                    {"at": 0, "tasks": 1, "left": 3},
                    {"at": 60, "tasks": 1, "left": 2},
                    {"at": 120, "tasks": 1, "left": 1},
                    {"at": 180, "tasks": 1, "left": 0},
                ],
                "seconds": 180,
                "limit": "pace",
            })
        );
    }

    #[test]
    fn a_state_with_any_number_of_findings_stays_small_and_says_how_many_are_missing() {
        let state = state(true, 1_000);
        let told = state["findings"].as_array().unwrap().len();
        let left_out = usize::try_from(state["findingsLeftOut"].as_u64().unwrap()).unwrap();
        assert!(told > 20, "{told}");
        assert!(told + left_out > 1_000, "{told} and {left_out}");
        assert!(state.to_string().len() < 40 * 1024);
    }

    #[test]
    fn the_next_step_reads_the_state_as_if_there_were_none() {
        let scene = Scene::serving();
        let state = state(false, 3);
        let mut without = state.clone();
        without.as_object_mut().unwrap().shift_remove("findings");
        let read = |state: Value| {
            crate::contract::Event {
                phase: crate::phase::Phase::CheckAndCreate,
                id: scene.plan().id,
                started_at: "2026-01-01T00:00:00Z".into(),
                state,
            }
            .deployment()
            .unwrap()
        };
        assert_eq!(read(state), read(without));
    }
}
