//! Reading CloudWatch: the alarms that a request names, the metrics that a drain uses.

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    AlarmType, Dimension, Metric, MetricDataQuery, MetricStat, ScanBy, StatusCode,
};
use ebbtide_controller::flows::{Flows, PERIOD, Point, Query, Series};
use ebbtide_controller::quote::quote;
use ebbtide_controller::refusal::ErrorName;
use ebbtide_controller::world::{Alarm, AlarmState};

use crate::error::StepError;

/// Alarms a call: an answer of more could outgrow a payload, and 100 is the most (AWS API model).
const ALARMS_A_CALL: usize = 50;

/// Alarms by name; those that CloudWatch does not know are left out.
pub(crate) async fn alarms(client: &Client, names: &[String]) -> Result<Vec<Alarm>, StepError> {
    let mut alarms = Vec::with_capacity(names.len());
    for names in names.chunks(ALARMS_A_CALL) {
        let mut pages = client
            .describe_alarms()
            .set_alarm_names(Some(names.to_vec()))
            .alarm_types(AlarmType::MetricAlarm)
            .alarm_types(AlarmType::CompositeAlarm)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            let page =
                page.map_err(|error| StepError::of_call("cloudwatch:DescribeAlarms", &error))?;
            let metric = page.metric_alarms().iter();
            let metric = metric.map(|alarm| (alarm.alarm_name(), alarm.state_value()));
            let composite = page.composite_alarms().iter();
            let composite = composite.map(|alarm| (alarm.alarm_name(), alarm.state_value()));
            alarms.extend(metric.chain(composite).filter_map(|(name, state)| {
                Some(Alarm {
                    name: name?.to_owned(),
                    state: AlarmState::from(state.map_or("", |state| state.as_str())),
                })
            }));
        }
    }
    Ok(alarms)
}

/// What CloudWatch says of some metrics from one time to another, in seconds since 1970.
///
/// A drain can do without: a call that fails is an answer like any other.
pub(crate) async fn flows(client: &Client, queries: &[Query], (from, now): (u64, u64)) -> Flows {
    if queries.is_empty() {
        return Flows::default();
    }
    let mut pages = client
        .get_metric_data()
        .set_metric_data_queries(Some(queries.iter().map(query).collect()))
        .start_time(time(from))
        .end_time(time(now))
        .scan_by(ScanBy::TimestampDescending)
        .into_paginator()
        .send();
    let mut flows = Flows::default();
    while let Some(page) = pages.next().await {
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                let failed = StepError::of_call("cloudwatch:GetMetricData", &error);
                return Flows {
                    error: Some(quote(failed.name.as_str())),
                    ..Flows::default()
                };
            }
        };
        for result in page.metric_data_results() {
            let mut asked = queries.iter();
            let Some(query) = asked.find(|query| result.id() == Some(&*query.of.id())) else {
                // Not one of ours.
                continue;
            };
            if let Some(failed) = failed(result.status_code()) {
                flows.error.get_or_insert(failed);
            }
            let points = result.timestamps().iter().zip(result.values());
            let points = points.filter_map(|(at, value)| {
                Some(Point {
                    at: u64::try_from(at.secs()).ok()?,
                    value: *value / f64::from(query.times),
                })
            });
            series(&mut flows, query.of).extend(points);
        }
    }
    for query in queries {
        series(&mut flows, query.of).sort_by_key(|point| std::cmp::Reverse(point.at));
    }
    flows
}

/// Why a metric has fewer values than it should: not because nothing has reported them.
fn failed(status: Option<&StatusCode>) -> Option<String> {
    match status {
        // The rest of what is partial is on the next page.
        Some(StatusCode::Complete | StatusCode::PartialData) | None => None,
        Some(StatusCode::Forbidden) => Some(ErrorName::Permission.as_str().to_owned()),
        Some(StatusCode::InternalError) => Some(ErrorName::Transient.as_str().to_owned()),
        Some(unknown) => Some(quote(unknown.as_str())),
    }
}

fn series(flows: &mut Flows, of: Series) -> &mut Vec<Point> {
    match of {
        Series::New => &mut flows.new,
        Series::Active => &mut flows.active,
        Series::Connections => &mut flows.connections,
        Series::Seen => &mut flows.seen,
        Series::Kept => &mut flows.kept,
        Series::Check(number, side) => flows.of_check(number, side),
    }
}

fn query(query: &Query) -> MetricDataQuery {
    let dimensions = query
        .dimensions
        .iter()
        .map(|(name, value)| Dimension::builder().name(name).value(value).build());
    let metric = Metric::builder()
        .namespace(&query.namespace)
        .metric_name(&query.name)
        .set_dimensions(Some(dimensions.collect()))
        .build();
    let statistic = MetricStat::builder()
        .metric(metric)
        .period(i32::try_from(PERIOD).unwrap_or(60))
        .stat(&query.statistic)
        .build();
    MetricDataQuery::builder()
        .id(query.of.id())
        .metric_stat(statistic)
        .build()
}

fn time(seconds: u64) -> DateTime {
    DateTime::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_that_cloudwatch_has_not_read_is_not_one_without_values() {
        let of = |status: &str| failed(Some(&StatusCode::from(status)));
        for whole in ["Complete", "PartialData"] {
            assert_eq!(of(whole), None);
        }
        let cases = [
            ("InternalError", "Transient"),
            ("Forbidden", "Permission"),
            ("Asleep", "Asleep"),
        ];
        for (status, error) in cases {
            assert_eq!(of(status).as_deref(), Some(error));
        }
    }
}
