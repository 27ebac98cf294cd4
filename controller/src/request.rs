//! The request: what a `StartExecution` input asks for, parsed once and then trusted.
//!
//! The field names that users already have in CI (`task_sg`, `scaledown_decrement`, …) appear in
//! this file and nowhere else.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::arn::{Arn, Home};
use crate::observation::{CapacityProvider, Launch};
use crate::ready::LOOKS;
use crate::refusal::{ErrorName, Refusal};

/// One deployment, as asked for.
///
/// Optional fields are `None` until [`crate::preflight::settle`] has filled them in from what the
/// service has today.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The cluster's name or ARN.
    pub cluster: String,
    /// The service's name.
    pub service: String,
    /// `family:revision` or the ARN of one revision.
    pub task_definition: String,
    /// The load balancer's ARN.
    pub load_balancer: Option<String>,
    /// Subnet ids for the tasks.
    pub subnets: Option<Vec<String>>,
    /// Security group ids for the tasks.
    pub security_groups: Option<Vec<String>>,
    /// Whether tasks get a public address.
    pub assign_public_ip: Option<bool>,
    /// The container that takes the traffic.
    pub container_name: Option<String>,
    /// Its port.
    pub container_port: Option<u16>,
    /// How tasks are placed.
    pub launch: Option<Launch>,
    /// The Fargate platform version.
    pub platform_version: Option<String>,
    /// Seconds before the first and between further readiness checks.
    pub wait_for_service: u32,
    /// Percent of the desired count to take away a step, above 0 and at most 100.
    pub scale_down_decrement: f64,
    /// Seconds between two steps.
    pub scale_down_wait: u32,
    /// Seconds after which a replacement that is not steady and healthy is given up.
    pub readiness_timeout: u32,
    /// Seconds between the swap and the first step of the drain.
    pub bake_time: u32,
    /// Seconds after which a drain that has not ended is given up.
    pub drain_timeout: Option<u32>,
    /// How the production listener is moved.
    pub swap_mode: SwapMode,
    /// Check everything, change nothing.
    pub dry_run: bool,
    /// A remark for whoever reads the execution.
    pub comment: Option<String>,
}

/// How a listener is moved from one target group to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwapMode {
    /// Both groups stay in the action, and the weights 100 and 0 change places.
    ///
    /// With a Network Load Balancer, replacing the group ends connections within the hour;
    /// changing weights leaves them (AWS documentation).
    Weighted,
    /// The group in the action is replaced.
    Replace,
}

impl SwapMode {
    fn as_str(self) -> &'static str {
        match self {
            Self::Weighted => "weighted",
            Self::Replace => "replace",
        }
    }
}

/// The pause between readiness checks where the input names none, in seconds: an NLB takes
/// minutes to register a target, so looking more often only costs transitions.
const DEFAULT_WAIT_FOR_SERVICE: u32 = 30;
/// A quarter at a time, as the sample's own input has it.
const DEFAULT_DECREMENT: f64 = 25.0;
/// A step a minute, as the sample's own input has it.
const DEFAULT_SCALE_DOWN_WAIT: u32 = 60;
/// Starting tasks and registering them with an NLB (3 to 5 minutes) fits several times.
const DEFAULT_READINESS_TIMEOUT: u32 = 1_800;
/// New connections have been seen on the old group for 75 s after a listener change; the first
/// step of a drain should not begin before that.
const DEFAULT_BAKE_TIME: u32 = 90;
/// A day: longer phases would outlive the machine's own timeout of eight days in no case.
const LONGEST_PHASE: u32 = 86_400;

