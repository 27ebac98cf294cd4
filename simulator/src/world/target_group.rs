//! Target groups and their attributes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::tags::Tags;
use super::target::Target;
use super::{ApiError, World};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetGroup {
    pub arn: String,
    pub name: String,
    /// `TCP`, `TLS`, `UDP`, `TCP_UDP`, `HTTP` or `HTTPS`.
    pub protocol: String,
    /// The port targets are registered with unless they say another.
    pub port: u16,
    pub vpc_id: Option<String>,
    /// `ip` or `instance`.
    pub target_type: String,
    pub health_check: HealthCheck,
    /// Attributes by key, as text.
    pub attributes: BTreeMap<String, String>,
    pub tags: Tags,
    /// Its targets by `id:port`.
    pub targets: BTreeMap<String, Target>,
    /// Only for HTTP and HTTPS.
    pub protocol_version: Option<String>,
    /// `ipv4` or `ipv6`.
    #[serde(default = "ipv4")]
    pub ip_address_type: String,
}

fn ipv4() -> String {
    "ipv4".to_owned()
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// TCP, HTTP or HTTPS.
    pub protocol: String,
    /// `traffic-port` or a number.
    pub port: String,
    /// Only for HTTP and HTTPS.
    pub path: Option<String>,
    /// The HTTP codes that are good; only for HTTP and HTTPS.
    pub matcher: Option<String>,
    /// Seconds between two checks of a target.
    pub interval_seconds: u64,
    /// Seconds after which no answer is a failure.
    pub timeout_seconds: u64,
    /// Passed checks in a row that make a target healthy.
    pub healthy_threshold: u32,
    /// Failed checks in a row that make a target unhealthy.
    pub unhealthy_threshold: u32,
}

impl TargetGroup {
    /// `deregistration_delay.timeout_seconds`: 0 to 3600, by default 300 (Model).
    pub fn deregistration_delay_seconds(&self) -> u64 {
        self.attributes
            .get("deregistration_delay.timeout_seconds")
            .and_then(|seconds| seconds.parse().ok())
            .unwrap_or(300)
    }
}

pub(crate) fn is_http(protocol: &str) -> bool {
    matches!(protocol, "HTTP" | "HTTPS")
}

/// Attributes by key, from lines `KEY=VALUE`.
pub(crate) fn attributes(lines: &str) -> BTreeMap<String, String> {
    let pairs = lines.lines().filter_map(|line| line.split_once('='));
    let pairs = pairs.map(|(key, value)| (key.to_owned(), value.to_owned()));
    pairs.collect()
}

/// The attributes a new group has, and so all that can be set (Model).
pub(crate) fn default_attributes(protocol: &str, target_type: &str) -> BTreeMap<String, String> {
    let of_its_protocol = if is_http(protocol) {
        attributes(OF_HTTP_GROUPS)
    } else {
        let udp = protocol.contains("UDP");
        let keeps_client_ip = udp || target_type == "instance";
        attributes(&format!(
            "\
stickiness.type=source_ip
deregistration_delay.connection_termination.enabled={udp}
preserve_client_ip.enabled={keeps_client_ip}
proxy_protocol_v2.enabled=false
target_health_state.unhealthy.connection_termination.enabled={}
target_health_state.unhealthy.draining_interval_seconds=0",
            !udp
        ))
    };
    let mut all = attributes(OF_ALL_GROUPS);
    all.extend(of_its_protocol);
    all
}

const OF_ALL_GROUPS: &str = "\
deregistration_delay.timeout_seconds=300
stickiness.enabled=false
load_balancing.cross_zone.enabled=use_load_balancer_configuration
target_group_health.dns_failover.minimum_healthy_targets.count=1
target_group_health.dns_failover.minimum_healthy_targets.percentage=off
target_group_health.unhealthy_state_routing.minimum_healthy_targets.count=1
target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage=off";

const OF_HTTP_GROUPS: &str = "\
stickiness.type=lb_cookie
stickiness.lb_cookie.duration_seconds=86400
stickiness.app_cookie.cookie_name=
stickiness.app_cookie.duration_seconds=86400
load_balancing.algorithm.type=round_robin
load_balancing.algorithm.anomaly_mitigation=off
slow_start.duration_seconds=0";

impl World {
    /// The load balancers whose listeners or rules forward to a group, weight 0 included (Docs).
    pub fn load_balancers_of(&self, group: &str) -> Vec<String> {
        let mut arns: Vec<_> = self
            .listeners
            .values()
            .filter(|listener| listener.forwards_to(group))
            .map(|listener| listener.load_balancer_arn.clone())
            .collect();
        arns.sort();
        arns.dedup();
        arns
    }

    pub(crate) fn kinds_using(&self, group: &str) -> Vec<super::Kind> {
        self.load_balancers_of(group)
            .iter()
            .filter_map(|arn| self.load_balancers.get(arn))
            .map(|load_balancer| load_balancer.kind)
            .collect()
    }

    pub(crate) fn group(&self, arn: &str) -> Result<&TargetGroup, ApiError> {
        self.target_groups
            .get(arn)
            .ok_or_else(ApiError::target_group_not_found)
    }
}
