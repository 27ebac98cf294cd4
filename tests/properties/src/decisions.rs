use arbitrary::Unstructured;
use ebbtide_controller::contract;
use ebbtide_controller::deployment::{Answer, Deployment, Outgoing, Plan};
use ebbtide_controller::lock::Lock;
use ebbtide_controller::phase::Phase;
use ebbtide_controller::preflight;
use ebbtide_controller::preflight::findings::{FindingName, Severity};
use ebbtide_controller::quote::is_visible;
use ebbtide_controller::reason::Code;
use ebbtide_controller::refusal::Refusal;
use ebbtide_controller::turn::{self, Next};
use ebbtide_controller::world::World;

use crate::Scene;
use crate::harm::{Kind, harm};
use crate::quiet;

/// Every phase that decides under the lock, and whether it may only take tasks away.
const PHASES: [(Phase, Kind); 5] = [
    (Phase::CheckAndCreate, Kind::Other),
    (Phase::Swap, Kind::Other),
    (Phase::ScaleDown, Kind::Drain),
    (Phase::Cleanup, Kind::Other),
    (Phase::Rollback, Kind::Other),
];

/// A phase, what goes in it, and what it decided.
pub(crate) type Decided = (Phase, Outgoing, Result<Next, Refusal>);

/// No phase decides to do harm, or fails to decide, whatever it sees; and what it answers shows and
/// has an end.
///
/// The input draws a [`Scene`], which every phase is made to decide about, whatever goes in it.
pub fn decisions(data: &[u8]) {
    let _ = decisions_in(data);
}

/// The same, and what was decided.
pub fn decisions_in(data: &[u8]) -> Vec<Decided> {
    let scene = Scene::draw(&mut Unstructured::new(data));
    let Scene { world, deployment } = &scene;
    found(world, &deployment.plan);
    let mut decided = Vec::new();
    for (phase, kind) in PHASES {
        for deployment in variants(phase, deployment) {
            let Deployment { plan, progress, .. } = &deployment;
            let next = turn::next(phase, world, plan, progress);
            if let Ok(Next::Write(stages)) = &next {
                // Those of a stage come in any order.
                let reversed = stages.iter().flat_map(|stage| stage.iter().rev().cloned());
                for actions in [stages.concat(), reversed.collect()] {
                    let why = harm(kind, plan.request.shift.as_ref(), world, &actions);
                    assert_eq!(why, None, "{phase:?} does harm in {scene:?}");
                }
            }
            if let Ok(Next::WriteAndGo(writes, _)) = &next {
                let why = harm(kind, plan.request.shift.as_ref(), world, writes);
                assert_eq!(why, None, "{phase:?} does harm in {scene:?}");
            }
            quiet::keeps(phase, world, &deployment, &next);
            told(phase, &deployment, &next);
            decided.push((phase, plan.outgoing.clone(), next));
        }
    }
    decided
}

/// What preflight refuses is the first error that it tells, and it tells none where it refuses nothing.
fn found(world: &World, plan: &Plan) {
    let (checked, findings) = preflight::inspect(&plan.id, &plan.request, Some(world));
    for finding in &findings {
        let text = format!("{finding} {}", finding.fix);
        assert!(!finding.fix.is_empty() && is_visible(&text), "{finding:?}");
    }
    let errors = findings
        .iter()
        .filter(|one| one.severity == Severity::Error);
    let first = errors.map(|one| (one.name, one.seen.as_str())).next();
    match checked {
        Ok(checked) => {
            assert_eq!(first, None);
            let (drain, answer) = (checked.drain(), checked.answer());
            let lock = Lock::of(&answer.plan.request);
            is_told_well(&answer, &lock);
            let state = contract::passed(&answer, &lock, &findings, &drain);
            assert!(state.to_string().len() < 96 * 1024, "{state}");
        }
        Err(refusal) => {
            let (name, seen) = first.unwrap_or((FindingName::Refused, ""));
            assert_eq!(
                (seen, name != FindingName::Refused),
                (refusal.problem.as_str(), true)
            );
        }
    }
}

