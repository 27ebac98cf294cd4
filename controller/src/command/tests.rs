//! What a turn does about a command, phase by phase, and which commands are not even given.

use super::*;
use crate::action::Action;
use crate::contract::Failure;
use crate::deployment::Answer;
use crate::fixture::Scene;
use crate::reason::Code;
use crate::turn;
use crate::world::TaskSetStatus;

fn asked(command: Command) -> Asked {
    Asked {
        command,
        by: "alice".into(),
        at: 1_767_225_600,
    }
}

/// The same scene with a command in its lock's item.
fn with(mut scene: Scene, command: Command, standing: Standing) -> Scene {
    scene.world.order = Some(Order {
        number: 1,
        asked: asked(command),
        standing,
        pause: None,
    });
    scene
}

fn decided(scene: &Scene, phase: Phase) -> Result<Next, Refusal> {
    turn::next(phase, &scene.world, &scene.plan(), &scene.progress)
}

fn answer(scene: &Scene, phase: Phase) -> Answer {
    decided(scene, phase).unwrap().answer()
}

/// The drain has begun, and `ecs-svc/1` still serves those who are connected.
fn draining() -> Scene {
    let mut scene = Scene::swapped();
    scene.progress.baking = true;
    scene
}

/// Every step was made.
fn drained() -> Scene {
    let mut scene = draining();
    let original = scene.task_set_mut("ecs-svc/1");
    (original.scale, original.computed_desired_count) = (0.0, 0);
    scene.progress.step = 5;
    scene
}

fn being_deleted() -> Scene {
    let mut scene = drained();
    scene.task_set_mut("ecs-svc/1").status = TaskSetStatus::Draining;
    scene
}

fn first_deployment() -> Scene {
    let mut scene = draining();
    scene.remove("ecs-svc/1");
    scene
}

fn going_back() -> Scene {
    let mut scene = Scene::swapped().failed("AlarmRaised");
    scene.outgoing = Outgoing::Replacement;
    scene
}

#[test]
fn a_rollback_is_obeyed_until_the_original_is_gone() {
    let cases = [
        (Phase::CheckAndCreate, Scene::created()),
        (Phase::Swap, Scene::healthy()),
        (Phase::Swap, draining()),
        (Phase::ScaleDown, draining()),
        (Phase::ScaleDown, drained()),
        (Phase::Cleanup, drained()),
    ];
    for (phase, scene) in cases {
        let scene = with(scene, Command::Rollback, Standing::Open);
        let refusal = decided(&scene, phase).unwrap_err();
        assert_eq!(refusal.error, ErrorName::OperatorRollback, "{phase}");
        let by = "rollback by alice at 2026-01-01T00:00:00Z";
        assert!(refusal.problem.contains(by), "{refusal}");
        let refused = turn::refused(phase, &scene.plan(), &scene.progress, &refusal);
        assert_eq!(refused.to, To::Rollback);
    }
}

/// A phase, what it sees, a change of its plan, and why a rollback is refused.
type Late = (Phase, Scene, fn(Plan) -> Plan, Refused);

#[test]
fn a_rollback_that_comes_too_late_or_twice_is_refused_and_the_deployment_goes_on() {
    let first = |plan: Plan| Plan {
        original: None,
        ..plan
    };
    let same = |plan: Plan| plan;
    let cases: [Late; 4] = [
        (Phase::Cleanup, being_deleted(), same, Refused::OriginalGone),
        (
            Phase::Cleanup,
            first_deployment(),
            same,
            Refused::OriginalGone,
        ),
        (
            Phase::ScaleDown,
            first_deployment(),
            first,
            Refused::NoOriginal,
        ),
        (
            Phase::ScaleDown,
            going_back(),
            same,
            Refused::RollingBack("AlarmRaised".into()),
        ),
    ];
    for (phase, scene, plan, wanted) in cases {
        let open = with(scene, Command::Rollback, Standing::Open);
        let plan = plan(open.plan());
        let heard = hear(phase, &open.world, &plan, &open.progress).unwrap();
        assert_eq!(heard.refused, Some(wanted), "{phase}");
        let with_it = turn::next(phase, &open.world, &plan, &open.progress);
        let mut without = open.world.clone();
        without.order = None;
        let without = turn::next(phase, &without, &plan, &open.progress).unwrap();
        let heard = Some(heard);
        assert_eq!(
            with_it,
            Ok(without.map(|answer| Answer { heard, ..answer }))
        );
    }
}

#[test]
fn what_one_read_does_not_show_is_not_refused_yet() {
    let scene = with(first_deployment(), Command::Rollback, Standing::Open);
    let waiting = answer(&scene, Phase::ScaleDown);
    assert_eq!((waiting.to, waiting.heard), (To::Wait, None));
}

