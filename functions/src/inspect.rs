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
use crate::observe::observe;
use crate::observe_ecs;

/// What preflight says of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    /// What would be done, as a sentence and step by step; or why it would be refused.
    pub outcome: Result<(String, Plan), Refusal>,
    /// Everything there is to say, the gravest first.
    pub findings: Vec<Finding>,
}

/// Reads what preflight reads and says everything there is to say about it; writes nothing.
pub async fn inspect(
    clients: &Clients,
    id: &DeploymentId,
    request: &Request,
) -> Result<Inspection, StepError> {
    let seen = Box::pin(observe(clients, Phase::Preflight, id, request, None)).await?;
    let observation = seen.observation;
    let (checked, findings) = preflight::inspect(id, request, &observation);
    let outcome = checked.map(|deployment| {
        let plan = preflight::plan(&deployment, &observation);
        (
            preflight::answer(deployment, &observation)
                .reason
                .to_string(),
            plan,
        )
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
