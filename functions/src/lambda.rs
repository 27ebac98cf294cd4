//! A function under the Lambda runtime.

use std::io;
use std::time::SystemTime;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;
use tracing::{Level, Subscriber};
use tracing_subscriber::fmt::MakeWriter;

use crate::clients::Clients;
use crate::handler::{Function, handle};

/// What takes the log of a function: a line of JSON for every decision, without a time, which Lambda
/// adds.
pub fn logs<W>(writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .json()
        // Said aloud, and no setting changes it: at TRACE the runtime logs every event whole.
        .with_max_level(Level::INFO)
        .flatten_event(true)
        .with_target(false)
        .with_current_span(false)
        .with_span_list(false)
        .without_time()
        .with_writer(writer)
        .finish()
}

/// Serves invocations of one function until Lambda ends the process.
pub async fn run(function: Function) -> Result<(), Error> {
    tracing::subscriber::set_global_default(logs(io::stdout))?;
    let clients = Clients::from_env();
    let clients = &clients;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        let own = &event.context.invoked_function_arn;
        // Boxed: the SDK's futures nest deeper than the compiler lays out by default.
        Box::pin(handle(
            function,
            own,
            clients,
            event.payload,
            SystemTime::now(),
        ))
        .await
    }))
    .await
}
