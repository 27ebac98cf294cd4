//! Elastic Load Balancing resources as the API writes them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::list;
use crate::world::{
    Action, EXTRA_PARAMETERS, Forward, Kind, Listener, LoadBalancer, Rule, TargetGroup,
    TargetHealth, World, type_of,
};

/// ISO 8601, as awsQuery writes instants.
fn timestamp(epoch_ms: u64) -> Option<String> {
    let millis = i64::try_from(epoch_ms).ok()?;
    let timestamp = jiff::Timestamp::from_millisecond(millis).ok()?;
    Some(timestamp.to_string())
}

/// `{Key, Value}`: attributes and tags.
pub(super) fn pairs(pairs: &BTreeMap<String, String>) -> Value {
    pairs
        .iter()
        .map(|(key, value)| json!({ "Key": key, "Value": value }))
        .collect()
}

pub(super) fn load_balancer(world: &World, load_balancer: &LoadBalancer) -> Value {
    let subnets = load_balancer.subnets.iter().enumerate();
    let zones = subnets.map(|(index, subnet)| {
        json!({ "ZoneName": world.zone(index), "SubnetId": subnet, "LoadBalancerAddresses": [] })
    });
    let active_at = load_balancer.created_at_ms + world.timings.load_balancer_provisioning_ms;
    let is_active = world.epoch_ms() >= active_at;
    json!({
        "LoadBalancerArn": load_balancer.arn,
        "DNSName": dns_name(load_balancer, &world.region),
        "CanonicalHostedZoneId": "Z0000000000000",
        "CreatedTime": timestamp(load_balancer.created_at_ms),
        "LoadBalancerName": load_balancer.name,
        "Scheme": load_balancer.scheme,
        "VpcId": load_balancer.vpc_id,
        "State": { "Code": if is_active { "active" } else { "provisioning" } },
        "Type": load_balancer.kind,
        "AvailabilityZones": zones.collect::<Value>(),
        "SecurityGroups": load_balancer.security_groups,
        "IpAddressType": load_balancer.ip_address_type,
    })
}

/// Of another form for each kind (Docs: examples).
fn dns_name(load_balancer: &LoadBalancer, region: &str) -> String {
    let name = &load_balancer.name;
    let hex = load_balancer.arn.rsplit('/').next().unwrap_or_default();
    match load_balancer.kind {
        Kind::Network => format!("{name}-{hex}.elb.{region}.amazonaws.com"),
        Kind::Application => {
            let number = u64::from_str_radix(hex, 16).unwrap_or_default() % 10_000_000_000;
            let internal = load_balancer.scheme == "internal";
            let internal = if internal { "internal-" } else { "" };
            format!("{internal}{name}-{number}.{region}.elb.amazonaws.com")
        }
    }
}

pub(super) fn target_group(world: &World, group: &TargetGroup) -> Value {
    let check = &group.health_check;
    json!({
        "TargetGroupArn": group.arn,
        "TargetGroupName": group.name,
        "Protocol": group.protocol,
        "ProtocolVersion": group.protocol_version,
        "Port": group.port,
        "VpcId": group.vpc_id,
        "HealthCheckProtocol": check.protocol,
        "HealthCheckPort": check.port,
        "HealthCheckEnabled": true,
        "HealthCheckIntervalSeconds": check.interval_seconds,
        "HealthCheckTimeoutSeconds": check.timeout_seconds,
        "HealthyThresholdCount": check.healthy_threshold,
        "UnhealthyThresholdCount": check.unhealthy_threshold,
        "HealthCheckPath": check.path,
        "Matcher": check.matcher.as_ref().map(|codes| json!({ "HttpCode": codes })),
        "LoadBalancerArns": world.load_balancers_of(&group.arn),
        "TargetType": group.target_type,
        "IpAddressType": group.ip_address_type,
    })
}

pub(super) fn target_health(target: &TargetHealth) -> Value {
    json!({
        "Target": { "Id": target.id, "Port": target.port, "AvailabilityZone": target.zone },
        "HealthCheckPort": target.health_check_port,
        "TargetHealth": {
            "State": target.health.state,
            "Reason": target.health.reason,
            "Description": target.health.description,
        },
    })
}

pub(super) fn listener(listener: &Listener) -> Value {
    json!({
        "ListenerArn": listener.arn,
        "LoadBalancerArn": listener.load_balancer_arn,
        "Port": listener.port,
        "Protocol": listener.protocol,
        "Certificates": (!listener.certificates.is_empty()).then_some(&listener.certificates),
        "SslPolicy": listener.ssl_policy,
        "DefaultActions": list(&listener.default_actions, action),
        "AlpnPolicy": (!listener.alpn_policy.is_empty()).then_some(&listener.alpn_policy),
        "MutualAuthentication": listener.mutual_authentication,
    })
}

pub(super) fn rule(rule: &Rule) -> Value {
    json!({
        "RuleArn": rule.arn,
        "Priority": rule.priority.map_or_else(|| "default".to_owned(), |number| number.to_string()),
        "Conditions": rule.conditions,
        "Actions": list(&rule.actions, action),
        "IsDefault": rule.priority.is_none(),
        "Transforms": rule.transforms,
    })
}

fn action(action: &Action) -> Value {
    match action {
        Action::Forward(forward) => json!({
            "Type": "forward",
            "Order": forward.order,
            "TargetGroupArn": only_group(forward),
            "ForwardConfig": {
                "TargetGroups": list(&forward.groups, |group| {
                    json!({ "TargetGroupArn": group.arn, "Weight": group.weight })
                }),
                "TargetGroupStickinessConfig": {
                    "Enabled": forward.stickiness.enabled,
                    "DurationSeconds": forward.stickiness.duration_seconds,
                },
            },
        }),
        Action::Answer {
            order,
            config_name,
            config,
            secret: _,
        } => {
            let mut config = config.clone();
            if let Some(parameters) = config.get_mut(EXTRA_PARAMETERS) {
                *parameters = entries(parameters);
            }
            json!({ "Type": type_of(config_name), "Order": order, config_name.clone(): config })
        }
    }
}

/// A map of awsQuery: `<entry><key>…</key><value>…</value></entry>`.
fn entries(map: &Value) -> Value {
    let entries = map.as_object().into_iter().flatten();
    let entries = entries.map(|(key, value)| json!({ "key": key, "value": value }));
    json!({ "entry": entries.collect::<Value>() })
}

/// With one group it is named the short way as well; with several it is not.
fn only_group(forward: &Forward) -> Option<&str> {
    match forward.groups.as_slice() {
        [only] => Some(&only.arn),
        _ => None,
    }
}
