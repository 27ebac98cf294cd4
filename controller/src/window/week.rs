//! How long a deployment may have to wait for a window, whenever it begins.

use super::closed::{FAR, SELDOM, SELDOM_WHILE_FAR};
use super::{DAY, Window};
use crate::drain;

/// The most that a deployment waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Closures {
    /// Seconds in all.
    pub(crate) seconds: u64,
    /// Seconds of them in which the window opens more than a day later.
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

    /// These, and others so many times.
    pub(crate) fn and(self, others: &Self, times: usize) -> Self {
        let number = u32::try_from(times).unwrap_or(u32::MAX);
        let times = u64::from(number);
        Self {
            seconds: self.seconds + others.seconds * times,
            far: self.far + others.far * times,
            times: self.times + others.times.saturating_mul(number),
        }
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
const MOST: u32 = 100;

impl Window {
    /// The longest wait there is.
    pub(crate) fn longest(&self) -> Closures {
        self.most_closed(0)
    }

    /// The most that a deployment waits whose other work takes `seconds`, from its first wait on.
    pub(crate) fn most_closed(&self, seconds: u64) -> Closures {
        let days = (0..).zip(self.days).filter(|(_, opens)| *opens);
        let opens: Vec<u32> = days.map(|(day, _)| day * DAY + self.from).collect();
        let lasts = if self.from < self.to {
            self.to - self.from
        } else {
            DAY + self.to - self.from
        };
        let worst = (0..opens.len()).map(|first| {
            let mut closures = Closures::default();
            let mut left = seconds;
            let numbers = (first..).take(MOST as usize);
            for number in numbers {
                let opened = opens[number % opens.len()];
                let before = opens[(number + opens.len() - 1) % opens.len()];
                let from_one_to_the_next = match (opened + WEEK - before) % WEEK {
                    0 => WEEK,
                    minutes => minutes,
                };
                let closed = from_one_to_the_next.saturating_sub(lasts);
                let once = Closures::once(u64::from(closed) * 60);
                closures.seconds += once.seconds;
                closures.far += once.far;
                closures.times += once.times;
                let open = u64::from(lasts) * 60;
                if left <= open {
                    break;
                }
                left -= open;
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
