//! EventBridge: which events it takes.

use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use ebbtide_simulator::SimulatedAws;
use ebbtide_simulator::fault::Fault;
use ebbtide_simulator::world::{PutEvents, World};
use serde_json::{Value, json};

use crate::support::{refusal, scenario};

fn world() -> World {
    scenario("{}").world().expect("a world")
}

fn put(world: &mut World, entries: &Value) -> Result<Value, &'static str> {
    let request: PutEvents =
        serde_json::from_value(json!({ "Entries": entries })).expect("a request");
    let results = world.put_events(&request).map_err(|refused| refused.code)?;
    Ok(serde_json::to_value(results).expect("JSON"))
}

fn entry() -> Value {
    json!({ "Source": "us", "DetailType": "Something Happened", "Detail": r#"{"a": 1}"# })
}

#[test]
fn an_event_is_taken_with_its_detail_as_json() {
    let mut world = world();
    world.take_events();
    let results = put(&mut world, &json!([entry(), entry()])).expect("results");
    let ids = [&results[0]["EventId"], &results[1]["EventId"]];
    assert!(ids[0].is_string() && ids[0] != ids[1], "{results}");
    let events = world.take_events().into_iter();
    let told: Vec<_> = events.map(|event| event.kind.to_string()).collect();
    let wanted = r#"EventBridge got 'Something Happened' from us: {"a":1}"#;
    assert_eq!(told, [wanted; 2]);
}

#[test]
fn an_entry_is_refused_by_itself_and_the_others_are_taken() {
    let mut world = world();
    world.take_events();
    let not_authorized = "NotAuthorizedForSourceException";
    for (field, value, code) in [
        ("Source", json!(""), "InvalidArgument"),
        ("Source", json!("aws.ecs"), not_authorized),
        ("DetailType", json!(""), "InvalidArgument"),
        ("Detail", json!(""), "InvalidArgument"),
        ("Detail", json!("{"), "MalformedDetail"),
        ("Detail", json!("[1]"), "MalformedDetail"),
        ("EventBusName", json!("another"), "InvalidArgument"),
    ] {
        let mut wrong = entry();
        wrong[field] = value;
        let results = put(&mut world, &json!([wrong, entry()])).expect("results");
        assert_eq!(results[0]["ErrorCode"], code, "{wrong}");
        assert!(results[0]["ErrorMessage"].is_string(), "{wrong}");
        assert!(results[1]["EventId"].is_string(), "{wrong}");
        assert_eq!(world.take_events().len(), 1, "{wrong}");
    }
    assert_eq!(put(&mut world, &json!([])), Err("ValidationException"));
    let many: Value = (0..11).map(|_| entry()).collect();
    assert_eq!(put(&mut world, &many), Err("ValidationException"));
    assert_eq!(world.take_events(), []);
}

fn sdk_entry(source: &str) -> PutEventsRequestEntry {
    PutEventsRequestEntry::builder()
        .source(source)
        .detail_type("Something Happened")
        .detail(r#"{"a": 1}"#)
        .resources("arn:aws:ecs:us-east-1:555555555555:service/main/chat")
        .build()
}

#[tokio::test(start_paused = true)]
async fn the_sdk_gets_the_refused_entries_among_the_taken_ones() {
    let aws = SimulatedAws::new(world(), 1.0);
    let client = aws_sdk_eventbridge::Client::new(&aws.sdk_config("test"));
    aws.with_world(World::take_events);
    let put = client.put_events().entries(sdk_entry("us"));
    let put = put.entries(sdk_entry("aws.us")).send().await;
    let put = put.expect("an answer");
    assert_eq!(put.failed_entry_count(), 1);
    let [taken, refused] = put.entries() else {
        panic!("{put:?}");
    };
    assert!(taken.event_id().is_some());
    assert_eq!(taken.error_code(), None);
    assert_eq!(refused.event_id(), None);
    let code = refused.error_code();
    assert_eq!(code, Some("NotAuthorizedForSourceException"));
    assert!(refused.error_message().is_some());
    assert_eq!(aws.with_world(World::take_events).len(), 1);
    let none = client.put_events().set_entries(Some(Vec::new()));
    assert_eq!(refusal(none.send().await).0, "ValidationException");
}

#[tokio::test(start_paused = true)]
async fn an_event_whose_answer_is_lost_is_put_twice() {
    let aws = SimulatedAws::new(world(), 1.0);
    let client = aws_sdk_eventbridge::Client::new(&aws.sdk_config("test"));
    aws.with_world(World::take_events);
    aws.plan_faults([(1, Fault::LostReply)]);
    let put = client.put_events().entries(sdk_entry("us")).send();
    assert_eq!(put.await.expect("an answer").failed_entry_count(), 0);
    assert_eq!(aws.with_world(World::take_events).len(), 2);
}
