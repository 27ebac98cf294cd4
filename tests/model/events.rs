//! What may happen next in a race, and its result.

use crate::Search;
use crate::execution::{At, Doing, Function, LANDING, Late, LateCall, Outcome, Race};
use crate::functions::{Description, How};
use crate::lock::Clock;
use crate::misfortune::{Misfortune, may_turn_sick, send_what_it_wrote};
use crate::protocol::Part;
use crate::turn::Sight;
use crate::world::{Id, Phase};

/// A function, by its execution and its place among that one's.
pub(crate) type Place = (Id, usize);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// An execution goes on from between two functions.
    GoOn(Id),
    Enter(Place, Clock),
    /// Reads the item, and asks what the owner does.
    Read(Place, Description, Clock),
    Take(Place, Clock),
    Check(Place, Sight),
    Land(Place),
    Leave(Place),
    /// What was under way lands.
    LandLate(usize),
    Retry(Id),
    Catch(Id),
    Stop(Id),
    Redrive(Id),
    Misfortune(Misfortune, Place),
    Tick,
}

impl Event {
    /// It belongs to no run in which nothing goes wrong from now on.
    pub(crate) fn is_fault(self) -> bool {
        match self {
            Self::Enter(_, clock) | Self::Take(_, clock) => clock == Clock::Ahead,
            Self::Read(_, description, clock) => {
                description == Description::False || clock == Clock::Ahead
            }
            Self::Check(_, sight) => sight == Sight::OneWriteOld,
            Self::Catch(_) | Self::Stop(_) | Self::Redrive(_) | Self::Misfortune(..) => true,
            Self::GoOn(_)
            | Self::Land(_)
            | Self::Leave(_)
            | Self::LandLate(_)
            | Self::Retry(_)
            | Self::Tick => false,
        }
    }
}

impl Search {
    /// What may be tried next, functions first and time last; `after` says its result.
    pub(crate) fn events(&self, race: &Race, events: &mut Vec<Event>) {
        for (id, execution) in race.executions.iter().enumerate() {
            for (place, function) in execution.functions.iter().enumerate() {
                self.of_function(race, (id, place), function, events);
            }
        }
        events.extend((0..race.late.len()).map(Event::LandLate));
        for (id, execution) in race.executions.iter().enumerate() {
            if execution.is_running() {
                if execution.at == At::Waiting {
                    events.push(Event::GoOn(id));
                } else if !execution.awaits_a_function() {
                    events.extend([Event::Retry(id), Event::Catch(id)]);
                }
            }
            if execution.is_running() && self.may_happen(race, Misfortune::Stop) {
                events.push(Event::Stop(id));
            }
            if execution.stopped && self.may_happen(race, Misfortune::Redrive) {
                events.push(Event::Redrive(id));
            }
        }
        events.push(Event::Tick);
    }

    fn may_happen(&self, race: &Race, misfortune: Misfortune) -> bool {
        race.misfortunes > 0 && self.faults.kinds.contains(&misfortune)
    }

    fn of_function(&self, race: &Race, place: Place, function: &Function, events: &mut Vec<Event>) {
        let clocks = || {
            [Clock::Right, Clock::Ahead].into_iter().filter(|clock| {
                // Where it makes a difference.
                let until = race.item.busy_until;
                *clock == Clock::Right
                    || until.has_passed(Clock::Ahead) != until.has_passed(Clock::Right)
            })
        };
        let mut kinds: &[Misfortune] = &[];
        match function.doing {
            Doing::Started if self.protocol.enters_by_fence(race, place.0, function) => {
                events.extend(clocks().map(|clock| Event::Enter(place, clock)));
                kinds = &[Misfortune::LateEnter, Misfortune::BadClock];
            }
            Doing::Started => {
                for clock in clocks() {
                    events.push(Event::Read(place, Description::True, clock));
                    if self.may_be_described_wrongly(race, place.0) {
                        events.push(Event::Read(place, Description::False, clock));
                    }
                }
            }
            Doing::Taking(_) => {
                events.extend(clocks().map(|clock| Event::Take(place, clock)));
                kinds = &[Misfortune::BadClock];
            }
            Doing::Checking { first } => {
                if first && self.faults.old_reads && race.before.is_some() {
                    events.push(Event::Check(place, Sight::OneWriteOld));
                }
                events.push(Event::Check(place, Sight::Now));
                kinds = if may_turn_sick(race, place.0, function) {
                    &[Misfortune::Throw, Misfortune::Sick]
                } else {
                    &[Misfortune::Throw]
                };
            }
            Doing::Writing(_) => {
                events.push(Event::Land(place));
                kinds = &[Misfortune::Unanswered];
            }
            Doing::Answering(_) => {
                events.push(Event::Leave(place));
                kinds = &[
                    Misfortune::LateLeave,
                    Misfortune::LostLeave,
                    Misfortune::BadClock,
                ];
            }
        }
        let mut happens = |kind| {
            if self.may_happen(race, kind) {
                events.push(Event::Misfortune(kind, place));
            }
        };
        kinds.iter().copied().for_each(&mut happens);
        if function.awaited {
            happens(Misfortune::Crash);
            happens(Misfortune::GivenUp);
            if function.doing == Doing::Started {
                happens(Misfortune::Twice);
            }
        }
    }

