//! Whether a write that was sent has been answered: one that was not may still land.
//!
//! The SDK makes another attempt after a timeout or a broken connection, and says nothing of the first
//! one where the second succeeds. The first one may still be on its way then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
    FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// Watches the writes of the clients that have it as an interceptor. Writes are made one at a time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unanswered(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// An attempt was sent, and nothing has come back.
    under_way: AtomicBool,
    /// Nothing came back of at least one attempt.
    lost: AtomicBool,
}

impl Unanswered {
    /// Forgets what was.
    pub(crate) fn reset(&self) {
        self.0.under_way.store(false, Ordering::Relaxed);
        self.0.lost.store(false, Ordering::Relaxed);
    }

    /// Whether an attempt of a write since the last reset was not answered.
    pub(crate) fn any(&self) -> bool {
        self.0.lost.load(Ordering::Relaxed) || self.0.under_way.load(Ordering::Relaxed)
    }
}

fn writes(config: &ConfigBag) -> bool {
    let operation = config.load::<Metadata>().map(Metadata::name);
    !operation.is_some_and(|name| {
        ["Describe", "List", "Get"]
            .iter()
            .any(|verb| name.starts_with(verb))
    })
}

impl Intercept for Unanswered {
    fn name(&self) -> &'static str {
        "Unanswered"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if writes(config) && self.0.under_way.swap(true, Ordering::Relaxed) {
            self.0.lost.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    fn read_before_deserialization(
        &self,
        _: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if writes(config) {
            self.0.under_way.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    fn read_after_execution(
        &self,
        _: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if writes(config) && self.0.under_way.swap(false, Ordering::Relaxed) {
            self.0.lost.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}
