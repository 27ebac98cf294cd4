//! What Application Auto Scaling says of the service's scalable target, and what is suspended of it.

use aws_sdk_applicationautoscaling::Client;
use aws_sdk_applicationautoscaling::types::{ScalableDimension, ServiceNamespace, SuspendedState};
use ebbtide_controller::auto_scaling::{Suspended, resource_id};
use ebbtide_controller::request::Request;

use crate::error::StepError;

/// What is suspended; `None` where the service is no scalable target.
pub(crate) async fn read(
    client: &Client,
    request: &Request,
) -> Result<Option<Suspended>, StepError> {
    let mut next = None;
    loop {
        let page = client
            .describe_scalable_targets()
            .service_namespace(ServiceNamespace::Ecs)
            .resource_ids(resource_id(request))
            .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
            .set_next_token(next)
            .send()
            .await
            .map_err(|error| {
                StepError::of_call("application-autoscaling:DescribeScalableTargets", &error)
            })?;
        if let Some(target) = page.scalable_targets().first() {
            return Ok(Some(suspended(target.suspended_state())));
        }
        next = page.next_token;
        if next.is_none() {
            return Ok(None);
        }
    }
}

/// What is not said is not suspended (AWS API model).
fn suspended(state: Option<&SuspendedState>) -> Suspended {
    let said = |flag: fn(&SuspendedState) -> Option<bool>| state.and_then(flag).unwrap_or(false);
    Suspended {
        scale_in: said(SuspendedState::dynamic_scaling_in_suspended),
        scale_out: said(SuspendedState::dynamic_scaling_out_suspended),
        scheduled: said(SuspendedState::scheduled_scaling_suspended),
    }
}

/// Changes what is suspended. Without a minimum and a maximum, a target that is gone is not registered again.
pub(crate) async fn suspend(
    client: &Client,
    request: &Request,
    wanted: Suspended,
) -> Result<(), StepError> {
    let state = SuspendedState::builder()
        .dynamic_scaling_in_suspended(wanted.scale_in)
        .dynamic_scaling_out_suspended(wanted.scale_out)
        .scheduled_scaling_suspended(wanted.scheduled)
        .build();
    client
        .register_scalable_target()
        .service_namespace(ServiceNamespace::Ecs)
        .resource_id(resource_id(request))
        .scalable_dimension(ScalableDimension::EcsServiceDesiredCount)
        .suspended_state(state)
        .send()
        .await
        .map(drop)
        .map_err(|error| {
            StepError::of_call("application-autoscaling:RegisterScalableTarget", &error)
        })
}
