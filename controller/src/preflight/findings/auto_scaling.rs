//! Findings about Auto Scaling: where there is nothing to hold.

use super::{Finding, FindingName, Scene};
use crate::auto_scaling::resource_id;
use crate::request::AutoScaling;

pub(super) fn findings(scene: &Scene<'_>) -> Option<Finding> {
    if scene.request.auto_scaling == AutoScaling::Leave {
        return None;
    }
    let resource = resource_id(scene.request);
    let name = FindingName::AutoScaling;
    match scene.world.scaling.target {
        None => Some(Finding::warning(
            name,
            &format!("autoScaling is holdScaleIn, and {resource} is no scalable target."),
            "Application Auto Scaling does not scale the service, so there is nothing to suspend.",
            "Nothing, or remove autoScaling. To list the scalable targets of ECS: aws application-autoscaling describe-scalable-targets --service-namespace ecs",
        )),
        Some(target) if target.scale_in => Some(Finding::info(
            name,
            &format!("Scale-in of {resource} is suspended already."),
            "It stays suspended after the deployment, unless an earlier deployment that has ended suspended it: then this one resumes it at its end.",
            "Nothing, if that is intended.",
        )),
        Some(_) => None,
    }
}
