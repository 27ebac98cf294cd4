//! The services that are deployed while things go wrong.

mod auto_scaling;
mod registry;

use ebbtide_controller::turn::{self, Turn};
use ebbtide_simulator::scenario::{ClientsScenario, ListenerRole, ListenerScenario};
use ebbtide_simulator::world::{
    ActionRequest, AlarmState, AlarmType, Condition, CreateListener, CreateRule, CreateTargetGroup,
    Kind, Level, Tag, Timings, World,
};
use ebbtide_simulator::{Names, Scenario};
use serde_json::{Value, json};

use crate::invariants::USERS;

/// The names of [`Names::default`].
pub(crate) const SERVICE: &str = "chat";
pub(crate) const CLUSTER: &str = "main";

/// One deployment, and how it ends if nothing else goes wrong.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) world: World,
    pub(crate) event: Value,
    pub(crate) ends: Ends,
    /// Healthy targets that production must never have fewer of; 0 where the tasks themselves are
    /// sick.
    pub(crate) healthy: usize,
    pub(crate) meanwhile: Option<Meanwhile>,
    /// What the functions decide by: a wrong decision, to see that it is caught.
    pub(crate) next: Turn,
}

impl Case {
    pub(crate) fn deciding_by(&self, next: Turn) -> Self {
        Self {
            next,
            ..self.clone()
        }
    }
}

/// What people and AWS do to the service meanwhile: in the middle of the drain, where nothing else is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meanwhile {
    /// The number of tasks that it wants from then on.
    Desires(u32),
    /// Spot takes a task of the replacement away.
    LosesATask,
    /// An operator pauses the shift, resumes it, and gives the drain another pace.
    IsOperated,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    /// The new version serves alone.
    Deployed,
    /// With this error; the version of before serves alone.
    RolledBack(&'static str),
}

/// Short times, so that a run has few calls and every one of them can be struck.
fn timings() -> Timings {
    Timings {
        nlb_registration_ms: 5_000,
        nlb_deregistration_ms: 5_000,
        task_deprovisioning_ms: 1_000,
        task_set_deletion_ms: 1_000,
        ..Timings::default()
    }
}

fn scenario(tasks: u32) -> Scenario {
    Scenario {
        tasks,
        deregistration_delay_seconds: 0,
        stop_timeout_seconds: 2,
        timings: timings(),
        tags: [("CostCenter".to_owned(), "4711".to_owned())].into(),
        ..Scenario::default()
    }
}

/// One task, with a change.
fn one_task(change: impl FnOnce(&mut Scenario)) -> Scenario {
    let mut scenario = scenario(1);
    change(&mut scenario);
    scenario
}

fn listeners(roles: &[(u16, ListenerRole)]) -> Vec<ListenerScenario> {
    let roles = roles.iter();
    roles
        .map(|&(port, role)| ListenerScenario::new(port, role))
        .collect()
}

fn event(more: &Value) -> Value {
    let mut event = Names::default().event();
    let quick = json!({"waitForService": 90, "bakeTime": 0, "scaledown_decrement": 50, "scaledown_wait": 60});
    for fields in [&quick, more] {
        let fields = fields.as_object().unwrap().clone();
        event.as_object_mut().unwrap().extend(fields);
    }
    event
}

fn case(name: &'static str, scenario: &Scenario, more: &Value, ends: Ends) -> Case {
    Case {
        name,
        world: scenario.world().unwrap(),
        event: event(more),
        ends,
        healthy: scenario.tasks as usize,
        meanwhile: None,
        next: turn::next,
    }
}

/// Two tasks behind two listeners: the smallest deployment that has two steps.
pub(crate) fn two_tasks() -> Case {
    case("two tasks", &scenario(2), &json!({}), Ends::Deployed)
}

