//! What a client sends, and which rule of a listener that fits.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::condition::{HEADER, HOST, METHOD, PATH, QUERY, QueryValue, SOURCE_IP, range};
use super::listener::Before;
use super::{Action, Condition, Listener, Rule};

/// A request, or of a Network Load Balancer's client the address alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Visit {
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) method: String,
    /// What follows the `?`.
    pub(crate) query: String,
    pub(crate) address: IpAddr,
}

impl Default for Visit {
    fn default() -> Self {
        Self {
            host: "www.example.com".to_owned(),
            path: "/".to_owned(),
            headers: BTreeMap::new(),
            method: "GET".to_owned(),
            query: String::new(),
            // An address for documentation (RFC 5737).
            address: Ipv4Addr::new(203, 0, 113, 1).into(),
        }
    }
}

impl Visit {
    /// One that fits the first value of each of those conditions.
    pub(crate) fn that_fits(conditions: &[Condition]) -> Self {
        let mut visit = Self::default();
        let mut query = form_urlencoded::Serializer::new(String::new());
        for condition in conditions {
            let first = condition.first_value().unwrap_or_default();
            match condition.field.as_str() {
                HOST => visit.host = example(first),
                PATH => visit.path = example(first),
                METHOD => first.clone_into(&mut visit.method),
                HEADER => {
                    let header = condition.http_header_config.as_ref();
                    let name = header.map(|header| header.http_header_name.clone());
                    visit
                        .headers
                        .insert(name.unwrap_or_default(), example(first));
                }
                QUERY => {
                    let pairs = condition.query_string_config.iter();
                    if let Some(pair) = pairs.flat_map(|config| &config.values).next() {
                        let key = pair.key.as_deref().unwrap_or("key");
                        query.append_pair(&example(key), &example(&pair.value));
                    }
                }
                SOURCE_IP if condition.address_type() == Some("ipv6") => {
                    visit.address = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into();
                }
                SOURCE_IP => {
                    let first = range(first).map(|(address, _)| address);
                    visit.address = first.unwrap_or(visit.address);
                }
                _ => {}
            }
        }
        visit.query = query.finish();
        visit
    }

    fn fits(&self, condition: &Condition) -> bool {
        let fits = |pattern: &str| match condition.field.as_str() {
            HOST => is_like(&pattern.to_lowercase(), &self.host.to_lowercase()),
            PATH => is_like(pattern, &self.path),
            METHOD => pattern == self.method,
            HEADER => self.has_header(condition, &pattern.to_lowercase()),
            SOURCE_IP => range(pattern).is_some_and(|range| is_within(self.address, range)),
            _ => false,
        };
        let query = condition.query_string_config.iter();
        let mut query = query.flat_map(|config| &config.values);
        match condition.address_type() {
            Some("ipv4") => self.address.is_ipv4(),
            Some(_) => self.address.is_ipv6(),
            None if condition.field == QUERY => query.any(|pair| self.asks(pair)),
            None => condition
                .configs()
                .any(|(_, _, values)| values.into_iter().any(fits)),
        }
    }

    /// Names and values of headers are compared without case (Model).
    fn has_header(&self, condition: &Condition, pattern: &str) -> bool {
        let config = condition.http_header_config.as_ref();
        let name = config.map_or("", |config| config.http_header_name.as_str());
        self.headers.iter().any(|(known, value)| {
            known.eq_ignore_ascii_case(name) && is_like(pattern, &value.to_lowercase())
        })
    }

    /// A key that is not given is any key (Docs).
    fn asks(&self, pair: &QueryValue) -> bool {
        let is_like =
            |pattern: &str, text: &str| is_like(&pattern.to_lowercase(), &text.to_lowercase());
        form_urlencoded::parse(self.query.as_bytes()).any(|(key, value)| {
            let wanted = pair.key.as_ref();
            wanted.is_none_or(|wanted| is_like(wanted, &key)) && is_like(&pair.value, &value)
        })
    }
}

impl Listener {
    /// What it does with what a client sends, and what it did before, as long as nodes may still do that: the
    /// rules count by priority, and the default action where none fits (Docs).
    pub(crate) fn route_of(&self, visit: &Visit) -> (&[Action], Option<&Before>) {
        let fits = |rule: &&Rule| rule.conditions.iter().all(|one| visit.fits(one));
        let fitting = self.rules.values().filter(fits);
        match fitting.min_by_key(|rule| rule.priority) {
            Some(rule) => (&rule.actions, self.rules_before.get(&rule.arn)),
            None => (&self.default_actions, self.before.as_ref()),
        }
    }
}

