//! The names of a deployment, derived from the execution's ARN (rule R2).

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::arn::{Arn, Home, short};
use crate::clock;
use crate::id::ExecutionArn;
use crate::quote::is_visible;
use crate::request::Request;

/// Characters of a state machine's or an execution's name, at most (AWS API model).
const LONGEST_NAME: usize = 80;

/// Characters of a tag's value, at most (AWS API model).
const LONGEST_TAG: usize = 256;

/// One run of the state machine, named by its execution ARN.
///
/// A redriven execution keeps its ARN and its start, and is therefore the same deployment. A new
/// execution is another one, even under a name that was used before: names are free again after
/// 90 days (AWS documentation), and the task set of back then may be the one that serves today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentId {
    execution: ExecutionArn,
    started: String,
    home: Home,
    machine: String,
    name: String,
}

impl DeploymentId {
    /// The deployment of an execution ARN
    /// (`arn:aws:states:REGION:ACCOUNT:execution:MACHINE:NAME`) and the time it started at, as Step
    /// Functions writes it; `None` for any other text.
    pub fn of_execution(execution: &str, started_at: &str) -> Option<Self> {
        let arn = Arn::parse(execution)?;
        let (machine, name) = arn
            .resource
            .strip_prefix("execution:")
            .and_then(|rest| rest.split_once(':'))?;
        let started: String = started_at
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(24)
            .collect();
        let is_name =
            |text: &str| (1..=LONGEST_NAME).contains(&text.chars().count()) && is_visible(text);
        let complete = is_name(machine) && is_name(name) && !started.is_empty();
        (arn.service == "states" && complete).then(|| Self {
            execution: execution.into(),
            started,
            home: arn.home(),
            machine: machine.to_owned(),
            name: name.to_owned(),
        })
    }

    /// When the execution started, in seconds since 1970.
    pub(crate) fn start_seconds(&self) -> Option<u64> {
        // To the second, without what separates its parts.
        let second = self.started.get(..15)?;
        clock::seconds(&format!("{second}Z"))
    }

    /// The execution's ARN.
    pub fn execution(&self) -> &ExecutionArn {
        &self.execution
    }

    /// The execution's own name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When it started: letters and digits of the time alone.
    pub(crate) fn started_at(&self) -> &str {
        &self.started
    }

    /// The ARN of the execution's state machine.
    pub fn state_machine(&self) -> String {
        let Home {
            partition,
            region,
            account,
        } = &self.home;
        format!(
            "arn:{partition}:states:{region}:{account}:stateMachine:{}",
            self.machine
        )
    }

    /// The partition, region and account the execution runs in.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The label that a task set made by this deployment carries as its `externalId`.
    ///
    /// ECS does not keep it unique (AWS API model), so it finds a task set but proves nothing.
    pub fn external_id(&self) -> String {
        format!("{LABEL}{}:{}:{}", self.machine, self.name, self.started)
    }

    /// The same label in the characters that an ELBv2 tag value allows: letters, digits, spaces
    /// and `_.:/=+-@`, at most 256 of them (AWS API model).
    pub fn tag_value(&self) -> String {
        self.external_id()
            .chars()
            .map(|c| {
                if c.is_alphanumeric() || "_.:/=+-@ ".contains(c) {
                    c
                } else {
                    '_'
                }
            })
            .take(LONGEST_TAG - SHIFT.len() - BACK.len())
            .collect()
    }

    /// The record of a swap, which may be one in steps, and may go back.
    pub fn swap_record(&self, in_steps: bool, back: bool) -> String {
        let mut record = self.tag_value();
        record.push_str(if in_steps { SHIFT } else { "" });
        record.push_str(if back { BACK } else { "" });
        record
    }
}

/// What every label begins with.
const LABEL: &str = "ebbtide:";

/// Whether an `externalId` says that Ebbtide has created the task set.
pub(crate) fn is_label(external_id: &str) -> bool {
    external_id.starts_with(LABEL)
}

/// What follows the deployment in the record of a swap in steps.
const SHIFT: &str = ":shift";

/// What the record of a swap ends with where traffic goes back.
const BACK: &str = ":back";

/// Whether the record of a swap on a target group says that traffic leaves that group.
pub fn goes_back(swap_intent: &str) -> bool {
    swap_intent.ends_with(BACK)
}

/// Whether the record of a swap says that traffic may be shared between the two target groups.
pub fn is_in_steps(swap_intent: &str) -> bool {
    let forward = swap_intent.strip_suffix(BACK).unwrap_or(swap_intent);
    forward.ends_with(SHIFT)
}

