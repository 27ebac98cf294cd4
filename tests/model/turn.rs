//! What a function does inside: it checks and decides, writes, and leaves.

use crate::execution::{
    Answer, At, Doing, Held, LANDING, Late, LateCall, Moved, Outcome, Race, STALENESS,
};
use crate::functions::How;
use crate::lock::{Exit, Then, Until};
use crate::properties::{DRAIN, LOCKED, MOVES, NOT_FORCED, NOT_TAKEN, NOT_THE_SICK, REPORT};
use crate::protocol::{Part, Protocol};
use crate::world::{Decision, Id, Phase, Plan, Scale, Service, SetId, Write, replacement_of};

/// What a check shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    Now,
    /// The service before its last write.
    OneWriteOld,
}

impl Protocol {
    /// A function checks the world, and decides.
    pub(crate) fn check(
        self,
        race: &mut Race,
        (id, place): (Id, usize),
        sight: Sight,
    ) -> Option<()> {
        let function = race.executions[id].functions.get_mut(place)?;
        let Doing::Checking { first } = function.doing else {
            return None;
        };
        let service = match (function.checked.take(), sight) {
            (Some(checked), Sight::Now) => checked,
            (None, Sight::Now) => race.service,
            (_, Sight::OneWriteOld) => race.before.filter(|_| first)?.0,
        };
        let state = function.state;
        let decision = service.decide(state.phase, id, state.original, state.rollback_of(id));
        function.doing = match decision {
            // In a rollback one write a turn: it must be in effect before the next.
            Decision::Act(_) if state.phase == Phase::Rollback && function.wrote => {
                Doing::Answering(Answer::Again)
            }
            Decision::Act(write) => Doing::Writing(write),
            // After the rollback of another execution comes its own deployment.
            Decision::Done if state.finishing.is_some() => {
                Doing::Answering(Answer::Next(Phase::CheckAndCreate, None))
            }
            Decision::Done => {
                Doing::Answering(self.next(id, state.phase, &service, state.original))
            }
            Decision::Refuse => Doing::Answering(match state.phase {
                Phase::Cleanup | Phase::Rollback => Answer::Release(Outcome::Failed),
                _ => Answer::Next(Phase::Rollback, state.original),
            }),
        };
        let part = match decision {
            // Whatever a check shows, more tasks of the original do no harm.
            Decision::Act(Write::SetScale {
                scale: Scale::Full, ..
            }) => None,
            Decision::Act(Write::Forward { .. }) => Some(Part::ReturnIsSure),
            Decision::Act(_) | Decision::Done | Decision::Refuse => Some(Part::RollbackIsSure),
        };
        let is_unsure = state.phase == Phase::Rollback && !state.sure;
        if is_unsure && part.is_some_and(|part| self.has(part)) {
            function.doing = Doing::Answering(Answer::Later);
        }
        // Its write may land after a release, or after the phase that it belongs to.
        if function.unanswered
            && self.has(Part::UnansweredWrites)
            && matches!(function.doing, Doing::Answering(Answer::Release(_)))
        {
            function.doing = Doing::Answering(Answer::Again);
        }
        Some(())
    }

    /// What comes after a phase that has nothing left to do.
    fn next(self, id: Id, phase: Phase, service: &Service, original: Option<SetId>) -> Answer {
        match phase {
            Phase::Preflight => Answer::Again,
            Phase::CheckAndCreate if self.has(Part::SettledInside) => {
                let found = service.original().filter(|&set| set != replacement_of(id));
                Answer::Next(Phase::CheckReady, found)
            }
            Phase::CheckAndCreate => Answer::Next(Phase::CheckReady, original),
            Phase::CheckReady => Answer::Next(Phase::Swap, original),
            Phase::Swap => Answer::Next(Phase::ScaleDown(Scale::Half), original),
            Phase::ScaleDown(Scale::Half) => Answer::Next(Phase::ScaleDown(Scale::Zero), original),
            Phase::ScaleDown(_) => Answer::Next(Phase::Cleanup, original),
            Phase::Cleanup => Answer::Release(Outcome::Succeeded),
            Phase::Rollback => Answer::Release(Outcome::Failed),
        }
    }

    pub(crate) fn leave(self, race: &mut Race, (id, place): (Id, usize), how: How) -> Option<()> {
        let function = *race.executions[id].functions.get(place)?;
        let Doing::Answering(answer) = function.doing else {
            return None;
        };
        let stays_busy = function.unanswered && self.has(Part::UnansweredWrites);
        let until = match how {
            How::BadClock => Until::FAR,
            _ if stays_busy || self.has(Part::Quiet) => Until::after(self.settle()),
            _ => Until::PASSED,
        };
        let exit = Exit {
            me: id,
            fence: function.state.fence,
            until,
            then: match answer {
                Answer::Again | Answer::Later => Then::Goes(function.state.rollback_of(id)),
                Answer::Throw => Then::Fails,
                Answer::Finish(plan) => Then::Goes(Some(plan)),
                Answer::Next(phase, incoming) => {
                    Then::Goes((phase == Phase::Rollback).then(|| Plan {
                        outgoing: replacement_of(id),
                        incoming,
                    }))
                }
                Answer::Release(outcome) => Then::Release(outcome),
            },
            stays_busy,
            nonce: function.nonce,
        };
        if answer == Answer::Release(Outcome::Succeeded)
            && race.item.owner == Some(id)
            && !race.is_deployed(id)
        {
            race.broken.insert(REPORT);
        }
        if how != How::Unreachable {
            self.leave_item(race, &exit);
        }
        if how == How::FirstAttemptLate {
            race.send_late(LateCall::Leave(exit), LANDING);
        }
        race.answer(id, place, answer);
        Some(())
    }