fn is_within(address: IpAddr, (base, bits): (IpAddr, u32)) -> bool {
    match (address, base) {
        (IpAddr::V4(address), IpAddr::V4(base)) => {
            let differ = address.to_bits() ^ base.to_bits();
            differ.checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(address), IpAddr::V6(base)) => {
            let differ = address.to_bits() ^ base.to_bits();
            differ.checked_shr(128 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V4(_) | IpAddr::V6(_), _) => false,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Char(char),
    /// `?`
    One,
    /// `*`
    Any,
}

/// A backslash makes the character after it an ordinary one (Model, for query strings; paths and hosts have none).
fn parts(pattern: &str) -> Vec<Part> {
    let mut chars = pattern.chars();
    let mut parts = Vec::new();
    while let Some(c) = chars.next() {
        parts.push(match c {
            '*' => Part::Any,
            '?' => Part::One,
            '\\' => Part::Char(chars.next().unwrap_or('\\')),
            c => Part::Char(c),
        });
    }
    parts
}

/// A text that fits a pattern.
fn example(pattern: &str) -> String {
    let parts = parts(pattern).into_iter();
    let text = parts.filter_map(|part| match part {
        Part::Char(c) => Some(c),
        Part::One => Some('a'),
        Part::Any => None,
    });
    text.collect()
}

fn is_like(pattern: &str, text: &str) -> bool {
    let (parts, text) = (parts(pattern), text.chars().collect::<Vec<_>>());
    // Which beginnings of the pattern fit what was read of the text.
    let mut fit = vec![false; parts.len() + 1];
    fit[0] = true;
    let skip = |fit: &mut Vec<bool>| {
        for (at, part) in parts.iter().enumerate() {
            fit[at + 1] |= fit[at] && *part == Part::Any;
        }
    };
    skip(&mut fit);
    for c in text {
        let mut next = vec![false; parts.len() + 1];
        for (at, part) in parts.iter().enumerate() {
            match part {
                Part::Char(wanted) => next[at + 1] |= fit[at] && *wanted == c,
                Part::One => next[at + 1] |= fit[at],
                Part::Any => next[at] |= fit[at],
            }
        }
        skip(&mut next);
        fit = next;
    }
    fit[parts.len()]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Condition, Visit, is_like};

    #[test]
    fn patterns_fit_texts() {
        for (pattern, text, fits) in [
            ("/a/*", "/a/", true),
            ("/a/*", "/a", false),
            ("/a/*/c", "/a/b/b/c", true),
            ("/a/*/c", "/a/b/b/c/", false),
            ("/a?c", "/abc", true),
            ("/a?c", "/ac", false),
            ("*", "", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            (r"\*", "*", true),
            (r"\*", "a", false),
        ] {
            assert_eq!(is_like(pattern, text), fits, "{pattern} {text}");
        }
    }

    fn condition(field: &str, config: &str, values: &Value) -> Condition {
        let values = json!({ "Field": field, config: values });
        serde_json::from_value(values).expect("a condition")
    }

    #[test]
    fn what_clients_send_fits_conditions_or_does_not() {
        let visit = Visit {
            host: "API.example.com".to_owned(),
            path: "/Users/7".to_owned(),
            headers: [("X-Preview".to_owned(), "Yes".to_owned())].into(),
            method: "POST".to_owned(),
            query: "version=V1&mark=%2A".to_owned(),
            address: [10, 1, 2, 3].into(),
        };
        let header = |values: Value| json!({ "HttpHeaderName": "x-preview", "Values": values });
        let pairs = |pair: Value| json!({ "Values": [pair] });
        for (field, config, values, fits) in [
            (
                "host-header",
                "HostHeaderConfig",
                json!({ "Values": ["*.EXAMPLE.com"] }),
                true,
            ),
            (
                "host-header",
                "HostHeaderConfig",
                json!({ "Values": ["example.com"] }),
                false,
            ),
            (
                "path-pattern",
                "PathPatternConfig",
                json!({ "Values": ["/x", "/Users/*"] }),
                true,
            ),
            (
                "path-pattern",
                "PathPatternConfig",
                json!({ "Values": ["/users/*"] }),
                false,
            ),
            (
                "http-request-method",
                "HttpRequestMethodConfig",
                json!({ "Values": ["POST"] }),
                true,
            ),
            (
                "http-request-method",
                "HttpRequestMethodConfig",
                json!({ "Values": ["GET"] }),
                false,
            ),
            (
                "http-header",
                "HttpHeaderConfig",
                header(json!(["yes"])),
                true,
            ),
            (
                "http-header",
                "HttpHeaderConfig",
                header(json!(["no"])),
                false,
            ),
            (
                "query-string",
                "QueryStringConfig",
                pairs(json!({ "Value": "v?" })),
                true,
            ),
            (
                "query-string",
                "QueryStringConfig",
                pairs(json!({ "Key": "version", "Value": "v1" })),
                true,
            ),
            (
                "query-string",
                "QueryStringConfig",
                pairs(json!({ "Key": "other", "Value": "v1" })),
                false,
            ),
            (
                "query-string",
                "QueryStringConfig",
                pairs(json!({ "Key": "mark", "Value": r"\*" })),
                true,
            ),
            (
                "query-string",
                "QueryStringConfig",
                pairs(json!({ "Key": "version", "Value": r"\*" })),
                false,
            ),
            (
                "source-ip",
                "SourceIpConfig",
                json!({ "Values": ["10.1.0.0/16"] }),
                true,
            ),
            (
                "source-ip",
                "SourceIpConfig",
                json!({ "Values": ["0.0.0.0/0"] }),
                true,
            ),
            (
                "source-ip",
                "SourceIpConfig",
                json!({ "Values": ["10.2.0.0/16", "::/0"] }),
                false,
            ),
            (
                "source-ip",
                "SourceIpConfig",
                json!({ "IpAddressType": "ipv4" }),
                true,
            ),
            (
                "source-ip",
                "SourceIpConfig",
                json!({ "IpAddressType": "ipv6" }),
                false,
            ),
        ] {
            let condition = condition(field, config, &values);
            assert_eq!(visit.fits(&condition), fits, "{condition:?}");
            let own = Visit::that_fits(std::slice::from_ref(&condition));
            assert!(own.fits(&condition), "{own:?} {condition:?}");
        }
    }
}