    /// `DescribeExecution` may be late: an ended owner seems to run. In a search that lets it, it
    /// says of a running owner that it has ended, too.
    fn may_be_described_wrongly(&self, race: &Race, id: Id) -> bool {
        let owner = race.item.owner.filter(|owner| *owner != id);
        owner.is_some_and(|owner| self.faults.false_ends || !race.executions[owner].is_running())
    }

    pub(crate) fn after(&self, before: &Race, event: Event) -> Option<Race> {
        let mut race = before.clone();
        self.happen(&mut race, event)?;
        race.normalise();
        Some(race).filter(|after| after != before)
    }

    pub(crate) fn happen(&self, race: &mut Race, event: Event) -> Option<()> {
        let protocol = self.protocol;
        match event {
            Event::GoOn(id) => self.go_on(race, id),
            Event::Enter(place, clock) => protocol.enter(race, place, clock, How::Well)?,
            Event::Read(place, description, clock) => {
                protocol.read(race, place, description, clock)?;
            }
            Event::Take(place, clock) => protocol.take(race, place, clock, How::Well)?,
            Event::Check(place, sight) => protocol.check(race, place, sight)?,
            Event::Land(place) => race.land_its_write(place)?,
            Event::Leave(place) => protocol.leave(race, place, How::Well)?,
            Event::LandLate(late) => match race.late.remove(late).call {
                LateCall::Write(id, phase, write) => race.land(id, phase, write),
                LateCall::Enter(entry) => protocol.enter_late(race, &entry)?,
                LateCall::Leave(exit) => protocol.leave_item(race, &exit)?,
            },
            Event::Retry(id) => self.invoke(race, id),
            Event::Catch(id) => catch(race, id),
            Event::Stop(id) => {
                race.misfortunes -= 1;
                race.executions[id].stopped = true;
                race.executions[id].abandon();
            }
            Event::Redrive(id) => {
                race.misfortunes -= 1;
                race.executions[id].stopped = false;
                if race.executions[id].at == At::Task {
                    self.invoke(race, id);
                }
            }
            Event::Misfortune(misfortune, place) => {
                race.misfortunes -= 1;
                self.strike(race, misfortune, place)?;
            }
            Event::Tick => return self.tick(race),
        }
        Some(())
    }

    fn go_on(&self, race: &mut Race, id: Id) {
        if race.executions[id].state.phase == Phase::Preflight {
            let found = race.service.original();
            let state = &mut race.executions[id].state;
            state.go_to(Phase::CheckAndCreate);
            state.original = found.filter(|_| !self.protocol.has(Part::SettledInside));
        } else {
            self.invoke(race, id);
        }
    }

    fn invoke(&self, race: &mut Race, id: Id) {
        let beside_enter = Some(race.service).filter(|_| !self.protocol.has(Part::ChecksInside));
        race.invoke(id, self.protocol.lifetime, beside_enter);
    }

    /// Not while a function that a Task waits for has no time left: it answers, or dies.
    fn tick(&self, race: &mut Race) -> Option<()> {
        let mut functions = race.executions.iter().flat_map(|one| &one.functions);
        if functions.any(|function| function.awaited && function.left == 0) {
            return None;
        }
        race.item.busy_until = race.item.busy_until.later();
        race.before = race
            .before
            .and_then(|(before, left)| Some((before, left.checked_sub(1)?)));
        race.late = race.late.iter().filter_map(|late| late.later()).collect();
        for id in 0..race.executions.len() {
            let execution = &mut race.executions[id];
            if let (At::Waiting, Some((_, waited))) = (execution.at, &mut execution.state.seen) {
                *waited = (*waited + 1).min(self.protocol.outwaited());
            }
            for mut function in std::mem::take(&mut execution.functions) {
                if let Some(left) = function.left.checked_sub(1) {
                    function.left = left;
                    race.executions[id].functions.push(function);
                } else {
                    // What it had sent lands within this tick, or never.
                    send_what_it_wrote(race, id, &function, LANDING - 1);
                }
            }
        }
        Some(())
    }
}

/// A rollback is not rolled back: `RollbackFailed`.
fn catch(race: &mut Race, id: Id) {
    let execution = &mut race.executions[id];
    if execution.state.phase == Phase::Rollback {
        execution.at = At::Ended(Outcome::Failed);
    } else {
        execution.state.go_to(Phase::Rollback);
        execution.at = At::Waiting;
    }
}

impl Late {
    fn later(mut self) -> Option<Self> {
        self.left = self.left.checked_sub(1)?;
        match &mut self.call {
            LateCall::Write(..) => {}
            LateCall::Enter(entry) => entry.until = entry.until.later(),
            LateCall::Leave(exit) => exit.until = exit.until.later(),
        }
        Some(self)
    }
}
