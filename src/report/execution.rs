//! `ebbtide report`: the page of a deployment that has run in an account.

use std::path::PathBuf;

use clap::Args;
use ebbtide_controller::clock::rfc3339;

use super::{Column, Heading, Mark, Page, PlotError, Span};
use crate::executions::{Event, Execution, console, since};
use crate::exit::{Exit, Outcome};
use crate::files::{check_outputs, write};
use crate::narrate::{Narrator, What};
use crate::output::{clock, count, print, print_bytes};
use crate::simulate::page::{by_role, states, timetable};
use crate::simulate::phase::phases;
use crate::simulation::{Role, Series, Visit};
use crate::target::{MachineError, Target};

/// Writes a page about a deployment, from its execution's history: its phases, its tasks as the functions saw
/// them, and every message.
///
/// The page needs no other files. For a running deployment it shows what has happened so far.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The execution: its ARN, or its name.
    #[arg(value_name = "EXECUTION")]
    execution: String,
    /// File to write, or `-` for standard output (default: the execution's name with .html).
    #[arg(long, value_name = "FILE.html")]
    output: Option<PathBuf>,
    #[command(flatten)]
    target: Target,
}

const EXAMPLES: &str = "\
Examples:
  ebbtide report main-chat-chat-7
  ebbtide report main-chat-chat-7 --output deployment.html";

pub(crate) async fn run(arguments: &Arguments) -> Outcome {
    let given = &arguments.execution;
    if given.contains('/') && !given.starts_with("arn:") {
        return Err(MachineError::NoExecution(given.clone()).into());
    }
    let name = given.rsplit(':').next().unwrap_or_default();
    let path = arguments.output.clone();
    let path = path.unwrap_or_else(|| PathBuf::from(format!("{name}.html")));
    let to_stdout = path.as_os_str() == "-";
    let output = ("--output", Some(path.as_path()).filter(|_| !to_stdout));
    check_outputs(&[], &[output])?;
    let (executions, arn) = arguments.target.execution(&arguments.execution).await?;
    let execution = executions.describe(&arn).await?;
    let events = executions.history(&arn, 0).await?;
    let page = page(&execution, &events)?;
    if to_stdout {
        print_bytes(page.as_bytes());
        return Ok(Exit::Done);
    }
    write(output, &page)?;
    print(&path.display().to_string());
    Ok(Exit::Done)
}

fn page(execution: &Execution, events: &[Event]) -> Result<String, PlotError> {
    let mut facts = vec![
        ("execution", execution.arn.clone()),
        ("started", rfc3339(execution.started)),
    ];
    facts.extend(execution.stopped.map(|at| ("ended", rfc3339(at))));
    facts.extend(console(&execution.arn).map(|page| ("console", page)));
    let mut page = Page::new(&Heading {
        title: format!("Deployment of {}", execution.deployed()),
        facts,
    });
    page.outcome(execution.has_succeeded(), &execution.outcome());
    let Told {
        visits,
        tasks,
        rows,
        seconds,
    } = told(execution, events);
    page.paragraph(&format!(
        "{} states in {}, {} of 25,000 history events. Tasks are those that the functions saw at each turn.",
        count(visits.len() as u64),
        clock(since(0, seconds)),
        count(events.len() as u64),
    ));
    let span = Span {
        from: 0,
        to: usize::try_from(seconds).unwrap_or(usize::MAX).max(1),
    };
    let phases = phases(&visits);
    let marks = phases.iter().skip(1).map(|phase| Mark {
        at: phase.from,
        label: phase.name.to_owned(),
    });
    let marks: Vec<_> = marks.collect();
    states(&mut page, span, &phases)?;
    by_role(&mut page, span, &marks, "Tasks", &tasks)?;
    timetable(&mut page, &phases);
    page.heading("What was said");
    let columns = [
        ("after", Column::Number),
        ("state", Column::Name),
        ("what", Column::Text),
    ];
    page.table(&columns, &rows);
    Ok(page.finish())
}

/// A history, second by second.
struct Told {
    visits: Vec<Visit>,
    tasks: Vec<Series>,
    rows: Vec<Vec<String>>,
    seconds: u64,
}

fn told(execution: &Execution, events: &[Event]) -> Told {
    // An execution lasts a year at most (Docs).
    let after = |event: &Event| {
        let seconds = event.at.saturating_sub(execution.started);
        seconds.min(366 * 86_400)
    };
    let mut narrator = Narrator::default();
    let (mut visits, mut rows) = (Vec::<Visit>::new(), Vec::new());
    let (mut original, mut replacement) = (Vec::new(), Vec::new());
    for event in events {
        let at = after(event);
        let second = usize::try_from(at).unwrap_or_default();
        // Until this second, all was as before.
        let (of_original, of_replacement) = narrator.progress().tasks;
        if second > original.len() {
            original.resize(second, u64::from(of_original));
            replacement.resize(second, u64::from(of_replacement));
        }
        let seconds = since(0, at);
        if let Some(last) = visits.last_mut() {
            last.to = seconds;
        }
        if let What::Entered { state } = &event.what {
            visits.push(Visit {
                name: state.clone(),
                from: seconds,
                to: seconds,
            });
        }
        if let Some(said) = narrator.hear(event.at, &event.what) {
            rows.push(vec![clock(seconds), said.state, said.sentence]);
        }
    }
    let (of_original, of_replacement) = narrator.progress().tasks;
    original.push(u64::from(of_original));
    replacement.push(u64::from(of_replacement));
    let series = |role, values| Series {
        role,
        name: "tasks".to_owned(),
        values,
    };
    Told {
        visits,
        tasks: vec![
            series(Role::Original, original),
            series(Role::Replacement, replacement),
        ],
        rows,
        seconds: events.last().map_or(0, after),
    }
}
