//! The table: one change of a scene without a mistake, and the finding that it makes.

mod drain;
mod fleet;
mod service;

use std::collections::BTreeMap;

use super::FindingName as Name;
use super::*;
use crate::drain::flows::Point;
use crate::world::{Forward, ServiceRegistry, ServiceStatus, Stray, Targets};

pub(super) fn cases() -> Vec<Case> {
    let all = [service::cases(), drain::cases(), fleet::cases()];
    all.into_iter().flatten().collect()
}

type Parts = [&'static str; 3];

fn error(name: Name, change: fn(&mut Scene), parts: Parts) -> Case {
    case(name, Severity::Error, change, parts)
}

fn warning(name: Name, change: fn(&mut Scene), parts: Parts) -> Case {
    case(name, Severity::Warning, change, parts)
}

fn info(name: Name, change: fn(&mut Scene), parts: Parts) -> Case {
    case(name, Severity::Info, change, parts)
}

fn case(name: Name, severity: Severity, change: fn(&mut Scene), parts: Parts) -> Case {
    Case {
        change,
        severity,
        name,
        parts,
    }
}

const THRESHOLD: &str = "target_group_health.dns_failover.minimum_healthy_targets.count";

/// Tags, or attributes.
fn tag(tags: &mut BTreeMap<String, String>, key: &str, value: &str) {
    tags.insert(key.to_owned(), value.to_owned());
}

/// The original is in a Cloud Map registry with port 8080 of a container.
fn registered(scene: &mut Scene, container: &str) {
    scene.task_set_mut("ecs-svc/1").service_registries = vec![ServiceRegistry {
        arn: "arn:aws:servicediscovery:us-east-1:555555555555:service/srv-1".to_owned(),
        port: None,
        container_name: Some(container.to_owned()),
        container_port: Some(8_080),
    }];
}

/// A service of so many tasks, all of which run.
fn of_tasks(scene: &mut Scene, count: u32) {
    scene.world.service.desired_count = count;
    let original = scene.task_set_mut("ecs-svc/1");
    original.computed_desired_count = count;
    original.running_count = count;
}

/// Leaves so many task sets behind that are being deleted.
fn leave(scene: &mut Scene, sets: usize) {
    for number in 0..sets {
        let mut left = scene.world.task_sets[0].clone();
        left.id = format!("ecs-svc/left-{number}").into();
        left.status = TaskSetStatus::Draining;
        left.load_balancers.clear();
        scene.world.task_sets.push(left);
    }
}
