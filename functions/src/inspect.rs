//! Preflight without a deployment: the same reads, the same decision, every finding.

use ebbtide_controller::arn::Home;
use ebbtide_controller::identity::DeploymentId;
use ebbtide_controller::phase::Phase;
use ebbtide_controller::plan::Plan;
use ebbtide_controller::preflight;
use ebbtide_controller::preflight::findings::Finding;
use ebbtide_controller::refusal::Refusal;
use ebbtide_controller::request::Request;

use crate::clients::Clients;
use crate::error::StepError;
use crate::observe::{Names, observe};
use crate::observe_ecs;

/// What preflight says of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    /// What would be done, as a sentence and step by step; or why it would be refused.
    pub outcome: Result<(String, Plan), Refusal>,
    /// All findings, most severe first.
    pub findings: Vec<Finding>,
}

/// Reads what preflight reads and returns all findings; writes nothing. `now` is in seconds since 1970.
pub async fn inspect(
    clients: &Clients,
    id: &DeploymentId,
    request: &Request,
    now: u64,
) -> Result<Inspection, StepError> {
    let known = &mut Names::default();
    let world = Box::pin(observe(
        clients,
        Phase::Preflight,
        request,
        None,
        now,
        known,
    ))
    .await?;
    let (checked, findings) = preflight::inspect(id, request, world.as_ref());
    let outcome = checked.map(|checked| {
        let plan = checked.drain();
        (checked.answer().reason.to_string(), plan)
    });
    Ok(Inspection { outcome, findings })
}

/// The partition, region and account that the clients find a service in, or miss it in.
pub async fn home(
    clients: &Clients,
    cluster: &str,
    service: &str,
) -> Result<Option<Home>, StepError> {
    observe_ecs::home(&clients.ecs, cluster, service).await
}
