//! What GitHub Actions shows of a deployment: an annotation, and a part of the job's summary.

use std::fs::OpenOptions;
use std::io::Write;

use crate::executions::{Execution, console, since};
use crate::output::{Format, clock, print_last, remark};

/// Says how an execution ended, where a job of GitHub's runs this.
pub(crate) fn ended(execution: &Execution, format: Format) {
    if !is_job() {
        return;
    }
    let how = if execution.has_succeeded() {
        "notice"
    } else {
        "error"
    };
    let title = format!("{} {}", execution.deployed(), execution.status.as_str());
    annotate(format, how, &title, &execution.outcome());
    summarise(&summary(execution));
}

/// Says why nothing was started.
pub(crate) fn not_started(why: &str, format: Format) {
    if is_job() {
        annotate(format, "error", "Nothing was started", why);
    }
}

fn is_job() -> bool {
    std::env::var("GITHUB_ACTIONS").is_ok_and(|job| job == "true")
}

/// A workflow command; stdout of `--format json` is for programs.
fn annotate(format: Format, how: &str, title: &str, text: &str) {
    if format == Format::Text {
        print_last(&command(how, title, text));
    }
}

fn command(how: &str, title: &str, text: &str) -> String {
    // As GitHub's own toolkit escapes what would end the line, or the title.
    let text = text
        .replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A");
    let title = title
        .replace('%', "%25")
        .replace(':', "%3A")
        .replace(',', "%2C");
    format!("::{how} title={title}::{text}")
}

fn summarise(summary: &str) {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else {
        return;
    };
    let file = OpenOptions::new().create(true).append(true).open(&path);
    if let Err(error) = file.and_then(|mut file| file.write_all(summary.as_bytes())) {
        remark(&format!("no step summary: {}: {error}", path.display()));
    }
}

/// A table in Markdown.
fn summary(execution: &Execution) -> String {
    let took = execution
        .stopped
        .map(|stopped| clock(since(execution.started, stopped)));
    let page = console(&execution.arn);
    let name = &execution.name;
    let link = page.map_or_else(|| name.clone(), |page| format!("[{name}]({page})"));
    let cell = |text: &str| text.replace('|', "\\|").replace(['\r', '\n'], " ");
    let rows = [
        ("deployment", execution.deployed()),
        ("execution", link),
        ("took", took.unwrap_or_default()),
        ("outcome", execution.why().unwrap_or_default()),
    ];
    let rows = rows.map(|(name, text)| format!("| {name} | {} |\n", cell(&text)));
    let status = execution.status.as_str();
    let error = execution.error.as_ref();
    let error = error.map_or_else(String::new, |error| format!(": {error}"));
    format!(
        "### Ebbtide: {status}{error}\n\n| | |\n|---|---|\n{}\n",
        rows.concat()
    )
}

#[cfg(test)]
mod tests {
    use aws_sdk_sfn::types::ExecutionStatus;

    use super::*;

    #[test]
    fn a_command_is_one_line_whatever_is_said_in_it() {
        assert_eq!(
            command("error", "a, b: 100 %", "one\ntwo 5 %"),
            "::error title=a%2C b%3A 100 %25::one%0Atwo 5 %25"
        );
    }

    #[test]
    fn a_summary_is_a_table_that_leads_to_the_console() {
        let mut failed = Execution::example(ExecutionStatus::Failed);
        failed.error = Some("NotReadyTimeout".to_owned());
        failed.cause = Some("No target\nwas healthy | in time.".to_owned());
        let summary = summary(&failed);
        for part in [
            "### Ebbtide: FAILED: NotReadyTimeout\n",
            "| deployment | service chat in cluster main, chat:2 |\n",
            "| execution | [chat-2](https://us-east-1.console.aws.amazon.com/",
            "| took | 1:02:03 |\n",
            "was healthy \\| in time. |\n",
        ] {
            assert!(summary.contains(part), "{part}: {summary}");
        }
    }
}
