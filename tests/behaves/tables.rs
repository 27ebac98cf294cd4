//! DynamoDB's tables: conditional writes, reads that may be stale, and what is refused.

use std::collections::BTreeMap;

use bytes::Bytes;
use ebbtide_simulator::world::{
    AttributeValue, GetItem, Item, Outcome, Timings, UpdateItem, World,
};
use ebbtide_simulator::{SimulatedAws, wire};
use serde_json::{Value, json};

use crate::support::{aws, cases, changed, wait};

const TABLE: &str = "locks";

fn world() -> World {
    let mut world = World::starting_at("555555555555", "us-east-1", Timings::default(), 1, 0);
    world.put_table(TABLE, "id");
    world
}

fn parsed<T: serde::de::DeserializeOwned>(request: Value) -> T {
    serde_json::from_value(request).expect("a request")
}

/// As a deployment takes its lock.
fn acquire_json(owner: &str) -> Value {
    json!({
        "TableName": TABLE,
        "Key": { "id": { "S": "main/chat" } },
        "ConditionExpression": "attribute_not_exists(#owner) OR #owner = :me",
        "UpdateExpression": "SET #owner = :me ADD fence :one, revision :one",
        "ExpressionAttributeNames": { "#owner": "owner" },
        "ExpressionAttributeValues": { ":me": { "S": owner }, ":one": { "N": "1" } },
        "ReturnValues": "ALL_NEW",
    })
}

fn acquire(owner: &str) -> UpdateItem {
    parsed(acquire_json(owner))
}

fn get(consistent: bool) -> GetItem {
    GetItem {
        table_name: TABLE.to_owned(),
        key: key(),
        consistent_read: consistent,
    }
}

fn key() -> Item {
    BTreeMap::from([("id".to_owned(), AttributeValue::from("main/chat"))])
}

#[test]
fn a_refused_write_changes_nothing() {
    let mut world = world();
    world.update_item(&acquire("a")).expect("taken");
    let before = world.table(TABLE).cloned();
    world.update_item(&acquire("b")).expect_err("it is a's");
    let wrong = UpdateItem {
        update_expression: Some("SET #owner = :me, other = gone ADD fence :one".to_owned()),
        ..acquire("a")
    };
    let refused = world.update_item(&wrong);
    refused.expect_err("there is no such attribute");
    assert_eq!(world.table(TABLE).cloned(), before);
}

#[test]
fn taking_attributes_from_no_item_makes_none_and_setting_them_makes_one() {
    let mut world = world();
    let bare = |expression: Option<&str>| UpdateItem {
        update_expression: expression.map(str::to_owned),
        condition_expression: None,
        expression_attribute_names: None,
        expression_attribute_values: None,
        ..acquire("a")
    };
    assert_eq!(world.update_item(&bare(Some("REMOVE doing"))), Ok(None));
    assert_eq!(world.get_item(&get(true)), Ok(None));
    assert_eq!(world.update_item(&bare(None)), Ok(Some(key())));
    assert_eq!(world.get_item(&get(true)), Ok(Some(&key())));
}

#[test]
fn what_dynamodb_would_refuse_is_refused() {
    let mut world = world();
    for (change, problem) in cases(
        r#"
["/TableName", "none"] => Cannot do operations on a non-existent table
["/Key", {}] => The provided key element does not match the schema
["/Key", { "id": { "S": "a" }, "more": { "S": "x" } }] => The provided key element does not match the schema
["/Key/id", { "S": "" }] => cannot contain an empty string value. Key: id
["/ExpressionAttributeNames", null] => An expression attribute name used in the document path is not defined
["/UpdateExpression", null] => ExpressionAttributeValues unused in expressions: keys: {:one}
["/ExpressionAttributeNames", {}] => ExpressionAttributeNames must not be empty
["/ExpressionAttributeNames", { "owner": "owner" }] => contains invalid key: Syntax error; key: "owner"
["/UpdateExpression", "SET id = :me, #owner = :me ADD fence :one, revision :one"] => Cannot update attribute id. This attribute is part of the key
"#,
    ) {
        let wrong = parsed(changed(&acquire_json("a"), &change));
        let refusal = world.update_item(&wrong).expect_err(problem);
        assert!(refusal.message.contains(problem), "{problem}: {refusal}");
    }
    let bare = UpdateItem {
        update_expression: None,
        condition_expression: None,
        ..acquire("a")
    };
    let refusal = world.update_item(&bare).expect_err("no expression");
    let problem = "ExpressionAttributeNames can only be specified when using expressions";
    assert!(refusal.message.contains(problem), "{refusal}");
    let unconditional = UpdateItem {
        condition_expression: None,
        ..acquire("a")
    };
    let written = world.update_item(&unconditional);
    written.expect("a condition is no duty");
}

fn call(aws: &SimulatedAws, operation: &str, body: &Value) -> (u16, Value) {
    let request = http::Request::builder()
        .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
        .body(Bytes::from(body.to_string()))
        .expect("a request");
    let response = aws.call("test", &request);
    let body = serde_json::from_slice(response.body()).expect("JSON");
    (response.status().as_u16(), body)
}

#[tokio::test(start_paused = true)]
async fn over_the_wire_tables_take_a_moment_and_refusals_have_their_type() {
    let aws = aws(&json!({}));
    let table = json!({
        "TableName": TABLE,
        "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
        "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }],
        "BillingMode": "PAY_PER_REQUEST",
    });
    let (status, created) = call(&aws, "CreateTable", &table);
    assert_eq!(status, 200);
    assert_eq!(created["TableDescription"]["TableStatus"], "CREATING");
    let refused = |operation: &str, body: &Value| {
        let (status, body) = call(&aws, operation, body);
        assert_eq!(status, 400, "{body}");
        body["__type"].as_str().expect("a type").to_owned()
    };
    let in_use = "com.amazonaws.dynamodb.v20120810#ResourceInUseException";
    assert_eq!(refused("CreateTable", &table), in_use);
    let get = json!({ "TableName": TABLE, "Key": { "id": { "S": "a" } }, "ConsistentRead": true });
    let not_found = "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException";
    assert_eq!(refused("GetItem", &get), not_found);
    wait(10).await;
    let described = call(&aws, "DescribeTable", &json!({ "TableName": TABLE })).1;
    assert_eq!(described["Table"]["TableStatus"], "ACTIVE");
    assert_eq!(call(&aws, "GetItem", &get), (200, json!({})));
    let update = json!({
        "TableName": TABLE,
        "Key": { "id": { "S": "a" } },
        "UpdateExpression": "ADD fence :one",
        "ExpressionAttributeValues": { ":one": { "N": "1" } },
    });
    assert_eq!(call(&aws, "UpdateItem", &update), (200, json!({})));
    let item = json!({ "Item": { "id": { "S": "a" }, "fence": { "N": "1" } } });
    assert_eq!(call(&aws, "GetItem", &get), (200, item));
    aws.with_world(World::take_calls);
    let old = json!({ "TableName": TABLE, "Key": { "id": { "S": "a" } }, "AttributeUpdates": {} });
    let invalid = "com.amazon.coral.validate#ValidationException";
    assert_eq!(refused("UpdateItem", &old), invalid);
    let unknown = "com.amazon.coral.validate#UnknownOperationException";
    assert_eq!(refused("Query", &json!({})), unknown);
    let calls = aws.with_world(World::take_calls);
    assert_eq!(calls[0].operation, "dynamodb:UpdateItem");
    let refused = Outcome::Error("ValidationException".to_owned());
    assert_eq!(calls[0].outcome, refused);
    assert!(wire::operations().contains(&"dynamodb:GetItem".to_owned()));
}
