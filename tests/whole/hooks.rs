//! Functions of the user's, called at the points of a deployment.

use ebbtide_simulator::Scenario;
use ebbtide_simulator::asl::Status;
use ebbtide_simulator::world::{ClientsScenario, PreparedAnswer, World};
use serde_json::{Value, json};

use crate::support::{Ended, deploy, deploy_among, live, names, sample_with, served, sets, world};

/// Every point of a deployment that goes well, with the lifecycle stage that a hook there gets.
const POINTS: [(&str, &str); 9] = [
    ("beforeCreate", "PRE_SCALE_UP"),
    ("afterHealthy", "POST_SCALE_UP"),
    ("testTraffic", "POST_TEST_TRAFFIC_SHIFT"),
    ("beforeSwap", "PRE_PRODUCTION_TRAFFIC_SHIFT"),
    ("eachShift", "PRODUCTION_TRAFFIC_SHIFT"),
    ("afterSwap", "POST_PRODUCTION_TRAFFIC_SHIFT"),
    ("beforeDrain", "PRE_DRAIN"),
    ("eachStep", "DRAIN_STEP"),
    ("afterDrain", "POST_DRAIN"),
];

fn hook(at: &str, function: &str) -> Value {
    let region = names().region;
    let lambda = format!("arn:aws:lambda:{region}:555555555555:function:{function}");
    json!({"at": at, "lambda": lambda})
}

fn event(hooks: &[Value]) -> Value {
    sample_with(&json!({"hooks": hooks}))
}

fn answers(answer: Value) -> PreparedAnswer {
    PreparedAnswer {
        answer,
        ..PreparedAnswer::default()
    }
}

/// A world with a function `check` that answers so, one call after the other.
fn with_check(prepared: Vec<PreparedAnswer>) -> World {
    let mut world = served();
    world.put_function("check", prepared);
    world
}

fn in_progress() -> PreparedAnswer {
    answers(json!({"hookStatus": "IN_PROGRESS"}))
}

fn failed() -> PreparedAnswer {
    answers(json!({"hookStatus": "FAILED", "reason": "3 of 10"}))
}

/// The task sets that are left, and where production traffic goes.
fn left(ended: &Ended) -> (usize, String) {
    let world = &ended.world;
    let living = sets(world).into_iter();
    let living = living.filter(|id| world.task_set(id).unwrap().status.as_str() != "DRAINING");
    (living.count(), live(world, 80).concat())
}

const ORIGINAL: &str = "sample-external-deployment-tg-1";

