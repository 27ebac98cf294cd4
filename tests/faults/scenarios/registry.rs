//! Services that clients find in a registry of Cloud Map.

use ebbtide_simulator::world::{AlarmState, AlarmType};
use ebbtide_simulator::{Names, Scenario};
use serde_json::{Value, json};

use super::{Case, Ends, case, one_task, scenario};

pub(super) fn all() -> [Case; 8] {
    let restored = json!({"ecsRestoresHealthAfterSeconds": 45});
    let beside = json!({"besideLoadBalancer": true});
    let deployed =
        |name, settings, tasks| registry(name, settings, &scenario(tasks), Ends::Deployed);
    [
        deployed("a registry", &json!({}), 2),
        shift_by_tasks(),
        never_healthy(),
        alarm(),
        deployed("health that ECS puts back", &restored, 1),
        deployed("a registry beside a load balancer", &beside, 1),
        first(),
        refused(),
    ]
}

/// Clients find the tasks in a registry, and keep what they have found.
fn registry(name: &'static str, settings: &Value, scenario: &Scenario, ends: Ends) -> Case {
    let scenario = Scenario {
        registry: Some(serde_json::from_value(settings.clone()).unwrap()),
        ..scenario.clone()
    };
    let mut case = case(name, &scenario, &json!({}), ends);
    if !scenario.has_load_balancer() {
        case.event.as_object_mut().unwrap().remove("nlb");
    }
    case
}

fn shift_by_tasks() -> Case {
    let mut case = registry("a shift by tasks", &json!({}), &scenario(2), Ends::Deployed);
    case.event["shift"] = json!({"percent": 50, "for": 60});
    case.event["scaledown_decrement"] = json!(100);
    case
}

fn never_healthy() -> Case {
    let sick = one_task(|scenario| scenario.replacement.never_healthy = true);
    let ends = Ends::RolledBack("NotReadyTimeout");
    let mut case = registry("never healthy in a registry", &json!({}), &sick, ends);
    case.event["readinessTimeout"] = json!(180);
    case.event["failedTasks"] = json!(100);
    case
}

/// The original has left the registry by then, and comes back.
fn alarm() -> Case {
    let ends = Ends::RolledBack("AlarmRaised");
    let mut case = registry("an alarm in a registry", &json!({}), &scenario(2), ends);
    case.event["alarms"] = json!(["errors"]);
    case.event["scaledown_wait"] = json!(300);
    let (world, metric) = (&mut case.world, AlarmType::MetricAlarm);
    world.put_alarm("errors", metric, AlarmState::Ok).unwrap();
    world.change_alarm_in(500_000, "errors", AlarmState::Alarm);
    case
}

/// Clients know the replacement, although it never was PRIMARY.
fn refused() -> Case {
    let ends = Ends::RolledBack("CheckFailed");
    let mut case = registry("refused in a registry", &json!({}), &scenario(2), ends);
    let lambda = "arn:aws:lambda:us-east-1:555555555555:function:refuse";
    case.event["hooks"] = json!([{"at": "beforeSwap", "lambda": lambda}]);
    let never = json!([{"answer": {"hookStatus": "FAILED"}}]);
    let never = serde_json::from_value(never).unwrap();
    case.world.put_function("refuse", never);
    case
}

fn first() -> Case {
    let scenario = one_task(|scenario| scenario.first_deployment = true);
    let name = "first deployment into a registry";
    let mut case = registry(name, &json!({}), &scenario, Ends::Deployed);
    let names = Names::default();
    let registry = case.world.registries().next().unwrap().arn.clone();
    case.event["registry"] = json!({"registryArn": registry});
    case.event["subnets"] = names.subnets.into();
    case.event["task_sg"] = names.security_groups.into();
    case
}
