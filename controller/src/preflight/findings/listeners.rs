//! Findings about listeners: the role that each is taken to have.

use super::{Finding, FindingName, Scene};
use crate::fix::Fix;
use crate::routing::Roles;

pub(super) fn findings(scene: &Scene<'_>) -> Vec<Finding> {
    let Some(taken) = scene.roles.as_ref().and_then(Roles::taken) else {
        return Vec::new();
    };
    vec![Finding::info(
        FindingName::ProductionListener,
        &format!("No tag says which listener is production: {taken}."),
        "The deployment records this in the tag ebbtide:role of each listener, and later deployments use the tag.",
        Fix::run(
            "If this is wrong, tag the production listener before the deployment",
            ["aws elbv2 add-tags --resource-arns ARN --tags Key=ebbtide:role,Value=production"],
        ),
    )]
}
