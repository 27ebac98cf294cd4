//! Work that continues when nothing waits for it any more.

use tokio::sync::watch;
use tokio::task::JoinHandle;

#[derive(Debug)]
pub(super) struct InFlight(watch::Sender<usize>);

impl Default for InFlight {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

/// Counts one down, however it ends.
struct Counted(watch::Sender<usize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl InFlight {
    /// Runs something to its end, also when the future that waits for it is dropped.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        match self.start(work).await {
            Ok(value) => value,
            // As loud as if nothing had been spawned.
            Err(failed) if failed.is_panic() => std::panic::resume_unwind(failed.into_panic()),
            // The runtime ends, and with it what waits here.
            Err(_) => std::future::pending().await,
        }
    }

    /// Begins something that need not be waited for.
    pub(super) fn start<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.0.send_modify(|count| *count += 1);
        let counted = Counted(self.0.clone());
        tokio::spawn(async move {
            let _counted = counted;
            work.await
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        *self.0.borrow() == 0
    }

    pub(super) async fn ended(&self) {
        let mut count = self.0.subscribe();
        // The sender is here: it cannot be gone.
        let _ = count.wait_for(|count| *count == 0).await;
    }
}
