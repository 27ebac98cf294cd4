//! Whether the conditions of one rule are met by every request that meets those of another one.

use std::collections::BTreeSet;

use crate::world::Condition;

/// Whether every request that meets `narrow` meets `wide`; `false` where that cannot be decided.
///
/// No conditions are a listener's default action, which every request reaches. Path patterns and host names are
/// compared as AWS documents them: `*` stands for any characters or none, `?` for one, and upper and lower case
/// are the same in host names alone. Of headers and methods the values must be the same; regular expressions,
/// query strings and addresses are not compared.
pub(crate) fn all_meet(narrow: &[Condition], wide: &[Condition]) -> bool {
    // A rule has at least one condition (AWS documentation): these were not understood.
    !wide.is_empty() && wide.iter().all(|wide| is_met(narrow, wide))
}

fn is_met(narrow: &[Condition], wide: &Condition) -> bool {
    let always = match wide.field.as_str() {
        // Every path begins with a slash.
        "path-pattern" => Some("/*"),
        "host-header" => Some("*"),
        _ => None,
    };
    let always = always.is_some_and(|all| {
        let mut values = wide.values.iter();
        !wide.regex && values.any(|value| covers(&folded(&wide.field, value), all))
    });
    always || narrow.iter().any(|narrow| implies(narrow, wide))
}

impl Condition {
    /// Whether the path `/` meets a path pattern.
    pub(super) fn meets_root(&self) -> bool {
        self.values.iter().any(|value| covers(value, "/"))
    }
}

/// Whether one condition is met only if another one is.
fn implies(narrow: &Condition, wide: &Condition) -> bool {
    let alike = narrow.field == wide.field && narrow.regex == wide.regex;
    if !alike || narrow.values.is_empty() {
        return false;
    }
    let mut values = narrow.values.iter();
    match wide.field.as_str() {
        "path-pattern" | "host-header" if !wide.regex => values.all(|narrow| {
            let narrow = folded(&wide.field, &rooted(&wide.field, narrow));
            let mut values = wide.values.iter();
            values.any(|value| covers(&folded(&wide.field, value), &narrow))
        }),
        "http-request-method" => values.all(|value| wide.values.contains(value)),
        "http-header" => {
            let names = [narrow, wide].map(|one| one.name.as_deref().unwrap_or_default());
            names[0].eq_ignore_ascii_case(names[1])
                && values.all(|value| wide.values.contains(value))
        }
        _ => false,
    }
}

fn folded(field: &str, value: &str) -> String {
    if field == "host-header" {
        value.to_ascii_lowercase()
    } else {
        value.to_owned()
    }
}

/// A path pattern such as `*.png`, as far as paths meet it: with the slash that they begin with.
fn rooted(field: &str, value: &str) -> String {
    let after = value.strip_prefix('*').and_then(|rest| rest.chars().next());
    match after {
        Some(next) if field == "path-pattern" && !"/*?".contains(next) => format!("/{value}"),
        _ => value.to_owned(),
    }
}

/// States of the comparison of two patterns, at most: each keeps up to 129 places. Long repetitive patterns may
/// need more, and are not decided.
const MOST_STATES: usize = 5_000;

/// Whether every text that matches `narrow` matches `wide`.
///
/// Both are read at once, character by character: `narrow` in one place, `wide` in every place where it may be.
/// A text in which `narrow` ends and `wide` does not is one that only `narrow` matches. Characters that neither
/// names are all alike, and stand as `None`.
pub(super) fn covers(wide: &str, narrow: &str) -> bool {
    if wide == narrow {
        return true;
    }
    let (wide, narrow): (Vec<char>, Vec<char>) = (wide.chars().collect(), narrow.chars().collect());
    let mut all = vec![None];
    for c in wide.iter().chain(&narrow) {
        if !"*?".contains(*c) && !all.contains(&Some(*c)) {
            all.push(Some(*c));
        }
    }
    let mut first = vec![false; wide.len() + 1];
    first[0] = true;
    let mut open = vec![(0, at_stars(&wide, first))];
    let mut seen = BTreeSet::new();
    while let Some((place, places)) = open.pop() {
        let next = match narrow.get(place) {
            None if places.last() == Some(&true) => Vec::new(),
            None => return false,
            Some('*') => {
                let more = all.iter().map(|c| (place, after(&wide, &places, *c)));
                more.chain([(place + 1, places.clone())]).collect()
            }
            Some('?') => {
                let one = all.iter().map(|c| (place + 1, after(&wide, &places, *c)));
                one.collect()
            }
            Some(c) => vec![(place + 1, after(&wide, &places, Some(*c)))],
        };
        for state in next {
            if seen.insert(state.clone()) {
                open.push(state);
            }
        }
        if seen.len() > MOST_STATES {
            return false;
        }
    }
    true
}

