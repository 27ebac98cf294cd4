//! Creating, describing, modifying and deleting listeners.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::action::{ActionRequest, ForwardRequest, GroupRequest, groups_of};
use super::listener::Before;
use super::load_balancer::Kind;
use super::name::{Page, not_of};
use super::tags::{self, Tag};
use super::target_group_api::is_asked;
use super::text::{as_text, parsed};
use super::{ApiError, EventKind, Listener, World};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Certificate {
    pub certificate_arn: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct CreateListener {
    pub load_balancer_arn: String,
    pub protocol: Option<String>,
    #[serde(deserialize_with = "parsed")]
    pub port: Option<u16>,
    pub ssl_policy: Option<String>,
    pub certificates: Vec<Certificate>,
    pub default_actions: Vec<ActionRequest>,
    pub alpn_policy: Vec<String>,
    pub mutual_authentication: Option<Value>,
    pub tags: Vec<Tag>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct DescribeListeners {
    pub load_balancer_arn: Option<String>,
    pub listener_arns: Vec<String>,
    pub marker: Option<String>,
    #[serde(deserialize_with = "parsed")]
    pub page_size: Option<usize>,
}

/// What `ModifyListener` takes here. What is not named stays as it is (Model).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct ModifyListener {
    pub listener_arn: String,
    #[serde(deserialize_with = "parsed")]
    pub port: Option<u16>,
    pub protocol: Option<String>,
    pub ssl_policy: Option<String>,
    pub certificates: Vec<Certificate>,
    pub default_actions: Vec<ActionRequest>,
    pub alpn_policy: Vec<String>,
    pub mutual_authentication: Option<Value>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DeleteListener {
    pub listener_arn: String,
}

impl World {
    pub fn create_listener(&mut self, request: &CreateListener) -> Result<String, ApiError> {
        self.new_listener(request, None)
    }

    /// A listener with a given number, for a world that has to match names from outside.
    pub(crate) fn put_numbered_listener(
        &mut self,
        request: &CreateListener,
        hex: &str,
    ) -> Result<String, ApiError> {
        self.new_listener(request, Some(hex))
    }

    fn new_listener(
        &mut self,
        request: &CreateListener,
        hex: Option<&str>,
    ) -> Result<String, ApiError> {
        let load_balancer = self.load_balancer(&request.load_balancer_arn)?;
        let missing =
            |what: &str| ApiError::validation(format!("A listener {what} must be specified"));
        let protocol = request
            .protocol
            .clone()
            .ok_or_else(|| missing("protocol"))?;
        let port = request.port.ok_or_else(|| missing("port"))?;
        check_protocol(load_balancer.kind, &protocol)?;
        check_certificates(&protocol, &request.certificates)?;
        self.check_port(&load_balancer.arn, port, None)?;
        let most = self.limits.listeners;
        if self.listeners_of(&load_balancer.arn).count() >= most {
            let message = format!("The maximum number of listeners is {most}");
            return Err(ApiError::new("TooManyListeners", message));
        }
        let default_actions =
            self.check_actions(load_balancer, &protocol, &request.default_actions, &[])?;
        let mutual_authentication =
            check_mutual_authentication(&protocol, request.mutual_authentication.as_ref())?;
        let tags = tags::parse_elb(&request.tags)?;
        let load_balancer_arn = load_balancer.arn.clone();
        let place = load_balancer_arn.replace(":loadbalancer/", ":listener/");
        let hex = hex.map_or_else(|| self.hex16(), str::to_owned);
        let arn = format!("{place}/{hex}");
        let rules = arn.replace(":listener/", ":listener-rule/");
        let default_rule_arn = format!("{rules}/{}", self.hex16());
        let ssl_policy = request.ssl_policy.as_deref();
        let ssl_policy = ssl_policy.unwrap_or("ELBSecurityPolicy-TLS13-1-2-2021-06");
        let listener = Listener {
            arn: arn.clone(),
            load_balancer_arn,
            port,
            ssl_policy: is_secure(&protocol).then(|| ssl_policy.to_owned()),
            protocol,
            certificates: request.certificates.clone(),
            alpn_policy: request.alpn_policy.clone(),
            mutual_authentication,
            default_actions,
            before: None,
            rules: BTreeMap::new(),
            rules_before: BTreeMap::new(),
            default_rule_arn,
            tags,
        };
        let event = EventKind::ListenerCreated {
            listener: arn.clone(),
            port,
            forward: listener.forward_in_words(),
        };
        self.put_listener(listener, event);
        Ok(arn)
    }

    /// `elasticloadbalancing:DescribeListeners`, of one load balancer or by ARN.
    pub fn describe_listeners(
        &self,
        request: &DescribeListeners,
    ) -> Result<Page<&Listener>, ApiError> {
        if let Some(arn) = &request.load_balancer_arn {
            self.load_balancer(arn)?;
        } else if request.listener_arns.is_empty() {
            let message = "You must specify either listener ARNs or a load balancer ARN";
            return Err(ApiError::validation(message));
        }
        for arn in &request.listener_arns {
            self.existing_listener(arn)?;
        }
        let of = request.load_balancer_arn.as_ref();
        let listeners = self.listeners.values();
        let listeners = listeners
            .filter(|listener| of.is_none_or(|arn| *arn == listener.load_balancer_arn))
            .filter(|listener| is_asked(&request.listener_arns, &listener.arn))
            .collect();
        self.elb_page(listeners, request.marker.as_deref(), request.page_size)
    }

    /// `elasticloadbalancing:ModifyListener`. Naming a protocol without TLS loses the certificates.
    pub fn modify_listener(&mut self, request: &ModifyListener) -> Result<String, ApiError> {
        let mut listener = self.existing_listener(&request.listener_arn)?.clone();
        let load_balancer = self.load_balancer(&listener.load_balancer_arn)?;
        if let Some(protocol) = &request.protocol {
            check_protocol(load_balancer.kind, protocol)?;
            listener.protocol.clone_from(protocol);
            if !is_secure(protocol) {
                listener.certificates.clear();
                listener.ssl_policy = None;
                listener.alpn_policy.clear();
            }
            if protocol != "HTTPS" {
                listener.mutual_authentication = None;
            }
        }
        if let Some(port) = request.port {
            self.check_port(&load_balancer.arn, port, Some(&listener.arn))?;
            listener.port = port;
        }
        if !request.certificates.is_empty() {
            listener.certificates.clone_from(&request.certificates);
        }
        check_certificates(&listener.protocol, &listener.certificates)?;
        if request.ssl_policy.is_some() {
            listener.ssl_policy.clone_from(&request.ssl_policy);
        }
        if !request.alpn_policy.is_empty() {
            listener.alpn_policy.clone_from(&request.alpn_policy);
        }
        if request.mutual_authentication.is_some() || listener.mutual_authentication.is_none() {
            listener.mutual_authentication = check_mutual_authentication(
                &listener.protocol,
                request.mutual_authentication.as_ref(),
            )?;
        }
        if !request.default_actions.is_empty() {
            let actions = self.check_actions(
                load_balancer,
                &listener.protocol,
                &request.default_actions,
                &listener.default_actions,
            )?;
            let before = std::mem::replace(&mut listener.default_actions, actions);
            if before != listener.default_actions {
                listener.before = Some(Before {
                    actions: before,
                    until_ms: self.now_ms + self.timings.listener_propagation_ms,
                });
            }
        }
        let event = EventKind::ListenerChanged {
            listener: listener.arn.clone(),
            port: listener.port,
            forward: listener.forward_in_words(),
        };
        self.put_listener(listener, event);
        Ok(request.listener_arn.clone())
    }

    fn put_listener(&mut self, listener: Listener, event: EventKind) {
        self.changing_use(|world| {
            world.listeners.insert(listener.arn.clone(), listener);
        });
        self.record(event);
    }

    /// `elasticloadbalancing:DeleteListener`, with its rules.
    pub fn delete_listener(&mut self, arn: &str) -> Result<(), ApiError> {
        let port = self.existing_listener(arn)?.port;
        self.changing_use(|world| {
            world.listeners.remove(arn);
        });
        self.record(EventKind::ListenerDeleted {
            listener: arn.to_owned(),
            port,
        });
        Ok(())
    }

    /// Changes listeners or rules, and lets the targets of the groups that came into use or went
    /// out of it know.
    pub(crate) fn changing_use(&mut self, change: impl FnOnce(&mut Self)) {
        let before = self.used_groups();
        change(self);
        let after = self.used_groups();
        for group in after.difference(&before) {
            self.use_changed(group, true);
        }
        for group in before.difference(&after) {
            self.use_changed(group, false);
        }
    }

    pub(super) fn used_groups(&self) -> BTreeSet<String> {
        self.listeners
            .values()
            .flat_map(Listener::actions)
            .flat_map(groups_of)
            .map(|group| group.arn.clone())
            .collect()
    }

    pub(crate) fn existing_listener(&self, arn: &str) -> Result<&Listener, ApiError> {
        let found = self.listeners.get(arn);
        found.ok_or_else(ApiError::listener_not_found)
    }

    pub(crate) fn listeners_of(&self, load_balancer: &str) -> impl Iterator<Item = &Listener> {
        let all = self.listeners.values();
        all.filter(move |listener| listener.load_balancer_arn == load_balancer)
    }

    fn check_port(
        &self,
        load_balancer: &str,
        port: u16,
        except: Option<&str>,
    ) -> Result<(), ApiError> {
        if port == 0 {
            return Err(ApiError::validation(
                "1 validation error detected: Value '0' at 'port' failed to satisfy constraint: Member must have value greater than or equal to 1",
            ));
        }
        let mut others = self.listeners_of(load_balancer);
        let is_taken =
            |listener: &Listener| listener.port == port && except != Some(listener.arn.as_str());
        if others.any(is_taken) {
            let message = "A listener already exists on this port for this load balancer";
            return Err(ApiError::new("DuplicateListener", message));
        }
        Ok(())
    }
}

fn is_secure(protocol: &str) -> bool {
    matches!(protocol, "TLS" | "HTTPS")
}

fn check_protocol(kind: Kind, protocol: &str) -> Result<(), ApiError> {
    let allowed: &[&str] = match kind {
        Kind::Network => &["UDP", "TCP", "TLS", "TCP_UDP"],
        Kind::Application => &["HTTP", "HTTPS"],
    };
    if allowed.contains(&protocol) {
        return Ok(());
    }
    let known = ["HTTP", "HTTPS", "UDP", "TCP", "TLS", "TCP_UDP"];
    if !known.contains(&protocol) && protocol != "GENEVE" {
        return Err(not_of(protocol, "protocol", &known));
    }
    Err(ApiError::validation(format!(
        "Listener protocol '{protocol}' must be one of '{}'",
        allowed.join(", ")
    )))
}

fn check_certificates(protocol: &str, certificates: &[Certificate]) -> Result<(), ApiError> {
    match (is_secure(protocol), certificates.len()) {
        (true, 0) => Err(ApiError::validation(format!(
            "A certificate must be specified for {protocol} listeners"
        ))),
        (true, 1) | (false, 0) => Ok(()),
        (true, _) => Err(ApiError::new(
            "TooManyCertificates",
            "A listener takes exactly one default certificate",
        )),
        (false, _) => Err(ApiError::new(
            "InvalidConfigurationRequest",
            format!("Certificates cannot be specified for {protocol} listeners"),
        )),
    }
}

/// The settings of an HTTPS listener's `MutualAuthentication`, `off` where nothing is given (Model).
fn check_mutual_authentication(
    protocol: &str,
    given: Option<&Value>,
) -> Result<Option<Value>, ApiError> {
    let settings = match (protocol, given) {
        ("HTTPS", given) => given
            .cloned()
            .map_or_else(|| json!({ "Mode": "off" }), as_text),
        (_, None) => return Ok(None),
        (other, Some(_)) => {
            let message = format!("MutualAuthentication cannot be specified for {other} listeners");
            return Err(ApiError::new("InvalidConfigurationRequest", message));
        }
    };
    let fields = settings.as_object().into_iter().flatten();
    let known = [
        "Mode",
        "TrustStoreArn",
        "IgnoreClientCertificateExpiry",
        "AdvertiseTrustStoreCaNames",
    ];
    for (name, _) in fields {
        if !known.contains(&name.as_str()) {
            let message = format!("MutualAuthentication has no {name}");
            return Err(ApiError::validation(message));
        }
    }
    match (
        settings["Mode"].as_str(),
        settings["TrustStoreArn"].as_str(),
    ) {
        (Some("off" | "passthrough"), None) | (Some("verify"), Some(_)) => Ok(Some(settings)),
        (Some("verify"), None) => Err(ApiError::validation(
            "A trust store ARN must be specified when the mutual authentication mode is 'verify'",
        )),
        (Some("off" | "passthrough"), Some(_)) => Err(ApiError::validation(
            "A trust store ARN can be specified only when the mutual authentication mode is 'verify'",
        )),
        (_, _) => Err(ApiError::validation(
            "A mutual authentication mode must be one of 'off, passthrough, verify'",
        )),
    }
}

impl CreateListener {
    pub fn forwarding(load_balancer: &str, protocol: &str, port: u16, group: &str) -> Self {
        Self {
            load_balancer_arn: load_balancer.to_owned(),
            protocol: Some(protocol.to_owned()),
            port: Some(port),
            default_actions: vec![ActionRequest::forward_to(group)],
            ..Self::default()
        }
    }
}

impl ModifyListener {
    pub fn forwarding(listener: &str, weights: &[(&str, u16)]) -> Self {
        let groups = weights.iter().map(|(group, weight)| GroupRequest {
            target_group_arn: (*group).to_owned(),
            weight: Some(*weight),
        });
        let forward = ForwardRequest {
            target_groups: groups.collect(),
            ..ForwardRequest::default()
        };
        let action = ActionRequest {
            r#type: "forward".to_owned(),
            forward_config: Some(forward),
            ..ActionRequest::default()
        };
        Self {
            listener_arn: listener.to_owned(),
            default_actions: vec![action],
            ..Self::default()
        }
    }
}
