//! Notifications of what happens within a deployment, by way of EventBridge.
//!
//! A deployment waits for one at most [`PATIENCE`], and never fails for want of one.

use std::time::Duration;

use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use ebbtide_controller::clock;
use ebbtide_controller::deployment::Answer;
use ebbtide_controller::phase::Phase;
use ebbtide_controller::reason::{Code, Reason, Shifting};
use serde_json::json;

use crate::error::StepError;
use crate::handler::Step;

/// Where the rules of the stack and of users find them.
pub const SOURCE: &str = "ebbtide";

/// The detail type of a notification.
pub const DETAIL_TYPE: &str = "Ebbtide Deployment Progress";

/// How long a turn waits for EventBridge.
const PATIENCE: Duration = Duration::from_secs(2);

/// The `status` of the notification that goes with an answer, where one does.
fn status(phase: Phase, answer: &Answer) -> Option<&'static str> {
    if answer.plan.finishing {
        return None;
    }
    match (phase, answer.reason.code()) {
        (Phase::Swap, Code::Swapped) => Some("SWAPPED"),
        (Phase::Swap, Code::SwappedBack) => Some("ROLLED_BACK"),
        (Phase::Swap, Code::Shifting) => shifting(answer)?.begins().then_some("SHIFTED"),
        (Phase::ScaleDown, Code::Drained) => Some("DRAINED"),
        // Once, when the pause begins.
        (_, Code::WaitingForApproval) => {
            let waits = answer.plan.passed.waits?;
            (waits.waited == answer.wait).then_some("WAITING_FOR_APPROVAL")
        }
        _ => None,
    }
}

fn shifting(answer: &Answer) -> Option<&Shifting> {
    match &answer.reason {
        Reason::Shifting(shifting) => Some(shifting),
        _ => None,
    }
}

/// Sends the notification of an answer, if there is one for it.
pub(crate) async fn send(step: &Step<'_>, answer: Option<&Answer>) {
    let event = step.event;
    let status = |answer| Some((answer, status(event.phase, answer)?));
    let Some((answer, status)) = answer.and_then(status) else {
        return;
    };
    let plan = &answer.plan;
    let mut detail = json!({
        "source": SOURCE,
        "version": 1,
        "time": clock::rfc3339(step.invocation.now_millis() / 1_000),
        "status": status,
        "execution": event.id.execution(),
        "name": event.id.name(),
        "stateMachine": event.id.state_machine(),
        "cluster": plan.request.cluster,
        "service": plan.request.service,
        "taskSet": plan.incoming_set(),
        "targetGroup": plan.incoming_group(),
        "previousTaskSet": plan.outgoing_set(),
        "reason": answer.reason.to_string(),
    });
    if let Some(Shifting {
        percent, step, of, ..
    }) = shifting(answer)
    {
        detail["shift"] = json!({"percent": percent, "step": step, "of": of});
    }
    let entry = PutEventsRequestEntry::builder()
        .source(SOURCE)
        .detail_type(DETAIL_TYPE)
        .detail(detail.to_string())
        .build();
    let sending = step.clients.eventbridge.put_events().entries(entry).send();
    let failed = match tokio::time::timeout(PATIENCE, sending).await {
        Err(_) => Some("EventBridge did not answer in time".to_owned()),
        Ok(Err(error)) => Some(StepError::of_call("events:PutEvents", &error).message),
        Ok(Ok(answer)) => answer
            .entries()
            .iter()
            .find_map(|entry| entry.error_code().map(str::to_owned)),
    };
    if let Some(error) = failed {
        tracing::warn!(status, error, "no notification was sent");
    }
}
