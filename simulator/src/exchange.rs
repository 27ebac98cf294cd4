//! One call, on its way to the simulated AWS and back.

use bytes::Bytes;
use http::{Request, Response};

use crate::aws::SimulatedAws;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error("the simulated connection broke")]
    Broken,
    #[error("the simulated AWS never answers")]
    Silent,
}

impl SimulatedAws {
    /// Sends a request under the plan of faults, and waits for what comes back over the wire, if
    /// anything does. A caller that is gone before half the latency has sent nothing.
    pub(crate) async fn exchange(
        &self,
        caller: &str,
        request: &Request<Bytes>,
    ) -> Result<Response<Bytes>, NoAnswer> {
        let changed = self.rewritten(request);
        let request = changed.as_ref().unwrap_or(request);
        let half = self.latency / 2;
        tokio::time::sleep(half).await;
        let response = self.deliver(caller, request);
        if matches!(response, Err(NoAnswer::Silent)) {
            return std::future::pending().await;
        }
        tokio::time::sleep(half).await;
        response
    }
}
