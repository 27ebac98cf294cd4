//! smithy-rpc-v2-cbor: the operation in the path, CBOR in the body.
//!
//! `aws-sdk-cloudwatch` speaks nothing else. Operations take and answer JSON, as in the other
//! protocols: CBOR is read into it and written from it. What Smithy does not write is refused.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response};
// minicbor, because aws-smithy-cbor stands on it and it adds no crate. It reads item by item, so that the
// tag of an instant is seen; aws-smithy-cbor itself would be one codec at both ends of the wire.
use minicbor::data::{IanaTag, Tag, Type};
use minicbor::{Decoder, Encoder, decode, encode};
use serde_json::{Map, Number, Value};

use super::service::CLOUDWATCH;
use super::{Answer, respond};
use crate::world::World;

const CONTENT_TYPE: &str = "application/cbor";

/// The header that every request and every answer has, and its value.
const PROTOCOL: (&str, &str) = ("smithy-protocol", "rpc-v2-cbor");

/// How deep lists and maps may be in one another. Without a limit, a request could exhaust the stack.
const DEEPEST: usize = 64;

/// The path of a request in this protocol.
pub(super) fn path(request: &Request<Bytes>) -> Option<&str> {
    let (header, value) = PROTOCOL;
    let spoken = request.headers().get(header)?;
    (spoken == value).then(|| request.uri().path())
}

/// The last part of a path: `…/service/SERVICE/operation/OPERATION`.
pub(super) fn operation(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

pub(super) fn answer(
    world: &mut World,
    path: &str,
    method: &Method,
    input: impl FnOnce() -> Result<Value, String>,
) -> Answer {
    let asked = operation(path);
    let parts: Vec<_> = path.rsplit('/').skip(1).take(3).collect();
    let name = CLOUDWATCH.target.trim_end_matches('.');
    let is_here = parts == ["operation", name, "service"] && method == Method::POST;
    CLOUDWATCH.perform(world, is_here.then_some(asked), path, input)
}

pub(super) fn response(answer: Answer, request_id: &str, instants: &[&str]) -> Response<Bytes> {
    let (status, body) = CLOUDWATCH.status_and_body(answer);
    let body = write(&body, instants);
    let mut response = respond(status, CONTENT_TYPE, request_id, body);
    let (header, value) = PROTOCOL;
    let value = HeaderValue::from_static(value);
    response.headers_mut().insert(header, value);
    response
}

/// The members of these names are instants: they become the seconds since the Unix epoch that awsJson has.
pub(super) fn read(bytes: &[u8], instants: &[&str]) -> Result<Value, decode::Error> {
    let mut decoder = Decoder::new(bytes);
    let value = item(&mut decoder, instants, false, DEEPEST)?;
    if decoder.position() != bytes.len() {
        return Err(decode::Error::message("something follows the first item"));
    }
    Ok(value)
}

fn item(
    decoder: &mut Decoder<'_>,
    instants: &[&str],
    instant: bool,
    depth: usize,
) -> Result<Value, decode::Error> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(decode::Error::message("it is nested too deeply"));
    };
    let kind = decoder.datatype()?;
    Ok(match kind {
        // Smithy has no undefined: it stands for null.
        Type::Null | Type::Undefined => {
            decoder.skip()?;
            Value::Null
        }
        Type::Array | Type::ArrayIndef => {
            let mut left = decoder.array()?;
            let mut items = Vec::new();
            while goes_on(decoder, &mut left)? {
                items.push(item(decoder, instants, instant, depth)?);
            }
            Value::Array(items)
        }
        Type::Tag if instant => {
            if decoder.tag()? != Tag::from(IanaTag::Timestamp) {
                return Err(decode::Error::message("an instant has another tag than 1"));
            }
            number(decoder)?
        }
        _ if instant => return Err(decode::Error::message("an instant has no tag")),
        Type::Map | Type::MapIndef => {
            let mut left = decoder.map()?;
            let mut fields = Map::new();
            while goes_on(decoder, &mut left)? {
                let name = text(decoder)?;
                let instant = instants.contains(&name.as_str());
                let value = item(decoder, instants, instant, depth)?;
                if fields.insert(name, value).is_some() {
                    return Err(decode::Error::message("a member is there twice"));
                }
            }
            Value::Object(fields)
        }
        Type::String | Type::StringIndef => text(decoder)?.into(),
        Type::Bool => decoder.bool()?.into(),
        _ => number(decoder)?,
    })
}