/// Every field of the input, with what it allows. README's table is checked against it.
pub const FIELDS: &[(&str, &str)] = &[
    (
        "cluster",
        "the name or ARN of an ECS cluster of this account and region",
    ),
    (
        "serviceName",
        "the name of an ECS service: 1 to 255 letters, digits, - or _",
    ),
    (
        "taskDefinition",
        "family:revision, or the ARN of one revision in this account and region",
    ),
    (
        "nlb",
        "the ARN of a Network or Application Load Balancer of this account and region",
    ),
    (
        "task_sg",
        "a security group id (sg-…), or a list of 1 to 5 of them",
    ),
    (
        "subnets",
        "a list of 1 to 16 different subnet ids (subnet-…)",
    ),
    ("assignPublicIp", "ENABLED or DISABLED"),
    (
        "containerName",
        "the name of a container of the task definition",
    ),
    ("containerPort", "a whole number from 1 to 65535"),
    (
        "launchType",
        "FARGATE, EC2 or EXTERNAL, and no capacityProviderStrategy beside it",
    ),
    (
        "capacityProviderStrategy",
        "a list of 1 to 20 {capacityProvider, weight 0 to 1000, base 0 to 100000}, at least one weight above 0",
    ),
    ("platformVersion", "LATEST or a version such as 1.4.0"),
    ("waitForService", "a whole number of seconds from 1 to 3600"),
    (
        "scaledown_decrement",
        "a number of percent above 0 and at most 100",
    ),
    (
        "scaledown_wait",
        "a whole number of seconds from 1 to 86400",
    ),
    (
        "readinessTimeout",
        "a whole number of seconds from 1 to 86400",
    ),
    ("bakeTime", "a whole number of seconds from 0 to 86400"),
    ("drainTimeout", "a whole number of seconds from 1 to 86400"),
    ("swapMode", "weighted or replace"),
    ("dryRun", "true or false"),
    ("comment", "text of at most 1024 characters"),
];

/// One thing wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The field.
    pub field: String,
    /// What it holds, shortened; `None` where it is missing.
    pub given: Option<String>,
    /// What it may hold.
    pub allowed: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.given {
            Some(given) => write!(f, "{} is {given}; allowed: {}", self.field, self.allowed),
            None => write!(f, "{} is missing; allowed: {}", self.field, self.allowed),
        }
    }
}

impl Request {
    /// Parses a `StartExecution` input.
    ///
    /// Every ARN must be of `home`, the partition, region and account of the execution. Returns
    /// `InvalidInput`, naming every wrong field, what it holds and what is allowed.
    pub fn parse(input: &Value, home: &Home) -> Result<Self, Refusal> {
        let Value::Object(fields) = input else {
            return Err(invalid(&[Problem {
                field: "the input".to_owned(),
                given: Some(shown(input)),
                allowed: "a JSON object with cluster, serviceName and taskDefinition".to_owned(),
            }]));
        };
        let mut reader = Reader {
            fields,
            home,
            problems: unknown_fields(fields),
        };
        let request = reader.request();
        match request {
            Some(request) if reader.problems.is_empty() => Ok(request),
            _ => Err(invalid(&reader.problems)),
        }
    }

    /// The request as an input that parses to the same request: what Step Functions carries from
    /// step to step.
    pub fn to_json(&self) -> Value {
        let mut fields = Map::new();
        let mut put = |name: &str, value: Value| {
            if !value.is_null() {
                fields.insert(name.to_owned(), value);
            }
        };
        put("cluster", json!(self.cluster));
        put("serviceName", json!(self.service));
        put("taskDefinition", json!(self.task_definition));
        put("nlb", json!(self.load_balancer));
        put("task_sg", json!(self.security_groups));
        put("subnets", json!(self.subnets));
        put(
            "assignPublicIp",
            json!(self.assign_public_ip.map(|enabled| if enabled {
                "ENABLED"
            } else {
                "DISABLED"
            })),
        );
        put("containerName", json!(self.container_name));
        put("containerPort", json!(self.container_port));
        match &self.launch {
            Some(Launch::Type(launch_type)) => put("launchType", json!(launch_type)),
            Some(Launch::Providers(providers)) => put(
                "capacityProviderStrategy",
                providers
                    .iter()
                    .map(|provider| {
                        json!({
                            "capacityProvider": provider.name,
                            "weight": provider.weight,
                            "base": provider.base,
                        })
                    })
                    .collect(),
            ),
            None => {}
        }
        put("platformVersion", json!(self.platform_version));
        put("waitForService", json!(self.wait_for_service));
        put("scaledown_decrement", json!(self.scale_down_decrement));
        put("scaledown_wait", json!(self.scale_down_wait));
        put("readinessTimeout", json!(self.readiness_timeout));
        put("bakeTime", json!(self.bake_time));
        put("drainTimeout", json!(self.drain_timeout));
        put("swapMode", json!(self.swap_mode.as_str()));
        put("dryRun", json!(self.dry_run));
        put("comment", json!(self.comment));
        Value::Object(fields)
    }
}

fn invalid(problems: &[Problem]) -> Refusal {
    let list: Vec<_> = problems.iter().map(Problem::to_string).collect();
    Refusal::new(
        ErrorName::InvalidInput,
        format!("{}.", list.join(". ")),
        "Nothing was changed: correct the input and start a new execution.",
    )
}

