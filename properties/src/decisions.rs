use arbitrary::Unstructured;
use ebbtide_controller::contract::{self, Step};
use ebbtide_controller::decision::{Decision, WaitingOn};
use ebbtide_controller::deployment::{Answer, Course, Deployment};
use ebbtide_controller::observation::Observation;
use ebbtide_controller::preflight::findings::{FindingName, Severity};
use ebbtide_controller::quote::is_visible;
use ebbtide_controller::{
    cleanup, create, finish_swap, leftovers, preflight, ready, rollback, scale_down, swap,
};

use crate::Scene;
use crate::harm::{Kind, harm};

type Decide = fn(&Observation, &Deployment) -> Decision;

/// Every step that decides.
const STEPS: [(Step, Kind, Decide); 9] = [
    (Step::FinishSwap, Kind::Other, finish_swap::decide),
    (Step::Leftovers, Kind::Drain, leftovers::decide),
    (Step::Create, Kind::Other, create::decide),
    (Step::Ready, Kind::Other, ready::decide),
    (Step::Swap, Kind::Other, swap::decide),
    (Step::ScaleDown, Kind::Drain, scale_down::decide),
    (Step::Cleanup, Kind::Other, cleanup::decide),
    (Step::Rollback, Kind::Other, rollback::decide),
    (Step::SwapBack, Kind::Other, swap::decide),
];

/// No step decides to do harm, or fails to decide, whatever it sees; and what it answers shows and
/// has an end.
///
/// The input draws a [`Scene`], which every step is made to decide about.
pub fn decisions(data: &[u8]) {
    let _ = decisions_in(data);
}

/// The same, and what was decided, by step.
pub fn decisions_in(data: &[u8]) -> Vec<(Step, Decision)> {
    let scene = Scene::draw(&mut Unstructured::new(data));
    let Scene {
        observation,
        deployment,
    } = &scene;
    found(observation, deployment);
    let mut decided = Vec::new();
    for (step, kind, decide) in STEPS {
        let Some(deployment) = turned(step, deployment) else {
            continue;
        };
        let decision = decide(observation, &deployment);
        let why = harm(kind, observation, &decision);
        assert_eq!(why, None, "{step:?} does harm in {scene:?}");
        told(step, observation, &deployment, &decision);
        decided.push((step, decision));
    }
    decided
}

/// What preflight refuses is the first error that it tells, and it tells none where it refuses nothing.
fn found(observation: &Observation, deployment: &Deployment) {
    let (id, request) = (&deployment.id, &deployment.request);
    let (checked, findings) = preflight::inspect(id, request, observation);
    for finding in &findings {
        let text = format!("{finding} {}", finding.fix);
        assert!(!finding.fix.is_empty() && is_visible(&text), "{finding:?}");
    }
    let errors = findings
        .iter()
        .filter(|one| one.severity == Severity::Error);
    let first = errors.map(|one| (one.name, one.seen.as_str())).next();
    match checked {
        Ok(deployment) => {
            assert_eq!(first, None);
            let plan = preflight::plan(&deployment, observation);
            let answer = preflight::answer(deployment, observation);
            is_told_well(&answer);
            let state = contract::passed(&answer, &findings, &plan);
            assert!(state.to_string().len() < 96 * 1024, "{state}");
        }
        Err(refusal) => {
            let (name, seen) = first.unwrap_or((FindingName::Refused, ""));
            assert_eq!(
                (seen, name != FindingName::Refused),
                (refusal.seen.as_str(), true)
            );
        }
    }
}

/// The deployment as a step sees it: on the way back, the other way round.
fn turned(step: Step, deployment: &Deployment) -> Option<Deployment> {
    if step == Step::SwapBack && deployment.course != Course::Back {
        return deployment.reversed();
    }
    Some(deployment.clone())
}

/// What the step answers where it has nothing more to write.
fn told(step: Step, observation: &Observation, deployment: &Deployment, decision: &Decision) {
    let waiting_on = match decision {
        Decision::Act(_) => return,
        Decision::Refuse(refusal) => return assert!(is_visible(&refusal.to_string())),
        Decision::Wait(waiting_on) => Some(waiting_on),
        Decision::Done => None,
    };
    let answer = match step {
        Step::FinishSwap => Ok(finish_swap::answer(deployment, waiting_on)),
        Step::Leftovers => leftovers::answer(observation, deployment, waiting_on),
        Step::Preflight | Step::Explain | Step::Create => create::answer(observation, deployment),
        Step::Ready => Ok(ready::answer(deployment, waiting_on)),
        Step::Swap | Step::SwapBack => Ok(swap::answer(observation, deployment, waiting_on)),
        Step::ScaleDown => Ok(scale_down::answer(observation, deployment, waiting_on)),
        Step::Cleanup => Ok(cleanup::answer(observation, deployment, waiting_on)),
        Step::Rollback => Ok(rollback::answer(observation, deployment, waiting_on)),
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(refusal) => return assert!(is_visible(&refusal.to_string())),
    };
    // A step that waits and counts nothing would wait for ever. These two lead to another step.
    let leads_on = matches!(
        waiting_on,
        None | Some(WaitingOn::SwapToFinish | WaitingOn::Leftover { .. })
    );
    if !leads_on {
        let (before, after) = (deployment.progress, answer.deployment.progress);
        let counts = after.waited > before.waited || after.step > before.step;
        assert!(answer.wait > 0, "{answer:?}");
        assert!(counts || before.waited == u32::MAX, "{answer:?}");
    }
    is_told_well(&answer);
}

fn is_told_well(answer: &Answer) {
    let state = answer.to_json();
    let reason = state["reason"].as_str().unwrap_or_default();
    assert!(!reason.is_empty() && is_visible(reason), "{state}");
    assert!(state.to_string().len() < 64 * 1024, "{state}");
}
