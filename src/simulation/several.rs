//! Several services deployed by one execution.

use std::collections::BTreeSet;

use ebbtide_controller::arn::short;
use ebbtide_controller::lock::Lock;
use ebbtide_controller::request::Request;
use ebbtide_simulator::asl::HistoryEvent;
use ebbtide_simulator::deployment::Installation;
use ebbtide_simulator::{CommandScenario, SimulatedAws, World, world};
use serde_json::Value;

use super::members::Members;
use super::recorder::{felt, until_all_are_back};
use super::run::{ClientsSummary, Role};
use super::summary::End;
use crate::bar::Bar;
use crate::exit::Error;
use crate::output::remark;
use crate::runtime::in_virtual_time;

/// The name of the execution.
const NAME: &str = "simulated";

pub(crate) struct SeveralRun {
    pub(crate) summary: End,
    /// The execution that deploys them all, and those that it has started, in their order.
    pub(crate) executions: Vec<Execution>,
    /// The world at the end.
    pub(crate) world: World,
    /// The same, once the clients are back that were cut last.
    later: World,
}

pub(crate) struct Execution {
    pub(crate) name: String,
    /// Whose deployment it is; nothing of the one that deploys them all.
    pub(crate) service: Option<String>,
    pub(crate) status: String,
    pub(crate) error: Option<String>,
    /// Seconds since the first one started.
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) history: Vec<HistoryEvent>,
}

impl Execution {
    pub(crate) fn succeeded(&self) -> bool {
        self.status == "SUCCEEDED"
    }
}

impl SeveralRun {
    /// What the clients of a service felt, where it has any.
    pub(crate) fn clients(&self, cluster: &str, service: &str) -> Option<ClientsSummary> {
        let clients = self.later.clients_of(cluster, service)?;
        let seconds = usize::try_from(self.later.now() / 1_000).unwrap_or(usize::MAX);
        // The first that they were connected to is the original.
        let others = clients.task_sets().iter().skip(1);
        let others = others.map(|id| Members::new(Role::Replacement, id, BTreeSet::new()));
        let others: Vec<_> = others.collect();
        let felt = felt(clients, &others, seconds.saturating_add(1));
        Some(ClientsSummary::of(&felt))
    }
}

/// Deploys the services of an input with the state machine for several, with operators who give commands to each.
pub(crate) fn deploy_services(
    mut world: World,
    input: Value,
    commands: &[(&Request, Vec<CommandScenario>)],
) -> Result<SeveralRun, Error> {
    world.begin();
    let commands = commands.iter().flat_map(|(request, commands)| {
        let service = Lock::of(request).id;
        let commands = commands.iter().cloned();
        commands.map(move |command| (service.clone(), command))
    });
    let commands: Vec<_> = commands.collect();
    in_virtual_time(async {
        let aws = SimulatedAws::new(world, 1.0);
        let installation = Installation::new(&aws)?;
        let bar = Bar::of_simulation("several services");
        let mut on_event = |event: &HistoryEvent| bar.simulated(event.at.as_secs_f64());
        let said = |service: &str, what| remark(&format!("{service}: {what}"));
        let outcome = tokio::select! {
            biased;
            outcome = installation.deploy_services(NAME, input, 1, &mut on_event) => outcome,
            never = installation.operate(&commands, said) => match never {},
        };
        bar.end();
        let world = aws.snapshot();
        let mut started: Vec<_> = world.executions().collect();
        started.sort_by_key(|execution| (execution.start_date_ms, &execution.name));
        let first = started
            .iter()
            .map(|execution| execution.start_date_ms)
            .min();
        let known = |execution: &&world::Execution| {
            let history = installation.history(&execution.name);
            of(execution, first.unwrap_or_default(), history)
        };
        let executions = started.iter().map(known).collect();
        let mut later = world.clone();
        until_all_are_back(&mut later);
        Ok(SeveralRun {
            summary: End::of(&outcome),
            executions,
            world,
            later,
        })
    })
}

fn of(execution: &world::Execution, first_ms: u64, history: Vec<HistoryEvent>) -> Execution {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of weeks")]
    let since = |at_ms: u64| at_ms.saturating_sub(first_ms) as f64 / 1_000.0;
    let input: Value = serde_json::from_str(&execution.input).unwrap_or_default();
    let service = input["serviceName"].as_str();
    let service = service.map(|service| short(service).to_owned());
    let stopped = execution.stop_date_ms.unwrap_or(execution.start_date_ms);
    Execution {
        name: execution.name.clone(),
        service,
        status: execution.status.as_str().to_owned(),
        error: execution.end.error.clone(),
        from: since(execution.start_date_ms),
        to: since(stopped),
        history,
    }
}
