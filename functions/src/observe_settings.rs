//! Reading how load balancers and target groups are set up.

use std::str::FromStr;

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::types::{
    LoadBalancerAttribute, ProtocolEnum, TargetGroup as SeenTargetGroup, TargetGroupAttribute,
    TargetGroupIpAddressTypeEnum, TargetTypeEnum,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use ebbtide_controller::id::LoadBalancerArn;
use ebbtide_controller::refusal::ErrorName;
use ebbtide_controller::world::{GroupSettings, HealthCheck, LoadBalancer, Reading, TargetGroup};
use tokio::join;

use crate::error::StepError;

const ZONES: &str = "elasticloadbalancing:DescribeLoadBalancers";
const ATTRIBUTES: &str = "elasticloadbalancing:DescribeLoadBalancerAttributes";

/// What a target group's own description says; its attributes are read later.
pub(crate) fn described(seen: &SeenTargetGroup) -> GroupSettings {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let count = |value: Option<i32>| value.and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    let addresses = seen.ip_address_type();
    let codes = seen.matcher();
    let codes = codes.and_then(|matcher| matcher.http_code().or(matcher.grpc_code()));
    GroupSettings {
        target_type: text(seen.target_type().map(TargetTypeEnum::as_str)),
        protocol: text(seen.protocol().map(ProtocolEnum::as_str)),
        protocol_version: seen.protocol_version().map(str::to_owned),
        ip_address_type: text(addresses.map(TargetGroupIpAddressTypeEnum::as_str)),
        port: seen.port().and_then(|port| u16::try_from(port).ok()),
        vpc: seen.vpc_id().map(str::to_owned),
        health_check: HealthCheck {
            protocol: text(seen.health_check_protocol().map(ProtocolEnum::as_str)),
            port: text(seen.health_check_port()),
            path: seen.health_check_path().map(str::to_owned),
            matcher: codes.map(str::to_owned),
            interval: count(seen.health_check_interval_seconds()),
            timeout: count(seen.health_check_timeout_seconds()),
            healthy_threshold: count(seen.healthy_threshold_count()),
            unhealthy_threshold: count(seen.unhealthy_threshold_count()),
        },
        ..GroupSettings::default()
    }
}

/// The attributes of a group.
pub(crate) async fn attributes(
    elb: &Client,
    group: &str,
) -> Result<Vec<TargetGroupAttribute>, StepError> {
    let answer = elb
        .describe_target_group_attributes()
        .target_group_arn(group)
        .send()
        .await
        .map_err(|error| {
            StepError::of_call("elasticloadbalancing:DescribeTargetGroupAttributes", &error)
        })?;
    Ok(answer.attributes().to_vec())
}

/// Puts one attribute into a group.
pub(crate) fn set(group: &mut TargetGroup, attribute: &TargetGroupAttribute) {
    let (Some(key), Some(value)) = (attribute.key(), attribute.value()) else {
        return;
    };
    let settings = &mut group.settings;
    let read = (key.to_owned(), value.to_owned());
    settings.attributes.extend([read]);
    let on = value == "true";
    match key {
        "deregistration_delay.timeout_seconds" => {
            group.deregistration_delay = value.parse().unwrap_or(group.deregistration_delay);
        }
        "deregistration_delay.connection_termination.enabled" => settings.ends_deregistered = on,
        "target_health_state.unhealthy.connection_termination.enabled" => {
            settings.ends_unhealthy = on;
        }
        "stickiness.enabled" => settings.sticky = on,
        "preserve_client_ip.enabled" => settings.keeps_client_ip = Some(on),
        // The third value is use_load_balancer_configuration.
        "load_balancing.cross_zone.enabled" => settings.cross_zone = value.parse().ok(),
        _ => {}
    }
}

/// A load balancer with its zones, its security groups and its attributes.
///
/// Findings rest on them and nothing else does: a call that fails or is not allowed is not an error.
/// They are made at once, so that one that gets no answer costs a turn's time once.
pub(crate) async fn load_balancer(elb: &Client, arn: &LoadBalancerArn) -> LoadBalancer {
    let mut load_balancer = LoadBalancer::of(arn.clone());
    let described = elb
        .describe_load_balancers()
        .load_balancer_arns(arn.as_str())
        .send();
    let attributes = elb
        .describe_load_balancer_attributes()
        .load_balancer_arn(arn.as_str())
        .send();
    let (described, attributes) = join!(described, attributes);
    load_balancer.zones = match described {
        Ok(answer) => {
            let seen = answer.load_balancers().first();
            let addresses = seen.and_then(|seen| seen.ip_address_type());
            if let Some(addresses) = addresses {
                load_balancer.ip_address_type = Reading::Seen(addresses.as_str().to_owned());
            }
            if let Some(seen) = seen {
                let groups = seen.security_groups().to_vec();
                load_balancer.security_groups = Reading::Seen(groups);
            }
            seen.and_then(|seen| u32::try_from(seen.availability_zones().len()).ok())
                .map_or(Reading::Failed(ZONES), Reading::Seen)
        }
        Err(error) => unread(ZONES, &error),
    };
    match attributes {
        Ok(answer) => {
            let seen = answer.attributes();
            load_balancer.cross_zone = attribute(seen, "load_balancing.cross_zone.enabled")
                .map_or(Reading::Failed(ATTRIBUTES), Reading::Seen);
            load_balancer.access_logs =
                attribute(seen, "access_logs.s3.enabled").map_or(Reading::NotRead, Reading::Seen);
            // A Network Load Balancer has none.
            load_balancer.idle_timeout = attribute(seen, "idle_timeout.timeout_seconds")
                .map_or(Reading::NotRead, Reading::Seen);
        }
        // One finding says that the call was not answered.
        Err(error) => load_balancer.cross_zone = unread(ATTRIBUTES, &error),
    }
    load_balancer
}

fn attribute<T: FromStr>(seen: &[LoadBalancerAttribute], key: &str) -> Option<T> {
    let attribute = seen.iter().find(|attribute| attribute.key() == Some(key));
    attribute?.value()?.parse().ok()
}

fn unread<T, E>(call: &'static str, error: &SdkError<E, HttpResponse>) -> Reading<T>
where
    E: ProvideErrorMetadata,
{
    if StepError::of_call(call, error).name == ErrorName::Permission {
        Reading::NotAllowed(call)
    } else {
        Reading::Failed(call)
    }
}
