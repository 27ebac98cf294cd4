//! How a pause ends, and which commands are given and answered. What a turn does about one is in stories.

use super::*;
use crate::fixture::Scene;
use crate::turn;

fn asked(command: Command) -> Asked {
    Asked {
        command,
        by: "alice".into(),
        at: 1_767_225_600,
    }
}

/// A drain that finds an open command, and a pause that stood before it.
fn draining(command: Command, pause: Option<Command>) -> Scene {
    let mut scene = Scene::swapped();
    scene.progress.baking = true;
    scene.world.order = Some(Order {
        number: 1,
        asked: asked(command),
        standing: Standing::Open,
        pause: pause.map(asked),
    });
    scene
}

#[test]
fn a_rollback_that_is_not_answered_yet_ends_no_pause() {
    let scene = draining(Command::Rollback, Some(Command::Pause));
    assert!(paused(&scene.world, &scene.plan()).unwrap().is_some());
    let resumed = draining(Command::Resume, Some(Command::Pause));
    assert_eq!(paused(&resumed.world, &resumed.plan()), Ok(None));
}

#[test]
fn a_pause_ends_and_its_turns_get_rarer() {
    let mut scene = draining(Command::Pause, None);
    scene.world.order.as_mut().unwrap().standing = Standing::Obeyed;
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
