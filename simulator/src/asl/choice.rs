//! The rules of a Choice state.

use std::cmp::Ordering;

use serde::Deserialize;
use serde_json::{Map, Number, Value};

use super::data::Data;
use super::path::JsonPath;

/// One rule of a Choice: where to go when its condition holds.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub struct Rule {
    /// What must hold.
    pub condition: Condition,
    /// The state that follows then.
    pub next: String,
}

/// What a rule asks of the state's input.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub enum Condition {
    /// All of them hold; the first that does not ends the evaluation.
    And(Vec<Condition>),
    /// One of them holds; the first that does ends the evaluation.
    Or(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// A test of one value.
    Test {
        /// Where the value is.
        variable: JsonPath,
        /// What is asked of it.
        test: Test,
    },
}

/// A test of one value. A value of another type does not pass.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// There is (or, for `false`, there is no) such value.
    IsPresent(bool),
    /// It is, or is not, null.
    IsNull(bool),
    /// It is, or is not, a boolean.
    IsBoolean(bool),
    /// It is, or is not, a number.
    IsNumeric(bool),
    /// It is, or is not, a string.
    IsString(bool),
    /// It is this string.
    StringEquals(String),
    /// It is a string like this one, where `*` stands for any text and `\*` for a star.
    StringMatches(String),
    /// It is this boolean.
    BooleanEquals(bool),
    /// It is this number (`1` and `1.0` are the same).
    NumericEquals(Number),
    /// It is a smaller number.
    NumericLessThan(Number),
    /// It is a smaller number, or this one.
    NumericLessThanEquals(Number),
    /// It is a greater number.
    NumericGreaterThan(Number),
    /// It is a greater number, or this one.
    NumericGreaterThanEquals(Number),
}

