//! How long a deployment may have to wait for a window, whenever it begins.

use super::closed::{FAR, SELDOM, SELDOM_WHILE_FAR};
use super::{DAY, Window};
use crate::drain;

/// The most that a deployment waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Closures {
    /// Seconds in all.
    pub(crate) seconds: u64,
    /// Seconds of them in which the window opens more than four hours later.
    far: u64,
    /// How many times.
    pub(crate) times: u32,
}

impl Closures {
    /// One wait of this number of seconds.
    pub(super) fn once(seconds: u64) -> Self {
        Self {
            seconds,
            far: seconds.saturating_sub(FAR),
            times: u32::from(seconds > 0),
        }
    }

    fn add(&mut self, once: &Self) {
        self.seconds += once.seconds;
        self.far += once.far;
        self.times += once.times;
    }

    /// Checks in these seconds, at most: each wait may begin right after a step.
    pub(crate) fn checks(&self) -> u32 {
        let near = self.seconds.saturating_sub(self.far);
        let seldom = near / u64::from(SELDOM) + self.far / u64::from(SELDOM_WHILE_FAR);
        let seldom = u32::try_from(seldom).unwrap_or(u32::MAX);
        let after_a_step = drain::checks_within(OFTEN) - OFTEN / SELDOM_WHILE_FAR;
        seldom.saturating_add(after_a_step.saturating_mul(self.times))
    }
}

/// Seconds after a step for which a deployment is checked every minute.
const OFTEN: u32 = 7_200;

/// Minutes of a week.
const WEEK: u32 = 7 * DAY;

/// Seconds by which clocks that are changed lengthen a wait. It happens once in the two weeks of an execution.
const CHANGE: u64 = 3_600;

/// Closures after which an execution would have ended long ago.
const MOST: u64 = 100;

impl Window {
    /// The most that a deployment waits whose other work takes `seconds`, from its first wait on, and which waits for
    /// these pauses in between: hours that pass while it is closed as well.
    pub(crate) fn most_closed(&self, seconds: u64, pauses: &[u64]) -> Closures {
        let days = (0..).zip(self.days).filter(|(_, opens)| *opens);
        let opens: Vec<u32> = days.map(|(day, _)| day * DAY + self.from).collect();
        let lasts = if self.from < self.to {
            self.to - self.from
        } else {
            DAY + self.to - self.from
        };
        // Minutes from the opening before one to it.
        let apart = |number: usize| {
            let opened = opens[number % opens.len()];
            let before = opens[(number + opens.len() - 1) % opens.len()];
            match (opened + WEEK - before) % WEEK {
                0 => WEEK,
                minutes => minutes,
            }
        };
        let closed =
            |number: usize| Closures::once(u64::from(apart(number).saturating_sub(lasts)) * 60);
        let open = (u64::from(lasts) * 60).max(1);
        let more = usize::try_from((seconds.saturating_sub(1) / open).min(MOST)).unwrap_or(0);
        let worst = (0..opens.len()).map(|first| {
            let mut closures = closed(first);
            let mut at = first;
            for pause in pauses {
                // It ends after one of the openings that it passes, at the latest one that lasts as long as it does.
                let mut passed = 0;
                let ends = (at + 1..).take_while(|next| {
                    let is_passed = passed <= *pause;
                    passed += u64::from(apart(*next)) * 60;
                    is_passed
                });
                at = ends
                    .max_by_key(|next| closed(*next).seconds)
                    .unwrap_or(at + 1);
                closures.add(&closed(at));
            }
            for next in (at + 1..).take(more) {
                closures.add(&closed(next));
            }
            closures
        });
        let worst = worst.max_by_key(|closures| closures.seconds);
        worst.map_or_else(Closures::default, |worst| Closures {
            seconds: worst.seconds + CHANGE,
            ..worst
        })
    }
}
