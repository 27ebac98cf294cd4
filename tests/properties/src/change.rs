//! Scenes drawn from bytes: a stage of a deployment, and things in it that are not as they were (a
//! person's hand, another deployment, a stale read, an AWS that says something new).

use arbitrary::Unstructured;
use ebbtide_controller::auto_scaling::{Hold, Scaling, Suspended};
use ebbtide_controller::budget::Control;
use ebbtide_controller::checks::{Check, Checked, Compared, NoData};
use ebbtide_controller::contract::Failure;
use ebbtide_controller::deployment::{Outgoing, Progress};
use ebbtide_controller::flows::{Flows, Point};
use ebbtide_controller::id::TaskSetId;
use ebbtide_controller::pace::{Budget, Metric, OnDeadline, Pace, TASK_SET};
use ebbtide_controller::request::{AutoScaling, Request};
use ebbtide_controller::world::{
    Alarm, Created, Forward, Route, Rule, Targets, TaskSetLoadBalancer, TaskSetStatus,
    WeightedTargetGroup,
};

use serde_json::json;

use crate::draw::{count, once_in, one, text};
use crate::fixture::home;
use crate::registries::{found_in_a_registry, keep_to_what_a_registry_shows};
use crate::requests;
use crate::scene::{
    Scene, Stage, group, group_arn, id, listener, listener_arn, load_balancer_arn, task_set,
};

const GROUPS: [&str; 4] = ["blue", "green", "red", "gone"];
const PORTS: [u16; 4] = [80, 8080, 443, 1883];
const TASK_SETS: [&str; 5] = [
    "ecs-svc/1",
    "ecs-svc/2",
    "ecs-svc/3",
    "ecs-svc/4",
    "ecs-svc/5",
];

