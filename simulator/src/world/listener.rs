//! Listeners and their actions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::event::group_name;
use super::load_balancer::{Kind, LoadBalancer};
use super::tags::Tags;
use super::text::parsed;
use super::{ApiError, Certificate, Rule, World};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Listener {
    pub arn: String,
    pub load_balancer_arn: String,
    pub port: u16,
    /// `TCP`, `TLS`, `UDP`, `TCP_UDP`, `HTTP` or `HTTPS`.
    pub protocol: String,
    /// For TLS and HTTPS.
    pub ssl_policy: Option<String>,
    /// For TLS and HTTPS.
    pub certificates: Vec<Certificate>,
    /// For TLS.
    pub alpn_policy: Vec<String>,
    pub default_actions: Vec<Action>,
    /// What it did until then: new connections may still see it (Field).
    pub before: Option<Before>,
    /// Rules by ARN, the default rule not among them.
    pub rules: BTreeMap<String, Rule>,
    pub(crate) default_rule_arn: String,
    pub tags: Tags,
}

/// The actions before a change, while the change reaches the load balancer's nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    pub actions: Vec<Action>,
    /// Until when nodes may still do it, in milliseconds since the Unix epoch.
    pub until_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    Forward(Forward),
    /// `fixed-response` or `redirect`: answered as it was given.
    Answer {
        /// `FixedResponseConfig` or `RedirectConfig`.
        config_name: String,
        config: BTreeMap<String, String>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    pub groups: Vec<WeightedGroup>,
    pub stickiness: Stickiness,
}

/// A target group and its weight, 0 to 999.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightedGroup {
    pub arn: String,
    pub weight: u16,
}

