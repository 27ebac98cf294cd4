//! What to do about a refusal or a finding.

use std::fmt;

use crate::quote::sentence;

/// Words, commands of the AWS CLI, or both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fix {
    /// What to do, or what the commands do; empty where they say it all.
    pub text: String,
    /// What to run, one after the other. Words in capitals stand for what is not known here.
    pub commands: Vec<String>,
}

impl Fix {
    /// Words, in which anything may be quoted, and the commands that they speak of.
    pub fn run(text: &str, commands: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let commands = commands.into_iter();
        Self {
            text: sentence(text),
            commands: commands.map(|one| sentence(one.as_ref())).collect(),
        }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty() && self.commands.is_empty()
    }
}

impl<T: AsRef<str>> From<T> for Fix {
    fn from(text: T) -> Self {
        Self::run(text.as_ref(), [""; 0])
    }
}

/// In one line, of a sentence's length.
impl fmt::Display for Fix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, commands } = self;
        let colon = if text.is_empty() || commands.is_empty() {
            ""
        } else {
            ": "
        };
        f.write_str(&sentence(&format!(
            "{text}{colon}{}",
            commands.join(" && ")
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fix_in_one_line_has_its_commands_joined_as_a_shell_runs_them() {
        let cases = [
            (Fix::from("Wait."), "Wait."),
            (Fix::run("", ["aws a"]), "aws a"),
            (
                Fix::run("Do this", ["aws a", "aws b"]),
                "Do this: aws a && aws b",
            ),
        ];
        for (fix, line) in cases {
            assert_eq!(fix.to_string(), line);
        }
        let long = Fix::run(&"\n".repeat(9_000), ["\u{1b}".repeat(9_000)]);
        assert!(long.to_string().chars().count() <= crate::quote::LONGEST_SENTENCE);
    }
}
