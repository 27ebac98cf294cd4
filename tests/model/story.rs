//! A path through the search, told in words.

use crate::Search;
use crate::events::{Event, Place};
use crate::execution::{Answer, At, Doing, LateCall, Race};
use crate::functions::Description;
use crate::lock::Clock;
use crate::misfortune::Misfortune;
use crate::turn::Sight;
use crate::world::{Id, Phase, Scale, Service, SetId, Write};

/// States, each with the event that follows it.
pub(crate) type Path = Vec<(Race, Option<Event>)>;

impl Search {
    /// One numbered line an event, and what is behind the production listener at the end.
    pub(crate) fn tell_path(&self, path: &Path) -> String {
        let mut lines = Vec::new();
        for (step, (race, event)) in path.iter().enumerate() {
            let told = match event {
                Some(event) => self.tell_event(*event, race),
                None if step + 1 < path.len() => "a new execution is started".to_owned(),
                None => {
                    lines.push(format!("      {}", serving(&race.service)));
                    continue;
                }
            };
            lines.push(format!("{:4}. {told}", step + 1));
        }
        lines.join("\n")
    }

    fn tell_event(&self, event: Event, before: &Race) -> String {
        let mut after = before.clone();
        // Before it is put into its normal form, so that functions are where they were.
        let _ = self.happen(&mut after, event);
        let of = |place: Place, told: String| format!("{} {told}", function(before, place));
        let doing = |place| doing(before, place);
        match event {
            Event::GoOn(id) if before.executions[id].state.phase == Phase::Preflight => {
                format!("{} is through Preflight", name(id))
            }
            Event::GoOn(id) => format!("{} goes on to {}", name(id), phase_of(before, id)),
            Event::Enter(place, clock) => {
                let told = comes_in("enters", before, &after, place);
                of(place, told + told_clock(clock))
            }
            Event::Read(place, description, clock) => {
                let owner = owner_as_described(before, place.0, description);
                let told = comes_in("may take the lock", before, &after, place);
                let clock = told_clock(clock);
                of(
                    place,
                    format!("reads the lock item, {owner}; {told}{clock}"),
                )
            }
            Event::Take(place, clock) => {
                let told = comes_in("takes the lock", before, &after, place);
                of(place, told + told_clock(clock))
            }
            Event::Check(place, sight) => {
                let decided = match self::doing(&after, place) {
                    Doing::Writing(write) => write_in(&before.service, write),
                    other => answer_in(other),
                };
                let old = match sight {
                    Sight::Now => "",
                    Sight::OneWriteOld => "sees the service before its last write, and ",
                };
                of(place, format!("{old}decides: {decided}"))
            }
            Event::Land(place) => of(place, lands(before, doing(place))),
            Event::Leave(place) => of(
                place,
                format!("leaves, answers {}", answer_in(doing(place))),
            ),
            Event::LandLate(late) => match before.late[late].call {
                LateCall::Write(id, phase, write) => {
                    let landed = lands(before, Doing::Writing(write));
                    format!("{}: what {} sent {landed}", name(id), phase_name(phase))
                }
                LateCall::Enter(entry) => {
                    format!(
                        "{}: the first attempt to enter has its effect",
                        name(entry.me)
                    )
                }
                LateCall::Leave(exit) => {
                    format!(
                        "{}: the first attempt to leave has its effect",
                        name(exit.me)
                    )
                }
            },
            Event::Retry(id) => format!("{} retries {}", name(id), phase_of(before, id)),
            Event::Catch(id) => match after.executions[id].at {
                At::Ended(_) => format!("{} catches, and ends in RollbackFailed", name(id)),
                _ => format!("{} catches, and goes to Rollback", name(id)),
            },
            Event::Stop(id) => format!("{} is STOPPED", name(id)),
            Event::Redrive(id) => format!("{} is REDRIVEN in {}", name(id), phase_of(before, id)),
            Event::Misfortune(misfortune, place) => of(place, strikes(misfortune, before, place)),
            Event::Tick => "10 s pass".to_owned(),
        }
    }
}

fn strikes(misfortune: Misfortune, before: &Race, place: Place) -> String {
    let doing = doing(before, place);
    let is_inside = before.executions[place.0].functions[place.1].is_inside();
    let told = match misfortune {
        Misfortune::Stop | Misfortune::Redrive => "is STOPPED or REDRIVEN",
        Misfortune::Crash if is_inside => "DIES inside",
        Misfortune::Crash => "DIES before it entered",
        Misfortune::Throw => "FAILS",
        Misfortune::GivenUp => "is GIVEN UP by Step Functions, and runs on",
        Misfortune::Twice => "is invoked TWICE",
        Misfortune::LateEnter => "enters by the SDK's RETRY; the first attempt is still under way",
        Misfortune::LateLeave => "leaves by the SDK's RETRY; the first attempt is still under way",
        Misfortune::LostLeave => "CANNOT REACH the lock table to leave",
        Misfortune::Unanswered => "HEARS NOTHING of its write, which is still under way",
        Misfortune::BadClock if is_inside => "leaves, with busyUntil YEARS AHEAD",
        Misfortune::BadClock => "enters, with busyUntil YEARS AHEAD",
        Misfortune::Sick => "finds its replacement SICK, and decides: Rollback",
    };
    match doing {
        Doing::Answering(_) if is_inside && misfortune != Misfortune::Crash => {
            format!("{told}; answers {}", answer_in(doing))
        }
        _ => told.to_owned(),
    }
}

