//! What is found, as a table: a scene with one thing changed, and what preflight says of it.

use super::*;
use crate::drain::pace::{Budget, OnDeadline, Pace};
use crate::fixture::{Scene, group_arn};
use crate::preflight::{Checked, check, inspect};
use crate::request::SwapMode;
use crate::world::{Container, Launch, Reading, TaskSetStatus};

/// Four tasks serve, and are drained no faster than they are deregistered.
fn serving() -> Scene {
    let mut scene = Scene::serving();
    scene.request.drain.pace = every(300);
    scene
}

fn every(every: u32) -> Pace {
    let decrement = 25.0;
    Pace::Percent { decrement, every }
}

fn look(scene: &Scene) -> (Result<Checked, Refusal>, Vec<Finding>) {
    inspect(&scene.plan().id, &scene.request, Some(&scene.world))
}

/// Severities and names, but for what is said of every service: how much room two sets need.
fn told(found: &[Finding]) -> Vec<(Severity, FindingName)> {
    let usual = |finding: &&Finding| {
        (finding.severity, finding.name) != (Severity::Info, FindingName::Capacity)
    };
    let found = found.iter().filter(usual);
    found
        .map(|finding| (finding.severity, finding.name))
        .collect()
}

struct Case {
    change: fn(&mut Scene),
    severity: Severity,
    name: FindingName,
    /// A part of what was seen, of why it matters and of what mends it.
    parts: [&'static str; 3],
}

#[test]
fn a_service_without_a_mistake_has_no_finding_but_the_room_it_needs() {
    let mut scene = serving();
    scene.world.load_balancer = Some(balanced(3, true));
    let (checked, found) = look(&scene);
    assert!(checked.is_ok());
    assert_eq!(told(&found), []);
    assert_eq!(found.len(), 1);
    assert!(found[0].seen.contains("run 8 tasks at once"), "{found:?}");
    assert!(found[0].why.contains("not known"), "{found:?}");
}

#[test]
fn each_mistake_has_a_finding_with_what_mends_it() {
    for case in cases() {
        let mut scene = serving();
        scene.world.load_balancer = Some(balanced(2, true));
        (case.change)(&mut scene);
        let (checked, found) = look(&scene);
        let told = told(&found);
        let name = case.name.as_str();
        assert_eq!(
            checked.is_err(),
            case.severity == Severity::Error,
            "{name}: {checked:?}"
        );
        assert!(
            told.contains(&(case.severity, case.name)) || case.name == FindingName::Capacity,
            "{name}: {told:?}"
        );
        let finding = found.iter().find(|finding| finding.name == case.name);
        let finding = finding.unwrap();
        assert_eq!(finding.severity, case.severity, "{name}");
        for (text, part) in [&finding.seen, &finding.why, &finding.fix.to_string()]
            .into_iter()
            .zip(case.parts)
        {
            assert!(text.contains(part), "{name}: wanted {part:?} in {text:?}");
        }
    }
}

#[test]
fn every_name_but_the_last_resort_has_a_case() {
    let cases = cases();
    let tested = |name: &&FindingName| cases.iter().any(|case| case.name == **name);
    let missing: Vec<_> = FindingName::ALL
        .iter()
        .filter(|name| !tested(name))
        .collect();
    assert_eq!(missing, [&FindingName::Refused]);
}

#[test]
fn several_mistakes_are_all_told_though_a_deployment_stops_at_the_first() {
    let mut scene = serving();
    scene.world.task_definition.as_mut().unwrap().active = false;
    scene.container_mut().ports = vec![9_000];
    scene.world.target_groups.pop();
    scene.world.listeners.pop();
    scene.group_mut("blue").settings.sticky = true;
    let (checked, found) = look(&scene);
    let first = checked.unwrap_err();
    assert_eq!(found[0].seen, first.problem);
    let wanted = [
        (Severity::Error, FindingName::TaskDefinition),
        (Severity::Error, FindingName::TargetGroups),
        (Severity::Error, FindingName::ContainerPort),
        (Severity::Warning, FindingName::Stickiness),
    ];
    assert_eq!(told(&found), wanted);
}

#[test]
fn what_check_refuses_is_the_first_error_that_is_told() {
    for case in cases()
        .iter()
        .filter(|case| case.severity == Severity::Error)
    {
        let mut scene = serving();
        (case.change)(&mut scene);
        let refusal = check(&scene.plan().id, &scene.request, &scene.world);
        let errors = errors::errors(&scene.request, &scene.world);
        assert_eq!(errors[0].seen, refusal.unwrap_err().problem);
        assert_eq!(errors[0].name, case.name);
        assert_ne!(errors[0].why, FindingName::Refused.why_refused());
    }
}

#[test]
fn a_call_that_is_not_allowed_is_a_finding_that_says_what_to_grant() {
    for (zones, cross_zone, granted) in [
        (
            Reading::NotAllowed("a:Zones"),
            Reading::Seen(false),
            "Grant a:Zones on *",
        ),
        (
            Reading::Seen(2),
            Reading::NotAllowed("a:Cross"),
            "Grant a:Cross on *",
        ),
    ] {
        let mut scene = serving();
        let mut load_balancer = balanced(2, false);
        (load_balancer.zones, load_balancer.cross_zone) = (zones, cross_zone);
        scene.world.load_balancer = Some(load_balancer);
        let (checked, found) = look(&scene);
        assert!(checked.is_ok());
        assert_eq!(told(&found), [(Severity::Info, FindingName::CrossZone)]);
        assert!(
            found.iter().any(|one| one.fix.text.starts_with(granted)),
            "{found:?}"
        );
    }
}

#[test]
fn a_group_of_its_own_mind_is_asked_before_its_load_balancer() {
    let mut scene = serving();
    scene.world.load_balancer = Some(balanced(5, false));
    for group in ["blue", "green"] {
        scene.group_mut(group).settings.cross_zone = Some(true);
    }
    assert_eq!(told(&look(&scene).1), []);
    scene.group_mut("green").settings.cross_zone = Some(false);
    let (_, found) = look(&scene);
    assert_eq!(told(&found), [(Severity::Warning, FindingName::Zones)]);
    assert!(
        found[0].fix.to_string().contains(&*group_arn("green")),
        "{found:?}"
    );
    assert!(
        !found[0].fix.to_string().contains(&*group_arn("blue")),
        "{found:?}"
    );
}

#[test]
fn every_drain_with_cross_zone_off_comes_to_fewer_tasks_than_zones_and_it_is_no_warning() {
    let mut scene = serving();
    scene.world.load_balancer = Some(balanced(2, false));
    let (_, found) = look(&scene);
    assert_eq!(told(&found), [(Severity::Info, FindingName::Zones)]);
    assert!(
        found
            .iter()
            .any(|one| one.seen.starts_with("From step 3 on")),
        "{found:?}"
    );
}

#[test]
fn an_unknown_target_type_is_accepted() {
    let mut scene = serving();
    scene.group_mut("blue").settings.target_type = "satellite".into();
    assert!(look(&scene).0.is_ok());
}

#[test]
fn names_are_unique() {
    let mut names: Vec<_> = FindingName::ALL.iter().map(|name| name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), FindingName::ALL.len());
}

#[test]
fn the_documentation_tells_of_every_finding_and_of_no_other() {
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

fn balanced(zones: u32, cross_zone: bool) -> LoadBalancer {
    LoadBalancer {
        zones: Reading::Seen(zones),
        cross_zone: Reading::Seen(cross_zone),
        ..serving().world.load_balancer.unwrap()
    }
}

mod cases;
use cases::cases;