#[test]
fn a_rollback_is_answered_by_the_phase_that_carries_it_out() {
    let scene = with(draining(), Command::Rollback, Standing::Open).failed("OperatorRollback");
    let heard = hear(
        Phase::Rollback,
        &scene.world,
        &scene.plan(),
        &scene.progress,
    );
    assert_eq!(heard.unwrap().refused, None);
    assert_eq!(
        rollback(
            Phase::Rollback,
            &scene.world,
            &scene.plan(),
            &scene.progress
        ),
        None
    );
}

/// Trouble of AWS's leaves traffic where it is, and an operator's word does not.
#[test]
fn a_rollback_is_obeyed_where_one_without_a_reason_would_end() {
    for error in ["Drift", "Transient"] {
        let scene = with(draining(), Command::Rollback, Standing::Open).failed(error);
        let mut scene = scene;
        scene.progress.returns = u32::MAX;
        let answer = answer(&scene, Phase::Rollback);
        assert_eq!(answer.plan.failure.unwrap().error, "OperatorRollback");
        assert_eq!(answer.heard.unwrap().refused, None);
    }
}

#[test]
fn a_rollback_that_is_asked_for_needs_neither_rollback_on_failure_nor_a_running_task() {
    let mut scene = drained().failed("OperatorRollback");
    scene.request.rollback_on_failure = false;
    scene.task_set_mut("ecs-svc/1").running_count = 0;
    let writes = decided(&scene, Phase::Rollback).unwrap().writes();
    assert!(
        matches!(writes[..], [Action::SetScale { percent: 100.0, .. }]),
        "{writes:?}"
    );
    scene.failure = Some(Failure {
        error: "AlarmRaised".into(),
        cause: "It rang.".into(),
    });
    assert_eq!(answer(&scene, Phase::Rollback).to, To::DeploymentFailed);
}

#[test]
fn a_pause_holds_what_comes_next_and_no_deadline_runs() {
    let mut ready = Scene::healthy();
    ready.progress.checks = 1;
    let mut baking = draining();
    (baking.progress.step, baking.progress.waited) = (0, 30);
    let cases = [
        (Phase::CheckAndCreate, ready, To::WaitForServiceReady),
        (Phase::Swap, Scene::healthy(), To::Bake),
        (Phase::Swap, baking, To::Bake),
        (Phase::ScaleDown, draining(), To::Wait),
    ];
    for (phase, scene, to) in cases {
        for standing in [Standing::Open, Standing::Obeyed] {
            let scene = with(scene.clone(), Command::Pause, standing);
            let paused = answer(&scene, phase);
            assert_eq!((paused.to, paused.wait), (to, 60), "{phase}");
            assert_eq!(paused.reason.code(), Code::Paused, "{phase}");
            assert!(paused.reason.to_string().contains("pause by alice"));
            assert_eq!(paused.progress.waited, scene.progress.waited, "{phase}");
            assert_eq!(paused.plan.paused, 60, "{phase}");
            assert_eq!(paused.heard.is_some(), standing == Standing::Open);
        }
        for (command, standing) in [
            (Command::Resume, Standing::Open),
            (Command::Pause, Standing::Stale),
        ] {
            let going_on = decided(&with(scene.clone(), command, standing), phase);
            if let Ok(Next::Go(answer)) = going_on {
                assert_ne!(answer.reason.code(), Code::Paused, "{phase}");
            }
        }
    }
}

#[test]
fn once_one_listener_has_moved_a_pause_waits_for_the_others() {
    let mut scene = with(Scene::committed(), Command::Pause, Standing::Obeyed);
    let mut second = scene.listener_mut(80).clone();
    (second.port, second.arn) = (443, crate::fixture::listener_arn(443));
    second.forward = crate::world::Forward::to(&crate::fixture::group_arn("blue"));
    scene.world.listeners.push(second);
    let writes = decided(&scene, Phase::Swap).unwrap().writes();
    assert!(matches!(writes[..], [Action::Forward { .. }]), "{writes:?}");
}

#[test]
fn a_pause_is_refused_where_there_is_nothing_to_hold() {
    let cases = [
        (Phase::ScaleDown, drained(), Refused::EveryStepMade),
        (Phase::Cleanup, drained(), Refused::EveryStepMade),
        (
            Phase::ScaleDown,
            going_back(),
            Refused::RollingBack("AlarmRaised".into()),
        ),
    ];
    for (phase, scene, wanted) in cases {
        let scene = with(scene, Command::Pause, Standing::Open);
        let heard = hear(phase, &scene.world, &scene.plan(), &scene.progress);
        assert_eq!(heard.unwrap().refused, Some(wanted), "{phase}");
    }
}

