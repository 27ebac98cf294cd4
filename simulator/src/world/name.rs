//! Names that AWS makes: ARNs, ids, addresses; chance; and pages of a list.

use super::{ApiError, World};

/// The network everything is in.
pub(crate) const VPC_ID: &str = "vpc-0e00000000000000e";

/// One page of a list and where the next one starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// What to send to get the next page; `None` on the last.
    pub next: Option<String>,
}

/// The partition of a region (AWS documentation): every ARN of the region is of it.
pub fn partition_of(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

pub(crate) fn arn(service: &str, region: &str, account: &str, resource: &str) -> String {
    let partition = partition_of(region);
    format!("arn:{partition}:{service}:{region}:{account}:{resource}")
}

impl World {
    pub(crate) fn arn(&self, service: &str, resource: &str) -> String {
        arn(service, &self.region, &self.account, resource)
    }

    pub(crate) fn ecs_arn(&self, resource: &str) -> String {
        self.arn("ecs", resource)
    }

    pub(crate) fn elb_arn(&self, resource: &str) -> String {
        self.arn("elasticloadbalancing", resource)
    }

    pub(crate) fn random<T>(&mut self, draw: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        let mut rng = fastrand::Rng::with_seed(self.random_state);
        let drawn = draw(&mut rng);
        self.random_state = rng.get_seed();
        drawn
    }

    pub(crate) fn hex16(&mut self) -> String {
        let number = self.random(|rng| rng.u64(..));
        format!("{number:016x}")
    }

    pub(crate) fn hex32(&mut self) -> String {
        let number = self.random(|rng| rng.u128(..));
        format!("{number:032x}")
    }

    /// `delay_ms`, more or less by the world's jitter.
    pub(crate) fn jittered(&mut self, delay_ms: u64) -> u64 {
        let spread = delay_ms.saturating_mul(self.timings.jitter_percent.min(100)) / 100;
        let shift = self.random(|rng| rng.u64(0..=spread.saturating_mul(2)));
        delay_ms - spread + shift
    }

    /// A time from one to another, all as likely; without jitter one follows another as unevenly, and always
    /// in the same way.
    pub(crate) fn between(&mut self, least_ms: u64, most_ms: u64) -> u64 {
        if self.timings.jitter_percent > 0 {
            return self.random(|rng| rng.u64(least_ms..=most_ms));
        }
        // Multiples of the golden ratio.
        let place = self.next_ordinal().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let share = (u128::from(most_ms - least_ms) * u128::from(place)) >> 64;
        least_ms + u64::try_from(share).unwrap_or(0)
    }

    /// A private address of the subnet's own /24, in the order asked for.
    pub(crate) fn next_address(&mut self, subnet_index: usize) -> String {
        let host = self.next_ordinal() % 60_000;
        let (subnet, third, last) = (subnet_index % 256, host / 250, host % 250 + 4);
        format!("10.{subnet}.{third}.{last}")
    }

    /// The Availability Zone of the n-th subnet.
    pub(crate) fn zone(&self, subnet_index: usize) -> String {
        let letter = ["a", "b", "c", "d", "e", "f"][subnet_index % 6];
        format!("{}{letter}", self.region)
    }
}

/// The page after `marker`. The marker is opaque to callers and names the next item by number.
pub(crate) fn page<T>(
    items: Vec<T>,
    marker: Option<&str>,
    size: usize,
    bad_marker: impl FnOnce() -> ApiError,
) -> Result<Page<T>, ApiError> {
    let from = match marker {
        None => 0,
        Some(marker) => marker
            .strip_prefix("page-")
            .and_then(|number| number.parse::<usize>().ok())
            .filter(|from| *from < items.len().max(1))
            .ok_or_else(bad_marker)?,
    };
    let until = from.saturating_add(size.max(1));
    let next = (until < items.len()).then(|| format!("page-{until}"));
    let items = items.into_iter().skip(from).take(until - from).collect();
    Ok(Page { items, next })
}

/// The last part of an ARN, or the name itself.
pub(crate) fn short_name(name_or_arn: &str) -> &str {
    if name_or_arn.starts_with("arn:") {
        name_or_arn.rsplit('/').next().unwrap_or(name_or_arn)
    } else {
        name_or_arn
    }
}

/// 1 to 255 letters, digits, hyphens and underscores: the name of a cluster, a service or a family.
pub(crate) fn is_ecs_name(name: &str) -> bool {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    (1..=255).contains(&name.len()) && name.chars().all(allowed)
}

/// 1 to 32 letters, digits and hyphens (Docs), in AWS's words (Field: moto's tests). What else is said of hyphens
/// is another thing for each kind.
pub(crate) fn check_name(name: &str, of: &str) -> Result<(), ApiError> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    let problem = if name.is_empty() {
        let message = format!("A {} name must be specified", of.to_lowercase());
        return Err(ApiError::validation(message));
    } else if !name.chars().all(allowed) {
        "can only contain characters that are alphanumeric characters or hyphens(-)"
    } else if name.len() > 32 {
        "cannot be longer than '32' characters"
    } else {
        return Ok(());
    };
    let message = format!("{of} name '{name}' {problem}");
    Err(ApiError::validation(message))
}

/// The refusal of a value that is none of an enumeration's, in AWS's words (Field).
pub(crate) fn not_of(value: &str, parameter: &str, known: &[&str]) -> ApiError {
    let known = known.join(", ");
    ApiError::validation(format!(
        "1 validation error detected: Value '{value}' at '{parameter}' failed to satisfy constraint: Member must satisfy enum value set: [{known}]"
    ))
}
