//! Creating, listing and deleting Cloud Map's namespaces and services.

use serde::Deserialize;

use super::cloud_map::{DnsConfig, Namespace, OperationType, RecordType, Registry, RoutingPolicy};
use super::cloud_map_api::{invalid_input, page};
use super::name::{Page, short_name};
use super::{ApiError, World};

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct CreatePrivateDnsNamespace {
    pub(crate) name: String,
    pub(crate) vpc: String,
    #[serde(default, rename = "CreatorRequestId")]
    pub(crate) _creator_request_id: Option<String>,
}

/// `ListServices` and `ListNamespaces`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub(crate) struct ListRegistries {
    next_token: Option<String>,
    max_results: Option<usize>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct CreateRegistry {
    pub(crate) name: String,
    pub(crate) namespace_id: Option<String>,
    pub(crate) creator_request_id: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) dns_config: Option<DnsConfig>,
    pub(crate) health_check_custom_config: Option<HealthCheckCustomConfig>,
    /// `HTTP`: without records.
    pub(crate) r#type: Option<String>,
}

/// The threshold is no longer supported, and always 1 (Model).
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct HealthCheckCustomConfig {
    pub(crate) failure_threshold: Option<u32>,
}

/// `GetService` and `DeleteService`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct OfRegistry {
    pub(crate) id: String,
}

impl World {
    /// `servicediscovery:CreatePrivateDnsNamespace`; the operation's id. The namespace is there at once.
    pub(crate) fn create_private_dns_namespace(
        &mut self,
        request: &CreatePrivateDnsNamespace,
    ) -> Result<String, ApiError> {
        let name = &request.name;
        if !(1..=253).contains(&name.len()) || !name.chars().all(|one| one.is_ascii_graphic()) {
            let message = "A namespace's name has 1 to 253 visible characters.";
            return Err(invalid_input(message));
        }
        if request.vpc.is_empty() {
            return Err(invalid_input("Vpc is missing."));
        }
        let mut known = self.cloud_map.namespaces.values();
        if known.any(|namespace| namespace.name == *name) {
            let message = format!("Namespace with name {name} already exists.");
            return Err(ApiError::new("NamespaceAlreadyExists", message));
        }
        let id = format!("ns-{}", self.lower16());
        let namespace = Namespace {
            arn: self.arn("servicediscovery", &format!("namespace/{id}")),
            id: id.clone(),
            name: name.clone(),
            created_at_ms: self.now_ms,
        };
        self.cloud_map.namespaces.insert(id.clone(), namespace);
        let takes_ms = self.timings.registry_propagation_ms;
        let created = OperationType::CreateNamespace;
        Ok(self.begin_operation(created, &[("NAMESPACE", &id)], takes_ms))
    }

    /// `servicediscovery:ListNamespaces`.
    pub(crate) fn list_namespaces(
        &self,
        request: &ListRegistries,
    ) -> Result<Page<&Namespace>, ApiError> {
        let all = self.cloud_map.namespaces.values().collect();
        page(all, request.next_token.as_deref(), request.max_results)
    }

    /// `servicediscovery:CreateService`; its id.
    pub(crate) fn create_registry(&mut self, request: &CreateRegistry) -> Result<String, ApiError> {
        let id = format!("srv-{}", self.lower16());
        self.put_registry(request, &id)?;
        Ok(id)
    }