impl Condition {
    /// Whether the condition holds, or the variable that is needed for the answer and not there.
    pub(super) fn holds<'a>(&'a self, data: Data<'_>) -> Result<bool, &'a JsonPath> {
        match self {
            Self::And(all) => {
                for condition in all {
                    if !condition.holds(data)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Or(any) => {
                for condition in any {
                    if condition.holds(data)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::Not(condition) => Ok(!condition.holds(data)?),
            Self::Test { variable, test } => {
                let value = variable.resolve(data);
                if let Test::IsPresent(wanted) = test {
                    return Ok(value.is_some() == *wanted);
                }
                value.map(|value| test.passes(value)).ok_or(variable)
            }
        }
    }

    /// The first variable that is looked at without an `IsPresent` before it in the same `And`.
    ///
    /// An execution whose input lacks it fails with `States.Runtime`, which no Catch catches.
    pub fn unguarded(&self) -> Option<&JsonPath> {
        self.first_unguarded(&mut Vec::new())
    }

    fn first_unguarded<'a>(&'a self, present: &mut Vec<&'a JsonPath>) -> Option<&'a JsonPath> {
        match self {
            Self::And(all) => all
                .iter()
                .find_map(|condition| condition.first_unguarded(present)),
            // What one alternative has found to be there, the next one has not.
            Self::Or(any) => any
                .iter()
                .find_map(|condition| condition.first_unguarded(&mut present.clone())),
            Self::Not(condition) => condition.first_unguarded(&mut present.clone()),
            Self::Test {
                variable,
                test: Test::IsPresent(wanted),
            } => {
                if *wanted {
                    present.push(variable);
                }
                None
            }
            Self::Test { variable, .. } => (!present.contains(&variable)).then_some(variable),
        }
    }
}

impl Test {
    fn passes(&self, value: &Value) -> bool {
        match self {
            Self::IsPresent(wanted) => *wanted,
            Self::IsNull(wanted) => value.is_null() == *wanted,
            Self::IsBoolean(wanted) => value.is_boolean() == *wanted,
            Self::IsNumeric(wanted) => value.is_number() == *wanted,
            Self::IsString(wanted) => value.is_string() == *wanted,
            Self::StringEquals(wanted) => value.as_str() == Some(wanted),
            Self::StringMatches(pattern) => value.as_str().is_some_and(|text| like(text, pattern)),
            Self::BooleanEquals(wanted) => value.as_bool() == Some(*wanted),
            Self::NumericEquals(wanted) => compare(value, wanted).is_some_and(Ordering::is_eq),
            Self::NumericLessThan(wanted) => compare(value, wanted).is_some_and(Ordering::is_lt),
            Self::NumericLessThanEquals(wanted) => {
                compare(value, wanted).is_some_and(Ordering::is_le)
            }
            Self::NumericGreaterThan(wanted) => compare(value, wanted).is_some_and(Ordering::is_gt),
            Self::NumericGreaterThanEquals(wanted) => {
                compare(value, wanted).is_some_and(Ordering::is_ge)
            }
        }
    }
}

/// Numbers are doubles, as in Step Functions.
fn compare(value: &Value, wanted: &Number) -> Option<Ordering> {
    value.as_f64()?.partial_cmp(&wanted.as_f64()?)
}

/// Whether the text is the pattern with every `*` replaced by some text.
fn like(text: &str, pattern: &str) -> bool {
    // The ends in the text that the pattern so far can reach: a pattern of many stars stays cheap.
    let text: Vec<char> = text.chars().collect();
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    let mut pattern = pattern.chars();
    while let Some(c) = pattern.next() {
        if c == '*' {
            let first = reached.iter().position(|&end| end).unwrap_or(reached.len());
            reached[first..].fill(true);
            continue;
        }
        let literal = if c == '\\' {
            pattern.next().unwrap_or(c)
        } else {
            c
        };
        for end in (1..=text.len()).rev() {
            reached[end] = reached[end - 1] && text[end - 1] == literal;
        }
        reached[0] = false;
    }
    reached[text.len()]
}

/// An operator with its operand: the one field of a condition beside `Variable`.
#[derive(Deserialize)]
enum Operator {
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    IsPresent(bool),
    IsNull(bool),
    IsBoolean(bool),
    IsNumeric(bool),
    IsString(bool),
    StringEquals(String),
    StringMatches(String),
    BooleanEquals(bool),
    NumericEquals(Number),
    NumericLessThan(Number),
    NumericLessThanEquals(Number),
    NumericGreaterThan(Number),
    NumericGreaterThanEquals(Number),
}

impl TryFrom<Map<String, Value>> for Rule {
    type Error = String;

    fn try_from(mut rule: Map<String, Value>) -> Result<Self, String> {
        let next = rule.shift_remove("Next");
        let condition = rule.try_into()?;
        match next {
            Some(Value::String(next)) => Ok(Self { condition, next }),
            Some(_) => Err("Next is the name of a state".to_owned()),
            None => Err("missing field `Next`".to_owned()),
        }
    }
}

impl TryFrom<Map<String, Value>> for Condition {
    type Error = String;

    fn try_from(mut condition: Map<String, Value>) -> Result<Self, String> {
        condition.shift_remove("Comment");
        let variable = condition.shift_remove("Variable");
        if condition.len() > 1 {
            let names: Vec<_> = condition.keys().map(String::as_str).collect();
            return Err(format!(
                "a condition has one operator, not {}",
                names.join(" and ")
            ));
        }
        if condition.is_empty() {
            return Err("a condition wants an operator".to_owned());
        }
        let operator =
            Operator::deserialize(Value::Object(condition)).map_err(|error| error.to_string())?;
        let test = match operator {
            Operator::And(_) | Operator::Or(_) | Operator::Not(_) if variable.is_some() => {
                return Err("And, Or and Not take no Variable".to_owned());
            }
            Operator::And(parts) | Operator::Or(parts) if parts.is_empty() => {
                return Err("And and Or want a condition".to_owned());
            }
            Operator::And(all) => return Ok(Self::And(all)),
            Operator::Or(any) => return Ok(Self::Or(any)),
            Operator::Not(condition) => return Ok(Self::Not(condition)),
            Operator::IsPresent(wanted) => Test::IsPresent(wanted),
            Operator::IsNull(wanted) => Test::IsNull(wanted),
            Operator::IsBoolean(wanted) => Test::IsBoolean(wanted),
            Operator::IsNumeric(wanted) => Test::IsNumeric(wanted),
            Operator::IsString(wanted) => Test::IsString(wanted),
            Operator::StringEquals(wanted) => Test::StringEquals(wanted),
            Operator::StringMatches(pattern) => Test::StringMatches(pattern),
            Operator::BooleanEquals(wanted) => Test::BooleanEquals(wanted),
            Operator::NumericEquals(wanted) => Test::NumericEquals(wanted),
            Operator::NumericLessThan(wanted) => Test::NumericLessThan(wanted),
            Operator::NumericLessThanEquals(wanted) => Test::NumericLessThanEquals(wanted),
            Operator::NumericGreaterThan(wanted) => Test::NumericGreaterThan(wanted),
            Operator::NumericGreaterThanEquals(wanted) => Test::NumericGreaterThanEquals(wanted),
        };
        match variable {
            Some(Value::String(path)) => Ok(Self::Test {
                variable: JsonPath::parse(&path)?,
                test,
            }),
            Some(_) => Err("Variable is a path".to_owned()),
            None => Err("missing field `Variable`".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn condition(value: Value) -> Condition {
        serde_json::from_value(value).unwrap()
    }

    fn test(operator: &str, operand: &Value, input: &Value) -> Result<bool, String> {
        let condition = condition(json!({ "Variable": "$.v", operator: operand }));
        let data = Data {
            input,
            context: &Value::Null,
        };
        condition.holds(data).map_err(ToString::to_string)
    }

    #[test]
    fn a_test_passes_for_its_values_and_no_others() {
        let values = [
            json!(null),
            json!(0),
            json!(1.0),
            json!(2.22),
            json!(""),
            json!("Hello"),
            json!("1"),
            json!(true),
            json!(false),
            json!([]),
            json!({}),
        ];
        for (operator, operand, passing) in [
            ("IsNull", json!(true), vec![0]),
            ("IsNumeric", json!(true), vec![1, 2, 3]),
            ("IsNumeric", json!(false), vec![0, 4, 5, 6, 7, 8, 9, 10]),
            ("IsString", json!(true), vec![4, 5, 6]),
            ("IsBoolean", json!(true), vec![7, 8]),
            ("IsPresent", json!(true), (0..11).collect()),
            ("IsPresent", json!(false), vec![]),
            ("StringEquals", json!("Hello"), vec![5]),
            ("StringMatches", json!("*l*"), vec![5]),
            ("BooleanEquals", json!(false), vec![8]),
            ("NumericEquals", json!(1), vec![2]),
            ("NumericLessThan", json!(1), vec![1]),
            ("NumericLessThanEquals", json!(1), vec![1, 2]),
            ("NumericGreaterThan", json!(1), vec![3]),
            ("NumericGreaterThanEquals", json!(1), vec![2, 3]),
        ] {
            for (index, value) in values.iter().enumerate() {
                assert_eq!(
                    test(operator, &operand, &json!({ "v": value })),
                    Ok(passing.contains(&index)),
                    "{value} {operator} {operand}",
                );
            }
        }
    }

    #[test]
    fn only_is_present_may_look_at_what_is_not_there() {
        assert_eq!(test("IsPresent", &json!(true), &json!({})), Ok(false));
        assert_eq!(test("IsPresent", &json!(false), &json!({})), Ok(true));
        assert_eq!(
            test("IsNull", &json!(true), &json!({})),
            Err("$.v".to_owned())
        );
        assert_eq!(
            test("StringEquals", &json!("a"), &json!({})),
            Err("$.v".to_owned())
        );
    }

    #[test]
    fn and_or_and_not_stop_at_the_first_answer() {
        let missing = json!({ "Variable": "$.missing", "BooleanEquals": true });
        let yes = json!({ "Variable": "$.yes", "BooleanEquals": true });
        let no = json!({ "Not": yes });
        let input = json!({ "yes": true });
        for (rule, expected) in [
            (json!({ "And": [yes, no, missing] }), Ok(false)),
            (json!({ "Or": [no, yes, missing] }), Ok(true)),
            (json!({ "And": [yes, yes] }), Ok(true)),
            (json!({ "Or": [no, no] }), Ok(false)),
            (
                json!({ "And": [yes, missing] }),
                Err("$.missing".to_owned()),
            ),
        ] {
            let data = Data {
                input: &input,
                context: &Value::Null,
            };
            let answer = condition(rule.clone())
                .holds(data)
                .map_err(ToString::to_string);
            assert_eq!(answer, expected, "{rule}");
        }
    }

    #[test]
    fn an_unguarded_variable_is_found() {
        let present = json!({ "Variable": "$.a", "IsPresent": true });
        let absent = json!({ "Variable": "$.a", "IsPresent": false });
        let read = json!({ "Variable": "$.a", "StringEquals": "x" });
        for (rule, unguarded) in [
            (json!({ "And": [present, read] }), false),
            (json!({ "And": [present, { "Not": read }] }), false),
            (json!({ "And": [read, present] }), true),
            (json!({ "And": [absent, read] }), true),
            (json!({ "Or": [present, read] }), true),
            (read, true),
            (present, false),
        ] {
            assert_eq!(
                condition(rule.clone()).unguarded().is_some(),
                unguarded,
                "{rule}"
            );
        }
    }

    #[test]
    fn a_star_stands_for_any_text_and_an_escaped_star_for_itself() {
        for (text, pattern, expected) in [
            ("log-2026.txt", "log-*.txt", true),
            ("log-.txt", "log-*.txt", true),
            ("log.txt", "log-*.txt", false),
            ("a*c", r"a\*c", true),
            ("abc", r"a\*c", false),
            (r"a\c", r"a\\c", true),
            ("", "*", true),
            ("", "", true),
            ("abab", "*ab", true),
            ("aba", "*ab", false),
        ] {
            assert_eq!(like(text, pattern), expected, "{text} {pattern}");
        }
    }

    proptest! {
        #[test]
        fn a_pattern_matches_what_its_stars_were_replaced_by(
            parts in prop::collection::vec("[ab*]{0,3}", 1..5),
            fillings in prop::collection::vec("[ab*]{0,3}", 5),
        ) {
            let escaped: Vec<_> = parts.iter().map(|part| part.replace('*', r"\*")).collect();
            let text: String = parts.iter().zip(&fillings).flat_map(|(a, b)| [&**a, &**b]).collect();
            let pattern = format!("{}*", escaped.join("*"));
            prop_assert!(like(&text, &pattern), "{} {}", text, pattern);
            let (other_text, other_pattern) = (format!("c{text}"), format!("d{pattern}"));
            prop_assert!(!like(&other_text, &other_pattern));
        }
    }
}
