//! Is the replacement steady and healthy? Traffic moves on this answer only, never on a fixed wait.

use crate::command;
use crate::counted::counted;
use crate::deployment::{Plan, Progress};
use crate::drain;
use crate::next::Next;
use crate::phase::To;
use crate::preflight;
use crate::reason::{Reason, Shortfall};
use crate::refusal::{ErrorName, Refusal};
use crate::request::CHECKS;
use crate::world::{TargetGroup, TaskSet, World};

/// Whether the replacement may take production traffic, or when to check again.
///
/// Waits until it has been steady and healthy [`CHECKS`] times in a row; refuses with
/// `NotReadyTimeout`, and the reasons for which its tasks stopped, after `readinessTimeout`. While an operator
/// has paused the deployment, it goes on checking.
pub fn next(world: &World, plan: &Plan, progress: &Progress) -> Result<Next, Refusal> {
    let replacement = living_incoming(world, plan)?;
    let group = world.group(plan.incoming_group())?;
    not_crashing(world, plan)?;
    if let Some(shortfall) = shortfall(world, replacement, group) {
        give_up_in_time(world, plan, progress, replacement, &shortfall)?;
        return Ok(wait_for(world, plan, progress, shortfall));
    }
    let seen = progress.checks.saturating_add(1);
    let replacement = plan.incoming_set().cloned();
    let progress = Progress {
        checks: seen.min(CHECKS),
        ..*progress
    };
    if seen < CHECKS {
        let wait = next_check(plan, &progress);
        let reason = Reason::Confirming {
            replacement,
            seen,
            wanted: CHECKS,
            wait,
        };
        return Ok(Next::wait(
            To::WaitForServiceReady,
            reason,
            wait,
            plan,
            progress,
        ));
    }
    if let Some(paused) = command::paused(world, plan)? {
        return Ok(paused.wait(To::WaitForServiceReady, plan, progress));
    }
    not_outgrown(world, plan)?;
    let reason = Reason::Ready { replacement };
    Ok(Next::at_once(To::Swap, reason, plan.clone(), progress))
}

/// Refuses, while traffic is where it was, the drain of a service that has grown so much since preflight
/// that an execution's history or time has no room for it.
fn not_outgrown(world: &World, plan: &Plan) -> Result<(), Refusal> {
    let Some(original) = plan.outgoing_in(world) else {
        return Ok(());
    };
    let tasks = original.computed_desired_count;
    let tasks = tasks.max(world.service.desired_count);
    let deregistration = world.group(&plan.original_target_group)?.deregistration();
    preflight::execution_fits(&plan.request, tasks, deregistration, 0)
}

/// What takes over, or why there is none to check.
pub(crate) fn living_incoming<'a>(world: &'a World, plan: &Plan) -> Result<&'a TaskSet, Refusal> {
    match plan.incoming_in(world) {
        Some(task_set) if !task_set.is_being_deleted() => Ok(task_set),
        Some(task_set) => Err(Refusal::drift(
            format!(
                "The replacement {} is DRAINING: it was deleted outside of this deployment.",
                task_set.id
            ),
            "Start a new execution.",
        )),
        None => Err(Refusal::not_seen(format!(
            "ECS does not show the replacement {} of this deployment.",
            plan.incoming_set().map_or("task set", |id| id)
        ))),
    }
}

/// What a task set lacks before traffic is moved to it, or `None` where it is steady and healthy.
///
/// `STEADY_STATE` alone is not enough: it is true for a task set that wants no tasks (AWS API
/// model), and an NLB with no healthy target sends traffic to all of them (AWS documentation). Nor is
/// it needed while tasks beyond those wanted are leaving: a long deregistration would keep traffic from
/// targets that are all healthy. Targets that are no task's are not counted, where they were read.
pub(crate) fn shortfall(
    world: &World,
    task_set: &TaskSet,
    group: &TargetGroup,
) -> Option<Shortfall> {
    let desired = world.service.desired_count;
    let wanted = task_set.computed_desired_count.max(desired).max(1);
    if task_set.running_count < wanted || task_set.pending_count > 0 {
        return Some(Shortfall::Tasks {
            running: task_set.running_count,
            pending: task_set.pending_count,
            wanted,
        });
    }
    let targets = group.own_targets();
    if targets.healthy < wanted || targets.healthy < targets.registered() {
        return Some(Shortfall::HealthyTargets { targets, wanted });
    }
    let surplus_leaves = task_set.running_count > wanted;
    (!task_set.steady && !surplus_leaves).then_some(Shortfall::SteadyState)
}

