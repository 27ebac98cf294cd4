//! DynamoDB's tables: conditional writes, reads that may be stale, and what is refused.

use std::collections::BTreeMap;

use bytes::Bytes;
use ebbtide_simulator::world::{
    ApiError, AttributeValue, DeleteItem, GetItem, Item, OnFailure, Outcome, PutItem, ReturnValues,
    UpdateItem, World,
};
use ebbtide_simulator::{SimulatedAws, wire};
use serde_json::{Value, json};

use crate::support::{scenario, wait};

const TABLE: &str = "locks";

fn world() -> World {
    let mut world = World::new(
        "555555555555",
        "us-east-1",
        ebbtide_simulator::world::Timings::default(),
        1,
    );
    world.put_table(TABLE, "id");
    world
}

fn parsed<T: serde::de::DeserializeOwned>(request: Value) -> T {
    serde_json::from_value(request).expect("a request")
}

/// As a deployment takes its lock.
fn acquire(owner: &str) -> UpdateItem {
    parsed(json!({
        "TableName": TABLE,
        "Key": { "id": { "S": "main/chat" } },
        "ConditionExpression": "attribute_not_exists(#owner) OR #owner = :me",
        "UpdateExpression": "SET #owner = :me ADD fence :one, revision :one",
        "ExpressionAttributeNames": { "#owner": "owner" },
        "ExpressionAttributeValues": { ":me": { "S": owner }, ":one": { "N": "1" } },
        "ReturnValues": "ALL_NEW",
    }))
}

