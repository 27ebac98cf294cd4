//! The open WebSockets, and how they are closed one after the other.

use std::collections::BTreeMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until};

/// The WebSockets that are open, and whether there may be more of them.
pub(crate) struct Sockets {
    admission: Mutex<Admission>,
    open: watch::Sender<usize>,
}

enum Admission {
    /// How to tell each one to close, oldest first.
    Open(BTreeMap<u64, oneshot::Sender<()>>),
    /// No new WebSocket: the service is about to end.
    Closed,
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
            admission: Mutex::new(Admission::Open(BTreeMap::new())),
            open: watch::Sender::new(0),
        })
    }

    /// A place for one more; none once the service is closing.
    pub(crate) fn admit(self: &Arc<Self>) -> Option<Seat> {
        let mut admission = self.admission();
        let Admission::Open(seats) = &mut *admission else {
            return None;
        };
        let id = seats.last_key_value().map_or(0, |(last, _)| last + 1);
        let (tell, told_to_close) = oneshot::channel();
        seats.insert(id, tell);
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
        matches!(*self.admission(), Admission::Closed)
    }

    /// Admits none from now on, and closes the open ones, spread evenly over nine tenths of a time. The last
    /// tenth is for the last ones to go in.
    pub(crate) fn close(&self, within: Duration) {
        let before = mem::replace(&mut *self.admission(), Admission::Closed);
        if let Admission::Open(seats) = before {
            tokio::spawn(tell_evenly(seats, Instant::now(), within * 9 / 10));
        }
    }

    /// Waits until none is open.
    pub(crate) async fn all_gone(&self) {
        // It ends with an error when the sender is gone, and that is `self`.
        let _ = self.open.subscribe().wait_for(|open| *open == 0).await;
    }

    fn admission(&self) -> MutexGuard<'_, Admission> {
        self.admission
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
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
        if let Admission::Open(seats) = &mut *self.sockets.admission() {
            seats.remove(&self.id);
        }
        self.sockets.open.send_modify(|open| *open -= 1);
    }
}

/// Each in the middle of its own share of the time.
async fn tell_evenly(seats: BTreeMap<u64, oneshot::Sender<()>>, from: Instant, over: Duration) {
    let shares = u32::try_from(seats.len()).unwrap_or(u32::MAX);
    for (share, tell) in (0..shares).zip(seats.into_values()) {
        let middle = (f64::from(share) + 0.5) / f64::from(shares);
        sleep_until(from + over.mul_f64(middle)).await;
        // It may have left by itself.
        let _ = tell.send(());
    }
}
