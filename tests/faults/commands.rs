//! Operators' commands after calls all over a deployment, with executions that are stopped, redriven and
//! started anew.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use ebbtide_controller::command::{Command, NotGiven, Panel};
use ebbtide_controller::drain::pace::Pace;
use ebbtide_functions::operator::look;
use ebbtide_simulator::asl::{Outcome, Status};
use tokio::sync::Notify;

use crate::invariants::{converged, unfinished};
use crate::run::Stage;
use crate::scenarios::{self, CLUSTER, Case, Ends, SERVICE};

/// Has an operator ask after the `after`th call; with a pause, to go on five minutes later. Goes on for ever.
async fn operate(stage: &Stage, after: u64, command: &Command, given: &Given) {
    let called = Arc::new(Notify::new());
    let (notify, mut calls) = (Arc::clone(&called), 0);
    stage.aws.watch(move |_| {
        calls += 1;
        if calls == after {
            notify.notify_one();
        }
    });
    called.notified().await;
    // People's reasons are not the suite's to judge.
    stage.watch().may_go_back |= *command == Command::Rollback;
    if *command == Command::Promote {
        stage.watch().promoted();
    }
    if let Command::Pace(pace) = command {
        let every = match pace {
            Pace::Tasks { every, .. } => u64::from(*every) * 1_000,
            _ => 0,
        };
        let mut watch = stage.watch();
        watch.wait_ms = watch.wait_ms.min(every);
    }
    ask(stage, command, given).await;
    if *command == Command::Pause {
        tokio::time::sleep(Duration::from_mins(5)).await;
        ask(stage, &Command::Resume, given).await;
    }
    std::future::pending::<()>().await;
}

type Given = RefCell<Vec<Result<Panel, NotGiven>>>;

async fn ask(stage: &Stage, command: &Command, given: &Given) {
    let id = format!("{CLUSTER}/{SERVICE}");
    let gave = stage
        .installation
        .command(&id, command.clone(), "alice")
        .await;
    given.borrow_mut().extend(gave);
}

/// What is wrong with a deployment that ended after a command.
async fn wrong(
    stage: &Stage,
    outcome: &Outcome,
    command: &Command,
    given: &Given,
) -> Option<String> {
    let broken = stage.broken();
    let world = stage.aws.snapshot();
    let item = look(
        &stage.aws.clients("reader"),
        &format!("{CLUSTER}/{SERVICE}"),
    )
    .await;
    let item = item.unwrap();
    let was_given = matches!(given.borrow().first(), Some(Ok(_)));
    let obeyed = item.answered.filter(|answered| answered.refused.is_none());
    let goes_back = *command == Command::Rollback && was_given && obeyed.is_some();
    let wrong = match &outcome.status {
        Status::Failed { error, .. } if error == "OperatorRollback" && goes_back => {
            unfinished(&world, Ends::RolledBack("OperatorRollback"))
        }
        Status::Succeeded { .. } if !goes_back => unfinished(&world, Ends::Deployed),
        other => Some(format!("obeyed: {goes_back}, and it ended {other:?}")),
    };
    broken
        .or(wrong)
        .map(|what| format!("{what}; given {given:?}"))
}

/// Gives a command after every `step`th call, from the `step`th on, and asserts that all goes well.
async fn at_every(case: &Case, step: u64, command: &Command) {
    let (mut runs, mut taken, mut failures) = (0, 0, Vec::new());
    for after in (1..).map(|number| number * step) {
        let (stage, given) = (Stage::new(case), Given::default());
        let outcome = tokio::select! {
            biased;
            outcome = stage.deploy("run-1") => outcome,
            () = operate(&stage, after, command, &given) => unreachable!(),
        };
        if given.borrow().is_empty() {
            break;
        }
        runs += 1;
        taken += usize::from(matches!(given.borrow().first(), Some(Ok(_))));
        let what = wrong(&stage, &outcome, command, &given).await;
        failures.extend(what.map(|what| format!("after call {after}: {what}")));
    }
    println!("{} {command:?}: {runs} runs, {taken} given", case.name);
    assert!(taken > 5 && failures.is_empty(), "{}", failures.join("\n"));
}

/// Two operators ask after the `after`th call, in the same moment; one who has paused the deployment resumes it.
async fn operate_both(stage: &Stage, after: u64, commands: &[Command; 2], given: &Given) {
    let [first, second] = commands;
    tokio::join!(
        operate(stage, after, first, given),
        operate(stage, after, second, given)
    );
}

