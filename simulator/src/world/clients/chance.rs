//! Chance among clients, and its absence: how counts are shared out.

use serde::{Deserialize, Serialize};

/// The clients' own random stream, so that a world with clients draws the same as one without; or,
/// in a world without chance, what shares evenly.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::world) struct Chance {
    random_state: u64,
    /// Nothing is drawn.
    pub(in crate::world) even: bool,
    /// How often something was shared evenly.
    turn: u64,
}

/// 2^64 divided by the golden ratio: its multiples are spread as evenly as can be.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// From as many expected hits on, the number of hits is taken to be normally distributed.
const MANY: f64 = 24.0;

impl Chance {
    pub(in crate::world) fn new(seed: u64, even: bool) -> Self {
        Self {
            random_state: seed ^ GOLDEN,
            even,
            turn: 0,
        }
    }

    /// How many of `count` are hit when each is with the probability `hits` in `of`.
    pub(in crate::world) fn some(&mut self, count: u64, hits: u64, of: u64) -> u64 {
        if count == 0 || hits == 0 {
            return 0;
        }
        if hits >= of {
            return count;
        }
        if self.even {
            return self.evenly(count, &[hits, of - hits])[0];
        }
        self.random(|rng| binomial(rng, count, hits, of))
    }

    /// Shares `count` out over a number of equal places.
    pub(in crate::world) fn among(&mut self, count: u64, places: usize) -> Vec<u64> {
        self.by_weight(count, &vec![1; places])
    }

    /// Shares `count` out by weight; at least one weight is above 0.
    pub(in crate::world) fn by_weight(&mut self, count: u64, weights: &[u64]) -> Vec<u64> {
        if self.even {
            return self.evenly(count, weights);
        }
        let total: u64 = weights.iter().sum();
        self.random(|rng| {
            let (mut left, mut weight_left) = (count, total);
            let mut shares = Vec::with_capacity(weights.len());
            for weight in weights {
                let share = binomial(rng, left, *weight, weight_left);
                left -= share;
                weight_left -= weight;
                shares.push(share);
            }
            shares
        })
    }

    /// Evenly, to within one; what does not divide goes to another place each time, so that in the
    /// long run everyone gets their share.
    fn evenly(&mut self, count: u64, weights: &[u64]) -> Vec<u64> {
        self.turn += 1;
        let turn = u128::from(self.turn.wrapping_mul(GOLDEN));
        let total: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
        evenly_from((turn * total) >> 64, count, weights)
    }

    /// So many of as many places, none twice: all where there are no more.
    pub(in crate::world) fn choose(&mut self, places: usize, most: usize) -> Vec<usize> {
        if places <= most {
            return (0..places).collect();
        }
        if self.even {
            let first = self.below(places as u64);
            let first = usize::try_from(first).unwrap_or(0);
            return (first..first + most).map(|place| place % places).collect();
        }
        // Floyd's: each subset is as likely.
        let mut chosen = Vec::with_capacity(most);
        self.random(|rng| {
            for place in places - most..places {
                let drawn = rng.usize(0..=place);
                let taken = chosen.contains(&drawn);
                chosen.push(if taken { place } else { drawn });
            }
        });
        chosen
    }

    /// A number below another one.
    pub(in crate::world) fn below(&mut self, limit: u64) -> u64 {
        if !self.even {
            return self.random(|rng| rng.u64(0..limit.max(1)));
        }
        self.turn += 1;
        let place = u128::from(self.turn.wrapping_mul(GOLDEN)) * u128::from(limit);
        u64::try_from(place >> 64).unwrap_or(0)
    }

    pub(in crate::world) fn fraction(&mut self) -> f64 {
        self.random(fastrand::Rng::f64)
    }

    fn random<T>(&mut self, draw: impl FnOnce(&mut fastrand::Rng) -> T) -> T {
        let mut rng = fastrand::Rng::with_seed(self.random_state);
        let drawn = draw(&mut rng);
        self.random_state = rng.get_seed();
        drawn
    }
}

/// Shares `count` out by weight without any chance, to within one. No share is larger than its
/// weight where `count` is at most the sum of the weights.
pub(in crate::world) fn evenly(count: u64, weights: &[u64]) -> Vec<u64> {
    evenly_from(0, count, weights)
}

