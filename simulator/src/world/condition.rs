//! Conditions of listener rules: how a request for them is checked.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::ApiError;
use super::load_balancer::{Kind, LoadBalancer};
use super::text::listed;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Condition {
    pub field: String,
    /// The short form of a host or path: with one that was given the long way it says the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_header_config: Option<Values>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_pattern_config: Option<Values>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_header_config: Option<HeaderValues>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_request_method_config: Option<Values>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_string_config: Option<QueryValues>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_ip_config: Option<SourceIp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Values {
    #[serde(deserialize_with = "listed")]
    pub values: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct HeaderValues {
    pub http_header_name: String,
    #[serde(deserialize_with = "listed")]
    pub values: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct QueryValues {
    #[serde(deserialize_with = "listed")]
    pub values: Vec<QueryValue>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct QueryValue {
    /// Without it, any key fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    #[serde(default)]
    pub value: String,
}

/// What a `source-ip` condition compares: address ranges (Application Load Balancers), or the kind of address
/// (Network Load Balancers).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct SourceIp {
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "listed")]
    pub values: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_address_type: Option<String>,
}

pub(crate) const HOST: &str = "host-header";
pub(crate) const PATH: &str = "path-pattern";
pub(crate) const HEADER: &str = "http-header";
pub(crate) const METHOD: &str = "http-request-method";
pub(crate) const QUERY: &str = "query-string";
/// The only field that a Network Load Balancer's rules compare (Docs).
pub(crate) const SOURCE_IP: &str = "source-ip";

const FIELDS: [&str; 6] = [PATH, HOST, HEADER, METHOD, QUERY, SOURCE_IP];

/// The longest value (Model).
const LONGEST: usize = 128;
/// The longest name of a header or method (Model).
const LONGEST_NAME: usize = 40;
/// Values of all conditions of a rule (Docs).
const MOST_VALUES: usize = 5;
/// Wildcards in all conditions of a rule (Docs).
const MOST_WILDCARDS: usize = 6;

fn texts(values: &[String]) -> Vec<&str> {
    values.iter().map(String::as_str).collect()
}

impl Condition {
    /// That of a Network Load Balancer's rule: clients by `ipv4`, or by `ipv6`.
    pub fn of_clients_by(ip_address_type: &str) -> Self {
        Self {
            field: SOURCE_IP.to_owned(),
            source_ip_config: Some(SourceIp {
                values: Vec::new(),
                ip_address_type: Some(ip_address_type.to_owned()),
            }),
            ..Self::default()
        }
    }

    pub(crate) fn address_type(&self) -> Option<&str> {
        self.source_ip_config.as_ref()?.ip_address_type.as_deref()
    }

    pub(crate) fn first_value(&self) -> Option<&str> {
        self.configs()
            .next()
            .and_then(|(_, _, values)| values.first().copied())
    }

    /// The settings that it has, each with the field that they are for, and their values.
    pub(crate) fn configs(&self) -> impl Iterator<Item = (&'static str, &'static str, Vec<&str>)> {
        let host = self.host_header_config.as_ref();
        let path = self.path_pattern_config.as_ref();
        let header = self.http_header_config.as_ref();
        let method = self.http_request_method_config.as_ref();
        let query = self.query_string_config.as_ref();
        let address = self.source_ip_config.as_ref();
        let all = [
            host.map(|one| (HOST, "HostHeaderConfig", texts(&one.values))),
            path.map(|one| (PATH, "PathPatternConfig", texts(&one.values))),
            header.map(|one| (HEADER, "HttpHeaderConfig", texts(&one.values))),
            method.map(|one| (METHOD, "HttpRequestMethodConfig", texts(&one.values))),
            query.map(|one| {
                let values = one.values.iter().map(|pair| pair.value.as_str());
                (QUERY, "QueryStringConfig", values.collect())
            }),
            address.map(|one| (SOURCE_IP, "SourceIpConfig", texts(&one.values))),
        ];
        all.into_iter().flatten()
    }
}

