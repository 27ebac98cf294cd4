//! What a function lets in, and what it lets out.

use std::io;
use std::sync::{Arc, Mutex};

use ebbtide_functions::{Clients, Function, handle, logs};
use ebbtide_simulator::world::Behaviour;
use ebbtide_simulator::{Scenario, SimulatedAws};
use serde_json::{Value, json};

use crate::support::{deploy, sample, world};

/// The lines that functions log.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Written {
    fn lines(&self) -> Vec<String> {
        let bytes = self.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_line_holds_the_step_and_the_decision_and_nothing_of_the_input() {
    let written = Written::default();
    let writer = written.clone();
    let guard = tracing::subscriber::set_default(logs(move || writer.clone()));
    // Other tests of this process have been here without anybody who listens.
    tracing::callsite::rebuild_interest_cache();
    let mut event = sample();
    event["comment"] = json!("approved with hunter2");
    let scenario = Scenario {
        replacement: Behaviour {
            never_healthy: true,
            ..Behaviour::default()
        },
        ..Scenario::default()
    };
    let ended = deploy(world(&Scenario::default()), "run-1", &event).await;
    assert_eq!(ended.output()["comment"], "approved with hunter2");
    let ended = deploy(world(&scenario), "run-2", &event).await;
    assert_eq!(ended.failure().0, "NotReadyTimeout");
    drop(guard);

    let lines = written.lines();
    assert!(lines.len() > 20, "{lines:?}");
    let known = [
        "level",
        "message",
        "deployment",
        "step",
        "observation",
        "decision",
        "reason",
        "wait",
        "error",
    ];
    for line in &lines {
        let fields: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
        assert!(
            fields.keys().all(|name| known.contains(&name.as_str())),
            "{line}"
        );
        for hidden in ["hunter2", "subnet-", "sg-", "securityGroups"] {
            assert!(!line.contains(hidden), "{line}");
        }
        assert!(line.len() < 2_000, "{line}");
    }
    assert!(
        lines.iter().any(|line| line.contains("NotReadyTimeout")),
        "{lines:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_execution_of_another_account_is_refused_before_anything_is_read() {
    let mut world = world(&Scenario::default());
    world.begin();
    let aws = SimulatedAws::new(world, 1.0);
    for function in Function::ALL {
        let clients = Clients {
            ecs: aws.sdk_ecs(function.as_str()),
            elb: aws.sdk_elb(function.as_str()),
        };
        let step = match function {
            Function::CheckAndCreate => "preflight",
            Function::Swap => "swap",
            Function::ScaleDown => "cleanup",
        };
        let event = json!({
            "step": step,
            "execution": "arn:aws:states:us-east-1:111111111111:execution:Ebbtide:run-1",
            "startedAt": "2026-01-01T00:00:00Z",
            "state": sample(),
        });
        let arn = format!(
            "arn:aws:lambda:us-east-1:555555555555:function:{}",
            function.as_str()
        );
        let now = std::time::SystemTime::UNIX_EPOCH;
        let error = handle(function, &arn, &clients, event, now)
            .await
            .unwrap_err();
        assert_eq!(error.name.as_str(), "InvalidInput");
        assert!(error.message.contains("account 111111111111"), "{error}");
    }
    assert_eq!(aws.with_world(|world| world.calls().count()), 0);
}
