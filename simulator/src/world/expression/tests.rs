//! Conditions and updates: what holds, their results, and what is refused in which words.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::table::Item;
use super::*;

fn item(json: Value) -> Item {
    serde_json::from_value(json).unwrap()
}

fn names() -> BTreeMap<String, String> {
    BTreeMap::from([("#owner".to_owned(), "owner".to_owned())])
}

fn values() -> Item {
    item(json!({
        ":me": {"S": "me"}, ":other": {"S": "other"}, ":one": {"N": "1"}, ":ten": {"N": "10"},
        ":yes": {"BOOL": true}, ":null": {"NULL": true},
        ":list": {"L": [{"N": "1"}]}, ":map": {"M": {"a": {"S": "me"}}},
    }))
}

fn condition(text: &str) -> Result<Condition, ApiError> {
    Condition::parse(text, &mut Placeholders::new(&names(), &values()))
}

fn update(text: &str) -> Result<Update, ApiError> {
    Update::parse(text, &mut Placeholders::new(&names(), &values()))
}

#[test]
fn a_condition_holds_for_what_it_says() {
    let held = item(json!({
        "owner": {"S": "me"}, "fence": {"N": "2"}, "word": {"S": "2"}, "flag": {"BOOL": true},
        "ends": {"L": [{"N": "1"}]}, "plans": {"M": {"a": {"S": "you"}}},
    }));
    for (text, holds) in [
        ("#owner = :me", true),
        (":me = #owner", true),
        ("#owner = :other", false),
        ("attribute_exists(#owner)", true),
        ("attribute_not_exists(#owner)", false),
        ("attribute_not_exists(#owner) OR #owner = :me", true),
        ("fence < :ten and :one < fence", true),
        (":ten <= fence OR fence <= :one", false),
        // AND binds more tightly than OR.
        ("#owner = :me OR #owner = :me AND fence = :one", true),
        ("(#owner = :me OR #owner = :me) AND fence = :one", false),
        ("((fence = :one) OR #owner = :me) AND (fence < :ten)", true),
        (
            "(attribute_exists(gone) OR (attribute_exists(fence)))",
            true,
        ),
        // Lists and maps are equal when all in them is.
        ("ends = :list", true),
        ("plans = :map", false),
        ("plans < :ten", false),
        // What is missing or of another type is neither equal nor less.
        ("gone = :me", false),
        ("gone < :me", false),
        (":me <= gone", false),
        ("word = :one", false),
        ("word < :ten", false),
        ("flag = :yes", true),
        ("flag = :null", false),
        // Numbers by their value, strings by their bytes.
        ("fence < :ten", true),
        (":me < word", false),
    ] {
        assert_eq!(condition(text).unwrap().holds(&held), holds, "{text}");
    }
}

#[test]
fn a_missing_item_has_no_attributes() {
    let free = condition("attribute_not_exists(#owner) OR #owner = :me").unwrap();
    assert!(free.holds(&Item::new()));
    assert!(!condition("#owner = :me").unwrap().holds(&Item::new()));
}

#[test]
fn an_update_reads_the_item_as_it_was() {
    for (text, before, after) in [
        (
            "SET #owner = :me, seen = fence ADD fence :one, revision :one",
            json!({"fence": {"N": "9"}}),
            json!({"owner": {"S": "me"}, "seen": {"N": "9"}, "fence": {"N": "10"}, "revision": {"N": "1"}}),
        ),
        (
            "REMOVE #owner, doing SET lastActivity = :other add revision :one",
            json!({"owner": {"S": "me"}, "revision": {"N": "-1"}}),
            json!({"lastActivity": {"S": "other"}, "revision": {"N": "0"}}),
        ),
        (
            "SET a = b, b = a",
            json!({"a": {"N": "1"}, "b": {"N": "2"}}),
            json!({"a": {"N": "2"}, "b": {"N": "1"}}),
        ),
    ] {
        let applied = update(text).unwrap().apply(&item(before)).unwrap();
        assert_eq!(json!(applied), json!(item(after)), "{text}");
    }
}

#[test]
fn an_update_that_does_not_fit_the_item_changes_nothing() {
    let before = item(json!({
        "a": {"S": "text"}, "n": {"N": "9".repeat(38)}, "m": {"M": {}},
    }));
    for (text, problem) in [
        ("SET b = c", "refers to an attribute that does not exist"),
        ("ADD a :one", "incorrect data type"),
        ("ADD m :one", "incorrect data type"),
        ("ADD n :one", "Number overflow"),
    ] {
        let refusal = update(text).unwrap().apply(&before).unwrap_err();
        assert_eq!(refusal.code, "ValidationException");
        assert!(refusal.message.contains(problem), "{text}: {refusal}");
    }
}

