//! Application Auto Scaling over awsJson1.1.

use serde_json::{Value, json};

use super::{Handler, list, seconds};
use crate::world::{ApiError, DIMENSION, ScalableTarget, World, partition_of};

/// Its service-linked role for ECS.
const ROLE: &str = "aws-service-role/ecs.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_ECSService";

pub(super) const OPERATIONS: &[(&str, Handler)] = &[
    ("DescribeScalableTargets", |world, input| {
        let page = world.describe_scalable_targets(&parse(input)?)?;
        let targets = list(&page.items, |one| target(world, one));
        Ok(json!({ "ScalableTargets": targets, "NextToken": page.next }))
    }),
    ("RegisterScalableTarget", |world, input| {
        let arn = world.register_scalable_target(&parse(input)?)?;
        Ok(json!({ "ScalableTargetARN": arn }))
    }),
];

fn parse<T: serde::de::DeserializeOwned>(input: Value) -> Result<T, ApiError> {
    super::parse(input, ApiError::invalid)
}

fn target(world: &World, target: &ScalableTarget) -> Value {
    json!({
        "ServiceNamespace": "ecs",
        "ResourceId": target.resource_id,
        "ScalableDimension": DIMENSION,
        "MinCapacity": target.min_capacity,
        "MaxCapacity": target.max_capacity,
        "RoleARN": format!("arn:{}:iam::{}:role/{ROLE}", partition_of(&world.region), world.account),
        "CreationTime": seconds(target.created_at_ms),
        "SuspendedState": target.suspended,
        "ScalableTargetARN": target.arn,
    })
}
