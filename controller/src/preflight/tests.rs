//! What preflight refuses beside what its stories have.

use super::*;
use crate::drain::deregistration::Deregistration;
use crate::fixture::Scene;

#[test]
fn a_service_that_does_not_exist_is_refused_by_its_field() {
    let scene = Scene::serving();
    let (checked, _) = inspect(&scene.plan().id, &scene.request, None);
    assert_eq!(
        checked.unwrap_err().problem,
        "serviceName: cluster main has no service web."
    );
}

#[test]
fn a_long_budget_beside_many_leftovers_is_refused_with_advice_that_helps() {
    let scene = Scene::serving();
    let left = 4;
    let with = |more: serde_json::Value| {
        let mut input = serde_json::json!({
            "cluster": "main",
            "serviceName": "web",
            "taskDefinition": "web:2",
            "drain": {"reconnectsPerSecond": 123, "deadline": 80000},
        });
        let fields = more.as_object().unwrap().clone();
        input.as_object_mut().unwrap().extend(fields);
        let request = Request::parse(&input, scene.plan().id.home()).unwrap();
        execution_fits(&request, 500, Deregistration::new(60, false), left, 0)
    };
    let refusal = with(serde_json::json!({})).unwrap_err().to_string();
    for part in [
        "of the execution's history",
        "an earlier deadline",
        "raise waitForService",
    ] {
        assert!(refusal.contains(part), "{part}: {refusal}");
    }
    let seldom = serde_json::json!({"waitForService": 60, "readinessTimeout": 900});
    assert_eq!(with(seldom), Ok(()));
    let drain = serde_json::json!({"reconnectsPerSecond": 123, "deadline": 40000});
    assert_eq!(with(serde_json::json!({"drain": drain})), Ok(()));
}
