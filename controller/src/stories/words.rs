//! Reading the clauses of a story, word by word.

use std::str::FromStr;

use crate::fixture::OWNER;

/// The label of an earlier deployment.
pub(super) const OTHER: &str = "ebbtide:Ebbtide:run-0:x";

/// The words of a clause, one after the other.
pub(super) struct Words<'a> {
    clause: &'a str,
    rest: &'a str,
}

impl<'a> Words<'a> {
    pub(super) fn of(clause: &'a str) -> Self {
        let rest = clause;
        Self { clause, rest }
    }

    pub(super) fn next(&mut self) -> Option<&'a str> {
        let (word, rest) = self.rest.split_once(' ').unwrap_or((self.rest, ""));
        self.rest = rest;
        Some(word).filter(|word| !word.is_empty())
    }

    pub(super) fn word(&mut self) -> &'a str {
        self.next().expect(self.clause)
    }

    pub(super) fn number<T: FromStr>(&mut self) -> T {
        let word = self.word();
        let number = word.parse().ok();
        number.unwrap_or_else(|| panic!("{}: {word} is no number", self.clause))
    }

    /// What is there, or `none`.
    pub(super) fn tag<T: From<&'a str>>(&mut self) -> Option<T> {
        match self.word() {
            "none" => None,
            "own" => Some(T::from(OWNER)),
            "other" => Some(T::from(OTHER)),
            "''" => Some(T::from("")),
            text => Some(T::from(text)),
        }
    }

    /// `KEY=VALUE`.
    pub(super) fn pair(&mut self) -> (String, String) {
        let (key, value) = self.word().split_once('=').expect(self.clause);
        (key.to_owned(), value.to_owned())
    }

    /// `NUMBER,NUMBER`.
    pub(super) fn list(&mut self) -> Vec<u16> {
        let numbers = self.word().split(',');
        numbers.filter_map(|number| number.parse().ok()).collect()
    }

    pub(super) fn rest(&mut self) -> String {
        std::mem::take(&mut self.rest).to_owned()
    }
}