pub(crate) fn all() -> Vec<Case> {
    let one_step = json!({"scaledown_decrement": 100});
    let replace = json!({"swapMode": "replace", "scaledown_decrement": 100});
    let none = json!({});
    let several = one_task(|scenario| {
        scenario.listeners = listeners(&[
            (80, ListenerRole::Production),
            (443, ListenerRole::Production),
            (8080, ListenerRole::Test),
        ]);
    });
    let on_an_alb = one_task(|scenario| scenario.load_balancer = Kind::Application);
    let slow = one_task(|scenario| scenario.replacement.slow_start_seconds = 15);
    let rescaled = "desired count changed while draining";
    let mut cases = vec![
        case("one task", &scenario(1), &none, Ends::Deployed),
        two_tasks(),
        case("three tasks", &scenario(3), &none, Ends::Deployed),
        case("ten tasks", &scenario(10), &none, Ends::Deployed),
        case("a hundred tasks", &scenario(100), &one_step, Ends::Deployed),
        case(
            "several production listeners",
            &several,
            &one_step,
            Ends::Deployed,
        ),
        case("groups replaced", &scenario(1), &replace, Ends::Deployed),
        case(
            "an application load balancer",
            &on_an_alb,
            &one_step,
            Ends::Deployed,
        ),
        first_deployment(),
        left_by_the_sample(),
        case("slow start", &slow, &one_step, Ends::Deployed),
        never_healthy(),
        sick_after_the_swap(),
        alarm_in_the_drain(),
        drain_deadline(),
        Case {
            meanwhile: Some(Meanwhile::Desires(4)),
            ..case(
                rescaled,
                &scenario(2),
                &json!({"scaledown_wait": 120}),
                Ends::Deployed,
            )
        },
        Case {
            meanwhile: Some(Meanwhile::Desires(6)),
            ..case(
                "a service that triples",
                &scenario(2),
                &one_step,
                Ends::Deployed,
            )
        },
        Case {
            healthy: 1,
            meanwhile: Some(Meanwhile::LosesATask),
            ..case("a fleet on Spot", &scenario(2), &none, Ends::Deployed)
        },
        neighbours(),
        reconnect_budget("a reconnect budget", Kind::Network),
        reconnect_budget("an ALB with a budget", Kind::Application),
        three_routes("three routes", false),
        three_routes("three routes, never healthy", true),
        planned_pauses("planned pauses", Ends::Deployed),
        planned_pauses("never approved", Ends::RolledBack("PauseTimeout")),
        hooks("hooks", Ends::Deployed),
        hooks("a hook that fails", Ends::RolledBack("CheckFailed")),
        checks("a check", 20.0, Ends::Deployed),
        checks("a check that fails", 40.0, Ends::RolledBack("CheckFailed")),
        check_in_a_shift(),
        shift(),
        shift_of_a_sick_version(),
        everything(),
    ];
    cases.extend(
        registry::all()
            .into_iter()
            .chain(quiet_hours())
            .chain(auto_scaling::all()),
    );
    // Whether ECS counts tasks that are being deregistered is unproven: for every second service it does not.
    for case in cases.iter_mut().skip(1).step_by(2) {
        case.world.counts_deregistering = false;
    }
    cases
}

/// Pauses that no person ends: all four go on by themselves, or the last one leads back.
fn planned_pauses(name: &'static str, ends: Ends) -> Case {
    let last = match ends {
        Ends::Deployed => "continue",
        Ends::RolledBack(_) => "rollback",
    };
    let pauses = ["afterHealthy", "beforeSwap", "afterSwap", "beforeDrain"].map(|at| {
        let on_timeout = if at == "beforeDrain" {
            last
        } else {
            "continue"
        };
        json!({"at": at, "timeout": 70, "onTimeout": on_timeout})
    });
    let more = json!({"pauses": pauses, "scaledown_decrement": 100});
    case(name, &scenario(1), &more, ends)
}

