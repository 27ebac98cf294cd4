//! What every end of a deployment has in common: scale-in that is held is resumed before the lock is released.

use ebbtide_controller::action::Action;
use ebbtide_controller::auto_scaling::{held_still, resumption};
use ebbtide_controller::deployment::{Answer, Deployment};
use ebbtide_controller::lock::SETTLE;
use ebbtide_controller::reason::Reason;

use super::{MOST_DENIED, MOST_UNANSWERED, Step};
use crate::act::act;
use crate::error::StepError;
use crate::lock::Section;
use crate::scaling;

impl Step<'_> {
    /// An end, once scale-in is resumed; the same turn again where that failed.
    ///
    /// Trouble with Application Auto Scaling says nothing about a replacement (rule R6): in the end it is a remark, and the
    /// next deployment resumes.
    pub(super) async fn at_peace(
        &self,
        deployment: &Deployment,
        section: &Section,
        answer: Answer,
    ) -> Answer {
        if !answer.to.is_the_end() || section.hold.is_none() {
            return answer;
        }
        let Err(error) = self.resume(deployment).await else {
            return answer;
        };
        let most = if error.name.is_worth_retrying() {
            MOST_UNANSWERED
        } else {
            MOST_DENIED
        };
        if deployment.progress.unanswered >= most {
            return held_still(answer, &error.message);
        }
        let why = format!("scale-in was not resumed: {}", error.message);
        let wait = SETTLE;
        self.again(deployment, Reason::Denied { why, wait })
    }

    async fn resume(&self, deployment: &Deployment) -> Result<(), StepError> {
        let request = &deployment.plan.request;
        let target = scaling::read(&self.clients.auto_scaling, request).await?;
        let suspended = target.is_some_and(|target| target.scale_in);
        for action in resumption(target) {
            tracing::info!(
                deployment = self.event.id.name(),
                phase = self.event.phase.as_str(),
                decision = "act",
                reason = %action,
                "step"
            );
            let acted = act(self.clients, self.invocation, request, &action).await;
            let suspends = matches!(action, Action::SuspendScaling { .. });
            match acted {
                // It was never suspended: what is refused now was refused before.
                Err(error) if suspends && !suspended && !error.name.is_worth_retrying() => {}
                acted => acted?,
            }
        }
        Ok(())
    }
}
