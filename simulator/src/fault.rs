//! What can go wrong between a caller and AWS, at a call chosen beforehand, and with a function, at
//! an invocation chosen beforehand.

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

/// One thing that goes wrong with one invocation of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LambdaFault {
    /// It dies before it has done anything.
    DiesAtStart,
    /// It dies after this many calls of AWS (an SDK's own retry is a call), when it is about to make
    /// the next; one that makes no more of them dies at its end.
    DiesAfterCalls(u32),
    /// It does everything, and dies before it has answered.
    DiesAtEnd,
    /// It hangs after this many calls of AWS, until its timeout ends it.
    TimesOutAfterCalls(u32),
    /// It runs a second time after the first, and the second answer is taken.
    Twice,
    /// It runs twice at the same time, and one's answer does not wait for the other.
    TwiceAtOnce,
    /// Step Functions fails the task, and the function has not run.
    TaskFailedBefore,
    /// Step Functions fails the task, and the function has run.
    TaskFailedAfter,
}

impl LambdaFault {
    /// One of each kind.
    pub const ALL: [Self; 12] = [
        Self::DiesAtStart,
        Self::DiesAfterCalls(3),
        Self::DiesAfterCalls(8),
        Self::DiesAfterCalls(12),
        Self::DiesAtEnd,
        Self::TimesOutAfterCalls(0),
        Self::TimesOutAfterCalls(8),
        Self::TimesOutAfterCalls(12),
        Self::Twice,
        Self::TwiceAtOnce,
        Self::TaskFailedBefore,
        Self::TaskFailedAfter,
    ];
}

/// The faults of one run, by the number of the call they strike, counted from 1 over all callers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    pub(crate) planned: BTreeMap<u64, Fault>,
    pub(crate) calls: u64,
    pub(crate) late: Vec<LateCall>,
    /// By the number of the invocation they strike, counted from 1 over all functions.
    pub(crate) planned_for_functions: BTreeMap<u64, LambdaFault>,
    pub(crate) invocations: u64,
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