/// One task of so many may be missing for a while, as Spot capacity or a failed host takes it: no step
/// waits for it.
pub const TOLERANCE: u32 = 20;

/// What the task set that serves lacks of what was [`promised`]: a service that grows is not one that
/// fails.
///
/// A task of [`TOLERANCE`] may be missing. `None` for a service that wants no task.
pub(crate) fn lacking(
    world: &World,
    plan: &Plan,
    task_set: &TaskSet,
    group: &TargetGroup,
) -> Option<Shortfall> {
    let promised = promised(world, plan);
    let wanted = promised - promised / TOLERANCE;
    let (running, pending) = (task_set.running_count, task_set.pending_count);
    if running < wanted {
        return Some(Shortfall::Tasks {
            running,
            pending,
            wanted,
        });
    }
    let targets = group.targets;
    (targets.healthy < wanted).then_some(Shortfall::HealthyTargets { targets, wanted })
}

/// What takes over lacks that nothing is held or undone for, where it can be read.
pub(crate) fn lost_health(world: &World, plan: &Plan) -> Option<Shortfall> {
    let incoming = living_incoming(world, plan).ok()?;
    lacking(
        world,
        plan,
        incoming,
        world.group(plan.incoming_group()).ok()?,
    )
}

/// Whether nothing behind the production listener works, though the service wants tasks (rule R12).
pub(crate) fn is_down(world: &World, task_set: &TaskSet, group: &TargetGroup) -> bool {
    world.service.desired_count > 0 && (task_set.running_count == 0 || group.targets.healthy == 0)
}

/// Refuses to wait on once `readinessTimeout` is over.
pub(crate) fn give_up_in_time(
    world: &World,
    plan: &Plan,
    progress: &Progress,
    replacement: &TaskSet,
    shortfall: &Shortfall,
) -> Result<(), Refusal> {
    let timeout = plan.request.readiness_timeout;
    if progress.waited < timeout {
        return Ok(());
    }
    let placed = sentence_of(world.not_placed(replacement));
    let stopped = sentence_of(world.stopped_tasks.in_words());
    Err(Refusal::new(
        ErrorName::NotReadyTimeout,
        format!(
            "Replacement {} was not steady and healthy within {timeout} s: {shortfall}.{placed}{stopped}",
            replacement.id
        ),
        "Production traffic was not moved. Check the tasks' logs and the health check of the \
         target group; raise readinessTimeout where they only need longer.",
    ))
}

/// What ECS says, after another sentence.
fn sentence_of(why: Option<String>) -> String {
    why.map_or_else(String::new, |why| format!(" {why}."))
}

/// Refuses a replacement of which as many tasks failed, since the swap or before it, as `failedTasks` says,
/// or ECS's own circuit breaker allows: half of what is wanted, at least 3 and at most 200 (AWS
/// documentation). It is not waited for until a deadline, and two checks may find all of them up.
pub(crate) fn not_crashing(world: &World, plan: &Plan) -> Result<(), Refusal> {
    let (wanted, since, consequence) = match plan.swapped {
        None => (
            world.service.desired_count,
            "",
            "Production traffic was not moved. ",
        ),
        Some(_) => (promised(world, plan), " since the swap", ""),
    };
    let limit = plan.request.failed_tasks;
    let limit = limit.unwrap_or((wanted / 2).clamp(3, 200));
    let stopped = &world.stopped_tasks;
    if stopped.failed < limit {
        return Ok(());
    }
    let placed = plan
        .incoming_in(world)
        .and_then(|set| world.not_placed(set));
    let placed = sentence_of(placed);
    Err(Refusal::new(
        ErrorName::ReplacementFailed,
        format!(
            "The replacement {} is given up after {}{since}: {}.{placed}",
            plan.incoming_set().map_or("task set", |id| id),
            counted(limit, "failed task"),
            stopped.in_words().unwrap_or_default(),
        ),
        format!(
            "{consequence}Check the tasks' logs; raise failedTasks where so many failures are ordinary."
        ),
    ))
}

/// Tasks that were wanted when traffic moved, or are wanted now where that is less (rule R11).
pub(crate) fn promised(world: &World, plan: &Plan) -> u32 {
    plan.desired.min(world.service.desired_count)
}

/// The wait for a new replacement to get healthy: the checks at which it was are counted anew.
pub(crate) fn wait_for(
    world: &World,
    plan: &Plan,
    progress: &Progress,
    shortfall: Shortfall,
) -> Next {
    let wait = next_check(plan, progress);
    let progress = Progress {
        checks: 0,
        ..*progress
    };
    let reason = not_ready(world, plan, shortfall, wait);
    Next::wait(To::WaitForServiceReady, reason, wait, plan, progress)
}