fn doing(race: &Race, (id, place): Place) -> Doing {
    race.executions[id].functions[place].doing
}

/// How an attempt to get in went.
fn comes_in(well: &str, before: &Race, after: &Race, (id, place): Place) -> String {
    let (was, is) = (&before.executions[id], &after.executions[id]);
    match is.at {
        _ if was.functions.len() == is.functions.len() => match is.functions[place].doing {
            Doing::Started => "is refused, and reads again".to_owned(),
            _ => well.to_owned(),
        },
        At::Ended(outcome) if was.at != is.at => format!("answers {outcome:?}"),
        _ => "is refused, and answers its state as it came".to_owned(),
    }
}

fn told_clock(clock: Clock) -> &'static str {
    match clock {
        Clock::Right => "",
        Clock::Ahead => " (by a clock that is ahead)",
    }
}

fn owner_as_described(race: &Race, id: Id, description: Description) -> String {
    let Some(owner) = race.item.owner else {
        return "which has no owner".to_owned();
    };
    if owner == id {
        return "which is its own".to_owned();
    }
    let is_true = description == Description::True;
    let runs = race.executions[owner].is_running() == is_true;
    let said = if runs { "runs" } else { "has ended" };
    let wrongly = if is_true { "" } else { " (WRONGLY)" };
    format!("which is {}'s, which {said}{wrongly}", name(owner))
}

fn lands(race: &Race, doing: Doing) -> String {
    match doing {
        Doing::Writing(write) => format!("LANDS: {}", write_in(&race.service, write)),
        other => format!("lands nothing: {other:?}"),
    }
}

fn answer_in(doing: Doing) -> String {
    match doing {
        Doing::Answering(Answer::Again) => "the same phase again".to_owned(),
        Doing::Answering(Answer::Later) => "the same phase, when it is quiet".to_owned(),
        Doing::Answering(Answer::Next(phase, _)) => phase_name(phase),
        Doing::Answering(Answer::Throw) => "an error".to_owned(),
        Doing::Answering(Answer::Finish(plan)) => {
            format!("Rollback, away from {}", set_name(plan.outgoing))
        }
        Doing::Answering(Answer::Release(outcome)) => format!("{outcome:?}, and releases"),
        other => format!("{other:?}"),
    }
}

fn function(race: &Race, (id, place): Place) -> String {
    let function = race.executions[id].functions[place];
    let unheard = if function.awaited { "" } else { ", unheard," };
    format!(
        "{}: {}{unheard}",
        name(id),
        phase_name(function.state.phase)
    )
}

fn phase_of(race: &Race, id: Id) -> String {
    phase_name(race.executions[id].state.phase)
}

fn phase_name(phase: Phase) -> String {
    match phase {
        Phase::CheckAndCreate => "CheckAndCreateService".to_owned(),
        Phase::CheckReady => "CheckAndCreateService (again)".to_owned(),
        Phase::ScaleDown(scale) => format!("ScaleDown to {scale:?}"),
        Phase::Preflight | Phase::Swap | Phase::Cleanup | Phase::Rollback => format!("{phase:?}"),
    }
}

fn write_in(service: &Service, write: Write) -> String {
    match write {
        Write::CreateTaskSet { set, group } => format!("create {} on {group:?}", set_name(set)),
        Write::Forward { group } => {
            let sets = service.sets();
            let sets = sets.filter(|&set| service.set(set).is_some_and(|set| set.group == group));
            format!("production listener to {group:?}, {}", names(sets))
        }
        Write::SetScale { set, scale } => format!("scale {} to {scale:?}", set_name(set)),
        Write::DeleteTaskSet { set, force: false } => format!("delete {}", set_name(set)),
        Write::DeleteTaskSet { set, force: true } => format!("delete {} by force", set_name(set)),
    }
}

fn serving(service: &Service) -> String {
    let is_up = |&set: &SetId| service.set(set).is_some_and(|set| set.scale > Scale::Zero);
    let sets = service.serving_sets().filter(is_up);
    format!("behind the production listener: {}", names(sets))
}

fn names(sets: impl Iterator<Item = SetId>) -> String {
    let sets: Vec<_> = sets.map(set_name).collect();
    if sets.is_empty() {
        return "no task set".to_owned();
    }
    sets.join(" and ")
}

fn name(id: Id) -> &'static str {
    ["A", "B", "C", "D"][id]
}

fn set_name(set: SetId) -> String {
    match set.checked_sub(1) {
        None => "the first task set".to_owned(),
        Some(id) => format!("{}'s task set", name(id)),
    }
}
