//! Which state machine is meant.

use clap::Args;
use ebbtide_controller::arn::{Arn, Home};

use super::{CallError, Executions};
use crate::aws::{Access, NoRegion};

/// The alias that executions are started with; see template.yaml.
const ALIAS: &str = "live";

/// The name of the state machine, and of the stack, where nobody says otherwise.
pub(crate) const DEFAULT_NAME: &str = "ebbtide";

/// The flags that say which state machine, and in which account.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "State machine")]
pub(crate) struct Target {
    /// The state machine: the ARN that the stack's output `DeploymentStateMachineLiveArn` gives, or
    /// its name, which is the stack's. By name it has to be listed (`states:ListStateMachines` and
    /// `states:ListStateMachineAliases`), and its alias `live` is taken.
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

/// A state machine by the ARN that executions are started with: its own, a version's or an alias's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) arn: String,
}

/// No state machine is meant, or it could not be looked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MachineError {
    #[error(
        "{0} is not the ARN of a state machine, like arn:aws:states:REGION:ACCOUNT:stateMachine:NAME:live"
    )]
    NoStateMachine(String),
    #[error(
        "{0} is neither the ARN of an execution, like arn:aws:states:REGION:ACCOUNT:execution:STATE-MACHINE:NAME, nor a name"
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
    Region(#[from] NoRegion),
    #[error(transparent)]
    Call(#[from] CallError),
}

impl Machine {
    /// A state machine by its ARN.
    pub(crate) fn parse(arn: &str) -> Option<Self> {
        let parsed = Arn::parse(arn)?;
        let name = parsed.resource.strip_prefix("stateMachine:")?;
        (parsed.service == "states" && !name.is_empty()).then(|| Self {
            arn: arn.to_owned(),
        })
    }

    /// The ARN without version or alias.
    pub(crate) fn unqualified(&self) -> String {
        self.arn.split(':').take(7).collect::<Vec<_>>().join(":")
    }

    /// The ARN that an execution of this name has, whichever version or alias it was started with.
    pub(crate) fn execution(&self, name: &str) -> String {
        let unqualified = self.unqualified();
        format!(
            "{}:{name}",
            unqualified.replacen(":stateMachine:", ":execution:", 1)
        )
    }

    /// Where its executions run, and everything that their inputs name.
    pub(crate) fn home(&self) -> Option<Home> {
        Arn::parse(&self.arn).map(|arn| arn.home())
    }
}

impl Target {
    /// The calls to Step Functions, in the region of an ARN: it is in no other one.
    pub(crate) async fn executions(&self, arn: &str) -> Result<Executions, NoRegion> {
        let mut access = self.access.clone();
        if let Some(arn) = Arn::parse(arn) {
            access.region = Some(arn.region.to_owned());
        }
        Ok(Executions::new(&access.config().await?))
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
        let (found, seen) = executions.find(wanted).await?;
        let Some(arn) = found else {
            return Err(MachineError::NotThere {
                wanted: wanted.clone(),
                region: config
                    .region()
                    .map_or_else(String::new, |region| region.as_ref().to_owned()),
                seen: in_words(&seen),
            });
        };
        let live = executions.alias(&arn).await?;
        Ok((
            executions,
            Machine {
                arn: live.unwrap_or(arn),
            },
        ))
    }

    /// The execution that an argument names, by its ARN or by its name alone, and the calls to it.
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
        Ok((executions, arn))
    }

    /// The account's flags as one would type them again, each with a space before it.
    pub(crate) fn account(&self) -> String {
        self.access.flags()
    }
}

fn in_words(seen: &[String]) -> String {
    match seen {
        [] => "there is none at all".to_owned(),
        few if few.len() <= 5 => format!("there are: {}", few.join(", ")),
        many => format!("there are {} others", many.len()),
    }
}

impl Executions {
    /// The ARN of the state machine of this name, and the names that there are besides.
    async fn find(&self, wanted: &str) -> Result<(Option<String>, Vec<String>), CallError> {
        let mut seen = Vec::new();
        let mut pages = self.0.list_state_machines().into_paginator().items().send();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|error| CallError::of("states:ListStateMachines", &error))?;
            if item.name == wanted {
                return Ok((Some(item.state_machine_arn), seen));
            }
            seen.push(item.name);
        }
        Ok((None, seen))
    }

    /// The state machine's alias `live`, if it has one.
    async fn alias(&self, arn: &str) -> Result<Option<String>, CallError> {
        let mut token = None;
        // A state machine has 100 aliases at most.
        for _ in 0..100 {
            let call = self.0.list_state_machine_aliases().state_machine_arn(arn);
            let page = call
                .set_next_token(token)
                .send()
                .await
                .map_err(|error| CallError::of("states:ListStateMachineAliases", &error))?;
            let mut aliases = page.state_machine_aliases.into_iter();
            let live =
                aliases.find(|alias| alias.state_machine_alias_arn == format!("{arn}:{ALIAS}"));
            if let Some(live) = live {
                return Ok(Some(live.state_machine_alias_arn));
            }
            token = page.next_token;
            if token.is_none() {
                break;
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_execution_has_one_arn_by_whichever_alias_it_was_started() {
        let own = Machine::parse("arn:aws:states:eu-west-1:123456789012:stateMachine:ebbtide");
        let live =
            Machine::parse("arn:aws:states:eu-west-1:123456789012:stateMachine:ebbtide:live");
        let arn = "arn:aws:states:eu-west-1:123456789012:execution:ebbtide:chat-2";
        assert_eq!(own.unwrap().execution("chat-2"), arn);
        let live = live.unwrap();
        assert_eq!(live.execution("chat-2"), arn);
        assert_eq!(live.home().unwrap().region, "eu-west-1");
    }

    #[test]
    fn the_arn_of_something_else_is_no_state_machine() {
        for other in [
            "arn:aws:states:eu-west-1:123456789012:execution:ebbtide:run",
            "arn:aws:lambda:eu-west-1:123456789012:function:swap",
            "arn:aws:states:eu-west-1:123456789012:stateMachine:",
            "arn:aws:states:eu-west-1:1234:stateMachine:ebbtide",
        ] {
            assert_eq!(Machine::parse(other), None, "{other}");
        }
    }

    #[test]
    fn what_there_is_instead_is_said_while_it_is_few() {
        let names = |count: usize| (0..count).map(|n| format!("m{n}")).collect::<Vec<_>>();
        assert_eq!(in_words(&names(0)), "there is none at all");
        assert_eq!(in_words(&names(2)), "there are: m0, m1");
        assert_eq!(in_words(&names(9)), "there are 9 others");
    }
}