fn release(owner: &str) -> UpdateItem {
    UpdateItem {
        condition_expression: Some("#owner = :me".to_owned()),
        update_expression: Some("REMOVE #owner ADD revision :one".to_owned()),
        return_values: ReturnValues::AllOld,
        ..acquire(owner)
    }
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

fn number(item: &Item, name: &str) -> Option<i128> {
    item.get(name).and_then(AttributeValue::as_n)
}

#[test]
fn a_lock_is_taken_by_one_and_passed_on_with_a_rising_fence() {
    let mut world = world();
    let taken = world
        .update_item(&acquire("a"))
        .expect("taken")
        .expect("an item");
    assert_eq!(number(&taken, "fence"), Some(1));
    let refused = world.update_item(&acquire("b")).expect_err("it is a's");
    let failed = ApiError::new(
        "ConditionalCheckFailedException",
        "The conditional request failed",
    );
    assert_eq!(refused, failed);
    let again = world
        .update_item(&acquire("a"))
        .expect("a's still")
        .expect("an item");
    assert_eq!(number(&again, "fence"), Some(2));
    assert_eq!(world.update_item(&release("b")), Err(failed));
    let before = world
        .update_item(&release("a"))
        .expect("released")
        .expect("an item");
    assert_eq!(before["owner"].as_s(), Some("a"));
    let taken = world
        .update_item(&acquire("b"))
        .expect("free")
        .expect("an item");
    assert_eq!(
        (number(&taken, "fence"), number(&taken, "revision")),
        (Some(3), Some(4))
    );
    let item = world.get_item(&get(true)).expect("read").expect("an item");
    assert_eq!(*item, taken);
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
    world
        .update_item(&wrong)
        .expect_err("there is no such attribute");
    assert_eq!(world.table(TABLE).cloned(), before);
}

#[test]
fn taking_attributes_from_no_item_makes_none_and_setting_them_makes_one() {
    let mut world = world();
    let bare = |expression: Option<&str>| UpdateItem {
        table_name: TABLE.to_owned(),
        key: key(),
        update_expression: expression.map(str::to_owned),
        condition_expression: None,
        expression_attribute_names: None,
        expression_attribute_values: None,
        return_values: ReturnValues::AllNew,
        return_values_on_condition_check_failure: OnFailure::None,
    };
    assert_eq!(world.update_item(&bare(Some("REMOVE doing"))), Ok(None));
    assert_eq!(world.get_item(&get(true)), Ok(None));
    assert_eq!(world.update_item(&bare(None)), Ok(Some(key())));
    assert_eq!(world.get_item(&get(true)), Ok(Some(&key())));
}

#[test]
fn items_are_put_and_deleted_on_conditions() {
    let mut world = world();
    let put = |owner: &str, condition: Option<&str>| -> PutItem {
        parsed(json!({
            "TableName": TABLE,
            "Item": { "id": { "S": "main/chat" }, "by": { "S": owner } },
            "ConditionExpression": condition,
            "ReturnValues": "ALL_OLD",
        }))
    };
    assert_eq!(
        world.put_item(&put("a", Some("attribute_not_exists(id)"))),
        Ok(None)
    );
    let refused = world.put_item(&put("b", Some("attribute_not_exists(id)")));
    assert_eq!(
        refused.expect_err("it is there").code,
        "ConditionalCheckFailedException"
    );
    let before = world
        .put_item(&put("b", None))
        .expect("put")
        .expect("an item");
    assert_eq!(before["by"].as_s(), Some("a"));
    let delete: DeleteItem = parsed(json!({
        "TableName": TABLE,
        "Key": key(),
        "ConditionExpression": "attribute_exists(id)",
        "ReturnValues": "ALL_OLD",
    }));
    let before = world
        .delete_item(&delete)
        .expect("deleted")
        .expect("an item");
    assert_eq!(before["by"].as_s(), Some("b"));
    let refused = world.delete_item(&delete).expect_err("it is gone");
    assert_eq!(refused.code, "ConditionalCheckFailedException");
    let anyway = DeleteItem {
        condition_expression: None,
        ..delete
    };
    assert_eq!(world.delete_item(&anyway), Ok(None));
}

#[test]
fn what_dynamodb_would_refuse_is_refused() {
    let mut world = world();
    let with = |change: &dyn Fn(&mut UpdateItem)| {
        let mut request = acquire("a");
        change(&mut request);
        request
    };
    for (request, problem) in [
        (
            with(&|request| request.table_name = "none".to_owned()),
            "Cannot do operations on a non-existent table",
        ),
        (
            with(&|request| request.key = Item::new()),
            "The provided key element does not match the schema",
        ),
        (
            with(&|request| {
                request
                    .key
                    .insert("more".to_owned(), AttributeValue::from("x"));
            }),
            "The provided key element does not match the schema",
        ),
        (
            with(&|request| {
                request
                    .key
                    .insert("id".to_owned(), AttributeValue::from(""));
            }),
            "cannot contain an empty string value. Key: id",
        ),
        (
            with(&|request| request.expression_attribute_names = None),
            "An expression attribute name used in the document path is not defined",
        ),
        (with(&|request| request.condition_expression = None), ""),
        (
            with(&|request| {
                request.update_expression = None;
            }),
            "ExpressionAttributeValues unused in expressions: keys: {:one}",
        ),
        (
            with(&|request| {
                (request.update_expression, request.condition_expression) = (None, None);
            }),
            "ExpressionAttributeNames can only be specified when using expressions",
        ),
        (
            with(&|request| request.expression_attribute_names = Some(BTreeMap::new())),
            "ExpressionAttributeNames must not be empty",
        ),
        (
            with(&|request| {
                let names = [("owner".to_owned(), "owner".to_owned())];
                request.expression_attribute_names = Some(BTreeMap::from(names));
            }),
            "contains invalid key: Syntax error; key: \"owner\"",
        ),
        (
            with(&|request| {
                request.update_expression =
                    Some("SET id = :me, #owner = :me ADD fence :one".to_owned());
            }),
            "Cannot update attribute id. This attribute is part of the key",
        ),
    ] {
        let answer = world.update_item(&request);
        if problem.is_empty() {
            answer.expect("a condition is no duty");
            continue;
        }
        let refusal = answer.expect_err(problem);
        assert!(refusal.message.contains(problem), "{problem}: {refusal}");
    }
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
    let world = scenario("{}").world();
    let aws = SimulatedAws::new(world.expect("a world"), 1.0);
    let table = json!({
        "TableName": TABLE,
        "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
        "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }],
        "BillingMode": "PAY_PER_REQUEST",
    });
    let (status, created) = call(&aws, "CreateTable", &table);
    assert_eq!(
        (status, &created["TableDescription"]["TableStatus"]),
        (200, &json!("CREATING"))
    );
    assert_eq!(
        call(&aws, "CreateTable", &table).1["__type"],
        "com.amazonaws.dynamodb.v20120810#ResourceInUseException"
    );
    let get = json!({ "TableName": TABLE, "Key": { "id": { "S": "a" } }, "ConsistentRead": true });
    assert_eq!(
        call(&aws, "GetItem", &get).1["__type"],
        "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"
    );
    wait(10).await;
    let described = call(&aws, "DescribeTable", &json!({ "TableName": TABLE })).1;
    assert_eq!(described["Table"]["TableStatus"], "ACTIVE");
    assert_eq!(call(&aws, "GetItem", &get), (200, json!({})));
    let item = json!({ "id": { "S": "a" }, "fence": { "N": "1" } });
    let put = json!({ "TableName": TABLE, "Item": item });
    assert_eq!(call(&aws, "PutItem", &put), (200, json!({})));
    assert_eq!(call(&aws, "GetItem", &get), (200, json!({ "Item": item })));
    let delete =
        json!({ "TableName": TABLE, "Key": { "id": { "S": "a" } }, "ReturnValues": "ALL_OLD" });
    assert_eq!(
        call(&aws, "DeleteItem", &delete),
        (200, json!({ "Attributes": item }))
    );
    assert_eq!(call(&aws, "GetItem", &get), (200, json!({})));
    aws.with_world(World::take_calls);
    for (operation, body, status, error) in [
        (
            "UpdateItem",
            json!({ "TableName": TABLE, "Key": { "id": { "S": "a" } }, "AttributeUpdates": {} }),
            400,
            "com.amazon.coral.validate#ValidationException",
        ),
        (
            "PutItem",
            json!({ "TableName": TABLE, "Item": { "id": { "S": "a" }, "set": { "SS": ["a"] } } }),
            400,
            "com.amazon.coral.validate#ValidationException",
        ),
        (
            "Query",
            json!({}),
            400,
            "com.amazon.coral.validate#UnknownOperationException",
        ),
    ] {
        let (answered, body) = call(&aws, operation, &body);
        assert_eq!(
            (answered, body["__type"].as_str()),
            (status, Some(error)),
            "{body}"
        );
    }
    let calls = aws.with_world(World::take_calls);
    assert_eq!(calls[0].operation, "dynamodb:UpdateItem");
    assert_eq!(
        calls[0].outcome,
        Outcome::Error("ValidationException".to_owned())
    );
    assert!(wire::operations().contains(&"dynamodb:GetItem".to_owned()));
}
