//! Clients without a connection, by the second in which they try next.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Its connection was cut.
    Cut,
    /// It had ended it.
    Ended,
}

/// Clients that try in the same second, have been refused as often in a row, have been without a
/// connection for as long, and stay with the same target group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Tries {
    pub(super) refusals: usize,
    /// When their connections ended, in seconds since the Unix epoch.
    pub(super) since_s: u64,
    /// The target group that they stay with, by its number among the clients' sticky groups.
    pub(super) group: Option<usize>,
    pub(super) cut: u64,
    pub(super) ended: u64,
}

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

    /// Adds clients like those: the first of the shares `after` seconds after the next one, and so on.
    pub(super) fn add(&mut self, origin: Origin, like: Tries, after: usize, shares: &[u64]) {
        let last = after + shares.len();
        if self.seconds.len() < last {
            self.seconds.resize(last, Batch::new());
        }
        for (batch, share) in self.seconds.iter_mut().skip(after).zip(shares) {
            if *share == 0 {
                continue;
            }
            let known = batch.iter().rposition(|tries| {
                let same = |one: &Tries| (one.refusals, one.since_s, one.group);
                same(tries) == same(&like)
            });
            let place = known.unwrap_or_else(|| {
                batch.push(Tries {
                    cut: 0,
                    ended: 0,
                    ..like
                });
                batch.len() - 1
            });
            match origin {
                Origin::Cut => batch[place].cut += share,
                Origin::Ended => batch[place].ended += share,
            }
        }
    }

    pub(super) fn count(&self) -> u64 {
        let tries = self.seconds.iter().flatten();
        tries.map(|tries| tries.cut + tries.ended).sum()
    }

    /// When the first of the connections was cut whose clients still wait.
    pub(super) fn oldest_cut_s(&self) -> Option<u64> {
        let tries = self.seconds.iter().flatten();
        let cut = tries.filter(|tries| tries.cut > 0);
        cut.map(|tries| tries.since_s).min()
    }
}
