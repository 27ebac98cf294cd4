//! Metric checks: how often they are wrong, and deployments that they let pass or bring back.

use ebbtide_controller::checks::{Check, Compared, Verdict};
use ebbtide_controller::flows::Point;
use ebbtide_controller::request::Request;
use ebbtide_simulator::asl::Status;
use ebbtide_simulator::fault::Fault;
use ebbtide_simulator::scenario::ClientsScenario;
use ebbtide_simulator::world::{Kind, Level, World};
use ebbtide_simulator::{Names, Scenario};
use serde_json::{Value, json};

use crate::shifts::reasons;
use crate::support::{deploy, installed, live, names, sample_with, sets, world};

/// The check of this metric, with the defaults where nothing else is given.
fn checks(more: &Value) -> Value {
    let metric = json!({"namespace": "Chat", "metricName": "Latency", "dimensions": {"TaskSet": "{taskSet}"}, "statistic": "p99"});
    let mut check = json!({"metric": metric});
    let fields = more.as_object().unwrap().clone();
    check.as_object_mut().unwrap().extend(fields);
    json!([check])
}

fn check(more: &Value) -> Check {
    let event = sample_with(&json!({"checks": checks(more)}));
    let arn = event["taskDefinition"].as_str().unwrap();
    let home = ebbtide_controller::arn::Arn::parse(arn).unwrap().home();
    Request::parse(&event, &home).unwrap().checks.remove(0)
}

/// A service whose two versions report this metric, at these levels.
fn reporting(seed: u64, noise: f64, original: f64, replacement: f64) -> World {
    let at = |level| [("Latency".to_owned(), Some(Level { level, noise }))].into();
    world(&Scenario::with(|scenario| {
        scenario.seed = seed;
        scenario.original.metrics = at(original);
        scenario.replacement.metrics = at(replacement);
    }))
}

/// Samples after which a deployment of so many minutes is given up: judged each minute, as the turns of a deployment do.
fn given_up(check: &Check, seed: u64, noise: f64, ratio: f64, minutes: u64) -> Option<u64> {
    let drawn = |level: f64, of: u64, minute: u64| Point {
        at: 60 * minute,
        value: Level { level, noise }.draw((seed << 32) | (of << 31) | minute),
    };
    let mut compared = Compared::default();
    (0..minutes).find_map(|minute| {
        compared
            .replacement
            .insert(0, drawn(20.0 * ratio, 1, minute));
        compared.original.insert(0, drawn(20.0, 0, minute));
        // A minute after its end.
        let verdict = check.judge(&compared, 0, 60 * (minute + 2));
        matches!(verdict, Verdict::Failed { .. }).then_some(minute + 1)
    })
}

const DEPLOYMENTS: u64 = 1_000;

/// How many of a thousand deployments are given up, and the most and the mean of the samples that it takes.
fn counted(check: &Check, noise: f64, ratio: f64, minutes: u64) -> (usize, u64, f64) {
    let seeds = 0..DEPLOYMENTS;
    let found: Vec<_> = seeds
        .filter_map(|seed| given_up(check, seed, noise, ratio, minutes))
        .collect();
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let mean = found.iter().sum::<u64>() as f64 / found.len().max(1) as f64;
    (found.len(), found.iter().copied().max().unwrap_or(0), mean)
}

/// What the counts rest on: 2 of 100 of these values are a little more than two standard deviations above the median.
#[test]
fn noise_is_log_normal() {
    let level = Level {
        level: 20.0,
        noise: 0.1,
    };
    let above = |deviations: f64| {
        let most = 20.0 * (0.1 * deviations).exp();
        let values = (0..100_000_u64).map(|number| level.draw((number << 32) | (number % 60)));
        values.filter(|value| *value > most).count()
    };
    // The normal distribution's tails, and three standard deviations of each count.
    for (deviations, wanted, most) in [
        (0.0, 50_000, 475),
        (1.0, 15_866, 347),
        (2.0, 2_275, 142),
        (3.0, 135, 35),
    ] {
        let seen = above(deviations);
        assert!(seen.abs_diff(wanted) <= most, "{seen} above {deviations}");
    }
}

/// Minutes until the first step of the drain of a deployment without a shift: five samples; and those of a linear
/// shift of 10 % every 6 minutes.
const SWAP: u64 = 5;
const SHIFT: u64 = 60;

