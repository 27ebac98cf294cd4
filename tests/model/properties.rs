//! What must always hold, and what must be seen to happen for a search to be worth something.

use stateright::{Model, Property};

use crate::Search;
use crate::events::Event;
use crate::execution::{At, Doing, Execution, Function, Held, Moved, Outcome, Race};
use crate::misfortune::Misfortune;
use crate::world::Scale;

pub(crate) const NOT_LOST: &str = "S1 production's task set is there, at full scale";
pub(crate) const ONE_SERVES: &str = "S2 one task set is behind production";
pub(crate) const NOT_TAKEN: &str = "S4 nothing is taken from production";
pub(crate) const DRAIN: &str =
    "S5 in a drain the scale only falls, and not once the rollback has begun";
pub(crate) const LOCKED: &str = "S6 no write lands without the lock";
pub(crate) const MOVES: &str = "S7 the listener moves there, or there and back";
pub(crate) const NOT_FORCED: &str = "S11 no force on a task set that served";
pub(crate) const REPORT: &str = "S12 an execution ends as its release and the world say";
pub(crate) const NOT_THE_SICK: &str = "S14 no original is drained in favour of a sick replacement";
pub(crate) const ONE_INSIDE: &str = "one function at a time is in its critical section";
pub(crate) const NONE_UNDER_WAY: &str = "no function enters while a write is still under way";
pub(crate) const AS_READ: &str = "the lock is taken from no owner that was at work since the read";
pub(crate) const NOT_BACK: &str = "an execution that lost its lock does not get it back";
pub(crate) const OWN: &str = "L3 no execution fails because of a lock that is its own";
pub(crate) const NO_REASON: &str = "no deployment fails while nothing goes wrong";
pub(crate) const LIVE: &str = "L1 L2 without more faults all ends, and a new execution succeeds";

impl Model for Search {
    type State = Race;
    type Action = Event;

    fn init_states(&self) -> Vec<Race> {
        vec![Race::start(self.executions, self.faults.misfortunes)]
    }

    fn actions(&self, race: &Race, events: &mut Vec<Event>) {
        self.events(race, events);
    }

    fn next_state(&self, race: &Race, event: Event) -> Option<Race> {
        self.after(race, event)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = always();
        properties.extend(self.sometimes());
        properties
    }
}

/// What happens says what it breaks.
macro_rules! unbroken {
    ($name:ident) => {
        Property::always($name, |_, race: &Race| !race.broken.contains($name))
    };
}

fn always() -> Vec<Property<Search>> {
    vec![
        Property::always(NOT_LOST, |_, race| serves(race)),
        Property::always(ONE_SERVES, |_, race: &Race| {
            race.service.serving_sets().count() == 1
        }),
        unbroken!(NOT_TAKEN),
        unbroken!(DRAIN),
        unbroken!(LOCKED),
        unbroken!(MOVES),
        unbroken!(NOT_FORCED),
        unbroken!(REPORT),
        unbroken!(NOT_THE_SICK),
        unbroken!(ONE_INSIDE),
        unbroken!(NONE_UNDER_WAY),
        unbroken!(AS_READ),
        unbroken!(NOT_BACK),
        unbroken!(OWN),
        Property::always(NO_REASON, |search: &Search, race: &Race| {
            let faults = &search.faults;
            let reasons = [
                race.misfortunes < faults.misfortunes,
                faults.false_ends,
                faults.old_reads,
            ];
            let fails = ended(race, Outcome::Failed) + ended(race, Outcome::LockLost) > 0;
            !fails || reasons.contains(&true)
        }),
        Property::always(LIVE, |search: &Search, race| {
            !search.live || search.goes_wrong_from(race).is_none()
        }),
    ]
}

impl Search {
    /// What each search must come across, by what it allows.
    fn sometimes(&self) -> Vec<Property<Self>> {
        let (several, false_ends) = (self.executions > 1, self.faults.false_ends);
        let may = |kind| self.faults.misfortunes > 0 && self.faults.kinds.contains(&kind);
        let mut all = Vec::new();
        let mut sees = |may: bool, what, is_so: fn(&Self, &Race) -> bool| {
            all.extend(may.then(|| Property::sometimes(what, is_so)));
        };
        sees(true, "all succeed, one after the other", |search, race| {
            ended(race, Outcome::Succeeded) == search.executions
        });
        sees(
            several,
            "one succeeds, the others find it",
            |search, race| {
                let others = ended(race, Outcome::ConcurrentDeployment);
                (ended(race, Outcome::Succeeded), others) == (1, search.executions - 1)
            },
        );
        let stops = several && may(Misfortune::Stop);
        sees(
            stops,
            "the successor of a stopped one succeeds",
            |_, race| {
                let taken = any(race, |one| one.stopped && one.held == Held::Lost);
                taken && ended(race, Outcome::Succeeded) > 0
            },
        );
        sees(several && false_ends, "one loses its lock", |_, race| {
            ended(race, Outcome::LockLost) > 0
        });
        let taken_over = several && false_ends && may(Misfortune::Sick);
        sees(taken_over, "one finishes another's rollback", |_, race| {
            any(race, |one| one.state.finishing.is_some())
        });
        sees(
            may(Misfortune::Sick),
            "the listener is moved back",
            |_, race| any(race, |one| one.moved == Moved::Back),
        );
        let given_up = may(Misfortune::GivenUp);
        sees(given_up, "a function writes unheard", |_, race| {
            let writes = |one: &Function| matches!(one.doing, Doing::Writing(_));
            let unheard = |one: &Function| !one.awaited && writes(one);
            any(race, |one| one.functions.iter().any(unheard))
        });
        let bad_clock = may(Misfortune::BadClock);
        sees(bad_clock, "a busy lock is outwaited", |search, race| {
            let ticks = search.protocol.outwaited();
            let rev = Some(race.item.rev);
            any(race, |one| one.state.outwaited(ticks) == rev)
        });
        all
    }
}

fn serves(race: &Race) -> bool {
    let mut serving = race
        .service
        .serving_sets()
        .filter_map(|set| race.service.set(set));
    serving.any(|set| set.scale == Scale::Full)
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
