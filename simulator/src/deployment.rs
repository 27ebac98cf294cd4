//! A whole deployment on the simulated AWS: the shipped state machine, over the real functions, over
//! the real SDK clients.

mod execution;
mod in_flight;
mod invocation;
mod operator;
mod services;

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use ebbtide_controller::turn::{self, Turn};
use ebbtide_functions::{Clients, Function};
use serde_json::{Value, json};

use crate::asl::{
    DefinitionError, Resources, StateMachine, SubstitutionError, TaskError, substitute,
};
use crate::aws::SimulatedAws;
use crate::connector::Gate;
use crate::world::{arn, partition_of};

use execution::Executions;
pub use execution::RedriveError;
use in_flight::InFlight;
use invocation::{Environments, InstalledFunction};

/// The state machine as it is shipped.
pub const DEFINITION: &str = include_str!("../../statemachine/deployment.asl.json");

/// The one that deploys several services.
pub const SERVICES_DEFINITION: &str = include_str!("../../statemachine/services.asl.json");

pub(crate) const STATE_MACHINE: &str = "Ebbtide";

/// The name of the table that locks are in, and of its key attribute.
pub const LOCK_TABLE: (&str, &str) = ("ebbtide-locks", "id");

/// Ebbtide, installed in a simulated account.
#[derive(Debug)]
pub struct Installation {
    aws: SimulatedAws,
    region: String,
    account: String,
    machine: StateMachine,
    services: StateMachine,
    functions: Vec<InstalledFunction>,
    times: u32,
    executions: Executions,
    in_flight: InFlight,
    environments: Environments,
}

#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    #[error("the state machine's substitutions are wrong")]
    Substitution(#[from] SubstitutionError),
    #[error("the state machine's definition is wrong")]
    Definition(#[from] DefinitionError),
}

impl Installation {
    /// Installs the shipped state machine, its functions and its lock table.
    pub fn new(aws: &SimulatedAws) -> Result<Self, InstallError> {
        Self::of(aws, DEFINITION)
    }

    /// Installs another state machine over the same functions and lock table. Like `sam deploy`, it
    /// does not mind a substitution that the definition does not want.
    pub fn of(aws: &SimulatedAws, definition: &str) -> Result<Self, InstallError> {
        let (lock_table, lock_key) = LOCK_TABLE;
        aws.with_world(|world| world.put_table(lock_table, lock_key));
        let (region, account) =
            aws.with_world(|world| (world.region.clone(), world.account.clone()));
        let functions = Function::ALL.map(|function| {
            let name = format!("function:ebbtide-{}", function.as_str());
            InstalledFunction {
                arn: arn("lambda", &region, &account, &name),
                function,
                next: turn::next,
            }
        });
        let mut values = BTreeMap::from([("Partition", partition_of(&region))]);
        for installed in &functions {
            values.insert(placeholder(installed.function), &installed.arn);
        }
        let one = arn(
            "states",
            &region,
            &account,
            &format!("stateMachine:{STATE_MACHINE}"),
        );
        values.insert("DeploymentStateMachine", &one);
        let machine = |definition: &str| {
            let mut values = values.clone();
            values.retain(|name, _| definition.contains(&format!("${{{name}}}")));
            Ok::<_, InstallError>(StateMachine::parse(&substitute(definition, &values)?)?)
        };
        let (machine, services) = (machine(definition)?, machine(SERVICES_DEFINITION)?);
        Ok(Self {
            aws: aws.clone(),
            region,
            account,
            machine,
            services,
            functions: functions.into(),
            times: 1,
            executions: Executions::default(),
            in_flight: InFlight::default(),
            environments: Environments::default(),
        })
    }

    /// Has the functions decide otherwise: to see that a wrong decision is caught.
    #[must_use]
    pub fn deciding_by(mut self, next: Turn) -> Self {
        for installed in &mut self.functions {
            installed.next = next;
        }
        self
    }

    /// Has every invocation run this many times, one after the other, and the last one's answer
    /// taken: Step Functions may invoke a function again when it cannot tell whether it ran.
    #[must_use]
    pub fn invoking(self, times: u32) -> Self {
        Self {
            times: times.max(1),
            ..self
        }
    }

    /// Waits until no function is under way: they run on when their execution is stopped, or has not
    /// waited for them.
    pub async fn settled(&self) {
        self.in_flight.ended().await;
    }

    /// Whether no function and no service integration is under way.
    pub fn is_settled(&self) -> bool {
        self.in_flight.is_empty()
    }

    pub fn machine(&self) -> &StateMachine {
        &self.machine
    }

    fn machine_of(&self, which: Which) -> &StateMachine {
        match which {
            Which::OneService => &self.machine,
            Which::SeveralServices => &self.services,
        }
    }
}

/// Which of the two state machines.
#[derive(Debug, Clone, Copy)]
enum Which {
    OneService,
    SeveralServices,
}

impl Which {
    fn name(self) -> String {
        match self {
            Self::OneService => STATE_MACHINE.to_owned(),
            Self::SeveralServices => format!("{STATE_MACHINE}-services"),
        }
    }
}

impl Resources for Installation {
    async fn call(&self, function: &str, payload: Value) -> Result<Value, TaskError> {
        let mut functions = self.functions.iter();
        let Some(installed) = functions.find(|installed| installed.arn == function) else {
            return self.call_hook(function, payload).await;
        };
        for _ in 1..self.times {
            // The answers of the first ones are lost; their effects are not.
            drop(self.invoke(installed, payload.clone()).await);
        }
        self.invoke(installed, payload).await
    }

    async fn start(
        &self,
        machine: &str,
        name: &str,
        input: Value,
        submitted: &mut dyn FnMut(Value),
    ) -> Result<Value, TaskError> {
        self.start_and_wait(machine, name, input, submitted).await
    }
}

impl Installation {
    /// Calls a function of the user's.
    async fn call_hook(&self, function: &str, event: Value) -> Result<Value, TaskError> {
        let (takes, ended) = self.aws.with_world(|world| world.invoke(function, event));
        tokio::time::sleep(takes).await;
        match ended {
            Ok(answer) => Ok(answered(&answer)),
            Err((error, cause)) => Err(TaskError { error, cause }),
        }
    }
}

/// What Lambda answers, with what the function has returned.
fn answered(answer: &Value) -> Value {
    json!({
        "ExecutedVersion": "$LATEST",
        "Payload": answer,
        "StatusCode": 200,
    })
}

/// The name of a function's ARN in the definition's substitutions.
fn placeholder(function: Function) -> &'static str {
    match function {
        Function::CheckAndCreate => "CheckAndCreateFunction",
        Function::Swap => "SwapFunction",
        Function::ScaleDown => "ScaleDownFunction",
    }
}

impl SimulatedAws {
    /// A function's clients as they are in Lambda. `caller` is the name in the journal.
    pub fn clients(&self, caller: &str) -> Clients {
        self.gated_clients(caller, None)
    }

    /// The same, for one that may come to an end in the middle.
    fn gated_clients(&self, caller: &str, gate: Option<Arc<Gate>>) -> Clients {
        let config = self.sdk_config(caller).into_builder();
        let config = config
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .timeout_config(Clients::timeouts())
            .http_client(self.gated_http_client(caller, gate));
        let anything = || vec!["*".to_owned()];
        let hook_arns = self.with_world(|world| world.hook_arns.clone());
        let mut clients = Clients::new(&config.build(), LOCK_TABLE.0);
        clients.hook_arns = Some(hook_arns.unwrap_or_else(anything));
        clients
    }
}
