//! The open WebSockets, and how they are closed one after the other.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

/// The WebSockets that are open, and whether there may be more of them.
pub(crate) struct Sockets {
    seats: Mutex<Seats>,
    open: watch::Sender<usize>,
}

#[derive(Default)]
struct Seats {
    /// No new WebSocket: the service is about to end.
    closing: bool,
    /// How many there have been.
    admitted: u64,
    /// How to tell each one to close, oldest first. One that was told is not here any more.
    staying: BTreeMap<u64, oneshot::Sender<()>>,
}

/// A WebSocket's place among the open ones, given up when it is dropped.
pub(crate) struct Seat {
    id: u64,
    told_to_close: oneshot::Receiver<()>,
    sockets: Arc<Sockets>,
}

impl Sockets {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            seats: Mutex::default(),
            open: watch::Sender::new(0),
        })
    }

    /// A place for one more; none once the service is closing.
    pub(crate) fn admit(self: &Arc<Self>) -> Option<Seat> {
        let mut seats = self.seats();
        if seats.closing {
            return None;
        }
        let id = seats.admitted;
        seats.admitted += 1;
        let (tell, told_to_close) = oneshot::channel();
        seats.staying.insert(id, tell);
        self.open.send_modify(|open| *open += 1);
        Some(Seat {
            id,
            told_to_close,
            sockets: Arc::clone(self),
        })
    }

    /// How many are open.
    pub(crate) fn open(&self) -> usize {
        *self.open.borrow()
    }

    /// Whether [`Sockets::close`] was called.
    pub(crate) fn closing(&self) -> bool {
        self.seats().closing
    }

    /// Admits none from now on, and closes the open ones, spread evenly over nine tenths of a time. The last
    /// tenth is for the last ones to go in.
    pub(crate) fn close(self: &Arc<Self>, within: Duration) {
        self.seats().closing = true;
        self.leave(within * 9 / 10);
    }

    /// Closes those that are open now, spread evenly over a time, unless that is stopped. New ones are admitted.
    pub(crate) fn leave(self: &Arc<Self>, over: Duration) -> AbortHandle {
        let open: Vec<_> = self.seats().staying.keys().copied().collect();
        let leaving = tell_evenly(Arc::clone(self), open, Instant::now(), over);
        tokio::spawn(leaving).abort_handle()
    }

    /// Waits until none is open.
    pub(crate) async fn all_gone(&self) {
        // It ends with an error when the sender is gone, and that is `self`.
        let _ = self.open.subscribe().wait_for(|open| *open == 0).await;
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Waits until it is this one's turn to close.
    pub(crate) async fn told_to_close(&mut self) {
        // A sender that is gone says the same: none will tell any more.
        let _ = (&mut self.told_to_close).await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.sockets.seats().staying.remove(&self.id);
        self.sockets.open.send_modify(|open| *open -= 1);
    }
}

/// Each in the middle of its own share of the time.
async fn tell_evenly(sockets: Arc<Sockets>, open: Vec<u64>, from: Instant, over: Duration) {
    let shares = u32::try_from(open.len()).unwrap_or(u32::MAX);
    for (share, id) in (0..shares).zip(open) {
        let middle = (f64::from(share) + 0.5) / f64::from(shares);
        sleep_until(from + over.mul_f64(middle)).await;
        // It may have left by itself.
        if let Some(tell) = sockets.seats().staying.remove(&id) {
            let _ = tell.send(());
        }
    }
}
