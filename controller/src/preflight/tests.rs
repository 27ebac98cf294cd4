//! What preflight takes, and what it refuses.

use super::*;
use crate::drain::deregistration::Deregistration;
use crate::drain::pace::Pace;
use crate::fixture::{Scene, group_arn};
use crate::request::SwapMode;
use crate::world::{Forward, Launch, TaskSetLoadBalancer, TaskSetStatus};

fn look(scene: &Scene) -> Result<Plan, Refusal> {
    settle(&scene.plan().id, &scene.request, &scene.world, None)
}

fn refused(scene: &Scene) -> String {
    let refusal = look(scene).unwrap_err();
    format!("{}: {refusal}", refusal.error)
}

fn assert_refused(expected: &str, change: impl Fn(&mut Scene)) {
    let mut scene = Scene::serving();
    change(&mut scene);
    let seen = refused(&scene);
    assert!(seen.contains(expected), "wanted {expected:?} in {seen:?}");
}

#[test]
fn defaults_are_what_the_task_set_in_service_has() {
    let deployment = look(&Scene::serving()).unwrap();
    let request = &deployment.request;
    assert_eq!(request.container_name.as_deref(), Some("webserver"));
    assert_eq!(request.container_port, Some(8080));
    assert_eq!(
        request.subnets.as_deref(),
        Some(&["subnet-0".to_owned()][..])
    );
    assert_eq!(request.platform_version.as_deref(), Some("1.4.0"));
    assert_eq!(deployment.original.as_deref(), Some("ecs-svc/1"));
    assert_eq!(deployment.replacement_target_group, group_arn("green"));
    assert_eq!(deployment.tasks, 4);
}

#[test]
fn a_settled_request_settles_to_itself() {
    let mut scene = Scene::serving();
    let settled = look(&scene).unwrap();
    scene.request = settled.request.clone();
    assert_eq!(look(&scene).unwrap(), settled);
}

#[test]
fn a_service_that_cannot_be_deployed_to_is_refused_with_what_mends_it() {
    let scene = Scene::serving();
    let (checked, _) = inspect(&scene.plan().id, &scene.request, None);
    assert_eq!(
        checked.unwrap_err().problem,
        "serviceName: cluster main has no service web."
    );
    assert_refused("ServiceNotActive: Service web is INACTIVE", |w| {
        w.world.service.status = "INACTIVE".into();
    });
    assert_refused("deployment controller CODE_DEPLOY", |w| {
        w.world.service.deployment_controller = "CODE_DEPLOY".into();
    });
    assert_refused("--desired-count 1", |w| {
        w.world.service.desired_count = 0;
    });
}

#[test]
fn a_task_definition_that_starts_no_tasks_is_refused() {
    assert_refused(
        "PreflightFailed: taskDefinition: web:2 does not exist",
        |w| {
            w.world.task_definition = None;
        },
    );
    assert_refused("web:2 is INACTIVE", |w| {
        w.world.task_definition.as_mut().unwrap().active = false;
    });
}

#[test]
fn a_container_or_port_that_is_not_in_the_task_definition_is_refused() {
    assert_refused("containerName sidecar", |w| {
        w.request.container_name = Some("sidecar".into());
    });
    assert_refused("containerPort 9090", |w| {
        w.request.container_port = Some(9090);
    });
    assert_refused("which maps: none", |w| w.container_mut().ports.clear());
}

#[test]
fn the_only_container_port_is_the_default_of_a_first_deployment() {
    let mut scene = Scene::serving();
    scene.world.task_sets.clear();
    scene.group_mut("blue").targets.healthy = 0;
    scene.request.subnets = Some(vec!["subnet-0".into()]);
    scene.request.security_groups = Some(vec!["sg-0".into()]);
    let deployment = look(&scene).unwrap();
    assert_eq!(deployment.request.container_port, Some(8080));
    assert_eq!(
        deployment.request.launch,
        Some(Launch::Type("FARGATE".into()))
    );
    assert_eq!((deployment.original, deployment.tasks), (None, 0));
    scene.container_mut().ports.push(9090);
    assert!(refused(&scene).contains("webserver:8080, webserver:9090"));
}

#[test]
fn a_first_deployment_says_what_nothing_can_be_taken_from() {
    assert_refused("subnets is missing", |w| {
        w.world.task_sets.clear();
        w.group_mut("blue").targets.healthy = 0;
    });
    assert_refused("nlb is missing", |w| w.world.load_balancer = None);
}

#[test]
fn a_sixth_task_set_is_refused_before_it_is_asked_for() {
    assert_refused("TaskSetLimit: Service web has 5 task sets", |w| {
        for number in 2..6 {
            let mut draining = w.world.task_sets[0].clone();
            draining.id = format!("ecs-svc/{number}").into();
            draining.status = TaskSetStatus::Draining;
            w.world.task_sets.push(draining);
        }
    });
}

#[test]
fn a_leftover_on_the_alternate_group_is_refused_by_name() {
    assert_refused("Drift: Exactly one task set", |w| {
        let mut leftover = w.world.task_sets[0].clone();
        leftover.id = "ecs-svc/9".into();
        leftover.load_balancers = vec![TaskSetLoadBalancer {
            target_group: group_arn("green"),
            container_name: None,
            container_port: None,
        }];
        w.world.task_sets.push(leftover);
    });
    assert_refused("ecs-svc/1 (4 tasks) on green", |w| {
        w.task_set_mut("ecs-svc/1").load_balancers[0].target_group = group_arn("green");
    });
    assert_refused("targets that no task set owns: 2 healthy", |w| {
        w.group_mut("green").targets.healthy = 2;
    });
}