/// The wait for something else than a new replacement to get healthy before traffic is moved to it:
/// checks are further apart.
pub(crate) fn wait_slowly_for(
    world: &World,
    plan: &Plan,
    progress: &Progress,
    shortfall: Shortfall,
) -> Next {
    let wait = slow_check(plan);
    let reason = not_ready(world, plan, shortfall, wait);
    Next::wait(To::Bake, reason, wait, plan, *progress)
}

fn not_ready(world: &World, plan: &Plan, shortfall: Shortfall, wait: u32) -> Reason {
    Reason::NotReady {
        replacement: plan.incoming_set().cloned(),
        shortfall,
        stopped: world.stopped_tasks.in_words(),
        not_placed: plan
            .incoming_in(world)
            .and_then(|set| world.not_placed(set)),
        wait,
    }
}

/// Seconds between two checks of a task set that is not new.
pub(crate) fn slow_check(plan: &Plan) -> u32 {
    let timeout = plan.request.readiness_timeout;
    timeout.div_ceil(drain::MOST_POLLS).max(60)
}

/// `waitForService`, cut short so that the last check is at the deadline.
fn next_check(plan: &Plan, progress: &Progress) -> u32 {
    let request = &plan.request;
    match request.readiness_timeout.saturating_sub(progress.waited) {
        0 => request.wait_for_service,
        left => request.wait_for_service.min(left),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment::Answer;
    use crate::drain::pace::Pace;
    use crate::fixture::Scene;
    use crate::world::{ServiceEvent, StoppedTasks, Targets};

    fn check(scene: &Scene) -> Result<Next, Refusal> {
        next(&scene.world, &scene.plan(), &scene.progress)
    }

    fn answer(scene: &Scene) -> Answer {
        check(scene).unwrap().answer()
    }

    /// What the replacement lacks, while it is waited for.
    fn lacks(scene: &Scene) -> Shortfall {
        let answer = answer(scene);
        assert_eq!(answer.to, To::WaitForServiceReady);
        match answer.reason {
            Reason::NotReady { shortfall, .. } => shortfall,
            other => panic!("{other:?}"),
        }
    }

    fn refused(scene: &Scene) -> Refusal {
        check(scene).unwrap_err()
    }

    #[test]
    fn a_healthy_replacement_is_ready_at_the_second_check() {
        let mut scene = Scene::healthy();
        let first = answer(&scene);
        assert_eq!(first.to, To::WaitForServiceReady);
        assert!(
            matches!(
                first.reason,
                Reason::Confirming {
                    seen: 1,
                    wanted: 2,
                    ..
                }
            ),
            "{first:?}"
        );
        scene.progress = first.progress;
        assert_eq!(scene.progress.checks, 1);
        assert_eq!(answer(&scene).to, To::Swap);
    }

    #[test]
    fn any_number_of_checks_is_enough() {
        let mut scene = Scene::healthy();
        scene.progress.checks = u32::MAX;
        assert_eq!(answer(&scene).to, To::Swap);
    }

    #[test]
    fn a_service_that_has_outgrown_an_execution_is_refused_before_traffic_moves() {
        let mut scene = Scene::healthy();
        scene.progress.checks = 1;
        scene.request.drain.pace = Pace::Tasks {
            tasks: 1,
            every: 3_600,
        };
        let grown = |tasks| {
            let mut scene = scene.clone();
            scene.task_set_mut("ecs-svc/1").computed_desired_count = tasks;
            check(&scene)
        };
        assert_eq!(grown(40).unwrap().answer().to, To::Swap);
        let refusal = grown(400).unwrap_err();
        assert_eq!(refusal.error, ErrorName::PreflightFailed);
    }

    #[test]
    fn a_bad_check_starts_the_count_again() {
        let mut scene = Scene::healthy();
        scene.progress.checks = 1;
        scene.task_set_mut("ecs-svc/2").steady = false;
        assert_eq!(lacks(&scene), Shortfall::SteadyState);
        assert_eq!(answer(&scene).progress.checks, 0);
    }

    #[test]
    fn tasks_that_start_are_waited_for() {
        let mut scene = Scene::healthy();
        scene.task_set_mut("ecs-svc/2").running_count = 1;
        scene.task_set_mut("ecs-svc/2").pending_count = 3;
        assert_eq!(
            lacks(&scene),
            Shortfall::Tasks {
                running: 1,
                pending: 3,
                wanted: 4
            }
        );
    }

    #[test]
    fn a_steady_set_without_tasks_is_not_ready() {
        let mut scene = Scene::healthy();
        let set = scene.task_set_mut("ecs-svc/2");
        (set.computed_desired_count, set.running_count, set.scale) = (0, 0, 0.0);
        scene.group_mut("green").targets = Targets::default();
        assert!(matches!(lacks(&scene), Shortfall::Tasks { wanted: 4, .. }));
    }

    #[test]
    fn one_target_in_any_other_state_holds_the_swap() {
        let states: [fn(&mut Targets); 4] = [
            |targets| targets.initial = 1,
            |targets| targets.unhealthy = 1,
            |targets| targets.unused = 1,
            |targets| targets.unknown = 1,
        ];
        for make in states {
            let mut scene = Scene::healthy();
            make(&mut scene.group_mut("green").targets);
            assert!(
                matches!(lacks(&scene), Shortfall::HealthyTargets { .. }),
                "{}",
                scene.group_mut("green").targets
            );
        }
    }

    #[test]
    fn targets_that_are_leaving_do_not_hold_the_swap() {
        let mut scene = Scene::healthy();
        scene.progress.checks = 1;
        scene.group_mut("green").targets.draining = 2;
        assert_eq!(answer(&scene).to, To::Swap);
    }

    #[test]
    fn the_deadline_is_named_with_the_reason_of_the_last_stopped_task() {
        let mut scene = Scene::healthy();
        scene.group_mut("green").targets.healthy = 0;
        scene.group_mut("green").targets.unhealthy = 4;
        scene.progress.waited = 600;
        scene.request.readiness_timeout = 600;
        scene.world.stopped_tasks = StoppedTasks {
            failed: 1,
            newest: Some("Essential container in task exited (t1)".into()),
        };
        let refusal = refused(&scene);
        assert_eq!(refusal.error, ErrorName::NotReadyTimeout);
        assert!(refusal.problem.contains("4 unhealthy"), "{refusal}");
        assert!(
            refusal
                .problem
                .contains("Essential container in task exited"),
            "{refusal}"
        );
    }

    #[test]
    fn what_ecs_says_of_placing_tasks_is_in_the_reason_and_in_the_cause() {
        let mut scene = Scene::healthy();
        let set = scene.task_set_mut("ecs-svc/2");
        (set.running_count, set.created_at) = (1, Some(1_000));
        let message =
            "(service web, taskSet ecs-svc/2) was unable to place a task. Reason: Capacity.";
        scene.world.service.events = vec![ServiceEvent {
            at: Some(1_010),
            message: message.into(),
        }];
        let reason = answer(&scene).reason.to_string();
        assert!(
            reason.contains("unable to place a task. Reason: Capacity;"),
            "{reason}"
        );
        scene.progress.waited = 1_800;
        let refusal = refused(&scene);
        assert!(
            refusal.problem.contains("1 of 4 tasks running"),
            "{refusal}"
        );
        assert!(refusal.problem.ends_with("Reason: Capacity."), "{refusal}");
        scene.world.stopped_tasks = StoppedTasks {
            failed: 3,
            newest: Some("Essential container in task exited".into()),
        };
        let refusal = refused(&scene);
        assert_eq!(refusal.error, ErrorName::ReplacementFailed);
        assert!(refusal.problem.ends_with("Reason: Capacity."), "{refusal}");
        // Once they all run it means nothing any more.
        scene.task_set_mut("ecs-svc/2").running_count = 4;
        assert!(!refused(&scene).problem.contains("Capacity"));
    }

    #[test]
    fn the_last_check_is_at_the_deadline() {
        let mut scene = Scene::healthy();
        scene.request.readiness_timeout = 100;
        scene.progress.waited = 60;
        scene.task_set_mut("ecs-svc/2").steady = false;
        let answer = answer(&scene);
        assert_eq!((answer.wait, answer.progress.waited), (40, 100));
    }

    #[test]
    fn a_replacement_that_one_read_does_not_show_is_looked_for_again() {
        let mut scene = Scene::healthy();
        scene.remove("ecs-svc/2");
        assert_eq!(refused(&scene).error, ErrorName::NotYetConsistent);
    }

    #[test]
    fn a_replacement_that_is_deleted_by_hand_is_drift() {
        let mut scene = Scene::healthy();
        scene.task_set_mut("ecs-svc/2").status = crate::world::TaskSetStatus::Draining;
        assert_eq!(refused(&scene).error, ErrorName::Drift);
    }
}
