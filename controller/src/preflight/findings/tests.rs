//! The names of findings. What is found, and when, is in stories.

use super::*;
use crate::fixture::Scene;
use crate::preflight::inspect;
use crate::world::Reading;

#[test]
fn a_service_without_a_mistake_has_no_finding_but_the_room_it_needs() {
    let mut scene = Scene::serving();
    scene.request.drain.pace = Pace::Percent {
        decrement: 25.0,
        every: 300,
    };
    let load_balancer = scene.world.load_balancer.as_mut().unwrap();
    load_balancer.zones = Reading::Seen(3);
    load_balancer.cross_zone = Reading::Seen(true);
    let (checked, found) = inspect(&scene.plan().id, &scene.request, Some(&scene.world));
    assert!(checked.is_ok());
    let [room] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(
        (room.severity, room.name),
        (Severity::Info, FindingName::Capacity)
    );
    assert!(room.seen.contains("together run 8 tasks"), "{room:?}");
    assert!(room.why.contains("Not checked"), "{room:?}");
}

#[test]
fn every_name_but_the_last_resort_has_a_story() {
    let stories = [
        include_str!("../../../stories/findings.txt"),
        include_str!("../../../stories/registry-findings.txt"),
    ];
    let told = |name: &&FindingName| {
        let told = format!(" {}: ", name.as_str());
        stories.iter().any(|stories| stories.contains(&told))
    };
    let missing: Vec<_> = FindingName::ALL.iter().filter(|name| !told(name)).collect();
    assert_eq!(missing, [&FindingName::Refused]);
}

#[test]
fn names_are_unique() {
    let mut names: Vec<_> = FindingName::ALL.iter().map(|name| name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), FindingName::ALL.len());
}

#[test]
fn the_documentation_has_every_finding_and_no_other() {
    let documented = include_str!("../../../../docs/preflight.md");
    let mut rows: Vec<_> = documented
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    rows.sort_unstable();
    rows.dedup();
    let mut names: Vec<_> = FindingName::ALL.iter().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(rows, names);
}
