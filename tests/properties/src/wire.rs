//! The simulated AWS at the other end of anybody's connection.

use std::sync::OnceLock;

use bytes::Bytes;
use ebbtide_simulator::world::World;
use ebbtide_simulator::{Names, Scenario, wire};
use http::header::HeaderValue;
use http::{Request, Response};
use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::Value;

/// Requests of one input, at most: time passes in between, and each may start tasks.
const REQUESTS: usize = 8;

/// Milliseconds that pass after each request.
const PAUSE: u64 = 20_000;

/// Any bytes get an answer of the protocol, a refused request changes nothing, and the world that is
/// left can be saved, loaded and lived in.
///
/// The input is up to eight requests, separated by the byte 0x1E. The first line of each is the
/// `X-Amz-Target` of a request in awsJson, or empty for one in awsQuery; the rest is its body.
pub fn wire(data: &[u8]) {
    let mut world = world().clone();
    for bytes in data.split(|byte| *byte == 0x1E).take(REQUESTS) {
        let Some(request) = request(bytes) else {
            continue;
        };
        let mut before = world.without_log();
        let response = wire::handle(&mut world, "anybody", &request);
        let wrote = world.differs_from(&mut before);
        if let Err(why) = answered(&request, &response, wrote) {
            panic!("{why}: {request:?} got {response:?}");
        }
        world.advance_to(world.now() + PAUSE);
    }
    let saved = serde_json::to_string(&world).expect("a world that can be saved");
    let loaded: World = serde_json::from_str(&saved).expect("a world that can be loaded");
    assert!(
        loaded == world,
        "another world was loaded than saved: {saved}"
    );
}

/// What is wrong with an answer to a request that has changed the world, or has not.
pub fn answered(
    request: &Request<Bytes>,
    response: &Response<Bytes>,
    wrote: bool,
) -> Result<(), &'static str> {
    if !response.headers().contains_key("x-amzn-requestid") {
        return Err("it has no request id");
    }
    let target = request.headers().get("x-amz-target");
    if target.is_some_and(|target| target.to_str().is_ok()) {
        match serde_json::from_slice::<Value>(response.body()) {
            Ok(Value::Object(_)) => {}
            Ok(_) | Err(_) => return Err("it is no JSON object"),
        }
    } else {
        is_xml(response.body())?;
    }
    let status = response.status().as_u16();
    if !matches!(status, 200 | 400..=499) {
        return Err("its status is neither success nor a refusal");
    }
    if status != 200 && wrote {
        return Err("it refuses, and yet it has written");
    }
    Ok(())
}

/// A well-formed XML document, of characters that XML allows.
fn is_xml(body: &[u8]) -> Result<(), &'static str> {
    let text = std::str::from_utf8(body).map_err(|_| "it is no text")?;
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..);
    if !text.chars().all(allowed) {
        return Err("it holds a character that XML does not allow");
    }
    let mut reader = Reader::from_str(text);
    let mut depth = 0u32;
    let mut elements = 0;
    loop {
        match reader.read_event() {
            Ok(Event::Start(_)) => (depth, elements) = (depth + 1, elements + 1),
            Ok(Event::End(_)) => {
                depth = depth.checked_sub(1).ok_or("it ends what has not begun")?;
            }
            Ok(Event::Eof) if depth == 0 && elements > 0 => return Ok(()),
            Ok(Event::Eof) => return Err("it ends too early"),
            Ok(_) => {}
            Err(_) => return Err("it is no XML"),
        }
    }
}

fn request(bytes: &[u8]) -> Option<Request<Bytes>> {
    let line = bytes.iter().position(|byte| *byte == b'\n')?;
    let (target, body) = (&bytes[..line], &bytes[line + 1..]);
    let mut request = Request::new(Bytes::copy_from_slice(body));
    if !target.is_empty() {
        let target = HeaderValue::from_bytes(target).ok()?;
        request.headers_mut().insert("x-amz-target", target);
    }
    Some(request)
}

/// A service in service: made once, because that takes a simulated day.
fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let scenario = Scenario {
            tasks: 2,
            ..Scenario::default()
        };
        // The corpus names these.
        let names = Names {
            cluster: "sample-cluster".to_owned(),
            service: "sample-service".to_owned(),
            task_definition: "sample-app:2".to_owned(),
            ..Names::default()
        };
        scenario.world_for(&names).expect("a world")
    })
}
