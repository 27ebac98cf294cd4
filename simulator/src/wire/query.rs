//! awsQuery requests: flat `Name.member.N.Field=value` pairs, as a tree.

use std::collections::BTreeMap;

use serde_json::Value;

/// A request's parameters before it is known which are lists.
#[derive(Default)]
struct Node {
    text: Option<String>,
    members: BTreeMap<String, Node>,
}

/// The parameters of a form-encoded request: structures as objects, `member` lists as arrays in the
/// order of their numbers, everything else as text. A parameter without a value counts as not given:
/// that is how clients write an empty list.
pub(super) fn parameters(form: &[u8]) -> Value {
    let mut root = Node::default();
    for (name, value) in form_urlencoded::parse(form) {
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
        return Value::Object(serde_json::Map::new());
    }
    value(root)
}

fn value(node: Node) -> Value {
    let Node { text, mut members } = node;
    if members.is_empty() {
        return text.map_or(Value::Null, Value::String);
    }
    if members.len() > 1 || !members.contains_key("member") {
        return members
            .into_iter()
            .map(|(name, member)| (name, value(member)))
            .collect();
    }
    let mut items: Vec<_> = members
        .remove("member")
        .map(|list| list.members)
        .unwrap_or_default()
        .into_iter()
        .map(|(number, item)| (number.parse::<u32>().unwrap_or(u32::MAX), item))
        .collect();
    items.sort_by_key(|(number, _)| *number);
    items.into_iter().map(|(_, item)| value(item)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::parameters;

    #[test]
    fn flat_names_become_a_tree() {
        for (form, tree) in [
            ("", json!({})),
            (
                "Names=&Action=DescribeTags",
                json!({ "Action": "DescribeTags" }),
            ),
            (
                "Names.member.2=b&Names.member.10=c&Names.member.1=a",
                json!({ "Names": ["a", "b", "c"] }),
            ),
            (
                "Tags.member.1.Key=a%20b&Tags.member.1.Value=",
                json!({ "Tags": [{ "Key": "a b", "Value": "" }] }),
            ),
            (
                "A.member.1.F.G.member.1.W=0&A.member.1.F.S.E=true",
                json!({ "A": [{ "F": { "G": [{ "W": "0" }], "S": { "E": "true" } } }] }),
            ),
        ] {
            assert_eq!(parameters(form.as_bytes()), tree, "{form}");
        }
    }
}
