//! Reading which metrics of the two task sets are compared.

use serde_json::{Map, Value, json};

use super::fields::Fields;
use super::reader::{Reader, problem};
use super::values::{text_where, whole};
use crate::checks::{Check, LOAD_BALANCER, NoData, TARGET_GROUP};
use crate::drain::pace::{Metric, TASK_SET};

/// The fields of an entry of `checks`, with what each allows. The tables of docs/input.md are checked against it.
pub const CHECKS_FIELDS: &[(&str, &str)] = &[
    (
        "metric",
        "an object with namespace, metricName and dimensions, and where needed statistic",
    ),
    (
        "replacementAtMost",
        "a number of times the original's value, above 0 and at most 1000000",
    ),
    ("of", "original"),
    ("samples", "a whole number of minutes from 1 to 60"),
    (
        "failures",
        "a whole number of samples from 0 to 59, fewer than samples",
    ),
    ("noData", "wait, pass or fail"),
];

/// The fields of `checks.metric`, likewise.
pub const METRIC_FIELDS: &[(&str, &str)] = &[
    (
        "namespace",
        "text of 1 to 255 characters that does not begin with a colon",
    ),
    ("metricName", "text of 1 to 255 characters"),
    (
        "dimensions",
        "an object of 1 to 30 names and values in ASCII, of which a value has {taskSet} or {targetGroup}",
    ),
    (
        "statistic",
        "Average, Sum, Minimum, Maximum or a percentile from p0 to p100",
    ),
];

/// Checks of one deployment, at most.
const MOST: usize = 10;

/// With noise of 10 % (log-normal), fewer than one deployment in a hundred ends by a false alarm, and a value twice as
/// high is found in two samples: docs/checks.md has the counts.
const DEFAULT_AT_MOST: f64 = 1.5;
const DEFAULT_SAMPLES: u32 = 5;
const DEFAULT_FAILURES: u32 = 1;

impl Reader<'_> {
    /// The checks, as the input has them.
    pub(super) fn checks(&mut self) -> Vec<Check> {
        let mut own = self.own();
        own.objects("checks", MOST, CHECKS_FIELDS, check)
    }
}

fn check(fields: &mut Fields<'_>) -> Option<Check> {
    if !fields.given.contains_key("metric") {
        fields.refuse("metric");
    }
    let metric = fields.object("metric", "checks.metric.", METRIC_FIELDS);
    let metric = metric.and_then(|mut metric| metric.metric());
    let at_most = fields.optional("replacementAtMost", |value| {
        let times = value.as_f64()?;
        (times > 0.0 && times <= 1e6).then_some(times)
    });
    fields.optional("of", |value| (value == "original").then_some(()));
    let samples = fields.optional("samples", |value| whole(value, 1, 60));
    let samples = samples.unwrap_or(DEFAULT_SAMPLES);
    let failures = fields.optional("failures", |value| whole(value, 0, 59));
    if let Some(given) = failures.filter(|failures| *failures >= samples) {
        let allowed = format!("fewer than samples, here {samples}");
        let field = fields.named("failures");
        fields
            .problems
            .push(problem(&field, Some(&json!(given)), allowed));
    }
    let no_data = fields.optional("noData", |value| {
        let mut known = NoData::ALL.into_iter();
        known.find(|known| value == known.as_str())
    });
    let (metric, statistic) = metric?;
    Some(Check {
        metric,
        statistic,
        at_most: at_most.unwrap_or(DEFAULT_AT_MOST),
        samples,
        failures: failures.unwrap_or(DEFAULT_FAILURES.min(samples - 1)),
        no_data: no_data.unwrap_or(NoData::Wait),
    })
}

