//! Target groups and their attributes.

use std::collections::BTreeMap;
use std::net::IpAddr;

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

    /// An instance by its id; an address of the network, or of another private network with a zone (Model, Docs: no
    /// address that is routed publicly).
    pub(crate) fn check_target(&self, id: &str, zone: Option<&str>) -> Result<(), ApiError> {
        let problem = if self.target_type == "instance" {
            if zone.is_some() {
                "An Availability Zone cannot be specified for an instance".to_owned()
            } else if id.starts_with("i-") {
                return Ok(());
            } else {
                format!("Instance ID '{id}' is not valid")
            }
        } else {
            match id.parse() {
                Ok(IpAddr::V4(address)) if self.ip_address_type == "ipv4" => {
                    match (address.octets(), zone) {
                        ([10, ..], _) => return Ok(()),
                        ([172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..], Some(_)) => {
                            return Ok(());
                        }
                        ([172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..], None) => {
                            format!(
                                "An Availability Zone must be specified for the IP address '{id}', which is outside of the VPC"
                            )
                        }
                        _ => format!("The IP address '{id}' is not a private IP address"),
                    }
                }
                Ok(IpAddr::V6(_)) if self.ip_address_type == "ipv6" => return Ok(()),
                Ok(_) | Err(_) => {
                    format!("'{id}' is not a valid {} address", self.ip_address_type)
                }
            }
        };
        Err(ApiError::validation(problem))
    }

    /// Cookies are an Application Load Balancer's, the client's address is a Network Load Balancer's (Model; AWS's
    /// words: Field, moto's tests).
    pub(crate) fn check_stickiness_type(&self, wanted: &str) -> Result<(), ApiError> {
        let protocol = &self.protocol;
        match wanted {
            "lb_cookie" | "app_cookie" if is_http(protocol) => Ok(()),
            "source_ip" if !is_http(protocol) => Ok(()),
            "lb_cookie" | "app_cookie" | "source_ip" => Err(ApiError::new(
                "InvalidConfigurationRequest",
                format!(
                    "Stickiness type '{wanted}' is not supported for target groups with the {protocol} protocol"
                ),
            )),
            _ => Err(ApiError::validation(
                "'Stickiness type' must be one of [app_cookie, lb_cookie, source_ip]",
            )),
        }
    }

    /// What its stickiness would be: not for TLS, and an application's cookie has a name.
    pub(crate) fn check_stickiness(&self, given: &[(String, String)]) -> Result<(), ApiError> {
        let after = |wanted: &str| {
            let changed = given.iter().rfind(|(key, _)| key == wanted);
            let known = || self.attributes.get(wanted);
            changed.map(|(_, value)| value).or_else(known)
        };
        let is = |key: &str, value: &str| after(key).is_some_and(|after| after == value);
        if !is("stickiness.enabled", "true") {
            return Ok(());
        }
        let problem = if self.protocol == "TLS" {
            "You cannot enable stickiness on target groups with the TLS protocol"
        } else if is("stickiness.type", "app_cookie") && is("stickiness.app_cookie.cookie_name", "")
        {
            "You must set an application cookie name to enable stickiness of type 'app_cookie'"
        } else {
            return Ok(());
        };
        Err(ApiError::new("InvalidConfigurationRequest", problem))
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

/// Checks a new value against what the attribute's name says about it.
pub(crate) fn check_attribute(
    known: &BTreeMap<String, String>,
    key: &str,
    value: &str,
    of: &str,
) -> Result<(), ApiError> {
    if !known.contains_key(key) {
        let message = format!("{of} attribute key '{key}' is not recognized");
        return Err(ApiError::validation(message));
    }
    let fits = match key {
        "deregistration_delay.timeout_seconds" => in_range(value, 0, 3_600),
        "slow_start.duration_seconds" => value == "0" || in_range(value, 30, 900),
        "idle_timeout.timeout_seconds" => in_range(value, 1, 4_000),
        "load_balancing.cross_zone.enabled" if of == "Target group" => {
            matches!(value, "true" | "false" | "use_load_balancer_configuration")
        }
        _ if key.ends_with(".enabled") => matches!(value, "true" | "false"),
        _ if key.ends_with("_seconds") => in_range(value, 0, 604_800),
        _ => true,
    };
    if fits {
        Ok(())
    } else {
        Err(ApiError::validation(format!(
            "{of} attribute value '{value}' for key '{key}' is not valid"
        )))
    }
}

fn in_range(value: &str, least: u64, most: u64) -> bool {
    value
        .parse::<u64>()
        .is_ok_and(|number| (least..=most).contains(&number))
}

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
