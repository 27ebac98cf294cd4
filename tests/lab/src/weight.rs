//! The weights of a listener's servers, from those of its target groups.

use std::collections::BTreeMap;

/// A target behind a listener.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) group: &'a str,
    /// The group's weight in the listener's action.
    pub(crate) weight: u16,
    /// It is healthy and does not drain.
    pub(crate) takes: bool,
}

/// The largest weight of a server; `HAProxy` allows 256.
const MOST: f64 = 100.0;

/// The targets of a group that take connections share its weight.
pub(crate) fn weights(targets: &[Target<'_>]) -> Vec<u32> {
    let mut taking: BTreeMap<&str, u32> = BTreeMap::new();
    for target in targets.iter().filter(|target| target.takes) {
        *taking.entry(target.group).or_default() += 1;
    }
    let share = |target: &Target<'_>| {
        let of = taking.get(target.group).filter(|_| target.takes);
        of.map_or(0.0, |of| f64::from(target.weight) / f64::from(*of))
    };
    let most = targets.iter().map(share).fold(0.0, f64::max);
    let weight = |target| match share(target) {
        share if share > 0.0 => whole(MOST * share / most).max(1),
        _ => 0,
    };
    targets.iter().map(weight).collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "from 0 to 100"
)]
fn whole(number: f64) -> u32 {
    number.round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(targets: &[(&str, u16, bool)]) -> Vec<u32> {
        let targets = targets.iter().map(|(group, weight, takes)| Target {
            group,
            weight: *weight,
            takes: *takes,
        });
        weights(&targets.collect::<Vec<_>>())
    }

    #[test]
    fn targets_share_the_weight_of_their_group() {
        let shared = [
            ("a", 90, true),
            ("a", 90, true),
            ("a", 90, true),
            ("b", 10, true),
        ];
        assert_eq!(of(&shared), [100, 100, 100, 33]);
    }

    #[test]
    fn nothing_new_comes_to_a_group_of_weight_0_or_to_a_target_that_drains() {
        let swapped = [("a", 0, true), ("b", 100, true), ("b", 100, false)];
        assert_eq!(of(&swapped), [0, 100, 0]);
        assert_eq!(of(&[("a", 100, false)]), [0]);
    }
}