#[test]
fn a_rollback_that_is_refused_or_not_answered_yet_ends_no_pause() {
    let paused = |scene, command| {
        let mut scene = with(scene, command, Standing::Open);
        scene.world.order.as_mut().unwrap().pause = Some(asked(Command::Pause));
        scene
    };
    let scene = paused(first_deployment(), Command::Rollback);
    let mut first = scene.plan();
    let later = hear(Phase::ScaleDown, &scene.world, &first, &scene.progress);
    let stands = super::paused(&scene.world, &first).unwrap();
    assert_eq!((later, stands.is_some()), (None, true));
    first.original = None;
    let heard = hear(Phase::Swap, &scene.world, &first, &scene.progress).unwrap();
    assert_eq!(heard.refused, Some(Refused::NoOriginal));
    assert_eq!(heard.pause, Some(asked(Command::Pause)));
    let resumed = paused(draining(), Command::Resume);
    let plan = resumed.plan();
    let heard = hear(Phase::ScaleDown, &resumed.world, &plan, &resumed.progress).unwrap();
    assert_eq!((heard.refused, heard.pause), (None, None));
}

#[test]
fn guards_are_awake_in_a_pause() {
    let alarmed = with(
        draining().alarmed("ALARM"),
        Command::Pause,
        Standing::Obeyed,
    );
    let refusal = decided(&alarmed, Phase::ScaleDown).unwrap_err();
    assert_eq!(refusal.error, ErrorName::AlarmRaised);
    let mut sick = with(draining(), Command::Pause, Standing::Obeyed);
    sick.group_mut("green").targets.healthy = 0;
    let first = answer(&sick, Phase::ScaleDown);
    assert_eq!(first.reason.code(), Code::Blocked);
    sick.progress = first.progress;
    sick.progress.held = 60;
    let refusal = decided(&sick, Phase::ScaleDown).unwrap_err();
    assert_eq!(refusal.error, ErrorName::HealthLost);
}

#[test]
fn a_pause_ends_and_its_turns_get_rarer() {
    let scene = with(draining(), Command::Pause, Standing::Obeyed);
    let mut plan = scene.plan();
    let mut turns = 0;
    let refusal = loop {
        match turn::next(Phase::ScaleDown, &scene.world, &plan, &scene.progress) {
            Ok(next) => plan = next.answer().plan,
            Err(refusal) => break refusal,
        }
        turns += 1;
    };
    assert_eq!(refusal.error, ErrorName::PauseTimeout);
    assert_eq!(
        (turns, plan.paused),
        (drain::checks_within(LONGEST_PAUSE), LONGEST_PAUSE)
    );
    // No version is to blame: traffic stays where it is.
    let failed = turn::refused(Phase::ScaleDown, &plan, &scene.progress, &refusal);
    let scene = scene.failed("PauseTimeout");
    let over = turn::next(
        Phase::Rollback,
        &scene.world,
        &failed.plan,
        &failed.progress,
    );
    assert_eq!(over.unwrap().answer().to, To::DeploymentFailed);
}

/// A lock that run-1 has, after these commands.
fn item(commands: &[(Command, Option<&str>)]) -> Item {
    let owner = ExecutionArn::from("run-1");
    let number = u64::try_from(commands.len()).unwrap();
    let last = commands.last();
    Item {
        owner: Some(owner.clone()),
        fence: 7,
        panel: Some(Panel {
            execution: owner,
            fence: 7,
            number,
            asked: last.map(|(command, _)| asked(*command)),
        }),
        answered: last.map(|(_, refused)| Answered {
            number,
            refused: refused.map(str::to_owned),
            pause: commands
                .iter()
                .rfind(|(_, refused)| refused.is_none())
                .filter(|(command, _)| *command == Command::Pause)
                .map(|(command, _)| asked(*command)),
        }),
        ends: vec![End {
            execution: "run-0".into(),
            started: 1,
            to: To::DeploymentSucceeded,
        }],
        ..Item::default()
    }
}

fn meant(execution: Option<&str>, fence: Option<u64>) -> Meant {
    Meant {
        execution: execution.map(Into::into),
        fence,
    }
}