/// Has two operators ask after every `step`th call, and asserts that the deployment ends as one of them wants.
async fn both_at_every(case: &Case, step: u64, commands: &[Command; 2]) {
    let (mut runs, mut both, mut failures) = (0, 0, Vec::new());
    for after in (1..).map(|number| number * step) {
        let (stage, given) = (Stage::new(case), Given::default());
        let outcome = tokio::select! {
            biased;
            outcome = stage.deploy("run-1") => outcome,
            () = operate_both(&stage, after, commands, &given) => unreachable!(),
        };
        if given.borrow().is_empty() {
            break;
        }
        runs += 1;
        both += usize::from(given.borrow().iter().take(2).all(Result::is_ok));
        let may_go_back = commands.contains(&Command::Rollback);
        let world = stage.aws.snapshot();
        let wrong = match &outcome.status {
            Status::Failed { error, .. } if error == "OperatorRollback" && may_go_back => {
                unfinished(&world, Ends::RolledBack("OperatorRollback"))
            }
            Status::Succeeded { .. } => unfinished(&world, Ends::Deployed),
            other => Some(format!("it ended {other:?}")),
        };
        let what = stage.broken().or(wrong);
        failures.extend(what.map(|what| format!("after call {after}: {what}; given {given:?}")));
    }
    println!("{} {commands:?}: {runs} runs, {both} given both", case.name);
    assert!(runs > 5 && failures.is_empty(), "{}", failures.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn of_two_operators_after_any_call_one_is_heard_and_the_deployment_ends() {
    for commands in [
        [Command::Pause, Command::Rollback],
        [Command::Promote, Command::Pause],
        [Command::Resume, Command::Rollback],
        [faster(), Command::Pause],
    ] {
        Box::pin(both_at_every(&scenarios::named("hooks"), 45, &commands)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollback_after_any_call_leads_back_or_comes_too_late() {
    at_every(&scenarios::two_tasks(), 3, &Command::Rollback).await;
    let several = scenarios::named("several production listeners");
    at_every(&several, 5, &Command::Rollback).await;
}

#[tokio::test(start_paused = true)]
async fn any_command_after_any_call_of_a_shift_with_hooks_and_pauses_is_obeyed() {
    let mut case = scenarios::named("everything");
    case.meanwhile = None;
    let commands = [
        Command::Rollback,
        Command::Pause,
        Command::Promote,
        faster(),
    ];
    for command in commands {
        at_every(&case, 9, &command).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_approval_or_a_promotion_after_any_call_ends_pauses_and_nothing_else() {
    for command in [Command::Resume, Command::Promote] {
        at_every(&scenarios::named("planned pauses"), 4, &command).await;
    }
}

fn faster() -> Command {
    Command::Pace(Pace::Tasks {
        tasks: 2,
        every: 30,
    })
}

#[tokio::test(start_paused = true)]
async fn another_pace_after_any_call_changes_nothing_else() {
    let slower = Command::Pace(Pace::Tasks {
        tasks: 1,
        every: 150,
    });
    let all_at_once = Command::Pace(Pace::Percent {
        decrement: 100.0,
        every: 60,
    });
    for command in [faster(), slower, all_at_once] {
        at_every(&scenarios::named("three tasks"), 7, &command).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_after_any_call_ends_and_the_deployment_continues() {
    at_every(&scenarios::two_tasks(), 6, &Command::Pause).await;
}

/// What an operator asks at the first call of an execution that is stopped later on, at each of its
/// transitions; `then` goes on.
async fn stopped(command: &Command, then: impl AsyncFn(&Stage) -> Option<String>) {
    let case = scenarios::two_tasks();
    let (mut stops, mut failures) = (0, Vec::new());
    for transition in (15..).step_by(9) {
        let (stage, given) = (Stage::new(&case), Given::default());
        let stops_at = |event: &ebbtide_simulator::asl::HistoryEvent| event.id == transition;
        let ended = tokio::select! {
            biased;
            stopped = stage.deploy_until("run-1", stops_at) => !stopped,
            () = operate(&stage, transition * 2, command, &given) => unreachable!(),
        };
        if ended {
            break;
        }
        stops += 1;
        let broken = match stage.broken() {
            Some(broken) => Some(broken),
            None => then(&stage).await,
        };
        failures.extend(broken.map(|what| format!("stopped after {transition}: {what} {given:?}")));
    }
    println!("{command:?}: {stops} stops");
    assert!(stops > 3 && failures.is_empty(), "{}", failures.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn a_new_execution_obeys_no_command_of_a_stopped_one() {
    for command in [Command::Rollback, Command::Pause, faster()] {
        stopped(&command, async |stage| {
            stage.begin_another();
            let outcome = stage.deploy("run-2").await;
            stage
                .broken()
                .or_else(|| converged(&stage.aws.snapshot()))
                .or_else(|| (!outcome.status.is_success()).then(|| format!("{outcome:?}")))
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_redriven_execution_obeys_what_it_was_asked() {
    stopped(&Command::Rollback, async |stage| {
        let mut entered = 1;
        let mut on_event = |event: &_| stage.note(event, &mut entered);
        let redriven = stage.installation.redrive("run-1", 8, &mut on_event).await;
        stage.settled().await;
        let broken = stage.broken();
        let ended = match redriven.unwrap().status {
            Status::Succeeded { .. } => converged(&stage.aws.snapshot()),
            Status::Failed { error, .. } if error == "OperatorRollback" => {
                unfinished(&stage.aws.snapshot(), Ends::RolledBack("OperatorRollback"))
            }
            other => Some(format!("the redriven execution ended {other:?}")),
        };
        broken.or(ended)
    })
    .await;
}
