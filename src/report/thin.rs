//! Making long series short enough to be drawn.

/// Points of a step line: from `from` on, the largest value of each of at most `buckets` stretches of
/// equal length, and only where it changes. Peaks survive, however narrow they are.
pub(super) fn steps(values: &[u64], from: usize, to: usize, buckets: usize) -> Vec<(usize, u64)> {
    let to = to.min(values.len());
    let width = to.saturating_sub(from).div_ceil(buckets.max(1)).max(1);
    let mut steps: Vec<(usize, u64)> = Vec::new();
    let mut start = from;
    while start < to {
        let end = (start + width).min(to);
        let largest = values[start..end].iter().copied().max().unwrap_or_default();
        if steps.last().is_none_or(|(_, value)| *value != largest) {
            steps.push((start, largest));
        }
        start = end;
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_of_one_second_survives_in_a_week() {
        let mut values = vec![0; 7 * 86_400];
        values[400_001] = 1_234;
        let steps = steps(&values, 0, values.len(), 900);
        assert!(steps.len() <= 900);
        assert_eq!(steps.iter().map(|(_, value)| *value).max(), Some(1_234));
    }

    #[test]
    fn what_stays_the_same_is_one_point() {
        assert_eq!(steps(&[4, 4, 4, 3, 3], 0, 5, 900), [(0, 4), (3, 3)]);
        assert_eq!(steps(&[4, 4, 4, 3, 3], 1, 9, 900), [(1, 4), (3, 3)]);
        assert_eq!(steps(&[], 0, 5, 900), []);
    }
}
