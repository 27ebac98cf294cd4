//! DynamoDB over awsJson1.0.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Handler, seconds};
use crate::world::{ApiError, Table, World};

pub(super) const OPERATIONS: &[(&str, Handler)] = &[
    ("CreateTable", |world, input| {
        let name = world.create_table(&parse(input)?)?.name.clone();
        let table = world.describe_table(&name)?;
        Ok(json!({ "TableDescription": description(world, table) }))
    }),
    ("DescribeTable", |world, input| {
        let request: DescribeTable = parse(input)?;
        let table = world.describe_table(&request.table_name)?;
        Ok(json!({ "Table": description(world, table) }))
    }),
    ("GetItem", |world, input| {
        Ok(json!({ "Item": world.get_item(&parse(input)?)? }))
    }),
    ("UpdateItem", |world, input| {
        Ok(json!({ "Attributes": world.update_item(&parse(input)?)? }))
    }),
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DescribeTable {
    table_name: String,
}

fn description(world: &World, table: &Table) -> Value {
    let name = &table.name;
    let active = table.is_active(world.epoch_ms());
    json!({
        "TableName": name,
        "TableArn": world.arn("dynamodb", &format!("table/{name}")),
        "TableStatus": if active { "ACTIVE" } else { "CREATING" },
        "KeySchema": [{ "AttributeName": table.key, "KeyType": "HASH" }],
        "AttributeDefinitions": [{ "AttributeName": table.key, "AttributeType": "S" }],
        "BillingModeSummary": { "BillingMode": "PAY_PER_REQUEST" },
        "CreationDateTime": seconds(table.created_at_ms),
        "ItemCount": table.items().count(),
    })
}

/// Parameters that are not simulated are refused as DynamoDB refuses what is wrong.
fn parse<T: serde::de::DeserializeOwned>(input: Value) -> Result<T, ApiError> {
    super::parse(input, ApiError::invalid)
}

/// Where an error's code comes from, as DynamoDB writes it before the code.
pub(super) fn namespace(code: &str) -> &'static str {
    if matches!(
        code,
        "ValidationException" | "SerializationException" | "UnknownOperationException"
    ) {
        "com.amazon.coral.validate#"
    } else {
        "com.amazonaws.dynamodb.v20120810#"
    }
}
