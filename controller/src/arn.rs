//! Amazon Resource Names, and the account and region a deployment runs in.

use std::fmt;

/// The partition, region and account that an execution runs in.
///
/// Everything a request names must be in it: a deployment never reaches into another account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Home {
    /// `aws`, `aws-cn` or `aws-us-gov`.
    pub partition: String,
    /// For example `eu-west-1`.
    pub region: String,
    /// Twelve digits.
    pub account: String,
}

impl fmt::Display for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "partition {}, region {}, account {}",
            self.partition, self.region, self.account
        )
    }
}

/// An ARN taken apart: `arn:partition:service:region:account:resource`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arn<'a> {
    /// `aws`, `aws-cn`, `aws-us-gov`.
    pub partition: &'a str,
    /// `ecs`, `elasticloadbalancing`, `states`, …
    pub service: &'a str,
    /// For example `eu-west-1`.
    pub region: &'a str,
    /// Twelve digits.
    pub account: &'a str,
    /// Everything after the account, unchanged: `cluster/main`, `loadbalancer/net/…`.
    pub resource: &'a str,
}

impl<'a> Arn<'a> {
    /// Parses an ARN; `None` if the text is none.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        let (prefix, partition, service, region, account, resource) = (
            parts.next()?,
            parts.next()?,
            parts.next()?,
            parts.next()?,
            parts.next()?,
            parts.next()?,
        );
        let plain = |part: &str| {
            !part.is_empty()
                && part
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        };
        let twelve_digits = account.len() == 12 && account.chars().all(|c| c.is_ascii_digit());
        let visible = !resource.is_empty()
            && resource
                .chars()
                .all(|c| !c.is_whitespace() && !c.is_control());
        (prefix == "arn"
            && plain(partition)
            && plain(service)
            && plain(region)
            && twelve_digits
            && visible)
            .then_some(Self {
                partition,
                service,
                region,
                account,
                resource,
            })
    }

    /// Where this ARN's resource lives.
    pub fn home(&self) -> Home {
        Home {
            partition: self.partition.to_owned(),
            region: self.region.to_owned(),
            account: self.account.to_owned(),
        }
    }
}

/// The last, readable part of an ARN: the name people know a resource by.
///
/// `targetgroup/blue/0123` is `blue`, `task-definition/web:7` is `web:7`, `listener/net/lb/1/2`
/// is `lb/1/2`; text that is no ARN stays as it is.
pub fn short(arn: &str) -> &str {
    let Some(parsed) = Arn::parse(arn) else {
        return arn;
    };
    let name = last_part(parsed.resource);
    // `cluster/` is no cluster's ARN, but has to be called something.
    if name.is_empty() {
        parsed.resource
    } else {
        name
    }
}

/// What CloudWatch calls a load balancer: `app/NAME/ID`. Empty for what is none.
pub(crate) fn balancer_dimension(arn: &str) -> &str {
    let name = Arn::parse(arn).and_then(|arn| arn.resource.strip_prefix("loadbalancer/"));
    name.unwrap_or_default()
}

/// Whether a load balancer's ARN is that of an Application Load Balancer.
pub fn is_application_load_balancer(arn: &str) -> bool {
    Arn::parse(arn).is_some_and(|parsed| parsed.resource.starts_with("loadbalancer/app/"))
}

/// Whether a listener or a rule is of a Network Load Balancer, as its ARN says.
pub fn is_of_a_network_load_balancer(route: &str) -> bool {
    let parsed = Arn::parse(route);
    parsed.is_some_and(|parsed| parsed.resource.split('/').nth(1) == Some("net"))
}

/// Whether the ARN is that of a listener's rule.
pub fn is_listener_rule(arn: &str) -> bool {
    Arn::parse(arn).is_some_and(|parsed| parsed.resource.starts_with("listener-rule/"))
}

/// Whether the ARN is that of a Cloud Map service, or begins with it.
pub fn is_of_a_registry(arn: &str) -> bool {
    Arn::parse(arn).is_some_and(|parsed| parsed.service == "servicediscovery")
}

fn last_part(resource: &str) -> &str {
    if let Some(group) = resource.strip_prefix("targetgroup/") {
        return group.split('/').next().unwrap_or(group);
    }
    for prefix in [
        "listener/net/",
        "listener/app/",
        "listener-rule/net/",
        "listener-rule/app/",
        "loadbalancer/net/",
        "loadbalancer/app/",
    ] {
        if let Some(rest) = resource.strip_prefix(prefix) {
            return rest;
        }
    }
    resource.split_once('/').map_or(resource, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_is_taken_apart() {
        let arn = Arn::parse("arn:aws:ecs:us-east-1:123456789012:cluster/main").unwrap();
        assert_eq!((arn.service, arn.resource), ("ecs", "cluster/main"));
        assert_eq!(arn.home().region, "us-east-1");
    }

    #[test]
    fn text_that_is_no_arn_is_not_parsed() {
        for text in [
            "",
            "arn",
            "main",
            "arn:aws:ecs:us-east-1:12345:cluster/main",
            "arn:aws:ecs:us-east-1:123456789012:",
            "arn:aws:ecs::123456789012:cluster/main",
            "ARN:aws:ecs:us-east-1:123456789012:cluster/main",
            "arn:aws:ecs:us-east-1:123456789012:cluster/ma in",
        ] {
            assert_eq!(Arn::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn short_names_are_what_people_know() {
        let cases = [
            (
                "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/blue/0123456789abcdef",
                "blue",
            ),
            (
                "arn:aws:ecs:us-east-1:123456789012:task-definition/web:7",
                "web:7",
            ),
            (
                "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/net/lb/1/2",
                "lb/1/2",
            ),
            ("ecs-svc/1", "ecs-svc/1"),
            ("arn:aws:ecs:us-east-1:123456789012:cluster/", "cluster/"),
            (
                "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup//1",
                "targetgroup//1",
            ),
        ];
        for (arn, name) in cases {
            assert_eq!(short(arn), name);
        }
    }
}
