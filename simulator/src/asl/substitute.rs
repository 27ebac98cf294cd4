//! `DefinitionSubstitutions`: what `sam deploy` puts in place of `${Name}`.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SubstitutionError {
    /// The definition wants a name that is not given; Step Functions would take the text as it is.
    #[error("the definition wants ${{{0}}}, and nothing is given for it")]
    Unknown(String),
    #[error("a value is given for {0}, and the definition does not want it")]
    Unused(String),
    #[error("a ${{ is not closed: {0}")]
    Unclosed(String),
}

/// Replaces every `${Name}` of the definition by its value.
pub fn substitute(
    definition: &str,
    values: &BTreeMap<&str, &str>,
) -> Result<String, SubstitutionError> {
    let mut complete = String::with_capacity(definition.len());
    let mut unused: BTreeSet<&str> = values.keys().copied().collect();
    let mut rest = definition;
    while let Some((before, after)) = rest.split_once("${") {
        let unclosed = || SubstitutionError::Unclosed(after.chars().take(40).collect());
        let (name, after) = after.split_once('}').ok_or_else(unclosed)?;
        let value = values
            .get(name)
            .ok_or_else(|| SubstitutionError::Unknown(name.to_owned()))?;
        unused.remove(name);
        complete.push_str(before);
        complete.push_str(value);
        rest = after;
    }
    complete.push_str(rest);
    match unused.first() {
        Some(name) => Err(SubstitutionError::Unused((*name).to_owned())),
        None => Ok(complete),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_replaced_everywhere() {
        let values = BTreeMap::from([("Partition", "aws-cn"), ("Swap", "swap:1")]);
        assert_eq!(
            substitute("arn:${Partition}:${Swap}, ${Swap} $.a", &values).as_deref(),
            Ok("arn:aws-cn:swap:1, swap:1 $.a"),
        );
    }

    #[test]
    fn an_unknown_an_unused_and_an_unclosed_name_are_errors() {
        use SubstitutionError::{Unclosed, Unknown, Unused};

        let values = BTreeMap::from([("A", "a")]);
        assert_eq!(
            substitute("${A}${B}", &values),
            Err(Unknown("B".to_owned()))
        );
        assert_eq!(substitute("a", &values), Err(Unused("A".to_owned())));
        assert_eq!(substitute("${A", &values), Err(Unclosed("A".to_owned())));
    }
}
