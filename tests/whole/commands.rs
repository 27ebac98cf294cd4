//! Operators who roll back, pause and resume deployments that run.

use std::cell::RefCell;
use std::time::Duration;

use ebbtide_controller::command::{Asked, Command, Meant, NotGiven, Panel};
use ebbtide_controller::lock::Item;
use ebbtide_controller::request;
use ebbtide_functions::operator;
use ebbtide_simulator::asl::{EventKind, HistoryEvent, Status};
use ebbtide_simulator::deployment::Installation;
use ebbtide_simulator::world::{AttributeValue, EventKind as Happened, UpdateItem, World};
use ebbtide_simulator::{Scenario, SimulatedAws};
use serde_json::{Value, json};
use tokio::sync::mpsc::unbounded_channel;

use crate::support::{installed, live, names, sample, sample_with, served, sets, world};
use Command::{Pause, Promote, Resume, Rollback};

/// A state, how often it was entered before, and what is asked then.
type When<'a> = (&'a str, usize, Command);

/// A deployment that ended.
struct Commanded {
    status: Status,
    /// The codes of what the functions said, and whatever they said to commands.
    codes: Vec<String>,
    heard: Vec<String>,
    /// What came of giving the commands.
    given: Vec<Result<Panel, NotGiven>>,
    events: u64,
    elapsed: Duration,
    aws: SimulatedAws,
    installation: Installation,
}

impl Commanded {
    fn error(&self) -> &str {
        match &self.status {
            Status::Failed { error, .. } => error,
            Status::Succeeded { .. } => "none",
            Status::TimedOut => panic!("it did not end"),
        }
    }

    fn paused(&self) -> usize {
        self.codes.iter().filter(|code| *code == "paused").count()
    }

    /// The task sets that are left, and where production traffic goes.
    fn left(&self) -> (usize, String) {
        let world = self.aws.snapshot();
        (sets(&world).len(), live(&world, 80).concat())
    }

    async fn item(&self) -> Item {
        operator::look(&self.aws.clients("operator"), &lock())
            .await
            .unwrap()
    }
}

/// The lock of the sample's service.
fn lock() -> String {
    let names = names();
    format!("{}/{}", names.cluster, names.service)
}

