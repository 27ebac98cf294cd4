//! Services that Application Auto Scaling scales.

use ebbtide_simulator::Scenario;
use serde_json::json;

use super::{CLUSTER, Case, Ends, SERVICE, case, one_task, scenario};

/// Application Auto Scaling scales it, but for the time of a deployment; scheduled actions are suspended all the time.
fn scaled_by_itself(name: &'static str, scenario: &Scenario, ends: Ends) -> Case {
    let more = json!({
        "autoScaling": "holdScaleIn",
        "scaledown_decrement": 100,
        "readinessTimeout": if ends == Ends::Deployed { 1_800 } else { 180 },
        "failedTasks": 100,
    });
    let mut case = case(name, scenario, &more, ends);
    let target = json!({
        "ServiceNamespace": "ecs",
        "ResourceId": format!("service/{CLUSTER}/{SERVICE}"),
        "ScalableDimension": "ecs:service:DesiredCount",
        "MinCapacity": 1,
        "MaxCapacity": 10,
        "SuspendedState": {"ScheduledScalingSuspended": true},
    });
    let target = serde_json::from_value(target).unwrap();
    case.world.register_scalable_target(&target).unwrap();
    case
}

pub(super) fn all() -> [Case; 3] {
    let sick = one_task(|scenario| scenario.replacement.never_healthy = true);
    let back = Ends::RolledBack("NotReadyTimeout");
    [
        scaled_by_itself("auto scaling", &scenario(1), Ends::Deployed),
        scaled_by_itself("auto scaling, never healthy", &sick, back),
        suspended_by_a_person(),
    ]
}

fn suspended_by_a_person() -> Case {
    let name = "scale-in suspended by a person";
    let mut case = scaled_by_itself(name, &scenario(1), Ends::Deployed);
    let suspended = json!({
        "ServiceNamespace": "ecs",
        "ResourceId": format!("service/{CLUSTER}/{SERVICE}"),
        "ScalableDimension": "ecs:service:DesiredCount",
        "SuspendedState": {"DynamicScalingInSuspended": true},
    });
    let suspended = serde_json::from_value(suspended).unwrap();
    case.world.register_scalable_target(&suspended).unwrap();
    case
}