#[tokio::test(start_paused = true)]
async fn hooks_are_called_at_every_point_with_what_is_true_there() {
    let quiet = deploy(served(), "run-1", &event(&[])).await;
    let hooks = POINTS.map(|(at, _)| hook(at, "check"));
    let ended = deploy(with_check(Vec::new()), "run-1", &event(&hooks)).await;
    ended.assert_deployed();
    assert_eq!(ended.scales(), quiet.scales());
    let calls = ended.world.function_events("check");
    let stages: Vec<_> = calls
        .iter()
        .map(|call| call["lifecycleStage"].as_str().unwrap())
        .collect();
    let mut wanted: Vec<_> = POINTS.iter().map(|(_, stage)| *stage).collect();
    // Four steps: the hook is called before each but the first.
    wanted.splice(7..8, ["DRAIN_STEP"; 3]);
    assert_eq!(stages, wanted);
    for (call, number) in calls.iter().zip(0..) {
        let weights = &call["productionTrafficWeights"];
        let share = |set: &Value| {
            let name = format!("/{}", set.as_str().unwrap_or("none"));
            let mut weights = weights.as_object().unwrap().iter();
            weights
                .find(|(arn, _)| arn.ends_with(&name))
                .map(|(_, share)| share.clone())
        };
        let own = &call["ebbtide"];
        let (before, after) = (share(&own["original"]), share(&own["replacement"]));
        let wanted = match number {
            0 => (Some(json!(100)), None),
            1..4 => (Some(json!(100)), Some(json!(0))),
            _ => (Some(json!(0)), Some(json!(100))),
        };
        assert_eq!((before, after), wanted, "{call}");
        assert_eq!(
            call["executionDetails"]["productionTrafficWeights"],
            *weights
        );
        assert_eq!(
            own["drain"].is_object(),
            (6..10).contains(&number),
            "{call}"
        );
    }
    let rounds: Vec<_> = calls[7..10]
        .iter()
        .map(|call| &call["ebbtide"]["round"])
        .collect();
    assert_eq!(rounds, [2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_fails_leads_back_until_the_drain_is_over() {
    for (at, _) in POINTS {
        let ended = deploy(
            with_check(vec![failed()]),
            "run-1",
            &event(&[hook(at, "check")]),
        )
        .await;
        if at == "afterDrain" {
            ended.assert_deployed();
            let remark = &ended.output()["remarks"][0];
            assert_eq!(remark["code"], "hook");
            assert!(
                remark["why"].as_str().unwrap().contains("3 of 10"),
                "{remark}"
            );
            continue;
        }
        let (error, cause) = ended.failure();
        assert_eq!(error, "CheckFailed", "{at}: {cause}");
        let said = format!(
            "Hook check at {at} answered FAILED: {{\"hookStatus\":\"FAILED\",\"reason\":\"3 of 10\"}}."
        );
        assert!(cause.starts_with(&said), "{cause}");
        assert_eq!(left(&ended), (1, ORIGINAL.to_owned()), "{at}: {cause}");
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_a_hook_ends_with_is_one_named_failure() {
    let error = |error: &str, message: &str| PreparedAnswer {
        error: Some(error.to_owned()),
        message: message.to_owned(),
        ..PreparedAnswer::default()
    };
    let endless = PreparedAnswer {
        takes_seconds: 901,
        ..PreparedAnswer::default()
    };
    // From sizes that fit by far to those that no state has room for; some fit the reply of the hook, but not the
    // call of the function after it.
    let sizes = (262_144 - 6_000..262_144 + 100).step_by(199);
    let large = sizes
        .chain([100_000, 6_000_000])
        .map(|size| answers(json!("x".repeat(size))));
    let others = [
        answers(Value::Null),
        answers(json!([{"hookStatus": "SUCCEEDED"}])),
        answers(json!("{\"hookStatus\": \"SUCCEEDED\"}")),
        answers(json!({"hookStatus": "IN_PROGRESS", "hookDetails": {"x": "y".repeat(5_000)}})),
        error("ValueError", "no such bucket\u{1b}[31m"),
        error("Lambda.AccessDeniedException", "not authorized"),
        endless,
    ];
    for prepared in others.into_iter().chain(large) {
        let shown = format!("{prepared:?}")
            .chars()
            .take(120)
            .collect::<String>();
        let event = event(&[hook("beforeSwap", "check")]);
        let ended = deploy(with_check(vec![prepared]), "run-1", &event).await;
        let (error, cause) = ended.failure();
        let size = if shown.contains("xxxx") {
            "States.DataLimitExceeded"
        } else {
            "CheckFailed"
        };
        assert!(
            ["CheckFailed", size].contains(&error),
            "{shown}: {error}: {cause}"
        );
        assert!(cause.len() < 3_000 && !cause.contains('\u{1b}'), "{cause}");
        assert_eq!(left(&ended), (1, ORIGINAL.to_owned()), "{shown}: {cause}");
        assert!(
            !ended.states.contains(&"RollbackFailed".to_owned()),
            "{shown}: {cause}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_hook_in_progress_is_called_again_while_health_and_commands_count() {
    let slow = PreparedAnswer {
        takes_seconds: 600,
        ..answers(
            json!({"hookStatus": "IN_PROGRESS", "callBackDelay": 200, "hookDetails": {"n": 1}}),
        )
    };
    let calm = deploy(
        with_check(vec![slow.clone(), PreparedAnswer::default()]),
        "run-1",
        &event(&[hook("afterSwap", "check")]),
    )
    .await;
    calm.assert_deployed();
    let calls = calm.world.function_events("check");
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[1]["hookDetails"], json!({"n": 1}));
    assert_eq!(calls[1]["ebbtide"]["call"], 2);
    // The same hook, and the replacement gets sick meanwhile.
    let mut scenario = Scenario::default();
    scenario.replacement.unhealthy_after_seconds = Some(500);
    let mut sick = world(&scenario);
    sick.put_function("check", vec![in_progress()]);
    let ended = deploy(sick, "run-1", &event(&[hook("afterSwap", "check")])).await;
    assert_eq!(ended.failure().0, "HealthLost", "{}", ended.text());
    // Without an end, and then on.
    let mut endless = hook("beforeDrain", "check");
    endless["timeout"] = json!(300);
    let ended = deploy(
        with_check(vec![in_progress()]),
        "run-1",
        &event(&[endless.clone()]),
    )
    .await;
    let (error, cause) = ended.failure();
    assert_eq!(error, "CheckFailed");
    assert!(cause.contains("had not succeeded after 300 s"), "{cause}");
    assert_eq!(ended.world.function_events("check").len(), 10);
    endless["onTimeout"] = json!("continue");
    let ended = deploy(with_check(vec![in_progress()]), "run-1", &event(&[endless])).await;
    ended.assert_deployed();
}

#[tokio::test(start_paused = true)]
async fn after_a_rollback_a_hook_learns_why_and_changes_nothing() {
    let sick = |prepared: Vec<PreparedAnswer>| {
        let mut world = world(&Scenario::with(|scenario| {
            scenario.replacement.never_healthy = true;
        }));
        world.put_function("page", prepared);
        world
    };
    let hooks = [hook("afterRollback", "page"), hook("afterDrain", "page")];
    let quiet = deploy(sick(Vec::new()), "run-1", &event(&[])).await;
    for prepared in [
        vec![],
        vec![failed()],
        vec![in_progress(), PreparedAnswer::default()],
    ] {
        let fails = prepared == [failed()];
        let calls = prepared.len().max(1);
        let ended = deploy(sick(prepared), "run-1", &event(&hooks)).await;
        let (error, cause) = ended.failure();
        assert_eq!(error, quiet.failure().0);
        assert_eq!(
            cause.contains("Hook page at afterRollback answered FAILED"),
            fails,
            "{cause}"
        );
        assert_eq!(left(&ended), left(&quiet));
        let events = ended.world.function_events("page");
        assert_eq!(events.len(), calls);
        assert_eq!(events[0]["lifecycleStage"], "POST_ROLLBACK");
        assert_eq!(events[0]["ebbtide"]["failure"]["error"], error);
    }
    // After the way back of a deployment that had swapped, too.
    let hooks = [hook("afterSwap", "check"), hook("afterRollback", "page")];
    let mut world = with_check(vec![failed()]);
    world.put_function("page", Vec::new());
    let ended = deploy(world, "run-1", &event(&hooks)).await;
    assert_eq!(ended.failure().0, "CheckFailed");
    assert_eq!(ended.world.function_events("page").len(), 1);
    assert_eq!(left(&ended), (1, ORIGINAL.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn an_installation_calls_only_what_it_allows_and_a_first_deployment_has_hooks_too() {
    let mut world = with_check(Vec::new());
    world.hook_arns = Some(vec![
        "arn:aws:lambda:*:555555555555:function:other".to_owned(),
    ]);
    let ended = deploy(world, "run-1", &event(&[hook("beforeCreate", "check")])).await;
    let (error, cause) = ended.failure();
    assert_eq!(error, "PreflightFailed");
    assert!(
        cause.contains("hooks[0].lambda") && cause.contains("HookArns"),
        "{cause}"
    );
    assert_eq!(ended.writes(), Vec::<String>::new());
    let first = crate::support::world(&Scenario::with(|scenario| scenario.first_deployment = true));
    let hooks = POINTS.map(|(at, _)| hook(at, "check"));
    let ended = deploy(first, "run-1", &event(&hooks)).await;
    assert!(
        matches!(ended.outcome.status, Status::Succeeded { .. }),
        "{}",
        ended.text()
    );
    let calls = ended.world.function_events("check").iter();
    let points: Vec<_> = calls
        .map(|call| call["ebbtide"]["at"].as_str().unwrap())
        .collect();
    // Nothing is drained.
    assert_eq!(
        points,
        [
            "beforeCreate",
            "afterHealthy",
            "testTraffic",
            "beforeSwap",
            "afterDrain"
        ]
    );
}

/// A hook is nothing that holds the lock: another deployment is refused meanwhile, and waits for nothing.
#[tokio::test(start_paused = true)]
async fn a_hook_that_runs_long_leaves_the_lock_free_for_its_own_execution_alone() {
    let long = PreparedAnswer {
        takes_seconds: 800,
        ..PreparedAnswer::default()
    };
    let mut busy = Vec::new();
    let hooks = event(&[hook("beforeSwap", "check")]);
    let ended = deploy_among(
        with_check(vec![long]),
        "run-1",
        &hooks,
        |state, _, world| {
            if state == "AfterHook" {
                let table = world.table("ebbtide-locks").unwrap();
                let lock = format!("{}/{}", names().cluster, names().service);
                busy.push(table.item(&lock).unwrap().contains_key("busyBy"));
            }
        },
    )
    .await;
    ended.assert_deployed();
    assert_eq!(busy, [false]);
}

/// A service with clients whose application sends those of the original away once it is asked to.
fn lame_duck(per_second: Option<u32>) -> World {
    let clients = ClientsScenario {
        connections_per_task: 600,
        new_connections_per_second_per_task: Some(30),
        ..ClientsScenario::default()
    };
    let mut world = world(&Scenario {
        clients: Some(clients),
        ..Scenario::default()
    });
    let prepared = PreparedAnswer {
        sends_away_per_second: per_second,
        ..PreparedAnswer::default()
    };
    world.put_function("leave", vec![prepared]);
    world
}

fn leaving(deadline: u32) -> Value {
    let mut event = event(&[hook("beforeDrain", "leave")]);
    let fields = event.as_object_mut().unwrap();
    fields.remove("scaledown_decrement");
    fields.remove("scaledown_wait");
    fields.insert(
        "drain".to_owned(),
        json!({
            "percent": 100,
            "connectionsMetric": {"namespace": "Chat", "metricName": "Connections", "dimensions": {"TaskSet": "{taskSet}"}},
            "until": {"connections": 0, "deadline": deadline},
        }),
    );
    event
}

#[tokio::test(start_paused = true)]
async fn clients_that_are_sent_away_are_neither_cut_nor_refused() {
    // 2,400 clients, five of them a second: eight minutes.
    let ended = deploy(lame_duck(Some(5)), "run-1", &leaving(1_800)).await;
    ended.assert_deployed();
    let clients = ended.world.clients().unwrap();
    let totals = clients.totals();
    assert_eq!((totals.cut, totals.refused, totals.ended), (0, 0, 2_400));
    assert_eq!((clients.connected(), clients.waiting()), (2_400, 0));
    let drain = &ended.world.function_events("leave")[0]["ebbtide"]["drain"];
    assert_eq!(drain["connections"], 2_400.0);
    assert_eq!(drain["deadline"], 1_800);
    assert!(drain["connectionsPerSecond"].as_f64().unwrap() < 5.0);
    // An application that does nothing keeps the drain for its time, and no longer.
    let kept = deploy(lame_duck(None), "run-1", &leaving(600)).await;
    kept.assert_deployed();
    let cut = kept.world.clients().unwrap().totals().cut;
    assert_eq!(cut, 2_400);
    let waited = kept
        .reasons
        .iter()
        .filter(|reason| reason.contains("clients leave by themselves"));
    assert!((9..40).contains(&waited.count()));
    // The deadline before the last ones have gone, deregistration included: only those are cut.
    let late = deploy(lame_duck(Some(2)), "run-1", &leaving(600)).await;
    late.assert_deployed();
    let cut = late.world.clients().unwrap().totals().cut;
    assert!((100..1_000).contains(&cut), "{cut}");
}