/// A value as it is quoted back: at most 100 characters of its JSON, control characters escaped.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn allowed(field: &str) -> &'static str {
    FIELDS
        .iter()
        .find(|(name, _)| *name == field)
        .map_or("see README", |(_, allowed)| allowed)
}

fn unknown_fields(fields: &Map<String, Value>) -> Vec<Problem> {
    let known = |name: &str| FIELDS.iter().any(|(field, _)| *field == name);
    fields
        .iter()
        .filter(|(name, _)| !known(name))
        .map(|(name, value)| {
            let close = FIELDS
                .iter()
                .map(|(field, _)| *field)
                .find(|field| squashed(field) == squashed(name));
            Problem {
                field: shown(&json!(name)),
                given: Some(shown(value)),
                allowed: match close {
                    Some(field) => format!("no such field; the field is called {field}"),
                    None => format!(
                        "no such field; the fields are {}",
                        FIELDS
                            .iter()
                            .map(|(field, _)| *field)
                            .collect::<Vec<_>>()
                            .join(", ")
                    ),
                },
            }
        })
        .collect()
}

/// A field name without its writing style, to recognise `scaledownWait` and `service_name`.
fn squashed(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

struct Reader<'a> {
    fields: &'a Map<String, Value>,
    home: &'a Home,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    /// Reads every field, so that all problems are reported at once.
    fn request(&mut self) -> Option<Request> {
        let home = self.home.clone();
        let cluster = self.required("cluster", |value| {
            text_where(value, |text| is_name(text) || is_cluster_arn(text, &home))
        });
        let service = self.required("serviceName", |value| text_where(value, is_name));
        let task_definition = self.required("taskDefinition", |value| {
            text_where(value, |text| {
                is_revision(text) || is_task_definition_arn(text, &home)
            })
        });
        let load_balancer = self.optional("nlb", |value| {
            text_where(value, |text| is_load_balancer_arn(text, &home))
        });
        let security_groups = self.optional("task_sg", |value| match value {
            Value::String(text) => is_id(text, "sg-").then(|| vec![text.clone()]),
            list => ids(list, "sg-", 5),
        });
        let subnets = self.optional("subnets", |value| ids(value, "subnet-", 16));
        let assign_public_ip = self.optional("assignPublicIp", |value| match value.as_str()? {
            "ENABLED" => Some(true),
            "DISABLED" => Some(false),
            _ => None,
        });
        let container_name = self.optional("containerName", |value| text_where(value, is_name));
        let container_port = self.optional("containerPort", |value| {
            u16::try_from(whole(value, 1, 65_535)?).ok()
        });
        let launch = self.launch();
        let platform_version = self.optional("platformVersion", |value| {
            text_where(value, |text| {
                text == "LATEST"
                    || (text.len() <= 20
                        && text.split('.').all(|part| {
                            !part.is_empty() && part.chars().all(|c| c.is_ascii_digit())
                        }))
            })
        });
        let wait_for_service = self.optional("waitForService", |value| whole(value, 1, 3_600));
        let scale_down_decrement = self.optional("scaledown_decrement", |value| {
            value
                .as_f64()
                .filter(|percent| *percent > 0.0 && *percent <= 100.0)
        });
        let scale_down_wait =
            self.optional("scaledown_wait", |value| whole(value, 1, LONGEST_PHASE));
        let readiness_timeout =
            self.optional("readinessTimeout", |value| whole(value, 1, LONGEST_PHASE));
        let bake_time = self.optional("bakeTime", |value| whole(value, 0, LONGEST_PHASE));
        let drain_timeout = self.optional("drainTimeout", |value| whole(value, 1, LONGEST_PHASE));
        let swap_mode = self.optional("swapMode", |value| match value.as_str()? {
            "weighted" => Some(SwapMode::Weighted),
            "replace" => Some(SwapMode::Replace),
            _ => None,
        });
        let dry_run = self.optional("dryRun", Value::as_bool);
        let comment = self.optional("comment", |value| {
            text_where(value, |text| text.chars().count() <= 1_024)
        });
        let wait_for_service = wait_for_service.unwrap_or(DEFAULT_WAIT_FOR_SERVICE);
        let looks = wait_for_service.saturating_mul(LOOKS);
        if let Some(timeout) = readiness_timeout.filter(|timeout| *timeout < looks) {
            self.problems.push(Problem {
                field: "readinessTimeout".to_owned(),
                given: Some(timeout.to_string()),
                allowed: format!("at least {LOOKS} times waitForService, here {looks}"),
            });
        }
        Some(Request {
            cluster: cluster?,
            service: service?,
            task_definition: task_definition?,
            load_balancer,
            subnets,
            security_groups,
            assign_public_ip,
            container_name,
            container_port,
            launch,
            platform_version,
            wait_for_service,
            scale_down_decrement: scale_down_decrement.unwrap_or(DEFAULT_DECREMENT),
            scale_down_wait: scale_down_wait.unwrap_or(DEFAULT_SCALE_DOWN_WAIT),
            // Where looks are far apart, ten of them; where they are close, as many as the
            // execution's history has room for.
            readiness_timeout: readiness_timeout.unwrap_or(
                DEFAULT_READINESS_TIMEOUT.clamp(10 * wait_for_service, 600 * wait_for_service),
            ),
            bake_time: bake_time.unwrap_or(DEFAULT_BAKE_TIME),
            drain_timeout,
            swap_mode: swap_mode.unwrap_or(SwapMode::Weighted),
            dry_run: dry_run.unwrap_or(false),
            comment,
        })
    }

    fn launch(&mut self) -> Option<Launch> {
        let launch_type = self.optional("launchType", |value| {
            text_where(value, |text| matches!(text, "FARGATE" | "EC2" | "EXTERNAL"))
        });
        let providers = self.optional("capacityProviderStrategy", capacity_providers);
        if self.fields.contains_key("launchType")
            && self.fields.contains_key("capacityProviderStrategy")
        {
            self.refuse("launchType");
        }
        launch_type
            .map(Launch::Type)
            .or(providers.map(Launch::Providers))
    }

    fn required<T>(&mut self, field: &str, read: impl Fn(&Value) -> Option<T>) -> Option<T> {
        if !self.fields.contains_key(field) {
            self.refuse(field);
        }
        self.optional(field, read)
    }

    fn optional<T>(&mut self, field: &str, read: impl Fn(&Value) -> Option<T>) -> Option<T> {
        let value = self.fields.get(field)?;
        let read = read(value);
        if read.is_none() {
            self.refuse(field);
        }
        read
    }

    fn refuse(&mut self, field: &str) {
        let mut allowed = allowed(field).to_owned();
        if allowed.contains("this account") {
            allowed.push_str(" (");
            allowed.push_str(&self.home.to_string());
            allowed.push(')');
        }
        self.problems.push(Problem {
            field: field.to_owned(),
            given: self.fields.get(field).map(shown),
            allowed,
        });
    }
}

