//! The protocol of the lock: what an execution, its functions and Step Functions may do next.

use crate::execution::{
    At, Execution, GRACE, Harm, Holder, Next, Outcome, Phase, Race, SETTLE, older,
};
use crate::world::{Id, Step};

/// The protocol's parts, each of which can be left out to see what it is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Protocol {
    pub(crate) lock: bool,
    /// Ticks.
    pub(crate) grace: u8,
    pub(crate) lease: Lease,
    pub(crate) takeover: TakeOver,
    pub(crate) abandoned: Abandoned,
    /// A function reads the lock's owner right before it writes.
    pub(crate) ownership_check: bool,
    /// `DescribeExecution` may say of a running owner that it has ended.
    pub(crate) stale_descriptions: bool,
}

/// What lets a function write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lease {
    None,
    /// The renewal that its input names is at most `LEASE` old.
    Timed,
    /// And it was made since the last redrive (`$$.Execution.RedriveCount`); a redriven execution
    /// waits until what it started before has ended, and renews.
    TimedAndRedriven,
}

/// What the condition of `TakeOver` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TakeOver {
    /// `#owner = :dead`
    Owner,
    /// `#owner = :dead AND revision = :seen`, seen before the grace.
    OwnerAndRevision,
    /// `OR #owner = :me` as well: who took over and lost the reply finds the lock its own.
    Repeatable,
}

/// What is done about functions that Step Functions has given up and that may still write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Abandoned {
    /// Nothing: Retry and Catch follow at once.
    Ignored,
    /// Retry and Catch follow when it has ended: an execution never has two functions at work.
    Outwaited,
    /// Retry follows at once; rollback and release wait until all have ended.
    Settled,
}

/// What may happen next, and to which execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    AcquireLock(Id),
    ReadLock(Id),
    DescribeOwner(Id),
    /// A running owner is said to have ended.
    DescribeOwnerStale(Id),
    TakeOver(Id),
    Renew(Id),
    ReleaseLock(Id),
    /// The lock is written and nobody hears of it: the state is retried, or was stopped.
    LockReplyLost(Id),
    /// A function, by its place among its execution's, looks and decides.
    Look(Id, usize),
    /// The write that it decided takes effect.
    Land(Id, usize),
    /// The function answers with an error, or dies.
    FunctionFails(Id),
    /// Step Functions gives the function up, and it runs on (`States.TaskFailed`).
    FunctionLost(Id),
    Retry(Id),
    Catch(Id),
    Stop(Id),
    /// Straight into the state that it was stopped in.
    Redrive(Id),
    Tick,
}

impl Protocol {
    /// With all its parts, on an AWS that may answer from the past.
    pub(crate) fn whole() -> Self {
        Self {
            lock: true,
            grace: GRACE,
            lease: Lease::TimedAndRedriven,
            takeover: TakeOver::Repeatable,
            abandoned: Abandoned::Outwaited,
            ownership_check: false,
            stale_descriptions: true,
        }
    }

    /// What may be tried next; `after` says what comes of it.
    pub(crate) fn events(self, race: &Race, events: &mut Vec<Event>) {
        events.push(Event::Tick);
        for (id, execution) in race.executions.iter().enumerate() {
            for (place, function) in execution.functions.iter().enumerate() {
                events.push(match function.phase {
                    Phase::Started { .. } | Phase::Looking => Event::Look(id, place),
                    Phase::Writing(_) => Event::Land(id, place),
                });
            }
            if execution.is_running() {
                events.extend(match execution.at {
                    At::AcquireLock => Some(Event::AcquireLock(id)),
                    At::ReadLock => Some(Event::ReadLock(id)),
                    At::DescribeOwner | At::DescribeOwnerAgain => Some(Event::DescribeOwner(id)),
                    At::TakeOver => Some(Event::TakeOver(id)),
                    At::Renew(_) => Some(Event::Renew(id)),
                    At::ReleaseLock(_) => Some(Event::ReleaseLock(id)),
                    At::Task(_) | At::Grace(_) | At::Settle(..) | At::Ended(_) => None,
                });
                if matches!(execution.at, At::Task(_)) && !execution.awaits_a_function() {
                    events.extend([Event::Retry(id), Event::Catch(id)]);
                }
                let describes = matches!(execution.at, At::DescribeOwner | At::DescribeOwnerAgain);
                if describes && self.stale_descriptions {
                    events.push(Event::DescribeOwnerStale(id));
                }
            }
            if race.misfortunes > 0 {
                self.misfortunes(id, execution, events);
            }
        }
    }

    fn misfortunes(self, id: Id, execution: &Execution, events: &mut Vec<Event>) {
        if execution.stopped {
            events.push(Event::Redrive(id));
        } else if execution.is_running() {
            events.push(Event::Stop(id));
            if execution.awaits_a_function() {
                events.extend([Event::FunctionFails(id), Event::FunctionLost(id)]);
            }
        }
        if self.lock {
            events.push(Event::LockReplyLost(id));
        }
    }

    /// The race after an event; none where it cannot happen, or changes nothing.
    pub(crate) fn after(self, before: &Race, event: Event) -> Option<Race> {
        let mut race = before.clone();
        self.happen(&mut race, event)?;
        Some(race).filter(|after| after != before)
    }