/// The table of docs/checks.md: `cargo test --test whole -- --nocapture checks_are_seldom_wrong` prints it.
#[test]
fn checks_are_seldom_wrong_and_find_twice_as_much() {
    let mut lines = Vec::new();
    for (at_most, failures) in [
        (1.2, 0),
        (1.2, 1),
        (1.35, 1),
        (1.5, 0),
        (1.5, 1),
        (1.5, 2),
        (1.75, 1),
    ] {
        let check = check(&json!({"replacementAtMost": at_most, "failures": failures}));
        for noise in [0.05, 0.1] {
            let aborts = |minutes| counted(&check, noise, 1.0, minutes).0;
            let (found, most, mean) = counted(&check, noise, 2.0, SWAP);
            lines.push(format!(
                "| {at_most} | {failures} | {:.0} % | {} | {} | {found} | {mean:.2} | {most} |",
                noise * 100.0,
                aborts(SWAP),
                aborts(SHIFT),
            ));
        }
    }
    println!("{}", lines.join("\n"));
    let page = std::fs::read_to_string("docs/checks.md").unwrap();
    for line in lines {
        assert!(page.contains(&line), "docs/checks.md lacks {line}");
    }
}

#[test]
fn the_defaults_keep_what_is_promised() {
    let check = check(&json!({}));
    for noise in [0.05, 0.1] {
        for minutes in [SWAP, SHIFT] {
            let (aborts, _, _) = counted(&check, noise, 1.0, minutes);
            assert!(aborts < 10, "{aborts} of {DEPLOYMENTS} at {noise}");
            let (found, most, _) = counted(&check, noise, 2.0, minutes);
            assert_eq!(found, 1_000, "at {noise}");
            assert!(most <= 5, "{most} samples at {noise}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_version_as_good_as_the_one_before_is_deployed() {
    let unchecked = deploy(
        reporting(1, 0.1, 20.0, 20.0),
        "run-1",
        &sample_with(&json!({})),
    )
    .await;
    let unchecked = unchecked.output()["seconds"].as_u64().unwrap();
    for seed in 1..=10 {
        let event = sample_with(&json!({"checks": checks(&json!({}))}));
        let ended = deploy(reporting(seed, 0.1, 20.0, 20.0), "run-1", &event).await;
        ended.assert_deployed();
        // Five minutes, the one in which both begin, and the one until the last is settled; the bake is in them.
        let seconds = ended.output()["seconds"].as_u64().unwrap();
        let later = seconds - unchecked;
        println!("seed {seed}: the drain ends {later} s later");
        assert!((300..=420).contains(&later), "{later}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_version_that_takes_twice_as_long_is_brought_back_before_the_drain() {
    for seed in 1..=10 {
        let world = reporting(seed, 0.1, 20.0, 40.0);
        let first = sets(&world)[0].clone();
        let event = sample_with(&json!({"checks": checks(&json!({}))}));
        let ended = deploy(world, "run-1", &event).await;
        let (error, cause) = ended.failure();
        assert_eq!(error, "CheckFailed", "{cause}");
        assert!(
            cause.starts_with("checks[0]: p99 of Latency (Chat) is too high in 2 of the newest "),
            "{cause}"
        );
        assert_eq!(sets(&ended.world), [first.as_str()]);
        assert_eq!(live(&ended.world, 80), ["sample-external-deployment-tg-1"]);
        assert!(ended.scales().iter().all(|(set, _)| *set != first));
    }
}

#[tokio::test(start_paused = true)]
async fn a_shift_goes_back_from_its_first_step() {
    let event =
        sample_with(&json!({"shift": {"percent": 20, "every": 600}, "checks": checks(&json!({}))}));
    let ended = deploy(reporting(1, 0.05, 20.0, 40.0), "run-1", &event).await;
    let (error, cause) = ended.failure();
    assert_eq!(error, "CheckFailed");
    assert!(
        cause.starts_with("At 20 % of new connections (step 1 of 5 of the shift): checks[0]: "),
        "{cause}"
    );
    assert_eq!(live(&ended.world, 80), ["sample-external-deployment-tg-1"]);
    let as_good = deploy(reporting(1, 0.05, 20.0, 20.0), "run-1", &event).await;
    as_good.assert_deployed();
}

/// A step shorter than its samples waits for them once: the next one has those of the steps before.
#[tokio::test(start_paused = true)]
async fn short_steps_of_a_shift_wait_for_samples_once() {
    let event =
        sample_with(&json!({"shift": {"percent": 30, "every": 60}, "checks": checks(&json!({}))}));
    let ended = deploy(reporting(1, 0.05, 20.0, 20.0), "run-1", &event).await;
    ended.assert_deployed();
    let waits = ended
        .reasons
        .iter()
        .filter(|reason| reason.contains("checks[0] has "));
    let steps: Vec<_> = waits
        .filter_map(|reason| reason.split("next ").nth(1))
        .collect();
    assert!(!steps.is_empty());
    assert!(
        steps.iter().all(|step| step.starts_with("60 % waits")),
        "{steps:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_metric_without_values_is_what_the_input_says() {
    let ended = async |no_data: &str| {
        let event = sample_with(&json!({"checks": checks(&json!({"noData": no_data}))}));
        deploy(world(&Scenario::default()), "run-1", &event).await
    };
    ended("pass").await.assert_deployed();
    for no_data in ["wait", "fail"] {
        let ended = ended(no_data).await;
        let Status::Failed { error, cause } = &ended.outcome.status else {
            panic!("{:?}", ended.outcome.status);
        };
        assert_eq!(error, "CheckFailed");
        assert!(cause.contains("has 0 of 5 samples"), "{cause}");
        assert_eq!(live(&ended.world, 80), ["sample-external-deployment-tg-1"]);
    }
}

/// A service behind an Application Load Balancer, whose versions take so many seconds to answer, and report a latency.
fn answering(original: f64, replacement: f64, latency: f64) -> World {
    let metrics = |seconds: f64, latency: f64| {
        let level = |level| Some(Level { level, noise: 0.05 });
        let metrics = [
            ("TargetResponseTime".to_owned(), level(seconds)),
            ("Latency".to_owned(), level(latency)),
        ];
        metrics.into()
    };
    let scenario = Scenario::with(|scenario| {
        scenario.load_balancer = Kind::Application;
        scenario.original.metrics = metrics(original, 20.0);
        scenario.replacement.metrics = metrics(replacement, latency);
        scenario.clients = Some(ClientsScenario {
            connections_per_task: 600,
            lifetime_seconds: Some(600),
            ..ClientsScenario::default()
        });
    });
    let names = Names {
        load_balancer_arn: None,
        ..names()
    };
    scenario.world_for(&names).unwrap()
}

/// The event of a check of response times by target group, with another one by task set.
fn by_target_group(more: &Value) -> Value {
    let metric = json!({
        "namespace": "AWS/ApplicationELB",
        "metricName": "TargetResponseTime",
        "dimensions": {"TargetGroup": "{targetGroup}", "LoadBalancer": "{loadBalancer}"},
        "statistic": "p99",
    });
    let mut event = sample_with(more);
    event["checks"] = json!([{"metric": metric}, checks(&json!({}))[0]]);
    event.as_object_mut().unwrap().remove("nlb");
    event
}

#[tokio::test(start_paused = true)]
async fn metrics_by_target_group_and_by_task_set_are_compared_in_one_deployment() {
    let shift = json!({"shift": {"percent": 20, "every": 300}});
    for (seconds, latency, failing) in [
        (0.2, 20.0, None),
        (0.4, 20.0, Some(0)),
        (0.2, 40.0, Some(1)),
    ] {
        let world = answering(0.2, seconds, latency);
        let event = by_target_group(&shift);
        let ended = deploy(world, "run-1", &event).await;
        let Some(number) = failing else {
            ended.assert_deployed();
            continue;
        };
        let (error, cause) = ended.failure();
        assert_eq!(error, "CheckFailed");
        let at = format!(
            "At 20 % of new connections (step 1 of 5 of the shift): checks[{number}]: p99 of "
        );
        assert!(cause.starts_with(&at), "{cause}");
        assert_eq!(live(&ended.world, 80), ["sample-external-deployment-tg-1"]);
    }
}

/// After the shift the original has no more requests: the drain waits for none, however long the bake is.
#[tokio::test(start_paused = true)]
async fn the_samples_of_a_shift_are_those_of_the_drain() {
    let world = answering(0.2, 0.2, 20.0);
    let more = json!({"shift": {"percent": 50, "for": 300}, "bakeTime": 1_800});
    let mut event = by_target_group(&more);
    event["checks"].as_array_mut().unwrap().truncate(1);
    let ended = deploy(world, "run-1", &event).await;
    ended.assert_deployed();
    let mut waits = ended.reasons.iter();
    assert!(
        !waits.any(|reason| reason.contains("the next step waits")),
        "{:?}",
        ended.reasons
    );
}

/// Without a shift, no minute has requests of both.
#[tokio::test(start_paused = true)]
async fn after_a_swap_a_load_balancer_reports_nothing_of_the_original() {
    let world = answering(0.2, 0.2, 20.0);
    let event = by_target_group(&json!({"readinessTimeout": 600}));
    let ended = deploy(world, "run-1", &event).await;
    let (error, cause) = ended.failure();
    assert_eq!(error, "CheckFailed");
    assert!(
        cause.contains("checks[0]: p99 of TargetResponseTime") && cause.contains(" of 5 samples "),
        "{cause}"
    );
    assert!(cause.contains("shift traffic"), "{cause}");
}

/// What a deployment ends with whose calls to CloudWatch all fail from its start on, for so many seconds, and what its
/// turns said of samples.
async fn troubled(
    world: World,
    more: &Value,
    fault: Fault,
    seconds: u64,
) -> (Status, World, Vec<String>) {
    let event = sample_with(&json!({"checks": checks(more), "readinessTimeout": 900}));
    let (aws, installation) = installed(world);
    aws.begin_trouble("cloudwatch", fault, seconds * 1_000);
    let outcome = installation.deploy("run-1", event, 1, &mut |_| {}).await;
    let texts = reasons(&installation.history("run-1")).into_iter();
    let texts = texts.filter_map(|reason| Some(reason["text"].as_str()?.to_owned()));
    let waits = texts.filter(|text| text.contains("checks[0] has "));
    (outcome.status, aws.snapshot(), waits.collect())
}

const TROUBLE: [(Fault, &str); 4] = [
    (Fault::AccessDenied, "Permission"),
    (Fault::Throttled, "Throttled"),
    (Fault::ServerError, "Transient"),
    (Fault::Unreachable, "Transient"),
];

/// Also a version that takes twice as long: nothing says so, and trouble of AWS's moves nothing back.
#[tokio::test(start_paused = true)]
async fn a_deployment_in_which_cloudwatch_never_answers_goes_on_without_its_checks() {
    for (fault, name) in TROUBLE {
        for (no_data, patience) in [("wait", 900), ("fail", 600), ("pass", 600)] {
            let world = reporting(1, 0.05, 20.0, 40.0);
            let more = json!({"noData": no_data});
            let (status, world, waits) = troubled(world, &more, fault, 86_400).await;
            assert!(status.is_success(), "{fault:?}: {status:?}");
            assert_eq!(live(&world, 80), ["sample-external-deployment-tg-2"]);
            let failed = format!("(GetMetricData failed: {name})");
            assert!(waits.iter().all(|wait| wait.contains(&failed)), "{waits:?}");
            let first =
                format!("checks[0] has 0 of 5 samples of p99 of Latency (Chat), and {patience} s ");
            assert!(waits[0].contains(&first), "{waits:?}");
            // A turn a minute.
            assert_eq!(waits.len(), patience / 60, "{waits:?}");
        }
    }
}

/// CloudWatch answers again before the steps have waited for as long as they may, and has all minutes.
#[tokio::test(start_paused = true)]
async fn a_check_is_judged_once_cloudwatch_answers() {
    for (fault, _) in TROUBLE {
        let ended = async |latency| {
            let world = reporting(1, 0.05, 20.0, latency);
            troubled(world, &json!({}), fault, 900).await
        };
        let (status, world, waits) = ended(40.0).await;
        let Status::Failed { error, cause } = &status else {
            panic!("{status:?}");
        };
        assert_eq!(error, "CheckFailed", "{cause}");
        assert!(cause.contains("is too high in "), "{cause}");
        assert_eq!(live(&world, 80), ["sample-external-deployment-tg-1"]);
        assert!(!waits.is_empty());
        let (status, _, waits) = ended(20.0).await;
        assert!(status.is_success(), "{status:?}");
        assert!(!waits.is_empty());
    }
}

/// Preflight asks for the metrics of the task set in service, by the ids that the deployment will use.
#[tokio::test(start_paused = true)]
async fn preflight_finds_a_metric_that_nothing_reports() {
    let found = async |mut world: World, mut event: Value| {
        world.advance_to(world.now() + 600_000);
        event["dryRun"] = json!(true);
        let ended = deploy(world, "run-1", &event).await;
        let findings = ended.output()["findings"].as_array().unwrap().clone();
        let of_checks = findings.into_iter().filter(|one| one["name"] == "checks");
        of_checks
            .map(|one| one["seen"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let shift = json!({"shift": {"percent": 20, "every": 300}});
    let world = answering(0.2, 0.2, 20.0);
    let event = by_target_group(&shift);
    assert_eq!(
        found(world.clone(), event.clone()).await,
        [""; 0],
        "both are reported"
    );
    for (number, name, value) in [
        (0, "TargetGroup", "{targetGroup}x"),
        (0, "LoadBalancer", "x{loadBalancer}"),
        (1, "TaskSet", "x{taskSet}"),
    ] {
        let mut misspelt = event.clone();
        misspelt["checks"][number]["metric"]["dimensions"][name] = json!(value);
        let seen = found(world.clone(), misspelt).await;
        assert_eq!(seen.len(), 1, "{seen:?}");
        let nothing = format!("CloudWatch has no value of checks[{number}], p99 of ");
        assert!(seen[0].starts_with(&nothing), "{seen:?}");
    }
    let event = by_target_group(&json!({}));
    let swap = found(world, event).await;
    assert_eq!(swap.len(), 1, "{swap:?}");
    assert!(swap[0].ends_with("the input has no shift."), "{swap:?}");
}
