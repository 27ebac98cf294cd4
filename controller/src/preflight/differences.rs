//! In what two target groups differ, and whether every listener takes both.

use crate::refusal::Refusal;
use crate::routing::Routing;
use crate::world::{LoadBalancer, Route, TargetGroup, World};

/// Something in which two target groups differ.
pub(super) struct Difference {
    /// What it is, as AWS calls it.
    pub(super) what: String,
    /// What each of the two has.
    pub(super) values: [String; 2],
    /// How it is set.
    pub(super) set_by: SetBy,
}

/// How a setting of a target group is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SetBy {
    /// Not at all.
    Nothing,
    /// An option of `aws elbv2 modify-target-group`.
    Option(&'static str),
    /// `aws elbv2 modify-target-group-attributes`.
    Attribute,
}

/// In what two groups differ, of that which clients and health checks notice. Names, tags and the port of
/// targets that name none are none of it.
pub(super) fn differences(pair: [&TargetGroup; 2]) -> Vec<Difference> {
    type Read = fn(&TargetGroup) -> String;
    let settings: [(&str, Read, SetBy); 11] = [
        (
            "protocol",
            |group| group.settings.protocol.clone(),
            SetBy::Nothing,
        ),
        (
            "protocol version",
            |group| group.settings.protocol_version.clone().unwrap_or_default(),
            SetBy::Nothing,
        ),
        (
            "IP address type",
            |group| group.settings.ip_address_type.clone(),
            SetBy::Nothing,
        ),
        (
            "health check protocol",
            |group| group.settings.health_check.protocol.clone(),
            SetBy::Option("--health-check-protocol"),
        ),
        (
            "health check port",
            |group| group.settings.health_check.port.clone(),
            SetBy::Option("--health-check-port"),
        ),
        (
            "health check path",
            |group| group.settings.health_check.path.clone().unwrap_or_default(),
            SetBy::Option("--health-check-path"),
        ),
        (
            "health check matcher",
            |group| {
                group
                    .settings
                    .health_check
                    .matcher
                    .clone()
                    .unwrap_or_default()
            },
            SetBy::Option("--matcher"),
        ),
        (
            "health check interval",
            |group| group.settings.health_check.interval.to_string(),
            SetBy::Option("--health-check-interval-seconds"),
        ),
        (
            "health check timeout",
            |group| group.settings.health_check.timeout.to_string(),
            SetBy::Option("--health-check-timeout-seconds"),
        ),
        (
            "healthy threshold",
            |group| group.settings.health_check.healthy_threshold.to_string(),
            SetBy::Option("--healthy-threshold-count"),
        ),
        (
            "unhealthy threshold",
            |group| group.settings.health_check.unhealthy_threshold.to_string(),
            SetBy::Option("--unhealthy-threshold-count"),
        ),
    ];
    let settings = settings.into_iter().map(|(what, read, set_by)| Difference {
        what: what.to_owned(),
        values: pair.map(read),
        set_by,
    });
    let keys = pair.map(|group| group.settings.attributes.keys());
    let mut keys: Vec<_> = keys.into_iter().flatten().map(String::as_str).collect();
    keys.sort_unstable();
    keys.dedup();
    let attributes = keys.into_iter().map(|key| Difference {
        what: key.to_owned(),
        values: pair.map(|group| {
            group
                .settings
                .attributes
                .get(key)
                .cloned()
                .unwrap_or_default()
        }),
        set_by: SetBy::Attribute,
    });
    let all = settings.chain(attributes);
    all.filter(|one| one.values[0] != one.values[1]).collect()
}

/// `protocol TCP and TLS, stickiness.enabled true and false`.
pub(super) fn in_words(differences: &[Difference]) -> String {
    let shown = |value: &String| if value.is_empty() { "none" } else { value }.to_owned();
    let words: Vec<_> = differences
        .iter()
        .map(|one| {
            let [first, second] = one.values.each_ref().map(shown);
            format!("{} {first} and {second}", one.what)
        })
        .collect();
    words.join(", ")
}

/// Each deployment exchanges the two groups: every route of the service must take both.
pub(super) fn routes_take_both(world: &World, routing: &Routing<'_>) -> Result<(), Refusal> {
    let pair = [routing.production, routing.alternate];
    for (route, _) in routing.roles.all() {
        for group in pair {
            let Some(why) = not_taken(route, group, world.load_balancer.as_ref()) else {
                continue;
            };
            return Err(Refusal::preflight(
                format!(
                    "{why}. {} and {} differ: {}.",
                    pair[0].name,
                    pair[1].name,
                    in_words(&differences(pair))
                ),
                format!(
                    "A target group keeps both. Create one like the other (aws elbv2 create-target-group) and put it into the {} instead of {} ({}).",
                    if route.rule.is_none() {
                        "listener"
                    } else {
                        "rule"
                    },
                    group.name,
                    route.modified_by()
                ),
            ));
        }
    }
    Ok(())
}

/// Why a listener cannot forward to a group; `None` where it can, or that is not known.
fn not_taken(
    route: &Route,
    group: &TargetGroup,
    load_balancer: Option<&LoadBalancer>,
) -> Option<String> {
    let settings = &group.settings;
    let (route_name, name) = (route.at_start(), &group.name);
    if !compatible(&route.protocol, &settings.protocol) {
        return Some(format!(
            "{route_name} has the protocol {} and cannot forward to {name}, which has {}",
            route.protocol, settings.protocol
        ));
    }
    let addresses = load_balancer.and_then(|one| one.ip_address_type.seen())?;
    (addresses == "ipv4" && settings.ip_address_type == "ipv6").then(|| {
        format!(
            "{route_name} is on a load balancer with the IP address type ipv4 and cannot forward to {name}, \
             which has ipv6"
        )
    })
}

/// Which protocols of target groups go with that of a listener (AWS documentation). What this version does
/// not know is let pass.
fn compatible(listener: &str, group: &str) -> bool {
    let known = ["TCP", "TLS", "UDP", "TCP_UDP", "HTTP", "HTTPS"];
    if !known.contains(&group) {
        return true;
    }
    match listener {
        "HTTP" | "HTTPS" => matches!(group, "HTTP" | "HTTPS"),
        "TCP" => matches!(group, "TCP" | "TCP_UDP"),
        "TLS" => matches!(group, "TCP" | "TLS"),
        "UDP" => matches!(group, "UDP" | "TCP_UDP"),
        "TCP_UDP" => group == "TCP_UDP",
        _ => true,
    }
}
