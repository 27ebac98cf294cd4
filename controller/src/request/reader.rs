//! Reading the fields of an input, one by one, so that all problems are reported at once.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{CHECKS, DRAIN_FIELDS, Problem, Request, SwapMode};
use crate::arn::{Arn, Home, short};
use crate::id::{ListenerArn, LoadBalancerArn, TargetGroupArn};
use crate::tags::is_of_aws;
use crate::world::{CapacityProvider, Launch, LaunchType};

/// Every field of the input, with what it allows. The tables of docs/input.md are checked against it.
pub const FIELDS: &[(&str, &str)] = &[
    (
        "cluster",
        "the name or ARN of an ECS cluster of this account and region",
    ),
    (
        "serviceName",
        "the name of an ECS service (1 to 255 letters, digits, - or _), or its ARN in this account and region and in that cluster",
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
        "targetGroups",
        "a list of the ARNs of 2 different target groups of this account and region",
    ),
    (
        "productionListeners",
        "a list of the ARNs of 1 to 50 different listeners of this account and region",
    ),
    (
        "testListeners",
        "a list of the ARNs of 1 to 50 different listeners of this account and region, none of them in productionListeners",
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
        "FARGATE, EC2, EXTERNAL or MANAGED_INSTANCES, without capacityProviderStrategy",
    ),
    (
        "capacityProviderStrategy",
        "a list of 1 to 20 {capacityProvider, weight 0 to 1000, base 0 to 100000}, at least one weight above 0 and at most one base",
    ),
    (
        "platformVersion",
        "LATEST or a version such as 1.4.0, for Fargate only",
    ),
    (
        "tags",
        "a list of 1 to 50 {key, value} with different keys: letters, digits, spaces and _.:/=+-@, a key of 1 to 128 of them that does not begin with aws:, a value of at most 256",
    ),
    ("waitForService", "a whole number of seconds from 1 to 3600"),
    (
        "scaledown_decrement",
        "percent of the tasks, above 0 and at most 100",
    ),
    (
        "scaledown_wait",
        "a whole number of seconds from 1 to 86400",
    ),
    (
        "readinessTimeout",
        "a whole number of seconds from 1 to 86400",
    ),
    ("failedTasks", "a whole number of tasks from 1 to 10000"),
    ("bakeTime", "a whole number of seconds from 0 to 86400"),
    ("drainTimeout", "a whole number of seconds from 1 to 86400"),
    (
        "alarms",
        "a list of up to 100 different names of CloudWatch alarms of this account and region",
    ),
    ("rollbackOnFailure", "true or false"),
    (
        "drain",
        "one of {percent, every}, {tasks, every}, {within} and {reconnectsPerSecond, deadline}, without scaledown_decrement and scaledown_wait",
    ),
    ("swapMode", "weighted or replace"),
    ("dryRun", "true or false"),
    ("comment", "text of at most 1024 characters"),
    (
        "$schema",
        "text: where docs/input.schema.json is, for editors",
    ),
];

/// The pause between readiness checks where the input names none, in seconds: an NLB takes
/// minutes to register a target, so checking more often only costs transitions.
const DEFAULT_WAIT_FOR_SERVICE: u32 = 30;
/// Starting tasks and registering them with an NLB (3 to 5 minutes) fits several times.
const DEFAULT_READINESS_TIMEOUT: u32 = 1_800;
/// New connections have been seen on the old group for 75 s after a listener change; the first
/// step of a drain should not begin before that.
const DEFAULT_BAKE_TIME: u32 = 90;
/// A day: with the longest phases, forward and back, an execution ends before the machine's timeout.
pub(super) const LONGEST_PHASE: u32 = 86_400;

pub(super) struct Reader<'a> {
    pub(super) fields: &'a Map<String, Value>,
    pub(super) home: &'a Home,
    pub(super) problems: Vec<Problem>,
}

