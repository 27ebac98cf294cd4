//! `ebbtide rollback`, `pause` and `resume`, against the simulated AWS on a port.

use std::net::Ipv4Addr;
use std::sync::mpsc;
use std::time::Duration;

use ebbtide_simulator::deployment::Installation;
use ebbtide_simulator::world::{UpdateItem, World};
use ebbtide_simulator::{Scenario, SimulatedAws, server};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use crate::program::{Ran, assert_has, command, ebbtide};

const OWNER: &str = "arn:aws:states:us-east-1:555555555555:execution:ebbtide:chat-2";

/// Sets an attribute of the lock of the service `chat`.
fn set(world: &mut World, name: &str, value: &Value) {
    let request = json!({
        "TableName": "ebbtide-locks",
        "Key": {"id": {"S": "main/chat"}},
        "UpdateExpression": "SET #name = :value",
        "ExpressionAttributeNames": {"#name": name},
        "ExpressionAttributeValues": {":value": value},
    });
    let request: UpdateItem = serde_json::from_value(request).unwrap();
    world.update_item(&request).unwrap();
}

fn answered(number: u32, refused: Option<&str>) -> Value {
    let mut map = json!({"number": {"N": number.to_string()}});
    if let Some(refused) = refused {
        map["refused"] = json!({"S": refused});
    }
    json!({ "M": map })
}

/// The simulated AWS with a lock table, on a port as long as the tests run.
fn served() -> (SimulatedAws, String) {
    served_until(std::future::pending())
}

fn served_until(end: impl Future<Output = ()> + Send + 'static) -> (SimulatedAws, String) {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let aws = SimulatedAws::new(Scenario::default().world().unwrap(), 1.0);
            Installation::new(&aws).unwrap();
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let endpoint = format!("http://{}", listener.local_addr().unwrap());
            tell.send((aws.clone(), endpoint)).unwrap();
            server::serve(listener, aws, end).await;
        });
    });
    told.recv().unwrap()
}

/// A command of an operator.
fn ran(endpoint: &str, table: &str, line: &str) -> Ran {
    let mut command = command(line);
    command.args(["--table", table]);
    command.env("AWS_ENDPOINT_URL", endpoint);
    command.env("AWS_REGION", "us-east-1");
    command
        .env("AWS_ACCESS_KEY_ID", "one")
        .env("AWS_SECRET_ACCESS_KEY", "two");
    Ran::of(&mut command)
}

/// A panel without a command.
fn panel() -> Value {
    json!({"M": {"owner": {"S": OWNER}, "fence": {"N": "1"}, "number": {"N": "0"}}})
}

#[test]
fn a_command_that_was_given_waits_for_its_answer_also_while_aws_is_away() {
    let (end, ended) = oneshot::channel();
    let (aws, endpoint) = served_until(async { ended.await.unwrap() });
    aws.with_world(|world| {
        set(world, "owner", &json!({"S": OWNER}));
        set(world, "fence", &json!({"N": "1"}));
        set(world, "command", &panel());
    });
    let given = move || {
        aws.with_world(|world| {
            let (_, item) = world
                .table("ebbtide-locks")
                .unwrap()
                .items()
                .next()
                .unwrap();
            serde_json::to_string(item).unwrap().contains("rollback")
        })
    };
    let away = std::thread::spawn(move || {
        while !given() {
            std::thread::sleep(Duration::from_millis(20));
        }
        end.send(()).unwrap();
    });
    let line = "rollback main/chat --wait 6 --format json";
    let waiting = ran(&endpoint, "ebbtide-locks", line).exits(3);
    away.join().unwrap();
    assert_has(
        &waiting.stderr,
        &["could not be reached", "The command is given"],
    );
    assert_eq!(waiting.json()["answer"], "waiting");
}

#[test]
fn a_command_is_written_answered_and_reported() {
    let (aws, endpoint) = served();
    let run_in = |table: &str, line: &str| ran(&endpoint, table, line);
    let run = |line: &str| run_in("ebbtide-locks", line);

    let elsewhere = run_in("games-locks", "pause main/chat").exits(1);
    assert_has(
        &elsewhere.stderr,
        &[
            "ResourceNotFoundException",
            "main/chat",
            "games-locks",
            "--table",
        ],
    );
    let none = run("pause main/chat").exits(1);
    assert_has(
        &none.stderr,
        &["Nothing was asked", "no deployment has taken the lock"],
    );
    aws.with_world(|world| {
        set(world, "owner", &json!({"S": OWNER}));
        set(world, "fence", &json!({"N": "1"}));
        set(world, "phase", &json!({"S": "scale-down"}));
        set(world, "reason", &json!({"S": "3 of 4 tasks left"}));
    });
    let old = run("pause main/chat").exits(1);
    assert_has(
        &old.stderr,
        &[
            "the lock accepts no commands",
            "next is scale-down",
            "3 of 4 tasks left",
        ],
    );
    aws.with_world(|world| set(world, "command", &panel()));

    let idle = run("resume main/chat").exits(1);
    assert_has(&idle.stderr, &["the deployment is not paused"]);
    let waiting = run("pause main/chat --by alice --wait 0").exits(3);
    assert_has(
        &waiting.stdout,
        &["pause by alice at 20", "not answered within 0 s", OWNER],
    );
    let again = run("pause main/chat --by bob").exits(1);
    assert_has(
        &again.stderr,
        &["this was already requested: pause by alice"],
    );

    aws.with_world(|world| set(world, "answered", &answered(2, None)));
    let obeyed = run("resume main/chat").exits(0);
    assert_has(
        &obeyed.stdout,
        &["resume by ", "obeyed", "ebbtide status", "--follow"],
    );
    let late = answered(3, Some("the original is gone"));
    aws.with_world(|world| set(world, "answered", &late));
    let refused = run("rollback main/chat").exits(1);
    assert_has(&refused.stdout, &["refused, the original is gone"]);
    let service = "arn:aws:ecs:us-east-1:555555555555:service/main/chat";
    let line = format!("pause {service} --by alice --wait 0 --format json");
    let answer: Value = serde_json::from_str(&run(&line).exits(3).stdout).unwrap();
    assert_eq!(
        (&answer["answer"], &answer["command"], &answer["execution"]),
        (&json!("waiting"), &json!("pause"), &json!(OWNER))
    );

    let machine = "arn:aws:states:us-east-1:555555555555:stateMachine:ebbtide";
    let unknown = run(&format!("rollback chat-9 --state-machine {machine}")).exits(1);
    assert_has(
        &unknown.stderr,
        &["states:DescribeExecution", "ExecutionDoesNotExist"],
    );
}

#[test]
fn a_name_that_does_not_show_is_wrong_usage() {
    let long = format!("pause main/chat --by {}", "a".repeat(200));
    for line in [long.as_str(), "rollback", "pause main/chat --wait soon"] {
        assert_ne!(ebbtide(line).exits(2).stderr, "", "{line}");
    }
}
