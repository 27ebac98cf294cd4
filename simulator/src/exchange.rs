//! One call, on its way to the simulated AWS and back: latency, and what goes wrong.

use bytes::Bytes;
use http::{Request, Response};

use crate::aws::SimulatedAws;
use crate::fault::Fault;
use crate::wire::{self, Distortion};

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the simulated connection broke")]
pub(crate) struct Broken;

impl SimulatedAws {
    /// Sends a request under the plan of faults, and waits for what comes back over the wire, if
    /// anything does. A caller that is gone before half the latency has sent nothing.
    pub(crate) async fn exchange(
        &self,
        caller: &str,
        request: &Request<Bytes>,
    ) -> Result<Response<Bytes>, Broken> {
        let changed = self.rewritten(request);
        let request = changed.as_ref().unwrap_or(request);
        let half = self.latency / 2;
        tokio::time::sleep(half).await;
        let response = self.strike(caller, request).await;
        tokio::time::sleep(half).await;
        response
    }

    async fn strike(
        &self,
        caller: &str,
        request: &Request<Bytes>,
    ) -> Result<Response<Bytes>, Broken> {
        let planned = self.next_call();
        let away = || self.is_away(request).then_some(Fault::Unreachable);
        let Some(fault) = planned.or_else(away) else {
            self.note_telling_faults(caller, request);
            return Ok(self.call(caller, request));
        };
        let perform = || self.call(caller, request);
        match fault {
            Fault::Unreachable => Err(Broken),
            Fault::Silent => std::future::pending().await,
            Fault::ServerError => Ok(wire::server_error(request)),
            Fault::Throttled => Ok(wire::throttled(request)),
            Fault::AccessDenied => Ok(wire::access_denied(request)),
            Fault::Stale => Ok(self.answer_stale(1, caller, request)),
            Fault::VeryStale => Ok(self.answer_stale(2, caller, request)),
            Fault::UnknownValue => {
                Ok(self.perform_distorted(caller, request, Distortion::UnknownValue))
            }
            Fault::EmptyPage => Ok(self.perform_distorted(caller, request, Distortion::EmptyPage)),
            Fault::LostReply => {
                perform();
                Err(Broken)
            }
            Fault::ServerErrorAfter => {
                perform();
                Ok(wire::server_error(request))
            }
            Fault::Twice => {
                perform();
                Ok(perform())
            }
            Fault::Late(after) => {
                self.deliver_late(after, caller, request);
                Err(Broken)
            }
        }
    }
}
