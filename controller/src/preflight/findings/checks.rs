//! Findings about metric checks: what cannot be compared as it looks.

use super::{Finding, FindingName, Scene};
use crate::checks::{Check, NoData};
use crate::drain::flows::SPAN;

pub(super) fn findings(scene: &Scene<'_>) -> Vec<Finding> {
    if scene.request.checks.is_empty() {
        return Vec::new();
    }
    if scene.original.is_none() {
        return vec![Finding::info(
            FindingName::Checks,
            "The input has checks, and no task set serves yet.",
            "A check compares the replacement with the original: the first task set has none.",
            "Nothing, if later deployments are to be checked.",
        )];
    }
    let unreported = scene.request.checks.iter().enumerate();
    let unreported = unreported.filter_map(|(number, check)| unreported_by(scene, number, check));
    unreported
        .chain(totals(scene))
        .chain(requests_after_a_swap(scene))
        .collect()
}

/// CloudWatch was asked for the original's values, and has none.
fn unreported_by(scene: &Scene<'_>, number: usize, check: &Check) -> Option<Finding> {
    let compared = scene.world.flows.compared.get(number)?;
    let then = match check.no_data {
        NoData::Wait | NoData::Fail => "the deployment goes back",
        NoData::Pass => "they are made without the check",
    };
    compared.original.is_empty().then(|| {
        Finding::warning(
            FindingName::Checks,
            &format!(
                "CloudWatch has no value of checks[{number}], {check}, of the task set in service in the last {} minutes.",
                SPAN / 60
            ),
            &format!(
                "A sample is a minute with a value of both task sets. Without samples, steps wait for {} s in all; then {then}.",
                check.patience(scene.request)
            ),
            "Check the names and dimensions (aws cloudwatch list-metrics), and that the metric is reported each minute of the task set or target group in service.",
        )
    })
}

/// What a load balancer reports of requests.
const OF_REQUESTS: &str = "AWS/ApplicationELB";

/// Where all traffic moves at once, no minute has requests of both.
fn requests_after_a_swap(scene: &Scene<'_>) -> Option<Finding> {
    let mut checks = scene.request.checks.iter();
    let number = checks.position(|check| check.metric.namespace == OF_REQUESTS)?;
    scene.request.shift.is_none().then(|| {
        Finding::warning(
            FindingName::Checks,
            &format!("checks[{number}] has a metric of {OF_REQUESTS}, and the input has no shift."),
            "After a swap the load balancer sends the original no new request, and without requests it reports nothing. The check has no samples.",
            "Shift traffic in steps, so that both task sets have requests.",
        )
    })
}

/// A sum grows with the share of traffic that its task set gets.
fn totals(scene: &Scene<'_>) -> Option<Finding> {
    let mut checks = scene.request.checks.iter();
    let number = checks.position(|check| check.statistic == "Sum")?;
    Some(Finding::warning(
        FindingName::Checks,
        &format!("checks[{number}].metric.statistic is Sum."),
        "The two task sets do not get the same traffic: a shift gives the replacement a share of new connections, and after the swap it gets all of them. Sums differ by that alone.",
        "Compare an average, a percentile or a rate (errors a request), not a total.",
    ))
}
