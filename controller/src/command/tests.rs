//! How a pause ends, and which commands are given and answered. What a turn does about one is in stories.

use super::*;
use crate::drain;
use crate::fixture::Scene;
use crate::lock::{End, Item};
use crate::phase::{Phase, To};
use crate::refusal::ErrorName;
use crate::turn;

fn asked(command: Command) -> Asked {
    Asked {
        command,
        by: "alice".into(),
        at: 1_767_225_600,
    }
}

fn paused_by(pause: Option<Command>) -> InForce {
    InForce {
        pause: pause.map(asked),
        ..InForce::default()
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
        in_force: paused_by(pause),
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
    let order = scene.world.order.as_mut().unwrap();
    order.standing = Standing::Obeyed;
    order.in_force = paused_by(Some(Command::Pause));
    let mut plan = scene.plan();
    let mut turns = 0;
    let refusal = loop {
        match turn::next(Phase::ScaleDown, &scene.world, &plan, &scene.progress) {
            Ok(next) => plan = next.answer().plan,
            Err(refusal) => break refusal,
        }
        turns += 1;
    };
    assert_eq!(refusal.error, ErrorName::PausedTooLong);
    assert_eq!(
        (turns, plan.paused),
        (drain::checks_within(LONGEST_PAUSE), LONGEST_PAUSE)
    );
    // No version is to blame: traffic stays where it is.
    let failed = turn::refused(Phase::ScaleDown, &plan, &scene.progress, &refusal);
    let scene = scene.failed("PausedTooLong");
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
            asked: last.map(|(command, _)| asked(command.clone())),
        }),
        answered: last.map(|(_, refused)| Answered {
            number,
            refused: refused.map(str::to_owned),
            in_force: paused_by(
                commands
                    .iter()
                    .rfind(|(_, refused)| refused.is_none())
                    .filter(|(command, _)| *command == Command::Pause)
                    .map(|(command, _)| command.clone()),
            ),
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
        let panel = give(Some(&item), &meant, asked(command.clone())).unwrap();
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
        let not_given = give(Some(&item), &meant, asked(command.clone())).unwrap_err();
        assert_eq!(not_given, wanted, "{command:?} {meant:?} {item:?}");
    }
}

/// What no turn has seen yet is lost with the command that takes its place: another pace would not stand for it.
#[test]
fn another_pace_takes_the_place_of_no_command_that_is_not_seen_yet() {
    let pace = |seconds| Command::Pace(crate::drain::pace::Pace::Within { seconds });
    for before in [Command::Pause, Command::Promote, Command::Resume, pace(5)] {
        let mut item = item(&[(before.clone(), None)]);
        let given = |item: &Item| give(Some(item), &meant(None, None), asked(pace(50)));
        assert!(given(&item).is_ok(), "{before:?} is obeyed");
        item.answered = None;
        match given(&item) {
            Ok(_) => assert!(matches!(before, Command::Pace(_)), "{before:?}"),
            Err(error) => assert_eq!(error, NotGiven::Unseen(asked(before))),
        }
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
fn a_turn_finds_a_command_and_what_is_in_force() {
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
    let refused = item(&[(Command::Pause, Some("no"))]);
    assert_eq!(of(&refused, "run-1", 7), Some(Standing::Refused));
    assert_eq!(of(&item(&[]), "run-1", 7), None);
    // One that cannot be read, while a pause is in force.
    let mut garbled = item(&[(Command::Pause, None)]);
    let panel = garbled.panel.as_mut().unwrap();
    (panel.number, panel.asked) = (2, None);
    assert_eq!(of(&garbled, "run-1", 7), Some(Standing::Obeyed));
    let stands = item(&[(Command::Pause, None), (Command::Rollback, Some("no"))]);
    let order = stands.order(&"run-1".into(), 7).unwrap();
    assert_eq!(order.in_force, paused_by(Some(Command::Pause)));
    assert_eq!(order.standing, Standing::Refused);
}

#[test]
fn a_planned_pause_is_approved_once_and_another_pace_is_another_command() {
    use Command::{Pace, Pause, Promote, Resume};
    let within = |seconds| Pace(crate::drain::pace::Pace::Within { seconds });
    let none = || meant(None, None);
    let given = |item: &Item, command| give(Some(item), &none(), asked(command));
    let mut waits = item(&[(Resume, None)]);
    assert_eq!(
        given(&waits, Resume),
        Err(NotGiven::Repeated(asked(Resume)))
    );
    waits.waits = Some(crate::point::Point::BeforeDrain);
    assert!(given(&waits, Resume).is_ok());
    waits.answered = None;
    assert_eq!(
        given(&waits, Resume),
        Err(NotGiven::Repeated(asked(Resume)))
    );
    let paced = item(&[(Pause, None), (within(60), None)]);
    assert_eq!(
        given(&paced, within(60)),
        Err(NotGiven::Repeated(asked(within(60))))
    );
    assert!(given(&paced, within(61)).is_ok());
    assert_eq!(given(&paced, Resume), Err(NotGiven::NotPaused));
    let mut still_paused = paced;
    still_paused.answered.as_mut().unwrap().in_force = paused_by(Some(Pause));
    assert!(given(&still_paused, Resume).is_ok());
    assert_eq!(
        given(&still_paused, Pause),
        Err(NotGiven::Repeated(asked(Pause)))
    );
    let promoted = item(&[(Promote, None)]);
    assert_eq!(
        given(&promoted, Promote),
        Err(NotGiven::Repeated(asked(Promote)))
    );
}
