//! What commands print: the answer goes to stdout, everything else to stderr.
//!
//! Names in a scenario, a world or an account can hold a terminal's escape sequences: what does not show is
//! escaped here, in every output. Colours are left out where the output is no terminal, where `NO_COLOR` is
//! set, and as `--color` says.

mod count;

use std::fmt::Write as _;
use std::io::{BufRead, ErrorKind, Write as _};
use std::sync::Once;

use anstyle::AnsiColor;
pub(crate) use anstyle::Style;
use clap::ValueEnum;
use ebbtide_controller::quote::shows;
use serde::Serialize;
use terminal_size::{Height, Width, terminal_size_of};

use crate::exit::Exit;

pub(crate) use count::count;

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

pub(crate) const PLAIN: Style = Style::new();
pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();

/// Columns below which lines are not wrapped further: words would stand alone.
const NARROWEST: usize = 40;

/// A text in styles, in which what does not show is escaped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Styled(String);

impl Styled {
    pub(crate) fn new(style: Style, text: &str) -> Self {
        Self::default().and(style, text)
    }

    pub(crate) fn and(mut self, style: Style, text: &str) -> Self {
        let text = visible(text);
        if style == PLAIN || text.is_empty() {
            self.0 += &text;
        } else {
            write!(self.0, "{style}{text}{style:#}").expect("a String takes what is written");
        }
        self
    }

    /// Broken between words where the terminal ends, with as many spaces before each further line.
    pub(crate) fn wrapped(self, indent: usize) -> Self {
        self.fitting(columns(), indent)
    }

    fn fitting(self, columns: Option<usize>, indent: usize) -> Self {
        match columns {
            Some(columns) => self.within(columns, indent),
            None => self,
        }
    }

    fn within(self, columns: usize, indent: usize) -> Self {
        let indent = " ".repeat(indent);
        let options = textwrap::Options::new(columns.max(NARROWEST))
            .subsequent_indent(&indent)
            .break_words(false)
            .word_splitter(textwrap::WordSplitter::NoHyphenation);
        Self(textwrap::fill(&self.0, options))
    }

    /// The same without styles.
    #[cfg(test)]
    pub(crate) fn plain(&self) -> String {
        anstream::adapter::strip_str(&self.0).to_string()
    }

    /// Prints it as a line of the answer.
    pub(crate) fn print(&self) {
        print_or_end(&self.0);
    }

    /// Prints it as a line about a deployment that runs on without a reader.
    pub(crate) fn print_while_running(&self) {
        while_running(&self.0);
    }

    /// Prints it as a line that is no part of the answer, wrapped as with [`wrapped`](Self::wrapped).
    pub(crate) fn remark(self, indent: usize) {
        let columns = columns_of(terminal_size_of(std::io::stderr()));
        let _ = writeln!(anstream::stderr(), "{}", self.fitting(columns, indent).0);
    }

    /// Prints it as the last line, behind which the exit status says the same.
    pub(crate) fn print_last(&self) {
        last(&self.0);
    }
}

/// The columns of the terminal that stdout is; nothing where it is none and `COLUMNS` does not say.
pub(crate) fn columns() -> Option<usize> {
    columns_of(terminal_size_of(std::io::stdout()))
}

fn columns_of(terminal: Option<(Width, Height)>) -> Option<usize> {
    let asked = std::env::var("COLUMNS").ok();
    let asked = asked.and_then(|columns| columns.parse().ok());
    asked.or_else(|| terminal.map(|(Width(columns), _)| usize::from(columns)))
}

/// Prints a line of the answer. A reader that has gone away (`| head`) ends the program quietly.
pub(crate) fn print(line: &str) {
    print_or_end(&visible(line));
}

/// Prints a line about a deployment that runs on without a reader.
pub(crate) fn print_while_running(line: &str) {
    while_running(&visible(line));
}

/// Prints the last line, behind which the exit status says the same.
pub(crate) fn print_last(line: &str) {
    last(&visible(line));
}

/// Prints an answer that is no lines for people, byte by byte.
pub(crate) fn print_bytes(bytes: &[u8]) {
    let mut stdout = std::io::stdout();
    end_unless(stdout.write_all(bytes).and_then(|()| stdout.flush()));
}

