//! A service that is found by a Cloud Map registry.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Names, Scenario, ScenarioError};
use crate::world::{
    ApiError, CallersScenario, CreatePrivateDnsNamespace, CreateRegistry, DnsConfig, DnsRecord,
    EcsInRegistries, HealthCheckCustomConfig, RecordType, RoutingPolicy, ServiceRegistry, World,
    arn,
};

/// The registry of a service's tasks. Everything has a default: A records with a TTL of 60 seconds, no load
/// balancer, 100 callers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RegistryScenario {
    /// Of its records.
    pub ttl_seconds: u64,
    pub record: RecordScenario,
    /// Whether instances have a custom health, which ECS and others can set.
    pub custom_health: bool,
    /// Whether the task definitions have a container health check.
    pub container_health_check: bool,
    /// Whether the service has its load balancer too. Without it there is none, and no target group.
    pub beside_load_balancer: bool,
    /// Clients that find tasks by the registry. None: there are none.
    pub callers: Option<CallersScenario>,
    /// ECS sets an instance that another caller has set to UNHEALTHY back to HEALTHY, so many seconds later
    /// (Unproven). None: it does not.
    pub ecs_restores_health_after_seconds: Option<u64>,
    /// ECS registers an instance that another caller has deregistered again, so many seconds later (Unproven). None:
    /// it does not.
    pub ecs_registers_again_after_seconds: Option<u64>,
}

/// The type of a registry's records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RecordScenario {
    /// Addresses.
    #[default]
    A,
    /// Addresses and ports.
    Srv,
}

/// The longest time that can be asked for: a day.
const LONGEST_SECONDS: u64 = 86_400;

impl Default for RegistryScenario {
    fn default() -> Self {
        Self {
            ttl_seconds: 60,
            record: RecordScenario::A,
            custom_health: true,
            container_health_check: true,
            beside_load_balancer: false,
            callers: Some(CallersScenario::default()),
            ecs_restores_health_after_seconds: None,
            ecs_registers_again_after_seconds: None,
        }
    }
}

impl Scenario {
    /// Whether the service is behind a load balancer: all but those with a registry alone are.
    pub fn has_load_balancer(&self) -> bool {
        let registry = self.registry.as_ref();
        registry.is_none_or(|registry| registry.beside_load_balancer)
    }

    /// The health check of the container: after three failures in a row the container is unhealthy, but not for as
    /// long as it may take to start.
    pub(super) fn container_health_check(&self) -> Option<Value> {
        let checked = |registry: &&RegistryScenario| registry.container_health_check;
        self.registry.as_ref().filter(checked)?;
        Some(json!({
            "command": ["CMD-SHELL", "curl --fail http://localhost/ || exit 1"],
            "interval": 10,
            "retries": 3,
            "startPeriod": 300,
            "timeout": 5,
        }))
    }

    /// The registry, with how a task set names it.
    pub(super) fn build_registry(
        &self,
        world: &mut World,
        names: &Names,
    ) -> Result<Option<ServiceRegistry>, ScenarioError> {
        let Some(scenario) = &self.registry else {
            return Ok(None);
        };
        scenario.check()?;
        world.set_ecs_in_registries(EcsInRegistries {
            restores_health_after_seconds: scenario.ecs_restores_health_after_seconds,
            registers_again_after_seconds: scenario.ecs_registers_again_after_seconds,
        });
        world.create_private_dns_namespace(&CreatePrivateDnsNamespace {
            name: "internal".to_owned(),
            vpc: "vpc-0e00000000000000e".to_owned(),
            ..CreatePrivateDnsNamespace::default()
        })?;
        let namespace = world.namespaces().next().map(|known| known.id.clone());
        let (record, port) = match scenario.record {
            RecordScenario::A => (RecordType::A, None),
            RecordScenario::Srv => (RecordType::Srv, Some(names.container_port)),
        };
        let label: String = names.service.chars().take(63).collect();
        let request = CreateRegistry {
            name: label.trim_matches('-').to_owned(),
            namespace_id: namespace,
            dns_config: Some(DnsConfig {
                namespace_id: None,
                routing_policy: RoutingPolicy::Multivalue,
                dns_records: vec![DnsRecord {
                    r#type: record,
                    ttl_seconds: scenario.ttl_seconds,
                }],
            }),
            health_check_custom_config: scenario
                .custom_health
                .then(HealthCheckCustomConfig::default),
            ..CreateRegistry::default()
        };
        let id = match &names.registry {
            Some(given) => {
                let id = parse_registry(&given.registry_arn, names)?;
                world.put_registry(&request, id)?;
                id.to_owned()
            }
            None => world.create_registry(&request)?,
        };
        let with_port = |given: &&ServiceRegistry| given.port.or(given.container_port).is_some();
        if let Some(given) = names.registry.as_ref().filter(with_port) {
            return Ok(Some(given.clone()));
        }
        Ok(Some(ServiceRegistry {
            registry_arn: world.existing_registry(&id)?.arn.clone(),
            port: None,
            container_name: port.map(|_| names.container_name.clone()),
            container_port: port,
        }))
    }

    /// The callers of the registry, from now on.
    pub(super) fn connect_callers(
        &self,
        world: &mut World,
        registry: Option<&ServiceRegistry>,
    ) -> Result<(), ScenarioError> {
        let scenario = self.registry.as_ref();
        let scenario = scenario.and_then(|scenario| scenario.callers.as_ref());
        if let (Some(scenario), Some(registry)) = (scenario, registry) {
            world.connect_callers(scenario, &registry.registry_arn)?;
        }
        Ok(())
    }
}

/// The id in a registry's ARN.
fn parse_registry<'a>(given: &'a str, names: &Names) -> Result<&'a str, ScenarioError> {
    let (region, account) = (&names.region, &names.account);
    let prefix = arn("servicediscovery", region, account, "service/");
    let id = given.strip_prefix(&prefix).filter(|id| !id.is_empty());
    id.ok_or_else(|| ScenarioError::RegistryArn(given.to_owned(), region.clone(), account.clone()))
}

impl RegistryScenario {
    fn check(&self) -> Result<(), ApiError> {
        let times = [
            ("ttlSeconds", Some(self.ttl_seconds)),
            (
                "ecsRestoresHealthAfterSeconds",
                self.ecs_restores_health_after_seconds,
            ),
            (
                "ecsRegistersAgainAfterSeconds",
                self.ecs_registers_again_after_seconds,
            ),
        ];
        for (name, seconds) in times {
            if let Some(seconds) = seconds.filter(|seconds| *seconds > LONGEST_SECONDS) {
                return Err(ApiError::validation(format!(
                    "registry: {name} is from 0 to {LONGEST_SECONDS}, not {seconds}"
                )));
            }
        }
        Ok(())
    }
}
