//! Drawing from an input's bytes. An input that ends early draws the first of everything.

use arbitrary::Unstructured;
use serde_json::{Map, Value};

/// One of several; the first where the input has ended.
pub(crate) fn one<T: Clone>(bytes: &mut Unstructured<'_>, from: &[T]) -> T {
    bytes.choose(from).unwrap_or(&from[0]).clone()
}

/// Yes, once in so many times.
pub(crate) fn once_in(bytes: &mut Unstructured<'_>, times: u8) -> bool {
    bytes
        .int_in_range(0..=times - 1)
        .is_ok_and(|drawn| drawn == 1)
}

/// A count of tasks, targets or seconds: mostly small, sometimes as large as it gets.
pub(crate) fn count(bytes: &mut Unstructured<'_>) -> u32 {
    const COUNTS: [u32; 12] = [
        4,
        0,
        1,
        2,
        3,
        5,
        8,
        10,
        100,
        86_400,
        i32::MAX.cast_unsigned(),
        u32::MAX,
    ];
    if once_in(bytes, 8) {
        return bytes.arbitrary().unwrap_or(0);
    }
    one(bytes, &COUNTS)
}

/// Text that may hold anything.
pub(crate) fn text(bytes: &mut Unstructured<'_>) -> String {
    bytes.arbitrary::<&str>().unwrap_or_default().to_owned()
}

/// Any JSON, a few levels deep.
pub(crate) fn json(bytes: &mut Unstructured<'_>, depth: u8) -> Value {
    let kinds = if depth == 0 { 5 } else { 7 };
    match bytes.int_in_range(0..=kinds).unwrap_or(0) {
        0 => Value::Null,
        1 => Value::Bool(bytes.arbitrary().unwrap_or(false)),
        2 => Value::from(bytes.arbitrary::<i64>().unwrap_or(0)),
        3 => Value::from(bytes.arbitrary::<f64>().unwrap_or(0.0)),
        4 => Value::from(count(bytes)),
        5 => Value::String(text(bytes)),
        6 => (0..bytes.int_in_range(0..=4).unwrap_or(0))
            .map(|_| json(bytes, depth - 1))
            .collect(),
        _ => {
            let mut fields = Map::new();
            for _ in 0..bytes.int_in_range(0..=4).unwrap_or(0) {
                let name = text(bytes);
                fields.insert(name, json(bytes, depth - 1));
            }
            Value::Object(fields)
        }
    }
}