/// Hooks at every point, of which the first call is in progress; or one after the swap that fails, and one that
/// learns of it.
fn hooks(name: &'static str, ends: Ends) -> Case {
    let at = |at: &str, function: &str| {
        let lambda = format!("arn:aws:lambda:us-east-1:555555555555:function:{function}");
        json!({"at": at, "lambda": lambda})
    };
    let hooks = match ends {
        Ends::Deployed => {
            let points = [
                "beforeCreate",
                "afterHealthy",
                "testTraffic",
                "beforeSwap",
                "eachShift",
                "afterSwap",
                "beforeDrain",
                "eachStep",
                "afterDrain",
            ];
            points.map(|point| at(point, "check")).to_vec()
        }
        Ends::RolledBack(_) => vec![
            at("beforeSwap", "check"),
            at("afterSwap", "refuse"),
            at("afterRollback", "check"),
        ],
    };
    let more = json!({"hooks": hooks, "scaledown_decrement": 50});
    let mut case = case(name, &scenario(2), &more, ends);
    let answers = |answers: Value| serde_json::from_value(answers).unwrap();
    let once = json!([{"answer": {"hookStatus": "IN_PROGRESS"}}, {}]);
    case.world.put_function("check", answers(once));
    let never = json!([{"answer": {"hookStatus": "FAILED"}}]);
    case.world.put_function("refuse", answers(never));
    case
}

/// The application reports its latency, 20 of the original, and the replacement may have half as much more.
fn checks(name: &'static str, latency: f64, ends: Ends) -> Case {
    let reporting = one_task(|scenario| {
        let at = |level| [("Latency".to_owned(), Some(Level { level, noise: 0.05 }))].into();
        scenario.original.metrics = at(20.0);
        scenario.replacement.metrics = at(latency);
    });
    let metric = json!({"namespace": "Chat", "metricName": "Latency", "dimensions": {"TaskSet": "{taskSet}"}, "statistic": "p99"});
    let more = json!({"checks": [{"metric": metric, "samples": 3}], "scaledown_decrement": 100});
    case(name, &reporting, &more, ends)
}

/// Windows of Berlin's clocks, an hour ahead of the world's, which begins at midnight: closed until ten past, and from
/// five to twelve past.
fn quiet_hours() -> [Case; 2] {
    [
        ("a swap that waits for the window", "01:10", "01:00"),
        ("a drain that waits for the window", "01:12", "01:05"),
    ]
    .map(|(name, from, to)| {
        let window = json!({"from": from, "to": to, "zone": "Europe/Berlin"});
        let more = json!({"window": window, "scaledown_wait": 240});
        case(name, &scenario(2), &more, Ends::Deployed)
    })
}

/// A step of a minute, which waits for samples.
fn check_in_a_shift() -> Case {
    let mut case = checks("a check in a shift", 20.0, Ends::Deployed);
    case.event["shift"] = json!({"percent": 50, "for": 60});
    case
}

/// Traffic moves in two steps, and then all of it. CloudWatch is asked for new connections, and has none.
fn shift() -> Case {
    let steps = json!([{"percent": 20, "for": 60}, {"percent": 60, "for": 60}]);
    let mut case = paced(
        "a shift",
        &scenario(1),
        &json!({
            "percent": 100,
            "newConnectionsMetric": {"namespace": "Chat", "metricName": "New", "dimensions": {"TaskSet": "{taskSet}"}},
        }),
    );
    case.event["shift"] = json!({"steps": steps});
    case
}

/// A shift, hooks, a pause that goes on by itself, and an operator, in one deployment.
fn everything() -> Case {
    let mut case = hooks("everything", Ends::Deployed);
    let fewer = ["afterHealthy", "eachShift", "beforeDrain"];
    let hooks = case.event["hooks"].as_array_mut().unwrap();
    hooks.retain(|hook| fewer.contains(&hook["at"].as_str().unwrap()));
    case.event["shift"] = json!({"percent": 50, "for": 60});
    case.event["pauses"] = json!([{"at": "beforeSwap", "timeout": 60, "onTimeout": "continue"}]);
    Case {
        meanwhile: Some(Meanwhile::IsOperated),
        ..case
    }
}

/// As [`sick_after_the_swap`], while a share of the traffic has moved.
fn shift_of_a_sick_version() -> Case {
    let mut case = sick_after_the_swap();
    case.name = "sick in mid-shift";
    case.event["shift"] = json!({"percent": 20, "for": 900});
    case
}

