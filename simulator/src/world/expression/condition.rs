//! `ConditionExpression`: what an item must be like for a write to happen.

use std::cmp::Ordering;

use super::super::table::Item;
use super::super::{ApiError, AttributeValue};
use super::Placeholders;
use super::parser::{Operand, Parser};
use super::token::Token;

#[derive(Debug, Clone, PartialEq)]
pub(in super::super) enum Condition {
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Exists(String),
    Missing(String),
    Compare(Operand, Comparator, Operand),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Comparator {
    Equal,
    Less,
    LessOrEqual,
}

impl Condition {
    pub(in super::super) fn parse(
        text: &str,
        placeholders: &mut Placeholders<'_>,
    ) -> Result<Self, ApiError> {
        let mut parser = Parser::new("ConditionExpression", text, placeholders)?;
        let condition = parser.alternatives()?;
        match parser.peek() {
            None => Ok(condition),
            Some(_) => Err(parser.unexpected()),
        }
    }

    /// Whether it holds for an item; a missing item has no attributes.
    pub(in super::super) fn holds(&self, item: &Item) -> bool {
        match self {
            Self::And(left, right) => left.holds(item) && right.holds(item),
            Self::Or(left, right) => left.holds(item) || right.holds(item),
            Self::Exists(attribute) => item.contains_key(attribute),
            Self::Missing(attribute) => !item.contains_key(attribute),
            Self::Compare(left, comparator, right) => {
                compare(left.value(item), *comparator, right.value(item))
            }
        }
    }
}

/// What is missing, or of another type, is neither equal nor less.
fn compare(
    left: Option<&AttributeValue>,
    comparator: Comparator,
    right: Option<&AttributeValue>,
) -> bool {
    let order = match (left, right) {
        (Some(AttributeValue::N(left)), Some(AttributeValue::N(right))) => Some(left.cmp(right)),
        // By their bytes of UTF-8, as Rust compares text.
        (Some(AttributeValue::S(left)), Some(AttributeValue::S(right))) => Some(left.cmp(right)),
        _ => None,
    };
    match comparator {
        Comparator::Equal => left.is_some() && left == right,
        Comparator::Less => order == Some(Ordering::Less),
        Comparator::LessOrEqual => order.is_some_and(Ordering::is_le),
    }
}

impl Parser<'_, '_> {
    fn alternatives(&mut self) -> Result<Condition, ApiError> {
        let mut condition = self.conjunction()?;
        while self.takes_word("OR") {
            condition = Condition::Or(Box::new(condition), Box::new(self.conjunction()?));
        }
        Ok(condition)
    }

    fn conjunction(&mut self) -> Result<Condition, ApiError> {
        let mut condition = self.term()?;
        while self.takes_word("AND") {
            condition = Condition::And(Box::new(condition), Box::new(self.term()?));
        }
        Ok(condition)
    }

    fn term(&mut self) -> Result<Condition, ApiError> {
        if self.takes_word("NOT") {
            return Err(self.invalid("NOT is not simulated"));
        }
        if self.takes("(") {
            if self.is_bracketed_again() {
                return Err(self.invalid("The expression has redundant parentheses;"));
            }
            self.deeper()?;
            let condition = self.alternatives()?;
            self.shallower()?;
            return Ok(condition);
        }
        let Some(function) = self.function() else {
            return self.comparison();
        };
        let condition = match function {
            "attribute_exists" => Condition::Exists(self.attribute()?),
            "attribute_not_exists" => Condition::Missing(self.attribute()?),
            "attribute_type" | "begins_with" | "contains" | "size" => {
                return Err(self.invalid(format!("the function {function} is not simulated")));
            }
            _ => {
                return Err(self.invalid(format!("Invalid function name; function: {function}")));
            }
        };
        self.expect(")")?;
        Ok(condition)
    }

    fn comparison(&mut self) -> Result<Condition, ApiError> {
        let left = self.operand()?;
        let (comparator, symbol) = match self.peek() {
            Some(Token::Symbol(symbol @ "=")) => (Comparator::Equal, symbol),
            Some(Token::Symbol(symbol @ "<")) => (Comparator::Less, symbol),
            Some(Token::Symbol(symbol @ "<=")) => (Comparator::LessOrEqual, symbol),
            Some(Token::Symbol(symbol @ ("<>" | ">" | ">="))) => {
                return Err(self.invalid(format!("{symbol} is not simulated")));
            }
            Some(Token::Word(word)) if ["BETWEEN", "IN"].contains(&&*word.to_uppercase()) => {
                return Err(self.invalid(format!("{word} is not simulated")));
            }
            _ => return Err(self.unexpected()),
        };
        self.at += 1;
        let right = self.operand()?;
        if let (Operand::Attribute(left), Operand::Attribute(right)) = (&left, &right)
            && left == right
        {
            return Err(self.invalid(format!(
                "The first operand must be distinct from the remaining operands for this operator \
                 or function; operator: {symbol}, first operand: [{left}]"
            )));
        }
        if comparator != Comparator::Equal {
            for operand in [&left, &right] {
                if let Operand::Value(value) = operand
                    && !matches!(value, AttributeValue::N(_) | AttributeValue::S(_))
                {
                    return Err(self.invalid(format!(
                        "Incorrect operand type for operator or function; operator: {symbol}, \
                         operand type: {}",
                        value.type_name()
                    )));
                }
            }
        }
        Ok(Condition::Compare(left, comparator, right))
    }

    fn operand(&mut self) -> Result<Operand, ApiError> {
        match self.value()? {
            Some(value) => Ok(Operand::Value(value)),
            None => Ok(Operand::Attribute(self.attribute()?)),
        }
    }
}
