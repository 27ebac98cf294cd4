//! awsQuery requests: flat `Name.member.N.Field=value` pairs, as a tree.

use std::collections::BTreeMap;

use serde_json::Value;

/// A request's parameters before it is known which are lists.
#[derive(Default)]
struct Node {
    text: Option<String>,
    members: BTreeMap<String, Node>,
}

/// Parts of a parameter's name. Elastic Load Balancing's have nine; without a limit, a request could exhaust the stack.
const DEEPEST: usize = 32;

/// The parameters of a form-encoded request: structures as objects, `member` lists as arrays in the
/// order of their numbers, `entry` maps as objects, everything else as text. A parameter without a value counts as not given:
/// that is how clients write an empty list.
pub(super) fn parameters(form: &[u8]) -> Result<Value, String> {
    let mut root = Node::default();
    for (name, value) in form_urlencoded::parse(form) {
        if name.split('.').count() > DEEPEST {
            let start: String = name.chars().take(40).collect();
            return Err(format!("the parameter '{start}…' is nested too deeply"));
        }
        if value.is_empty() && !name.contains('.') {
            continue;
        }
        let mut node = &mut root;
        for part in name.split('.') {
            node = node.members.entry(part.to_owned()).or_default();
        }
        node.text = Some(value.into_owned());
    }
    if root.members.is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    Ok(value(root))
}

fn value(node: Node) -> Value {
    let Node { text, mut members } = node;
    if members.is_empty() {
        return text.map_or(Value::Null, Value::String);
    }
    let mut only = |name: &str| match members.len() {
        1 => members.remove(name),
        _ => None,
    };
    if let Some(map) = only("entry") {
        let entries = map.members.into_values().filter_map(|mut entry| {
            let key = entry.members.remove("key")?.text?;
            Some((key, value(entry.members.remove("value")?)))
        });
        return entries.collect();
    }
    let Some(list) = only("member") else {
        let members = members.into_iter();
        return members
            .map(|(name, member)| (name, value(member)))
            .collect();
    };
    let mut items: Vec<_> = list.members.into_iter().collect();
    items.sort_by_key(|(number, _)| number.parse::<u32>().unwrap_or(u32::MAX));
    items.into_iter().map(|(_, item)| value(item)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Value, parameters};

    #[test]
    fn flat_names_become_a_tree() {
        let cases = r#"
 => {}
Names=&Action=DescribeTags => { "Action": "DescribeTags" }
Names.member.2=b&Names.member.10=c&Names.member.1=a => { "Names": ["a", "b", "c"] }
Tags.member.1.Key=a%20b&Tags.member.1.Value= => { "Tags": [{ "Key": "a b", "Value": "" }] }
E.entry.1.key=p&E.entry.1.value=q&E.entry.2.key=r&E.entry.2.value=s => { "E": { "p": "q", "r": "s" } }
A.member.1.F.G.member.1.W=0&A.member.1.F.S.E=true => { "A": [{ "F": { "G": [{ "W": "0" }], "S": { "E": "true" } } }] }
"#;
        for case in cases.lines().skip(1) {
            let (form, tree) = case.split_once(" => ").expect("a form and its tree");
            let tree: Value = serde_json::from_str(tree).expect("JSON");
            assert_eq!(parameters(form.as_bytes()), Ok(tree), "{form}");
        }
    }

    #[test]
    fn a_name_that_is_nested_too_deeply_is_refused() {
        let deep = |parts: usize| parameters(vec!["a"; parts].join(".").as_bytes());
        assert!(deep(super::DEEPEST).is_ok());
        for parts in [super::DEEPEST + 1, 1_000_000] {
            let refused = deep(parts).expect_err("too deep");
            assert!(refused.contains("nested too deeply"), "{refused}");
        }
    }
}