/// Prints help, or what clap has to say of the arguments.
pub(crate) fn print_usage(said: &clap::Error) -> Exit {
    let is_plain = |argument: std::ffi::OsString| argument.to_string_lossy().chars().all(shows);
    if said.use_stderr() && !std::env::args_os().all(is_plain) {
        // What was given is quoted in it.
        remark_whole(said.to_string().trim_end());
        return Exit::Usage;
    }
    let printed = said.print();
    if said.use_stderr() {
        return Exit::Usage;
    }
    end_unless(printed.and_then(|()| std::io::stdout().flush()));
    Exit::Done
}

/// Prints sentences that are no part of the answer, each a line, or some where the terminal is narrow.
pub(crate) fn remark(sentences: &str) {
    Styled::new(PLAIN, sentences).remark(2);
}

/// The same with commands to copy, which stay in their lines.
pub(crate) fn remark_whole(lines: &str) {
    let _ = writeln!(anstream::stderr(), "{}", visible(lines));
}

fn print_or_end(line: &str) {
    end_unless(write(line));
}

fn end_unless(printed: std::io::Result<()>) {
    let Err(error) = printed else { return };
    if error.kind() == ErrorKind::BrokenPipe {
        std::process::exit(Exit::Failed as i32);
    }
    unwritable(&error);
    std::process::exit(Exit::Usage as i32);
}

/// A terminal that has gone away, or a full disk, is no reader that wants no more: what waits for the exit
/// status is still there.
fn while_running(line: &str) {
    match write(line) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {
            std::process::exit(Exit::Left as i32);
        }
        Err(error) => unwritable(&error),
        Ok(()) => {}
    }
}

fn last(line: &str) {
    match write(line) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => unwritable(&error),
        Ok(()) | Err(_) => {}
    }
}

/// Says once that the answer has no place.
fn unwritable(error: &std::io::Error) {
    static SAID: Once = Once::new();
    SAID.call_once(|| remark(&format!("error: cannot write standard output: {error}")));
}

fn write(line: &str) -> std::io::Result<()> {
    let mut stdout = anstream::stdout();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

/// Asks on the terminal, and is content with a clear yes only.
pub(crate) fn confirmed(question: &str, answers: &mut dyn BufRead) -> std::io::Result<bool> {
    let mut stderr = std::io::stderr();
    write!(stderr, "{} [y/N] ", visible(question))?;
    stderr.flush()?;
    let mut answer = String::new();
    answers.read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// The same text with what does not show as JSON escapes it, so that JSON stays JSON.
fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        if shows(c) || c == '\n' {
            visible.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            write!(visible, "\\u{unit:04x}").expect("a String takes what is written");
        }
    }
    visible
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

/// The same with its noun: `1 connection`, `2,500 connections`.
pub(crate) fn count_of(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_act_on_is_escaped() {
        assert_eq!(
            visible("a\u{1b}[2J\u{9b}1m\tb\n"),
            "a\\u001b[2J\\u009b1m\\u0009b\n"
        );
        assert_eq!(visible("größe …"), "größe …");
        let json = serde_json::to_string("\u{1b}\u{9b}\u{202e}\u{e0001}").unwrap();
        let read: String = serde_json::from_str(&visible(&json)).unwrap();
        assert_eq!(read, "\u{1b}\u{9b}\u{202e}\u{e0001}");
    }

    #[test]
    fn a_line_is_broken_between_words_and_styles_have_no_width() {
        let line = Styled::new(PLAIN, "0:01  ").and(GOOD, &"ten letters ".repeat(4));
        assert_eq!(
            line.within(40, 6).plain(),
            "0:01  ten letters ten letters ten\n      letters ten letters "
        );
        assert!(Styled::new(BAD, "a\u{1b}[2J").0.contains("a\\u001b[2J"));
    }

    #[test]
    fn only_a_clear_yes_is_one() {
        for (answer, wanted) in [
            ("y\n", true),
            (" yes \n", true),
            ("Y", true),
            ("\n", false),
            ("", false),
            ("no\n", false),
            ("yess\n", false),
        ] {
            let confirmed = confirmed("Go on?", &mut answer.as_bytes()).unwrap();
            assert_eq!(confirmed, wanted, "{answer:?}");
        }
    }

    #[test]
    fn durations_and_counts_are_readable() {
        assert_eq!(clock(3_725.9), "1:02:05");
        assert_eq!(count(12), "12");
        assert_eq!(count(1_234_567), "1,234,567");
    }
}