    /// Also of a first attempt that lands late. None where it is refused.
    pub(crate) fn leave_item(self, race: &mut Race, exit: &Exit) -> Option<()> {
        race.item.leave(self, exit).then_some(())?;
        if let Then::Release(outcome) = exit.then {
            let execution = &mut race.executions[exit.me];
            (execution.released, execution.held) = (Some(outcome), Held::No);
        }
        Some(())
    }
}

impl Race {
    fn answer(&mut self, id: Id, place: usize, answer: Answer) {
        if let Answer::Release(outcome) = answer {
            self.end(id, place, outcome);
            return;
        }
        let execution = &mut self.executions[id];
        let function = execution.functions.remove(place);
        if function.awaited && answer != Answer::Throw {
            let state = &mut execution.state;
            state.sure = function.state.sure;
            match answer {
                Answer::Again | Answer::Later | Answer::Throw | Answer::Release(_) => {}
                Answer::Next(phase, original) => {
                    state.go_to(phase);
                    (state.original, state.finishing) = (original, None);
                    (state.sick, state.sure) = (function.state.sick, false);
                }
                Answer::Finish(plan) => {
                    state.go_to(Phase::Rollback);
                    state.finishing = Some(plan);
                }
            }
            state.turn.number += 1;
            state.fence = function.state.fence;
            state.seen = (answer == Answer::Later).then_some((self.item.rev, 0));
            execution.at = At::Waiting;
        }
    }

    /// The write that a function decided takes effect.
    pub(crate) fn land_its_write(&mut self, (id, place): (Id, usize)) -> Option<()> {
        let function = self.executions[id].functions.get_mut(place)?;
        let Doing::Writing(write) = function.doing else {
            return None;
        };
        function.doing = Doing::Checking { first: false };
        function.wrote = true;
        let state = function.state;
        self.land(id, state.phase, write);
        Some(())
    }

    pub(crate) fn send_late(&mut self, call: LateCall, left: u8) {
        self.late.push(Late { call, left });
    }

    /// A write takes effect, with what it does that must not be.
    pub(crate) fn land(&mut self, id: Id, phase: Phase, write: Write) {
        let harm = self.harm_of(id, phase, write);
        self.broken.extend(harm);
        if self.item.owner != Some(id) {
            self.broken.insert(LOCKED);
        }
        if let Write::Forward { group } = write
            && group != self.service.production
        {
            self.note_move(id, phase);
        }
        let before = self.service;
        self.service.land(write);
        if self.service != before {
            self.before = Some((before, STALENESS));
        }
    }

    fn harm_of(&self, id: Id, phase: Phase, write: Write) -> Option<&'static str> {
        let (set, scale, force) = match write {
            Write::CreateTaskSet { .. } | Write::Forward { .. } => return None,
            Write::SetScale { set, scale } => (set, Some(scale), false),
            Write::DeleteTaskSet { set, force } => (set, None, force),
        };
        let found = self.service.set(set)?;
        let serves = self.service.is_behind_production(set);
        let is_drained = scale.is_none_or(|scale| scale < found.scale);
        let rises = scale.is_some_and(|scale| scale > found.scale);
        let mut serving = self.service.serving_sets();
        let sick_one_serves = serving.any(|set| self.service.set(set).is_some_and(|set| set.sick));
        let is_step = matches!(phase, Phase::ScaleDown(_));
        if serves && scale.is_none_or(|scale| scale == Scale::Zero) {
            Some(NOT_TAKEN)
        } else if force && found.served {
            Some(NOT_FORCED)
        } else if is_step && (rises || is_drained && self.executions[id].turned_back) {
            Some(DRAIN)
        } else if is_drained && !found.sick && sick_one_serves {
            Some(NOT_THE_SICK)
        } else {
            None
        }
    }

    /// Once there, and once back. What finishes another execution's rollback is counted as that one's.
    fn note_move(&mut self, id: Id, phase: Phase) {
        let own = replacement_of(id);
        if self.item.rollback.is_some_and(|plan| plan.outgoing != own) {
            return;
        }
        let execution = &mut self.executions[id];
        execution.moved = match (phase, execution.moved) {
            (Phase::Swap, Moved::No) => Moved::There,
            (Phase::Rollback, Moved::There) => Moved::Back,
            (_, moved) => {
                self.broken.insert(MOVES);
                moved
            }
        };
    }

    /// Its replacement is what there is, behind production and at full scale.
    pub(crate) fn is_deployed(&self, id: Id) -> bool {
        let own = replacement_of(id);
        self.service.sets().eq([own])
            && self.service.is_behind_production(own)
            && self
                .service
                .set(own)
                .is_some_and(|set| set.scale == Scale::Full)
    }
}
