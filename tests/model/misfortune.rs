//! What may go wrong, each as often as a search allows misfortunes.

use crate::Search;
use crate::events::Place;
use crate::execution::{Answer, Doing, Function, LANDING, LateCall, Race};
use crate::functions::How;
use crate::lock::Clock;
use crate::protocol::Part;
use crate::world::{Id, Phase, replacement_of};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misfortune {
    /// `StopExecution`.
    Stop,
    /// `RedriveExecution`: straight into the state that it was stopped in.
    Redrive,
    /// The function dies, before or after it entered, with a write under way or not.
    Crash,
    /// The function fails, and says so.
    Throw,
    /// Step Functions gives the function up, and it runs on.
    GivenUp,
    /// Lambda runs one request twice.
    Twice,
    /// The first attempt of enter lands late, beside the SDK's retry.
    LateEnter,
    /// The same of leave.
    LateLeave,
    /// No attempt of leave reaches the table.
    LostLeave,
    /// A write is not answered, and may land late.
    Unanswered,
    /// `busyUntil` comes from a clock that is years ahead.
    BadClock,
    /// The replacement turns sick in the drain.
    Sick,
}

impl Misfortune {
    pub(crate) const ALL: &[Self] = &[
        Self::Stop,
        Self::Redrive,
        Self::Crash,
        Self::Throw,
        Self::GivenUp,
        Self::Twice,
        Self::LateEnter,
        Self::LateLeave,
        Self::LostLeave,
        Self::Unanswered,
        Self::BadClock,
        Self::Sick,
    ];
}

impl Search {
    pub(crate) fn strike(
        &self,
        race: &mut Race,
        misfortune: Misfortune,
        place: Place,
    ) -> Option<()> {
        let protocol = self.protocol;
        let nonce = race.invocations;
        let functions = &mut race.executions[place.0].functions;
        let function = functions.get_mut(place.1)?;
        match misfortune {
            Misfortune::Stop | Misfortune::Redrive => return None,
            Misfortune::Crash => {
                let died = functions.remove(place.1);
                send_what_it_wrote(race, place.0, &died, LANDING);
            }
            Misfortune::Throw => function.doing = Doing::Answering(Answer::Throw),
            Misfortune::GivenUp => function.awaited = false,
            Misfortune::Twice => {
                let mut second = *function;
                second.awaited = false;
                if protocol.has(Part::Nonce) {
                    second.nonce = nonce;
                }
                functions.push(second);
                race.invocations += 1;
            }
            Misfortune::LateEnter => {
                return protocol.enter(race, place, Clock::Ahead, How::FirstAttemptLate);
            }
            Misfortune::LateLeave => return protocol.leave(race, place, How::FirstAttemptLate),
            Misfortune::LostLeave => return protocol.leave(race, place, How::Unreachable),
            Misfortune::Unanswered => {
                let sent = *function;
                function.unanswered = true;
                function.doing = Doing::Checking { first: false };
                send_what_it_wrote(race, place.0, &sent, LANDING);
            }
            Misfortune::BadClock => {
                return match function.doing {
                    Doing::Started => protocol.enter(race, place, Clock::Ahead, How::BadClock),
                    Doing::Taking(_) => protocol.take(race, place, Clock::Ahead, How::BadClock),
                    _ => protocol.leave(race, place, How::BadClock),
                };
            }
            Misfortune::Sick => {
                function.state.sick = true;
                let original = function.state.original;
                function.doing = Doing::Answering(Answer::Next(Phase::Rollback, original));
            }
        }
        Some(())
    }
}

/// The drain handles its replacement's health while there is an original to go back to.
pub(crate) fn may_turn_sick(race: &Race, id: Id, function: &Function) -> bool {
    let state = function.state;
    let has_original = state
        .original
        .is_some_and(|set| race.service.set(set).is_some());
    let drains = matches!(state.phase, Phase::ScaleDown(_));
    drains && has_original && race.service.is_behind_production(replacement_of(id))
}

pub(crate) fn send_what_it_wrote(race: &mut Race, id: Id, function: &Function, left: u8) {
    if let Doing::Writing(write) = function.doing {
        let call = LateCall::Write(id, function.state.phase, write);
        race.send_late(call, left);
    }
}
