//! What must always hold, and what must be seen to happen for a search to be worth something.

use stateright::{Model, Property};

use crate::Search;
use crate::execution::{At, Execution, Harm, Moved, Outcome, Phase, Race};
use crate::protocol::Event;
use crate::world::Scale;

pub(crate) const SERVED: &str = "S1 production's task set is there, at full scale";
pub(crate) const LOSER: &str = "L3 who fails with ConcurrentDeployment has not got the lock";

impl Model for Search {
    type State = Race;
    type Action = Event;

    fn init_states(&self) -> Vec<Race> {
        vec![Race::start(self.executions, self.misfortunes)]
    }

    fn actions(&self, race: &Race, events: &mut Vec<Event>) {
        self.protocol.events(race, events);
    }

    fn next_state(&self, race: &Race, event: Event) -> Option<Race> {
        self.protocol.after(race, event)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(SERVED, |_, race| serves(race)),
            Property::always("S2 one task set is behind production", |_, race: &Race| {
                race.world.serving_sets().count() == 1
            }),
            Property::always("S4 nothing is taken from production", |_, race| {
                !has_happened(race, Harm::TakenFromProduction)
            }),
            Property::always("S6 no write lands without the lock", |_, race| {
                !has_happened(race, Harm::WithoutTheLock)
            }),
            Property::always(
                "S7 the listener moves there, or there and back",
                |_, race| !has_happened(race, Harm::MovedAgain),
            ),
            Property::always("S11 no force on a task set that served", |_, race| {
                !has_happened(race, Harm::Forced)
            }),
            Property::always(LOSER, |_, race| !has_happened(race, Harm::LostToItself)),
            Property::sometimes("all succeed, one after the other", |model: &Self, race| {
                ended(race, Outcome::Succeeded) == model.executions
            }),
            Property::sometimes(
                "one succeeds, the others find it there",
                |model: &Self, race| {
                    ended(race, Outcome::Succeeded) == 1
                        && ended(race, Outcome::ConcurrentDeployment) == model.executions - 1
                },
            ),
        ];
        if self.misfortunes > 0 {
            properties.extend([
                Property::sometimes("a stopped one's successor succeeds", |_, race| {
                    // Inside still, and the lock is another's: it was taken over.
                    let taken = any(race, |one| one.stopped && one.is_inside());
                    taken && race.owner.is_none() && ended(race, Outcome::Succeeded) > 0
                }),
                Property::sometimes("the listener is moved back", |_, race| {
                    any(race, |one| one.moved == Moved::Back)
                }),
                Property::sometimes("a function writes unheard", |_, race| {
                    any(race, |one| {
                        let mut functions = one.functions.iter();
                        functions.any(|f| !f.awaited && matches!(f.phase, Phase::Writing(_)))
                    })
                }),
            ]);
        }
        if self.misfortunes > 1 {
            properties.push(Property::sometimes(
                "a redriven one has lost its lock",
                |_, race| ended(race, Outcome::LockLost) > 0,
            ));
        }
        properties
    }
}

fn serves(race: &Race) -> bool {
    let mut serving = race
        .world
        .serving_sets()
        .filter_map(|set| race.world.set(set));
    serving.any(|set| set.scale == Scale::Full)
}

fn has_happened(race: &Race, harm: Harm) -> bool {
    race.harms.contains(&harm)
}

fn any(race: &Race, is_so: impl Fn(&Execution) -> bool) -> bool {
    race.executions.iter().any(is_so)
}

fn ended(race: &Race, outcome: Outcome) -> usize {
    let executions = race.executions.iter();
    executions
        .filter(|one| one.at == At::Ended(outcome))
        .count()
}
