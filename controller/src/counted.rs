//! Numbers with their nouns, as people read them.

use std::fmt::Display;

/// A number with its noun: `1 task`, `0 tasks`, `3 tasks`.
pub fn counted<N: Copy + Display + PartialEq + From<u8>>(number: N, noun: &str) -> String {
    let plural = if number == N::from(1) { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// Names as people read them: `a`, `a and b`, `a, b and c`.
pub fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [name] => (*name).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_a_thing_has_no_s() {
        let said = [0_u64, 1, 2].map(|number| counted(number, "step"));
        assert_eq!(said, ["0 steps", "1 step", "2 steps"]);
        assert_eq!(counted(1.0, "connection"), "1 connection");
        assert_eq!(counted(2_500.5, "connection"), "2500.5 connections");
    }
}
