//! awsQuery answers: a value as XML.

use std::io;

use quick_xml::Writer;
use quick_xml::events::BytesText;
use serde_json::Value;

/// `<root xmlns="…">` with the value's members. Objects become elements, arrays lists of
/// `<member>` (under `entry`, as in maps, they repeat it), nulls nothing.
pub(super) fn document(root: &str, namespace: &str, value: &Value) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    let written = writer
        .create_element(root)
        .with_attribute(("xmlns", namespace))
        .write_inner_content(|writer| members(writer, value))
        .map(|_| ());
    // Writing into memory does not fail; an empty document would be seen by every client.
    if written.is_err() {
        Vec::new()
    } else {
        writer.into_inner()
    }
}

fn members(writer: &mut Writer<Vec<u8>>, value: &Value) -> io::Result<()> {
    match value {
        Value::Null => Ok(()),
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, field)| !field.is_null())
            .try_for_each(|(name, field)| match field {
                Value::Array(entries) if name == "entry" => entries
                    .iter()
                    .try_for_each(|entry| element(writer, name, entry)),
                field => element(writer, name, field),
            }),
        Value::Array(items) => items
            .iter()
            .try_for_each(|item| element(writer, "member", item)),
        Value::String(text) => {
            let text = text.replace(|c| !is_allowed(c), "\u{fffd}");
            writer.write_event(quick_xml::events::Event::Text(BytesText::new(&text)))
        }
        Value::Bool(_) | Value::Number(_) => {
            let text = value.to_string();
            writer.write_event(quick_xml::events::Event::Text(BytesText::new(&text)))
        }
    }
}

/// Whether XML 1.0 has a way to write a character: what a request was refused for may hold any.
fn is_allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

fn element(writer: &mut Writer<Vec<u8>>, name: &str, value: &Value) -> io::Result<()> {
    writer
        .create_element(name)
        .write_inner_content(|writer| members(writer, value))
        .map(|_| ())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn values_become_elements_and_are_escaped() {
        let value = json!({ "A": [{ "B": "<&\u{1}>" }], "N": 1, "Z": null, "E": [], "M": { "entry": [1, 2] } });
        let xml = super::document("R", "urn:x", &value);
        assert_eq!(
            String::from_utf8(xml).expect("text"),
            "<R xmlns=\"urn:x\"><A><member><B>&lt;&amp;\u{fffd}&gt;</B></member></A><N>1</N><E></E><M><entry>1</entry><entry>2</entry></M></R>"
        );
    }
}