/// The places in a pattern after one more character: for each whether it may be there.
fn after(pattern: &[char], places: &[bool], c: Option<char>) -> Vec<bool> {
    let mut next = vec![false; places.len()];
    for (place, named) in pattern
        .iter()
        .enumerate()
        .filter(|(place, _)| places[*place])
    {
        match named {
            '*' => next[place] = true,
            '?' => next[place + 1] = true,
            named => next[place + 1] |= Some(*named) == c,
        }
    }
    at_stars(pattern, next)
}

/// Places in a pattern, with those behind a `*` that stands for nothing.
fn at_stars(pattern: &[char], mut places: Vec<bool>) -> Vec<bool> {
    for (place, _) in pattern.iter().enumerate().filter(|(_, c)| **c == '*') {
        places[place + 1] |= places[place];
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every text of up to `most` of these characters.
    fn texts(characters: &str, most: usize) -> Vec<String> {
        let (mut all, mut longest) = (vec![String::new()], vec![String::new()]);
        for _ in 0..most {
            let longer = longest
                .iter()
                .flat_map(|text| characters.chars().map(move |c| format!("{text}{c}")));
            longest = longer.collect();
            all.extend(longest.clone());
        }
        all
    }

    fn matches(pattern: &[char], text: &[char]) -> bool {
        match (pattern.first(), text.first()) {
            (None, None) => true,
            (Some('*'), _) => {
                matches(&pattern[1..], text) || (!text.is_empty() && matches(pattern, &text[1..]))
            }
            (Some('?'), Some(_)) => matches(&pattern[1..], &text[1..]),
            (Some(named), Some(c)) => named == c && matches(&pattern[1..], &text[1..]),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    #[test]
    fn a_pattern_covers_another_one_if_it_matches_all_of_its_texts() {
        let letters = |text: &String| text.chars().collect::<Vec<_>>();
        let patterns: Vec<_> = texts("ab*?", 3).iter().map(letters).collect();
        // The z stands for every character that no pattern names.
        let texts: Vec<_> = texts("abz", 6).iter().map(letters).collect();
        let matched = patterns.iter().map(|pattern| {
            let matched = texts.iter().map(|text| matches(pattern, text));
            matched.collect::<Vec<_>>()
        });
        let matched: Vec<_> = matched.collect();
        let mut covered = 0;
        for (narrow, of_narrow) in patterns.iter().zip(&matched) {
            for (wide, of_wide) in patterns.iter().zip(&matched) {
                let all = of_narrow
                    .iter()
                    .zip(of_wide)
                    .all(|(one, other)| !one || *other);
                let [wide, narrow] = [wide, narrow].map(|one| one.iter().collect::<String>());
                assert_eq!(covers(&wide, &narrow), all, "{wide} and {narrow}");
                covered += usize::from(all);
            }
        }
        assert!(covered > 500, "{covered}");
    }

    #[test]
    fn patterns_as_long_as_aws_takes_are_compared() {
        let long = "abcdefgh".repeat(15);
        let narrow = format!("/*{long}*");
        assert!(covers("/*", &narrow) && covers(&format!("{narrow}*"), &narrow));
        assert!(covers("/*a*b*c*d*e*", &narrow));
        assert!(!covers(&narrow, "/*"));
        let repeated = format!("/*{}", "a".repeat(125));
        assert!(covers(&repeated, &repeated) && covers("/*", &repeated));
        assert!(!covers(&repeated, &format!("/*b{}", "a".repeat(124))));
    }
}