#[test]
fn targets_of_the_last_deployment_that_still_leave_are_no_obstacle() {
    let mut scene = Scene::serving();
    scene.group_mut("green").targets.draining = 3;
    assert!(look(&scene).is_ok());
}

#[test]
fn replace_mode_needs_a_test_listener() {
    assert_refused("swapMode is replace", |w| {
        w.request.swap_mode = SwapMode::Replace;
        w.world.listeners.truncate(1);
    });
}

#[test]
fn a_drain_that_cannot_fit_its_timeout_is_refused_with_the_number_that_would() {
    assert_refused("Give at least 360 in drainTimeout", |w| {
        w.request.drain_timeout = Some(100);
    });
    let mut scene = Scene::serving();
    scene.request.drain_timeout = Some(360);
    assert!(look(&scene).is_ok());
}

#[test]
fn what_would_outgrow_the_history_is_refused() {
    assert_refused("events of the execution's history", |w| {
        w.request.wait_for_service = 1;
        w.request.readiness_timeout = 3_600;
    });
}

#[test]
fn subnets_are_for_awsvpc_only() {
    assert_refused("has bridge", |w| {
        w.world.task_definition.as_mut().unwrap().network_mode = "bridge".into();
        w.request.subnets = Some(vec!["subnet-0".into()]);
    });
    let mut scene = Scene::serving();
    scene.world.task_definition.as_mut().unwrap().network_mode = "bridge".into();
    for group in ["blue", "green"] {
        scene.group_mut(group).settings.target_type = "instance".into();
    }
    assert_eq!(look(&scene).unwrap().request.subnets, None);
}

#[test]
fn a_dry_run_says_so() {
    let mut scene = Scene::serving();
    scene.request.dry_run = true;
    let checked = check(&scene.plan().id, &scene.request, &scene.world);
    let answer = checked.unwrap().answer();
    assert_eq!(answer.to, To::DryRunSucceeded);
    assert_eq!(
        answer.reason.to_string(),
        "dry run, nothing was changed: service web: ecs-svc/1 (4 tasks) on blue serves; web:2 goes to green, then the \
         original drains in 4 steps, 60 s apart"
    );
}

#[test]
fn a_port_that_is_mapped_for_tcp_and_udp_is_one_port() {
    let mut scene = Scene::serving();
    scene.container_mut().ports = vec![8080, 8080];
    assert!(look(&scene).is_ok());
}

#[test]
fn a_listener_that_was_moved_away_is_not_answered_with_a_forced_delete() {
    let mut scene = Scene::serving();
    scene.listener_mut(80).forward = Forward::to(&group_arn("green"));
    let seen = refused(&scene);
    assert!(
        seen.contains("point the production listener at target group blue"),
        "{seen}"
    );
    assert!(!seen.contains("delete-task-set"), "{seen}");
}

#[test]
fn a_first_deployment_is_refused_where_others_serve_on_its_production_group() {
    assert_refused(
        "PreflightFailed: Service web has no task set, and yet",
        |w| {
            w.world.task_sets.clear();
        },
    );
}

#[test]
fn a_load_balancer_that_is_not_the_services_is_refused_by_its_field() {
    assert_refused("PreflightFailed: nlb: ecs-svc/1 is behind", |w| {
        w.group_mut("blue").load_balancer = Some("arn:aws:elasticloadbalancing:us-east-1:555555555555:loadbalancer/net/other/0123456789abcdef".into());
    });
}

#[test]
fn what_an_earlier_deployment_left_is_let_pass_before_the_lock_is_taken_and_refused_after() {
    for scene in [Scene::created(), Scene::swapped()] {
        let checked = check(&scene.plan().id, &scene.request, &scene.world);
        assert!(checked.is_ok(), "{checked:?}");
        assert!(look(&scene).is_err());
    }
    let scene = Scene::created();
    let checked = check(&scene.plan().id, &scene.request, &scene.world).unwrap();
    assert_eq!(checked.plan.original.as_deref(), Some("ecs-svc/1"));
    let answer = checked.answer();
    assert!(
        answer
            .reason
            .to_string()
            .contains("also ecs-svc/2, drained and deleted first"),
        "{}",
        answer.reason.to_string()
    );
}

#[test]
fn a_half_moved_swap_is_let_pass_where_it_is_on_record() {
    let mut scene = Scene::committed();
    scene.world.listeners.push(crate::world::Listener {
        port: 443,
        arn: crate::fixture::listener_arn(443),
        forward: Forward::to(&group_arn("blue")),
        rule_target_groups: Vec::new(),
        role: Some("production".into()),
        sticky: false,
        stack: None,
        protocol: "TCP".into(),
    });
    let check = |scene: &Scene| check(&scene.plan().id, &scene.request, &scene.world);
    assert_eq!(
        check(&scene).unwrap().plan.original_target_group,
        group_arn("blue")
    );
    scene.group_mut("green").swap_intent = None;
    assert_eq!(check(&scene).unwrap_err().error, ErrorName::Drift);
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
        execution_fits(&request, 500, Deregistration::new(60, false), left)
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

#[test]
fn what_would_outlive_the_state_machine_is_refused_with_the_seconds() {
    assert_refused("s are allowed. Take larger steps or shorter pauses", |w| {
        w.request.drain.pace = Pace::Percent {
            decrement: 5.0,
            every: 86_400,
        };
        w.world.service.desired_count = 40;
    });
}

#[test]
fn targets_of_a_task_set_that_is_being_deleted_are_waited_for_under_the_lock() {
    let mut scene = Scene::created();
    scene.task_set_mut("ecs-svc/2").status = TaskSetStatus::Draining;
    let checked = check(&scene.plan().id, &scene.request, &scene.world);
    assert!(checked.is_ok(), "{checked:?}");
    assert!(refused(&scene).contains("ecs-svc/2 is still being deleted, and has targets in green"));
}
