//! Findings about a traffic shift: what its steps will say of the new version.

use super::{Finding, FindingName, Scene};
use crate::shift::Shift;

pub(super) fn findings(scene: &Scene<'_>) -> Vec<Finding> {
    let Some(shift) = &scene.request.shift else {
        return Vec::new();
    };
    if scene.original.is_none() {
        return vec![Finding::info(
            FindingName::Shift,
            "The input has a shift, and no task set serves yet.",
            "A shift shares traffic between two task sets: the first one gets all of it at once.",
            "Nothing, if later deployments are to shift.",
        )];
    }
    sticky(scene)
        .into_iter()
        .chain(negligible(scene, shift))
        .collect()
}

/// Percent of all connections from which on a step says something.
const NEGLIGIBLE: f64 = 1.0;

/// Weights move new connections only: of long ones, few are new while a step lasts.
fn negligible(scene: &Scene<'_>, shift: &Shift) -> Option<Finding> {
    let lifetime = scene.world.flows.lifetime(scene.world.now)?;
    let shares = shift.shares(lifetime);
    let small = shift.steps().zip(shares);
    let small: Vec<_> = small
        .take_while(|(_, share)| *share < NEGLIGIBLE)
        .map(|(step, share)| format!("{share:.2} % after the step with {} %", step.percent))
        .collect();
    (!small.is_empty()).then(|| {
        Finding::warning(
            FindingName::Shift,
            &format!(
                "The first steps of the shift leave less than {NEGLIGIBLE} % of all connections on the replacement: {}. A connection lives about {lifetime:.0} s, by the load balancer's metrics.",
                small.join(", ")
            ),
            "Weights move new connections only. What only established connections show, these steps hardly test.",
            "Make the steps longer, or have them wait for a number of connections.",
        )
    })
}

/// Routes that keep a client on its target group.
fn sticky(scene: &Scene<'_>) -> Option<Finding> {
    let mut routes = scene.production_routes().iter();
    let (route, seconds) = routes.find_map(|route| Some((route, route.sticky?)))?;
    Some(Finding::warning(
        FindingName::Shift,
        &format!(
            "{} keeps a client on the target group that it was sent to first, for {seconds} s.",
            route.at_start()
        ),
        "In a shift, clients that have been here before stay on the original whatever the weights, and those that a step sent to the replacement may return to it after a rollback.",
        format!(
            "Make each step longer than {seconds} s, or set the action again without TargetGroupStickinessConfig ({}).",
            route.modified_by()
        ),
    ))
}
