//! The manual steps of docs/operations.md work as described.

use ebbtide_simulator::asl::HistoryEvent;

use ebbtide_simulator::world::{EventKind, World};
use tokio::sync::Notify;
use tokio::time::{Duration, sleep};

use crate::support::{forward, installed, sample, scale, served, sets};

/// "Go back by hand": an execution is stopped in its drain, the original scaled up, and the listener
/// pointed back at it.
#[tokio::test(start_paused = true)]
async fn a_deployment_that_is_rolled_back_by_hand_is_drained_by_the_next_one() {
    let (aws, installation) = installed(served());
    let stop = Notify::new();
    let mut steps = 0;
    let mut on_event = |event: &HistoryEvent| {
        steps += u32::from(event.enters("ScaleDown"));
        if steps == 3 {
            stop.notify_one();
        }
    };
    let until = stop.notified();
    let stopped = installation.deploy_until("run-1", sample(), 1, &mut on_event, until);
    stopped.await;
    sleep(Duration::from_mins(2)).await;
    let stopped = aws.snapshot();
    let [original, replacement] = &sets(&stopped)[..] else {
        panic!("{:?}", sets(&stopped));
    };
    let part = stopped.task_set(original).unwrap().scale;
    assert!(part < 100.0, "it was drained a part of the way");

    aws.with_world(|world| scale(world, original, 100.0));
    sleep(Duration::from_mins(15)).await;
    aws.with_world(|world| {
        forward(world, 80, &[("-tg-1", 100), ("-tg-2", 0)]);
        world.take_events();
    });

    let ended = installation.deploy("run-2", sample(), 1, &mut |_| {}).await;
    assert!(format!("{ended:?}").contains("deployed"), "{ended:?}");
    let events = aws.with_world(World::take_events);
    let deleted = events.iter().filter_map(|event| match &event.kind {
        EventKind::TaskSetDraining { task_set, force } => Some((task_set, *force)),
        _ => None,
    });
    let deleted: Vec<_> = deleted.collect();
    // The replacement has served: it is drained first, and nothing is deleted by force.
    assert_eq!(deleted, [(replacement, false), (original, false)]);
}