/// The shares of weights laid end to end, along which `count` marks stand at equal distances.
fn evenly_from(phase: u128, count: u64, weights: &[u64]) -> Vec<u64> {
    let total: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
    let total = total.max(1);
    let (mut along, mut marks) = (0_u128, 0_u128);
    weights
        .iter()
        .map(|weight| {
            along += u128::from(*weight);
            let until = (along * u128::from(count) + phase) / total;
            let share = until - marks;
            marks = until;
            u64::try_from(share).unwrap_or(u64::MAX)
        })
        .collect()
}

/// A draw of the binomial distribution: exact for few expected hits, normally approximated for many.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts are far below 2^52, and what is cast back is clamped to the count"
)]
fn binomial(rng: &mut fastrand::Rng, count: u64, hits: u64, of: u64) -> u64 {
    if count == 0 || hits == 0 {
        return 0;
    }
    if hits >= of {
        return count;
    }
    // The rarer side, so that few are few.
    if hits > of - hits {
        return count - binomial(rng, count, of - hits, of);
    }
    let probability = hits as f64 / of as f64;
    let mean = count as f64 * probability;
    if mean >= MANY {
        // Twelve uniform numbers have the variance 1.
        let normal: f64 = (0..12).map(|_| rng.f64()).sum::<f64>() - 6.0;
        let drawn = normal.mul_add((mean * (1.0 - probability)).sqrt(), mean);
        return (drawn.round().max(0.0) as u64).min(count);
    }
    // From hit to hit: how many are missed in between is geometrically distributed.
    let missing = (-probability).ln_1p();
    let (mut tried, mut hit) = (0_u64, 0_u64);
    loop {
        let missed = ((1.0 - rng.f64()).ln() / missing) as u64;
        tried = tried.saturating_add(missed).saturating_add(1);
        if tried > count {
            return hit;
        }
        hit += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::{Chance, evenly};

    #[test]
    fn what_divides_is_shared_exactly_and_what_does_not_to_within_one() {
        let mut chance = Chance::new(1, true);
        assert_eq!(chance.among(100_000, 5), [20_000; 5]);
        for turn in 0..100 {
            let shares = chance.by_weight(1_000, &[2, 0, 1]);
            assert_eq!(shares.iter().sum::<u64>(), 1_000);
            assert!((666..=667).contains(&shares[0]), "{turn}: {shares:?}");
            assert_eq!(shares[1], 0);
        }
        assert_eq!(evenly(3, &[1, 0, 1, 1]), [1, 0, 1, 1]);
    }

    #[test]
    fn a_share_below_one_is_paid_out_in_the_long_run() {
        let mut chance = Chance::new(1, true);
        let paid: u64 = (0..1_000).map(|_| chance.by_weight(1, &[1, 99])[0]).sum();
        assert!((9..=11).contains(&paid), "{paid}");
    }

    #[test]
    fn draws_have_the_mean_and_the_spread_of_a_binomial() {
        for (count, hits, of) in [(1_000_u32, 1_u32, 500_u32), (10_000, 1, 10), (50, 9, 10)] {
            let mut chance = Chance::new(7, false);
            let draws: Vec<f64> = (0..4_000)
                .map(|_| chance.some(count.into(), hits.into(), of.into()))
                .map(|drawn| f64::from(u32::try_from(drawn).expect("at most the count")))
                .collect();
            let mean = draws.iter().sum::<f64>() / 4_000.0;
            let probability = f64::from(hits) / f64::from(of);
            let wanted = f64::from(count) * probability;
            let spread = (wanted * (1.0 - probability)).sqrt();
            assert!((mean - wanted).abs() < 0.1 * spread, "{mean} for {wanted}");
            let squares = draws.iter().map(|draw| (draw - mean).powi(2));
            let seen = (squares.sum::<f64>() / 4_000.0).sqrt();
            assert!((seen / spread - 1.0).abs() < 0.1, "{seen} for {spread}");
            assert!(draws.iter().all(|draw| *draw <= f64::from(count)));
        }
    }
}
