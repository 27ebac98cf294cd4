//! Load balancers and their attributes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::name::{Page, VPC_ID, check_name, not_of};
use super::tags::{self, Tag, Tags};
use super::target_group::attributes;
use super::target_group_api::is_asked;
use super::target_group_check::check_attribute;
use super::text::parsed;
use super::{ApiError, World};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadBalancer {
    /// Its ARN: `loadbalancer/net/NAME/HEX` or `loadbalancer/app/NAME/HEX`.
    pub arn: String,
    pub name: String,
    pub kind: Kind,
    /// `internet-facing` or `internal`.
    pub scheme: String,
    /// `ipv4` or `dualstack`.
    #[serde(default = "ipv4")]
    pub ip_address_type: String,
    pub vpc_id: String,
    /// Its subnets, one an Availability Zone.
    pub subnets: Vec<String>,
    pub security_groups: Vec<String>,
    pub created_at_ms: u64,
    /// Attributes by key, as text.
    pub attributes: BTreeMap<String, String>,
    pub tags: Tags,
}

fn ipv4() -> String {
    "ipv4".to_owned()
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// Connections: TCP, TLS, UDP.
    #[default]
    Network,
    /// Requests: HTTP, HTTPS.
    Application,
}

impl Kind {
    fn in_arn(self) -> &'static str {
        match self {
            Self::Network => "net",
            Self::Application => "app",
        }
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct CreateLoadBalancer {
    pub name: String,
    pub subnets: Vec<String>,
    pub security_groups: Vec<String>,
    pub scheme: Option<String>,
    pub r#type: Option<String>,
    pub ip_address_type: Option<String>,
    pub tags: Vec<Tag>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct DescribeLoadBalancers {
    pub load_balancer_arns: Vec<String>,
    pub names: Vec<String>,
    pub marker: Option<String>,
    #[serde(deserialize_with = "parsed")]
    pub page_size: Option<usize>,
}

/// A load balancer with the name and number another program gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedLoadBalancer {
    pub kind: Kind,
    pub name: String,
    /// The 16 hexadecimal digits at the end of its ARN.
    pub hex: String,
}

impl World {
    /// `elasticloadbalancing:CreateLoadBalancer`; the same name with the same settings answers the
    /// one that exists.
    pub fn create_load_balancer(
        &mut self,
        request: &CreateLoadBalancer,
    ) -> Result<String, ApiError> {
        check_load_balancer_name(&request.name)?;
        let kind = match request.r#type.as_deref() {
            None | Some("application") => Kind::Application,
            Some("network") => Kind::Network,
            Some(other) => {
                return Err(ApiError::validation(format!(
                    "This simulated account has no load balancers of type '{other}'"
                )));
            }
        };
        let scheme = request.scheme.as_deref().unwrap_or("internet-facing");
        if !["internet-facing", "internal"].contains(&scheme) {
            let message = format!("Scheme '{scheme}' is not valid");
            return Err(ApiError::new("InvalidScheme", message));
        }
        let ip_address_type = request.ip_address_type.as_deref().unwrap_or("ipv4");
        check_ip_address_type(ip_address_type)?;
        if request.subnets.is_empty() {
            let message = "At least one subnet must be specified";
            return Err(ApiError::validation(message));
        }
        let mut subnets = request.subnets.iter();
        if let Some(subnet) = subnets.find(|name| !name.starts_with("subnet-")) {
            let message = format!("The subnet ID '{subnet}' does not exist");
            return Err(ApiError::new("SubnetNotFound", message));
        }
        if kind == Kind::Application && request.subnets.len() < 2 {
            let message =
                "At least two subnets in two different Availability Zones must be specified";
            return Err(ApiError::validation(message));
        }
        if let Some(known) = self.load_balancer_named(&request.name) {
            if known.kind == kind && known.scheme == scheme && known.subnets == request.subnets {
                return Ok(known.arn.clone());
            }
            let message = format!(
                "A load balancer with the same name '{}' exists, but with different settings",
                request.name
            );
            return Err(ApiError::new("DuplicateLoadBalancerName", message));
        }
        let tags = tags::parse_elb(&request.tags)?;
        let named = NamedLoadBalancer {
            kind,
            name: request.name.clone(),
            hex: self.hex16(),
        };
        let arn = self.put_load_balancer(&named, &request.subnets, &request.security_groups);
        if let Some(load_balancer) = self.load_balancers.get_mut(&arn) {
            load_balancer.tags = tags;
            scheme.clone_into(&mut load_balancer.scheme);
            ip_address_type.clone_into(&mut load_balancer.ip_address_type);
        }
        Ok(arn)
    }

