//! The three Lambda functions of Ebbtide: observe the service, decide, act, check again.
//!
//! The only package in the Lambdas that knows the AWS SDK. It makes no choices: what to do is
//! decided in `controller`.

mod act;
mod act_registry;
mod clients;
mod elements;
mod error;
mod handler;
mod inspect;
mod invocation;
mod lambda;
mod lock;
mod metrics;
mod notices;
mod observe;
mod observe_cloudwatch;
mod observe_details;
mod observe_ecs;
mod observe_elb;
mod observe_registry;
mod observe_routes;
mod observe_settings;
pub mod operator;
mod order;
mod routes;
mod scaling;
mod tags;
mod unanswered;

pub use clients::Clients;
pub use error::StepError;
pub use handler::{Function, UnknownHandler, handle, handle_by};
pub use inspect::{Inspection, home, inspect};
pub use invocation::Invocation;
pub use lambda::{logs, run};
pub use metrics::NAMESPACE;
pub use notices::{DETAIL_TYPE, SOURCE};
