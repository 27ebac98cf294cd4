//! Whether a write that was sent has been answered: one that was not may still land.
//!
//! The SDK makes another attempt after a timeout or a broken connection, and says nothing of the first
//! one where the second succeeds. The first one may still be on its way then.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
    FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};

/// Watches the writes of the clients that have it as an interceptor. Several may be made side by side.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unanswered(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// Writes of which an attempt was sent, and nothing has come back.
    under_way: AtomicU32,
    /// Nothing came back of at least one attempt.
    lost: AtomicBool,
}

/// Of one write: whether an attempt was sent, and nothing has come back.
#[derive(Debug, Clone, Copy)]
struct UnderWay(bool);

impl Storable for UnderWay {
    type Storer = StoreReplace<Self>;
}

impl Unanswered {
    /// Forgets what was.
    pub(crate) fn reset(&self) {
        self.0.under_way.store(0, Ordering::Relaxed);
        self.0.lost.store(false, Ordering::Relaxed);
    }

    /// Whether an attempt of a write since the last reset was not answered.
    pub(crate) fn any(&self) -> bool {
        self.0.lost.load(Ordering::Relaxed) || self.0.under_way.load(Ordering::Relaxed) > 0
    }

    /// An attempt of a write is sent: the one before it has not been answered if it still seems to be
    /// under way.
    fn sent(&self, write: &mut ConfigBag) {
        if mark(write, true) {
            self.0.lost.store(true, Ordering::Relaxed);
        } else {
            self.0.under_way.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Says whether a write seemed to be under way, which it is no more.
    fn over(&self, write: &mut ConfigBag) -> bool {
        let was = mark(write, false);
        if was {
            self.0.under_way.fetch_sub(1, Ordering::Relaxed);
        }
        was
    }
}

/// Notes whether a write is under way, and says whether it was.
fn mark(write: &mut ConfigBag, under_way: bool) -> bool {
    let was = write.load::<UnderWay>().is_some_and(|was| was.0);
    write.interceptor_state().store_put(UnderWay(under_way));
    was
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
        if writes(config) {
            self.sent(config);
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
            self.over(config);
        }
        Ok(())
    }

    fn read_after_execution(
        &self,
        _: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if writes(config) && self.over(config) {
            self.0.lost.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_to_one_write_says_nothing_of_another_beside_it() {
        let unanswered = Unanswered::default();
        let (mut one, mut other) = (ConfigBag::base(), ConfigBag::base());
        unanswered.sent(&mut one);
        unanswered.sent(&mut other);
        unanswered.over(&mut other);
        assert!(unanswered.any());
        unanswered.over(&mut one);
        assert!(!unanswered.any());
    }

    #[test]
    fn a_second_attempt_says_that_the_first_was_not_answered() {
        let unanswered = Unanswered::default();
        let mut write = ConfigBag::base();
        unanswered.sent(&mut write);
        unanswered.sent(&mut write);
        unanswered.over(&mut write);
        assert!(unanswered.any());
        unanswered.reset();
        assert!(!unanswered.any());
    }
}
