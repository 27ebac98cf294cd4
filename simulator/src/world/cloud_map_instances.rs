//! Instances of registries come, change their health and go.

use std::collections::BTreeMap;

use super::cloud_map::{Change, Instance, InstanceHealth, Unseen};
use super::{EventKind, World};

impl World {
    /// Puts an instance into a registry, in the place of one with its id; after how many milliseconds discovery sees
    /// it.
    pub(crate) fn put_instance(&mut self, registry: &str, mut instance: Instance) -> u64 {
        let delay_ms = self.jittered(self.timings.registry_propagation_ms);
        let number = self.next_ordinal();
        instance.registration = number;
        let (id, health) = (instance.id.clone(), instance.health);
        let Some(known) = self.cloud_map.registries.get_mut(registry) else {
            return delay_ms;
        };
        known.instances.insert(id.clone(), instance);
        self.record(EventKind::InstanceRegistered {
            registry: registry.to_owned(),
            instance: id.clone(),
            health: health.as_str().to_owned(),
        });
        let unseen = Unseen {
            registry: registry.to_owned(),
            instance: id,
            change: Change::Registered(number),
        };
        self.discovery_sees_in(delay_ms, unseen);
        delay_ms
    }

    /// Takes an instance out of a registry, if it is there, and answers it; after how many milliseconds discovery
    /// sees it.
    pub(crate) fn remove_instance(&mut self, registry: &str, id: &str) -> Option<(Instance, u64)> {
        let known = self.cloud_map.registries.get_mut(registry)?;
        let instance = known.instances.remove(id)?;
        self.record(EventKind::InstanceDeregistered {
            registry: registry.to_owned(),
            instance: id.to_owned(),
        });
        let delay_ms = self.jittered(self.timings.registry_propagation_ms);
        let unseen = Unseen {
            registry: registry.to_owned(),
            instance: id.to_owned(),
            change: Change::Deregistered(instance.registration),
        };
        self.discovery_sees_in(delay_ms, unseen);
        Some((instance, delay_ms))
    }

    /// Sets the custom health of an instance; whether it was another. Discovery sees it after its time, unless it
    /// has been set back by then (Model).
    pub(crate) fn set_instance_health(
        &mut self,
        registry: &str,
        id: &str,
        health: InstanceHealth,
    ) -> bool {
        let number = self.next_ordinal();
        let Some(instance) = self.instance_mut(registry, id) else {
            return false;
        };
        if instance.health == health {
            return false;
        }
        instance.health = health;
        instance.health_change = number;
        self.record(EventKind::InstanceHealthChanged {
            registry: registry.to_owned(),
            instance: id.to_owned(),
            health: health.as_str().to_owned(),
        });
        let unseen = Unseen {
            registry: registry.to_owned(),
            instance: id.to_owned(),
            change: Change::Health(number),
        };
        self.discovery_sees_in(self.timings.custom_health_ms, unseen);
        true
    }
}

impl Instance {
    /// An instance with these attributes that is in no registry yet.
    pub(crate) fn new(
        id: &str,
        attributes: BTreeMap<String, String>,
        task: Option<String>,
    ) -> Self {
        let unhealthy = attributes.get("AWS_INIT_HEALTH_STATUS");
        let health = InstanceHealth::of(unhealthy.is_none_or(|status| status != "UNHEALTHY"));
        Self {
            id: id.to_owned(),
            attributes,
            creator_request_id: None,
            health,
            shown_health: health,
            task,
            reported: None,
            registration: 0,
            health_change: 0,
        }
    }
}
