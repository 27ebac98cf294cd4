//! What can go wrong between a caller and AWS, at a call chosen beforehand, and with a function, at
//! an invocation chosen beforehand.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Request;

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
    /// AWS does not allow it. Not among [`ALL`](Self::ALL): it is nothing that passes.
    AccessDenied,
    /// A read shows the world as it was before the last write (an execution as it was before it last
    /// ended or was redriven); a write is done as asked.
    Stale,
    /// A read shows the world as it was before the last two writes; a write is done as asked.
    VeryStale,
    /// A read answers statuses and states (of task sets, targets, alarms, metrics, executions) that no version
    /// of the API has had so far; anything else is done as asked.
    UnknownValue,
    /// A read of a list that comes in pages answers a page without items, and where to go on;
    /// anything else is done as asked.
    EmptyPage,
    /// AWS does it, and the connection breaks before the answer is there.
    LostReply,
    /// AWS does it, and answers 500.
    ServerErrorAfter,
    /// AWS gets the request twice, and does it twice.
    Twice,
    /// The connection breaks, and AWS carries the request out after this many further calls, or half a minute
    /// later, whichever is first. A client closes the connection of an attempt that takes too long, so only
    /// what AWS has got by then can land; how long AWS may delay it is unproven, and half a minute is what
    /// the lock's `SETTLE` stands for.
    Late(u32),
}

impl Fault {
    /// One of each kind that may pass, for reads and for writes.
    pub const ALL: [Self; 13] = [
        Self::Unreachable,
        Self::Silent,
        Self::ServerError,
        Self::Throttled,
        Self::Stale,
        Self::VeryStale,
        Self::UnknownValue,
        Self::EmptyPage,
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

/// One thing that goes wrong when an execution starts another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StartFault {
    /// Step Functions refuses the start.
    Refused,
    /// It runs to its end, and what has started it does not learn how it ended.
    AnswerLost,
}

impl StartFault {
    pub const ALL: [Self; 2] = [Self::Refused, Self::AnswerLost];
}

/// The faults of one run, by the number of the call they strike, counted from 1 over all callers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    pub(crate) planned: BTreeMap<u64, Fault>,
    pub(crate) calls: u64,
    pub(crate) late: Vec<LateCall>,
    /// By the number of the invocation they strike, counted from 1 over all functions.
    pub(crate) planned_for_functions: BTreeMap<u64, LambdaFault>,
    /// By the number of the start they strike, counted from 1 over all executions that start others.
    pub(crate) planned_for_starts: BTreeMap<u64, StartFault>,
    pub(crate) starts: u64,
    /// The service that no call reaches, as IAM names it, or what else each comes to, and until when in milliseconds.
    pub(crate) outage: Option<(&'static str, Fault, u64)>,
    /// The calls that had been made when each invocation began.
    pub(crate) invocations: Vec<u64>,
    /// For each call, the faults that would have changed its answer, once that is recorded.
    pub(crate) telling: Option<Vec<Vec<Fault>>>,
}

/// A request that AWS gets later than its caller believes.
#[derive(Debug, Clone)]
pub(crate) struct LateCall {
    /// The number of the call that it arrives before.
    pub(crate) due_call: u64,
    /// Milliseconds since the world's start: it arrives then at the latest.
    pub(crate) latest_ms: u64,
    pub(crate) caller: String,
    pub(crate) request: Request<Bytes>,
}

impl LateCall {
    pub(crate) const LATEST_MS: u64 = 30_000;
}

impl Faults {
    /// Counts one more call, and says what goes wrong with it and which late ones arrive before it.
    pub(crate) fn next_call(&mut self) -> (Option<Fault>, Vec<LateCall>) {
        self.calls += 1;
        let now = self.calls;
        let (due, later) = std::mem::take(&mut self.late)
            .into_iter()
            .partition(|call| call.due_call <= now);
        self.late = later;
        (self.planned.get(&now).copied(), due)
    }

    /// Whether none is left at a time, in milliseconds since the world's start, and an invocation has begun
    /// after the last.
    pub(crate) fn are_over(&self, now_ms: u64) -> bool {
        let invocations = self.invocations.len() as u64;
        let began = self.invocations.last().copied().unwrap_or_default();
        let planned = self.planned.keys().next_back();
        let for_functions = self.planned_for_functions.keys().next_back();
        self.late.is_empty()
            && planned.is_none_or(|call| *call <= began)
            && for_functions.is_none_or(|number| *number < invocations)
            && self
                .outage
                .is_none_or(|(_, _, until_ms)| until_ms <= now_ms)
    }

    /// What each call to a service comes to, while it is away.
    pub(crate) fn of_outage(&self, service: &str, now_ms: u64) -> Option<Fault> {
        let (away, fault, until_ms) = self.outage?;
        (away == service && now_ms < until_ms).then_some(fault)
    }

    /// Takes out the first of the calls that are due by then.
    pub(crate) fn next_late(&mut self, now_ms: u64) -> Option<LateCall> {
        let due = self.late.iter().enumerate();
        let due = due.filter(|(_, call)| call.latest_ms <= now_ms);
        let (first, _) = due.min_by_key(|(_, call)| call.latest_ms)?;
        Some(self.late.remove(first))
    }

    /// Counts one more invocation, and says what goes wrong with it.
    pub(crate) fn next_invocation(&mut self) -> Option<LambdaFault> {
        self.invocations.push(self.calls);
        let number = self.invocations.len() as u64;
        self.planned_for_functions.get(&number).copied()
    }
}
