//! From each state, a run in which nothing more goes wrong: it must end with the lock free and one
//! task set, and let a new execution in that succeeds.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Mutex;

use crate::Search;
use crate::events::Event;
use crate::execution::{At, Outcome, Race};
use crate::lock::Clock;
use crate::protocol::Part;
use crate::story::Path;
use crate::world::Id;

/// Longer than any such run: three executions and the new one, with a wait for each of their turns.
const STEPS: usize = 1_000;

/// Hashes of states from which the run is known to end well.
#[derive(Debug, Default)]
pub(crate) struct EndsWell(Mutex<HashSet<u64>>);

impl EndsWell {
    fn known(&self, state: u64) -> bool {
        self.0.lock().is_ok_and(|known| known.contains(&state))
    }

    fn learn(&self, states: Vec<u64>) {
        if let Ok(mut known) = self.0.lock() {
            known.extend(states);
        }
    }
}

impl Search {
    /// What is wrong with the run from here on, if anything is.
    pub(crate) fn goes_wrong_from(&self, race: &Race) -> Option<String> {
        let mut path = Vec::new();
        let mut race = without_misfortunes(race);
        let wrong = loop {
            let state = BuildHasherDefault::<DefaultHasher>::default().hash_one(&race);
            if self.ends_well.known(state) {
                break None;
            }
            if path.len() == STEPS {
                break Some("it does not end".to_owned());
            }
            path.push(state);
            match self.next_without_fault(&race) {
                None => break wrong_at_rest(&race),
                Some((_, next)) if next.broken.len() > race.broken.len() => {
                    break Some(format!("it breaks: {:?}", next.broken));
                }
                Some((_, next)) => race = next,
            }
        };
        if wrong.is_none() {
            self.ends_well.learn(path);
        }
        wrong
    }

    /// A path in words, with the run from its end where that goes wrong.
    pub(crate) fn tell(&self, path: &Path) -> String {
        let told = self.tell_path(path);
        let end = path.last().filter(|_| self.live);
        let Some((end, wrong)) = end.and_then(|(end, _)| Some((end, self.goes_wrong_from(end)?)))
        else {
            return told;
        };
        let (mut run, mut race) = (Path::new(), without_misfortunes(end));
        while run.len() < STEPS
            && race.broken.is_empty()
            && let Some((event, next)) = self.next_without_fault(&race)
        {
            run.push((std::mem::replace(&mut race, next), event));
        }
        run.push((race, None));
        let run = self.tell_path(&run);
        format!("{told}\n      From here on nothing more goes wrong:\n{run}\n      {wrong}")
    }

    /// The first event that is no fault and changes something. When all rests, the new execution
    /// starts, which is no event.
    fn next_without_fault(&self, race: &Race) -> Option<(Option<Event>, Race)> {
        let mut events = Vec::new();
        self.events(race, &mut events);
        let mut events = events.into_iter().filter(|event| {
            let waits = matches!(event, Event::GoOn(id) if self.waits(race, *id));
            !event.is_fault() && !waits
        });
        if let Some(next) = events.find_map(|event| Some((Some(event), self.after(race, event)?))) {
            return Some(next);
        }
        let mut race = race.clone();
        let fresh = race.executions.last_mut()?;
        let has_started = fresh.at != At::NotStarted;
        fresh.at = At::Waiting;
        (!has_started).then_some((None, race))
    }

    /// The Wait of an execution that found a function busy is not over.
    fn waits(&self, race: &Race, id: Id) -> bool {
        let Some((rev, waited)) = race.executions[id].state.seen else {
            return false;
        };
        let is_outwaited =
            waited >= self.protocol.outwaited() && self.protocol.has(Part::Outwaited);
        rev == race.item.rev && !race.item.busy_until.has_passed(Clock::Right) && !is_outwaited
    }
}

fn without_misfortunes(race: &Race) -> Race {
    let mut race = race.clone();
    race.misfortunes = 0;
    race.normalise();
    race
}

fn wrong_at_rest(race: &Race) -> Option<String> {
    let fresh = race.executions.len() - 1;
    match race.executions[fresh].at {
        At::Ended(Outcome::Succeeded) => {}
        At::Ended(outcome) => return Some(format!("the new execution ends with {outcome:?}")),
        at => return Some(format!("the new execution is stuck: {at:?}")),
    }
    if let Some(owner) = race.item.owner {
        return Some(format!("the lock is not free: execution {owner} has it"));
    }
    let deployed = race.is_deployed(fresh);
    (!deployed).then(|| "other task sets than the new execution's are left".to_owned())
}
