//! A whole deployment on the simulated AWS: the shipped state machine, over the real functions, over
//! the real SDK clients.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use ebbtide_controller::arn::Home;
use ebbtide_functions::{Clients, Function, handle};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::asl::{
    DefinitionError, Execution, HistoryEvent, Outcome, Resources, StateMachine, SubstitutionError,
    TaskError, run, substitute,
};
use crate::aws::SimulatedAws;
use crate::connector::test_credentials;

/// The state machine as it is shipped.
pub const DEFINITION: &str = include_str!("../../statemachine/deployment.asl.json");

/// The state machine's name in the simulated account.
pub const STATE_MACHINE: &str = "Ebbtide";

/// The functions' own timeout in `template.yaml`.
const FUNCTION_TIMEOUT: Duration = Duration::from_mins(1);

/// Ebbtide, installed in a simulated account.
#[derive(Debug)]
pub struct Installation {
    aws: SimulatedAws,
    home: Home,
    machine: StateMachine,
    functions: Vec<InstalledFunction>,
    times: u32,
}

#[derive(Debug)]
struct InstalledFunction {
    arn: String,
    function: Function,
    clients: Clients,
}

/// Why the shipped state machine cannot be installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// A `${Name}` of the definition is not the template's.
    #[error("the state machine's substitutions are wrong")]
    Substitution(#[from] SubstitutionError),
    /// The interpreter does not take the definition.
    #[error("the state machine's definition is wrong")]
    Definition(#[from] DefinitionError),
}

impl Installation {
    /// Installs the shipped state machine and its functions.
    pub fn new(aws: &SimulatedAws) -> Result<Self, InstallError> {
        let (region, account) =
            aws.with_world(|world| (world.region.clone(), world.account.clone()));
        let home = Home {
            partition: "aws".to_owned(),
            region,
            account,
        };
        let functions: Vec<_> = Function::ALL
            .into_iter()
            .map(|function| InstalledFunction {
                arn: format!(
                    "arn:aws:lambda:{}:{}:function:ebbtide-{}",
                    home.region,
                    home.account,
                    function.as_str()
                ),
                function,
                clients: clients(aws, function.as_str(), &home.region),
            })
            .collect();
        let mut values = BTreeMap::from([("Partition", home.partition.as_str())]);
        for installed in &functions {
            values.insert(placeholder(installed.function), &installed.arn);
        }
        let machine = StateMachine::parse(&substitute(DEFINITION, &values)?)?;
        Ok(Self {
            aws: aws.clone(),
            home,
            machine,
            functions,
            times: 1,
        })
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

    /// The parsed state machine.
    pub fn machine(&self) -> &StateMachine {
        &self.machine
    }

    /// Starts an execution and runs it to its end. `seed` draws the jitter of retries.
    pub async fn deploy(
        &self,
        name: &str,
        input: Value,
        seed: u64,
        on_event: &mut dyn FnMut(&HistoryEvent),
    ) -> Outcome {
        let epoch_ms = self.aws.with_world(|world| world.epoch_ms());
        let start_time = i64::try_from(epoch_ms)
            .ok()
            .and_then(|ms| Timestamp::from_millisecond(ms).ok())
            .unwrap_or_default();
        let Home {
            partition,
            region,
            account,
        } = &self.home;
        let execution = Execution {
            arn: self.execution_arn(name),
            name: name.to_owned(),
            state_machine_arn: format!(
                "arn:{partition}:states:{region}:{account}:stateMachine:{STATE_MACHINE}"
            ),
            role_arn: format!("arn:{partition}:iam::{account}:role/{STATE_MACHINE}"),
            start_time,
        };
        let mut lot = fastrand::Rng::with_seed(seed);
        run(&self.machine, &execution, input, self, &mut lot, on_event).await
    }

    fn execution_arn(&self, name: &str) -> String {
        let Home {
            partition,
            region,
            account,
        } = &self.home;
        format!("arn:{partition}:states:{region}:{account}:execution:{STATE_MACHINE}:{name}")
    }

    async fn invoke(
        &self,
        installed: &InstalledFunction,
        event: Value,
    ) -> Result<Value, TaskError> {
        let now = SystemTime::UNIX_EPOCH
            + Duration::from_millis(self.aws.with_world(|world| world.epoch_ms()));
        // Boxed: the SDK's futures nest deeper than the compiler lays out by default.
        let invocation = Box::pin(handle(
            installed.function,
            &installed.arn,
            &installed.clients,
            event,
            now,
        ));
        match tokio::time::timeout(FUNCTION_TIMEOUT, invocation).await {
            Ok(Ok(answer)) => Ok(json!({
                "ExecutedVersion": "$LATEST",
                "Payload": answer,
                "StatusCode": 200,
            })),
            Ok(Err(error)) => Err(TaskError {
                error: error.name.as_str().to_owned(),
                cause: json!({
                    "errorType": error.name.as_str(),
                    "errorMessage": error.message,
                })
                .to_string(),
            }),
            Err(_) => Err(TaskError {
                error: "Sandbox.Timedout".to_owned(),
                cause: format!(
                    "Task timed out after {} seconds",
                    FUNCTION_TIMEOUT.as_secs()
                ),
            }),
        }
    }
}

impl Resources for Installation {
    async fn call(&self, resource: &str, mut parameters: Value) -> Result<Value, TaskError> {
        if !resource.ends_with(":states:::lambda:invoke") {
            return Err(TaskError {
                error: "States.Runtime".to_owned(),
                cause: format!("the simulated account has no integration {resource}"),
            });
        }
        let payload = parameters["Payload"].take();
        let name = parameters["FunctionName"].as_str().unwrap_or_default();
        match self
            .functions
            .iter()
            .find(|installed| installed.arn == name)
        {
            Some(installed) => {
                for _ in 1..self.times {
                    // What the first ones answer is lost; what they have done is not.
                    drop(self.invoke(installed, payload.clone()).await);
                }
                self.invoke(installed, payload).await
            }
            None => Err(TaskError {
                error: "Lambda.ResourceNotFoundException".to_owned(),
                cause: format!("Function not found: {name}"),
            }),
        }
    }
}

/// The name of a function's ARN in the definition's substitutions.
fn placeholder(function: Function) -> &'static str {
    match function {
        Function::CheckAndCreate => "CheckAndCreateFunction",
        Function::Swap => "SwapFunction",
        Function::ScaleDown => "ScaleDownFunction",
    }
}

/// A function's clients as they are in Lambda, but for the other end of the connection.
fn clients(aws: &SimulatedAws, caller: &str, region: &str) -> Clients {
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .credentials_provider(SharedCredentialsProvider::new(test_credentials()))
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .timeout_config(Clients::timeouts())
        .http_client(aws.http_client(caller))
        .build();
    Clients::new(&config)
}