#[test]
fn what_dynamodb_or_the_simulation_refuses_is_named() {
    let lines = |text: &'static str| {
        let lines = text.lines().filter(|line| !line.is_empty());
        lines.map(|line| line.split_once(" => ").unwrap())
    };
    for (text, problem) in lines(CONDITIONS) {
        let refusal = condition(text).unwrap_err();
        assert_eq!(refusal.code, "ValidationException");
        let wanted = format!("Invalid ConditionExpression: {problem}");
        assert!(refusal.message.starts_with(&wanted), "{text}: {refusal}");
    }
    for (text, problem) in lines(UPDATES) {
        let refusal = update(text).unwrap_err();
        let wanted = format!("Invalid UpdateExpression: {problem}");
        assert!(refusal.message.starts_with(&wanted), "{text}: {refusal}");
    }
}

/// What is refused, and the beginning of the refusal.
const CONDITIONS: &str = r##"
owner = :me => Attribute name is a reserved keyword; reserved keyword: owner
Lock = :me => Attribute name is a reserved keyword; reserved keyword: Lock
#none = :me => An expression attribute name used in the document path is not defined; attribute name: #none
#owner = :none => An expression attribute value used in expression is not defined; attribute value: :none
 => The expression can not be empty;
#owner => Syntax error; token: "<EOF>", near: "#owner"
#owner = :me fence => Syntax error; token: "fence", near: ":me fence"
(#owner = :me => Syntax error; token: "<EOF>"
#owner == :me => Syntax error; token: "=", near: "= = :me"
#owner ! :me => Syntax error; token: "!"
fence < :yes => Incorrect operand type for operator or function; operator: <, operand type: BOOLEAN
fence <= :null => Incorrect operand type for operator or function; operator: <=, operand type: NULL
fence < :list => Incorrect operand type for operator or function; operator: <, operand type: LIST
fence < :map => Incorrect operand type for operator or function; operator: <, operand type: MAP
((#owner = :me)) => The expression has redundant parentheses;
fence = :one AND ((#owner = :me OR fence = :ten)) => The expression has redundant parentheses;
fence = fence => The first operand must be distinct from the remaining operands for this operator or function; operator: =, first operand: [fence]
a.b = :me => paths into an attribute (.) are not simulated
a[0] = :me => paths into an attribute ([) are not simulated
fence > :one => > is not simulated
fence <> :one => <> is not simulated
NOT fence = :one => NOT is not simulated
fence BETWEEN :one AND :ten => BETWEEN is not simulated
fence IN (:one) => IN is not simulated
begins_with(#owner, :me) => the function begins_with is not simulated
Attribute_exists(#owner) => Invalid function name; function: Attribute_exists
"##;

const UPDATES: &str = r#"
SET owner = :me => Attribute name is a reserved keyword; reserved keyword: owner
SET a = :me SET b = :me => The "SET" section can only be used once
SET a = :me REMOVE a => Two document paths overlap
SET a = :me, => Syntax error; token: "<EOF>"
PUT a = :me => Syntax error; token: "PUT"
DELETE a :me => the section DELETE is not simulated
SET a = list_append(a, :me) => the function list_append is not simulated
SET a = if_not_exists(a, :me) => the function if_not_exists is not simulated
SET a = :one + :one => the operator + is not simulated
ADD a :me => Incorrect operand type for operator or function; operator: ADD, operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND
ADD a :list => Incorrect operand type for operator or function; operator: ADD, operand type: LIST
ADD a b => Syntax error; token: "b"
REMOVE a = :me => Syntax error; token: "="
"#;

#[test]
fn a_placeholder_that_no_expression_uses_is_a_mistake() {
    let (names, values) = (names(), values());
    let mut placeholders = Placeholders::new(&names, &values);
    Condition::parse("#owner = :me", &mut placeholders).unwrap();
    Update::parse("SET a = :one, b = :ten", &mut placeholders).unwrap();
    assert_eq!(
        placeholders.all_used().unwrap_err().message,
        "Value provided in ExpressionAttributeValues unused in expressions: keys: {:list, :map, \
         :null, :other, :yes}"
    );
    let mut placeholders = Placeholders::new(&names, &values);
    Condition::parse("a = :me", &mut placeholders).unwrap();
    assert_eq!(
        placeholders.all_used().unwrap_err().message,
        "Value provided in ExpressionAttributeNames unused in expressions: keys: {#owner}"
    );
}

mod no_text {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn makes_the_parsers_panic(text in "[ -~é]{0,40}") {
            let _ = condition(&text);
            let _ = update(&format!("SET {text}"));
        }
    }
}

#[test]
fn an_expression_that_is_too_long_or_nested_too_deeply_is_refused() {
    let nested = |brackets: usize| {
        let opened = "(#owner = :me OR ".repeat(brackets);
        format!("{opened}#owner = :me{}", ")".repeat(brackets))
    };
    let chained = |clauses: usize| vec!["#owner = :me"; clauses].join(" OR ");
    for allowed in [nested(32), chained(256)] {
        assert!(condition(&allowed).is_ok(), "{allowed}");
    }
    for (text, problem) in [
        (nested(33), "more than 32 brackets"),
        (nested(220), "more than 32 brackets"),
        (nested(1_000_000), "Expression size has exceeded"),
        (chained(257), "Expression size has exceeded"),
    ] {
        let refusal = condition(&text).unwrap_err();
        assert!(refusal.message.contains(problem), "{refusal}");
    }
}
