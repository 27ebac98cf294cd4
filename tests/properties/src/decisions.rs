use arbitrary::Unstructured;
use ebbtide_controller::contract;
use ebbtide_controller::deployment::{Answer, Course, Deployment};
use ebbtide_controller::observation::Observation;
use ebbtide_controller::phase::Phase;
use ebbtide_controller::preflight;
use ebbtide_controller::preflight::findings::{FindingName, Severity};
use ebbtide_controller::quote::is_visible;
use ebbtide_controller::refusal::Refusal;
use ebbtide_controller::turn::{self, Next};

use crate::Scene;
use crate::harm::{Kind, harm};

/// Every phase that decides under the lock, and whether it may only take tasks away.
const PHASES: [(Phase, Kind); 5] = [
    (Phase::CheckAndCreate, Kind::Other),
    (Phase::Swap, Kind::Other),
    (Phase::ScaleDown, Kind::Drain),
    (Phase::Cleanup, Kind::Other),
    (Phase::Rollback, Kind::Other),
];

/// A phase, on a course, and what it decided.
pub(crate) type Decided = (Phase, Course, Result<Next, Refusal>);

/// No phase decides to do harm, or fails to decide, whatever it sees; and what it answers shows and
/// has an end.
///
/// The input draws a [`Scene`], which every phase is made to decide about, on every course.
pub fn decisions(data: &[u8]) {
    let _ = decisions_in(data);
}

/// The same, and what was decided.
pub fn decisions_in(data: &[u8]) -> Vec<Decided> {
    let scene = Scene::draw(&mut Unstructured::new(data));
    let Scene {
        observation,
        deployment,
    } = &scene;
    found(observation, deployment);
    let mut decided = Vec::new();
    for (phase, kind) in PHASES {
        for deployment in courses(phase, deployment) {
            let next = turn::next(phase, observation, &deployment);
            if let Ok(Next::Write(actions)) = &next {
                let why = harm(kind, observation, actions);
                assert_eq!(why, None, "{phase:?} does harm in {scene:?}");
            }
            told(phase, &deployment, &next);
            decided.push((phase, deployment.course, next));
        }
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

/// The deployment as it is, and as a phase may find it besides: on the way back, among leftovers, before
/// a swap that was left half done is finished, before it has a replacement.
fn courses(phase: Phase, deployment: &Deployment) -> Vec<Deployment> {
    let on = |course: Course| Deployment {
        course,
        ..deployment.clone()
    };
    let mut courses = vec![deployment.clone()];
    match phase {
        Phase::Preflight | Phase::Cleanup | Phase::Rollback => {}
        Phase::CheckAndCreate => courses.push(Deployment {
            replacement: None,
            ..deployment.clone()
        }),
        Phase::Swap => {
            courses.push(on(Course::HalfSwapped));
            if deployment.course != Course::Back {
                courses.extend(deployment.reversed());
            }
            let mut baking = deployment.clone();
            baking.progress.baking = true;
            courses.push(baking);
        }
        Phase::ScaleDown => courses.push(on(Course::Leftover)),
    }
    courses
}

/// What a phase answers where it has nothing more to write, and what a refusal of it leads to.
fn told(phase: Phase, deployment: &Deployment, next: &Result<Next, Refusal>) {
    let answer = match next {
        Ok(Next::Write(_)) => return,
        Ok(Next::Go(answer)) => answer,
        Err(refusal) => {
            assert!(is_visible(&refusal.to_string()));
            let answer = turn::refused(phase, deployment, refusal);
            assert!(answer.deployment.failure.is_some(), "{answer:?}");
            return;
        }
    };
    // A phase that waits and counts nothing would wait for ever. What leads to another one need not.
    if answer.to == phase.wait() && deployment.course == answer.deployment.course {
        let (before, after) = (deployment.progress, answer.deployment.progress);
        let counts = after.waited > before.waited
            || after.step > before.step
            // The drain of a leftover is planned once, and a replacement is created once.
            || deployment.original != answer.deployment.original
            || deployment.replacement != answer.deployment.replacement;
        assert!(answer.wait > 0, "{answer:?}");
        assert!(counts || before.waited == u32::MAX, "{answer:?}");
    }
    is_told_well(answer);
}

fn is_told_well(answer: &Answer) {
    let state = answer.to_json();
    let reason = state["reason"]["text"].as_str().unwrap_or_default();
    assert!(!reason.is_empty() && is_visible(reason), "{state}");
    assert!(state.to_string().len() < 64 * 1024, "{state}");
}
