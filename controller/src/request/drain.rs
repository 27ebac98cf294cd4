//! Reading how a drain is paced: the sample's two fields, or `drain`.

use serde_json::{Map, Value};

use super::Problem;
use super::checks::{dimensions, name, namespace};
use super::fields::Fields;
use super::reader::{LONGEST_PHASE, Reader, is_misspelt, problem};
use super::values::whole;
use crate::arn::Home;
use crate::drain::budget;
use crate::drain::deregistration::Deregistration;
use crate::drain::pace::{Budget, Drain, Metric, OnDeadline, Pace, TASK_SET, Until};

/// A quarter at a time, as the sample's own input has it.
const DEFAULT_DECREMENT: f64 = 25.0;
/// A step a minute, as the sample's own input has it.
const DEFAULT_EVERY: u32 = 60;

/// The fields of `drain`, with what each allows. The tables of docs/input.md are checked against it.
pub const DRAIN_FIELDS: &[(&str, &str)] = &[
    (
        "percent",
        "percent of the desired count per step, above 0 and at most 100",
    ),
    ("tasks", "a whole number of tasks per step, from 1 to 5000"),
    (
        "every",
        "a whole number of seconds between two steps from 1 to 86400, with percent or tasks",
    ),
    (
        "within",
        "a whole number of seconds from the first step to the last, from 0 to 86400",
    ),
    (
        "reconnectsPerSecond",
        "a number of new connections a second that the replacement can bear, above 0 and at most 1000000000",
    ),
    (
        "deadline",
        "a whole number of seconds until the original runs no task, from 480 to 86400, with reconnectsPerSecond",
    ),
    (
        "connectionsPerTask",
        "a number of connections that a task holds, above 0 and at most 1000000000, with reconnectsPerSecond",
    ),
    ("onDeadline", "finish or stop, with reconnectsPerSecond"),
    (
        "connectionsMetric",
        "{namespace, metricName, dimensions} of a CloudWatch metric with the connections of a task set, whose id is written {taskSet} in a dimension",
    ),
    (
        "newConnectionsMetric",
        "{namespace, metricName, dimensions} of a CloudWatch metric with the new connections of a task set in each minute, whose id is written {taskSet} in a dimension",
    ),
    (
        "until",
        "{connections, deadline}: connections from 0 to 1000000000 at which the first step is made, and seconds from 1 to 86400 after which it is made whatever is left, with connectionsMetric",
    ),
];

/// The fields of which each sets the pace.
const WAYS: [&str; 4] = ["percent", "tasks", "within", "reconnectsPerSecond"];

/// The fields that belong to some paces only.
const BELONG: [(&str, &[&str]); 4] = [
    ("every", &["percent", "tasks"]),
    ("deadline", &["reconnectsPerSecond"]),
    ("connectionsPerTask", &["reconnectsPerSecond"]),
    ("onDeadline", &["reconnectsPerSecond"]),
];

const MOST: f64 = 1e9;

impl Reader<'_> {
    /// How the drain is paced; a quarter a minute where the input does not say.
    pub(super) fn drain(&mut self) -> Option<Drain> {
        let decrement = self.optional("scaledown_decrement", percent);
        let every = self.optional("scaledown_wait", |value| whole(value, 1, LONGEST_PHASE));
        let fields = self.fields;
        let Some(drain) = fields.get("drain") else {
            let pace = Pace::Percent {
                decrement: decrement.unwrap_or(DEFAULT_DECREMENT),
                every: every.unwrap_or(DEFAULT_EVERY),
            };
            return Some(pace.into());
        };
        let beside = ["scaledown_decrement", "scaledown_wait"];
        if let Some(field) = beside
            .iter()
            .find(|field| self.fields.contains_key(**field))
        {
            let allowed = format!("either drain or {field}, not both");
            self.problems.push(problem("drain", Some(drain), allowed));
        }
        self.object("drain.", DRAIN_FIELDS)?.drain()
    }
}

/// The pace that a command gives a running drain: the fields of `drain`, without a metric.
pub fn pace(fields: &Map<String, Value>) -> Result<Pace, Vec<Problem>> {
    let given = Map::from_iter([("drain".to_owned(), Value::Object(fields.clone()))]);
    // None of them is an ARN.
    let nowhere = Home::default();
    let mut reader = Reader {
        fields: &given,
        home: &nowhere,
        problems: Vec::new(),
    };
    let drain = reader.drain();
    let mut problems = reader.problems;
    for name in ["connectionsMetric", "newConnectionsMetric", "until"] {
        if let Some(given) = fields.get(name) {
            let allowed = "what the deployment began with".to_owned();
            problems.push(problem(&format!("drain.{name}"), Some(given), allowed));
        }
    }
    match drain {
        Some(drain) if problems.is_empty() => Ok(drain.pace),
        _ => Err(problems),
    }
}