#[test]
fn a_command_is_given_where_it_means_something() {
    use Command::{Pause, Resume, Rollback};
    let cases = [
        (item(&[]), meant(None, None), Rollback, 1),
        (item(&[]), meant(Some("run-1"), Some(7)), Pause, 1),
        (item(&[(Pause, None)]), meant(None, None), Resume, 2),
        (item(&[(Pause, None)]), meant(None, None), Rollback, 2),
        (item(&[(Pause, Some("no"))]), meant(None, None), Pause, 2),
        (
            item(&[(Pause, None), (Rollback, Some("no"))]),
            meant(None, None),
            Resume,
            3,
        ),
    ];
    for (item, meant, command, number) in cases {
        let panel = give(Some(&item), &meant, asked(command)).unwrap();
        assert_eq!((panel.number, panel.fence), (number, 7), "{item:?}");
        assert_eq!(panel.asked, Some(asked(command)), "{item:?}");
    }
}

#[test]
fn a_command_is_not_given_twice_or_to_another_deployment() {
    use Command::{Pause, Resume, Rollback};
    let last = item(&[]).ends[0].clone();
    let ended = last.clone();
    let other = || NotGiven::Another {
        owner: "run-1".into(),
    };
    let free = Item {
        owner: None,
        panel: None,
        ..item(&[])
    };
    let stale = Item {
        fence: 8,
        ..item(&[])
    };
    let back = || NotGiven::RollsBack(asked(Rollback));
    let whichever = || meant(None, None);
    let nothing = |last| NotGiven::NothingRuns { last };
    let cases = [
        (item(&[]), whichever(), Resume, NotGiven::NotPaused),
        (
            item(&[(Pause, None)]),
            whichever(),
            Pause,
            NotGiven::Repeated(asked(Pause)),
        ),
        (item(&[(Rollback, None)]), whichever(), Pause, back()),
        (item(&[(Rollback, None)]), whichever(), Resume, back()),
        (Item::default(), whichever(), Pause, nothing(None)),
        (free, whichever(), Pause, nothing(Some(last))),
        (
            item(&[]),
            meant(Some("run-0"), None),
            Pause,
            NotGiven::Ended(ended),
        ),
        (item(&[]), meant(Some("run-2"), None), Pause, other()),
        (item(&[]), meant(None, Some(6)), Pause, other()),
        (stale, whichever(), Pause, NotGiven::NoPanel),
    ];
    for (item, meant, command, wanted) in cases {
        let not_given = give(Some(&item), &meant, asked(command)).unwrap_err();
        assert_eq!(not_given, wanted, "{command:?} {meant:?} {item:?}");
    }
}

#[test]
fn a_reply_is_for_one_command_and_one_deployment() {
    let of = |number, fence| Panel {
        execution: "run-1".into(),
        fence,
        number,
        asked: Some(asked(Command::Pause)),
    };
    let obeyed = item(&[(Command::Pause, None)]);
    let refused = item(&[(Command::Pause, Some("too late"))]);
    let resumed = item(&[(Command::Pause, None), (Command::Resume, None)]);
    let mut waiting = obeyed.clone();
    waiting.answered = None;
    let mut over = obeyed.clone();
    (over.owner, over.fence) = (Some("run-2".into()), 8);
    over.ends[0].execution = "run-1".into();
    let end = over.ends[0].clone();
    let cases = [
        (&obeyed, of(1, 7), Reply::Obeyed),
        (&refused, of(1, 7), Reply::Refused("too late".into())),
        (&waiting, of(1, 7), Reply::Waiting),
        (&resumed, of(1, 7), Reply::Replaced(asked(Command::Resume))),
        (&over, of(1, 7), Reply::Over(Some(end))),
        (&obeyed, of(1, 6), Reply::Over(None)),
    ];
    for (item, panel, wanted) in cases {
        assert_eq!(reply(item, &panel), wanted, "{item:?} {panel:?}");
    }
}

#[test]
fn a_turn_finds_a_command_of_its_own_lock_that_was_not_refused() {
    let of = |item: &Item, execution: &str, fence| {
        let order = item.order(&execution.into(), fence);
        order.map(|order| order.standing)
    };
    let mut open = item(&[(Command::Pause, None)]);
    assert_eq!(of(&open, "run-1", 7), Some(Standing::Obeyed));
    open.answered = None;
    assert_eq!(of(&open, "run-1", 7), Some(Standing::Open));
    assert_eq!(of(&open, "run-1", 8), Some(Standing::Stale));
    assert_eq!(of(&open, "run-2", 7), Some(Standing::Stale));
    assert_eq!(of(&item(&[(Command::Pause, Some("no"))]), "run-1", 7), None);
    assert_eq!(of(&item(&[]), "run-1", 7), None);
    let stands = item(&[(Command::Pause, None), (Command::Rollback, Some("no"))]);
    let order = stands.order(&"run-1".into(), 7).unwrap();
    assert_eq!(order.asked, asked(Command::Pause));
    assert_eq!(order.standing, Standing::Obeyed);
}