fn text_where(value: &Value, holds: impl Fn(&str) -> bool) -> Option<String> {
    value.as_str().filter(|text| holds(text)).map(str::to_owned)
}

/// A whole number in a range; `60.0` is one, `"60"` and `60.5` are not.
fn whole(value: &Value, least: u32, most: u32) -> Option<u32> {
    let number = value.as_f64()?;
    if number.fract() != 0.0 || number < f64::from(least) || number > f64::from(most) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number between two u32"
    )]
    Some(number as u32)
}

/// ECS names: up to 255 letters, digits, hyphens and underscores (AWS API model).
fn is_name(text: &str) -> bool {
    (1..=255).contains(&text.len())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

fn is_revision(text: &str) -> bool {
    text.split_once(':').is_some_and(|(family, revision)| {
        is_name(family)
            && !revision.starts_with('0')
            && revision.parse::<u32>().is_ok()
            && revision.chars().all(|c| c.is_ascii_digit())
    })
}

/// The resource of an ARN of this home and service, after its type.
fn resource_at_home<'a>(
    text: &'a str,
    home: &Home,
    service: &str,
    resource_type: &str,
) -> Option<&'a str> {
    let arn = Arn::parse(text)?;
    if arn.service != service || arn.home() != *home {
        return None;
    }
    arn.resource.strip_prefix(resource_type)
}

fn is_cluster_arn(text: &str, home: &Home) -> bool {
    resource_at_home(text, home, "ecs", "cluster/").is_some_and(is_name)
}

fn is_task_definition_arn(text: &str, home: &Home) -> bool {
    resource_at_home(text, home, "ecs", "task-definition/").is_some_and(is_revision)
}

