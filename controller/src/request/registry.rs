//! Reading the registry of a first deployment.

use serde_json::{Map, Value, json};

use super::reader::Reader;
use super::values::{is_name, is_registry_arn, text_where, whole};
use crate::id::RegistryArn;
use crate::world::ServiceRegistry;

/// The fields of `registry`, with what each allows. The tables of docs/input.md are checked against it.
pub const REGISTRY_FIELDS: &[(&str, &str)] = &[
    (
        "registryArn",
        "the ARN of a Cloud Map service of this account and region",
    ),
    (
        "port",
        "a whole number from 1 to 65535, without containerName and containerPort",
    ),
    (
        "containerName",
        "the name of a container of the task definition, with containerPort",
    ),
    (
        "containerPort",
        "a whole number from 1 to 65535, with containerName",
    ),
];

impl Reader<'_> {
    /// The registry, as ECS's `serviceRegistries` have it.
    pub(super) fn registry(&mut self) -> Option<ServiceRegistry> {
        let home = self.home.clone();
        let mut fields = self.object("registry.", REGISTRY_FIELDS)?;
        let arn = fields.required("registryArn", |value| {
            text_where(value, |text| is_registry_arn(text, &home))
        });
        let number = |value: &Value| u16::try_from(whole(value, 1, 65_535)?).ok();
        let port = fields.optional("port", number);
        let container_name = fields.optional("containerName", |value| text_where(value, is_name));
        let container_port = fields.optional("containerPort", number);
        let has = |field| fields.given.contains_key(field);
        let both = has("port") && (has("containerName") || has("containerPort"));
        let lone = has("containerPort") != has("containerName");
        if both {
            fields.refuse("port");
        }
        if lone && has("containerName") {
            fields.refuse("containerPort");
        } else if lone {
            fields.refuse("containerName");
        }
        Some(ServiceRegistry {
            arn: RegistryArn::from(arn?),
            port,
            container_name,
            container_port,
        })
    }
}

/// The registry as the input has it.
pub(super) fn to_json(registry: &ServiceRegistry) -> Value {
    let mut fields = Map::new();
    fields.insert("registryArn".to_owned(), json!(registry.arn));
    let others = [
        ("port", json!(registry.port)),
        ("containerName", json!(registry.container_name)),
        ("containerPort", json!(registry.container_port)),
    ];
    let given = others.into_iter().filter(|(_, value)| !value.is_null());
    fields.extend(given.map(|(name, value)| (name.to_owned(), value)));
    Value::Object(fields)
}
