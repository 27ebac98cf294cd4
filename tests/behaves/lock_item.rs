//! The lock's item as `aws-sdk-dynamodb` reads and writes it: what a refusal carries, what a retry sees,
//! and how old a read may be. `functions` enters and leaves the lock by the same expressions.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use ebbtide_simulator::SimulatedAws;
use ebbtide_simulator::fault::Fault;
use serde_json::json;

use crate::support::{aws, refusal};

const TABLE: &str = "locks";
const KEY: &str = "main/chat";

type Item = HashMap<String, AttributeValue>;

fn stage() -> (SimulatedAws, Client) {
    let aws = aws(&json!({}));
    aws.with_world(|world| world.put_table(TABLE, "id"));
    let client = Client::new(&aws.sdk_config("test"));
    (aws, client)
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn n(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn map<const LENGTH: usize>(fields: [(&str, AttributeValue); LENGTH]) -> AttributeValue {
    let fields = fields.map(|(name, value)| (name.to_owned(), value));
    AttributeValue::M(HashMap::from(fields))
}

fn list(values: impl Into<Vec<AttributeValue>>) -> AttributeValue {
    AttributeValue::L(values.into())
}

fn update(client: &Client) -> UpdateItemFluentBuilder {
    client
        .update_item()
        .table_name(TABLE)
        .key("id", s(KEY))
        .return_values(ReturnValue::AllNew)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
}

/// Takes a lock that was never there.
fn take(client: &Client, me: &str, nonce: &str) -> UpdateItemFluentBuilder {
    update(client)
        .condition_expression("attribute_not_exists(rev)")
        .update_expression("SET #owner = :me, busyBy = :nonce ADD rev :one, fence :one")
        .expression_attribute_names("#owner", "owner")
        .expression_attribute_values(":me", s(me))
        .expression_attribute_values(":nonce", s(nonce))
        .expression_attribute_values(":one", n(1))
}

fn leave(client: &Client, nonce: &str) -> UpdateItemFluentBuilder {
    update(client)
        .condition_expression("busyBy = :nonce")
        .update_expression("SET busyUntil = :quiet REMOVE busyBy ADD rev :one")
        .expression_attribute_values(":nonce", s(nonce))
        .expression_attribute_values(":quiet", n(130_000))
        .expression_attribute_values(":one", n(1))
}

async fn written(update: UpdateItemFluentBuilder) -> Item {
    let written = update.send().await.expect("written");
    written.attributes.expect("the item after it")
}

async fn refused(update: UpdateItemFluentBuilder) -> Option<Item> {
    let refused = update.send().await.expect_err("a refusal");
    match refused.into_service_error() {
        UpdateItemError::ConditionalCheckFailedException(failed) => failed.item,
        other => panic!("{other:?}"),
    }
}

async fn read(client: &Client, consistent: bool) -> Option<Item> {
    let get = client.get_item().table_name(TABLE).key("id", s(KEY));
    let read = get.consistent_read(consistent).send().await;
    read.expect("read").item
}

#[tokio::test(start_paused = true)]
async fn it_is_taken_by_one_and_left_by_the_one_inside() {
    let (_, client) = stage();
    assert_eq!(read(&client, true).await, None);
    let taken = written(take(&client, "a", "first")).await;
    let texts = [("id", KEY), ("owner", "a"), ("busyBy", "first")];
    for (name, value) in texts.map(|(name, text)| (name, s(text))) {
        assert_eq!(taken.get(name), Some(&value), "{name}");
    }
    assert_eq!((&taken["rev"], &taken["fence"]), (&n(1), &n(1)));
    // A condition that fails carries the item as it is.
    let other = refused(take(&client, "b", "other")).await;
    assert_eq!(other, Some(taken.clone()));
    assert_eq!(refused(leave(&client, "other")).await, Some(taken));
    let left = written(leave(&client, "first")).await;
    assert_eq!(left.get("busyBy"), None);
    assert_eq!(left["busyUntil"], n(130_000));
    assert_eq!(read(&client, true).await, Some(left));
}

#[tokio::test(start_paused = true)]
async fn a_condition_that_fails_carries_nothing_where_nothing_was_asked_for_or_is_there() {
    let (_, client) = stage();
    assert_eq!(refused(leave(&client, "first")).await, None);
    written(take(&client, "a", "first")).await;
    for wanted in [None, Some(ReturnValuesOnConditionCheckFailure::None)] {
        let unasked =
            take(&client, "b", "other").set_return_values_on_condition_check_failure(wanted);
        assert_eq!(refused(unasked).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn an_sdks_retry_of_a_write_that_landed_sees_its_own_nonce() {
    for (fault, calls) in [
        (Fault::LostReply, 2),
        (Fault::ServerErrorAfter, 2),
        (Fault::Late(1), 2),
        (Fault::Twice, 1),
    ] {
        let (aws, client) = stage();
        aws.plan_faults([(1, fault)]);
        let seen = refused(take(&client, "a", "first")).await;
        assert_eq!(seen.expect("the item")["busyBy"], s("first"), "{fault:?}");
        assert_eq!(aws.call_count(), calls, "{fault:?}");
    }
    for fault in [Fault::Unreachable, Fault::ServerError, Fault::Throttled] {
        let (aws, client) = stage();
        aws.plan_faults([(1, fault)]);
        let taken = written(take(&client, "a", "first")).await;
        assert_eq!(taken["rev"], n(1), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_consistent_read_is_never_stale_and_another_is_one_write_old() {
    for (consistent, rev) in [(true, n(2)), (false, n(1))] {
        let (aws, client) = stage();
        aws.plan_faults([(3, Fault::Stale)]);
        written(take(&client, "a", "first")).await;
        written(leave(&client, "first")).await;
        let item = read(&client, consistent).await.expect("an item");
        assert_eq!(item["rev"], rev);
    }
}

#[tokio::test(start_paused = true)]
async fn an_attribute_of_each_type_comes_back_as_it_was_written() {
    let (_, client) = stage();
    let null = AttributeValue::Null(true);
    let values = [
        s("text"),
        s(""),
        n(-7),
        AttributeValue::N("99999999999999999999999999999999999999".to_owned()),
        AttributeValue::Bool(false),
        null.clone(),
        list([]),
        map([]),
        list([
            n(1),
            map([("deep", list([null, map([("deeper", s("x"))])]))]),
        ]),
    ];
    for value in values {
        let update = update(&client)
            .expression_attribute_names("#plan", "plan")
            .expression_attribute_values(":value", value.clone());
        let set = update.clone().update_expression("SET #plan = :value");
        assert_eq!(written(set).await["plan"], value);
        let held = update.condition_expression("#plan = :value");
        let held = held.update_expression("ADD rev :one");
        written(held.expression_attribute_values(":one", n(1))).await;
    }
    let binary = update(&client)
        .update_expression("SET blob = :value")
        .expression_attribute_values(":value", AttributeValue::Ss(vec!["a".to_owned()]));
    let (code, words) = refusal(binary.send().await);
    assert_eq!(code, "ValidationException");
    assert!(words.contains("SS"), "{words}");
}

#[tokio::test(start_paused = true)]
async fn what_dynamodb_would_refuse_of_a_write_is_refused() {
    let (_, client) = stage();
    let set = |expression: &str, value: AttributeValue| {
        update(&client)
            .update_expression(expression)
            .expression_attribute_values(":v", value)
    };
    let nested = |levels: usize| (1..levels).fold(s("leaf"), |value, _| map([("n", value)]));
    written(set("SET deep = :v", nested(32))).await;
    let set_a = |value| set("SET a = :v", value);
    let unnamed = set_a(n(1)).condition_expression("deep = :unnamed");
    let unused = set_a(n(1)).expression_attribute_values(":more", n(1));
    let unordered = set_a(map([])).condition_expression("rev < :v");
    let redundant = set_a(n(1)).condition_expression("((rev = :v))");
    for (update, words) in [
        (set("SET owner = :v", n(1)), "reserved keyword: owner"),
        (set("SET plan = :v", n(1)), "reserved keyword: plan"),
        (
            set("SET id = :v", n(1)),
            "This attribute is part of the key",
        ),
        (
            set("ADD deep :v", map([])),
            "operator: ADD, operand type: MAP",
        ),
        (set("SET deep = :v", nested(33)), "nested levels"),
        (unnamed, "attribute value: :unnamed"),
        (unused, "unused in expressions: keys: {:more}"),
        (unordered, "operator: <, operand type: MAP"),
        (redundant, "redundant parentheses"),
    ] {
        let (code, told) = refusal(update.send().await);
        assert_eq!(code, "ValidationException");
        assert!(told.contains(words), "{told} has not {words}");
    }
}
