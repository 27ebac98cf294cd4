//! Listeners.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::action::{groups_of, sentence};
use super::tags::Tags;
use super::{Action, Certificate, Rule};

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
    /// For HTTPS: its mode, and what goes with it, all as text.
    #[serde(default)]
    pub mutual_authentication: Option<Value>,
    pub default_actions: Vec<Action>,
    /// What it did until then: new connections may still see it (Field).
    pub before: Option<Before>,
    /// Rules by ARN, the default rule not among them.
    pub rules: BTreeMap<String, Rule>,
    /// What rules did until then, as `before` has it.
    #[serde(default)]
    pub rules_before: BTreeMap<String, Before>,
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
