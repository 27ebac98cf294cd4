//! CloudWatch's metrics: what a load balancer reports of its clients' connections.
//!
//! `ActiveFlowCount` and `NewFlowCount` of `AWS/NetworkELB`, by load balancer, or by load balancer and
//! Availability Zone: there is no dimension for a target group (Docs). Each second is a sample, so that
//! `Average`, `Minimum` and `Maximum` of `ActiveFlowCount` are those of the connections, and `Sum` of
//! `NewFlowCount` is the number of attempts; the sum of `ActiveFlowCount` counts a connection once for each
//! of its seconds, and carries no information.
//!
//! `ActiveConnectionCount` and `NewConnectionCount` of `AWS/ApplicationELB` are by load balancer only. They
//! count the connections of clients and those of the load balancer to targets (Docs), so that one that
//! lives long counts twice; a minute is one sample, whose `Sum` is the number.
//!
//! `RequestCount` of `AWS/ApplicationELB` is by target group and load balancer here: a connection is one request. So is
//! `TargetResponseTime`, where the targets' [behaviour](super::Behaviour) has a level of that name, in minutes with a
//! request (Docs: without one, it is not reported).
//!
//! A metric of another namespace is the application's own, where the id of a task set is the value of one of its
//! dimensions: one that its [behaviour](super::Behaviour) has, or that set's connections, a sample a minute, or its new connections, where the metric's name begins with
//! `New`.
//!
//! Harsher than usual: an attempt is a new flow even where its target refuses it, and a minute is
//! visible only [`Timings::metric_delay_ms`](super::Timings::metric_delay_ms) after its end.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::clients::{Clients, Flows, Samples};
use super::name::page;
use super::{ApiError, Page, TaskSet, World};

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct GetMetricData {
    /// 1 to 500.
    pub(crate) metric_data_queries: Vec<MetricDataQuery>,
    /// Rounded down to the minute, in milliseconds since the Unix epoch (in seconds on the wire). The
    /// first datapoint is the one of this minute.
    #[serde(deserialize_with = "instant")]
    pub(crate) start_time: u64,
    /// What begins at it is left out. In milliseconds since the Unix epoch.
    #[serde(deserialize_with = "instant")]
    pub(crate) end_time: u64,
    /// Newest first, by default.
    #[serde(default)]
    pub(crate) scan_by: ScanBy,
    pub next_token: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct MetricDataQuery {
    /// `^[a-z][a-zA-Z0-9_]*$`, unique in its request.
    pub id: String,
    pub metric_stat: Option<MetricStat>,
    /// Metric math, which is refused.
    pub expression: Option<String>,
    /// The metric's name, by default.
    pub label: Option<String>,
    /// Whether it is in the answer, where it is by default.
    pub return_data: Option<bool>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct MetricStat {
    pub(crate) metric: Metric,
    /// Seconds that one datapoint is for: a multiple of 60, at most a day.
    pub(crate) period: u64,
    /// `Average`, `Sum`, `Minimum`, `Maximum`, `SampleCount`, or a percentile.
    pub(crate) stat: String,
    /// There is nothing in a unit other than `Count`.
    pub(crate) unit: Option<String>,
}

#[expect(clippy::struct_field_names, reason = "the API's names")]
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Metric {
    pub(crate) namespace: String,
    pub(crate) metric_name: String,
    #[serde(default)]
    pub(crate) dimensions: Vec<Dimension>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Dimension {
    pub(crate) name: String,
    pub(crate) value: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum ScanBy {
    #[default]
    TimestampDescending,
    TimestampAscending,
}

#[derive(Debug, Clone, PartialEq)]
pub struct MetricDataResult {
    pub id: String,
    /// The query's, or the metric's name.
    pub label: String,
    /// Beginnings of periods, in milliseconds since the Unix epoch, and values.
    pub datapoints: Vec<(u64, f64)>,
}

/// The most queries in a request (Model), which is more than a page of anything else has.
const MOST_QUERIES: usize = 500;

pub(super) const MINUTE_MS: u64 = 60_000;

impl World {
    /// `GetMetricData`. A metric that is not reported is no error: it has no datapoints.
    pub fn get_metric_data(
        &self,
        request: &GetMetricData,
    ) -> Result<Page<MetricDataResult>, ApiError> {
        let mut results = Vec::new();
        for (query, metric_stat) in check(request)? {
            let mut datapoints = self.datapoints(request, metric_stat)?;
            if request.scan_by == ScanBy::TimestampDescending {
                datapoints.reverse();
            }
            let name = &metric_stat.metric.metric_name;
            if query.return_data != Some(false) {
                results.push(MetricDataResult {
                    id: query.id.clone(),
                    label: query.label.as_ref().unwrap_or(name).clone(),
                    datapoints,
                });
            }
        }
        let token = request.next_token.as_deref();
        page(results, token, MOST_QUERIES, ApiError::invalid_next_token)
    }

    /// The values of a metric, oldest first.
    fn datapoints(
        &self,
        request: &GetMetricData,
        asked: &MetricStat,
    ) -> Result<Vec<(u64, f64)>, ApiError> {
        let over_by_ms = self.now_ms.saturating_sub(self.timings.metric_delay_ms);
        let start_ms = request.start_time - request.start_time % MINUTE_MS;
        let is_asked = |from_ms: u64| (start_ms..request.end_time).contains(&from_ms);
        let not_simulated = |what: &str| {
            let stat = &asked.stat;
            ApiError::validation(format!("The statistic {stat} {what} is not simulated."))
        };
        let period_ms = asked.period * 1_000;
        let levels = self
            .application(&asked.metric, over_by_ms)
            .or_else(|| self.response_times(&asked.metric, over_by_ms));
        if let Some(mut minutes) = levels {
            if period_ms != MINUTE_MS {
                return Err(not_simulated("of several minutes of such a metric"));
            }
            minutes.retain(|minute| is_asked(minute.from_ms));
            let minutes = minutes.into_iter();
            return Ok(minutes
                .map(|minute| (minute.from_ms, minute.statistic(&asked.stat)))
                .collect());
        }
        let reported = self.reported(asked, over_by_ms);
        let is_unknown = reported.is_empty() && !asked.metric.namespace.starts_with("AWS/");
        if is_unknown {
            return Ok(Vec::new());
        }
        let Some(statistic) = statistic(&asked.stat) else {
            return Err(not_simulated("of this metric"));
        };
        let mut periods: BTreeMap<u64, Samples> = BTreeMap::new();
        for (from_ms, samples) in reported
            .into_iter()
            .filter(|(from_ms, _)| is_asked(*from_ms))
        {
            let into = (from_ms - start_ms) % period_ms;
            periods.entry(from_ms - into).or_default().absorb(&samples);
        }
        let periods = periods.into_iter();
        Ok(periods
            .map(|(from_ms, samples)| (from_ms, statistic(&samples)))
            .collect())
    }

    /// What is visible of a metric, minute by minute.
    fn reported(&self, asked: &MetricStat, over_by_ms: u64) -> Vec<(u64, Samples)> {
        let Metric {
            namespace,
            metric_name,
            dimensions,
        } = &asked.metric;
        if !namespace.starts_with("AWS/") {
            let mut names = dimensions.iter().map(|dimension| dimension.value.as_str());
            let own = |name| Some((self.clients.iter().find(|known| known.knows(name))?, name));
            let Some((clients, task_set)) = names.find_map(own) else {
                return Vec::new();
            };
            return if metric_name.starts_with("New") {
                clients.attempted(task_set, over_by_ms).collect()
            } else {
                clients.counted(task_set, over_by_ms).collect()
            };
        }
        if (namespace.as_str(), metric_name.as_str()) == ("AWS/ApplicationELB", "RequestCount") {
            return self.requests(dimensions, over_by_ms);
        }
        let of: fn(&Flows) -> Samples = match (namespace.as_str(), metric_name.as_str()) {
            ("AWS/NetworkELB", "ActiveFlowCount") => |flows| flows.active,
            ("AWS/NetworkELB", "NewFlowCount") => |flows| flows.new,
            ("AWS/ApplicationELB", "ActiveConnectionCount") => |flows| {
                let active = &flows.active;
                Samples::one(2 * active.sum / active.count.max(1))
            },
            ("AWS/ApplicationELB", "NewConnectionCount") => |flows| Samples::one(2 * flows.new.sum),
            _ => return Vec::new(),
        };
        let in_count = asked.unit.as_ref().is_none_or(|unit| unit == "Count");
        let dimension = |name: &str| {
            let found = dimensions.iter().find(|dimension| dimension.name == name);
            found.map(|dimension| dimension.value.as_str())
        };
        let balancer = dimension("LoadBalancer").unwrap_or_default();
        let is_network = balancer.starts_with("net/");
        let zone = dimension("AvailabilityZone").filter(|_| is_network);
        let is_whole = dimensions.len() == 1 + usize::from(zone.is_some());
        if is_network != (namespace == "AWS/NetworkELB") || !in_count || !is_whole {
            return Vec::new();
        }
        let mut minutes: BTreeMap<u64, Samples> = BTreeMap::new();
        for clients in self.clients_at(balancer) {
            for (from_ms, flows) in clients.reported(zone, over_by_ms) {
                minutes.entry(from_ms).or_default().beside(&of(flows));
            }
        }
        minutes.into_iter().collect()
    }
}

impl World {
    /// `RequestCount` of a target group of an Application Load Balancer: a connection that lives long is one.
    fn requests(&self, dimensions: &[Dimension], over_by_ms: u64) -> Vec<(u64, Samples)> {
        let mut minutes: BTreeMap<u64, Samples> = BTreeMap::new();
        for (_, requests) in self.requests_of_sets(dimensions, over_by_ms) {
            for (from_ms, attempts) in requests {
                minutes.entry(from_ms).or_default().absorb(&attempts);
            }
        }
        minutes.into_iter().collect()
    }

    /// The same of each task set of a target group of an Application Load Balancer.
    pub(super) fn requests_of_sets(
        &self,
        dimensions: &[Dimension],
        over_by_ms: u64,
    ) -> Vec<(&TaskSet, Vec<(u64, Samples)>)> {
        let [target_group, balancer] = ["TargetGroup", "LoadBalancer"].map(|name| {
            let found = dimensions.iter().find(|dimension| dimension.name == name);
            found.map_or("", |dimension| &dimension.value)
        });
        if !balancer.starts_with("app/") || dimensions.len() != 2 {
            return Vec::new();
        }
        let clients: Vec<_> = self.clients_at(balancer).collect();
        if clients.is_empty() {
            return Vec::new();
        }
        let is_on = |set: &&TaskSet| {
            let mut attached = set.load_balancers.iter();
            attached.any(|one| {
                let own = one.target_group_arn.split_once(':');
                own.is_some_and(|(_, rest)| rest.ends_with(target_group))
            })
        };
        let sets = self.task_sets.values().filter(is_on);
        let of = |set: &TaskSet| {
            let own = clients
                .iter()
                .flat_map(|all| all.attempted(&set.id, over_by_ms));
            own.collect()
        };
        sets.map(|set| (set, of(set))).collect()
    }

    /// The clients that connect through a load balancer, by the name in its ARN.
    fn clients_at(&self, balancer: &str) -> impl Iterator<Item = &Clients> {
        self.clients.iter().filter(move |clients| {
            let own = clients.load_balancer.split_once(":loadbalancer/");
            own.is_some_and(|(_, own)| own == balancer)
        })
    }
}

/// What of a period's samples a datapoint is.
type Statistic = fn(&Samples) -> f64;

#[expect(clippy::cast_precision_loss, reason = "CloudWatch has doubles")]
fn statistic(name: &str) -> Option<Statistic> {
    let statistic: Statistic = match name {
        "Average" => |samples| samples.sum as f64 / samples.count.max(1) as f64,
        "Sum" => |samples| samples.sum as f64,
        "Minimum" => |samples| samples.minimum as f64,
        "Maximum" => |samples| samples.maximum as f64,
        "SampleCount" => |samples| samples.count as f64,
        _ => return None,
    };
    Some(statistic)
}

/// A percentile such as `p99`.
fn is_percentile(name: &str) -> bool {
    let percent = name.strip_prefix('p').and_then(|text| text.parse().ok());
    percent.is_some_and(|percent: f64| (0.0..=100.0).contains(&percent))
}

/// Each query with the metric that it asks for, or why they are refused.
fn check(request: &GetMetricData) -> Result<Vec<(&MetricDataQuery, &MetricStat)>, ApiError> {
    let queries = &request.metric_data_queries;
    if !(1..=MOST_QUERIES).contains(&queries.len()) {
        let count = queries.len();
        return Err(ApiError::validation(format!(
            "The collection MetricDataQueries must have from 1 to {MOST_QUERIES} members, not {count}."
        )));
    }
    if request.start_time >= request.end_time {
        let message = "The parameter StartTime must be less than the parameter EndTime.";
        return Err(ApiError::validation(message));
    }
    let mut ids = BTreeSet::new();
    let mut asked = Vec::new();
    for (query, number) in queries.iter().zip(1..) {
        let at = format!("MetricDataQueries.member.{number}");
        let id = &query.id;
        if !is_id(id) {
            return Err(ApiError::validation(format!(
                "The value {id} for parameter {at}.Id is not matching the expected pattern ^[a-z][a-zA-Z0-9_]*$."
            )));
        }
        if !ids.insert(id) {
            return Err(ApiError::validation(format!(
                "The value {id} for parameter {at}.Id is already used by another query."
            )));
        }
        let metric_stat = match (&query.metric_stat, &query.expression) {
            (Some(metric_stat), None) => metric_stat,
            (None, Some(_)) => {
                let message = format!("The parameter {at}.Expression is not simulated.");
                return Err(ApiError::validation(message));
            }
            (Some(_), Some(_)) | (None, None) => {
                return Err(ApiError::validation(format!(
                    "Exactly one of the parameters {at}.MetricStat and {at}.Expression must be specified."
                )));
            }
        };
        let period = metric_stat.period;
        if !(60..=86_400).contains(&period) || !period.is_multiple_of(60) {
            return Err(ApiError::validation(format!(
                "The parameter {at}.MetricStat.Period must be any multiple of 60 from 60 to 86400, not {period}."
            )));
        }
        let stat = &metric_stat.stat;
        if statistic(stat).is_none() && !is_percentile(stat) {
            return Err(ApiError::validation(format!(
                "The value {stat} for parameter {at}.MetricStat.Stat is not supported."
            )));
        }
        asked.push((query, metric_stat));
    }
    Ok(asked)
}

fn is_id(id: &str) -> bool {
    id.len() <= 255
        && id.starts_with(|c: char| c.is_ascii_lowercase())
        && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Seconds since the Unix epoch, as awsJson has them, in milliseconds.
fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    let duration = std::time::Duration::try_from_secs_f64(seconds).map_err(D::Error::custom)?;
    let rounded = duration + std::time::Duration::from_micros(500);
    u64::try_from(rounded.as_millis()).map_err(D::Error::custom)
}
