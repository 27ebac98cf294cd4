//! Creating and describing target groups and the health of their targets.

use serde::Deserialize;

use super::name::{self, Page, not_of};
use super::tags::{self, Tag};
use super::target::Registration;
use super::target_group::{self, HealthCheck, TargetGroup, is_http};
use super::target_group_check::{
    check_attribute, check_group_name, check_health_check_protocol, check_timeout,
};
use super::text::parsed;
use super::{ApiError, HealthState, World};

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct CreateTargetGroup {
    pub name: String,
    pub protocol: Option<String>,
    pub protocol_version: Option<String>,
    #[serde(deserialize_with = "parsed")]
    pub port: Option<u16>,
    pub vpc_id: Option<String>,
    pub target_type: Option<String>,
    pub health_check_protocol: Option<String>,
    pub health_check_port: Option<String>,
    pub health_check_path: Option<String>,
    #[serde(deserialize_with = "parsed")]
    pub health_check_enabled: Option<bool>,
    #[serde(deserialize_with = "parsed")]
    pub health_check_interval_seconds: Option<u64>,
    #[serde(deserialize_with = "parsed")]
    pub health_check_timeout_seconds: Option<u64>,
    #[serde(deserialize_with = "parsed")]
    pub healthy_threshold_count: Option<u32>,
    #[serde(deserialize_with = "parsed")]
    pub unhealthy_threshold_count: Option<u32>,
    pub matcher: Option<Matcher>,
    pub ip_address_type: Option<String>,
    pub tags: Vec<Tag>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Matcher {
    pub http_code: Option<String>,
    pub grpc_code: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct DescribeTargetGroups {
    pub load_balancer_arn: Option<String>,
    pub target_group_arns: Vec<String>,
    pub names: Vec<String>,
    pub marker: Option<String>,
    #[serde(deserialize_with = "parsed")]
    pub page_size: Option<usize>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct TargetDescription {
    pub id: String,
    #[serde(default, deserialize_with = "parsed")]
    pub port: Option<u16>,
    pub availability_zone: Option<String>,
}

/// What `DescribeTargetHealth`, `RegisterTargets` and `DeregisterTargets` take here.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct DescribeTargetHealth {
    pub target_group_arn: String,
    pub targets: Vec<TargetDescription>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetHealth {
    pub(crate) id: String,
    pub(crate) port: u16,
    pub(crate) zone: Option<String>,
    pub(crate) health_check_port: String,
    pub(crate) health: HealthState,
}

impl World {
    /// `elasticloadbalancing:CreateTargetGroup`; the same name with the same settings answers the
    /// group that exists.
    pub fn create_target_group(&mut self, request: &CreateTargetGroup) -> Result<String, ApiError> {
        let mut group = new_group(request)?;
        let existing = self
            .target_groups
            .values()
            .find(|known| known.name == group.name);
        if let Some(known) = existing {
            let same = known.protocol == group.protocol
                && known.port == group.port
                && known.target_type == group.target_type
                && known.vpc_id == group.vpc_id
                && known.health_check == group.health_check;
            if same {
                return Ok(known.arn.clone());
            }
            let message = format!(
                "A target group with the same name '{}' exists, but with different settings",
                group.name
            );
            return Err(ApiError::new("DuplicateTargetGroupName", message));
        }
        group.tags = tags::parse_elb(&request.tags)?;
        let hex = self.hex16();
        Ok(self.insert_target_group(group, &hex))
    }

    /// A target group with a given number, for a world that has to match names from outside.
    pub(crate) fn put_target_group(
        &mut self,
        request: &CreateTargetGroup,
        hex: &str,
    ) -> Result<String, ApiError> {
        let group = new_group(request)?;
        Ok(self.insert_target_group(group, hex))
    }

    fn insert_target_group(&mut self, mut group: TargetGroup, hex: &str) -> String {
        let arn = self.elb_arn(&format!("targetgroup/{}/{hex}", group.name));
        group.arn.clone_from(&arn);
        self.target_groups.insert(arn.clone(), group);
        arn
    }

    /// `elasticloadbalancing:DeleteTargetGroup`: one that no listener or rule uses; one that is not there is
    /// deleted too.
    pub(crate) fn delete_target_group(&mut self, arn: &str) -> Result<(), ApiError> {
        if self.used_groups().contains(arn) {
            let message =
                format!("Target group '{arn}' is currently in use by a listener or a rule");
            return Err(ApiError::new("ResourceInUse", message));
        }
        let targets = self
            .target_groups
            .get(arn)
            .map(|group| group.targets.keys());
        let targets: Vec<_> = targets.into_iter().flatten().cloned().collect();
        for target in targets {
            self.remove_target(arn, &target);
        }
        self.target_groups.remove(arn);
        Ok(())
    }

    /// `elasticloadbalancing:DescribeTargetGroups`. Without a filter: every group in the account
    /// (Model).
    pub fn describe_target_groups(
        &self,
        request: &DescribeTargetGroups,
    ) -> Result<Page<&TargetGroup>, ApiError> {
        let filters = [
            request.load_balancer_arn.is_some(),
            !request.target_group_arns.is_empty(),
            !request.names.is_empty(),
        ];
        if filters.iter().filter(|given| **given).count() > 1 {
            return Err(ApiError::validation(
                "Load balancer ARN, target group ARNs and target group names cannot be specified at the same time",
            ));
        }
        if let Some(arn) = &request.load_balancer_arn {
            self.load_balancer(arn)?;
        }
        for arn in &request.target_group_arns {
            self.group(arn)?;
        }
        for name in &request.names {
            if !self.target_groups.values().any(|group| group.name == *name) {
                return Err(ApiError::target_group_not_found());
            }
        }
        let groups = self
            .target_groups
            .values()
            .filter(|group| {
                let wanted = request.load_balancer_arn.as_ref();
                wanted.is_none_or(|arn| self.load_balancers_of(&group.arn).contains(arn))
            })
            .filter(|group| is_asked(&request.target_group_arns, &group.arn))
            .filter(|group| is_asked(&request.names, &group.name))
            .collect::<Vec<_>>();
        // So moto has it; that it is not an empty list is the harsher answer.
        if groups.is_empty() && request.load_balancer_arn.is_some() {
            return Err(ApiError::target_group_not_found());
        }
        self.elb_page(groups, request.marker.as_deref(), request.page_size)
    }

    /// `elasticloadbalancing:ModifyTargetGroupAttributes`: all or none.
    pub fn modify_target_group_attributes(
        &mut self,
        arn: &str,
        attributes: &[(String, String)],
    ) -> Result<(), ApiError> {
        let group = self.group(arn)?;
        for (key, value) in attributes {
            if key == "stickiness.type" {
                group.check_stickiness_type(value)?;
            }
            check_attribute(&group.attributes, key, value, "Target group")?;
        }
        group.check_stickiness(attributes)?;
        if let Some(group) = self.target_groups.get_mut(arn) {
            group.attributes.extend(attributes.iter().cloned());
        }
        Ok(())
    }

    /// `elasticloadbalancing:RegisterTargets`: all or none. What no task serves fails its health checks.
    pub fn register_targets(&mut self, request: &DescribeTargetHealth) -> Result<(), ApiError> {
        let group = self.group(&request.target_group_arn)?;
        if request.targets.is_empty() {
            return Err(ApiError::validation("Targets must be specified"));
        }
        for target in &request.targets {
            group.check_target(&target.id, target.availability_zone.as_deref())?;
        }
        let (group, usual_port) = (group.arn.clone(), group.port);
        for target in &request.targets {
            let place = Registration {
                group: group.clone(),
                id: target.id.clone(),
                port: target.port.unwrap_or(usual_port),
            };
            self.register_target(&place, target.availability_zone.as_deref());
        }
        Ok(())
    }

    /// `elasticloadbalancing:DeregisterTargets`. A target that is not registered is no error.
    pub fn deregister_targets(&mut self, request: &DescribeTargetHealth) -> Result<(), ApiError> {
        let group = self.group(&request.target_group_arn)?;
        if request.targets.is_empty() {
            return Err(ApiError::validation("Targets must be specified"));
        }
        let (group, usual_port) = (group.arn.clone(), group.port);
        for target in &request.targets {
            self.deregister_target(&Registration {
                group: group.clone(),
                id: target.id.clone(),
                port: target.port.unwrap_or(usual_port),
            });
        }
        Ok(())
    }

    /// `elasticloadbalancing:DescribeTargetHealth`: of all targets, or of those asked for; one that
    /// is not registered is `unused` / `Target.NotRegistered`.
    pub fn describe_target_health(
        &self,
        request: &DescribeTargetHealth,
    ) -> Result<Vec<TargetHealth>, ApiError> {
        let group = self.group(&request.target_group_arn)?;
        let all = group
            .targets
            .values()
            .map(|target| (&target.id, target.port));
        let asked = request.targets.iter();
        let asked = asked.map(|target| (&target.id, target.port.unwrap_or(group.port)));
        let asked: Vec<_> = if request.targets.is_empty() {
            all.collect()
        } else {
            asked.collect()
        };
        let health = asked.into_iter().map(|(id, port)| {
            let known = group.targets.get(&format!("{id}:{port}"));
            TargetHealth {
                id: id.clone(),
                port,
                zone: known.and_then(|target| target.zone.clone()),
                health_check_port: match group.health_check.port.as_str() {
                    "traffic-port" => port.to_string(),
                    other => other.to_owned(),
                },
                health: known.map_or(NOT_REGISTERED, |target| target.phase.health()),
            }
        });
        Ok(health.collect())
    }

    pub(crate) fn elb_page<T>(
        &self,
        items: Vec<T>,
        marker: Option<&str>,
        size: Option<usize>,
    ) -> Result<Page<T>, ApiError> {
        if size.is_some_and(|size| !(1..=400).contains(&size)) {
            return Err(ApiError::validation("Page size must be between 1 and 400"));
        }
        let size = size.unwrap_or(self.limits.elb_page);
        name::page(items, marker, size, || {
            ApiError::validation(format!("Invalid marker '{}'", marker.unwrap_or_default()))
        })
    }
}

/// Whether a list of names is no filter, or has this one.
pub(crate) fn is_asked(names: &[String], name: &String) -> bool {
    names.is_empty() || names.contains(name)
}

const NOT_REGISTERED: HealthState = HealthState {
    state: "unused",
    reason: Some("Target.NotRegistered"),
    description: Some("Target is not registered to the target group"),
};

/// The group that a request describes, not yet named or tagged.
fn new_group(request: &CreateTargetGroup) -> Result<TargetGroup, ApiError> {
    check_group_name(&request.name)?;
    let target_type = request.target_type.as_deref().unwrap_or("instance");
    if !["ip", "instance"].contains(&target_type) {
        return Err(ApiError::validation(format!(
            "This simulated load balancer has no targets of type '{target_type}'"
        )));
    }
    let missing = |what: &str| ApiError::validation(format!("A {what} must be specified"));
    let protocol = request
        .protocol
        .clone()
        .ok_or_else(|| missing("protocol"))?;
    let port = request.port.ok_or_else(|| missing("port"))?;
    let known = ["HTTP", "HTTPS", "TCP", "TLS", "UDP", "TCP_UDP"];
    if !known.contains(&protocol.as_str()) {
        return Err(not_of(&protocol, "protocol", &known));
    }
    let vpc_id = request.vpc_id.as_ref().ok_or_else(|| missing("VPC ID"))?;
    if !vpc_id.starts_with("vpc-") {
        let message = format!("The VPC ID '{vpc_id}' is not found");
        return Err(ApiError::validation(message));
    }
    if request.health_check_enabled == Some(false) {
        let message = format!(
            "Health check enabled must be true for target groups with target type '{target_type}'"
        );
        return Err(ApiError::new("InvalidConfigurationRequest", message));
    }
    let version = request.protocol_version.as_deref().unwrap_or("HTTP1");
    let ip_address_type = request.ip_address_type.as_deref().unwrap_or("ipv4");
    if !["ipv4", "ipv6"].contains(&ip_address_type) {
        return Err(not_of(ip_address_type, "ipAddressType", &["ipv4", "ipv6"]));
    }
    Ok(TargetGroup {
        arn: String::new(),
        name: request.name.clone(),
        health_check: health_check(request, &protocol)?,
        attributes: target_group::default_attributes(&protocol, target_type),
        protocol_version: is_http(&protocol).then(|| version.to_owned()),
        protocol,
        port,
        vpc_id: request.vpc_id.clone(),
        target_type: target_type.to_owned(),
        ip_address_type: ip_address_type.to_owned(),
        tags: super::Tags::new(),
        targets: std::collections::BTreeMap::new(),
    })
}

/// The defaults of AWS: interval 30 s, 5 passes, 2 failures (Docs).
fn health_check(request: &CreateTargetGroup, protocol: &str) -> Result<HealthCheck, ApiError> {
    let (usual_protocol, usual_timeout) = if is_http(protocol) {
        (protocol, 5)
    } else {
        ("TCP", 10)
    };
    let check_protocol = request.health_check_protocol.as_deref();
    let check_protocol = check_protocol.unwrap_or(usual_protocol);
    check_health_check_protocol(check_protocol, protocol)?;
    let interval = request.health_check_interval_seconds.unwrap_or(30);
    let timeout = request.health_check_timeout_seconds;
    let timeout = timeout.unwrap_or(usual_timeout);
    let healthy = request.healthy_threshold_count.unwrap_or(5);
    let unhealthy = request.unhealthy_threshold_count.unwrap_or(2);
    for (what, value, least, most) in [
        ("Health check interval", interval, 5, 300),
        ("Health check timeout", timeout, 2, 120),
        ("Healthy threshold count", healthy.into(), 2, 10),
        ("Unhealthy threshold count", unhealthy.into(), 2, 10),
    ] {
        if !(least..=most).contains(&value) {
            let message = format!("{what} must be between {least} and {most}");
            return Err(ApiError::validation(message));
        }
    }
    check_timeout(timeout, interval, protocol)?;
    let port = request.health_check_port.as_deref();
    let path = request.health_check_path.as_deref().unwrap_or("/");
    let codes = request.matcher.as_ref();
    let codes = codes.and_then(|matcher| matcher.http_code.as_deref());
    let of_http = |text: &str| is_http(check_protocol).then(|| text.to_owned());
    Ok(HealthCheck {
        protocol: check_protocol.to_owned(),
        port: port.unwrap_or("traffic-port").to_owned(),
        path: of_http(path),
        matcher: of_http(codes.unwrap_or("200")),
        interval_seconds: interval,
        timeout_seconds: timeout,
        healthy_threshold: healthy,
        unhealthy_threshold: unhealthy,
    })
}

impl CreateTargetGroup {
    /// A request for a group of `ip` targets with nothing but a name and the simulated network.
    pub fn ip(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            target_type: Some("ip".to_owned()),
            vpc_id: Some(name::VPC_ID.to_owned()),
            ..Self::default()
        }
    }
}