    /// The same, with an id.
    pub(crate) fn put_registry(
        &mut self,
        request: &CreateRegistry,
        id: &str,
    ) -> Result<(), ApiError> {
        let name = &request.name;
        let fits = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        if !(1..=127).contains(&name.len()) || !name.chars().all(fits) {
            let message = "A service's name has 1 to 127 letters, digits or -_.";
            return Err(invalid_input(message));
        }
        let of_dns = request.dns_config.as_ref();
        let of_dns = of_dns.and_then(|dns| dns.namespace_id.as_ref());
        let namespace = request.namespace_id.as_ref().or(of_dns);
        let namespace = namespace.ok_or_else(|| invalid_input("NamespaceId is missing."))?;
        let namespace = self.cloud_map.namespaces.get(short_name(namespace));
        let namespace = namespace
            .ok_or_else(|| ApiError::new("NamespaceNotFound", "The namespace does not exist."))?;
        let namespace_id = namespace.id.clone();
        check_records(request)?;
        let mut known = self.cloud_map.registries.values();
        if known.any(|one| one.namespace_id == namespace_id && one.name == *name) {
            let message = format!("Service {name} already exists in {namespace_id}.");
            return Err(ApiError::new("ServiceAlreadyExists", message));
        }
        let threshold = request.health_check_custom_config;
        let threshold = threshold.and_then(|config| config.failure_threshold);
        if threshold.is_some_and(|threshold| !(1..=10).contains(&threshold)) {
            return Err(invalid_input("FailureThreshold is from 1 to 10."));
        }
        let registry = Registry {
            arn: self.arn("servicediscovery", &format!("service/{id}")),
            id: id.to_owned(),
            name: name.clone(),
            dns: request.dns_config.clone().map(|dns| DnsConfig {
                namespace_id: Some(namespace_id.clone()),
                ..dns
            }),
            namespace_id,
            description: request.description.clone(),
            creator_request_id: request.creator_request_id.clone(),
            created_at_ms: self.now_ms,
            custom_health: request.health_check_custom_config.is_some(),
            instances: std::collections::BTreeMap::new(),
            shown: std::collections::BTreeMap::new(),
            changes: 0,
        };
        self.cloud_map.registries.insert(id.to_owned(), registry);
        Ok(())
    }

    /// `servicediscovery:ListServices`.
    pub(crate) fn list_registries(
        &self,
        request: &ListRegistries,
    ) -> Result<Page<&Registry>, ApiError> {
        let all = self.cloud_map.registries.values().collect();
        page(all, request.next_token.as_deref(), request.max_results)
    }

    /// `servicediscovery:DeleteService`: one without instances.
    pub(crate) fn delete_registry(&mut self, request: &OfRegistry) -> Result<(), ApiError> {
        let registry = self.existing_registry(&request.id)?;
        if !registry.instances.is_empty() {
            let message = "Service contains registered instances.";
            return Err(ApiError::new("ResourceInUse", message));
        }
        let id = registry.id.clone();
        self.cloud_map.registries.remove(&id);
        Ok(())
    }
}

/// Which records go together, and with which policy (Model).
fn check_records(request: &CreateRegistry) -> Result<(), ApiError> {
    let http = request.r#type.as_deref();
    if http.is_some_and(|kind| kind != "HTTP") {
        return Err(invalid_input("Type is HTTP."));
    }
    let Some(dns) = &request.dns_config else {
        return Ok(());
    };
    if http.is_some() {
        return Err(invalid_input(
            "A service of the type HTTP has no DnsConfig.",
        ));
    }
    let types: Vec<_> = dns.dns_records.iter().map(|record| record.r#type).collect();
    match types[..] {
        [RecordType::A | RecordType::Aaaa | RecordType::Srv]
        | [RecordType::A, RecordType::Aaaa]
        | [RecordType::Aaaa, RecordType::A] => {}
        [RecordType::Cname] if dns.routing_policy == RoutingPolicy::Weighted => {}
        _ => {
            let message =
                "DnsRecords are A, AAAA, A and AAAA, SRV, or CNAME with the policy WEIGHTED.";
            return Err(invalid_input(message));
        }
    }
    let longest = i32::MAX.unsigned_abs().into();
    if dns
        .dns_records
        .iter()
        .any(|record| record.ttl_seconds > longest)
    {
        return Err(invalid_input(format!("A TTL is from 0 to {longest}.")));
    }
    Ok(())
}
