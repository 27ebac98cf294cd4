//! Reading the fields of an input, one by one, so that all problems are reported at once.

use serde_json::{Map, Value, json};

use super::values::{
    alarm_names, capacity_providers, is_cluster_arn, is_id, is_load_balancer_arn, is_name,
    is_revision, is_target_group_arn, is_task_definition_arn, resource_at_home, some, tags,
    text_where, whole,
};
use super::{
    AutoScaling, CHECKS, CHECKS_FIELDS, DRAIN_FIELDS, HOOKS_FIELDS, METRIC_FIELDS, PAUSES_FIELDS,
    Problem, REGISTRY_FIELDS, ROUTES_FIELDS, Request, SHIFT_FIELDS, STEPS_FIELDS, SwapMode,
    TEST_FIELDS, WINDOW_FIELDS,
};
use crate::arn::{Home, short};
use crate::id::{LoadBalancerArn, TargetGroupArn};
use crate::world::{Launch, LaunchType};

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
    ("routes", "an object with production, test or both"),
    ("test", "an object with one of header, host and path"),
    (
        "registry",
        "an object with registryArn, and where needed port, or containerName and containerPort",
    ),
    ("registryCache", "a whole number of seconds from 0 to 3600"),
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
    (
        "checks",
        "a list of up to 10 objects with metric, and where needed replacementAtMost, samples, failures and noData",
    ),
    ("rollbackOnFailure", "true or false"),
    (
        "drain",
        "one of {percent, every}, {tasks, every}, {within} and {reconnectsPerSecond, deadline}, without scaledown_decrement and scaledown_wait",
    ),
    (
        "pauses",
        "a list of up to 4 objects with at, and where needed timeout and onTimeout",
    ),
    (
        "hooks",
        "a list of up to 20 objects with at and lambda, and where needed details, timeout and onTimeout",
    ),
    (
        "shift",
        "one of {percent, every}, {percent, for} and {steps}, without swapMode replace",
    ),
    (
        "window",
        "an object with from, to and zone, and where needed days",
    ),
    (
        "finishBy",
        "a time from 1970 on, to the second and with its offset, such as 2026-01-31T06:00:00+01:00",
    ),
    ("autoScaling", "leave or holdScaleIn"),
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
/// No AWS page says for how long API Gateway's VPC link keeps what it has found: a minute is assumed.
const DEFAULT_REGISTRY_CACHE: u32 = 60;
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
        let (routes, tested) = (self.routes(), self.test());
        let registry = self.registry();
        let registry_cache = self.optional("registryCache", |value| whole(value, 0, 3_600));
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
        let platform_version = self.platform_version();
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
        let auto_scaling =
            self.optional("autoScaling", |value| AutoScaling::parse(value.as_str()?));
        let swap_mode = self.optional("swapMode", |value| SwapMode::parse(value.as_str()?));
        let dry_run = self.optional("dryRun", Value::as_bool);
        let comment = self.optional("comment", |value| {
            text_where(value, |text| text.chars().count() <= 1_024)
        });
        self.optional("$schema", |value| value.is_string().then_some(()));
        let wait_for_service = wait_for_service.unwrap_or(DEFAULT_WAIT_FOR_SERVICE);
        self.holds_the_checks(readiness_timeout, wait_for_service);
        Some(Request {
            cluster: cluster?,
            service: service?,
            task_definition: task_definition?.into(),
            load_balancer: load_balancer.map(LoadBalancerArn::from),
            target_groups,
            routes: routes?,
            test: tested,
            registry,
            registry_cache: registry_cache.unwrap_or(DEFAULT_REGISTRY_CACHE),
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
            checks: self.checks(),
            pauses: self.pauses(),
            hooks: self.hooks(),
            shift: self.shift(),
            window: self.window(),
            finish_by: self.finish_by(),
            auto_scaling: auto_scaling.unwrap_or(AutoScaling::Leave),
            swap_mode: swap_mode.unwrap_or(SwapMode::Weighted),
            dry_run: dry_run.unwrap_or(false),
            comment,
        })
    }

    /// A readiness timeout has room for the checks that are made in any case.
    fn holds_the_checks(&mut self, timeout: Option<u32>, wait_for_service: u32) {
        let checks = wait_for_service.saturating_mul(CHECKS);
        if let Some(timeout) = timeout.filter(|timeout| *timeout < checks) {
            self.problems.push(Problem::Wrong {
                field: "readinessTimeout".to_owned(),
                given: timeout.to_string(),
                allowed: format!("at least {CHECKS} times waitForService, here {checks}"),
            });
        }
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

    fn platform_version(&mut self) -> Option<String> {
        self.optional("platformVersion", |value| {
            text_where(value, |text| {
                text == "LATEST"
                    || (text.len() <= 20
                        && text.split('.').all(|part| {
                            !part.is_empty() && part.chars().all(|c| c.is_ascii_digit())
                        }))
            })
        })
    }

    fn target_groups(&mut self) -> Option<[TargetGroupArn; 2]> {
        let home = self.home.clone();
        self.optional("targetGroups", |value| {
            let arns = some(value, 2, |text| is_target_group_arn(text, &home))?;
            arns.try_into().ok()
        })
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
        self.own().optional(field, read)
    }

    pub(super) fn refuse(&mut self, field: &str) {
        self.own().refuse(field);
    }
}