/// A drain paced by what CloudWatch counts.
fn reconnect_budget(name: &'static str, load_balancer: Kind) -> Case {
    let mut scenario = scenario(2);
    scenario.load_balancer = load_balancer;
    scenario.clients = Some(ClientsScenario {
        connections_per_task: 600,
        ..ClientsScenario::default()
    });
    let pace = json!({"reconnectsPerSecond": 20, "deadline": 900});
    paced(name, &scenario, &pace)
}

pub(crate) fn quick_steps() -> Case {
    let pace = json!({"tasks": 1, "every": 3});
    paced("quick steps", &scenario(4), &pace)
}

fn paced(name: &'static str, scenario: &Scenario, pace: &Value) -> Case {
    let mut case = case(name, scenario, &json!({"drain": pace}), Ends::Deployed);
    for field in ["scaledown_decrement", "scaledown_wait"] {
        case.event.as_object_mut().unwrap().remove(field);
    }
    case
}

fn first_deployment() -> Case {
    let scenario = one_task(|scenario| scenario.first_deployment = true);
    let mut case = case("first deployment", &scenario, &json!({}), Ends::Deployed);
    say_everything(&mut case);
    case
}

/// Gives what is otherwise taken from the task set in service.
pub(crate) fn say_everything(case: &mut Case) {
    let names = Names::default();
    let balancer = case.world.load_balancers().next().unwrap().arn.clone();
    case.event["nlb"] = balancer.into();
    case.event["subnets"] = names.subnets.into();
    case.event["task_sg"] = names.security_groups.into();
}

/// What the public sample leaves: no task set is primary, no listener has a role, the alternate group
/// has a stale `taskSetId` and a forgotten task set.
fn left_by_the_sample() -> Case {
    let one_step = json!({"scaledown_decrement": 100});
    let mut case = case(
        "left by the sample",
        &scenario(1),
        &one_step,
        Ends::Deployed,
    );
    let world = &mut case.world;
    let alternate = group(world, "-tg-2");
    let forgotten = Names {
        task_definition: "chat:1".to_owned(),
        ..Names::default()
    };
    let forgotten = forgotten.task_set(&alternate);
    let tags = [tag("taskSetId", "ecs-svc/9")];
    world.add_elb_tags(&[alternate], &tags).unwrap();
    world.create_task_set(&forgotten).unwrap();
    world.advance_to(world.now() + 600_000);
    world.begin();
    case
}

fn never_healthy() -> Case {
    let sick = one_task(|scenario| scenario.replacement.never_healthy = true);
    // Faults make a run longer, and ECS replaces what is unhealthy.
    let deadline = json!({"readinessTimeout": 180, "failedTasks": 100});
    let ends = Ends::RolledBack("NotReadyTimeout");
    case("never healthy", &sick, &deadline, ends)
}

/// Long enough sick to be seen so whatever else goes wrong: ECS replaces the task, and registering
/// the next one takes as long as it does on AWS.
fn sick_after_the_swap() -> Case {
    let sick = one_task(|scenario| {
        scenario.replacement.unhealthy_after_seconds = Some(600);
        scenario.timings.nlb_registration_ms = 180_000;
    });
    let more = json!({"waitForService": 150, "bakeTime": 300, "readinessTimeout": 1_200, "scaledown_decrement": 100});
    let ends = Ends::RolledBack("HealthLost");
    Case {
        healthy: 0,
        ..case("sick after the swap", &sick, &more, ends)
    }
}

pub(crate) fn alarm_in_the_drain() -> Case {
    // Three steps: an alarm that one read does not show is seen before the last of them.
    let more = json!({"alarms": ["errors"], "scaledown_wait": 300, "scaledown_decrement": 34});
    let ends = Ends::RolledBack("AlarmRaised");
    let mut case = case("an alarm in the drain", &scenario(3), &more, ends);
    let (world, metric) = (&mut case.world, AlarmType::MetricAlarm);
    world.put_alarm("errors", metric, AlarmState::Ok).unwrap();
    world.change_alarm_in(400_000, "errors", AlarmState::Alarm);
    case
}

