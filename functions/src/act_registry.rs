//! Writes to AWS Cloud Map: which instances clients find.

use aws_sdk_servicediscovery::Client;
use aws_sdk_servicediscovery::types::CustomHealthStatus;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use ebbtide_controller::arn::short;
use ebbtide_controller::id::{InstanceId, RegistryArn};
use futures_util::future::join_all;

use crate::error::StepError;

/// Calls at the same time: Cloud Map limits them an account.
const AT_ONCE: usize = 10;

/// Sets the custom health of instances. One that is gone meanwhile is what ECS has done.
pub(crate) async fn set_health(
    client: &Client,
    registry: &RegistryArn,
    instances: &[InstanceId],
    healthy: bool,
) -> Result<(), StepError> {
    let status = if healthy {
        CustomHealthStatus::Healthy
    } else {
        CustomHealthStatus::Unhealthy
    };
    for some in instances.chunks(AT_ONCE) {
        let calls = some.iter().map(|instance| async {
            let call = client
                .update_instance_custom_health_status()
                .service_id(short(registry))
                .instance_id(instance.as_str())
                .status(status.clone());
            match call.send().await {
                Ok(_) => Ok(()),
                Err(error) if error.code() == Some("InstanceNotFound") => Ok(()),
                Err(error) => Err(StepError::of_call(
                    "servicediscovery:UpdateInstanceCustomHealthStatus",
                    &error,
                )),
            }
        });
        let ended = join_all(calls).await;
        StepError::of_all(ended.into_iter().filter_map(Result::err))?;
    }
    Ok(())
}

/// Deregisters instances. One that is gone, or on its way out, is what was wanted.
pub(crate) async fn deregister(
    client: &Client,
    registry: &RegistryArn,
    instances: &[InstanceId],
) -> Result<(), StepError> {
    for some in instances.chunks(AT_ONCE) {
        let calls = some.iter().map(|instance| async {
            let call = client
                .deregister_instance()
                .service_id(short(registry))
                .instance_id(instance.as_str());
            match call.send().await {
                Ok(_) => Ok(()),
                Err(error)
                    if matches!(error.code(), Some("InstanceNotFound" | "DuplicateRequest")) =>
                {
                    Ok(())
                }
                Err(error) => Err(StepError::of_call(
                    "servicediscovery:DeregisterInstance",
                    &error,
                )),
            }
        });
        let ended = join_all(calls).await;
        StepError::of_all(ended.into_iter().filter_map(Result::err))?;
    }
    Ok(())
}
