//! What can go wrong between a caller and AWS, at a call chosen beforehand.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Request;

use crate::world::World;

/// One thing that goes wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The connection breaks before AWS has the request.
    Unreachable,
    /// AWS never answers, and does nothing.
    Silent,
    /// AWS answers 500, and does nothing.
    ServerError,
    /// AWS asks to be called more slowly, and does nothing.
    Throttled,
    /// A read shows the world as it was before the last write; a write is done as asked.
    Stale,
    /// AWS does it, and the connection breaks before the answer is there.
    LostReply,
    /// AWS does it, and answers 500.
    ServerErrorAfter,
    /// AWS gets the request twice, and does it twice.
    Twice,
    /// The connection breaks, and AWS gets the request after this many further calls.
    Late(u32),
}

impl Fault {
    /// One of each kind, for reads and for writes.
    pub const ALL: [Self; 10] = [
        Self::Unreachable,
        Self::Silent,
        Self::ServerError,
        Self::Throttled,
        Self::Stale,
        Self::LostReply,
        Self::ServerErrorAfter,
        Self::Twice,
        Self::Late(2),
        Self::Late(12),
    ];
}

/// The faults of one run, by the number of the call they strike, counted from 1 over all callers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    pub(crate) planned: BTreeMap<u64, Fault>,
    pub(crate) calls: u64,
    pub(crate) late: Vec<LateCall>,
    /// The world before the last write, once a stale read is planned.
    pub(crate) before_last_write: Option<World>,
}

/// A request that AWS gets later than its caller believes.
#[derive(Debug, Clone)]
pub(crate) struct LateCall {
    pub(crate) due: u64,
    pub(crate) caller: String,
    pub(crate) request: Request<Bytes>,
}

impl Faults {
    /// Counts one more call, and says what goes wrong with it and which late ones arrive before it.
    pub(crate) fn next_call(&mut self) -> (Option<Fault>, Vec<LateCall>) {
        self.calls += 1;
        let now = self.calls;
        let (due, later) = std::mem::take(&mut self.late)
            .into_iter()
            .partition(|call| call.due <= now);
        self.late = later;
        (self.planned.get(&now).copied(), due)
    }
}
