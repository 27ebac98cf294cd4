//! What a function lets in.

use std::time::{Duration, SystemTime};

use ebbtide_functions::{Function, Invocation, handle};
use ebbtide_permissions::judged;
use ebbtide_simulator::SimulatedAws;
use serde_json::json;

use crate::support::{sample, served};

#[tokio::test(start_paused = true)]
async fn an_execution_of_another_account_is_refused_before_anything_is_read() {
    let mut world = served();
    world.begin();
    let aws = judged(SimulatedAws::new(world, 1.0));
    for function in Function::ALL {
        let clients = aws.clients(function.as_str());
        let phase = match function {
            Function::CheckAndCreate => "preflight",
            Function::Swap => "swap",
            Function::ScaleDown => "cleanup",
        };
        let event = json!({
            "phase": phase,
            "execution": "arn:aws:states:us-east-1:111111111111:execution:Ebbtide:run-1",
            "startedAt": "2026-01-01T00:00:00Z",
            "state": sample(),
        });
        let name = function.as_str();
        let arn = format!("arn:aws:lambda:us-east-1:555555555555:function:{name}");
        let invocation = Invocation {
            function_arn: &arn,
            nonce: "one",
            began: SystemTime::UNIX_EPOCH,
            deadline: SystemTime::UNIX_EPOCH + Duration::from_mins(1),
            started: tokio::time::Instant::now(),
        };
        let refused = handle(function, invocation, &clients, event).await;
        let error = refused.unwrap_err();
        assert_eq!(error.name.as_str(), "InvalidInput");
        assert!(error.message.contains("account 111111111111"), "{error}");
    }
    assert_eq!(aws.with_world(|world| world.calls().count()), 0);
}
