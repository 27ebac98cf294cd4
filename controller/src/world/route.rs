//! Routes: the ways in which traffic reaches target groups.

use std::fmt;

use crate::arn::{is_of_a_registry, short};
use crate::id::{ListenerArn, RouteArn, TargetGroupArn};
use crate::quote::quote;

/// The default action of a listener, or one of its rules.
///
/// Displayed as `listener 443` or `rule 10 of listener 443`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The listener's ARN, or the rule's.
    pub arn: RouteArn,
    /// The ARN of the listener.
    pub listener: ListenerArn,
    /// The listener's port; users reach that of a production route.
    pub port: u16,
    /// `TCP`, `TLS`, `UDP`, `TCP_UDP`, `HTTP`, `HTTPS` or another value of AWS's.
    pub protocol: String,
    /// The rule; `None` for the default action.
    pub rule: Option<Rule>,
    /// The target groups that it forwards to; empty for a redirect or fixed response.
    pub forward: Forward,
    /// Something in its actions that this version does not know, and would lose if it wrote them.
    pub unknown: Option<String>,
    /// Whether it lets in only clients that it has authenticated.
    pub authenticates: bool,
    /// Seconds for which a client stays on the target group that it was sent to first (Application Load
    /// Balancers only).
    pub sticky: Option<u32>,
    /// The value of its `ebbtide:role` tag.
    pub role: Option<String>,
    /// What the tags say of a rule that a deployment has created for its tests.
    pub created: Option<Created>,
    /// The `CloudFormation` stack that its tags name.
    pub stack: Option<String>,
}

/// What makes a rule differ from a listener's default action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// 1 to 50,000: the rule with the lowest number whose conditions are met decides.
    pub priority: u32,
    /// All of them have to be met.
    pub conditions: Vec<Condition>,
}

/// A condition of a rule: met by any of its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// `path-pattern`, `host-header`, `http-header` or another field of AWS's.
    pub field: String,
    /// The name of the header, for `http-header`.
    pub name: Option<String>,
    /// What is compared; of a query string, `key=value`.
    pub values: Vec<String>,
    /// Whether the values are regular expressions; otherwise `*` and `?` may be wildcards.
    pub regex: bool,
}

/// What the tags say of a rule that a deployment has created for its tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// The value of `ebbtide:deployment`: which deployment it was.
    pub deployment: String,
    /// The value of `ebbtide:beside`: the last part of the ARN of the route before which it is evaluated.
    pub beside: String,
    /// The value of `ebbtide:service`: `CLUSTER/SERVICE`.
    pub service: String,
}

impl Route {
    /// What requests have to meet; nothing for the default action.
    pub(crate) fn conditions(&self) -> &[Condition] {
        self.rule.as_ref().map_or(&[], |rule| &rule.conditions)
    }

    /// The command that sets an action by hand.
    pub(crate) fn modified_by(&self) -> &'static str {
        match self.rule {
            None => "aws elbv2 modify-listener",
            Some(_) => "aws elbv2 modify-rule",
        }
    }

    /// The command that shows its action.
    pub(crate) fn shown_by(&self) -> String {
        match self.rule {
            None => format!("aws elbv2 describe-listeners --listener-arns {}", self.arn),
            Some(_) => format!("aws elbv2 describe-rules --rule-arns {}", self.arn),
        }
    }

    /// Its name without the word for a listener: `443`, or `443 (rule 10)`.
    pub fn short(&self) -> String {
        if is_of_a_registry(&self.arn) {
            return format!("registry {}", short(&self.arn));
        }
        match &self.rule {
            None => self.port.to_string(),
            Some(rule) => format!("{} (rule {})", self.port, rule.priority),
        }
    }

    /// Its name at the beginning of a sentence.
    pub(crate) fn at_start(&self) -> String {
        let name = self.to_string();
        let rest = name.get(1..).unwrap_or_default();
        name.chars()
            .take(1)
            .flat_map(char::to_uppercase)
            .chain(rest.chars())
            .collect()
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_of_a_registry(&self.arn) {
            return f.write_str(&self.short());
        }
        if let Some(rule) = &self.rule {
            write!(f, "rule {} of ", rule.priority)?;
        }
        write!(f, "listener {}", self.port)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.field)?;
        if let Some(name) = &self.name {
            // Its value may be a secret between a load balancer and what is before it.
            return write!(f, " {}", quote(name));
        }
        let is_query = self.field == "query-string";
        let shown = |value: &String| match value.split_once('=') {
            Some((key, _)) if is_query => format!("{key}=…"),
            Some(_) | None => value.clone(),
        };
        let values: Vec<_> = self.values.iter().map(shown).collect();
        write!(f, " {}", quote(&values.join(" or ")))
    }
}

