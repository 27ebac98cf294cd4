//! Every pair of faults at the writes of a deployment: whatever happens, the invariants hold, the
//! execution ends, and a new one brings the service in order.

use std::sync::{Arc, Mutex};

use ebbtide_simulator::SimulatedAws;
use ebbtide_simulator::deployment::Installation;
use ebbtide_simulator::fault::Fault;

use crate::run::{
    Plan, Tally, fork_from, is_told_apart, run_clean, run_until_back, unsafe_or_stuck,
};
use crate::scenarios::Case;

const OF_WRITES: [Fault; 6] = [
    Fault::Unreachable,
    Fault::Throttled,
    Fault::LostReply,
    Fault::ServerErrorAfter,
    Fault::Twice,
    Fault::Late(12),
];

#[derive(Debug, Clone)]
pub(crate) struct Write {
    pub(crate) number: u64,
    operation: String,
}

impl Write {
    /// What can go wrong with it. Where the functions do not tell whether it was answered, writes take
    /// turns.
    fn faults(&self) -> Vec<Fault> {
        let [unreachable, throttled, lost_reply, error_after, twice, late] = OF_WRITES;
        if is_told_apart(&self.operation) {
            return OF_WRITES.to_vec();
        }
        if self.number.is_multiple_of(2) {
            vec![unreachable, lost_reply, twice, late]
        } else {
            vec![throttled, error_after, twice, late]
        }
    }
}

pub(crate) async fn writes(case: &Case) -> Vec<Write> {
    let aws = SimulatedAws::new(case.world.clone(), 1.0);
    let seen = Arc::new(Mutex::new((0, Vec::new())));
    let noted = Arc::clone(&seen);
    aws.watch(move |effect| {
        let mut noted = noted.lock().unwrap();
        noted.0 += 1;
        if !std::ptr::eq(effect.before, effect.after) {
            let number = noted.0;
            noted.1.push(Write {
                number,
                operation: effect.call.operation.clone(),
            });
        }
    });
    let installation = Installation::new(&aws).unwrap();
    installation
        .deploy("run-1", case.event.clone(), 7, &mut |_| {})
        .await;
    let (calls, writes) = seen.lock().unwrap().clone();
    assert_eq!(calls, aws.call_count(), "every call is watched");
    writes
}

/// Strikes two writes: the first with one kind of fault, the second with every kind.
async fn strike_pairs(case: Case, first: Fault) {
    let writes = writes(&case).await;
    let (_, clean) = run_clean(&case).await;
    let (mut tally, mut pairs) = (Tally::default(), 0_usize);
    for (index, one) in writes.iter().enumerate() {
        if !one.faults().contains(&first) {
            continue;
        }
        let plan = Plan::call(one.number, first);
        let (ran, path) = fork_from(&case, &clean, &plan).await;
        let over = path.comes_back_to(&clean);
        if let Some(what) = unsafe_or_stuck(&case, ran).await {
            tally.failed(&plan, &what);
        }
        // A retried call moves those after it by one: the second fault strikes near the write too.
        for other in &writes[index + 1..] {
            for second in other.faults() {
                // Once the first fault is ridden out, a second one is the only one: those are in `singles`, and
                // one in sixteen is here all the same.
                pairs += 1;
                let is_single = over.is_some_and(|calls| other.number > calls);
                if is_single && !pairs.is_multiple_of(16) {
                    continue;
                }
                let plan = Plan::call(other.number, second);
                let ran = run_until_back(&case, &path, &plan, tally.runs).await;
                tally.count(&ran);
                if let Some(what) = unsafe_or_stuck(&case, ran).await {
                    let plan = Plan {
                        calls: vec![(one.number, first), (other.number, second)],
                        ..Plan::default()
                    };
                    tally.failed(&plan, &what);
                }
            }
        }
    }
    tally.end(&format!(
        "{}, {first:?} and another: {} writes, {pairs} pairs",
        case.name,
        writes.len()
    ));
}

macro_rules! every_first {
    ($case:ident = $name:literal: $($test:ident = $fault:expr,)*) => {
        mod $case {
            use ebbtide_simulator::fault::Fault;

            use crate::scenarios;

            $(
                #[tokio::test(start_paused = true)]
                async fn $test() {
                    super::strike_pairs(scenarios::named($name), $fault).await;
                }
            )*
        }
    };
}

every_first! { one_task = "one task":
    unreachable_and_another = Fault::Unreachable,
    lost_reply_and_another = Fault::LostReply,
    server_error_after_and_another = Fault::ServerErrorAfter,
    throttled_and_another = Fault::Throttled,
    twice_and_another = Fault::Twice,
    late_and_another = Fault::Late(12),
}

// Two rules, and rules for tests. The other kinds are among the single faults of this service.
every_first! { three_routes = "three routes":
    lost_reply_and_another = Fault::LostReply,
    late_and_another = Fault::Late(12),
}

// Weights that move in steps: the kind that may leave a route at another one.
every_first! { a_shift = "a shift":
    late_and_another = Fault::Late(12),
}

// Instances of a registry that are taken out, and the wait for those who remember them.
every_first! { a_registry = "a registry":
    lost_reply_and_another = Fault::LostReply,
    late_and_another = Fault::Late(12),
}

// What is suspended, and what the lock's item says of it.
every_first! { auto_scaling = "auto scaling":
    lost_reply_and_another = Fault::LostReply,
    late_and_another = Fault::Late(12),
}

// A shift, hooks, a pause and an operator's commands.
every_first! { everything = "everything":
    lost_reply_and_another = Fault::LostReply,
}