    /// A load balancer with a given name and number, for a world that has to match names from
    /// outside.
    pub fn put_load_balancer(
        &mut self,
        named: &NamedLoadBalancer,
        subnets: &[String],
        security_groups: &[String],
    ) -> String {
        let NamedLoadBalancer { kind, name, hex } = named;
        let arn = self.elb_arn(&format!("loadbalancer/{}/{name}/{hex}", kind.in_arn()));
        let load_balancer = LoadBalancer {
            arn: arn.clone(),
            name: name.clone(),
            kind: *kind,
            scheme: "internet-facing".to_owned(),
            ip_address_type: ipv4(),
            vpc_id: VPC_ID.to_owned(),
            subnets: subnets.to_vec(),
            security_groups: security_groups.to_vec(),
            created_at_ms: self.now_ms,
            attributes: default_attributes(*kind),
            tags: Tags::new(),
        };
        self.load_balancers.insert(arn.clone(), load_balancer);
        arn
    }

    /// `elasticloadbalancing:DescribeLoadBalancers`: all, by ARN, or by name.
    pub fn describe_load_balancers(
        &self,
        request: &DescribeLoadBalancers,
    ) -> Result<Page<&LoadBalancer>, ApiError> {
        for arn in &request.load_balancer_arns {
            self.load_balancer(arn)?;
        }
        for name in &request.names {
            if self.load_balancer_named(name).is_none() {
                let message = format!("Load balancers '[{name}]' not found");
                return Err(ApiError::new("LoadBalancerNotFound", message));
            }
        }
        let found = self.load_balancers.values();
        let found = found
            .filter(|known| is_asked(&request.load_balancer_arns, &known.arn))
            .filter(|known| is_asked(&request.names, &known.name))
            .collect();
        self.elb_page(found, request.marker.as_deref(), request.page_size)
    }

    pub fn set_ip_address_type(
        &mut self,
        arn: &str,
        ip_address_type: &str,
    ) -> Result<(), ApiError> {
        check_ip_address_type(ip_address_type)?;
        let known = self.load_balancers.get_mut(arn);
        let known = known.ok_or_else(|| ApiError::load_balancer_not_found(arn))?;
        ip_address_type.clone_into(&mut known.ip_address_type);
        Ok(())
    }

    /// `elasticloadbalancing:ModifyLoadBalancerAttributes`: all or none.
    pub fn modify_load_balancer_attributes(
        &mut self,
        arn: &str,
        attributes: &[(String, String)],
    ) -> Result<(), ApiError> {
        let known = self.load_balancer(arn)?;
        for (key, value) in attributes {
            check_attribute(&known.attributes, key, value, "Load balancer")?;
            let fixed = known.kind == Kind::Application
                && key == "load_balancing.cross_zone.enabled"
                && value != "true";
            if fixed {
                let message = "Cross-zone load balancing cannot be turned off for an Application Load Balancer";
                return Err(ApiError::new("InvalidConfigurationRequest", message));
            }
        }
        if let Some(load_balancer) = self.load_balancers.get_mut(arn) {
            load_balancer.attributes.extend(attributes.iter().cloned());
        }
        Ok(())
    }

