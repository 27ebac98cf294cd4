//! Which state machine and which execution a command means: its flags, and what they lead to.

use clap::Args;
use ebbtide_controller::arn::Arn;
use ebbtide_functions::StepError;

use crate::aws::{Access, AccessError};
use crate::executions::{CallError, Executions, Machine, services_of};

/// The alias that executions are started with; see template.yaml.
const ALIAS: &str = "live";

/// The name of the state machine, and of the stack, unless a flag gives another one.
pub(crate) const DEFAULT_NAME: &str = "ebbtide";

/// The flags that say which state machine, and in which account.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "State machine")]
pub(crate) struct Target {
    /// The state machine: the ARN in the stack's output `DeploymentStateMachineLiveArn`, or its name, which
    /// is the stack's. A name needs `states:ListStateMachines` and `states:ListStateMachineAliases`, and its
    /// alias `live` is used.
    #[arg(
        long,
        visible_alias = "stack",
        value_name = "ARN|NAME",
        default_value = DEFAULT_NAME
    )]
    pub(crate) state_machine: String,
    #[command(flatten)]
    pub(crate) access: Access,
}

/// No state machine is meant, or it could not be looked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MachineError {
    #[error(
        "{0} is not the ARN of a state machine, like arn:aws:states:REGION:ACCOUNT:stateMachine:NAME:live"
    )]
    NoStateMachine(String),
    #[error(
        "{0} is neither the ARN of an execution, like arn:aws:states:REGION:ACCOUNT:execution:STATE-MACHINE:NAME, nor a name; `ebbtide status` lists them"
    )]
    NoExecution(String),
    #[error(
        "there is no state machine {wanted} in {region} ({seen}): name it, or the stack that it was installed with, \
         with --state-machine, and the region with --region"
    )]
    NotThere {
        wanted: String,
        region: String,
        seen: String,
    },
    #[error(transparent)]
    Region(#[from] AccessError),
    #[error(transparent)]
    Call(#[from] CallError),
}

/// Whether an error is AWS's answer, and none of usage.
pub(crate) fn refused(error: &(dyn std::error::Error + 'static)) -> bool {
    error.is::<CallError>()
        || error.is::<StepError>()
        || matches!(
            error.downcast_ref(),
            Some(MachineError::Call(_) | MachineError::NotThere { .. })
        )
}

impl Target {
    /// The same for deployments of several services: the stack has another state machine for them.
    pub(crate) fn for_services(&self) -> Self {
        let wanted = &self.state_machine;
        let state_machine = match Machine::parse(wanted) {
            Some(machine) => machine.for_services().arn,
            None => services_of(wanted),
        };
        Self {
            state_machine,
            access: self.access.clone(),
        }
    }

    /// The calls to Step Functions, in the region of an ARN: it is in no other one.
    pub(crate) async fn executions(&self, arn: &str) -> Result<Executions, AccessError> {
        let mut access = self.access.clone();
        if let Some(arn) = Arn::parse(arn) {
            access.region = Some(arn.region.to_owned());
        }
        Ok(Executions::new(&access.config().await?))
    }

    /// The account of a state machine: the service that it deploys is there too.
    pub(crate) fn access_in(&self, machine: &Machine) -> Access {
        let mut access = self.access.clone();
        access.region = machine.home().map(|home| home.region).or(access.region);
        access
    }

    /// The state machine that the flags name, and the calls to it.
    pub(crate) async fn machine(&self) -> Result<(Executions, Machine), MachineError> {
        let wanted = &self.state_machine;
        if wanted.starts_with("arn:") {
            let machine = Machine::parse(wanted)
                .ok_or_else(|| MachineError::NoStateMachine(wanted.clone()))?;
            return Ok((self.executions(wanted).await?, machine));
        }
        let config = self.access.config().await?;
        let executions = Executions::new(&config);
        let own = executions.machine_named(wanted).await?;
        let own = own.map_err(|seen| MachineError::NotThere {
            wanted: wanted.clone(),
            region: config.region().map(ToString::to_string).unwrap_or_default(),
            seen: in_words(&seen),
        })?;
        let live = format!("{own}:{ALIAS}");
        let has_live = executions.has_alias(&own, &live).await?;
        let arn = if has_live { live } else { own };
        Ok((executions, Machine { arn }))
    }

    /// The execution that an argument names, by its ARN or by its name alone, and the calls to it. A name that the state
    /// machine does not know may be one of the stack's other one, which deploys several services.
    pub(crate) async fn execution(
        &self,
        execution: &str,
    ) -> Result<(Executions, String), MachineError> {
        if execution.starts_with("arn:") {
            let right = Arn::parse(execution).is_some_and(|arn| {
                arn.service == "states" && arn.resource.starts_with("execution:")
            });
            if !right {
                return Err(MachineError::NoExecution(execution.to_owned()));
            }
            return Ok((self.executions(execution).await?, execution.to_owned()));
        }
        if execution.is_empty() || execution.contains([':', '/']) {
            return Err(MachineError::NoExecution(execution.to_owned()));
        }
        let (executions, machine) = self.machine().await?;
        let arn = machine.execution(execution);
        let of_services = machine.for_services().execution(execution);
        let known = executions.knows(&arn).await || !executions.knows(&of_services).await;
        Ok((executions, if known { arn } else { of_services }))
    }
}

fn in_words(seen: &[String]) -> String {
    match seen {
        [] => "there is none at all".to_owned(),
        few if few.len() <= 5 => format!("there are: {}", few.join(", ")),
        many => format!("there are {} others", many.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_instead_is_said_while_it_is_few() {
        let names = |count: usize| (0..count).map(|n| format!("m{n}")).collect::<Vec<_>>();
        assert_eq!(in_words(&names(0)), "there is none at all");
        assert_eq!(in_words(&names(2)), "there are: m0, m1");
        assert_eq!(in_words(&names(9)), "there are 9 others");
    }
}
