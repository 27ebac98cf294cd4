//! Executions as a table, and one in full.

use ebbtide_controller::arn::short;
use ebbtide_controller::clock::{rfc3339, to_the_minute};
use ebbtide_controller::quote::quote;

use super::Seen;
use crate::executions::{Execution, console, since};
use crate::narrate::{Progress, Said, Serves};
use crate::output::{BAD, BOLD, DIM, GOOD, PLAIN, Styled, clock};

const HEADS: [&str; 7] = [
    "SERVICE",
    "PHASE",
    "ORIGINAL",
    "REPLACEMENT",
    "AGE",
    "ETA",
    "SERVES",
];
/// Columns before what is said of one.
const LABEL: usize = 15;
/// Where a deployment has nothing to say.
const NOTHING: &str = "-";

/// A row an execution, and below it its name.
pub(super) fn of_all(seen: &[Seen], now: u64) -> Vec<Styled> {
    let rows: Vec<_> = seen.iter().map(|one| cells(one, now)).collect();
    let widths: Vec<_> = (0..HEADS.len())
        .map(|column| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.chain([HEADS[column].len()]).max().unwrap_or_default()
        })
        .collect();
    let line = |cells: &[String; 7]| {
        let padded = cells.iter().zip(&widths);
        let padded = padded.map(|(cell, &width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines = vec![Styled::new(BOLD, &line(&HEADS.map(str::to_owned)))];
    for (row, one) in rows.iter().zip(seen) {
        let failed = one.execution.has_ended() && !one.execution.has_succeeded();
        lines.push(Styled::new(if failed { BAD } else { PLAIN }, &line(row)));
        lines.push(Styled::new(DIM, &format!("  {}", one.execution.name)));
    }
    lines
}

fn cells(seen: &Seen, now: u64) -> [String; 7] {
    let execution = &seen.execution;
    let asked = |field: &str| asked(execution, field);
    let nothing = || NOTHING.to_owned();
    let progress = &seen.progress;
    let running = !execution.has_ended();
    let (phase, original, lacks, eta) = if running {
        let original = progress
            .drain
            .map(|drain| format!("{}/{}", drain.running, drain.of));
        let lacks = progress.shortfall.as_ref();
        let lacks = lacks.map(|lacks| format!(" {}/{}", lacks.seen, lacks.wanted));
        let eta = progress.drain.and_then(|drain| drain.done);
        let eta = eta.map(|at| to_the_minute(at, now));
        (progress.phase().to_owned(), original, lacks, eta)
    } else {
        (execution.status.as_str().to_owned(), None, None, None)
    };
    [
        format!("{}/{}", asked("cluster"), asked("serviceName")),
        phase,
        original.unwrap_or_else(nothing),
        asked("taskDefinition") + &lacks.unwrap_or_default(),
        age(now.saturating_sub(execution.started)),
        eta.unwrap_or_else(nothing),
        serves(progress).to_owned(),
    ]
}

fn asked(execution: &Execution, field: &str) -> String {
    quote(execution.asked(field).map_or("?", short))
}

fn serves(progress: &Progress) -> &'static str {
    progress.serves.map_or("?", Serves::as_str)
}

/// Seconds as hours, minutes and seconds, or in days.
fn age(seconds: u64) -> String {
    match seconds / 86_400 {
        0 => clock(since(0, seconds)),
        days => format!("{days} d"),
    }
}

/// All there is to say of one execution.
pub(super) fn of_one(seen: &Seen, now: u64) -> Vec<Styled> {
    let execution = &seen.execution;
    let progress = &seen.progress;
    // Each of several services has a deployment of its own, which is asked for by its own name.
    let several = execution.services().is_some();
    let started = rfc3339(execution.started);
    let mut facts = Vec::new();
    if execution.has_ended() {
        facts.push(("status", execution.outcome()));
    } else {
        let runs_for = clock(since(execution.started, now));
        let status = execution.status.as_str();
        facts.push(("status", format!("{status} for {runs_for}")));
        if !several {
            facts.push(("phase", progress.phase().to_owned()));
        }
        if let Some(shortfall) = &progress.shortfall {
            facts.push(("replacement", shortfall.to_string()));
        }
        if let Some(shift) = &progress.shift {
            facts.push(("shift", shift.to_string()));
            let next = format!("{} % at {}", shift.next_percent, rfc3339(shift.next));
            facts.push(("next step", next));
        }
        if let Some(drain) = progress.drain {
            let (left, of, running) = (drain.left, drain.of, drain.running);
            facts.push((
                "original",
                format!("{running} of {of} running, {left} wanted"),
            ));
            let times = [
                ("next step", drain.next),
                ("last step", drain.last),
                ("gone about", drain.done),
            ];
            let times = times.into_iter();
            facts.extend(times.filter_map(|(what, at)| Some((what, rfc3339(at?)))));
        }
        let commands = progress.commands();
        if !commands.is_empty() && !several {
            let service = format!(
                "{}/{}",
                asked(execution, "cluster"),
                asked(execution, "serviceName")
            );
            facts.push((
                "commands",
                format!("ebbtide {} {service}", commands.join("|")),
            ));
        }
        if let Some((at, said)) = &seen.said {
            let Said {
                state, sentence, ..
            } = said;
            facts.push(("last", format!("{}  {state}: {sentence}", rfc3339(*at))));
        }
    }
    if let Some(held) = &seen.held {
        let (since, by) = (rfc3339(held.since), quote(held.by.as_str()));
        facts.push(("scale-in", format!("suspended since {since} by {by}")));
    }
    if !several {
        facts.push(("serves", serves(progress).to_owned()));
    }
    facts.extend(
        seen.unread
            .iter()
            .map(|error| ("unknown", error.to_string())),
    );
    facts.push(("execution", execution.arn.clone()));
    facts.extend(console(&execution.arn).map(|page| ("console", page)));
    let title = format!("{started}  {}  {}", execution.name, execution.deployed());
    let mut lines = vec![Styled::new(BOLD, &title).wrapped(2)];
    lines.extend(facts.into_iter().map(|(name, fact)| {
        let style = match (name, execution.has_succeeded()) {
            ("status", true) => GOOD,
            ("status", false) if execution.has_ended() => BAD,
            _ => PLAIN,
        };
        let line = Styled::new(DIM, &format!("  {name:<11}  "));
        line.and(style, &fact).wrapped(LABEL)
    }));
    lines
}

#[cfg(test)]
mod tests {
    use aws_sdk_sfn::types::ExecutionStatus;
    use serde_json::json;

    use ebbtide_controller::auto_scaling::Hold;

    use super::*;
    use crate::narrate::{Mood, What};

    fn seen(status: ExecutionStatus, answer: &serde_json::Value) -> Seen {
        let mut progress = Progress::default();
        let at = 1_767_225_660;
        progress.hear(
            at,
            &What::Exited {
                state: "ScaleDown".to_owned(),
                output: answer.clone(),
            },
        );
        let said = Said {
            state: "ScaleDown".to_owned(),
            sentence: "one step more".to_owned(),
            mood: Mood::Usual,
        };
        Seen {
            execution: Execution::example(status),
            progress,
            said: Some((at, said)),
            unread: None,
            held: None,
        }
    }

    fn draining() -> serde_json::Value {
        json!({"next": "Wait", "plan": {"outgoing": "original", "original": "ecs-svc/1", "swapped": 1},
            "reason": {"code": "step", "drain": {"left": 1, "of": 4, "running": 3, "nextStep": 60,
                "lastStep": 120, "done": 420}}})
    }

    fn waiting() -> serde_json::Value {
        json!({"next": "WaitForServiceReady", "plan": {"outgoing": "original", "original": "ecs-svc/1"},
            "reason": {"code": "notReady", "shortfall": {"of": "healthyTargets", "seen": 3, "wanted": 4}}})
    }

    const NOW: u64 = 1_767_225_600 + 900;

    fn one(seen: &Seen) -> String {
        let lines = of_one(seen, NOW);
        lines.iter().map(|line| line.plain() + "\n").collect()
    }

    #[test]
    fn scale_in_that_is_held_is_shown_with_its_time_and_its_execution() {
        let mut dead = seen(ExecutionStatus::Aborted, &draining());
        assert!(!one(&dead).contains("scale-in"));
        dead.held = Some(Hold {
            since: NOW,
            by: "arn:aws:states:us-east-1:555555555555:execution:ebbtide:one".into(),
        });
        let said = one(&dead);
        assert!(
            said.contains("  scale-in     suspended since 2026-01-01T00:15:00Z by arn:aws:"),
            "{said}"
        );
    }

    #[test]
    fn executions_are_rows_that_fit_80_columns() {
        let all = [
            seen(ExecutionStatus::Running, &waiting()),
            seen(ExecutionStatus::Running, &draining()),
            seen(ExecutionStatus::Succeeded, &draining()),
            seen(ExecutionStatus::TimedOut, &json!({})),
        ];
        let lines: Vec<_> = of_all(&all, NOW).iter().map(Styled::plain).collect();
        assert_eq!(
            lines,
            [
                "SERVICE    PHASE      ORIGINAL  REPLACEMENT  AGE      ETA     SERVES",
                "main/chat  readiness  -         chat:2 3/4   0:15:00  -       original",
                "  chat-2",
                "main/chat  drain      3/4       chat:2       0:15:00  00:08Z  replacement",
                "  chat-2",
                "main/chat  SUCCEEDED  -         chat:2       0:15:00  -       replacement",
                "  chat-2",
                "main/chat  TIMED_OUT  -         chat:2       0:15:00  -       ?",
                "  chat-2",
            ]
        );
        assert_eq!(age(200_000), "2 d");
    }

    #[test]
    fn one_that_runs_is_shown_with_its_numbers_and_its_last_sentence() {
        let lines = one(&seen(ExecutionStatus::Running, &draining()));
        for part in [
            "2026-01-01T00:00:00Z  chat-2  service chat in cluster main, chat:2\n",
            "\n  status       RUNNING for 0:15:00\n  phase        drain\n",
            "\n  original     3 of 4 running, 1 wanted\n  next step    2026-01-01T00:02:00Z\n",
            "\n  gone about   2026-01-01T00:08:00Z\n",
            "\n  last         2026-01-01T00:01:00Z  ScaleDown: one step more\n",
            "\n  serves       replacement\n",
            "\n  console      https://us-east-1.console.aws.amazon.com/",
        ] {
            assert!(lines.contains(part), "{part}: {lines}");
        }
        let lines = one(&seen(ExecutionStatus::Running, &waiting()));
        assert!(
            lines.contains("\n  replacement  3 of 4 healthy\n"),
            "{lines}"
        );
    }

    #[test]
    fn one_that_has_failed_is_shown_with_its_cause() {
        let mut failed = seen(ExecutionStatus::Failed, &waiting());
        failed.execution.error = Some("NotReadyTimeout".to_owned());
        failed.execution.cause = Some("No target was healthy.".to_owned());
        failed.unread = Some(crate::executions::CallError {
            trouble: crate::executions::Trouble::Denied,
            message: "states:GetExecutionHistory answered AccessDenied".to_owned(),
        });
        let lines = one(&failed);
        for part in [
            "\n  status       FAILED with NotReadyTimeout after 1:02:03: No target was healthy.\n",
            "\n  serves       original\n  unknown      states:GetExecutionHistory",
        ] {
            assert!(lines.contains(part), "{part}: {lines}");
        }
    }
}
