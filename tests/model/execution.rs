//! What there is in a race at one moment: the world, the lock item, executions, their functions, and
//! what is still under way.
//!
//! A tick stands for 10 s. What must happen within a time has as long as whole ticks allow; what
//! must wait for a time waits as short.

use std::collections::BTreeSet;

use crate::lock::{Entry, Exit, Fence, Item, Nonce, Read, Rev, Turn};
use crate::world::{Id, Phase, Plan, Service, SetId, Write, replacement_of};

/// Ticks that a function lives: longer than `SETTLE`, as in AWS. Six would be 60 s, and add nothing
/// but states.
pub(crate) const FUNCTION_TIMEOUT: u8 = 4;
/// Ticks that one clock may be ahead of another.
pub(crate) const CLOCK_LEAD: u8 = 1;
/// Ticks after which a write that was sent has landed, or never will.
pub(crate) const LANDING: u8 = 1;
/// Ticks after which no read shows any more what was there before a write.
pub(crate) const STALENESS: u8 = 1;
/// 30 s: what the protocol waits after a function, and so the sum of these three.
pub(crate) const SETTLE: u8 = CLOCK_LEAD + LANDING + STALENESS;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Race {
    pub(crate) service: Service,
    /// The service before its last write, while a read may still show that, and for how many ticks.
    pub(crate) before: Option<(Service, u8)>,
    pub(crate) item: Item,
    pub(crate) executions: Vec<Execution>,
    pub(crate) late: Vec<Late>,
    pub(crate) invocations: Nonce,
    /// How many may still happen.
    pub(crate) misfortunes: u8,
    /// The properties that something which happened has broken.
    pub(crate) broken: BTreeSet<&'static str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Execution {
    pub(crate) at: At,
    pub(crate) state: State,
    pub(crate) stopped: bool,
    pub(crate) functions: Vec<Function>,
    pub(crate) moved: Moved,
    /// Its Rollback has entered.
    pub(crate) turned_back: bool,
    pub(crate) held: Held,
    /// How it ended by the release that took effect.
    pub(crate) released: Option<Outcome>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum At {
    NotStarted,
    /// Between two functions: in a Wait, or about to invoke the next.
    Waiting,
    Task,
    Ended(Outcome),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Outcome {
    Succeeded,
    Failed,
    ConcurrentDeployment,
    LockLost,
}

/// What the state machine carries from function to function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct State {
    pub(crate) phase: Phase,
    /// The task set in service, as the turn that took the lock found it.
    pub(crate) original: Option<SetId>,
    /// The rollback of another execution, which ended in it: Rollback finishes that one, and then
    /// this execution's own deployment begins.
    pub(crate) finishing: Option<Plan>,
    /// The replacement was found sick, and so the phase is Rollback.
    pub(crate) sick: bool,
    /// A turn of the rollback entered when it was quiet: checks show what was written before it.
    pub(crate) sure: bool,
    pub(crate) turn: Turn,
    pub(crate) fence: Option<Fence>,
    /// The revision at which a function was busy, and the ticks of waiting since.
    pub(crate) seen: Option<(Rev, u8)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Function {
    pub(crate) doing: Doing,
    pub(crate) state: State,
    pub(crate) left: u8,
    /// A Task waits for it. Otherwise it runs on unheard.
    pub(crate) awaited: bool,
    pub(crate) wrote: bool,
    /// A write of it was not answered.
    pub(crate) unanswered: bool,
    /// The check that it made beside enter, where it does not check inside.
    pub(crate) checked: Option<Service>,
    pub(crate) nonce: Nonce,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Doing {
    Started,
    /// It has read the item, and may take the lock.
    Taking(Read),
    /// It is inside. Its first check may be old.
    Checking {
        first: bool,
    },
    Writing(Write),
    Answering(Answer),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Answer {
    /// The same phase.
    Again,
    /// The same phase, when it is quiet.
    Later,
    Next(Phase, Option<SetId>),
    /// An error, for a Retry or the Catch.
    Throw,
    /// Rollback, by the plan of another execution, which ended in it.
    Finish(Plan),
    Release(Outcome),
}

/// What was sent and may land yet, with the ticks in which it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Late {
    pub(crate) call: LateCall,
    pub(crate) left: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum LateCall {
    Write(Id, Phase, Write),
    /// The first attempt of a call that the SDK has repeated.
    Enter(Entry),
    Leave(Exit),
}

/// How often an execution has moved the production listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Moved {
    No,
    There,
    Back,
}

/// Whether the lock is an execution's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Held {
    No,
    Yes,
    /// Another has taken it.
    Lost,
}

impl Race {
    /// One task set in service, executions about to begin, and one that waits for all of them.
    pub(crate) fn start(executions: usize, misfortunes: u8) -> Self {
        let execution = |at| Execution {
            at,
            state: State::FIRST,
            stopped: false,
            functions: Vec::new(),
            moved: Moved::No,
            turned_back: false,
            held: Held::No,
            released: None,
        };
        let mut all = vec![execution(At::Waiting); executions];
        all.push(execution(At::NotStarted));
        Self {
            service: Service::in_order(),
            before: None,
            item: Item::new(),
            executions: all,
            late: Vec::new(),
            invocations: 0,
            misfortunes,
            broken: BTreeSet::new(),
        }
    }

    /// A function of the execution's state begins.
    pub(crate) fn invoke(&mut self, id: Id, left: u8, checked: Option<Service>) {
        let execution = &mut self.executions[id];
        execution.at = At::Task;
        execution.functions.push(Function {
            doing: Doing::Started,
            state: execution.state,
            left,
            awaited: true,
            wrote: false,
            unanswered: false,
            checked,
            nonce: self.invocations,
        });
        self.invocations += 1;
    }
}

impl Execution {
    pub(crate) fn is_running(&self) -> bool {
        !self.stopped && matches!(self.at, At::Waiting | At::Task)
    }

    pub(crate) fn awaits_a_function(&self) -> bool {
        self.functions.iter().any(|function| function.awaited)
    }

    /// What it waited for runs on unheard.
    pub(crate) fn abandon(&mut self) {
        for function in &mut self.functions {
            function.awaited = false;
        }
    }
}

impl State {
    pub(crate) const FIRST: Self = Self {
        phase: Phase::Preflight,
        original: None,
        finishing: None,
        sick: false,
        sure: false,
        turn: Turn::FIRST,
        fence: None,
        seen: None,
    };

    /// Goes to a phase by a Choice, or by a Catch, which counts no turn.
    pub(crate) fn go_to(&mut self, phase: Phase) {
        self.phase = phase;
        self.turn.of_rollback = phase == Phase::Rollback;
    }

    /// The plan in force, where the phase is Rollback.
    pub(crate) fn rollback_of(&self, id: Id) -> Option<Plan> {
        let own = Plan {
            outgoing: replacement_of(id),
            incoming: self.original,
        };
        (self.phase == Phase::Rollback).then(|| self.finishing.unwrap_or(own))
    }

    /// The revision that it has carried through as many ticks of waiting.
    pub(crate) fn outwaited(&self, ticks: u8) -> Option<Rev> {
        let (rev, waited) = self.seen?;
        (waited >= ticks).then_some(rev)
    }
}

impl Function {
    pub(crate) fn is_inside(&self) -> bool {
        match self.doing {
            Doing::Started | Doing::Taking(_) => false,
            Doing::Checking { .. } | Doing::Writing(_) | Doing::Answering(_) => true,
        }
    }
}
