//! How load balancers and target groups are set up: what preflight has findings about.

use std::collections::BTreeMap;

/// How a target group checks its targets and treats their connections.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupSettings {
    /// `ip`, `instance`, `alb` or `lambda`.
    pub target_type: String,
    /// `TCP`, `TLS`, `UDP`, `TCP_UDP`, `HTTP` or `HTTPS`.
    pub protocol: String,
    /// `HTTP1`, `HTTP2` or `GRPC`; `None` for other protocols than HTTP and HTTPS.
    pub protocol_version: Option<String>,
    /// `ipv4` or `ipv6`.
    pub ip_address_type: String,
    /// The port of targets that name none.
    pub port: Option<u16>,
    /// Its network.
    pub vpc: Option<String>,
    /// How its targets are checked.
    pub health_check: HealthCheck,
    /// `stickiness.enabled`.
    pub sticky: bool,
    /// `target_health_state.unhealthy.connection_termination.enabled`: a target that turns unhealthy
    /// loses all its connections.
    pub ends_unhealthy: bool,
    /// `deregistration_delay.connection_termination.enabled`: the load balancer ends what is left of
    /// a target's connections at the end of the deregistration delay.
    pub ends_deregistered: bool,
    /// `preserve_client_ip.enabled`; `None` where the group does not have the attribute.
    pub keeps_client_ip: Option<bool>,
    /// `load_balancing.cross_zone.enabled`; `None` where the load balancer's own setting counts.
    pub cross_zone: Option<bool>,
    /// The `CloudFormation` stack that its tags name.
    pub stack: Option<String>,
    /// Every attribute as it was read.
    pub attributes: BTreeMap<String, String>,
}

/// How the targets of a group are checked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HealthCheck {
    /// `TCP`, `HTTP` or `HTTPS`.
    pub protocol: String,
    /// `traffic-port` or a number.
    pub port: String,
    /// What is asked for, with HTTP and HTTPS.
    pub path: Option<String>,
    /// The codes that are good, with HTTP and HTTPS.
    pub matcher: Option<String>,
    /// Seconds between two checks of a target.
    pub interval: u32,
    /// Seconds after which no answer is a failure.
    pub timeout: u32,
    /// Passed checks in a row that make a target healthy.
    pub healthy_threshold: u32,
    /// Failed checks in a row that make a target unhealthy.
    pub unhealthy_threshold: u32,
}

impl HealthCheck {
    /// Seconds of passed checks until a target is healthy.
    pub fn seconds_to_healthy(&self) -> u32 {
        self.interval.saturating_mul(self.healthy_threshold)
    }

    /// Seconds of failed checks until a target is unhealthy.
    pub fn seconds_to_unhealthy(&self) -> u32 {
        self.interval.saturating_mul(self.unhealthy_threshold)
    }
}

/// Something that only preflight reads, and that a deployment can do without.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Reading<T> {
    /// Not read: only preflight reads it.
    #[default]
    NotRead,
    /// It was read.
    Seen(T),
    /// The caller may not make this call, as IAM names it.
    NotAllowed(&'static str),
    /// This call failed.
    Failed(&'static str),
}

impl<T> Reading<T> {
    /// What was read.
    pub fn seen(&self) -> Option<&T> {
        match self {
            Self::Seen(value) => Some(value),
            Self::NotRead | Self::NotAllowed(_) | Self::Failed(_) => None,
        }
    }
}