async fn deploy(scenario: &Scenario, event: &Value, commands: &[When<'_>]) -> Commanded {
    let (aws, installation) = installed(world(scenario));
    let (ask, mut asked) = unbounded_channel();
    let (mut entered, mut codes, mut heard) = (Vec::new(), Vec::new(), Vec::new());
    let mut on_event = |event: &HistoryEvent| match &event.kind {
        EventKind::StateEntered { name, .. } => {
            let before = entered.iter().filter(|state| *state == name).count();
            entered.push(name.clone());
            for (state, nth, command) in commands {
                if state == name && *nth == before {
                    ask.send(command.clone()).unwrap();
                }
            }
        }
        EventKind::TaskSucceeded { output, .. } => {
            let reason = &output["Payload"]["reason"];
            codes.push(reason["code"].as_str().unwrap_or_default().to_owned());
            if let Some(command) = reason.get("command") {
                let refused = command["refused"].as_str().unwrap_or("obeyed");
                heard.push(format!("{}: {refused}", command["asked"].as_str().unwrap()));
            }
        }
        _ => {}
    };
    let given = RefCell::new(Vec::new());
    let operate = async {
        while let Some(command) = asked.recv().await {
            let gave = installation.command(&lock(), command, "alice").await;
            given.borrow_mut().push(gave.unwrap());
        }
        std::future::pending::<()>().await;
    };
    let outcome = tokio::select! {
        biased;
        outcome = installation.deploy("run-1", event.clone(), 1, &mut on_event) => outcome,
        () = operate => unreachable!(),
    };
    // What was deleted goes.
    tokio::time::sleep(Duration::from_mins(15)).await;
    aws.with_world(|_| {});
    Commanded {
        status: outcome.status,
        codes,
        heard,
        given: given.into_inner(),
        events: outcome.events,
        elapsed: outcome.elapsed,
        aws: aws.clone(),
        installation,
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollback_at_any_time_before_the_original_is_gone_leads_back_to_it() {
    for (state, nth) in [
        ("WaitForServiceReady", 0),
        ("WaitForServiceReady", 4),
        ("Swap", 0),
        ("Bake", 0),
        ("ScaleDown", 0),
        ("Wait", 1),
        ("Wait", 5),
        ("ScaleDown", 4),
    ] {
        for rollback_on_failure in [true, false] {
            let event = sample_with(&json!({"rollbackOnFailure": rollback_on_failure}));
            let first = sets(&served())[0].clone();
            let ended = deploy(&Scenario::default(), &event, &[(state, nth, Rollback)]).await;
            let what = format!("{state} {nth} {rollback_on_failure}: {:?}", ended.status);
            assert_eq!(ended.error(), "OperatorRollback", "{what}");
            assert!(what.contains("rollback by alice at 20"), "{what}");
            assert_eq!(ended.heard, ["rollback: obeyed"], "{what}");
            assert_eq!(
                ended.left(),
                (1, "sample-external-deployment-tg-1".to_owned()),
                "{what}"
            );
            assert_eq!(sets(&ended.aws.snapshot()), [first], "{what}");
            let answered = ended.item().await.answered.unwrap();
            assert_eq!((answered.number, answered.refused), (1, None), "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollback_without_an_original_is_refused_and_the_deployment_continues() {
    let first = Scenario {
        first_deployment: true,
        ..Scenario::default()
    };
    for (scenario, state, why) in [
        (
            &Scenario::default(),
            "WaitForDeletion",
            "the original is gone",
        ),
        (&first, "ScaleDown", "no task set served before"),
    ] {
        let ended = deploy(scenario, &sample(), &[(state, 0, Rollback)]).await;
        assert_eq!(ended.error(), "none", "{state}: {:?}", ended.status);
        let [heard] = &ended.heard[..] else {
            panic!("{state}: {:?}", ended.heard);
        };
        assert!(heard.contains(why), "{heard}");
        let refused = ended.item().await.answered.unwrap().refused.unwrap();
        assert!(refused.contains(why), "{refused}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_the_drain_until_it_is_ended() {
    let quiet = deploy(&Scenario::default(), &sample(), &[]).await;
    let commands = [("Wait", 0, Pause), ("Wait", 30, Resume)];
    let ended = deploy(&Scenario::default(), &sample(), &commands).await;
    assert_eq!(ended.error(), "none", "{:?}", ended.status);
    assert_eq!(ended.heard, ["pause: obeyed", "resume: obeyed"]);
    assert_eq!(ended.paused(), 30);
    assert_eq!(ended.left(), quiet.left());
    let longer = ended.elapsed.saturating_sub(quiet.elapsed).as_secs();
    assert!((1_700..=1_900).contains(&longer), "{longer}");
}

#[tokio::test(start_paused = true)]
async fn a_pause_before_the_swap_holds_the_traffic() {
    let commands = [
        ("WaitForServiceReady", 0, Pause),
        ("WaitForServiceReady", 20, Resume),
    ];
    let ended = deploy(&Scenario::default(), &sample(), &commands).await;
    assert_eq!(ended.error(), "none", "{:?}", ended.status);
    let swapped = ended
        .codes
        .iter()
        .position(|code| code == "swapped")
        .unwrap();
    let last = ended
        .codes
        .iter()
        .rposition(|code| code == "paused")
        .unwrap();
    assert!(last < swapped && ended.paused() > 10, "{:?}", ended.codes);
}

#[tokio::test(start_paused = true)]
async fn an_alarm_during_a_pause_rolls_back() {
    let alarms = json!({"alarms": [{"name": "errors",
        "changes": [{"afterSeconds": 3_000, "state": "ALARM"}]}]});
    let scenario: Scenario = serde_json::from_value(alarms).unwrap();
    let event = sample_with(&json!({"alarms": ["errors"]}));
    let ended = deploy(&scenario, &event, &[("Wait", 1, Pause)]).await;
    assert_eq!(ended.error(), "AlarmRaised");
    assert!(ended.paused() > 20, "{:?}", ended.codes);
    assert_eq!(
        ended.left(),
        (1, "sample-external-deployment-tg-1".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn a_pause_without_an_end_ends_after_a_day_with_everything_where_it_is() {
    let ended = deploy(&Scenario::default(), &sample(), &[("Wait", 1, Pause)]).await;
    assert_eq!(ended.error(), "PausedTooLong");
    assert_eq!(
        ended.left(),
        (2, "sample-external-deployment-tg-2".to_owned())
    );
    assert_eq!(ended.paused(), 120 + 264);
    assert!(ended.events < 25_000 / 4, "{}", ended.events);
    let next = (ended.installation)
        .deploy("run-2", sample(), 1, &mut |_| {})
        .await;
    assert!(next.status.is_success(), "{next:?}");
}

#[tokio::test(start_paused = true)]
async fn meaningless_commands_are_not_given() {
    let commands = [
        ("Wait", 0, Resume),
        ("Wait", 1, Pause),
        ("Wait", 2, Pause),
        ("Wait", 3, Rollback),
        ("WaitForOriginal", 0, Resume),
        ("WaitForOriginal", 1, Rollback),
    ];
    let ended = deploy(&Scenario::default(), &sample(), &commands).await;
    assert_eq!(ended.error(), "OperatorRollback");
    let refused = ended.given.iter().map(|given| given.as_ref().err());
    let refused: Vec<_> = refused
        .map(|refused| refused.map(ToString::to_string))
        .collect();
    let begins = |number: usize, wanted: Option<&str>| match (&refused[number], wanted) {
        (Some(refused), Some(wanted)) => assert!(refused.starts_with(wanted), "{refused}"),
        (refused, wanted) => assert_eq!(refused.as_deref(), wanted, "{number}"),
    };
    begins(0, Some("the deployment is not paused"));
    begins(1, None);
    begins(2, Some("this was already requested: pause by alice"));
    begins(3, None);
    begins(
        4,
        Some("the deployment is already rolling back: rollback by alice"),
    );
    // After the end no deployment has the lock, and the last one is named.
    let after = ended
        .installation
        .command(&lock(), Pause, "alice")
        .await
        .unwrap();
    let after = after.unwrap_err().to_string();
    assert!(
        after.contains(":run-1, ended in DeploymentFailed"),
        "{after}"
    );
}

/// A command as it would be written past the condition.
fn write(world: &mut World, panel: &Value) {
    let request = json!({
        "TableName": "ebbtide-locks",
        "Key": {"id": {"S": lock()}},
        "UpdateExpression": "SET #command = :command",
        "ExpressionAttributeNames": {"#command": "command"},
        "ExpressionAttributeValues": {":command": {"M": panel}},
    });
    let request: UpdateItem = serde_json::from_value(request).unwrap();
    world.update_item(&request).unwrap();
}

fn rollback_of(owner: &str, fence: u32) -> Value {
    json!({"owner": {"S": owner}, "fence": {"N": fence.to_string()}, "number": {"N": "1"},
        "asked": {"S": "rollback"}, "by": {"S": "mallory"}, "at": {"N": "1767225600"}})
}

#[tokio::test(start_paused = true)]
async fn a_command_for_another_deployment_is_refused_by_the_function_that_finds_it() {
    let first = deploy(&Scenario::default(), &sample(), &[]).await;
    for fence in [1, 3] {
        let (aws, installation) = (&first.aws, &first.installation);
        let name = format!("late-{fence}");
        let (mut written, mut heard) = (false, Vec::new());
        let mut on_event = |event: &HistoryEvent| match &event.kind {
            EventKind::StateEntered { name, .. } if name == "Wait" && !written => {
                written = true;
                let owner = installation.execution_arn("run-1");
                aws.with_world(|world| write(world, &rollback_of(&owner, fence)));
            }
            EventKind::TaskSucceeded { output, .. } => {
                let refused = output["Payload"]["reason"]["command"]["refused"].as_str();
                heard.extend(refused.map(str::to_owned));
            }
            _ => {}
        };
        let ended = installation.deploy(&name, sample(), 1, &mut on_event).await;
        assert!(ended.status.is_success(), "{ended:?}");
        assert_eq!(heard, ["the command was for another deployment"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_item_with_nothing_but_a_command_blocks_no_deployment() {
    let (aws, installation) = installed(served());
    aws.with_world(|world| write(world, &rollback_of("run-9", 1)));
    let ended = installation.deploy("run-1", sample(), 1, &mut |_| {}).await;
    assert!(ended.status.is_success(), "{ended:?}");
}

/// The standing pause of a stopped deployment is none of the next one's.
#[tokio::test(start_paused = true)]
async fn a_lock_that_was_just_taken_has_no_commands() {
    let (aws, installation) = installed(served());
    let stop = tokio::time::sleep(Duration::from_mins(12));
    let stopped = async {
        installation
            .deploy_until("run-1", sample(), 1, &mut |_| {}, stop)
            .await
    };
    let operate = async {
        tokio::time::sleep(Duration::from_mins(9)).await;
        installation
            .command(&lock(), Pause, "alice")
            .await
            .unwrap()
            .unwrap()
    };
    let (ended, panel) = tokio::join!(stopped, operate);
    assert!(ended.is_none());
    let ended = installation.deploy("run-2", sample(), 1, &mut |_| {}).await;
    assert!(ended.status.is_success(), "{ended:?}");
    // The late attempt of a command that was for the first one changes nothing.
    let again = Asked {
        command: Rollback,
        by: "alice".into(),
        at: 0,
    };
    let clients = aws.clients("operator");
    let meant = Meant {
        execution: Some(panel.execution.clone()),
        fence: None,
    };
    let late = operator::give(&clients, &lock(), meant, &again).await;
    assert!(matches!(late, Ok(Err(_))));
    let item = aws.snapshot();
    let item = item.table("ebbtide-locks").unwrap().item(&lock()).unwrap();
    assert_eq!(item.get("command").and_then(AttributeValue::as_s), None);
    assert!(
        !item.contains_key("command"),
        "the release takes the panel away"
    );
}

fn with_pauses(on_timeout: &str) -> Value {
    let points = ["afterHealthy", "beforeSwap", "afterSwap", "beforeDrain"];
    let pauses = points.map(|at| json!({"at": at, "timeout": 600, "onTimeout": on_timeout}));
    sample_with(&json!({"pauses": pauses}))
}

impl Commanded {
    fn waited(&self) -> usize {
        let waits = self.codes.iter();
        waits.filter(|code| *code == "waitingForApproval").count()
    }

    fn notified(&self, status: &str) -> usize {
        let events = self.aws.snapshot().take_events();
        let events = events.iter().filter(|event| {
            matches!(&event.kind, Happened::EventPut { detail, .. } if detail["status"] == status)
        });
        events.count()
    }
}

#[tokio::test(start_paused = true)]
async fn a_deployment_waits_for_an_approval_at_each_planned_pause() {
    // Seven turns of the replacement's readiness come before the first one.
    let quiet = deploy(&Scenario::default(), &sample(), &[]).await;
    let ready = quiet.codes.iter().position(|code| code == "ready").unwrap();
    let commands = [
        ("WaitForServiceReady", ready + 1, Resume),
        ("Bake", 1, Resume),
        ("Bake", 4, Resume),
        ("Wait", 1, Resume),
    ];
    let ended = deploy(&Scenario::default(), &with_pauses("rollback"), &commands).await;
    assert_eq!(
        ended.error(),
        "none",
        "{:?} {:?}",
        ended.status,
        ended.given
    );
    assert_eq!(ended.heard, ["resume: obeyed"; 4]);
    assert_eq!(ended.left(), quiet.left());
    assert_eq!(ended.notified("WAITING_FOR_APPROVAL"), 4);
    assert!(ended.waited() >= 8, "{:?}", ended.codes);
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_is_not_approved_leads_back_or_goes_on() {
    let ended = deploy(&Scenario::default(), &with_pauses("rollback"), &[]).await;
    assert_eq!(ended.error(), "PauseTimeout");
    let group = "sample-external-deployment-tg-1".to_owned();
    assert_eq!(ended.left(), (1, group.clone()));
    // After the swap too.
    let pauses = json!({"pauses": [{"at": "afterSwap", "timeout": 60}]});
    let ended = deploy(&Scenario::default(), &sample_with(&pauses), &[]).await;
    assert_eq!(ended.error(), "PauseTimeout");
    assert_eq!(ended.left(), (1, group));
    assert_eq!(ended.notified("ROLLED_BACK"), 1);
    let ended = deploy(&Scenario::default(), &with_pauses("continue"), &[]).await;
    assert_eq!(ended.error(), "none", "{:?}", ended.status);
    assert_eq!(ended.waited(), 40);
}

#[tokio::test(start_paused = true)]
async fn a_promotion_skips_every_pause_that_is_left() {
    let commands = [("Bake", 0, Promote), ("Wait", 1, Promote)];
    let event = sample_with(&json!({"pauses": [{"at": "beforeSwap"}, {"at": "beforeDrain"}]}));
    let ended = deploy(&Scenario::default(), &event, &commands).await;
    assert_eq!(ended.error(), "none", "{:?}", ended.status);
    assert_eq!(ended.waited(), 1);
    assert!(
        matches!(ended.given[1], Err(NotGiven::Repeated(_))),
        "{:?}",
        ended.given
    );
    let none = deploy(&Scenario::default(), &sample(), &[("Bake", 0, Promote)]).await;
    assert_eq!(none.error(), "none");
    assert_eq!(none.heard.len(), 1);
    assert!(
        none.heard[0].contains("is left to skip"),
        "{:?}",
        none.heard
    );
}

#[tokio::test(start_paused = true)]
async fn another_pace_drains_the_rest_at_that_pace() {
    let quiet = deploy(&Scenario::default(), &sample(), &[]).await;
    let Status::Succeeded { output: usual } = &quiet.status else {
        panic!("{:?}", quiet.status)
    };
    let paces = [
        (json!({"tasks": 1, "every": 600}), 900, 2_000),
        (json!({"percent": 100}), -300, 0),
    ];
    for (pace, least, most) in paces {
        let pace = request::pace(pace.as_object().unwrap()).unwrap();
        let commands = [("Wait", 1, Command::Pace(pace))];
        let ended = deploy(&Scenario::default(), &sample(), &commands).await;
        let Status::Succeeded { output } = &ended.status else {
            panic!("{:?}", ended.status)
        };
        assert_eq!(ended.heard, ["pace: obeyed"]);
        assert_eq!(output["drainedTasks"], usual["drainedTasks"], "{output}");
        let longer = ended.elapsed.as_secs().cast_signed() - quiet.elapsed.as_secs().cast_signed();
        assert!((least..=most).contains(&longer), "{longer}: {output}");
        println!("{longer} s longer, {} steps", output["steps"]);
    }
}

/// Two steps of five turns each.
fn with_a_shift() -> Value {
    sample_with(&json!({"shift": {"percent": 40, "every": 300}}))
}

#[tokio::test(start_paused = true)]
async fn a_rollback_in_mid_shift_leads_back_at_once() {
    for nth in [0, 3, 7] {
        let ended = deploy(
            &Scenario::default(),
            &with_a_shift(),
            &[("Bake", nth, Rollback)],
        )
        .await;
        assert_eq!(ended.error(), "OperatorRollback", "{nth}");
        assert_eq!(ended.heard, ["rollback: obeyed"]);
        let group = "sample-external-deployment-tg-1".to_owned();
        assert_eq!(ended.left(), (1, group));
        assert_eq!(ended.notified("ROLLED_BACK"), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_promotion_skips_what_is_left_of_a_shift() {
    let shifting = |ended: &Commanded| {
        let codes = ended.codes.iter();
        codes.filter(|code| *code == "shifting").count()
    };
    let whole = deploy(&Scenario::default(), &with_a_shift(), &[]).await;
    assert_eq!(whole.error(), "none");
    assert_eq!(shifting(&whole), 13);
    assert_eq!(whole.notified("SHIFTED"), 2);
    let ended = deploy(
        &Scenario::default(),
        &with_a_shift(),
        &[("Bake", 1, Promote)],
    )
    .await;
    assert_eq!(ended.error(), "none");
    assert_eq!(ended.heard, ["promote: obeyed"]);
    assert_eq!(shifting(&ended), 2);
    assert_eq!(ended.notified("SHIFTED"), 1);
    assert_eq!(ended.left(), whole.left());
}

#[tokio::test(start_paused = true)]
async fn an_operators_pause_holds_a_shift_for_as_long_as_it_lasts() {
    let whole = deploy(&Scenario::default(), &with_a_shift(), &[]).await;
    let commands = [("Bake", 1, Pause), ("Bake", 5, Resume)];
    let ended = deploy(&Scenario::default(), &with_a_shift(), &commands).await;
    assert_eq!(ended.error(), "none");
    assert_eq!(ended.heard, ["pause: obeyed", "resume: obeyed"]);
    let longer = ended.elapsed.saturating_sub(whole.elapsed).as_secs();
    let paused = u64::try_from(ended.paused()).unwrap() * 60;
    assert!(longer.abs_diff(paused) < 30, "{longer} s, {paused} s");
}
