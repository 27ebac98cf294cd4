//! Runs that are the same up to a state go on from there, and one that comes back to where the run without
//! its fault has been ends there: what follows is the same, some seconds later.

use std::cell::OnceCell;
use std::time::Duration;

use ebbtide_simulator::asl::Entering;
use ebbtide_simulator::aws::Moment;
use serde_json::Value;

use crate::invariants::Watch;

/// How much later a run may be than the one that it is taken for: what an invocation that hung, and the quiet
/// after it, take.
const LATEST: Duration = Duration::from_mins(3);

/// How much later a run may be where what is due does not come as much later: what a few attempts of the SDK
/// or one of Step Functions take.
const JITTER: Duration = Duration::from_secs(10);

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
    /// everything is the same but instants, which are at most as much later as the run is.
    pub(crate) fn goes_on_as(&self, other: &Self) -> bool {
        let Some(late) = self.entering.at.checked_sub(other.entering.at) else {
            return false;
        };
        let now = Duration::from_millis(other.moment.world().epoch_ms());
        let later = Later { late, now };
        late <= LATEST
            && self.moment.is_quiet()
            && self.entering.state == other.entering.state
            && self.waits == other.waits
            && self.watch.goes_on_as(&other.watch, late)
            && later.alike("", &self.entering.input, &other.entering.input)
            && later.alike("", self.world(), other.world())
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

/// How much later one run is than another, and the time of the other.
struct Later {
    late: Duration,
    now: Duration,
}

impl Later {
    /// Whether two values are the same but for instants. `name` is the field's that they are in.
    fn alike(&self, name: &str, one: &Value, other: &Value) -> bool {
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

    fn alike_in(&self, name: &str, one: &Value, other: &Value) -> bool {
        match name {
            "swapped" | "began" => self.instants(one, other, Duration::from_secs),
            "busyUntil" => self.instants(one, other, Duration::from_millis),
            name if name.ends_with("_ms") => self.instants(one, other, Duration::from_millis),
            // Writes of the lock's item: it is compared with what was read, and with nothing else.
            "rev" => true,
            // What a plan says is kept as JSON in the lock's item.
            "plan" if one != other => match (parsed(one), parsed(other)) {
                (Some(one), Some(other)) => self.alike("", &one, &other),
                _ => false,
            },
            _ => one == other,
        }
    }

    /// Whether an instant is later by no more than the run is. One that is still to come is as much later,
    /// unless the run is hardly late.
    fn instants(&self, one: &Value, other: &Value, of: fn(u64) -> Duration) -> bool {
        let (Some(one), Some(other)) = (number(one).map(of), number(other).map(of)) else {
            return one == other;
        };
        // Some are whole seconds.
        let rounded = Duration::from_secs(1);
        one.checked_sub(other).is_some_and(|later| {
            later <= self.late + rounded
                && (other <= self.now || self.late <= JITTER || later + rounded >= self.late)
        })
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