/// The deployment as it is, and as a phase may also find it: in a rollback, among leftovers, before
/// a swap that was left half done is finished, before it has a replacement.
fn variants(phase: Phase, deployment: &Deployment) -> Vec<Deployment> {
    let with = |change: fn(&mut Deployment)| {
        let mut changed = deployment.clone();
        change(&mut changed);
        changed
    };
    let mut variants = vec![deployment.clone()];
    match phase {
        Phase::Preflight | Phase::Cleanup | Phase::Rollback => {}
        Phase::CheckAndCreate => variants.push(with(|it| it.plan.replacement = None)),
        Phase::Swap => {
            // A swap that was left half done is finished.
            variants.push(with(|it| it.plan.replacement = None));
            variants.push(with(|it| it.plan.outgoing = Outgoing::Replacement));
            variants.push(with(|it| it.progress.baking = true));
        }
        Phase::ScaleDown => {
            variants.push(with(|it| {
                // What is left over goes, and what took its place stays.
                let plan = &mut it.plan;
                plan.outgoing = Outgoing::Leftover(plan.original.take());
                plan.original = plan.replacement.take();
                std::mem::swap(
                    &mut plan.original_target_group,
                    &mut plan.replacement_target_group,
                );
            }));
        }
    }
    variants
}

/// Whether a step counts on that waits for samples of a check.
fn awaits_samples(after: &Plan, before: &Plan) -> bool {
    after.checked.held > before.checked.held
}

/// Whether a step of a shift has begun or counts on.
fn shifts(after: &Plan, before: &Plan) -> bool {
    let at = |plan: &Plan| (plan.shifted.step, plan.shifted.waited);
    at(after) > at(before)
}

/// What a phase answers where it has nothing more to write, and what a refusal of it leads to.
fn told(phase: Phase, deployment: &Deployment, next: &Result<Next, Refusal>) {
    let answer = match next {
        Ok(Next::Write(_)) => return,
        Ok(Next::Go(answer) | Next::WriteAndGo(_, answer)) => answer,
        Err(refusal) => {
            assert!(is_visible(&refusal.to_string()));
            let Deployment { plan, progress, .. } = deployment;
            let answer = turn::refused(phase, plan, progress, refusal);
            assert!(answer.plan.failure.is_some(), "{answer:?}");
            return;
        }
    };
    // A phase that waits and counts nothing would wait for ever. What leads to another one need not.
    let goes = |plan: &Plan| std::mem::discriminant(&plan.outgoing);
    if answer.to == phase.wait() && goes(&deployment.plan) == goes(&answer.plan) {
        let (before, after) = (deployment.progress, answer.progress);
        let counts = after.waited > before.waited
            || after.step > before.step
            || shifts(&answer.plan, &deployment.plan)
            || awaits_samples(&answer.plan, &deployment.plan)
            // The window opens at a time of the clock.
            || answer.reason.code() == Code::WindowClosed
            // Traffic has moved, and the bake is counted anew.
            || (after.baking && !before.baking)
            // The drain of a leftover is planned once, and a replacement is created once.
            || deployment.plan.outgoing_set() != answer.plan.outgoing_set()
            || deployment.plan.incoming_set() != answer.plan.incoming_set();
        assert!(answer.wait > 0, "{answer:?}");
        assert!(counts || before.waited == u32::MAX, "{answer:?}");
    }
    is_told_well(answer, &deployment.lock);
}

fn is_told_well(answer: &Answer, lock: &Lock) {
    let state = answer.to_json(lock);
    let reason = state["reason"]["text"].as_str().unwrap_or_default();
    assert!(!reason.is_empty() && is_visible(reason), "{state}");
    assert!(state.to_string().len() < 64 * 1024, "{state}");
}
