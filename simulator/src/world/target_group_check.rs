//! How requests for target groups, their attributes and their targets are checked.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::name::{check_name, not_of};
use super::target_group::is_http;
use super::{ApiError, TargetGroup};

/// No hyphen at either end, nor two in a row: AWS's pattern (Field: moto's tests).
pub(crate) fn check_group_name(name: &str) -> Result<(), ApiError> {
    check_name(name, "Target group")?;
    if !name.starts_with('-') && !name.ends_with('-') && !name.contains("--") {
        return Ok(());
    }
    Err(ApiError::validation(format!(
        "1 validation error detected: Value '{name}' at 'targetGroup.targetGroupArn.targetGroupName' failed to satisfy constraint: Member must satisfy regular expression pattern: (?!.*--)(?!^-)(?!.*-$)^[A-Za-z0-9-]+$"
    )))
}

/// Checks are made over HTTP and HTTPS, and over TCP where the group is not of an Application Load Balancer
/// (Model).
pub(crate) fn check_health_check_protocol(checked: &str, protocol: &str) -> Result<(), ApiError> {
    match checked {
        "HTTP" | "HTTPS" => Ok(()),
        "TCP" if !is_http(protocol) => Ok(()),
        "TCP" | "TLS" | "UDP" | "TCP_UDP" | "GENEVE" => Err(ApiError::validation(format!(
            "Health check protocol '{checked}' is not supported for target groups with the protocol '{protocol}'"
        ))),
        other => Err(not_of(
            other,
            "healthCheckProtocol",
            &["HTTP", "HTTPS", "TCP"],
        )),
    }
}

/// Less than the interval; for a Network Load Balancer at most as long (AWS's words, Field: moto's tests).
pub(crate) fn check_timeout(timeout: u64, interval: u64, protocol: &str) -> Result<(), ApiError> {
    let (fits, be) = if is_http(protocol) {
        (timeout < interval, "smaller than")
    } else {
        (timeout <= interval, "smaller than or equal to")
    };
    if fits {
        return Ok(());
    }
    let message =
        format!("Health check timeout '{timeout}' must be {be} the interval '{interval}'");
    Err(ApiError::validation(message))
}

impl TargetGroup {
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
