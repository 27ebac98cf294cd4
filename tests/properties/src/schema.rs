//! The JSON Schema of the input, for editors, beside the parser.

use std::sync::LazyLock;

use ebbtide_controller::arn::Home;
use ebbtide_controller::request::{Problem, Request};
use jsonschema::Validator;
use serde_json::Value;

static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
    let schema = include_str!("../../../docs/input.schema.json");
    jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap()
});

/// The schema takes what the parser takes, and refuses what it refuses, but for what a schema cannot say.
pub(crate) fn is_judged_alike(input: &Value, home: &Home) {
    is_judged_alike_by(&SCHEMA, input, home);
}

fn is_judged_alike_by(schema: &Validator, input: &Value, home: &Home) {
    match (schema.validate(input), Request::read(input, home)) {
        (Ok(()), Ok(_)) | (Err(_), Err(_)) => {}
        (Ok(()), Err(problems)) => {
            let missed = problems.iter().find(|problem| !is_beyond_a_schema(problem));
            assert_eq!(missed, None, "the schema takes {input}");
        }
        (Err(error), Ok(_)) => panic!("the schema refuses {input}: {error}"),
    }
}

/// What compares one value with another, or with where the execution runs.
fn is_beyond_a_schema(problem: &Problem) -> bool {
    let Problem::Wrong {
        field,
        given,
        allowed,
    } = problem
    else {
        return false;
    };
    let elsewhere = given.contains("arn:") && allowed.contains("this account");
    elsewhere
        || match field.split('[').next().unwrap_or_default() {
            "readinessTimeout" => allowed.contains("times waitForService"),
            // Percents that do not rise, and a deadline before its step is over.
            "shift.steps" => allowed.starts_with("more than") || field.ends_with(".within"),
            // No name of a time zone, the same time twice, or no day of the calendar.
            "window.zone" | "finishBy" => given.starts_with('"'),
            "window.to" => allowed.starts_with("another time"),
            // As many failures as samples.
            "checks" => allowed.starts_with("fewer than"),
            "tags" | "routes.test" | "capacityProviderStrategy" => true,
            // Of another region, or of too many bytes.
            "hooks" if field.ends_with(".lambda") => given.contains("arn:"),
            "hooks" => field.ends_with(".details"),
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixture::home;

    fn judge(schema: &Value, input: &Value) {
        is_judged_alike_by(&jsonschema::validator_for(schema).unwrap(), input, &home());
    }

    #[test]
    #[should_panic(expected = "the schema takes")]
    fn a_schema_that_takes_too_much_is_found() {
        let input = json!({"cluster": "main", "serviceName": "web", "taskDefinition": "web:2", "bakeTime": -1});
        judge(&json!({}), &input);
    }

    #[test]
    #[should_panic(expected = "the schema refuses")]
    fn a_schema_that_takes_too_little_is_found() {
        let input = json!({"cluster": "main", "serviceName": "web", "taskDefinition": "web:2"});
        judge(&json!(false), &input);
    }
}