impl Reader<'_> {
    /// Reads every field, so that all problems are reported at once.
    pub(super) fn request(&mut self) -> Option<Request> {
        let home = self.home.clone();
        let cluster = self.required("cluster", |value| {
            text_where(value, |text| is_name(text) || is_cluster_arn(text, &home))
        });
        let service = self.service(cluster.as_deref());
        let task_definition = self.required("taskDefinition", |value| {
            text_where(value, |text| {
                is_revision(text) || is_task_definition_arn(text, &home)
            })
        });
        let load_balancer = self.optional("nlb", |value| {
            text_where(value, |text| is_load_balancer_arn(text, &home))
        });
        let target_groups = self.target_groups();
        let [production_listeners, test_listeners] = self.listeners();
        let security_groups = self.optional("task_sg", |value| match value {
            Value::String(text) => is_id(text, "sg-").then(|| vec![text.clone()]),
            list => some(list, 5, |id| is_id(id, "sg-")),
        });
        let subnets = self.optional("subnets", |value| {
            some(value, 16, |id| is_id(id, "subnet-"))
        });
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
        let tags = self.optional("tags", tags);
        let wait_for_service = self.optional("waitForService", |value| whole(value, 1, 3_600));
        let drain = self.drain();
        let readiness_timeout =
            self.optional("readinessTimeout", |value| whole(value, 1, LONGEST_PHASE));
        let failed_tasks = self.optional("failedTasks", |value| whole(value, 1, 10_000));
        let bake_time = self.optional("bakeTime", |value| whole(value, 0, LONGEST_PHASE));
        let drain_timeout = self.optional("drainTimeout", |value| whole(value, 1, LONGEST_PHASE));
        let alarms = self.optional("alarms", alarm_names);
        let rollback_on_failure = self.optional("rollbackOnFailure", Value::as_bool);
        let swap_mode = self.optional("swapMode", |value| match value.as_str()? {
            "weighted" => Some(SwapMode::Weighted),
            "replace" => Some(SwapMode::Replace),
            _ => None,
        });
        let dry_run = self.optional("dryRun", Value::as_bool);
        let comment = self.optional("comment", |value| {
            text_where(value, |text| text.chars().count() <= 1_024)
        });
        self.optional("$schema", |value| value.is_string().then_some(()));
        let wait_for_service = wait_for_service.unwrap_or(DEFAULT_WAIT_FOR_SERVICE);
        let checks = wait_for_service.saturating_mul(CHECKS);
        if let Some(timeout) = readiness_timeout.filter(|timeout| *timeout < checks) {
            self.problems.push(Problem::Wrong {
                field: "readinessTimeout".to_owned(),
                given: timeout.to_string(),
                allowed: format!("at least {CHECKS} times waitForService, here {checks}"),
            });
        }
        Some(Request {
            cluster: cluster?,
            service: service?,
            task_definition: task_definition?.into(),
            load_balancer: load_balancer.map(LoadBalancerArn::from),
            target_groups,
            production_listeners,
            test_listeners,
            subnets,
            security_groups,
            assign_public_ip,
            container_name,
            container_port,
            launch,
            platform_version,
            tags: tags.unwrap_or_default(),
            wait_for_service,
            drain: drain?,
            // Ten checks if they are far apart; if they are close, as many as the execution's history has
            // room for.
            readiness_timeout: readiness_timeout.unwrap_or(
                DEFAULT_READINESS_TIMEOUT.clamp(10 * wait_for_service, 300 * wait_for_service),
            ),
            failed_tasks,
            bake_time: bake_time.unwrap_or(DEFAULT_BAKE_TIME),
            drain_timeout,
            alarms: alarms.unwrap_or_default(),
            rollback_on_failure: rollback_on_failure.unwrap_or(true),
            swap_mode: swap_mode.unwrap_or(SwapMode::Weighted),
            dry_run: dry_run.unwrap_or(false),
            comment,
        })
    }

    /// The service's name; an ARN must be that of a service in the cluster. That of a service from before
    /// 2018 does not name its cluster.
    fn service(&mut self, cluster: Option<&str>) -> Option<String> {
        let home = self.home.clone();
        let cluster = cluster.map(short);
        self.required("serviceName", |value| {
            let text = value.as_str()?;
            let Some(resource) = resource_at_home(text, &home, "ecs", "service/") else {
                return is_name(text).then(|| text.to_owned());
            };
            let (named, name) = match resource.split_once('/') {
                Some((named, name)) => (Some(named), name),
                None => (None, resource),
            };
            let fits = cluster.is_none() || named.is_none() || named == cluster;
            (fits && is_name(name)).then(|| name.to_owned())
        })
    }

    fn target_groups(&mut self) -> Option<[TargetGroupArn; 2]> {
        let home = self.home.clone();
        self.optional("targetGroups", |value| {
            let arns = some(value, 2, |text| is_target_group_arn(text, &home))?;
            arns.try_into().ok()
        })
    }

    /// Production listeners, test listeners.
    fn listeners(&mut self) -> [Vec<ListenerArn>; 2] {
        let home = self.home.clone();
        let read = |value: &Value| some(value, 50, |text| is_listener_arn(text, &home));
        let [production, test] = ["productionListeners", "testListeners"]
            .map(|field| self.optional(field, read).unwrap_or_default());
        if production.iter().any(|arn| test.contains(arn)) {
            self.refuse("testListeners");
        }
        [production, test]
    }

    fn launch(&mut self) -> Option<Launch> {
        let launch_type = self.optional("launchType", |value| {
            match LaunchType::from(value.as_str()?) {
                LaunchType::Unknown(_) => None,
                known => Some(known),
            }
        });
        let providers = self.optional("capacityProviderStrategy", capacity_providers);
        if self.fields.contains_key("launchType")
            && self.fields.contains_key("capacityProviderStrategy")
        {
            self.refuse("launchType");
        }
        let elsewhere = launch_type
            .as_ref()
            .is_some_and(|launch_type| *launch_type != LaunchType::Fargate);
        if elsewhere && self.fields.contains_key("platformVersion") {
            self.refuse("platformVersion");
        }
        launch_type
            .map(Launch::Type)
            .or(providers.map(Launch::Providers))
    }

    fn required<T>(&mut self, field: &str, read: impl Fn(&Value) -> Option<T>) -> Option<T> {
        if !self.fields.contains_key(field) && !is_misspelt(&self.problems, field) {
            self.refuse(field);
        }
        self.optional(field, read)
    }

    pub(super) fn optional<T>(
        &mut self,
        field: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.fields.get(field)?;
        let wanted = read(value);
        if wanted.is_none() {
            self.refuse(field);
            let entry = wrong_entry(value, |list| read(list).is_some());
            let problem = self.problems.last_mut();
            if let (Some((at, entry)), Some(Problem::Wrong { field, given, .. })) = (entry, problem)
            {
                *field = format!("{field}[{at}]");
                *given = shown(entry);
            }
        }
        wanted
    }

    pub(super) fn refuse(&mut self, field: &str) {
        let mut allowed = allowed(field).to_owned();
        if allowed.contains("this account") {
            allowed.push_str(" (");
            allowed.push_str(&self.home.to_string());
            allowed.push(')');
        }
        self.problems
            .push(problem(field, self.fields.get(field), allowed));
    }
}