type Change = fn(&mut Scene, &mut Unstructured<'_>);

const CHANGES: [Change; 19] = [
    listener_forwards,
    listener_is_tagged,
    listener_comes_or_goes,
    task_set_is_scaled,
    task_set_changes_status,
    task_set_moves,
    task_set_comes_or_goes,
    group_is_tagged,
    group_comes_or_goes,
    targets_change,
    service_changes,
    definition_changes,
    deployment_is_older,
    deployment_goes_back,
    alarm_rings,
    tasks_stop,
    found_in_a_registry,
    hours_are_quiet,
    scaled_by_itself,
];

impl Scene {
    /// Draws a stage of a deployment and how the world checks then, and up to eight changes of it.
    pub fn draw(bytes: &mut Unstructured<'_>) -> Self {
        use Stage::{Committed, Created, Drained, Healthy, Serving, Swapped};
        let stages = [Healthy, Swapped, Committed, Created, Drained, Serving];
        let stage = one(bytes, &stages);
        let mut scene = Self::at(stage);
        if once_in(bytes, 4) {
            let input = requests::whole(bytes);
            if let Ok(request) = Request::parse(&input, &home()) {
                scene.deployment.plan.request = request;
            }
        }
        for _ in 0..bytes.int_in_range(0..=8).unwrap_or(0) {
            one(bytes, &CHANGES)(&mut scene, bytes);
        }
        if scene.world.registry.is_some() && scene.world.load_balancer.is_none() {
            keep_to_what_a_registry_shows(&mut scene.world);
        }
        scene
    }
}

fn listener_forwards(scene: &mut Scene, bytes: &mut Unstructured<'_>) {
    let forward = forward(bytes);
    let rule = once_in(bytes, 6).then(|| (one(bytes, &[1, 10, 50_000]), one(bytes, &GROUPS)));
    let created = once_in(bytes, 3).then(|| Created {
        deployment: one(
            bytes,
            &[
                "ebbtide:Ebbtide:run-0:x",
                "ebbtide:Ebbtide:run-1:20260101T000000Z",
            ],
        )
        .to_owned(),
        beside: "1".to_owned(),
        service: one(bytes, &["main/web", "other/web"]).to_owned(),
    });
    let routes = &mut scene.world.routes;
    if let Some(route) = any(routes, bytes) {
        route.forward = forward;
        if let Some((priority, group)) = rule {
            let mut new = self::rule(route, priority, group);
            new.created = created;
            routes.retain(|route| route.arn != new.arn);
            routes.push(new);
        }
    }
}

/// A rule of a route's listener.
fn rule(beside: &Route, priority: u32, group: &str) -> Route {
    let listener = beside.listener.replace(":listener/", ":listener-rule/");
    Route {
        arn: format!("{listener}/{priority:016}").into(),
        rule: Some(Rule {
            priority,
            conditions: Vec::new(),
        }),
        forward: Forward::to(&group_arn(group)),
        role: None,
        ..beside.clone()
    }
}

fn forward(bytes: &mut Unstructured<'_>) -> Forward {
    const WEIGHTS: [u32; 4] = [0, 100, 1, 999];
    let groups = bytes.int_in_range(0..=3).unwrap_or(1);
    let weighted = (0..groups).map(|_| WeightedTargetGroup {
        target_group: group_arn(one(bytes, &GROUPS)),
        weight: one(bytes, &WEIGHTS),
    });
    Forward(weighted.collect())
}

fn listener_is_tagged(scene: &mut Scene, bytes: &mut Unstructured<'_>) {
    let role = match one(bytes, &["", "production", "test", "?"]) {
        "" => None,
        "?" => Some(text(bytes)),
        role => Some(role.to_owned()),
    };
    if let Some(route) = any(&mut scene.world.routes, bytes) {
        route.role = role;
    }
}

fn listener_comes_or_goes(scene: &mut Scene, bytes: &mut Unstructured<'_>) {
    let routes = &mut scene.world.routes;
    let port = one(bytes, &PORTS);
    let known = routes.len();
    routes.retain(|route| route.listener != listener_arn(port));
    if routes.len() == known {
        let mut new = listener(port, one(bytes, &GROUPS));
        new.role = one(bytes, &[None, Some("test"), Some("production")]).map(str::to_owned);
        routes.push(new);
    }
}

fn task_set_is_scaled(scene: &mut Scene, bytes: &mut Unstructured<'_>) {
    const SCALES: [f64; 6] = [100.0, 0.0, 50.0, 62.5, 0.001, 37.5];
    let scale = one(bytes, &SCALES);
    let counts = [count(bytes), count(bytes), count(bytes)];
    let steady = once_in(bytes, 2);
    if let Some(task_set) = any(&mut scene.world.task_sets, bytes) {
        task_set.scale = scale;
        [
            task_set.computed_desired_count,
            task_set.running_count,
            task_set.pending_count,
        ] = counts;
        task_set.steady = steady;
    }
}

fn task_set_changes_status(scene: &mut Scene, bytes: &mut Unstructured<'_>) {
    let status = match bytes.int_in_range(0..=3).unwrap_or(0) {
        0 => TaskSetStatus::Active,
        1 => TaskSetStatus::Primary,
        2 => TaskSetStatus::Draining,
        _ => TaskSetStatus::Unknown(text(bytes)),
    };
    if let Some(task_set) = any(&mut scene.world.task_sets, bytes) {
        task_set.status = status;
    }
}

fn task_set_moves(scene: &mut Scene, bytes: &mut Unstructured<'_>) {
    let group = group_arn(one(bytes, &GROUPS));
    let how = bytes.int_in_range(0..=2).unwrap_or(0);
    let external = match bytes.int_in_range(0..=5).unwrap_or(0) {
        1 => Some(None),
        2 => Some(Some(id().external_id())),
        3 => Some(Some(text(bytes))),
        _ => None,
    };
    if let Some(task_set) = any(&mut scene.world.task_sets, bytes) {
        if how > 0 {
            task_set.load_balancers.clear();
        }
        if how < 2 {
            task_set.load_balancers.push(TaskSetLoadBalancer {
                target_group: group,
                container_name: None,
                container_port: None,
            });
        }
        if let Some(external) = external {
            task_set.external_id = external;
        }
    }
}

fn task_set_comes_or_goes(scene: &mut Scene, bytes: &mut Unstructured<'_>) {
    let task_sets = &mut scene.world.task_sets;
    let name = one(bytes, &TASK_SETS);
    let known = task_sets.len();
    task_sets.retain(|set| *set.id != *name);
    if task_sets.len() == known {
        let mut new = task_set(name, one(bytes, &GROUPS));
        new.created_at = one(bytes, &[Some(3_000), None, Some(1_000), Some(500)]);
        new.running_count = one(bytes, &[4, 0]);
        task_sets.push(new);
    }
}

fn group_is_tagged(scene: &mut Scene, bytes: &mut Unstructured<'_>) {
    let is_production = one(bytes, &[None, Some("true"), Some("false"), Some("TRUE")]);
    let service = one(bytes, &[None, Some("web"), Some("other")]);
    let task_set = one(bytes, &[None, Some("ecs-svc/1"), Some("ecs-svc/2")]);
    let recorded = one(bytes, &[None, None, Some("main/web"), Some("other/web")]);
    let intent = match bytes.int_in_range(0..=3).unwrap_or(0) {
        1 => Some(id().tag_value()),
        3 => Some(id().swap_record(true, once_in(bytes, 2))),
        2 => Some(text(bytes)),
        _ => None,
    };
    if let Some(group) = any(&mut scene.world.target_groups, bytes) {
        group.is_production = is_production.map(str::to_owned);
        group.service = recorded.map(str::to_owned);
        group.service_name = service.map(str::to_owned);
        group.task_set_id = task_set.map(TaskSetId::from);
        group.swap_intent = intent;
    }
}

fn group_comes_or_goes(scene: &mut Scene, bytes: &mut Unstructured<'_>) {
    let groups = &mut scene.world.target_groups;
    let name = one(bytes, &GROUPS[..3]);
    let known = groups.len();
    groups.retain(|group| group.name != name);
    if groups.len() == known {
        let mut new = group(name);
        new.load_balancer = match bytes.int_in_range(0..=2).unwrap_or(0) {
            1 => None,
            2 => Some(load_balancer_arn("elsewhere")),
            _ => Some(load_balancer_arn("lb")),
        };
        groups.push(new);
    }
}

fn targets_change(scene: &mut Scene, bytes: &mut Unstructured<'_>) {
    let mut draw = || {
        if once_in(bytes, 3) { count(bytes) } else { 0 }
    };
    let targets = Targets {
        healthy: draw(),
        initial: draw(),
        unhealthy: draw(),
        unused: draw(),
        draining: draw(),
        unknown: draw(),
    };
    let delay = count(bytes);
    if let Some(group) = any(&mut scene.world.target_groups, bytes) {
        group.targets = targets;
        group.deregistration_delay = delay;
    }
}

fn service_changes(scene: &mut Scene, bytes: &mut Unstructured<'_>) {
    scene.world.service.desired_count = count(bytes);
    if once_in(bytes, 6) {
        scene.world.service.status = text(bytes).as_str().into();
    }
    if once_in(bytes, 8) {
        scene.world.load_balancer = None;
    }
}

fn definition_changes(scene: &mut Scene, bytes: &mut Unstructured<'_>) {
    if once_in(bytes, 4) {
        scene.world.task_definition = None;
    }
    let ports = bytes.arbitrary::<[u16; 2]>().unwrap_or_default();
    let mode = one(bytes, &["awsvpc", "bridge", "host"]);
    if let Some(definition) = &mut scene.world.task_definition {
        definition.network_mode = mode.into();
        definition.active = !once_in(bytes, 4);
        if once_in(bytes, 2) {
            definition.containers[0].ports.extend(ports);
        }
    }
}

/// The state that the step got is not this world's: an old one, or another's.
fn deployment_is_older(scene: &mut Scene, bytes: &mut Unstructured<'_>) {
    let plan = &mut scene.deployment.plan;
    match bytes.int_in_range(0..=4).unwrap_or(0) {
        0 => {
            plan.original = optional(bytes);
            plan.replacement = optional(bytes);
        }
        1 => {
            // Never one group twice: the contract refuses that.
            let pairs = [
                ("green", "blue"),
                ("blue", "red"),
                ("gone", "green"),
                ("blue", "gone"),
            ];
            let (original, replacement) = one(bytes, &pairs);
            plan.original_target_group = group_arn(original);
            plan.replacement_target_group = group_arn(replacement);
        }
        2 => {
            plan.tasks = count(bytes);
            plan.desired = count(bytes);
        }
        3 => drain_is_paced(scene, bytes),
        _ => {
            let progress = &mut scene.deployment.progress;
            *progress = Progress {
                waited: count(bytes),
                checks: count(bytes),
                step: count(bytes),
                held: count(bytes),
                soon: count(bytes),
                baking: once_in(bytes, 2),
                ..*progress
            };
        }
    }
}

/// The deployment has a window, which is closed or not, and may have to end by a time.
fn hours_are_quiet(scene: &mut Scene, bytes: &mut Unstructured<'_>) {
    let now = scene.world.now;
    let (request, world) = (&mut scene.deployment.plan.request, &mut scene.world);
    // Once: after two weeks, an execution has no room for a wait.
    if request.window.is_some() {
        return;
    }
    let windows = requests::windows();
    let mut input = json!({"cluster": "main", "serviceName": "web", "taskDefinition": "web:2"});
    input["window"] = one(bytes, windows.as_array().expect("a list"));
    let parsed = Request::parse(&input, &home()).expect("a window");
    request.window = parsed.window;
    // A week at most: no execution ends meanwhile.
    world.now = now + u64::from(count(bytes) % (7 * 86_400));
    request.finish_by = once_in(bytes, 4).then(|| world.now + u64::from(count(bytes)));
}

/// The drain has a pace of any kind, and metrics that say anything.
fn drain_is_paced(scene: &mut Scene, bytes: &mut Unstructured<'_>) {
    let rate = |bytes: &mut Unstructured<'_>| f64::from(count(bytes)) + 0.5;
    scene.deployment.plan.request.drain.pace = match bytes.int_in_range(0..=3).unwrap_or(0) {
        0 => Pace::Tasks {
            tasks: count(bytes).max(1),
            every: count(bytes).clamp(1, 86_400),
        },
        1 => Pace::Within {
            seconds: count(bytes).min(86_400),
        },
        _ => Pace::Budget(Budget {
            reconnects: rate(bytes),
            connections_per_task: once_in(bytes, 2).then(|| rate(bytes)),
            deadline: count(bytes).min(86_400),
            on_deadline: one(bytes, &[OnDeadline::Finish, OnDeadline::Stop]),
        }),
    };
    if once_in(bytes, 2) {
        scene.deployment.plan.request.checks = vec![check(bytes)];
        scene.deployment.plan.checked = Checked {
            since: once_in(bytes, 2).then(|| u64::from(count(bytes))),
            held: count(bytes),
            complete: false,
            without: count(bytes) % 2,
        };
    }
    scene.world.now = u64::from(count(bytes));
    scene.deployment.progress.control = Control {
        began: once_in(bytes, 2).then(|| u64::from(count(bytes))),
        left: once_in(bytes, 2).then(|| count(bytes)),
        factor: one(bytes, &[1.0, 0.5, 0.05]),
        before: one(bytes, &[1.0, 0.5, 0.05]),
        baseline: once_in(bytes, 2).then(|| rate(bytes)),
        connections_per_task: once_in(bytes, 2).then(|| rate(bytes)),
        judged: once_in(bytes, 2).then(|| u64::from(count(bytes))),
        changed: Some(u64::from(count(bytes))),
    };
    let mut points = |most: usize| -> Vec<_> {
        let some = bytes.int_in_range(0..=most).unwrap_or(0);
        let points = (0..some).map(|_| Point {
            at: u64::from(count(bytes)),
            value: f64::from(count(bytes)),
        });
        points.collect()
    };
    scene.world.flows = Flows {
        new: points(3),
        active: points(2),
        connections: points(3),
        seen: points(3),
        kept: points(3),
        compared: vec![Compared {
            replacement: points(3),
            original: points(3),
        }],
        error: None,
    };
}

fn check(bytes: &mut Unstructured<'_>) -> Check {
    Check {
        metric: Metric {
            namespace: "App".to_owned(),
            name: "Latency".to_owned(),
            dimensions: vec![("Set".to_owned(), TASK_SET.to_owned())],
        },
        statistic: "p99".to_owned(),
        at_most: f64::from(count(bytes)),
        samples: count(bytes).clamp(1, 60),
        failures: count(bytes).min(59),
        no_data: one(bytes, &NoData::ALL),
    }
}

/// It failed, or removes what another one has left.
fn deployment_goes_back(scene: &mut Scene, bytes: &mut Unstructured<'_>) {
    let plan = &mut scene.deployment.plan;
    match bytes.int_in_range(0..=2).unwrap_or(0) {
        0 => plan.outgoing = Outgoing::Replacement,
        1 => plan.outgoing = Outgoing::Leftover(optional(bytes)),
        _ => plan.outgoing = Outgoing::Original,
    }
    if plan.outgoing != Outgoing::Original && once_in(bytes, 4) {
        std::mem::swap(&mut plan.original, &mut plan.replacement);
        let (original, replacement) = (
            &mut plan.original_target_group,
            &mut plan.replacement_target_group,
        );
        std::mem::swap(original, replacement);
    }
    let errors = ["NotReadyTimeout", "AlarmRaised", "States.Timeout"];
    plan.failure = once_in(bytes, 2).then(|| Failure {
        error: one(bytes, &errors).to_owned(),
        cause: "It went wrong.".to_owned(),
    });
}

/// With Auto Scaling, of which anything is suspended, by a deployment or not.
fn scaled_by_itself(scene: &mut Scene, bytes: &mut Unstructured<'_>) {
    scene.deployment.plan.request.auto_scaling =
        one(bytes, &[AutoScaling::HoldScaleIn, AutoScaling::Leave]);
    scene.world.scaling = Scaling {
        target: (!once_in(bytes, 4)).then(|| Suspended {
            scale_in: once_in(bytes, 2),
            scale_out: once_in(bytes, 2),
            scheduled: once_in(bytes, 2),
        }),
        hold: once_in(bytes, 2).then(|| Hold {
            since: u64::from(count(bytes)),
            by: "arn:aws:states:us-east-1:555555555555:execution:Ebbtide:run-0".into(),
        }),
    };
}

fn alarm_rings(scene: &mut Scene, bytes: &mut Unstructured<'_>) {
    scene.deployment.plan.request.alarms = vec!["errors".to_owned()];
    let states = ["ALARM", "OK", "INSUFFICIENT_DATA", ""];
    scene.world.alarms = match one(bytes, &states) {
        "" => Vec::new(),
        state => vec![Alarm {
            name: "errors".to_owned(),
            state: state.into(),
        }],
    };
}

fn optional(bytes: &mut Unstructured<'_>) -> Option<TaskSetId> {
    (!once_in(bytes, 4)).then(|| one(bytes, &TASK_SETS).into())
}

fn tasks_stop(scene: &mut Scene, bytes: &mut Unstructured<'_>) {
    scene.world.stopped_tasks.failed = count(bytes);
    scene.world.stopped_tasks.newest = Some(text(bytes));
}

/// Any of them, where there is one.
fn any<'a, T>(items: &'a mut [T], bytes: &mut Unstructured<'_>) -> Option<&'a mut T> {
    let last = items.len().checked_sub(1)?;
    let index = bytes.int_in_range(0..=last).unwrap_or(0);
    items.get_mut(index)
}