/// The target groups of a forward action with their weights, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Forward(pub Vec<WeightedTargetGroup>);

/// A target group and its share of new connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightedTargetGroup {
    /// The target group's ARN.
    pub target_group: TargetGroupArn,
    /// 0 to 999; a group of weight 0 gets no new connections but is health-checked.
    pub weight: u32,
}

impl Forward {
    /// Everything to one group.
    pub fn to(target_group: &TargetGroupArn) -> Self {
        Self(vec![WeightedTargetGroup {
            target_group: target_group.clone(),
            weight: 100,
        }])
    }

    /// Everything to one group, with a second one attached at weight 0.
    pub fn weighted(live: &TargetGroupArn, idle: &TargetGroupArn) -> Self {
        Self::default().moved(live, idle)
    }

    /// The same groups in the same order, everything to one of them and nothing to the other; one that is missing
    /// is added.
    #[must_use]
    pub fn moved(&self, live: &TargetGroupArn, idle: &TargetGroupArn) -> Self {
        self.shared(live, idle, 100)
    }

    /// The same with so many percent to one of them and the rest to the other.
    #[must_use]
    pub fn shared(&self, live: &TargetGroupArn, idle: &TargetGroupArn, percent: u32) -> Self {
        let seen = self.0.iter().map(|group| &group.target_group);
        let mut groups = Vec::new();
        for group in seen.chain([live, idle]) {
            if !groups.contains(&group) {
                groups.push(group);
            }
        }
        let weighted = groups.into_iter().map(|group| WeightedTargetGroup {
            target_group: group.clone(),
            weight: match group {
                group if group == live => percent,
                group if group == idle => 100_u32.saturating_sub(percent),
                _ => 0,
            },
        });
        Self(weighted.collect())
    }

    /// The groups that get new connections. A lone group gets all of them whatever its weight.
    pub fn live(&self) -> impl Iterator<Item = &TargetGroupArn> {
        let lone = self.0.len() == 1;
        self.0
            .iter()
            .filter(move |group| lone || group.weight > 0)
            .map(|group| &group.target_group)
    }

    /// Percent of new connections that go to this group; `None` where it is not a whole number.
    pub fn share(&self, target_group: &TargetGroupArn) -> Option<u32> {
        if let [only] = &self.0[..] {
            return Some(if only.target_group == *target_group {
                100
            } else {
                0
            });
        }
        let weight = |group: &WeightedTargetGroup| u64::from(group.weight);
        let all: u64 = self.0.iter().map(weight).sum();
        let its = self
            .0
            .iter()
            .filter(|group| group.target_group == *target_group);
        let its = its.map(weight).sum::<u64>() * 100;
        let share = its.checked_div(all)?;
        (share * all == its).then(|| u32::try_from(share).ok())?
    }

    /// Whether the action names a group, at any weight.
    pub fn names(&self, target_group: &TargetGroupArn) -> bool {
        self.0
            .iter()
            .any(|group| group.target_group == *target_group)
    }

    /// Whether all new connections go to this group and to no other.
    pub fn is_all_to(&self, target_group: &TargetGroupArn) -> bool {
        let mut live = self.live();
        live.next() == Some(target_group) && live.next().is_none()
    }
}
