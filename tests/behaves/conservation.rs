//! Clients are neither lost nor made, whatever happens to the service.

use proptest::prelude::*;
use serde_json::json;

use crate::clients_stage::{ALTERNATE, PRODUCTION, service};

#[derive(Debug, Clone)]
enum Deed {
    Wait(u64),
    Scale(bool, u8),
    Forward(u16, u16),
    Replace(bool),
    Stop(bool),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        (1..400_u64).prop_map(Deed::Wait),
        (any::<bool>(), 0..=100_u8).prop_map(|(which, percent)| Deed::Scale(which, percent)),
        (0..3_u16, 0..3_u16).prop_map(|(one, other)| Deed::Forward(one, other)),
        any::<bool>().prop_map(Deed::Replace),
        any::<bool>().prop_map(Deed::Stop),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_client_gets_lost_whatever_is_done_to_the_service(
        deeds in prop::collection::vec(deed(), 1..25),
        seed in any::<u64>(),
        jitter in prop_oneof![Just(0_u64), Just(20)],
        on_stop in prop_oneof![Just("close"), Just("spread"), Just("keep")],
        lifetime in prop::option::of(1..900_u64),
        most in prop::option::of(0..200_u64),
        unhealthy in prop::option::of(600..2_000_u64),
    ) {
        let mut service = service(json!({
            "seed": seed,
            "timings": { "jitterPercent": jitter },
            "replacement": { "unhealthyAfterSeconds": unhealthy },
            "clients": {
                "connectionsPerTask": 1_000,
                "varyByFactor": 3,
                "lifetimeSeconds": lifetime,
                "newConnectionsPerSecondPerTask": most,
                "onStop": on_stop,
            },
        }));
        let original = service.original.clone();
        let replacement = service.replacement();
        let which = |old: bool| if old { original.clone() } else { replacement.clone() };
        for deed in deeds {
            match deed {
                Deed::Wait(seconds) => service.wait(seconds),
                Deed::Scale(old, percent) => service.scale(&which(old), f64::from(percent)),
                Deed::Forward(one, other) => {
                    service.forward(&[(PRODUCTION, one), (ALTERNATE, other)]);
                }
                Deed::Replace(old) => {
                    service.forward(&[(if old { PRODUCTION } else { ALTERNATE }, 1)]);
                }
                Deed::Stop(old) => {
                    if !service.world.tasks_of(&which(old)).is_empty() {
                        service.stop_a_task(&which(old));
                    }
                }
            }
            service.check_that_no_client_is_lost();
            prop_assert_eq!(service.clients().total(), 4_000);
        }
        let clients = service.clients();
        let (mut waiting, mut connected) = (0, 4_000_u64);
        for second in clients.seconds() {
            waiting += second.cut + second.ended;
            waiting -= second.attempts - second.refused;
            connected -= second.cut + second.ended;
            connected += second.attempts - second.refused;
            prop_assert_eq!(second.by_task_set.iter().sum::<u64>(), connected);
            prop_assert!(second.reconnects <= second.attempts);
        }
        prop_assert_eq!(waiting, clients.waiting());
    }
}
