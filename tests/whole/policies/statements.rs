//! Reading the policies of a template.

use std::collections::BTreeSet;

use saphyr::Yaml;

pub(super) fn tagged(node: &Yaml<'_>) -> String {
    match node {
        Yaml::Tagged(_, inner) => inner.as_str().unwrap().to_owned(),
        other => panic!("not a function of CloudFormation: {other:?}"),
    }
}

/// Every `Action` under a node, wherever its policies put it.
pub(super) fn actions(node: &Yaml<'_>, found: &mut BTreeSet<String>) {
    match node {
        Yaml::Tagged(_, inner) => actions(inner, found),
        Yaml::Sequence(items) => items.iter().for_each(|item| actions(item, found)),
        Yaml::Mapping(fields) => {
            for (key, value) in fields {
                if key.as_str() != Some("Action") {
                    actions(value, found);
                } else if let Some(action) = value.as_str() {
                    found.insert(action.to_owned());
                } else {
                    let listed = value.as_vec().unwrap().iter();
                    found.extend(listed.map(|action| action.as_str().unwrap().to_owned()));
                }
            }
        }
        _ => {}
    }
}

/// The statements of a role's own policies and of those that it shares.
pub(super) fn statements<'a>(resources: &'a Yaml<'a>, role: &str) -> Vec<&'a Yaml<'a>> {
    let properties = &resources[role]["Properties"];
    let own = properties["Policies"].as_vec().unwrap().iter();
    let own = own.map(|policy| &policy["PolicyDocument"]);
    let shared = properties.as_mapping_get("ManagedPolicyArns");
    let shared = shared.map_or(&[][..], |listed| listed.as_vec().unwrap());
    let shared = shared
        .iter()
        .map(|name| &resources[tagged(name).as_str()]["Properties"]["PolicyDocument"]);
    let documents = own.chain(shared);
    documents
        .flat_map(|document| document["Statement"].as_vec().unwrap())
        .map(given)
        .collect()
}

/// A statement that a condition leaves out is one that it may leave in.
fn given<'a>(statement: &'a Yaml<'a>) -> &'a Yaml<'a> {
    match statement {
        Yaml::Tagged(_, branches) => branches.as_vec().unwrap().last().unwrap(),
        statement => statement,
    }
}

/// Those that allow, and those that deny.
pub(super) fn by_effect<'a>(
    resources: &'a Yaml<'a>,
    role: &str,
    effect: &str,
) -> Vec<&'a Yaml<'a>> {
    let mut statements = statements(resources, role);
    statements.retain(|statement| statement["Effect"].as_str() == Some(effect));
    statements
}

/// The statement that begins with an action.
pub(super) fn statement<'a>(
    resources: &'a Yaml<'a>,
    role: &str,
    action: &str,
) -> Option<&'a Yaml<'a>> {
    let mut statements = by_effect(resources, role, "Allow").into_iter();
    statements.find(|statement| statement["Action"][0].as_str() == Some(action))
}

pub(super) fn allowed(resources: &Yaml<'_>, role: &str) -> BTreeSet<String> {
    let statements = by_effect(resources, role, "Allow").into_iter();
    statements.flat_map(actions_of).collect()
}

pub(super) fn actions_of(node: &Yaml<'_>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    actions(node, &mut found);
    found
}
