//! A step of a drain in a simulation, whose times are those since the deployment's start. The functions' own sentence
//! has the time of the day.

use std::fmt::Write;

use ebbtide_controller::counted::counted;
use ebbtide_controller::reason::Code;
use serde::Deserialize;
use serde_json::Value;

use crate::executions::since;
use crate::output::clock;

/// What a function answered that has made a step.
#[derive(Deserialize)]
struct Answer {
    reason: Reason,
    plan: Value,
    control: Option<Control>,
}

#[derive(Deserialize)]
struct Reason {
    code: String,
    drain: Drain,
    command: Option<Command>,
}

/// Times are seconds from the turn.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Drain {
    left: u32,
    of: u32,
    running: u32,
    step: u32,
    next_step: u64,
    done: u64,
}

/// Of a budget: what the reconnects that were seen have made of its pace.
#[derive(Deserialize)]
struct Control {
    factor: f64,
}

/// What an operator has asked.
#[derive(Deserialize)]
struct Command {
    asked: String,
    by: String,
    refused: Option<String>,
}

/// The step that an answer tells of at that second; nothing where it tells of something else.
pub(super) fn in_words(at: u64, output: &Value) -> Option<String> {
    let Answer {
        reason,
        plan,
        control,
    } = Answer::deserialize(output).ok()?;
    if reason.code != Code::Step.as_str() {
        return None;
    }
    let Drain {
        left,
        of,
        running,
        step,
        next_step,
        done,
    } = reason.drain;
    let outgoing = plan["outgoing"].as_str()?;
    let task_set = plan[outgoing].as_str().unwrap_or_default();
    let (of, done) = (counted(of, "task"), clock(since(0, at + done)));
    let mut said = format!(
        "{outgoing} {task_set}: step {step}: scaled to {left} of {of}, {running} still running; next step in {next_step} s, done about {done}"
    );
    if let Some(Control { factor }) = control.filter(|control| control.factor < 1.0) {
        let _ = write!(said, " (at {:.0} % of the planned pace)", factor * 100.0);
    }
    if let Some(Command { asked, by, refused }) = reason.command {
        let came = refused.map_or_else(|| "obeyed".to_owned(), |why| format!("refused, {why}"));
        let _ = write!(said, "; {asked} by {by}: {came}");
    }
    Some(said)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_step_has_no_time_of_the_day() {
        let mut answer = json!({
            "plan": {"outgoing": "original", "original": "ecs-svc/1"},
            "reason": {"code": "step", "text": "done about 00:17Z", "drain": {"left": 3, "of": 4,
                "running": 4, "step": 1, "nextStep": 60, "lastStep": 120, "done": 540}},
        });
        let step = "original ecs-svc/1: step 1: scaled to 3 of 4 tasks, 4 still running; next step in 60 s, done about 0:16:31";
        assert_eq!(in_words(451, &answer).as_deref(), Some(step));
        answer["control"] = json!({"factor": 0.512});
        answer["reason"]["command"] = json!({"asked": "resume", "by": "alice", "at": "2026-01-01T00:00:00Z", "refused": null});
        let slowed = format!("{step} (at 51 % of the planned pace); resume by alice: obeyed");
        assert_eq!(in_words(451, &answer), Some(slowed));
        answer["reason"]["code"] = json!("pause");
        assert_eq!(in_words(451, &answer), None);
    }
}
