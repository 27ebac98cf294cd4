//! Operators, who give commands to deployments as `ebbtide pause` and its like do.

use std::convert::Infallible;
use std::time::Duration;

use ebbtide_controller::command::{Asked, Command, Meant, NotGiven, Panel};
use ebbtide_functions::StepError;
use ebbtide_functions::operator::give;

use super::Installation;
use crate::scenario::CommandScenario;

impl Installation {
    /// Gives a command to the deployment of a service, by `CLUSTER/SERVICE`.
    pub async fn command(
        &self,
        service: &str,
        command: Command,
        by: &str,
    ) -> Result<Result<Panel, NotGiven>, StepError> {
        let at = self.aws.with_world(|world| world.epoch_ms() / 1_000);
        let by = by.to_owned();
        let asked = Asked { command, by, at };
        let whichever = Meant {
            execution: None,
            fence: None,
        };
        give(&self.aws.clients("operator"), service, whichever, &asked).await
    }

    /// Gives the commands of scenarios, each with its service as `CLUSTER/SERVICE`, when their time has come, and goes
    /// on waiting; `said` hears what came of each.
    pub async fn operate(
        &self,
        commands: &[(String, CommandScenario)],
        said: impl Fn(&str, String),
    ) -> Infallible {
        let mut commands: Vec<_> = commands.iter().collect();
        commands.sort_by_key(|(_, command)| command.after_seconds);
        let mut now = 0;
        for (service, scenario) in commands {
            let said = |what| said(service, what);
            tokio::time::sleep(Duration::from_secs(scenario.after_seconds - now)).await;
            now = scenario.after_seconds;
            let command = match scenario.read() {
                Ok(command) => command,
                Err(error) => {
                    said(format!("Operator's command was not given: {error}."));
                    continue;
                }
            };
            let name = command.to_string();
            said(match self.command(service, command, &scenario.by).await {
                Ok(Ok(_)) => format!("Operator's command: {name} by {}.", scenario.by),
                Ok(Err(refused)) => format!("Operator's command {name} was refused: {refused}."),
                Err(error) => format!("Operator's command {name} failed: {error}"),
            });
        }
        std::future::pending().await
    }
}
