//! Short names for what has long ones: each is said once in full, and short from then on.

use ebbtide_controller::arn::{is_of_a_registry, short};
use serde_json::Value;

/// Names that are known so far, as pairs of a name in full and what it is called.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    known: Vec<(String, String)>,
    /// How many of them a legend has said.
    said: usize,
}

impl Names {
    /// Takes in the names of an answer's `plan`.
    pub(crate) fn learn(&mut self, output: &Value) {
        let plan = &output["plan"];
        // The instances of a registry are no target group.
        let text = |field: &str| {
            let group = plan[field].as_str()?;
            (!is_of_a_registry(group)).then(|| short(group))
        };
        let groups = (text("originalTargetGroup"), text("replacementTargetGroup"));
        if let (Some(one), Some(other)) = groups {
            let cut = shared(one, other);
            self.add(one, &one[cut..]);
            self.add(other, &other[cut..]);
        }
        for role in ["original", "replacement"] {
            // A task set's id has a slash of its own.
            if let Some(id) = plan[role].as_str() {
                self.add(id, role);
            }
        }
    }

    /// Calls something by a short name.
    pub(crate) fn add(&mut self, full: &str, called: &str) {
        let known = self.known.iter().any(|(known, _)| known == full);
        if !known && full != called && !full.is_empty() {
            self.known.push((full.to_owned(), called.to_owned()));
        }
    }

    /// What is known and was not said yet, a line each.
    pub(crate) fn legend(&mut self) -> Vec<String> {
        let new = &self.known[self.said..];
        self.said = self.known.len();
        let lines = new.iter().map(|(full, called)| match called.as_str() {
            "original" | "replacement" => format!("{called}: task set {full}"),
            _ => format!("{called}: target group {full}"),
        });
        lines.collect()
    }

    /// A sentence with the short names.
    pub(crate) fn shorten(&self, sentence: &str) -> String {
        let mut short = sentence.to_owned();
        for (full, called) in &self.known {
            if !matches!(called.as_str(), "original" | "replacement") {
                short = replaced(&short, full, called);
                continue;
            }
            let the = format!("the {called}");
            for (long, said) in [
                (format!("Task set {full}"), format!("The {called}")),
                (format!("task set {full}"), the.clone()),
                (format!("{called} {full}"), the.clone()),
                (full.clone(), the.clone()),
                (format!("the the {called}"), the.clone()),
                (format!("The the {called}"), format!("The {called}")),
            ] {
                short = replaced(&short, &long, &said);
            }
        }
        short
    }
}

/// A text with one word, or several in a row, in the place of others.
fn replaced(text: &str, long: &str, said: &str) -> String {
    // Within a name or an ARN, and in AWS's own words, it is no name by itself.
    let goes_on = |c: char| c.is_alphanumeric() || "-/:".contains(c);
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(long) {
        let (before, from) = rest.split_at(at);
        let after = &from[long.len()..];
        let ends = after
            .strip_prefix(':')
            .map_or(!after.starts_with(goes_on), |after| {
                after.starts_with(' ') || after.is_empty()
            });
        let alone = !before.ends_with(goes_on) && !before.ends_with("(deployment ") && ends;
        replaced += before;
        replaced += if alone { said } else { long };
        rest = after;
    }
    replaced + rest
}

/// Bytes of the words, with hyphens between them, that two names begin with alike. A word that begins with a
/// digit says nothing alone: the one before it stays.
fn shared(one: &str, other: &str) -> usize {
    let words = |name: &str| -> Vec<usize> {
        let hyphens = name.match_indices('-').map(|(at, _)| at + 1);
        std::iter::once(0).chain(hyphens).collect()
    };
    let alike = |cut: &usize| other.get(..*cut) == one.get(..*cut);
    let mut cuts: Vec<usize> = words(one).into_iter().filter(alike).collect();
    let speaks = |cut: usize| {
        let begins = |name: &str| name[cut..].starts_with(|c: char| c.is_alphabetic());
        begins(one) && begins(other)
    };
    while let Some(cut) = cuts.pop() {
        if cut == 0 || speaks(cut) {
            return cut;
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names() -> Names {
        let group = |name: &str| {
            format!("arn:aws:elasticloadbalancing:us-east-1:555555555555:targetgroup/{name}/1")
        };
        let mut names = Names::default();
        names.learn(&json!({"plan": {"original": "ecs-svc/1", "replacement": "ecs-svc/2",
            "originalTargetGroup": group("chat-tg-1"), "replacementTargetGroup": group("chat-tg-2")}}));
        names
    }

    #[test]
    fn a_sentence_has_the_short_names() {
        let names = names();
        for (long, wanted) in [
            (
                "original ecs-svc/1: 3 of 4 tasks",
                "the original: 3 of 4 tasks",
            ),
            (
                "Task set ecs-svc/2 of chat:2 was created",
                "The replacement of chat:2 was created",
            ),
            (
                "rolling back to ecs-svc/1: on chat-tg-1",
                "rolling back to the original: on tg-1",
            ),
            (
                "2 tasks of ecs-svc/2 run.",
                "2 tasks of the replacement run.",
            ),
            ("the task set ecs-svc/2 is", "the replacement is"),
            ("The replacement ecs-svc/2 is", "The replacement is"),
            (
                "arn:aws:elasticloadbalancing:us-east-1:5:targetgroup/chat-tg-1/1",
                "arn:aws:elasticloadbalancing:us-east-1:5:targetgroup/chat-tg-1/1",
            ),
            ("by (deployment ecs-svc/1)", "by (deployment ecs-svc/1)"),
            (
                "ecs-svc/3 and ecs-svc/10 stay",
                "ecs-svc/3 and ecs-svc/10 stay",
            ),
        ] {
            assert_eq!(names.shorten(long), wanted);
        }
    }

    #[test]
    fn each_name_is_said_once() {
        let mut names = names();
        assert_eq!(
            names.legend(),
            [
                "tg-1: target group chat-tg-1",
                "tg-2: target group chat-tg-2",
                "original: task set ecs-svc/1",
                "replacement: task set ecs-svc/2",
            ]
        );
        names.learn(&json!({"plan": {"original": "ecs-svc/1"}}));
        assert!(names.legend().is_empty());
    }

    #[test]
    fn target_groups_are_called_by_where_they_differ() {
        for (one, other, wanted) in [
            ("mqtt-blue", "mqtt-green", "blue"),
            ("my-service-tg-1", "my-service-tg-2", "tg-1"),
            ("blue", "green", "blue"),
            ("a-1-2", "a-1-3", "a-1-2"),
            ("tg", "tg-b", "tg"),
        ] {
            assert_eq!(&one[shared(one, other)..], wanted);
        }
    }
}
