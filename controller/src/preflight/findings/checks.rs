//! Findings about metric checks: what cannot be compared as it looks.

use super::{Finding, FindingName, Scene};

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
    totals(scene).into_iter().collect()
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
