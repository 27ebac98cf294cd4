//! An operator's command without its condition.

use std::time::Duration;

use ebbtide_controller::command::Command;
use ebbtide_simulator::fault::Fault;

use super::lock_write::{Change, assert_opens, with_lock};
use crate::scenarios::{self, CLUSTER, SERVICE};

/// A pause whose first attempt lands late, after the command that ended it.
async fn late_pause(change: Change) -> Option<String> {
    let stage = with_lock(&scenarios::two_tasks(), change);
    let service = format!("{CLUSTER}/{SERVICE}");
    let ask = async |command| {
        let given = stage.installation.command(&service, command, "alice");
        given.await.unwrap().unwrap();
    };
    let operate = async {
        tokio::time::sleep(Duration::from_secs(45)).await;
        // An operator reads the item, and then writes.
        let call = stage.aws.call_count() + 2;
        stage.aws.plan_faults([(call, Fault::Late(1_000))]);
        ask(Command::Pause).await;
        tokio::time::sleep(Duration::from_secs(10)).await;
        ask(Command::Resume).await;
    };
    tokio::join!(stage.deploy("run-1"), operate);
    stage.broken()
}

#[tokio::test(start_paused = true)]
async fn a_command_without_its_condition_is_caught() {
    let change: Change = |write| {
        if write.update == "SET #command = :command" {
            write.condition = "attribute_exists(id)".to_owned();
        }
    };
    assert_opens("S6", change, late_pause).await;
}
