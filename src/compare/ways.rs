//! The ways to drain that are compared.

use ebbtide_controller::budget;
use ebbtide_controller::counted::counted;
use ebbtide_controller::deregistration::Deregistration;
use ebbtide_controller::drain::{MOST_STEPS, Schedule};
use ebbtide_controller::pace::{Budget, Drain, OnDeadline, Pace, SHORTEST_WAIT};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Way {
    pub(super) name: String,
    pub(super) drain: Drain,
    /// Whether the event asks for it.
    pub(super) of_event: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Service {
    pub(super) tasks: u32,
    pub(super) connections_per_task: u32,
    pub(super) deregistration: Deregistration,
    /// Whether the replacement accepts the connections of one task as they come back. Some clients are refused at
    /// any pace if it does not, and no budget is proposed.
    pub(super) fits: bool,
}

/// The longest that a drain may be told to take.
pub(super) const LONGEST: u32 = 86_400;

/// What the public sample's own input has.
const SAMPLE: Pace = Pace::Percent {
    decrement: 25.0,
    every: 60,
};

/// Seconds from the first step to the last of the public sample's own drain.
pub(super) fn sample_seconds(tasks: u32) -> u32 {
    let schedule = Schedule::new(tasks, &SAMPLE, MOST_STEPS, Deregistration::new(0, true));
    schedule.at(schedule.steps())
}

/// Every way to drain such a service in so many seconds, and what the event asks for, if that is
/// another one.
pub(super) fn ways(service: Service, seconds: u32, event: &Drain) -> Vec<Way> {
    let mut paces = vec![
        Pace::Percent {
            decrement: 100.0,
            every: 60,
        },
        SAMPLE,
        task_by_task(service.tasks, seconds),
        Pace::Within { seconds },
    ];
    paces.extend(service.fits.then(|| by_budget(service, seconds)));
    let mut ways: Vec<Way> = Vec::new();
    for pace in paces {
        let drain = Drain::from(pace);
        // Of one task, two ways are the same.
        if ways.iter().all(|known| known.drain != drain) {
            ways.push(Way {
                name: in_words(&drain.pace),
                of_event: drain == *event,
                drain,
            });
        }
    }
    if ways.iter().all(|known| !known.of_event) {
        ways.push(Way {
            name: format!("{} (event)", in_words(&event.pace)),
            drain: event.clone(),
            of_event: true,
        });
    }
    ways
}

/// One task at a time, or as few as a drain in so many seconds can take.
fn task_by_task(of: u32, seconds: u32) -> Pace {
    let most = MOST_STEPS.min(seconds / SHORTEST_WAIT + 1);
    let tasks = of.div_ceil(most).max(1);
    let gaps = of.div_ceil(tasks).saturating_sub(1).max(1);
    Pace::Tasks {
        tasks,
        every: ((seconds + gaps / 2) / gaps).max(1),
    }
}

/// The least budget that the drain can keep in that time, with so much more time that its deadline does
/// not bind.
fn by_budget(service: Service, seconds: u32) -> Pace {
    let tail = budget::tail(service.deregistration);
    #[expect(clippy::cast_precision_loss, reason = "connections of a service")]
    let planned = |reconnects: u64, deadline: u32| Budget {
        reconnects: reconnects as f64,
        connections_per_task: Some(f64::from(service.connections_per_task.max(1))),
        deadline,
        on_deadline: OnDeadline::Finish,
    };
    let in_time = planned(1, tail.saturating_add(seconds.max(1)));
    let least = budget::least_budget(&in_time, service.tasks, service.deregistration);
    let deadline = in_time.deadline.saturating_add(seconds.max(600));
    Pace::Budget(planned(least.unwrap_or(1), deadline.min(LONGEST)))
}

/// How a drain is paced, in a few words.
fn in_words(pace: &Pace) -> String {
    match pace {
        Pace::Percent { decrement, .. } if *decrement >= 100.0 => "all at once".to_owned(),
        Pace::Percent { decrement, every } => format!("{decrement} % every {every} s"),
        Pace::Tasks { tasks, every } => format!("{} every {every} s", counted(*tasks, "task")),
        Pace::Within { seconds } => format!("within {seconds} s"),
        Pace::Budget(budget) => format!("{} reconnects/s", budget.reconnects),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVEN: Deregistration = Deregistration {
        delay: 300,
        least: 300,
        most: 300,
    };

    const FORTY: Service = Service {
        tasks: 40,
        connections_per_task: 2_500,
        deregistration: EVEN,
        fits: true,
    };

    fn sample() -> Drain {
        SAMPLE.into()
    }

    fn names(service: Service, seconds: u32, event: &Drain) -> Vec<String> {
        let ways = ways(service, seconds, event).into_iter();
        ways.map(|way| way.name).collect()
    }

    #[test]
    fn the_samples_own_drain_is_compared_once() {
        assert_eq!(sample_seconds(40), 180);
        let wanted =
            "all at once, 25 % every 60 s, 1 task every 5 s, within 180 s, 774 reconnects/s";
        assert_eq!(names(FORTY, 180, &sample()).join(", "), wanted);
    }

    #[test]
    fn another_drain_of_the_event_is_one_more_way() {
        let event = Pace::Within { seconds: 1_800 }.into();
        let ways = ways(FORTY, 180, &event);
        assert_eq!(ways.len(), 6);
        assert_eq!(ways[5].name, "within 1800 s (event)");
        assert_eq!(ways.iter().filter(|way| way.of_event).count(), 1);
    }

    #[test]
    fn many_tasks_go_a_few_at_a_time() {
        for (of, tasks, every) in [(4, 1, 60), (400, 7, 3), (1, 1, 180)] {
            let pace = task_by_task(of, 180);
            assert_eq!(pace, Pace::Tasks { tasks, every });
        }
    }

    #[test]
    fn the_budget_takes_about_the_time() {
        let Pace::Budget(budget) = by_budget(FORTY, 180) else {
            panic!("no budget");
        };
        let taken = budget::seconds(&budget, 40, EVEN);
        assert!((175..=180).contains(&taken), "{taken}");
    }
}
