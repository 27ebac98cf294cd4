//! How a function gets in: it enters by its fence, or reads the item and takes the lock.

use crate::execution::{Answer, At, Doing, Function, Held, LANDING, LateCall, Outcome, Race};
use crate::lock::{Clock, Entered, Entry, Read, Refused, Until};
use crate::properties::{AS_READ, NONE_UNDER_WAY, NOT_BACK, ONE_INSIDE, OWN, REPORT};
use crate::protocol::{Part, Protocol};
use crate::world::{Id, Phase, Plan, replacement_of};

/// How a write of the lock item goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Well,
    /// The SDK's retry has the effect, and the first attempt is still under way.
    FirstAttemptLate,
    /// `busyUntil` comes from a clock that is years ahead.
    BadClock,
    /// It never has an effect.
    Unreachable,
}

/// What `DescribeExecution` says of the owner, where it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Description {
    True,
    False,
}

impl Protocol {
    /// Whether a function enters by the fence in its state. Otherwise it reads the item first.
    pub(crate) fn enters_by_fence(self, race: &Race, id: Id, function: &Function) -> bool {
        let state = function.state;
        let may_take = matches!(state.phase, Phase::CheckAndCreate | Phase::CheckReady);
        let is_lost = race.item.owner != Some(id) || state.fence != Some(race.item.fence);
        let takes = may_take && is_lost && !self.has(Part::OnlyWithoutFence);
        state.fence.is_some() && !takes
    }

    /// Whether a take asks whether it found the rollback of another execution under way.
    fn asks_for_a_rollback(self, id: Id, function: &Function, found: Read) -> bool {
        match function.state.phase {
            Phase::Rollback => self.has(Part::RollbackFinishesOthers),
            _ => found.owner != Some(id) || self.has(Part::TakingBackFinishesOthers),
        }
    }

    fn entry(self, id: Id, function: &Function, how: How) -> Entry {
        let state = function.state;
        Entry {
            me: id,
            fence: state.fence,
            turn: state.turn,
            until: match how {
                How::BadClock => Until::FAR,
                How::Well | How::FirstAttemptLate | How::Unreachable => {
                    Until::after(function.left + self.settle())
                }
            },
            rollback: state.rollback_of(id),
            outwaited: state.outwaited(self.outwaited()),
            nonce: function.nonce,
        }
    }

    pub(crate) fn enter(
        self,
        race: &mut Race,
        (id, place): (Id, usize),
        clock: Clock,
        how: How,
    ) -> Option<()> {
        let entry = self.entry(id, race.executions[id].functions.get(place)?, how);
        let owner = race.item.owner;
        let was_quiet = race.item.is_quiet(self, &entry, clock);
        match race.item.enter(self, &entry, clock) {
            Ok(_) => {
                race.begins((id, place), owner, was_quiet, None);
                if how == How::FirstAttemptLate {
                    race.send_late(LateCall::Enter(entry), LANDING);
                }
            }
            Err(_) if how != How::Well => return None,
            Err(Refused::HasEnded(outcome)) => race.end(id, place, outcome),
            Err(Refused::LockLost) => race.end(id, place, Outcome::LockLost),
            Err(Refused::TurnIsOver) => race.answer_as_it_came(id, place, false),
            Err(Refused::Busy) => race.answer_as_it_came(id, place, true),
        }
        Some(())
    }

    /// The first attempt of an enter whose repetition had the effect. None where it is refused.
    pub(crate) fn enter_late(self, race: &mut Race, entry: &Entry) -> Option<()> {
        let owner = race.item.owner;
        let entered = race.item.enter(self, entry, Clock::Right).ok();
        entered.filter(|entered| *entered == Entered::Now)?;
        race.note_entry(entry.me, owner);
        Some(())
    }

    /// Reads the item, and decides whether the lock may be taken.
    pub(crate) fn read(
        self,
        race: &mut Race,
        (id, place): (Id, usize),
        description: Description,
        clock: Clock,
    ) -> Option<()> {
        let function = race.executions[id].functions.get(place)?;
        let entry = self.entry(id, function, How::Well);
        let (item, phase) = (&race.item, function.state.phase);
        let end = match item.owner {
            _ if item.end_of(id).is_some() => item.end_of(id),
            Some(owner) if owner == id => {
                let is_shut_out = !self.has(Part::TakesBack) && phase != Phase::Rollback;
                is_shut_out.then_some(Outcome::ConcurrentDeployment)
            }
            // It never had the lock, and so has done nothing.
            _ if phase == Phase::Rollback => Some(Outcome::Failed),
            _ if item.newest > Some(id) && self.has(Part::Newest) => {
                Some(Outcome::ConcurrentDeployment)
            }
            None => None,
            Some(owner) => {
                let is_said_to_run =
                    race.executions[owner].is_running() == (description == Description::True);
                is_said_to_run.then_some(Outcome::ConcurrentDeployment)
            }
        };
        if let Some(outcome) = end {
            race.end(id, place, outcome);
        } else if !item.is_of_turn(self, &entry) {
            race.answer_as_it_came(id, place, false);
        } else if !item.may_be_taken(self, &entry, clock) {
            race.answer_as_it_came(id, place, true);
        } else {
            race.executions[id].functions[place].doing = Doing::Taking(item.read());
        }
        Some(())
    }