/// The original's tasks never stop: the deployment ends with what it leaves behind.
fn drain_deadline() -> Case {
    let protected = one_task(|scenario| scenario.original.never_stops = true);
    let more = json!({"drainTimeout": 150, "scaledown_decrement": 100});
    case("protected tasks", &protected, &more, Ends::Deployed)
}

fn group_of_another(world: &mut World, protocol: &str) -> String {
    let other = CreateTargetGroup {
        port: Some(8080),
        protocol: Some(protocol.into()),
        ..CreateTargetGroup::ip("other")
    };
    let group = world.create_target_group(&other).unwrap();
    let tags = [tag("serviceName", "other"), tag("isProduction", "true")];
    let tagged = std::slice::from_ref(&group);
    world.add_elb_tags(tagged, &tags).unwrap();
    group
}

/// Another service on the same load balancer, with a rule for clients by IPv6.
fn neighbours() -> Case {
    let one_step = json!({"scaledown_decrement": 100});
    let mut case = case("neighbours", &scenario(1), &one_step, Ends::Deployed);
    let world = &mut case.world;
    let balancer = world.load_balancers().next().unwrap().arn.clone();
    let group = group_of_another(world, "TCP");
    let listener = CreateListener::forwarding(&balancer, "TCP", 9_000, &group);
    let listener = world.create_listener(&listener).unwrap();
    world.set_ip_address_type(&balancer, "dualstack").unwrap();
    world.create_rule(&rule(&listener, "ipv6", &group)).unwrap();
    world.begin();
    case
}

/// A listener and two of its rules lead to the service, another rule to a neighbour; tests reach the replacement
/// through rules that the deployment creates.
fn three_routes(name: &'static str, never_healthy: bool) -> Case {
    let scenario = one_task(|scenario| {
        scenario.load_balancer = Kind::Application;
        scenario.replacement.never_healthy = never_healthy;
    });
    let more = json!({
        "scaledown_decrement": 100,
        "test": {"header": {"name": "x-preview", "value": "yes"}},
    });
    let mut case = if never_healthy {
        let mut case = case(name, &scenario, &more, Ends::RolledBack("NotReadyTimeout"));
        case.event["readinessTimeout"] = json!(180);
        case.event["failedTasks"] = json!(100);
        case
    } else {
        case(name, &scenario, &more, Ends::Deployed)
    };
    let world = &mut case.world;
    let own = group(world, "-tg-1");
    let other = group_of_another(world, "HTTP");
    let listener = world
        .listeners()
        .find(|one| one.port == 80)
        .unwrap()
        .arn
        .clone();
    for (priority, path, target, tags) in [
        (10, "/users/*", &own, vec![tag(USERS, "yes")]),
        (11, "/chat/*", &own, vec![tag(USERS, "yes")]),
        (20, "/other/*", &other, vec![tag("team", "other")]),
    ] {
        let condition = json!({"Field": "path-pattern", "PathPatternConfig": {"Values": [path]}});
        let rule = CreateRule {
            listener_arn: listener.clone(),
            conditions: vec![serde_json::from_value(condition).unwrap()],
            priority: Some(priority),
            actions: vec![ActionRequest::forward_to(target)],
            tags,
            ..CreateRule::default()
        };
        world.create_rule(&rule).unwrap();
    }
    world.begin();
    case
}

/// A rule of a Network Load Balancer that forwards to a group.
pub(crate) fn rule(listener: &str, ip_address_type: &str, group: &str) -> CreateRule {
    CreateRule {
        listener_arn: listener.to_owned(),
        conditions: vec![Condition::of_clients_by(ip_address_type)],
        priority: Some(10),
        actions: vec![ActionRequest::forward_to(group)],
        ..CreateRule::default()
    }
}

/// The ARN of the group whose name ends so.
pub(crate) fn group(world: &World, suffix: &str) -> String {
    let mut groups = world.target_groups();
    let group = groups.find(|group| group.name.ends_with(suffix));
    group.unwrap().arn.clone()
}

pub(crate) fn tag(key: &str, value: &str) -> Tag {
    Tag {
        key: key.into(),
        value: value.into(),
    }
}

pub(crate) fn named(name: &str) -> Case {
    all().into_iter().find(|case| case.name == name).unwrap()
}