/// Whether a list or map has one more; it has said how many it has, or ends with a break.
fn goes_on(decoder: &mut Decoder<'_>, left: &mut Option<u64>) -> Result<bool, decode::Error> {
    if let Some(left) = left {
        let more = *left > 0;
        *left = left.saturating_sub(1);
        return Ok(more);
    }
    let more = decoder.datatype()? != Type::Break;
    if !more {
        decoder.skip()?;
    }
    Ok(more)
}

/// In one piece, or in several.
fn text(decoder: &mut Decoder<'_>) -> Result<String, decode::Error> {
    decoder.str_iter()?.collect()
}

fn number(decoder: &mut Decoder<'_>) -> Result<Value, decode::Error> {
    match decoder.datatype()? {
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => Ok(decoder.u64()?.into()),
        Type::I8 | Type::I16 | Type::I32 | Type::I64 => Ok(decoder.i64()?.into()),
        Type::F16 | Type::F32 | Type::F64 => {
            let finite = Number::from_f64(decoder.f64()?);
            let finite = finite.ok_or_else(|| decode::Error::message("a number is not finite"))?;
            Ok(Value::Number(finite))
        }
        // Binary values, tags, integers of more than 64 bits: no operation here takes any.
        other => Err(decode::Error::type_mismatch(other)),
    }
}

/// Seconds become instants in the members of these names.
fn write(value: &Value, instants: &[&str]) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    // Writing into memory does not fail; an empty body would be seen by every client.
    let written = write_item(&mut encoder, value, instants, false);
    written.map_or_else(|_| Vec::new(), |()| encoder.into_writer())
}