    fn happen(self, race: &mut Race, event: Event) -> Option<()> {
        match event {
            Event::AcquireLock(id) => {
                let mine = self.write_lock(race, id);
                self.begin(&mut race.executions[id], mine, At::ReadLock);
            }
            Event::ReadLock(id) => {
                // Free again, or its own by a call of which it never heard: acquire it.
                let owner = race.owner.filter(|&owner| owner != id);
                let execution = &mut race.executions[id];
                execution.enter(owner.map_or(At::AcquireLock, |_| At::DescribeOwner));
                execution.holder = owner.map(|owner| Holder {
                    owner,
                    revised: false,
                });
            }
            Event::DescribeOwner(id) => {
                let owner = race.executions[id].holder?.owner;
                let runs = race.executions[owner].is_running();
                self.described(&mut race.executions[id], runs);
            }
            Event::DescribeOwnerStale(id) => {
                let owner = race.executions[id].holder?.owner;
                if !race.executions[owner].is_running() {
                    return None;
                }
                self.described(&mut race.executions[id], false);
            }
            Event::TakeOver(id) => {
                let mine = self.write_lock(race, id);
                if !mine && race.owner == Some(id) {
                    race.harms.insert(Harm::LostToItself);
                }
                let refused = At::Ended(Outcome::ConcurrentDeployment);
                self.begin(&mut race.executions[id], mine, refused);
            }
            Event::Renew(id) => {
                let mine = self.write_lock(race, id);
                let execution = &mut race.executions[id];
                execution.enter(match execution.at {
                    At::Renew(step) if mine => At::Task(step),
                    _ => At::Ended(Outcome::LockLost),
                });
            }
            Event::ReleaseLock(id) => {
                self.write_lock(race, id);
                let execution = &mut race.executions[id];
                if let At::ReleaseLock(outcome) = execution.at {
                    execution.enter(At::Ended(outcome));
                }
            }
            Event::LockReplyLost(id) => {
                race.misfortunes -= 1;
                return self.write_lock(race, id).then_some(());
            }
            Event::Look(id, place) => return self.look(race, id, place),
            Event::Land(id, place) => return self.land(race, id, place),
            Event::FunctionFails(id) => {
                race.misfortunes -= 1;
                race.executions[id]
                    .functions
                    .retain(|function| !function.awaited);
            }
            Event::FunctionLost(id) => {
                race.misfortunes -= 1;
                self.give_up(&mut race.executions[id]);
            }
            Event::Retry(id) => {
                let at = race.executions[id].at;
                race.executions[id].enter(at);
            }
            Event::Catch(id) => self.catch(&mut race.executions[id]),
            Event::Stop(id) => {
                race.misfortunes -= 1;
                race.executions[id].stopped = true;
                race.executions[id].abandon();
            }
            Event::Redrive(id) => {
                race.misfortunes -= 1;
                self.redrive(&mut race.executions[id]);
            }
            Event::Tick => return self.tick(race),
        }
        Some(())
    }

    /// Makes the state's `UpdateItem`, and answers whether its condition held.
    fn write_lock(self, race: &mut Race, id: Id) -> bool {
        let Execution { at, holder, .. } = race.executions[id];
        let mine = race.owner == Some(id);
        let (condition, owner) = match at {
            At::AcquireLock => (mine || race.owner.is_none(), Some(id)),
            At::TakeOver => {
                let as_seen = holder.is_some_and(|seen| {
                    let same_revision = self.takeover == TakeOver::Owner || !seen.revised;
                    race.owner == Some(seen.owner) && same_revision
                });
                let again = mine && self.takeover == TakeOver::Repeatable;
                (as_seen || again, Some(id))
            }
            At::Renew(_) => (mine, Some(id)),
            At::ReleaseLock(_) => (mine, None),
            At::ReadLock | At::DescribeOwner | At::Grace(_) | At::DescribeOwnerAgain => {
                return false;
            }
            At::Task(_) | At::Settle(..) | At::Ended(_) => return false,
        };
        if condition && self.lock {
            race.owner = owner;
            for execution in &mut race.executions {
                if let Some(holder) = &mut execution.holder {
                    holder.revised = true;
                }
            }
        }
        condition
    }

    fn begin(self, execution: &mut Execution, mine: bool, refused: At) {
        if mine {
            self.renew(execution, Step::Leftovers);
        } else {
            execution.enter(refused);
        }
    }

    fn described(self, execution: &mut Execution, runs: bool) {
        execution.enter(match execution.at {
            _ if runs => At::Ended(Outcome::ConcurrentDeployment),
            At::DescribeOwner if self.grace > 0 => At::Grace(self.grace),
            _ => At::TakeOver,
        });
    }

    /// `Renew` comes before every function that writes.
    pub(crate) fn renew(self, execution: &mut Execution, step: Step) {
        execution.enter(if self.lock {
            At::Renew(step)
        } else {
            At::Task(step)
        });
    }

    /// A Wait goes on; a Task is entered as it is, without the renewal before it.
    fn redrive(self, execution: &mut Execution) {
        execution.stopped = false;
        match execution.at {
            At::Task(step) if self.lease == Lease::TimedAndRedriven => {
                execution.enter(At::Settle(SETTLE, Next::Renew(step)));
            }
            at @ (At::Task(_) | At::Renew(_)) => execution.enter(at),
            _ => {}
        }
    }

    /// Not while a function that a Task waits for has no time left: it ends first.
    fn tick(self, race: &mut Race) -> Option<()> {
        for execution in &mut race.executions {
            let functions = execution.functions.iter().map(|function| function.later());
            if execution.functions.iter().any(|f| f.awaited && f.left == 0) {
                return None;
            }
            execution.functions = functions.flatten().collect();
            if self.lease != Lease::None && matches!(execution.at, At::Renew(_) | At::Task(_)) {
                execution.lease_age = older(execution.lease_age);
            }
            match execution.at {
                At::Grace(1) => execution.enter(At::DescribeOwnerAgain),
                At::Grace(left) => execution.at = At::Grace(left - 1),
                At::Settle(1, next) => self.settled(execution, next),
                At::Settle(left, next) => execution.at = At::Settle(left - 1, next),
                _ => {}
            }
        }
        Some(())
    }
}