impl Fields<'_> {
    fn drain(&mut self) -> Option<Drain> {
        let is_there = |way: &&str| self.given.contains_key(*way);
        let is_misspelt = |way: &&str| is_misspelt(self.problems, &format!("drain.{way}"));
        if !WAYS.iter().any(is_there) && WAYS.iter().any(is_misspelt) {
            return None;
        }
        let way = self.one_of(&WAYS, "without a pace")?;
        for (field, of) in BELONG {
            if self.given.contains_key(field) && !of.contains(&way) {
                let allowed = format!("only with {}", of.join(" or "));
                let value = self.given.get(field);
                let field = format!("drain.{field}");
                self.problems.push(problem(&field, value, allowed));
            }
        }
        let pace = match way {
            "percent" => self.by_percent(),
            "tasks" => self.by_tasks(),
            "within" => self
                .required("within", |value| whole(value, 0, LONGEST_PHASE))
                .map(|seconds| Pace::Within { seconds }),
            _ => self.by_budget(),
        };
        let connections = self.optional("connectionsMetric", metric);
        let new_connections = self.optional("newConnectionsMetric", metric);
        let until = self.optional("until", until);
        if until.is_some() && !self.given.contains_key("connectionsMetric") {
            let allowed = "only with connectionsMetric".to_owned();
            let given = self.given.get("until");
            self.problems.push(problem("drain.until", given, allowed));
        }
        Some(Drain {
            pace: pace?,
            connections,
            new_connections,
            until,
        })
    }

    fn by_percent(&mut self) -> Option<Pace> {
        let decrement = self.required("percent", percent);
        let every = self.optional("every", |value| whole(value, 1, LONGEST_PHASE));
        Some(Pace::Percent {
            decrement: decrement?,
            every: every.unwrap_or(DEFAULT_EVERY),
        })
    }

    fn by_tasks(&mut self) -> Option<Pace> {
        let tasks = self.required("tasks", |value| whole(value, 1, 5_000));
        let every = self.optional("every", |value| whole(value, 1, LONGEST_PHASE));
        Some(Pace::Tasks {
            tasks: tasks?,
            every: every.unwrap_or(DEFAULT_EVERY),
        })
    }

    fn by_budget(&mut self) -> Option<Pace> {
        let reconnects = self.required("reconnectsPerSecond", amount);
        let least = budget::least_deadline(Deregistration::new(0, true));
        let deadline = self.required("deadline", |value| whole(value, least, LONGEST_PHASE));
        let connections_per_task = self.optional("connectionsPerTask", amount);
        let on_deadline = self.optional("onDeadline", |value| OnDeadline::parse(value.as_str()?));
        Some(Pace::Budget(Budget {
            reconnects: reconnects?,
            connections_per_task,
            deadline: deadline?,
            on_deadline: on_deadline.unwrap_or(OnDeadline::Finish),
        }))
    }
}

fn percent(value: &Value) -> Option<f64> {
    value
        .as_f64()
        .filter(|percent| *percent > 0.0 && *percent <= 100.0)
}

fn amount(value: &Value) -> Option<f64> {
    value
        .as_f64()
        .filter(|amount| *amount > 0.0 && *amount <= MOST)
}

/// An hour.
const DEFAULT_LEAVING: u32 = 3_600;

fn until(value: &Value) -> Option<Until> {
    let fields = value.as_object()?;
    let known = ["connections", "deadline"];
    if fields.keys().any(|name| !known.contains(&name.as_str())) {
        return None;
    }
    let deadline = match fields.get("deadline") {
        Some(deadline) => whole(deadline, 1, LONGEST_PHASE)?,
        None => DEFAULT_LEAVING,
    };
    Some(Until {
        connections: whole(fields.get("connections")?, 0, 1_000_000_000)?,
        deadline,
    })
}

fn metric(value: &Value) -> Option<Metric> {
    let fields = value.as_object()?;
    let known = ["namespace", "metricName", "dimensions"];
    if fields.keys().any(|name| !known.contains(&name.as_str())) {
        return None;
    }
    // Without the task set, it would be another's connections that are gone.
    Some(Metric {
        namespace: namespace(fields.get("namespace")?)?,
        name: name(fields.get("metricName")?)?,
        dimensions: dimensions(fields.get("dimensions")?, &[TASK_SET], &[])?,
    })
}
