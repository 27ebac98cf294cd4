//! `ebbtide pace`: its flags.

use clap::Args;
use ebbtide_controller::command::Command;
use ebbtide_controller::drain::pace::Pace;
use ebbtide_controller::request;
use serde_json::{Map, Value};

use super::{Arguments, run};
use crate::exit::{Error, Outcome};

/// Changes how fast a running deployment drains its original.
///
/// What is left of the drain is planned anew at this pace, which is given in one of the ways of the input's `drain`;
/// before the swap, the whole drain is. The next step comes one interval later, with --now at once, and with --within or
/// a budget when the step before it said. Health, alarms and pauses are as before. Refused once every step is made, after `rollback`, and where the
/// input's drainTimeout or the execution's history has no room for that many steps.
#[derive(Debug, Args)]
#[command(after_help = PACE_EXAMPLES)]
#[group(id = "way", required = true, multiple = false, args = ["percent", "tasks", "within", "reconnects", "now"])]
pub(crate) struct PaceArguments {
    /// Percent of the tasks that are left now, per step.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    percent: Option<f64>,
    /// Tasks per step.
    #[arg(long, value_name = "N")]
    tasks: Option<u32>,
    /// Seconds between two steps, with --percent or --tasks (default: 60).
    #[arg(long, value_name = "SECONDS")]
    every: Option<u32>,
    /// Evenly, the last step after this many seconds.
    #[arg(long, value_name = "SECONDS")]
    within: Option<u32>,
    /// New connections a second that the replacement can bear.
    #[arg(
        id = "reconnects",
        long = "reconnects-per-second",
        value_name = "N",
        requires = "deadline"
    )]
    reconnects: Option<f64>,
    /// Seconds until the original runs no task, with --reconnects-per-second.
    #[arg(long, value_name = "SECONDS", requires = "reconnects")]
    deadline: Option<u32>,
    /// Connections that a task holds, with --reconnects-per-second (default: what the deployment knows).
    #[arg(long, value_name = "N", requires = "reconnects")]
    connections_per_task: Option<f64>,
    /// finish or stop, with --reconnects-per-second (default: finish).
    #[arg(long, value_name = "HOW", requires = "reconnects")]
    on_deadline: Option<String>,
    /// Everything that is left, in one step.
    #[arg(long, conflicts_with = "every")]
    now: bool,
    #[command(flatten)]
    operate: Arguments,
}

const PACE_EXAMPLES: &str = "\
Examples:
  ebbtide pace main/chat --tasks 1 --every 300
  ebbtide pace main/chat --within 1800
  ebbtide pace main-chat-chat-7 --now";

impl PaceArguments {
    /// The fields of `drain` that say the same.
    fn fields(&self) -> Map<String, Value> {
        let given = [
            ("percent", self.percent.map(Value::from)),
            ("percent", self.now.then(|| Value::from(100))),
            ("tasks", self.tasks.map(Value::from)),
            ("every", self.every.map(Value::from)),
            ("within", self.within.map(Value::from)),
            ("reconnectsPerSecond", self.reconnects.map(Value::from)),
            ("deadline", self.deadline.map(Value::from)),
            (
                "connectionsPerTask",
                self.connections_per_task.map(Value::from),
            ),
            ("onDeadline", self.on_deadline.clone().map(Value::from)),
        ];
        let given = given.into_iter();
        let given = given.filter_map(|(name, value)| Some((name.to_owned(), value?)));
        given.collect()
    }

    /// The pace, or which flag is wrong.
    fn pace(&self) -> Result<Pace, Error> {
        request::pace(&self.fields()).map_err(|problems| {
            let problems: Vec<_> = problems
                .iter()
                .map(|problem| flagged(&problem.to_string()))
                .collect();
            problems.join(". ").into()
        })
    }
}

/// A problem of a field of `drain`, by the flag that gives it.
fn flagged(problem: &str) -> String {
    let flag = |text: &str, field: &str, flag: &str| {
        text.replace(&format!("drain.{field} "), &format!("{flag} "))
    };
    let problem = flag(problem, "reconnectsPerSecond", "--reconnects-per-second");
    let problem = problem.replace(
        "only with percent or tasks",
        "only with --percent or --tasks",
    );
    let problem = problem.replace(
        "only with reconnectsPerSecond",
        "only with --reconnects-per-second",
    );
    let problem = flag(&problem, "connectionsPerTask", "--connections-per-task");
    let problem = flag(&problem, "onDeadline", "--on-deadline");
    ["percent", "tasks", "every", "within", "deadline"]
        .into_iter()
        .fold(problem, |text, field| {
            flag(&text, field, &format!("--{field}"))
        })
}

/// JSON has no other numbers.
fn percent(text: &str) -> Result<f64, String> {
    let percent = text
        .parse()
        .ok()
        .filter(|percent: &f64| percent.is_finite());
    percent.ok_or_else(|| "a number above 0 and at most 100 is wanted".to_owned())
}

pub(crate) async fn pace(arguments: &PaceArguments) -> Outcome {
    run(Command::Pace(arguments.pace()?), &arguments.operate).await
}