    pub(crate) fn take(
        self,
        race: &mut Race,
        (id, place): (Id, usize),
        clock: Clock,
        how: How,
    ) -> Option<()> {
        let function = race.executions[id].functions.get(place)?;
        let Doing::Taking(read) = function.doing else {
            return None;
        };
        let entry = self.entry(id, function, how);
        let found = race.item.read();
        let under_way = race
            .item
            .rollback
            .filter(|_| self.asks_for_a_rollback(id, function, found));
        let was_quiet = race.item.is_quiet(self, &entry, clock);
        if race.item.take(self, &entry, &read, clock) {
            let is_of_another = found.owner.is_some_and(|owner| owner != id);
            if is_of_another && found.rev != read.rev {
                race.broken.insert(AS_READ);
            }
            race.begins((id, place), found.owner, was_quiet, under_way);
        } else if how == How::Well {
            race.executions[id].functions[place].doing = Doing::Started;
        } else {
            return None;
        }
        Some(())
    }
}

impl Race {
    /// The function is in its critical section, perhaps with a rollback that its take found.
    fn begins(
        &mut self,
        (id, place): (Id, usize),
        owner_before: Option<Id>,
        was_quiet: bool,
        found: Option<Plan>,
    ) {
        self.note_entry(id, owner_before);
        let function = &mut self.executions[id].functions[place];
        let of_another = found.filter(|plan| plan.outgoing != replacement_of(id));
        function.doing = match of_another {
            None => Doing::Checking { first: true },
            Some(plan) => Doing::Answering(Answer::Finish(plan)),
        };
        function.state.sure |= was_quiet && function.state.phase == Phase::Rollback;
        function.state.fence = Some(self.item.fence);
        let state = function.state;
        let finishes = of_another.is_some() || state.finishing.is_some();
        if let Some(plan) = state.rollback_of(id).filter(|_| !finishes) {
            self.executions[id].turned_back = true;
            if state.sick
                && self.service.is_behind_production(plan.outgoing)
                && let Some(set) = &mut self.service.task_sets[plan.outgoing]
            {
                set.sick = true;
            }
        }
    }

    /// What must not be when the lock item says that a function is inside.
    fn note_entry(&mut self, id: Id, owner_before: Option<Id>) {
        let mut functions = self.executions.iter().flat_map(|one| &one.functions);
        if functions.any(Function::is_inside) {
            self.broken.insert(ONE_INSIDE);
        }
        let mut late = self.late.iter();
        if late.any(|late| matches!(late.call, LateCall::Write(..))) {
            self.broken.insert(NONE_UNDER_WAY);
        }
        if owner_before != Some(id) {
            for execution in &mut self.executions {
                if execution.held == Held::Yes {
                    execution.held = Held::Lost;
                }
            }
            if self.executions[id].held == Held::Lost {
                self.broken.insert(NOT_BACK);
            }
            self.executions[id].held = Held::Yes;
        }
    }

    /// Answers the state as it came: not now, or no more. A later function of it may find that
    /// nothing was written to the item all the while.
    fn answer_as_it_came(&mut self, id: Id, place: usize, is_busy: bool) {
        let rev = self.item.rev;
        let execution = &mut self.executions[id];
        let function = execution.functions.remove(place);
        if function.awaited {
            execution.at = At::Waiting;
            if is_busy {
                let same = function.state.seen.filter(|(seen, _)| *seen == rev);
                execution.state.seen = same.or(Some((rev, 0)));
            }
        }
    }

    /// The function answers that the deployment is over.
    pub(crate) fn end(&mut self, id: Id, place: usize, outcome: Outcome) {
        let owner = self.item.owner;
        let execution = &mut self.executions[id];
        if !execution.functions.remove(place).awaited {
            return;
        }
        let is_for_the_lock = matches!(outcome, Outcome::LockLost | Outcome::ConcurrentDeployment);
        if is_for_the_lock && owner == Some(id) {
            self.broken.insert(OWN);
        }
        if execution
            .released
            .is_some_and(|released| released != outcome)
        {
            self.broken.insert(REPORT);
        }
        execution.at = At::Ended(outcome);
    }
}