/// The conditions of a request as they are kept, or why this load balancer refuses them.
pub(crate) fn check(
    load_balancer: &LoadBalancer,
    conditions: &[Condition],
) -> Result<Vec<Condition>, ApiError> {
    if conditions.is_empty() {
        return Err(ApiError::validation("A condition must be specified"));
    }
    if load_balancer.kind == Kind::Network {
        return check_address_type(load_balancer, conditions);
    }
    let mut once = BTreeSet::new();
    let mut checked = Vec::with_capacity(conditions.len());
    for condition in conditions {
        let may_repeat = matches!(condition.field.as_str(), HEADER | QUERY);
        if !once.insert(condition.field.as_str()) && !may_repeat {
            return Err(ApiError::validation(format!(
                "A rule can only have one '{}' condition",
                condition.field
            )));
        }
        checked.push(condition.check()?);
    }
    let all = || checked.iter().flat_map(Condition::configs);
    let values: usize = all().map(|(_, _, values)| values.len()).sum();
    // AWS's sentence for the values (Field); the one for wildcards is like it.
    if values > MOST_VALUES {
        return Err(ApiError::validation(format!(
            "A rule can only have '{MOST_VALUES}' condition values"
        )));
    }
    let wild = all().filter(|(field, _, _)| !matches!(*field, METHOD | SOURCE_IP));
    let wildcards: usize = wild
        .flat_map(|(_, _, values)| values)
        .map(|value| value.matches(['*', '?']).count())
        .sum();
    if wildcards > MOST_WILDCARDS {
        return Err(ApiError::validation(format!(
            "A rule can only have '{MOST_WILDCARDS}' condition wildcards"
        )));
    }
    Ok(checked)
}

/// A Network Load Balancer compares the kind of the client's address alone, and only where it has both (Docs).
/// AWS's codes for these are not known; this is the one of the model that fits best.
fn check_address_type(
    load_balancer: &LoadBalancer,
    conditions: &[Condition],
) -> Result<Vec<Condition>, ApiError> {
    let invalid = |message: &str| Err(ApiError::new("InvalidConfigurationRequest", message));
    if load_balancer.ip_address_type != "dualstack" {
        return invalid(
            "Rules are supported for Network Load Balancers with the IP address type 'dualstack' only",
        );
    }
    match conditions {
        [only]
            if matches!(only.address_type(), Some(kind @ ("ipv4" | "ipv6"))
                if *only == Condition::of_clients_by(kind)) =>
        {
            Ok(vec![only.clone()])
        }
        _ => invalid(
            "A rule of a Network Load Balancer takes one condition: source-ip with the IpAddressType 'ipv4' or 'ipv6'",
        ),
    }
}