fn write_item(
    encoder: &mut Encoder<Vec<u8>>,
    value: &Value,
    instants: &[&str],
    instant: bool,
) -> Result<(), encode::Error<Infallible>> {
    match value {
        Value::Null => encoder.null()?.ok(),
        Value::Bool(value) => encoder.bool(*value)?.ok(),
        Value::Number(number) => {
            if instant {
                encoder.tag(IanaTag::Timestamp)?;
            }
            match (number.as_u64(), number.as_i64()) {
                (Some(value), _) => encoder.u64(value)?.ok(),
                (None, Some(value)) => encoder.i64(value)?.ok(),
                (None, None) => encoder.f64(number.as_f64().unwrap_or_default())?.ok(),
            }
        }
        Value::String(text) => encoder.str(text)?.ok(),
        Value::Array(items) => {
            encoder.array(items.len() as u64)?;
            let mut items = items.iter();
            items.try_for_each(|item| write_item(encoder, item, instants, instant))
        }
        Value::Object(fields) => {
            encoder.map(fields.len() as u64)?;
            fields.iter().try_for_each(|(name, field)| {
                encoder.str(name)?;
                write_item(encoder, field, instants, instants.contains(&name.as_str()))
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use minicbor::decode;

    use super::Value;
    use crate::wire::cloudwatch::INSTANTS;

    fn read(bytes: &[u8]) -> Result<Value, decode::Error> {
        super::read(bytes, &INSTANTS)
    }

    fn write(value: &Value) -> Vec<u8> {
        super::write(value, &INSTANTS)
    }

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<_> = hex.chars().filter(|c| !c.is_whitespace()).collect();
        let pairs = digits.chunks(2).map(String::from_iter);
        let bytes = pairs.map(|pair| u8::from_str_radix(&pair, 16).expect("hex"));
        bytes.collect()
    }

    #[test]
    fn what_other_codecs_write_is_read() {
        for (hex, value) in [
            // botocore's serializer, of a request.
            (
                "a3 714d657472696344617461517565726965 73 81 a2 624964 6171 6a52657475726e44617461 f5
                 69537461727454696d65 c1 1a6955b900 67456e6454696d65 c1 1a6955b900",
                json!({
                    "MetricDataQueries": [{ "Id": "q", "ReturnData": true }],
                    "StartTime": 1_767_225_600, "EndTime": 1_767_225_600,
                }),
            ),
            // Smithy's protocol tests: scalars, in a map of a known length.
            (
                "a9 696279746556616c7565 05 6b646f75626c6556616c7565 fb3ffe395810624dd3
                 7166616c7365426f6f6c65616e56616c7565 f4 6a666c6f617456616c7565 fa40f40000
                 6c696e746567657256616c7565 190100 696c6f6e6756616c7565 192691
                 6a73686f727456616c7565 1926aa 6b737472696e6756616c7565 6673696d706c65
                 7074727565426f6f6c65616e56616c7565 f5",
                json!({
                    "byteValue": 5, "doubleValue": 1.889, "falseBooleanValue": false,
                    "floatValue": 7.625, "integerValue": 256, "longValue": 9873,
                    "shortValue": 9898, "stringValue": "simple", "trueBooleanValue": true,
                }),
            ),
            // Maps, lists and texts that end with a break; half precision; undefined for null.
            (
                "bf 6161 9f f93e00 3903e7 ff 6162 7f 6373696d 63706c65 ff 6163 f7 ff",
                json!({ "a": [1.5, -1000], "b": "simple", "c": null }),
            ),
            // An instant with milliseconds.
            (
                "a1 67456e6454696d65 c1 fb41da556e40200000",
                json!({ "EndTime": 1_767_225_600.5 }),
            ),
        ] {
            assert_eq!(read(&bytes(hex)).expect("CBOR"), value, "{hex}");
        }
    }

    #[test]
    fn what_smithy_does_not_write_is_refused() {
        for (hex, why) in [
            ("", "end of input"),
            ("a1 6161", "end of input"),
            ("9b ffffffffffffffff 01", "end of input"),
            ("a0 00", "something follows"),
            ("a2 6161 01 6161 02", "twice"),
            ("a1 01 01", "unexpected type"),
            ("41 00", "unexpected type"),
            ("c2 41 01", "unexpected type"),
            ("3b ffffffffffffffff", "unexpected type"),
            ("f9 7e00", "not finite"),
            ("a1 6161 c1 00", "unexpected type"),
            ("a1 67456e6454696d65 00", "no tag"),
            ("a1 67456e6454696d65 c0 6131", "another tag"),
            ("61 ff", "utf-8"),
            (&"81".repeat(100_000), "too deeply"),
        ] {
            let refused = read(&bytes(hex)).expect_err(why).to_string();
            assert!(refused.contains(why), "{refused} has not {why}");
        }
    }

    #[test]
    fn instants_have_a_tag_and_doubles_stay_doubles() {
        let answer = json!({
            "Timestamps": [1_767_225_600.0, 1_767_225_600.5], "Values": [10.0], "Count": 10,
            "Below": -1000, "StateUpdatedTimestamp": 1_767_225_600.0, "Complete": true,
        });
        let written = bytes(
            "a6 6a54696d657374616d7073 82 c1 fb41da556e40000000 c1 fb41da556e40200000
             6656616c756573 81 fb4024000000000000 65436f756e74 0a 6542656c6f77 3903e7
             755374617465557064617465645 4696d657374616d70 c1 fb41da556e40000000
             68436f6d706c657465 f5",
        );
        assert_eq!(write(&answer), written);
        assert_eq!(read(&written).expect("CBOR"), answer);
    }

    mod no_bytes {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #[test]
            fn make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
                let read: Option<Value> = read(&bytes).ok();
                // What was read can be written, and is read the same.
                if let Some(value) = read {
                    prop_assert_eq!(super::read(&write(&value)).expect("CBOR"), value);
                }
            }
        }
    }
}
