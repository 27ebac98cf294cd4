//! What all expressions have in common: their words, names and values.

use super::super::table::Item;
use super::super::{ApiError, AttributeValue};
use super::Placeholders;
use super::reserved::is_reserved;
use super::token::{Token, tokens};

pub(super) struct Parser<'a, 'b> {
    /// The request's field: `ConditionExpression`.
    field: &'static str,
    tokens: Vec<Token<'a>>,
    pub(super) at: usize,
    /// How many brackets are open.
    depth: usize,
    placeholders: &'a mut Placeholders<'b>,
}

/// What stands for a value: an attribute of the item, or the value itself.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) enum Operand {
    Attribute(String),
    Value(AttributeValue),
}

impl Operand {
    pub(super) fn value<'a>(&'a self, item: &'a Item) -> Option<&'a AttributeValue> {
        match self {
            Self::Attribute(name) => item.get(name),
            Self::Value(value) => Some(value),
        }
    }
}

impl<'a, 'b> Parser<'a, 'b> {
    pub(super) fn new(
        field: &'static str,
        text: &'a str,
        placeholders: &'a mut Placeholders<'b>,
    ) -> Result<Self, ApiError> {
        let invalid = |problem: &str| ApiError::invalid(format!("Invalid {field}: {problem}"));
        if text.len() > LONGEST {
            return Err(invalid(
                "Expression size has exceeded the maximum allowed size;",
            ));
        }
        let tokens = tokens(text).map_err(|problem| invalid(&problem))?;
        if tokens.is_empty() {
            return Err(invalid("The expression can not be empty;"));
        }
        Ok(Self {
            field,
            tokens,
            at: 0,
            depth: 0,
            placeholders,
        })
    }

    pub(super) fn invalid(&self, problem: impl AsRef<str>) -> ApiError {
        ApiError::invalid(format!("Invalid {}: {}", self.field, problem.as_ref()))
    }

    /// The token at hand is not what can stand here.
    pub(super) fn unexpected(&self) -> ApiError {
        let text = |at: usize| self.tokens.get(at).map_or("<EOF>", Token::text);
        let from = self.at.saturating_sub(1);
        let near = (from..=self.at + 1)
            .map(text)
            .filter(|text| *text != "<EOF>");
        self.invalid(format!(
            "Syntax error; token: \"{}\", near: \"{}\"",
            text(self.at),
            near.collect::<Vec<_>>().join(" ")
        ))
    }

    pub(super) fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.at).copied()
    }

    /// Goes on, if the next token is this symbol.
    pub(super) fn takes(&mut self, symbol: &str) -> bool {
        let taken = matches!(self.peek(), Some(Token::Symbol(next)) if next == symbol);
        self.at += usize::from(taken);
        taken
    }

    /// Enters brackets, whose opening one was taken. Without a limit, an expression could exhaust the stack.
    pub(super) fn deeper(&mut self) -> Result<(), ApiError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            let problem = format!("more than {DEEPEST} brackets in one another are not simulated");
            return Err(self.invalid(problem));
        }
        Ok(())
    }

    /// Leaves brackets, whose closing one comes next.
    pub(super) fn shallower(&mut self) -> Result<(), ApiError> {
        self.depth = self.depth.saturating_sub(1);
        self.expect(")")
    }

    pub(super) fn expect(&mut self, symbol: &str) -> Result<(), ApiError> {
        let taken = self.takes(symbol).then_some(());
        taken.ok_or_else(|| self.unexpected())
    }

    /// Whether what follows an opening bracket is in brackets of its own, and nothing beside it.
    pub(super) fn is_bracketed_again(&self) -> bool {
        let mut open = 0_usize;
        for (at, token) in self.tokens.iter().enumerate().skip(self.at) {
            match token {
                Token::Symbol("(") => open += 1,
                Token::Symbol(")") => open = open.saturating_sub(1),
                Token::Word(_) | Token::Name(_) | Token::Value(_) | Token::Symbol(_) => {}
            }
            if open == 0 {
                let closed = at > self.at && self.tokens.get(at + 1) == Some(&Token::Symbol(")"));
                return closed;
            }
        }
        false
    }

    /// Goes on, if the next token is this keyword in whatever case.
    pub(super) fn takes_word(&mut self, word: &str) -> bool {
        let taken =
            matches!(self.peek(), Some(Token::Word(next)) if next.eq_ignore_ascii_case(word));
        self.at += usize::from(taken);
        taken
    }

    /// The function that is called here, with its opening bracket. Unlike keywords, functions are
    /// named in lower case only.
    pub(super) fn function(&mut self) -> Option<&'a str> {
        let (Some(Token::Word(function)), Some(Token::Symbol("("))) =
            (self.peek(), self.tokens.get(self.at + 1))
        else {
            return None;
        };
        self.at += 2;
        Some(function)
    }

    /// The attribute that is named here: a word, or a `#name` for it.
    pub(super) fn attribute(&mut self) -> Result<String, ApiError> {
        let name = match self.peek() {
            Some(Token::Word(word)) if word.starts_with(|c: char| c.is_ascii_digit()) => {
                return Err(self.unexpected());
            }
            Some(Token::Word(word)) if KEYWORDS.iter().any(|k| k.eq_ignore_ascii_case(word)) => {
                return Err(self.unexpected());
            }
            Some(Token::Word(word)) if is_reserved(word) => {
                return Err(self.invalid(format!(
                    "Attribute name is a reserved keyword; reserved keyword: {word}"
                )));
            }
            Some(Token::Word(word)) => word.to_owned(),
            Some(Token::Name(name)) => {
                let Some(attribute) = self.placeholders.names.get(name) else {
                    return Err(self.invalid(format!(
                        "An expression attribute name used in the document path is not defined; \
                         attribute name: {name}"
                    )));
                };
                self.placeholders.used_names.insert(name.to_owned());
                attribute.clone()
            }
            _ => return Err(self.unexpected()),
        };
        self.at += 1;
        match self.peek() {
            Some(Token::Symbol(symbol @ ("." | "["))) => Err(self.invalid(format!(
                "paths into an attribute ({symbol}) are not simulated"
            ))),
            _ => Ok(name),
        }
    }

    /// The value that a `:value` here stands for.
    pub(super) fn value(&mut self) -> Result<Option<AttributeValue>, ApiError> {
        let Some(Token::Value(name)) = self.peek() else {
            return Ok(None);
        };
        let Some(value) = self.placeholders.values.get(name) else {
            return Err(self.invalid(format!(
                "An expression attribute value used in expression is not defined; attribute \
                 value: {name}"
            )));
        };
        self.placeholders.used_values.insert(name.to_owned());
        self.at += 1;
        Ok(Some(value.clone()))
    }
}

/// Bytes of an expression (Docs).
const LONGEST: usize = 4_096;

const DEEPEST: usize = 32;

/// Words that cannot be attributes, because they are the expressions' own.
const KEYWORDS: [&str; 9] = [
    "AND", "OR", "NOT", "BETWEEN", "IN", "SET", "REMOVE", "ADD", "DELETE",
];