impl Condition {
    /// As an Application Load Balancer keeps it: a host and a path both ways (Field).
    fn check(&self) -> Result<Self, ApiError> {
        let field = self.field.as_str();
        if field.is_empty() {
            return Err(ApiError::validation("A condition field must be specified"));
        }
        if !FIELDS.contains(&field) {
            let known = FIELDS.join(",");
            let message = format!("Condition field '{field}' must be one of '[{known}]'");
            return Err(ApiError::validation(message));
        }
        let short = matches!(field, HOST | PATH);
        if !self.values.is_empty() && !short {
            let message = format!("The 'Values' field is not compatible with '{field}'");
            return Err(ApiError::validation(message));
        }
        if let Some((_, name, _)) = self.configs().find(|(of, _, _)| *of != field) {
            let message = format!("The '{name}' field is not compatible with '{field}'");
            return Err(ApiError::validation(message));
        }
        if self.address_type().is_some() {
            return Err(ApiError::validation(
                "IpAddressType cannot be specified for load balancers of type 'application'",
            ));
        }
        if let Some((_, name, _)) = self.configs().next().filter(|_| !self.values.is_empty()) {
            // AWS's sentence (Field).
            let message = format!(
                "You cannot provide both Values and '{name}' for a condition of type '{field}'"
            );
            return Err(ApiError::validation(message));
        }
        if self.values.len() > 1 {
            let message = format!("The '{field}' field contains too many values; the limit is '1'");
            return Err(ApiError::validation(message));
        }
        let mut kept = self.clone();
        if short {
            let long = self.configs().next().map(|(_, _, values)| values);
            let values = long.unwrap_or_else(|| texts(&self.values));
            kept.values = values.into_iter().map(str::to_owned).collect();
            let values = Some(Values {
                values: kept.values.clone(),
            });
            match field {
                HOST => kept.host_header_config = values,
                _ => kept.path_pattern_config = values,
            }
        }
        let values = kept.configs().next().map(|(_, _, values)| values);
        let Some(values) = values else {
            let name = config_of(field);
            let message = format!("A '{name}' must be specified with '{field}'");
            return Err(ApiError::validation(message));
        };
        if values.is_empty() || values.contains(&"") {
            return Err(ApiError::validation(match field {
                SOURCE_IP => "A 'source-ip' value must be specified",
                QUERY if !values.is_empty() => {
                    "A 'Value' must be specified in 'QueryStringKeyValuePair'"
                }
                _ => "A condition value must be specified",
            }));
        }
        let longest = if field == METHOD {
            LONGEST_NAME
        } else {
            LONGEST
        };
        for value in values {
            let called = if field == QUERY { "Value" } else { field };
            check_length(called, value, longest)?;
            check_value(field, value)?;
        }
        let query = self.query_string_config.iter().flat_map(|one| &one.values);
        for key in query.filter_map(|pair| pair.key.as_deref()) {
            check_length("Key", key, LONGEST)?;
        }
        if let Some(header) = &self.http_header_config {
            check_header_name(&header.http_header_name)?;
        }
        Ok(kept)
    }
}

/// The settings that a field needs which has no short form.
fn config_of(field: &str) -> &'static str {
    match field {
        HEADER => "HttpHeaderConfig",
        METHOD => "HttpRequestMethodConfig",
        QUERY => "QueryStringConfig",
        _ => "SourceIpConfig",
    }
}

fn check_length(called: &str, value: &str, longest: usize) -> Result<(), ApiError> {
    if value.chars().count() <= longest {
        return Ok(());
    }
    let message = format!("The '{called}' value is too long; the limit is '{longest}'");
    Err(ApiError::validation(message))
}

/// Characters (Model).
fn check_value(field: &str, value: &str) -> Result<(), ApiError> {
    let of = |more: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
        value.chars().all(fits)
    };
    let fits = match field {
        HOST => {
            let end = value.rsplit_once('.').map(|(_, end)| end);
            of("-.*?") && end.is_some_and(|end| end.chars().all(|c| c.is_ascii_alphabetic()))
        }
        PATH => of("_-.$/~\"'@:+&*?"),
        METHOD => {
            let fits = |c: char| c.is_ascii_uppercase() || "-_".contains(c);
            value.chars().all(fits)
        }
        SOURCE_IP => range(value).is_some(),
        _ => true,
    };
    if fits {
        return Ok(());
    }
    Err(ApiError::validation(if field == METHOD {
        // AWS's words, as for what is too long or missing (Field: moto's tests).
        format!(
            "The '{field}' value is invalid; the allowed characters are A-Z, hyphen and underscore"
        )
    } else {
        format!("Condition value '{value}' is not valid for '{field}'")
    }))
}

/// A token of RFC 7230; the host has a condition of its own (Model).
fn check_header_name(name: &str) -> Result<(), ApiError> {
    check_length("HttpHeaderName", name, LONGEST_NAME)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if !name.is_empty() && name.chars().all(fits) && !name.eq_ignore_ascii_case("host") {
        return Ok(());
    }
    let message = format!("HTTP header name '{name}' is not valid");
    Err(ApiError::validation(message))
}

/// The address and the number of bits of a range in CIDR notation.
pub(crate) fn range(cidr: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = cidr.split_once('/')?;
    let (address, bits): (IpAddr, u32) = (address.parse().ok()?, bits.parse().ok()?);
    let most = if address.is_ipv4() { 32 } else { 128 };
    (bits <= most).then_some((address, bits))
}
