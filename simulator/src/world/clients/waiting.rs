//! Clients without a connection, by the second in which they try next.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Why a client has no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Cut,
    Ended,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tries {
    pub(super) cut: u64,
    pub(super) ended: u64,
}

/// Those of one second, by how often they have been refused in a row.
pub(super) type Batch = Vec<Tries>;

/// Those of the next second, of the one after it, and so on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Waiting {
    seconds: VecDeque<Batch>,
}

impl Waiting {
    /// Takes out those who try in the next second.
    pub(super) fn next(&mut self) -> Batch {
        self.seconds.pop_front().unwrap_or_default()
    }

    /// Adds clients: the first of the shares to the next second, and so on.
    pub(super) fn add(&mut self, origin: Origin, refusals: usize, shares: &[u64]) {
        if self.seconds.len() < shares.len() {
            self.seconds.resize(shares.len(), Batch::new());
        }
        for (batch, share) in self.seconds.iter_mut().zip(shares) {
            if *share == 0 {
                continue;
            }
            if batch.len() <= refusals {
                batch.resize(refusals + 1, Tries::default());
            }
            match origin {
                Origin::Cut => batch[refusals].cut += share,
                Origin::Ended => batch[refusals].ended += share,
            }
        }
    }

    pub(super) fn count(&self) -> u64 {
        let tries = self.seconds.iter().flatten();
        tries.map(|tries| tries.cut + tries.ended).sum()
    }
}