impl Fields<'_> {
    fn metric(&mut self) -> Option<(Metric, String)> {
        let namespace = self.required("namespace", namespace);
        let name = self.required("metricName", name);
        let dimensions = self.required("dimensions", |value| {
            dimensions(value, &[TASK_SET, TARGET_GROUP], &[LOAD_BALANCER])
        });
        let statistic = self.optional("statistic", |value| text_where(value, is_statistic));
        let metric = Metric {
            namespace: namespace?,
            name: name?,
            dimensions: dimensions?,
        };
        Some((metric, statistic.unwrap_or_else(|| "Average".to_owned())))
    }
}

/// The name of a metric: of 1 to 255 characters.
pub(super) fn name(value: &Value) -> Option<String> {
    text_where(value, |text| {
        (1..=255).contains(&text.chars().count()) && !text.chars().any(char::is_control)
    })
}

/// The namespace of a metric, which does not begin with a colon (AWS API model).
pub(super) fn namespace(value: &Value) -> Option<String> {
    name(value).filter(|name| !name.starts_with(':'))
}

/// Dimensions that CloudWatch takes: names of 1 to 255 characters, values of up to 1024, at most 30 of them, all of
/// printable ASCII and not of spaces alone, and no name that begins with a colon (AWS API model). A value has one of the
/// placeholders: without it, both task sets would have the same one. A value fits once they, and those that are the
/// same for both, are filled in.
pub(super) fn dimensions(
    value: &Value,
    placeholders: &[&str],
    of_both: &[&str],
) -> Option<Vec<(String, String)>> {
    let is_ascii = |text: &str, most: usize| {
        text.len() <= most
            && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
            && text.bytes().any(|byte| byte != b' ')
    };
    let given = value.as_object().filter(|given| given.len() <= 30)?;
    let filled_in = |text: &str| {
        let all = placeholders.iter().chain(of_both);
        let numbers = all.map(|one| text.matches(one).count());
        LONGEST_NAME * numbers.sum::<usize>()
    };
    let entries = given.iter().map(|(name, value)| {
        let is_name = is_ascii(name, 255) && !name.starts_with(':');
        let fits = |text: &str| text.len() + filled_in(text) <= 1_024;
        let value = text_where(value, |text| is_ascii(text, 1_024) && fits(text))?;
        is_name.then(|| (name.clone(), value))
    });
    let dimensions: Vec<_> = entries.collect::<Option<_>>()?;
    let has_one = |value: &str| placeholders.iter().any(|one| value.contains(one));
    let mut values = dimensions.iter().map(|(_, value)| value);
    values.any(|value| has_one(value)).then_some(dimensions)
}

/// Characters of what stands for a placeholder, at most: `targetgroup/NAME/ID`, whose name has 32, as that of a load
/// balancer has.
const LONGEST_NAME: usize = 64;

/// Percentiles have up to ten decimal places (AWS documentation).
fn is_statistic(text: &str) -> bool {
    if ["Average", "Sum", "Minimum", "Maximum"].contains(&text) {
        return true;
    }
    let Some(percent) = text.strip_prefix('p') else {
        return false;
    };
    let (whole, decimals) = percent.split_once('.').unwrap_or((percent, "0"));
    let digits = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    percent == "100" || (digits(whole, 2) && digits(decimals, 10))
}

/// The field `checks` that reads as these.
pub(super) fn to_json(checks: &[Check]) -> Value {
    if checks.is_empty() {
        return Value::Null;
    }
    let entries = checks.iter().map(|check| {
        let Metric {
            namespace,
            name,
            dimensions,
        } = &check.metric;
        let dimensions = dimensions.iter();
        let dimensions = dimensions.map(|(name, value)| (name.clone(), json!(value)));
        json!({
            "metric": {
                "namespace": namespace,
                "metricName": name,
                "dimensions": dimensions.collect::<Map<_, _>>(),
                "statistic": check.statistic,
            },
            "replacementAtMost": check.at_most,
            "samples": check.samples,
            "failures": check.failures,
            "noData": check.no_data.as_str(),
        })
    });
    entries.collect()
}
