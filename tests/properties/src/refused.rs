use ebbtide_controller::quote::{LONGEST_SENTENCE, is_visible};
use ebbtide_controller::refusal::{ErrorName, Refusal};

/// A refusal of an input is named so, shows what it holds, and has an end.
pub(crate) fn is_told_well(refusal: &Refusal) {
    assert_eq!(refusal.error, ErrorName::InvalidInput, "{refusal}");
    for sentence in [&refusal.problem, &refusal.fix.to_string()] {
        assert!(is_visible(sentence), "{sentence:?}");
        assert!(!sentence.is_empty() && sentence.chars().count() <= LONGEST_SENTENCE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(error: ErrorName, problem: &str) -> Refusal {
        let fix = "Fix it.".into();
        let problem = problem.to_owned();
        Refusal {
            error,
            problem,
            fix,
        }
    }

    #[test]
    fn a_refusal_in_one_visible_line_is_told_well() {
        is_told_well(&refusal(ErrorName::InvalidInput, "It is wrong."));
    }

    #[test]
    #[should_panic(expected = "Drift")]
    fn a_refusal_by_another_name_is_found() {
        is_told_well(&refusal(ErrorName::Drift, "It is wrong."));
    }

    #[test]
    #[should_panic(expected = "It is\\nwrong.")]
    fn a_refusal_over_two_lines_is_found() {
        is_told_well(&refusal(ErrorName::InvalidInput, "It is\nwrong."));
    }

    #[test]
    #[should_panic(expected = "sentence.chars()")]
    fn a_refusal_without_an_end_is_found() {
        is_told_well(&refusal(ErrorName::InvalidInput, &"wrong ".repeat(10_000)));
    }
}