    /// `elasticloadbalancing:DeleteLoadBalancer`, with its listeners; one that is not there is deleted too (Model).
    pub(crate) fn delete_load_balancer(&mut self, arn: &str) -> Result<(), ApiError> {
        let Some(known) = self.load_balancers.get(arn) else {
            return Ok(());
        };
        let protection = known.attributes.get("deletion_protection.enabled");
        if protection.is_some_and(|enabled| enabled == "true") {
            let message = format!(
                "Load balancer '{arn}' cannot be deleted because deletion protection is enabled"
            );
            return Err(ApiError::new("OperationNotPermitted", message));
        }
        let of_it = self
            .listeners
            .values()
            .filter(|one| one.load_balancer_arn == arn);
        let listeners: Vec<_> = of_it.map(|one| one.arn.clone()).collect();
        for listener in listeners {
            self.delete_listener(&listener)?;
        }
        self.load_balancers.remove(arn);
        Ok(())
    }

    pub(crate) fn load_balancer(&self, arn: &str) -> Result<&LoadBalancer, ApiError> {
        let found = self.load_balancers.get(arn);
        found.ok_or_else(|| ApiError::load_balancer_not_found(arn))
    }

    fn load_balancer_named(&self, name: &str) -> Option<&LoadBalancer> {
        let mut all = self.load_balancers.values();
        all.find(|known| known.name == name)
    }
}

/// No hyphen at either end, and not `internal-` at its beginning (Model).
fn check_load_balancer_name(name: &str) -> Result<(), ApiError> {
    check_name(name, "Load balancer")?;
    let problem = if name.starts_with('-') || name.ends_with('-') {
        "cannot begin or end with a hyphen"
    } else if name.starts_with("internal-") {
        "cannot begin with 'internal-'"
    } else {
        return Ok(());
    };
    let message = format!("Load balancer name '{name}' {problem}");
    Err(ApiError::validation(message))
}

fn check_ip_address_type(ip_address_type: &str) -> Result<(), ApiError> {
    match ip_address_type {
        "ipv4" | "dualstack" => Ok(()),
        "dualstack-without-public-ipv4" => Err(ApiError::validation(
            "The IP address type 'dualstack-without-public-ipv4' is not simulated",
        )),
        other => Err(not_of(other, "ipAddressType", &["ipv4", "dualstack"])),
    }
}

/// The attributes a new load balancer has, and so all that can be set (Model). Cross-zone is
/// off by default on an NLB.
fn default_attributes(kind: Kind) -> BTreeMap<String, String> {
    let mut all = attributes(OF_ALL);
    all.extend(attributes(match kind {
        Kind::Network => OF_NETWORK,
        Kind::Application => OF_APPLICATION,
    }));
    all
}

const OF_ALL: &str = "\
deletion_protection.enabled=false
access_logs.s3.enabled=false
access_logs.s3.bucket=
access_logs.s3.prefix=
ipv6.deny_all_igw_traffic=false
zonal_shift.config.enabled=false";

const OF_NETWORK: &str = "\
load_balancing.cross_zone.enabled=false
dns_record.client_routing_policy=any_availability_zone
secondary_ips.auto_assigned.per_subnet=0";

const OF_APPLICATION: &str = "\
load_balancing.cross_zone.enabled=true
idle_timeout.timeout_seconds=60
client_keep_alive.seconds=3600
routing.http2.enabled=true
routing.http.drop_invalid_header_fields.enabled=false
routing.http.preserve_host_header.enabled=false
routing.http.desync_mitigation_mode=defensive
routing.http.xff_header_processing.mode=append
routing.http.xff_client_port.enabled=false
routing.http.x_amzn_tls_version_and_cipher_suite.enabled=false
connection_logs.s3.enabled=false
connection_logs.s3.bucket=
connection_logs.s3.prefix=
health_check_logs.s3.enabled=false
health_check_logs.s3.bucket=
health_check_logs.s3.prefix=
waf.fail_open.enabled=false";
