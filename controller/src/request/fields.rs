//! Reading the fields of an object within the input.

use serde_json::{Map, Value};

use super::Problem;
use super::reader::{FIELDS, Reader, allowed, problem, shown, unknown_fields};
use super::values::wrong_entry;
use crate::arn::Home;

/// The fields of an object within the input.
pub(super) struct Fields<'a> {
    /// What stands before their names: the object's own, and a dot.
    object: String,
    /// Every field with what it allows.
    table: &'static [(&'static str, &'static str)],
    home: &'a Home,
    pub(super) given: &'a Map<String, Value>,
    pub(super) problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    /// The fields of the input itself.
    pub(super) fn own(&mut self) -> Fields<'_> {
        Fields {
            object: String::new(),
            table: FIELDS,
            home: self.home,
            given: self.fields,
            problems: &mut self.problems,
        }
    }

    /// The fields of an object of the input; `None` where there is none, or another value.
    pub(super) fn object(
        &mut self,
        object: &'static str,
        table: &'static [(&'static str, &'static str)],
    ) -> Option<Fields<'_>> {
        let name = object.trim_end_matches('.');
        let value = self.fields.get(name)?;
        let Some(fields) = value.as_object() else {
            self.refuse(name);
            return None;
        };
        self.problems.extend(unknown_fields(object, object, fields));
        Some(Fields {
            object: object.to_owned(),
            table,
            home: self.home,
            given: fields,
            problems: &mut self.problems,
        })
    }
}

impl Fields<'_> {
    /// The entries of a list of objects that are right, at most so many; nothing where there is no list.
    pub(super) fn objects<T>(
        &mut self,
        name: &'static str,
        most: usize,
        table: &'static [(&'static str, &'static str)],
        read: impl Fn(&mut Fields<'_>) -> Option<T>,
    ) -> Vec<T> {
        let Some(value) = self.given.get(name) else {
            return Vec::new();
        };
        let entries = value.as_array().filter(|entries| entries.len() <= most);
        let Some(entries) = entries else {
            self.refuse(name);
            return Vec::new();
        };
        let list = self.named(name);
        let mut found = Vec::new();
        for (number, entry) in entries.iter().enumerate() {
            let object = format!("{list}[{number}]");
            let Some(given) = entry.as_object() else {
                let allowed = allowed(self.table, name, self.home);
                self.problems.push(problem(&object, Some(entry), allowed));
                continue;
            };
            let object = format!("{object}.");
            let unknown = unknown_fields(&format!("{list}."), &object, given);
            self.problems.extend(unknown);
            found.extend(read(&mut Fields {
                object,
                table,
                home: self.home,
                given,
                problems: self.problems,
            }));
        }
        found
    }

    /// The fields of an object within this one; `of` is what stands before their names without the numbers of entries.
    pub(super) fn object(
        &mut self,
        name: &str,
        of: &str,
        table: &'static [(&'static str, &'static str)],
    ) -> Option<Fields<'_>> {
        let value = self.given.get(name)?;
        let Some(given) = value.as_object() else {
            self.refuse(name);
            return None;
        };
        let object = format!("{}.", self.named(name));
        self.problems.extend(unknown_fields(of, &object, given));
        Some(Fields {
            object,
            table,
            home: self.home,
            given,
            problems: self.problems,
        })
    }

    /// A field with what stands before its name.
    pub(super) fn named(&self, field: &str) -> String {
        format!("{}{field}", self.object)
    }

    pub(super) fn required<T>(
        &mut self,
        field: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Option<T> {
        if !self.given.contains_key(field) {
            self.refuse(field);
        }
        self.optional(field, read)
    }

    pub(super) fn optional<T>(
        &mut self,
        field: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.given.get(field)?;
        let wanted = read(value);
        if wanted.is_none() {
            self.refuse(field);
            let entry = wrong_entry(value, |list| read(list).is_some());
            name_entry(self.problems.last_mut(), entry);
        }
        wanted
    }

    /// The one of several fields that is there; several, or none, are refused.
    pub(super) fn one_of(&mut self, ways: &[&'static str], none: &str) -> Option<&'static str> {
        let found: Vec<_> = ways
            .iter()
            .filter(|way| self.given.contains_key(**way))
            .collect();
        if let [way] = found[..] {
            return Some(way);
        }
        let given: Vec<_> = found.into_iter().copied().collect();
        self.problems.push(Problem::Wrong {
            field: self.object.trim_end_matches('.').to_owned(),
            given: if given.is_empty() {
                none.to_owned()
            } else {
                format!("set in {} ways at once ({})", given.len(), given.join(", "))
            },
            allowed: format!("one of {}", ways.join(", ")),
        });
        None
    }

    pub(super) fn refuse(&mut self, field: &str) {
        let allowed = allowed(self.table, field, self.home);
        let value = self.given.get(field);
        let field = self.named(field);
        self.problems.push(problem(&field, value, allowed));
    }
}

/// Names the entry of a list, where one is wrong, in the place of the list.
fn name_entry(problem: Option<&mut Problem>, entry: Option<(usize, &Value)>) {
    if let (Some((at, entry)), Some(Problem::Wrong { field, given, .. })) = (entry, problem) {
        *field = format!("{field}[{at}]");
        *given = shown(entry);
    }
}