/// The value of the tag `ebbtide:service`: `CLUSTER/SERVICE`, by their names. One that a tag value cannot hold
/// (256 characters: AWS API model) is its first 200 characters and a hash of it.
pub fn service_tag(request: &Request) -> String {
    let whole = format!("{}/{}", short(&request.cluster), request.service);
    if whole.chars().count() <= LONGEST_TAG {
        return whole;
    }
    let start: String = whole.chars().take(200).collect();
    format!("{start}:{}", client_token(&[&whole]))
}

/// The idempotency token of a `CreateTaskSet`: the same for every retry of the same request.
///
/// At most 36 ASCII characters (AWS API model); this is 32 hexadecimal digits of a SHA-256 over
/// length-prefixed parts, so `["ab", "c"]` and `["a", "bc"]` differ.
pub fn client_token(parts: &[&str]) -> String {
    hashed(parts)[..16]
        .iter()
        .fold(String::new(), |mut token, byte| {
            let _ = write!(token, "{byte:02x}");
            token
        })
}

/// A number from 0 up to 1 that is the same for the same parts, and as if by chance for others.
pub(crate) fn fraction(parts: &[&str]) -> f64 {
    let [first, second, third, fourth, ..] = hashed(parts);
    f64::from(u32::from_be_bytes([first, second, third, fourth])) / f64::from(u32::MAX)
}

fn hashed(parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXECUTION: &str = "arn:aws:states:us-east-1:555555555555:execution:Ebbtide:run-1";
    const START: &str = "2026-01-01T00:00:00Z";

    #[test]
    fn a_deployment_is_named_by_its_execution() {
        let id = DeploymentId::of_execution(EXECUTION, START).unwrap();
        assert_eq!(id.external_id(), "ebbtide:Ebbtide:run-1:20260101T000000Z");
        assert_eq!(id.home().account, "555555555555");
        assert_eq!(id.start_seconds(), Some(1_767_225_600));
        assert_eq!(
            id.state_machine(),
            "arn:aws:states:us-east-1:555555555555:stateMachine:Ebbtide"
        );
    }

    #[test]
    fn a_name_that_is_used_again_is_another_deployment() {
        let first = DeploymentId::of_execution(EXECUTION, START).unwrap();
        let second = DeploymentId::of_execution(EXECUTION, "2026-06-01T00:00:00Z").unwrap();
        assert_ne!(first.external_id(), second.external_id());
        assert_eq!(DeploymentId::of_execution(EXECUTION, ""), None);
    }

    #[test]
    fn other_arns_name_no_deployment() {
        for text in [
            "arn:aws:states:us-east-1:555555555555:stateMachine:Ebbtide",
            "arn:aws:ecs:us-east-1:555555555555:execution:a:b",
            "arn:aws:states:us-east-1:555555555555:execution:a:",
            "arn:aws:states:us-east-1:555555555555:execution:a:turned\u{202e}round",
            &format!(
                "arn:aws:states:us-east-1:555555555555:execution:a:{}",
                "b".repeat(81)
            ),
            "run-1",
        ] {
            assert_eq!(DeploymentId::of_execution(text, START), None, "{text}");
        }
    }

    #[test]
    fn a_tag_value_holds_only_what_a_tag_may_hold() {
        let id = DeploymentId::of_execution(
            "arn:aws:states:us-east-1:555555555555:execution:Ebbtide:a!b*c",
            START,
        )
        .unwrap();
        assert_eq!(id.tag_value(), "ebbtide:Ebbtide:a_b_c:20260101T000000Z");
    }

    #[test]
    fn a_service_is_recorded_by_the_names_of_cluster_and_service_however_long() {
        let mut request = crate::fixture::Scene::serving().request;
        assert_eq!(service_tag(&request), "main/web");
        request.cluster = "arn:aws:ecs:us-east-1:555555555555:cluster/main".into();
        assert_eq!(service_tag(&request), "main/web");
        request.cluster = "c".repeat(128);
        request.service = "s".repeat(127);
        assert_eq!(service_tag(&request).len(), 256);
        request.service.push('s');
        let long = service_tag(&request);
        assert!(
            long.starts_with(&"c".repeat(128)) && long.len() < 256,
            "{long}"
        );
        request.service.push('s');
        assert_ne!(service_tag(&request), long);
    }

    #[test]
    fn a_token_is_stable_and_short_and_differs_with_each_part() {
        let token = client_token(&["main", "web"]);
        assert_eq!(token, client_token(&["main", "web"]));
        assert_ne!(token, client_token(&["mai", "nweb"]));
        assert_eq!(token.len(), 32);
        assert!(token.chars().all(|c| c.is_ascii_hexdigit()));
    }
}
