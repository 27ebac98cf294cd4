//! A function under the Lambda runtime.

use std::time::SystemTime;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;
use tracing::Level;

use crate::clients::Clients;
use crate::handler::{Function, handle};

/// Serves invocations of one function until Lambda ends the process.
pub async fn run(function: Function) -> Result<(), Error> {
    tracing_subscriber::fmt()
        .json()
        // Said aloud: at TRACE the runtime logs every event whole.
        .with_max_level(Level::INFO)
        .flatten_event(true)
        .with_target(false)
        .with_current_span(false)
        .with_span_list(false)
        .without_time()
        .init();
    let clients = Clients::from_env().await;
    let clients = &clients;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        let own = &event.context.invoked_function_arn;
        handle(function, own, clients, event.payload, SystemTime::now()).await
    }))
    .await
}
