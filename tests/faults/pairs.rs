//! Every pair of faults at the writes of a deployment: whatever happens, the invariants hold, the
//! execution ends, and a new one brings the service in order.

use std::sync::{Arc, Mutex};

use ebbtide_simulator::SimulatedAws;
use ebbtide_simulator::deployment::Installation;
use ebbtide_simulator::fault::Fault;

use crate::run::{Plan, Tally, run, unsafe_or_stuck};
use crate::scenarios::{self, Case};

/// What can go wrong with a write.
const OF_WRITES: [Fault; 6] = [
    Fault::Unreachable,
    Fault::LostReply,
    Fault::ServerErrorAfter,
    Fault::Throttled,
    Fault::Twice,
    Fault::Late(12),
];

/// The numbers of the calls of a deployment that write.
pub(crate) async fn writes(case: &Case) -> Vec<u64> {
    let aws = SimulatedAws::new(case.world.clone(), 1.0);
    let seen = Arc::new(Mutex::new((0, Vec::new())));
    let noted = Arc::clone(&seen);
    aws.watch(move |effect| {
        let mut noted = noted.lock().unwrap();
        noted.0 += 1;
        if !std::ptr::eq(effect.before, effect.after) {
            let number = noted.0;
            noted.1.push(number);
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
    let mut tally = Tally::default();
    for (index, &one) in writes.iter().enumerate() {
        // A retried call moves those after it by one: the second fault strikes near the write too.
        for &other in &writes[index + 1..] {
            for second in OF_WRITES {
                let plan = Plan {
                    calls: vec![(one, first), (other, second)],
                    ..Plan::default()
                };
                let ran = run(&case, &plan).await;
                tally.count(ran.checks);
                if let Some(what) = unsafe_or_stuck(&case, ran).await {
                    tally.failed(&plan, &what);
                }
            }
        }
    }
    tally.end(&format!(
        "{}, {first:?} and another: {} writes",
        case.name,
        writes.len()
    ));
}

macro_rules! every_first {
    ($($test:ident = $fault:expr,)*) => {
        $(
            #[tokio::test(start_paused = true)]
            async fn $test() {
                strike_pairs(scenarios::named("one task"), $fault).await;
            }
        )*
    };
}

every_first! {
    unreachable_and_another = Fault::Unreachable,
    lost_reply_and_another = Fault::LostReply,
    server_error_after_and_another = Fault::ServerErrorAfter,
    throttled_and_another = Fault::Throttled,
    twice_and_another = Fault::Twice,
    late_and_another = Fault::Late(12),
}