/// Whether a field is present under another name, so that it is not reported as missing too.
pub(super) fn is_misspelt(problems: &[Problem], field: &str) -> bool {
    let near = |problem: &Problem| matches!(problem, Problem::Unknown { near: Some(near), .. } if near == field);
    problems.iter().any(near)
}

/// What is wrong with the value of a field, or that there is none.
pub(super) fn problem(field: &str, value: Option<&Value>, allowed: String) -> Problem {
    let field = field.to_owned();
    match value {
        Some(value) => Problem::Wrong {
            field,
            given: shown(value),
            allowed,
        },
        None => Problem::Missing { field, allowed },
    }
}

pub(super) fn text_where(value: &Value, holds: impl Fn(&str) -> bool) -> Option<String> {
    value.as_str().filter(|text| holds(text)).map(str::to_owned)
}

/// The entry for which a list of at most 100 is wrong: the first that is too many or a second of its kind, or
/// else the first that is wrong by itself. `None` where no entry would be right by itself.
fn wrong_entry(list: &Value, is_right: impl Fn(&Value) -> bool) -> Option<(usize, &Value)> {
    let entries = list.as_array().filter(|entries| entries.len() <= 100)?;
    let alone = |(_, entry): &(usize, &Value)| is_right(&Value::from(vec![(*entry).clone()]));
    let (right, wrong): (Vec<_>, Vec<_>) = entries.iter().enumerate().partition(alone);
    let mut together = Vec::new();
    let too_many = right.iter().find(|(_, entry)| {
        together.push((*entry).clone());
        !is_right(&Value::from(together.clone()))
    });
    let first_wrong = wrong.first().filter(|_| !right.is_empty());
    too_many.or(first_wrong).copied()
}

/// A whole number in a range; `60.0` is one, `"60"` and `60.5` are not.
pub(super) fn whole(value: &Value, least: u32, most: u32) -> Option<u32> {
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
            && (1..10).contains(&revision.len())
            && !revision.starts_with('0')
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

fn is_target_group_arn(text: &str, home: &Home) -> bool {
    resource_at_home(text, home, "elasticloadbalancing", "targetgroup/").is_some_and(|resource| {
        let parts: Vec<_> = resource.split('/').collect();
        matches!(parts[..], [name, id] if is_name(name) && is_name(id))
    })
}

fn is_listener_arn(text: &str, home: &Home) -> bool {
    resource_at_home(text, home, "elasticloadbalancing", "listener/").is_some_and(|resource| {
        let parts: Vec<_> = resource.split('/').collect();
        matches!(parts[..], ["net" | "app", name, balancer, id] if [name, balancer, id].into_iter().all(is_name))
    })
}

/// Different texts, up to a maximum. A longer list is not checked further.
fn distinct<T: From<String> + PartialEq>(
    value: &Value,
    most: usize,
    is_one: impl Fn(&str) -> bool,
) -> Option<Vec<T>> {
    let items = value.as_array().filter(|items| items.len() <= most)?;
    let mut distinct = Vec::new();
    for item in items {
        let one = T::from(text_where(item, &is_one)?);
        if distinct.contains(&one) {
            return None;
        }
        distinct.push(one);
    }
    Some(distinct)
}

/// The same, with at least one of them.
fn some<T: From<String> + PartialEq>(
    value: &Value,
    most: usize,
    is_one: impl Fn(&str) -> bool,
) -> Option<Vec<T>> {
    distinct(value, most, is_one).filter(|given| !given.is_empty())
}

fn is_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|id| {
        (1..=64).contains(&id.len())
            && id
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    })
}