/// Stickiness to a target group. The duration is for Application Load Balancers only (Docs).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stickiness {
    pub enabled: bool,
    pub duration_seconds: Option<u32>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct ActionRequest {
    pub r#type: String,
    pub target_group_arn: Option<String>,
    #[serde(deserialize_with = "parsed")]
    pub order: Option<u32>,
    pub forward_config: Option<ForwardRequest>,
    pub fixed_response_config: Option<BTreeMap<String, String>>,
    pub redirect_config: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct ForwardRequest {
    pub target_groups: Vec<GroupRequest>,
    pub target_group_stickiness_config: Option<StickinessRequest>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct GroupRequest {
    pub target_group_arn: String,
    #[serde(default, deserialize_with = "parsed")]
    pub weight: Option<u16>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct StickinessRequest {
    #[serde(deserialize_with = "parsed")]
    pub enabled: Option<bool>,
    #[serde(deserialize_with = "parsed")]
    pub duration_seconds: Option<u32>,
}

impl Listener {
    /// Whether its default action or a rule names the group, whatever the weight.
    pub fn forwards_to(&self, group: &str) -> bool {
        let mut groups = self.actions().flat_map(groups_of);
        groups.any(|known| known.arn == group)
    }

    /// The target groups that its default action sends new connections to; a lone group gets all
    /// of them, whatever its weight.
    pub fn live_target_groups(&self) -> Vec<&str> {
        let groups: Vec<_> = self.default_actions.iter().flat_map(groups_of).collect();
        let lone = groups.len() == 1;
        let live = groups.iter().filter(|group| lone || group.weight > 0);
        live.map(|group| group.arn.as_str()).collect()
    }

    /// Where its default action sends new connections, in words.
    pub fn forward_in_words(&self) -> String {
        sentence(&self.default_actions)
    }

    pub(crate) fn actions(&self) -> impl Iterator<Item = &Action> {
        let of_rules = self.rules.values().flat_map(|rule| &rule.actions);
        self.default_actions.iter().chain(of_rules)
    }
}

pub(crate) fn groups_of(action: &Action) -> &[WeightedGroup] {
    match action {
        Action::Forward(forward) => &forward.groups,
        Action::Answer { .. } => &[],
    }
}

/// `100 to blue, 0 to green`.
pub(crate) fn sentence(actions: &[Action]) -> String {
    let groups: Vec<_> = actions.iter().flat_map(groups_of).collect();
    match groups.as_slice() {
        [] => "an answer of its own".to_owned(),
        [only] => format!("to {}", group_name(&only.arn)),
        several => {
            let several = several.iter();
            let words = several.map(|one| format!("{} to {}", one.weight, group_name(&one.arn)));
            words.collect::<Vec<_>>().join(", ")
        }
    }
}

impl World {
    /// The actions of a request, or why this load balancer refuses them.
    pub(crate) fn check_actions(
        &self,
        load_balancer: &LoadBalancer,
        protocol: &str,
        requested: &[ActionRequest],
    ) -> Result<Vec<Action>, ApiError> {
        let [requested] = requested else {
            return Err(match requested.len() {
                0 => ApiError::validation("At least one action must be specified"),
                _ => ApiError::new("TooManyActions", "More than one action is not simulated"),
            });
        };
        let answer = |config_name: &str, config: &Option<BTreeMap<String, String>>| {
            let config = config
                .clone()
                .ok_or_else(|| ApiError::validation(format!("{config_name} must be specified")))?;
            Ok(Action::Answer {
                config_name: config_name.to_owned(),
                config,
            })
        };
        let action = match (requested.r#type.as_str(), load_balancer.kind) {
            ("forward", kind) => Action::Forward(self.check_forward(kind, requested)?),
            ("fixed-response", Kind::Application) => {
                answer("FixedResponseConfig", &requested.fixed_response_config)?
            }
            ("redirect", Kind::Application) => {
                answer("RedirectConfig", &requested.redirect_config)?
            }
            (other, _) => {
                let message =
                    format!("Action type '{other}' is not supported by this load balancer");
                return Err(ApiError::new("InvalidLoadBalancerAction", message));
            }
        };
        for weighted in groups_of(&action) {
            let group = self.group(&weighted.arn)?;
            if !compatible(protocol, &group.protocol) {
                let message = format!(
                    "The listener protocol '{protocol}' cannot be used with the protocol '{}' of target group '{}'",
                    group.protocol, group.arn
                );
                return Err(ApiError::new("IncompatibleProtocols", message));
            }
            if group.ip_address_type == "ipv6" && load_balancer.ip_address_type == "ipv4" {
                let message = format!(
                    "The target group '{}' has the IP address type ipv6, and the load balancer ipv4",
                    group.arn
                );
                return Err(ApiError::new("InvalidConfigurationRequest", message));
            }
            let balancers = self.load_balancers_of(&weighted.arn);
            if balancers.iter().any(|arn| *arn != load_balancer.arn) {
                let message = format!(
                    "The following target groups cannot be associated with more than one load balancer: {}",
                    weighted.arn
                );
                return Err(ApiError::new("TargetGroupAssociationLimit", message));
            }
        }
        Ok(vec![action])
    }

    fn check_forward(&self, kind: Kind, requested: &ActionRequest) -> Result<Forward, ApiError> {
        let only = requested.target_group_arn.as_ref();
        let Some(config) = &requested.forward_config else {
            let only = only.ok_or_else(|| {
                ApiError::validation("A target group ARN or a forward config must be specified")
            })?;
            let only = WeightedGroup {
                arn: only.clone(),
                weight: 1,
            };
            return Ok(Forward {
                groups: vec![only],
                stickiness: Stickiness::default(),
            });
        };
        let groups = config.target_groups.iter().map(|group| WeightedGroup {
            arn: group.target_group_arn.clone(),
            weight: group.weight.unwrap_or(1),
        });
        let groups: Vec<_> = groups.collect();
        // Both forms are allowed when they say the same.
        let names = groups.iter().map(|group| &group.arn);
        if only.is_some_and(|only| !names.eq([only])) {
            return Err(ApiError::validation(
                "You can specify both TargetGroupArn and ForwardConfig only if ForwardConfig names that target group alone",
            ));
        }
        let most = self.limits.groups_per_action;
        if groups.is_empty() || groups.len() > most {
            let message = format!("A forward action takes 1 to {most} target groups");
            return Err(ApiError::new("InvalidLoadBalancerAction", message));
        }
        if groups.iter().any(|group| group.weight > 999) {
            let message = "A target group weight must be between 0 and 999";
            return Err(ApiError::validation(message));
        }
        let mut names: Vec<_> = groups.iter().map(|group| &group.arn).collect();
        names.sort();
        names.dedup();
        if names.len() < groups.len() {
            let message = "A target group can be named only once in an action";
            return Err(ApiError::validation(message));
        }
        let given = config.target_group_stickiness_config.as_ref();
        let stickiness = Stickiness {
            enabled: given.and_then(|given| given.enabled).unwrap_or(false),
            duration_seconds: given.and_then(|given| given.duration_seconds),
        };
        if kind == Kind::Network && stickiness.duration_seconds.is_some() {
            let message =
                "A stickiness duration cannot be specified on load balancers of type 'network'";
            return Err(ApiError::new("InvalidConfigurationRequest", message));
        }
        Ok(Forward { groups, stickiness })
    }
}

/// Which target group protocols a listener protocol goes with (Docs).
fn compatible(listener: &str, group: &str) -> bool {
    match listener {
        "HTTP" | "HTTPS" => matches!(group, "HTTP" | "HTTPS"),
        "TCP" => matches!(group, "TCP" | "TCP_UDP"),
        "TLS" => matches!(group, "TCP" | "TLS"),
        "UDP" => matches!(group, "UDP" | "TCP_UDP"),
        "TCP_UDP" => group == "TCP_UDP",
        _ => false,
    }
}

impl ActionRequest {
    pub fn forward_to(target_group_arn: &str) -> Self {
        Self {
            r#type: "forward".to_owned(),
            target_group_arn: Some(target_group_arn.to_owned()),
            ..Self::default()
        }
    }
}
