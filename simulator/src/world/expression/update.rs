//! `UpdateExpression`: what an update makes of an item.

use super::super::table::{Item, Number};
use super::super::{ApiError, AttributeValue};
use super::Placeholders;
use super::parser::{Operand, Parser};
use super::token::Token;

/// What is done to an item: each clause to an attribute of its own.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Update(Vec<(String, Clause)>);

#[derive(Debug, Clone, PartialEq)]
enum Clause {
    Set(Operand),
    Remove,
    Add(Number),
}

/// Reads one clause of a section.
type Clauses = fn(&mut Parser<'_, '_>) -> Result<(String, Clause), ApiError>;

impl Update {
    pub(in super::super) fn parse(
        text: &str,
        placeholders: &mut Placeholders<'_>,
    ) -> Result<Self, ApiError> {
        let mut parser = Parser::new("UpdateExpression", text, placeholders)?;
        let mut clauses = Vec::new();
        let mut sections = Vec::new();
        while let Some(token) = parser.peek() {
            let section = token.text().to_uppercase();
            if sections.contains(&section) {
                return Err(parser.invalid(format!(
                    "The \"{section}\" section can only be used once in an update expression;"
                )));
            }
            let clause: Clauses = match (token, section.as_str()) {
                (Token::Word(_), "SET") => |parser| parser.set_clause(),
                (Token::Word(_), "REMOVE") => |parser| parser.remove_clause(),
                (Token::Word(_), "ADD") => |parser| parser.add_clause(),
                (Token::Word(_), "DELETE") => {
                    return Err(parser.invalid("the section DELETE is not simulated"));
                }
                _ => return Err(parser.unexpected()),
            };
            sections.push(section);
            parser.at += 1;
            clauses.push(clause(&mut parser)?);
            while parser.takes(",") {
                clauses.push(clause(&mut parser)?);
            }
        }
        for (at, (attribute, _)) in clauses.iter().enumerate() {
            if clauses[..at].iter().any(|(other, _)| other == attribute) {
                return Err(parser.invalid(format!(
                    "Two document paths overlap with each other; must remove or rewrite one of \
                     these paths; path one: [{attribute}], path two: [{attribute}]"
                )));
            }
        }
        Ok(Self(clauses))
    }

    /// Whether it writes to this attribute.
    pub(in super::super) fn writes_to(&self, attribute: &str) -> bool {
        self.0.iter().any(|(name, _)| name == attribute)
    }

    /// Whether it takes attributes away and does nothing else.
    pub(in super::super) fn only_removes(&self) -> bool {
        self.0.iter().all(|(_, clause)| *clause == Clause::Remove)
    }

    /// The item after the update. Every clause checks the item as it was before all of them.
    pub(in super::super) fn apply(&self, before: &Item) -> Result<Item, ApiError> {
        let mut item = before.clone();
        for (attribute, clause) in &self.0 {
            let value = match clause {
                Clause::Remove => {
                    item.remove(attribute);
                    continue;
                }
                Clause::Set(operand) => {
                    let value = operand.value(before).cloned();
                    value.ok_or_else(|| ApiError::invalid(NO_ATTRIBUTE))?
                }
                Clause::Add(number) => AttributeValue::N(match before.get(attribute) {
                    None => *number,
                    Some(AttributeValue::N(value)) => value.plus(*number)?,
                    Some(_) => {
                        return Err(ApiError::invalid(
                            "An operand in the update expression has an incorrect data type",
                        ));
                    }
                }),
            };
            item.insert(attribute.clone(), value);
        }
        Ok(item)
    }
}

const NO_ATTRIBUTE: &str =
    "The provided expression refers to an attribute that does not exist in the item";

impl Parser<'_, '_> {
    fn set_clause(&mut self) -> Result<(String, Clause), ApiError> {
        let attribute = self.attribute()?;
        self.expect("=")?;
        let operand = self.set_operand()?;
        if let Some(Token::Symbol(operator @ ("+" | "-"))) = self.peek() {
            return Err(self.invalid(format!("the operator {operator} is not simulated")));
        }
        Ok((attribute, Clause::Set(operand)))
    }

    fn set_operand(&mut self) -> Result<Operand, ApiError> {
        if let Some(value) = self.value()? {
            return Ok(Operand::Value(value));
        }
        match self.function() {
            Some(function @ ("if_not_exists" | "list_append")) => {
                Err(self.invalid(format!("the function {function} is not simulated")))
            }
            Some(function) => {
                Err(self.invalid(format!("Invalid function name; function: {function}")))
            }
            None => Ok(Operand::Attribute(self.attribute()?)),
        }
    }

    fn remove_clause(&mut self) -> Result<(String, Clause), ApiError> {
        Ok((self.attribute()?, Clause::Remove))
    }

    fn add_clause(&mut self) -> Result<(String, Clause), ApiError> {
        let attribute = self.attribute()?;
        match self.value()? {
            Some(AttributeValue::N(number)) => Ok((attribute, Clause::Add(number))),
            Some(other) => Err(self.invalid(format!(
                "Incorrect operand type for operator or function; operator: ADD, operand type: {}, \
                 typeSet: ALLOWED_FOR_ADD_OPERAND",
                other.type_name()
            ))),
            None => Err(self.unexpected()),
        }
    }
}
