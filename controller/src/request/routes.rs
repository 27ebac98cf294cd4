//! Reading which routes are whose, and how a deployment's own test rule recognises requests.

use serde_json::{Value, json};

use super::fields::Fields;
use super::reader::Reader;
use super::values::{is_route_arn, some, text_where};
use crate::action::Role;
use crate::id::RouteArn;

/// The fields of `routes`, with what each allows. The tables of docs/input.md are checked against it.
pub const ROUTES_FIELDS: &[(&str, &str)] = &[
    (
        "production",
        "a list of the ARNs of 1 to 100 different listeners or listener rules of this account and region",
    ),
    (
        "test",
        "a list of the ARNs of 1 to 100 different listeners or listener rules of this account and region, none of them in routes.production",
    ),
];

/// The fields of `test`, with what each allows. The tables of docs/input.md are checked against it.
pub const TEST_FIELDS: &[(&str, &str)] = &[
    (
        "header",
        "{name, value} of an HTTP header: a name of 1 to 40 letters, digits and other characters of header names, not host; a value of 1 to 128 printable ASCII characters, in which * and ? stand for others and are not all",
    ),
    (
        "host",
        "a host name of 1 to 128 letters, digits, - and ., in which * and ? stand for others",
    ),
    (
        "path",
        "a path of 1 to 128 letters, digits and _-.$/~\"'@:+&, in which * and ? stand for others, beginning with / or *",
    ),
];

/// The routes that an input names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NamedRoutes {
    /// Users reach the service through these.
    pub production: Vec<RouteArn>,
    /// These reach the other task set.
    pub test: Vec<RouteArn>,
}

impl NamedRoutes {
    /// Every one of them with its role.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&RouteArn, Role)> {
        let production = self.production.iter();
        let test = self.test.iter();
        production
            .map(|arn| (arn, Role::Production))
            .chain(test.map(|arn| (arn, Role::Test)))
    }

    pub(super) fn to_json(&self) -> Value {
        let all = [("production", &self.production), ("test", &self.test)];
        let given = all.into_iter().filter(|(_, routes)| !routes.is_empty());
        let fields: serde_json::Map<_, _> = given
            .map(|(role, routes)| (role.to_owned(), json!(routes)))
            .collect();
        if fields.is_empty() {
            Value::Null
        } else {
            Value::Object(fields)
        }
    }
}

/// What a request has that reaches the replacement before the swap, through a rule of the deployment's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TestCondition {
    /// A header with a value.
    Header {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// A host name.
    Host(String),
    /// A path.
    Path(String),
}

impl TestCondition {
    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Header { name, value } => json!({"header": {"name": name, "value": value}}),
            Self::Host(host) => json!({"host": host}),
            Self::Path(path) => json!({"path": path}),
        }
    }
}

impl Reader<'_> {
    /// Production routes, test routes; none where the input names none.
    pub(super) fn routes(&mut self) -> Option<NamedRoutes> {
        if !self.fields.contains_key("routes") {
            return Some(NamedRoutes::default());
        }
        let home = self.home.clone();
        let mut fields = self.object("routes.", ROUTES_FIELDS)?;
        let read = |value: &Value| some(value, 100, |text| is_route_arn(text, &home));
        let [production, test] =
            ["production", "test"].map(|field| fields.optional(field, read).unwrap_or_default());
        if production.iter().any(|arn| test.contains(arn)) {
            fields.refuse("test");
        }
        if fields.given.is_empty() {
            self.refuse("routes");
        }
        Some(NamedRoutes { production, test })
    }

    /// The condition of the deployment's own test rule.
    pub(super) fn test(&mut self) -> Option<TestCondition> {
        self.object("test.", TEST_FIELDS)?.test()
    }
}

impl Fields<'_> {
    fn test(&mut self) -> Option<TestCondition> {
        match self.one_of(&["header", "host", "path"], "without a condition")? {
            "header" => self.required("header", header),
            "host" => self.required("host", |value| {
                text_where(value, is_host).map(TestCondition::Host)
            }),
            _ => self.required("path", |value| {
                text_where(value, is_path).map(TestCondition::Path)
            }),
        }
    }
}

/// The length of a condition's value, at most (AWS API model).
const LONGEST_VALUE: usize = 128;

/// A header that a condition may compare (AWS API model).
fn header(value: &Value) -> Option<TestCondition> {
    let fields = value.as_object().filter(|fields| fields.len() == 2)?;
    let is_name = |text: &str| {
        (1..=40).contains(&text.len())
            && !text.eq_ignore_ascii_case("host")
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
    };
    let is_value = |text: &str| {
        (1..=LONGEST_VALUE).contains(&text.len())
            && text.chars().all(|c| c.is_ascii_graphic() || c == ' ')
            && text.chars().any(|c| !"*?".contains(c))
    };
    Some(TestCondition::Header {
        name: text_where(fields.get("name")?, is_name)?,
        value: text_where(fields.get("value")?, is_value)?,
    })
}

/// A host that a condition may compare (AWS API model).
fn is_host(text: &str) -> bool {
    (1..=LONGEST_VALUE).contains(&text.len())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-.*?".contains(c))
}

/// A path that a condition may compare (AWS API model).
fn is_path(text: &str) -> bool {
    (1..=LONGEST_VALUE).contains(&text.len())
        && text.starts_with(['/', '*'])
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-.$/~\"'@:+&*?".contains(c))
}