/// Alarm names: 1 to 255 characters, at most 100 a call of `DescribeAlarms` (AWS API model).
fn alarm_names(value: &Value) -> Option<Vec<String>> {
    distinct(value, 100, |name| {
        (1..=255).contains(&name.chars().count()) && !name.chars().any(char::is_control)
    })
}

/// Tags as ECS takes them (AWS API model).
fn tags(value: &Value) -> Option<BTreeMap<String, String>> {
    let allowed = |text: &str| {
        let mut letters = text.chars();
        letters.all(|c| c.is_alphanumeric() || c == ' ' || "_.:/=+-@".contains(c))
    };
    let is_key =
        |text: &str| (1..=128).contains(&text.chars().count()) && allowed(text) && !is_of_aws(text);
    let is_value = |text: &str| text.chars().count() <= 256 && allowed(text);
    let items = value.as_array().filter(|items| items.len() <= 50)?;
    let mut tags = BTreeMap::new();
    for item in items {
        let fields = item.as_object().filter(|fields| fields.len() == 2)?;
        let key = text_where(fields.get("key")?, is_key)?;
        let value = text_where(fields.get("value")?, is_value)?;
        if tags.insert(key, value).is_some() {
            return None;
        }
    }
    (!tags.is_empty()).then_some(tags)
}

fn capacity_providers(value: &Value) -> Option<Vec<CapacityProvider>> {
    let items = value.as_array().filter(|items| items.len() <= 20)?;
    let mut providers = Vec::new();
    for item in items {
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
    let bases = providers
        .iter()
        .filter(|provider| provider.base > 0)
        .count();
    (some_weight && bases <= 1).then_some(providers)
}

/// A value as it is quoted back: at most 100 characters of its JSON. What JSON leaves invisible is
/// escaped where the sentence is made.
pub(super) fn shown(value: &Value) -> String {
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
        .map_or("see docs/input.md", |(_, allowed)| allowed)
}

/// The fields that an object of the input has and the contract does not; `of` is `drain.` or nothing.
pub(super) fn unknown_fields(of: &str, fields: &Map<String, Value>) -> Vec<Problem> {
    let unknown = fields.keys().filter(|name| {
        let mut known = all_fields();
        !known.any(|(prefix, field)| prefix == of && field == name.as_str())
    });
    let problem = |name: &String| {
        let quoted = shown(&json!(name));
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let name_shown = if plain {
            quoted.trim_matches('"')
        } else {
            &quoted
        };
        Problem::Unknown {
            field: format!("{of}{name_shown}"),
            near: nearest(of, name),
        }
    };
    unknown.map(problem).collect()
}

/// Every field with what stands before it.
fn all_fields() -> impl Iterator<Item = (&'static str, &'static str)> {
    let drain = DRAIN_FIELDS.iter().map(|(field, _)| ("drain.", *field));
    FIELDS.iter().map(|(field, _)| ("", *field)).chain(drain)
}

/// The field that a name is nearest to, if a third of its letters differ at most or it begins like it; one of
/// the same object before one of another.
fn nearest(of: &str, name: &str) -> Option<String> {
    let mut name = squashed(name);
    name.truncate(100);
    let near = all_fields().filter_map(|(prefix, field)| {
        let squashed = squashed(field);
        let distance = strsim::damerau_levenshtein(&name, &squashed);
        let begins = name.len() >= 4 && squashed.starts_with(&name);
        let is_near = begins || 3 * distance <= squashed.len().max(name.len());
        is_near.then_some((distance, prefix != of, prefix, field))
    });
    let (_, _, prefix, field) = near.min()?;
    Some(format!("{prefix}{field}"))
}

/// A field name without its writing style, to recognise `scaledownWait` and `service_name`.
fn squashed(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}