fn is_load_balancer_arn(text: &str, home: &Home) -> bool {
    resource_at_home(text, home, "elasticloadbalancing", "loadbalancer/").is_some_and(|resource| {
        let parts: Vec<_> = resource.split('/').collect();
        matches!(parts[..], ["net" | "app", name, id] if is_name(name) && is_name(id))
    })
}

fn is_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|id| {
        (1..=64).contains(&id.len())
            && id
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    })
}

fn ids(value: &Value, prefix: &str, most: usize) -> Option<Vec<String>> {
    let mut ids = Vec::new();
    for item in value.as_array()? {
        let id = text_where(item, |text| is_id(text, prefix))?;
        if ids.contains(&id) {
            return None;
        }
        ids.push(id);
    }
    (1..=most).contains(&ids.len()).then_some(ids)
}

fn capacity_providers(value: &Value) -> Option<Vec<CapacityProvider>> {
    let mut providers = Vec::new();
    for item in value.as_array()? {
        let fields = item.as_object()?;
        let known = ["capacityProvider", "weight", "base"];
        if fields.keys().any(|name| !known.contains(&name.as_str())) {
            return None;
        }
        let number = |name: &str, most: u32| match fields.get(name) {
            Some(value) => whole(value, 0, most),
            None => Some(0),
        };
        providers.push(CapacityProvider {
            name: text_where(fields.get("capacityProvider")?, is_name)?,
            weight: number("weight", 1_000)?,
            base: number("base", 100_000)?,
        });
    }
    let some_weight = providers.iter().any(|provider| provider.weight > 0);
    ((1..=20).contains(&providers.len()) && some_weight).then_some(providers)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixture::{home, sample_input};

    fn refused(input: &Value) -> String {
        let refusal = Request::parse(input, &home()).unwrap_err();
        assert_eq!(refusal.error, ErrorName::InvalidInput);
        refusal.seen
    }

    fn with(field: &str, value: Value) -> Value {
        let mut input = sample_input();
        input[field] = value;
        input
    }

    #[test]
    fn the_samples_input_is_taken_as_it_is() {
        let request = Request::parse(&sample_input(), &home()).unwrap();
        assert_eq!(request.service, "sample-external-deployment");
        assert_eq!(request.wait_for_service, 60);
        assert_eq!(request.security_groups.unwrap(), ["sg-1234567890abcdef0"]);
    }

    #[test]
    fn three_fields_are_enough() {
        let input = json!({"cluster": "main", "serviceName": "web", "taskDefinition": "web:2"});
        let request = Request::parse(&input, &home()).unwrap();
        assert_eq!(request.swap_mode, SwapMode::Weighted);
        assert_eq!(request.load_balancer, None);
    }

    #[test]
    fn each_wrong_value_is_refused_by_its_field_with_what_is_allowed() {
        let cases = [
            ("cluster", json!("")),
            ("cluster", json!(7)),
            (
                "cluster",
                json!("arn:aws:ecs:us-east-1:111111111111:cluster/main"),
            ),
            (
                "cluster",
                json!("arn:aws:ecs:eu-west-1:555555555555:cluster/main"),
            ),
            (
                "cluster",
                json!("arn:aws-cn:ecs:us-east-1:555555555555:cluster/main"),
            ),
            (
                "cluster",
                json!("arn:aws:ecs:us-east-1:555555555555:service/main/web"),
            ),
            ("serviceName", json!("a b")),
            ("serviceName", json!("x".repeat(256))),
            ("taskDefinition", json!("web")),
            ("taskDefinition", json!("web:0")),
            ("taskDefinition", json!("web:latest")),
            (
                "taskDefinition",
                json!("arn:aws:ecs:us-east-1:555555555555:task-definition/web"),
            ),
            ("nlb", json!("sample-LoadB-1")),
            (
                "nlb",
                json!("arn:aws:ecs:us-east-1:555555555555:loadbalancer/net/a/b"),
            ),
            (
                "nlb",
                json!("arn:aws:elasticloadbalancing:us-east-1:555555555555:targetgroup/a/b"),
            ),
            (
                "nlb",
                json!("arn:aws:elasticloadbalancing:us-east-1:555555555555:loadbalancer/gwy/a/b"),
            ),
            ("task_sg", json!("subnet-1")),
            ("task_sg", json!([])),
            ("subnets", json!("subnet-1")),
            ("subnets", json!([])),
            ("subnets", json!(["subnet-1", "subnet-1"])),
            ("waitForService", json!("60")),
            ("waitForService", json!(0)),
            ("waitForService", json!(-1)),
            ("waitForService", json!(1.5)),
            ("waitForService", json!(1e300)),
            ("waitForService", json!(null)),
            ("scaledown_decrement", json!(0)),
            ("scaledown_decrement", json!(-25)),
            ("scaledown_decrement", json!(100.5)),
            ("scaledown_decrement", json!("25")),
            ("scaledown_wait", json!(0)),
            ("scaledown_wait", json!(99_999_999)),
            ("readinessTimeout", json!([60])),
            ("bakeTime", json!(-1)),
            ("drainTimeout", json!(0)),
            ("containerPort", json!(0)),
            ("containerPort", json!(65_536)),
            ("containerName", json!("")),
            ("launchType", json!("fargate")),
            (
                "capacityProviderStrategy",
                json!([{"capacityProvider": "FARGATE", "weight": 0}]),
            ),
            ("platformVersion", json!("newest")),
            ("swapMode", json!("both")),
            ("dryRun", json!("true")),
            ("assignPublicIp", json!(true)),
            ("comment", json!("x".repeat(1_025))),
        ];
        for (field, value) in cases {
            let seen = refused(&with(field, value.clone()));
            assert!(
                seen.starts_with(&format!("{field} is ")),
                "{field} {value}: {seen}"
            );
            assert!(seen.contains("; allowed: "), "{seen}");
        }
    }

    #[test]
    fn a_missing_field_is_named() {
        for field in ["cluster", "serviceName", "taskDefinition"] {
            let mut input = sample_input();
            input.as_object_mut().unwrap().remove(field);
            assert!(refused(&input).starts_with(&format!("{field} is missing; allowed: ")));
        }
    }

    #[test]
    fn an_unknown_field_is_named_and_the_right_one_suggested() {
        let seen = refused(&with("scaleDownWait", json!(60)));
        assert!(
            seen.contains("the field is called scaledown_wait"),
            "{seen}"
        );
        let seen = refused(&with("colour", json!("blue")));
        assert!(
            seen.contains("the fields are cluster, serviceName"),
            "{seen}"
        );
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let seen = refused(&json!({"cluster": 1, "serviceName": "web", "x": 2}));
        for part in ["cluster is 1", "taskDefinition is missing", "\"x\" is 2"] {
            assert!(seen.contains(part), "{part}: {seen}");
        }
    }

    #[test]
    fn an_input_that_is_no_object_is_refused() {
        for input in [json!([]), json!("run"), json!(null), json!(1)] {
            assert!(refused(&input).starts_with("the input is "));
        }
    }

    #[test]
    fn what_is_quoted_back_is_short_and_escaped() {
        let seen = refused(&with("cluster", json!("\u{1b}[31m\n".repeat(500))));
        assert!(
            seen.len() < 800 && !seen.contains('\u{1b}') && !seen.contains('\n'),
            "{seen}"
        );
    }

    #[test]
    fn launch_type_and_capacity_providers_exclude_each_other() {
        let mut input = with("launchType", json!("FARGATE"));
        input["capacityProviderStrategy"] = json!([{"capacityProvider": "FARGATE", "weight": 1}]);
        assert!(refused(&input).starts_with("launchType is "));
    }

    #[test]
    fn a_readiness_timeout_must_hold_two_looks() {
        let seen = refused(&with("readinessTimeout", json!(100)));
        assert_eq!(
            seen,
            "readinessTimeout is 100; allowed: at least 2 times waitForService, here 120."
        );
    }

    #[test]
    fn a_request_survives_its_own_json() {
        let mut input = sample_input();
        input["capacityProviderStrategy"] =
            json!([{"capacityProvider": "FARGATE_SPOT", "weight": 3, "base": 1}]);
        input["drainTimeout"] = json!(900);
        input["assignPublicIp"] = json!("ENABLED");
        let request = Request::parse(&input, &home()).unwrap();
        assert_eq!(
            Request::parse(&request.to_json(), &home()).unwrap(),
            request
        );
    }

    proptest! {
        #[test]
        fn no_value_of_any_field_panics(index in 0..FIELDS.len(), text in ".{0,40}", number: f64) {
            let field = FIELDS[index].0;
            let _ = Request::parse(&with(field, json!(text)), &home());
            let _ = Request::parse(&with(field, json!(number)), &home());
            let _ = Request::parse(&with(field, json!([text, number])), &home());
        }
    }
}