/// Whether a field is present under another name, so that it is not reported as missing too.
pub(super) fn is_misspelt(problems: &[Problem], field: &str) -> bool {
    let near = |problem: &Problem| matches!(problem, Problem::Unknown { near: Some(near), .. } if near == field);
    problems.iter().any(near)
}

/// What is wrong with the value of a field, or that there is none.
pub(crate) fn problem(field: &str, value: Option<&Value>, allowed: String) -> Problem {
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

/// A value as it is quoted back: at most 100 characters of its JSON. What JSON leaves invisible is
/// escaped where the sentence is made.
pub(crate) fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// What a field allows, with the account and region where those matter.
pub(crate) fn allowed(table: &[(&str, &str)], field: &str, home: &Home) -> String {
    let mut fields = table.iter();
    let found = fields.find(|(name, _)| *name == field);
    let (_, allowed) = found.unwrap_or(&("", "see docs/input.md"));
    if allowed.contains("this account") {
        format!("{allowed} ({home})")
    } else {
        (*allowed).to_owned()
    }
}

/// The fields that an object of the input has and the contract does not; `of` is `drain.` or nothing, and `object` the
/// same with the number of an entry.
pub(super) fn unknown_fields(of: &str, object: &str, fields: &Map<String, Value>) -> Vec<Problem> {
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
            field: format!("{object}{name_shown}"),
            near: nearest(of, object, name),
        }
    };
    unknown.map(problem).collect()
}

/// Every field with what stands before it.
fn all_fields() -> impl Iterator<Item = (&'static str, &'static str)> {
    let objects = [
        ("", FIELDS),
        ("checks.", CHECKS_FIELDS),
        ("checks.metric.", METRIC_FIELDS),
        ("drain.", DRAIN_FIELDS),
        ("registry.", REGISTRY_FIELDS),
        ("routes.", ROUTES_FIELDS),
        ("test.", TEST_FIELDS),
        ("pauses.", PAUSES_FIELDS),
        ("hooks.", HOOKS_FIELDS),
        ("shift.", SHIFT_FIELDS),
        ("shift.steps.", STEPS_FIELDS),
        ("window.", WINDOW_FIELDS),
    ];
    let of = |(object, fields): (&'static str, &'static [(&'static str, &'static str)])| {
        fields.iter().map(move |(field, _)| (object, *field))
    };
    objects.into_iter().flat_map(of)
}

/// The field that a name is nearest to, if a third of its letters differ at most or it begins like it; one of
/// the same object before one of another.
fn nearest(of: &str, object: &str, name: &str) -> Option<String> {
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
    let prefix = if prefix == of { object } else { prefix };
    Some(format!("{prefix}{field}"))
}

/// A field name without its writing style, to recognise `scaledownWait` and `service_name`.
fn squashed(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}
