//! A function under the Lambda runtime.

use std::fmt;
use std::io;
use std::time::SystemTime;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::{self, JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

use crate::clients::Clients;
use crate::handler::{Function, handle};
use crate::invocation::Invocation;
use crate::metrics;

/// What takes the log of a function: a line of JSON for every decision, without a time, which Lambda
/// adds, and one for the metrics of a step as CloudWatch wants them.
pub fn logs<W>(writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .event_format(Lines {
            decisions: format::format()
                .json()
                .flatten_event(true)
                .with_target(false)
                .with_current_span(false)
                .with_span_list(false)
                .without_time(),
        })
        .fmt_fields(JsonFields::new())
        // Fixed, so that no setting changes it: at TRACE the runtime logs whole events.
        .with_max_level(Level::INFO)
        .with_writer(writer)
        .finish()
}

/// Writes metrics as they are, and everything else as a line of JSON.
struct Lines<F> {
    decisions: F,
}

impl<S, N, F> FormatEvent<S, N> for Lines<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if event.metadata().target() != metrics::TARGET {
            return self.decisions.format_event(context, writer, event);
        }
        let mut line = Message(String::new());
        event.record(&mut line);
        writeln!(writer, "{}", line.0)
    }
}

/// The message of an event.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

/// Serves invocations of one function until Lambda ends the process.
pub async fn run(function: Function) -> Result<(), Error> {
    tracing::subscriber::set_global_default(logs(io::stdout))?;
    let clients = Clients::from_env();
    let clients = &clients;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        // An invocation of the same request is another one: its id is no nonce.
        let nonce = format!("{:032x}", fastrand::u128(..));
        let invocation = Invocation {
            function_arn: &event.context.invoked_function_arn,
            nonce: &nonce,
            began: SystemTime::now(),
            deadline: event.context.deadline(),
            started: tokio::time::Instant::now(),
        };
        handle(function, invocation, clients, event.payload).await
    }))
    .await
}
