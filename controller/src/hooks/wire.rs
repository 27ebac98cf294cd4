//! Hooks in the state between two turns.

use serde_json::{Map, Value, json};

use super::{Call, Calls, Reply, Stage, Turn};
use crate::phase::Phase;
use crate::point::Point;

impl Calls {
    /// As the state has it; null where no hook was called.
    pub(crate) fn to_json(&self) -> Value {
        let Some(at) = self.at else {
            return Value::Null;
        };
        let mut wire = json!({"at": at.as_str(), "round": self.round, "done": self.done});
        if let Some(call) = &self.call {
            wire["began"] = json!(call.began);
            wire["calls"] = json!(call.calls);
            wire["wait"] = json!(call.wait);
            if let Some(trouble) = &call.trouble {
                wire["trouble"] = json!(trouble);
            }
            if !call.details.is_empty() {
                wire["details"] = json!(call.details);
            }
            if let Some(reply) = &call.reply {
                wire["reply"] = reply.to_json();
            }
        }
        if let Some(remark) = &self.remark {
            wire["remark"] = json!(remark);
        }
        wire
    }

    /// What [`to_json`](Self::to_json) wrote, with the reply to the call that the state leads here from.
    pub(crate) fn read(wire: &Value, reply: Option<&Value>) -> Option<Self> {
        if wire.is_null() {
            return Some(Self::default());
        }
        let text = |name: &str| wire.get(name)?.as_str().map(str::to_owned);
        let number = |name: &str| u32::try_from(wire.get(name)?.as_u64()?).ok();
        let call = match wire.get("began").and_then(Value::as_u64) {
            None => None,
            Some(began) => Some(Call {
                began,
                calls: number("calls")?,
                wait: number("wait")?,
                trouble: text("trouble"),
                details: match wire.get("details") {
                    Some(details) => details.as_object()?.clone(),
                    None => Map::new(),
                },
                reply: match reply.and_then(Reply::read) {
                    Some(reply) => Some(reply),
                    None => wire.get("reply").and_then(Reply::read_again),
                },
            }),
        };
        Some(Self {
            at: Some(Point::parse(wire.get("at")?.as_str()?)?),
            round: number("round")?,
            done: number("done")?,
            call,
            remark: text("remark"),
        })
    }
}

impl Reply {
    fn to_json(&self) -> Value {
        match self {
            Self::Succeeded => json!({"answer": {"hookStatus": "SUCCEEDED"}}),
            Self::InProgress { delay, details } => json!({"answer": {
                "hookStatus": "IN_PROGRESS", "callBackDelay": delay, "hookDetails": details,
            }}),
            Self::Failed(why) => json!({"failed": why}),
            Self::NotCalled(why) => json!({"notCalled": why}),
            Self::Silent => json!({"Error": "States.Timeout"}),
        }
    }

    fn read_again(wire: &Value) -> Option<Self> {
        let text = |name: &str| wire.get(name)?.as_str().map(str::to_owned);
        let failed = text("failed").map(Self::Failed);
        let not_called = text("notCalled").map(Self::NotCalled);
        failed.or(not_called).or_else(|| Self::read(wire))
    }
}

impl Turn {
    /// What the state machine needs for the call, where this turn makes one.
    pub(crate) fn to_json(&self, phase: Phase) -> Option<Value> {
        let Stage::Called(event) = &self.stage else {
            return None;
        };
        Some(json!({
            "lambda": self.hook.lambda,
            "timeout": self.wait,
            "then": phase.task().as_str(),
            "event": event,
        }))
    }

    /// Its numbers, for programs.
    pub(crate) fn numbers(&self) -> Value {
        let call = self.calls.call.as_ref();
        json!({
            "at": self.hook.at.as_str(),
            "lambda": self.hook.lambda,
            "calls": call.map_or(0, |call| call.calls),
        })
    }
}
