//! The functions at work under the protocol, and what the state machine does with their answers.

use crate::execution::{At, Execution, Harm, LEASE, Moved, Next, Outcome, Phase, Race, SETTLE};
use crate::protocol::{Abandoned, Lease, Protocol};
use crate::world::{Decision, Id, Scale, Step, World, Write, replacement_of};

/// How a function ended, without a write at the last.
enum Answer {
    Done,
    /// The lease is over: the state machine renews, and invokes it again.
    Renew,
    LockLost,
    Refused,
}

impl Protocol {
    /// A function looks at the world and at its lease, and decides.
    pub(crate) fn look(self, race: &mut Race, id: Id, place: usize) -> Option<()> {
        let execution = &mut race.executions[id];
        let function = execution.functions.get_mut(place)?;
        let leased = match function.phase {
            Phase::Started { lease_age } => self.lease == Lease::None || lease_age <= LEASE,
            Phase::Looking => true,
            Phase::Writing(_) => return None,
        };
        let step = function.step;
        let answer = match race.world.decide(step, id, execution.original) {
            _ if !leased => Answer::Renew,
            Decision::Act(_) if self.ownership_check && race.owner != Some(id) => Answer::LockLost,
            Decision::Act(write) => {
                function.phase = Phase::Writing(write);
                execution.functions.sort_unstable();
                return Some(());
            }
            Decision::Done => Answer::Done,
            Decision::Refuse => Answer::Refused,
        };
        if execution.functions.remove(place).awaited {
            match answer {
                Answer::Done => self.done(execution, id, step, &race.world),
                Answer::Renew => execution.enter(At::Renew(step)),
                Answer::LockLost => execution.enter(At::Ended(Outcome::LockLost)),
                Answer::Refused => self.catch(execution),
            }
        }
        Some(())
    }

    /// The write that a function decided takes effect.
    pub(crate) fn land(self, race: &mut Race, id: Id, place: usize) -> Option<()> {
        let execution = &mut race.executions[id];
        let function = execution.functions.get_mut(place)?;
        let Phase::Writing(write) = function.phase else {
            return None;
        };
        if self.lock && race.owner != Some(id) {
            race.harms.insert(Harm::WithoutTheLock);
        }
        if let Write::Forward { group } = write
            && group != race.world.production
        {
            execution.moved = match (function.step, execution.moved) {
                (Step::Swap, Moved::No) => Moved::There,
                (Step::Rollback, Moved::There) => Moved::Back,
                (_, moved) => {
                    race.harms.insert(Harm::MovedAgain);
                    moved
                }
            };
        }
        race.harms.extend(harm_to(&race.world, write));
        race.world.land(write);
        function.phase = Phase::Looking;
        execution.functions.sort_unstable();
        Some(())
    }

    /// The state after a function has found nothing left to do.
    fn done(self, execution: &mut Execution, id: Id, step: Step, world: &World) {
        match step {
            Step::Leftovers => self.renew(execution, Step::Create),
            Step::Create => {
                execution.original = world.original().filter(|&set| set != replacement_of(id));
                self.renew(execution, Step::Swap);
            }
            Step::Swap => self.renew(execution, Step::ScaleDown),
            Step::ScaleDown => self.renew(execution, Step::Cleanup),
            Step::Cleanup => self.turn(execution, Next::Release(Outcome::Succeeded)),
            Step::Rollback => self.turn(execution, Next::Release(Outcome::Failed)),
        }
    }

    /// From `Cleanup` on there is no way but forward, and a rollback is not rolled back.
    pub(crate) fn catch(self, execution: &mut Execution) {
        let next = match execution.at {
            At::Task(Step::Cleanup | Step::Rollback) => Next::Release(Outcome::Failed),
            _ => Next::Rollback,
        };
        self.turn(execution, next);
    }

    /// Step Functions cannot tell what became of the function: it may still be at work.
    pub(crate) fn give_up(self, execution: &mut Execution) {
        execution.abandon();
        if let At::Task(step) = execution.at
            && self.abandoned == Abandoned::Outwaited
        {
            execution.enter(At::Settle(SETTLE, Next::RetryOrCatch(step)));
        }
    }

    /// To the rollback, or to the release.
    fn turn(self, execution: &mut Execution, next: Next) {
        if self.abandoned == Abandoned::Settled {
            execution.enter(At::Settle(SETTLE, next));
        } else {
            self.settled(execution, next);
        }
    }

    pub(crate) fn settled(self, execution: &mut Execution, next: Next) {
        match next {
            Next::Renew(step) => self.renew(execution, step),
            Next::RetryOrCatch(step) => {
                // The lease has run out during `Settle`.
                (execution.at, execution.lease_age) = (At::Task(step), LEASE + 1);
            }
            Next::Rollback => self.renew(execution, Step::Rollback),
            Next::Release(outcome) => execution.enter(At::ReleaseLock(outcome)),
        }
    }
}

fn harm_to(world: &World, write: Write) -> Option<Harm> {
    match write {
        Write::SetScale {
            set,
            scale: Scale::Zero,
        }
        | Write::DeleteTaskSet { set, .. }
            if world.is_behind_production(set) =>
        {
            Some(Harm::TakenFromProduction)
        }
        Write::DeleteTaskSet { set, force: true } if world.set(set)?.served => Some(Harm::Forced),
        Write::CreateTaskSet { .. }
        | Write::Forward { .. }
        | Write::SetScale { .. }
        | Write::DeleteTaskSet { .. } => None,
    }
}
