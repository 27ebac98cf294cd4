//! What commands print: the answer goes to stdout, everything else to stderr.

use std::io::Write;

use clap::ValueEnum;
use serde::Serialize;

use crate::exit::Exit;

/// How an answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// Lines for people.
    #[default]
    Text,
    /// JSON for programs.
    Json,
}

impl Format {
    /// Prints an answer that is one text or one JSON object.
    pub(crate) fn print(self, text: &str, json: &impl Serialize) -> serde_json::Result<()> {
        match self {
            Self::Text => print(text.trim_end()),
            Self::Json => print(&serde_json::to_string_pretty(json)?),
        }
        Ok(())
    }
}

/// Prints a line of the answer. A reader that has gone away (`| head`) ends the program quietly.
pub(crate) fn print(line: &str) {
    print_or(line, Exit::Failed);
}

/// Prints a line about a deployment that runs on without a reader.
pub(crate) fn print_while_running(line: &str) {
    print_or(line, Exit::Left);
}

fn print_or(line: &str, exit: Exit) {
    if writeln!(std::io::stdout(), "{line}").is_err() {
        std::process::exit(exit as i32);
    }
}

/// Seconds as `h:mm:ss`.
pub(crate) fn clock(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a duration: some years at most, and not negative"
    )]
    let seconds = seconds as u64;
    let (minutes, hours) = (seconds / 60 % 60, seconds / 3_600);
    format!("{hours}:{minutes:02}:{:02}", seconds % 60)
}

/// A number with commas between thousands.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_counts_are_readable() {
        assert_eq!(clock(3_725.9), "1:02:05");
        assert_eq!(count(12), "12");
        assert_eq!(count(1_234_567), "1,234,567");
    }
}
