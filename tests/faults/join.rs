//! Runs that are the same up to a state go on from there, and one that comes back to where the run without
//! its fault has been ends there: what follows is the same, some seconds later.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::time::Duration;

use ebbtide_simulator::asl::Entering;
use ebbtide_simulator::aws::Moment;
use serde_json::Value;

use crate::invariants::Watch;

/// How much later a run may be than the one that it is taken for: what an invocation that hung, and the quiet
/// after it, take.
const LATEST: Duration = Duration::from_mins(3);

/// How much sooner, beside all else, something may come: what was begun before a call was repeated is not as late
/// as what came after it. No pause of a deployment is so short.
const SOONER: Duration = Duration::from_secs(2);

/// Waits are of whole seconds: a run that is late may be less so after one.
pub(crate) const ROUNDED: Duration = Duration::from_secs(1);

/// Where a run has entered a state.
pub(crate) struct Fork {
    pub(crate) moment: Moment,
    pub(crate) watch: Watch,
    pub(crate) entering: Entering,
    /// Pauses of the drain before it.
    pub(crate) waits: u32,
    world: OnceCell<Value>,
}

impl Fork {
    pub(crate) fn new(moment: Moment, watch: Watch, entering: Entering, waits: u32) -> Self {
        Self {
            moment,
            watch,
            entering,
            waits,
            world: OnceCell::new(),
        }
    }

    /// Whether a run that is here goes on as the one that was at `other`: nothing is left to go wrong, and
    /// everything is the same but instants. What is to come is about as much later as the run is, and everything
    /// comes in the same order.
    pub(crate) fn goes_on_as(&self, other: &Self) -> bool {
        let Some(late) = self.entering.at.checked_sub(other.entering.at) else {
            return false;
        };
        if late > LATEST
            || self.entering.state != other.entering.state
            || self.waits != other.waits
            || !self.moment.is_quiet()
            || !other.moment.is_quiet()
            || !self.watch.goes_on_as(&other.watch, late)
        {
            return false;
        }
        let mut later = Later {
            late,
            now: Duration::from_millis(other.moment.world().epoch_ms()),
            instants: Vec::new(),
            revisions: BTreeSet::new(),
            ordinals: Vec::new(),
        };
        later.alike("", &self.entering.input, &other.entering.input)
            && later.alike("", self.world(), other.world())
            && later.keeps_order()
    }

    /// The world but for what is only kept to be read.
    fn world(&self) -> &Value {
        self.world.get_or_init(|| {
            let mut world = serde_json::to_value(self.moment.world()).unwrap();
            for log in ["calls", "events", "answered"] {
                world.as_object_mut().unwrap().remove(log).unwrap();
            }
            world
        })
    }
}

/// How much later one run is than another, the time of the other, and what differs.
struct Later {
    late: Duration,
    now: Duration,
    /// Instants: of the other run, of this one.
    instants: Vec<(Duration, Duration)>,
    /// How many more writes the lock's item has had.
    revisions: BTreeSet<u64>,
    /// Numbers that only say what came first: of the other run, of this one.
    ordinals: Vec<(u64, u64)>,
}

impl Later {
    /// Whether two values are the same but for instants. `name` is the field's that they are in.
    fn alike(&mut self, name: &str, one: &Value, other: &Value) -> bool {
        match (one, other) {
            (Value::Object(one), Value::Object(other)) => {
                let mut pairs = one.iter().zip(other);
                // A table's number or text has the name of its attribute.
                let named = |key| if ["N", "S"].contains(&key) { name } else { key };
                one.len() == other.len()
                    && pairs.all(|((key, one), (as_well, other))| {
                        key == as_well && self.alike(named(key.as_str()), one, other)
                    })
            }
            (Value::Array(one), Value::Array(other)) => {
                let mut pairs = one.iter().zip(other);
                one.len() == other.len() && pairs.all(|(one, other)| self.alike(name, one, other))
            }
            (one, other) => self.alike_in(name, one, other),
        }
    }

    fn alike_in(&mut self, name: &str, one: &Value, other: &Value) -> bool {
        let numbers = number(one).zip(number(other));
        match (name, numbers) {
            ("swapped" | "began" | "until" | "since", Some((one, other))) => {
                let seconds = Duration::from_secs;
                self.instant(seconds(one), seconds(other), seconds(1))
            }
            ("busyUntil", Some((one, other))) => self.instant_ms(one, other),
            (name, Some((one, other))) if name.ends_with("_ms") => self.instant_ms(one, other),
            ("ordinal" | "generation", Some((one, other))) => {
                self.ordinals.push((other, one));
                true
            }
            // Writes of the lock's item: compared with what was read, and with nothing else.
            ("rev", Some((one, other))) => {
                self.revisions.insert(one.wrapping_sub(other));
                self.revisions.len() == 1
            }
            // What a plan says is kept as JSON in the lock's item.
            ("plan", _) if one != other => match (parsed(one), parsed(other)) {
                (Some(one), Some(other)) => self.alike("", &one, &other),
                _ => false,
            },
            _ => one == other,
        }
    }

    fn instant_ms(&mut self, one: u64, other: u64) -> bool {
        let ms = Duration::from_millis;
        self.instant(ms(one), ms(other), Duration::ZERO)
    }

    /// Whether an instant is about as much later as the run is, or has passed, and is later by less.
    fn instant(&mut self, one: Duration, other: Duration, rounded: Duration) -> bool {
        let Some(later) = one.checked_sub(other) else {
            return false;
        };
        self.instants.push((other, one));
        let is_to_come = other > self.now;
        let soon = is_to_come && later + rounded + SOONER < self.late;
        !soon && later <= self.late + rounded.max(ROUNDED)
    }

    /// Whether everything comes in the same order, by whole seconds.
    fn keeps_order(&mut self) -> bool {
        self.instants.sort_unstable();
        self.ordinals.sort_unstable();
        let mut two = self.instants.windows(2);
        let mut numbered = self.ordinals.windows(2);
        two.all(|two| two[0].1 <= two[1].1 + ROUNDED)
            && numbered
                .all(|two| (two[0].0 == two[1].0) == (two[0].1 == two[1].1) && two[0].1 <= two[1].1)
    }
}

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => text.parse().ok(),
        value => value.as_u64(),
    }
}

fn parsed(value: &Value) -> Option<Value> {
    serde_json::from_str(value.as_str()?).ok()
}
