//! `ebbtide plan`.

use serde_json::{Value, json};

use crate::program::{assert_has, ebbtide, scratch, scratch_event};
use crate::simulate::left;

#[test]
fn a_plan_shows_the_steps_that_a_simulation_then_makes() {
    let even = r#"{"tasks": 5, "timings": {"jitterPercent": 0}, "clients": {}}"#;
    scratch("plan.json", even);
    for event in ["within", "tasks", "budget", "percent"] {
        let arguments = format!("events/drain-{event}.json --scenario @plan.json --format json");
        let planned = ebbtide(&format!("plan {arguments}")).exits(0).json();
        let steps = planned["steps"].as_array().unwrap().iter();
        let steps: Vec<_> = steps.map(|step| step["left"].as_u64().unwrap()).collect();
        let simulated = ebbtide(&format!("simulate {arguments}")).exits(0).json();
        assert_eq!(left(&simulated)[1..], steps, "{event}");
        let invocations = planned["cost"]["invocations"].as_u64().unwrap();
        assert!(invocations > steps.len() as u64, "{invocations}");
    }
}

#[test]
fn a_plan_shows_the_steps_of_a_shift_and_what_they_carry_of_all_connections() {
    let long = r#"{"tasks": 2, "clients": {"connectionsPerTask": 600, "lifetimeSeconds": 7200}}"#;
    scratch("long-lived.json", long);
    let line = "plan events/shift.json --scenario @long-lived.json";
    let planned = ebbtide(&format!("{line} --format json")).exits(0).json();
    let steps = planned["shift"].as_array().unwrap().iter();
    let numbers = steps.map(|step| (step["percent"].as_u64(), step["at"].as_u64()));
    let wanted = [(5, 0), (20, 690), (50, 1_658), (100, 2_612)];
    assert!(numbers.eq(wanted.map(|(percent, at)| (Some(percent), Some(at)))));
    // 5 % for 600 of 7200 s, and so on.
    let text = ebbtide(line).done();
    let parts = [
        "at 0:00:00: 5 % of new connections for 600 s; by its end 0.4 % of all connections",
        "at 0:27:38: 50 % of new connections for 900 s",
        "at 0:43:32: all new connections, and the bake begins",
    ];
    assert_has(&text, &parts);
}

/// The first step of the drain waits for samples, or the second one of a shift; what they cost is counted.
#[test]
fn a_plan_waits_for_the_samples_of_checks_as_a_simulation_does() {
    let metric = json!({"namespace": "Chat", "metricName": "L", "dimensions": {"Set": "{taskSet}"}, "statistic": "p99"});
    scratch(
        "even-checks.json",
        r#"{"timings": {"jitterPercent": 0}, "clients": {}}"#,
    );
    let run = |samples: u32, more: &str| {
        let name = format!("checks-{samples}{}.json", more.len());
        let mut event: Value =
            json!({"cluster": "main", "serviceName": "chat", "taskDefinition": "chat:2"});
        event["drain"] = json!({"within": 300});
        if samples > 0 {
            event["checks"] = json!([{"metric": metric, "samples": samples}]);
        }
        if !more.is_empty() {
            event["shift"] = serde_json::from_str(more).unwrap();
        }
        scratch(&name, &event.to_string());
        let arguments = format!("@{name} --scenario @even-checks.json --format json");
        let planned = ebbtide(&format!("plan {arguments}")).exits(0).json();
        let simulated = ebbtide(&format!("simulate {arguments}")).exits(0).json();
        let lines = simulated["deployments"][0]["lines"].as_array().unwrap();
        let lines = lines.iter();
        let lines = lines.map(|line| {
            (
                line["what"].as_str().unwrap().to_owned(),
                line["at"].as_f64().unwrap(),
            )
        });
        (planned, lines.collect::<Vec<_>>())
    };
    let at = |lines: &[(String, f64)], part: &str| {
        let line = lines.iter().find(|(what, _)| what.contains(part));
        line.unwrap_or_else(|| panic!("{part}: {lines:#?}")).1
    };
    let (unchecked, _) = run(0, "");
    for samples in [1, 5, 12] {
        let (planned, lines) = run(samples, "");
        let first = planned["secondsToFirstStep"].as_f64().unwrap();
        let simulated = at(&lines, "step 1 of 4") - at(&lines, "is PRIMARY");
        // A minute sooner where the swap comes late in its own.
        assert!(
            (first - 75.0..first + 15.0).contains(&simulated),
            "{samples}: {first} {simulated}"
        );
        let calls = |planned: &Value| planned["cost"]["metrics"].as_u64().unwrap();
        assert_eq!(calls(&unchecked), 0);
        assert!(calls(&planned) >= 2 * u64::from(samples), "{planned}");
    }
    let (planned, lines) = run(5, r#"{"percent": 30, "every": 60}"#);
    let steps = planned["shift"].as_array().unwrap();
    let second = steps[1]["at"].as_f64().unwrap();
    let simulated = at(&lines, "60 to chat-tg-2") - at(&lines, "30 to chat-tg-2");
    assert!(
        (second - 75.0..second + 75.0).contains(&simulated),
        "{second} {simulated} {lines:#?}"
    );
}

#[test]
fn a_plan_shows_at_which_times_a_window_lets_steps_be_made() {
    let line = "plan events/quiet-hours.json --at 2026-10-23T14:00:00+02:00";
    let planned = ebbtide(&format!("{line} --format json")).exits(0).json();
    let wanted = json!({
        "start": "2026-10-23T14:00:00+02:00",
        "swap": "2026-10-23T22:00:00+02:00",
        "firstStep": "2026-10-23T22:01:30+02:00",
        "lastStep": "2026-10-24T02:01:30+02:00",
        "done": "2026-10-24T02:06:30+02:00",
    });
    assert_eq!(planned["earliest"], wanted);
    let text = ebbtide(line).done();
    let words: Vec<_> = text.split_whitespace().collect();
    let parts = [
        "if it starts at 2026-10-23T14:00:00+02:00: at the earliest, traffic moves at 2026-10-23T22:00:00+02:00",
        "for the window before the swap and each step: Mon-Fri 22:00 to 06:00 Europe/Berlin",
    ];
    assert_has(&words.join(" "), &parts);
    // The times of a scenario that starts then are those of its preflight, and of its simulation.
    scratch(
        "afternoon.json",
        r#"{"startsAt": "2026-10-23T14:00:00+02:00"}"#,
    );
    let arguments = "events/quiet-hours.json --scenario @afternoon.json --format json";
    let again = ebbtide(&format!("plan {arguments}")).exits(0).json();
    assert_eq!(again["earliest"], wanted);
    let preflight = ebbtide(&format!("preflight {arguments}")).exits(0).json();
    let reason = preflight["reason"].as_str().unwrap();
    assert!(
        reason.contains("the last at 2026-10-24T02:01:30+02:00"),
        "{reason}"
    );
    let simulated = ebbtide(&format!("simulate {arguments}")).exits(0).json();
    let seconds = simulated["deployments"][0]["summary"]["seconds"]
        .as_f64()
        .unwrap();
    // Twelve hours and six minutes, and what the last tasks take to stop.
    assert!((43_590.0..44_400.0).contains(&seconds), "{seconds}");
    let ran = ebbtide("plan events/quiet-hours.json --at tomorrow").exits(2);
    assert_has(&ran.stderr, &["no time with its offset"]);
    let ran = ebbtide("plan events/quiet-hours.json --at 2027-03-27T02:00:00Z").exits(1);
    assert_has(&ran.stdout, &["finishBy is 2027-03-27T06:00:00+01:00"]);
}

#[test]
fn a_plan_waits_for_clients_of_a_registry_as_a_simulation_does() {
    scratch(
        "even-registry.json",
        r#"{"registry": {"ttlSeconds": 20}, "timings": {"jitterPercent": 0}}"#,
    );
    let arguments = "events/service-discovery.json --scenario @even-registry.json";
    let planned = ebbtide(&format!("plan {arguments} --format json"))
        .exits(0)
        .json();
    // 20 s for the calls, 45 s, the TTL, and registryCache.
    assert_eq!(planned["registryWaitSeconds"], 145);
    let steps = planned["steps"].as_array().unwrap();
    assert_eq!(
        (&steps[0]["at"], &steps[3]["at"]),
        (&145.into(), &325.into())
    );
    assert_eq!(planned["seconds"], 325);
    let simulated = ebbtide(&format!("simulate {arguments} --format json"))
        .exits(0)
        .json();
    let lines = simulated["deployments"][0]["lines"].as_array().unwrap();
    let at = |part: &str| {
        let line = lines
            .iter()
            .find(|line| line["what"].as_str().unwrap().contains(part));
        line.unwrap()["at"].as_f64().unwrap()
    };
    let close = |simulated: f64, planned: f64| {
        assert!((simulated - planned).abs() <= 10.0, "{simulated} {planned}");
    };
    close(at("step 1 of 4") - at("taken out of the registry"), 145.0);
    close(
        at("drained, no task left") - at("taken out of the registry"),
        325.0 + 30.0,
    );
    let second = planned["shift"][1]["at"].as_f64().unwrap();
    close(at("1 of 4 tasks running") - at("has 25 %"), second);
    let text = ebbtide(&format!(
        "plan {arguments} --for-seconds 600 --report @registry-plan.html"
    ))
    .done();
    let parts = [
        "4 tasks in a registry; ",
        "     wait  0:00:00  145 s             4",
        "1\u{2013}4  0:02:25   60 s      1      0",
        "0:05:25 from the moment in which the original leaves the registry to the last step",
        "at 0:00:00: 25 % of the tasks for 600 s, after 145 s in which clients find them",
        "within 600 s: ",
    ];
    assert_has(&text, &parts);
    assert!(!text.contains("reconnect"), "{text}");
    let page = crate::program::read("registry-plan.html");
    assert!(
        page.contains("Tasks left") && !page.contains("Reconnects"),
        "{page}"
    );
    let refused = ebbtide(&format!("plan {arguments} --for-reconnects 5"))
        .exits(2)
        .stderr;
    assert_has(
        &refused,
        &["--for-reconnects: clients find this service in a registry"],
    );
}

#[test]
fn a_plan_warns_of_what_will_not_go_well_and_says_what_would() {
    let text = ebbtide(
        "plan events/drain-budget.json --tasks 200 --connections-per-task 60000 --zones 3
         --new-connections-per-second-per-task 10 --for-reconnects 4000 --for-seconds 7200",
    )
    .done();
    let parts = [
        "60000 connections a task are more than the 55000",
        "each replacement task, and it accepts 10",
        "no drain within a day keeps to 4000 reconnects in every second: the smallest step has 24000",
        "the connections of one task come back at 12000 a second, and all replacement tasks together accept 2000: clients are refused at any pace",
        "within 7200 s: \"drain\": {\"within\": 7200}",
        "by a deadline of 7200 s until the last task has gone: \"drain\": {\"reconnectsPerSecond\": ",
    ];
    assert_has(&text, &parts);
    // What every default setup has is no warning.
    for usual in ["deregistration delay", "in fewer than 3 zones"] {
        assert!(!text.contains(usual), "{text}");
    }
}

#[test]
fn a_plan_says_what_preflight_will_warn_of() {
    let of_preflight =
        "preflight will warn (swapMode): swapMode is replace, on a Network Load Balancer.";
    let text = ebbtide("plan events/replace.json").done();
    assert_has(&text, &[of_preflight]);
    let json = ebbtide("plan events/replace.json --format json")
        .exits(0)
        .json();
    assert_eq!(json["warnings"][0], of_preflight);
}

#[test]
fn a_pace_for_a_limit_is_advised_where_the_connections_of_one_task_fit_it() {
    let of_limit = |limit: u32| {
        let limit = format!("--new-connections-per-second-per-task {limit}");
        ebbtide(&format!("plan events/drain-budget.json --tasks 40 {limit}")).done()
    };
    let (advised, refused) = (
        "half of what all of them accept",
        "clients are refused at any pace",
    );
    let fits = of_limit(13);
    assert!(fits.contains(advised) && !fits.contains(refused), "{fits}");
    let too_many = of_limit(12);
    assert!(
        !too_many.contains(advised) && too_many.contains(refused),
        "{too_many}"
    );
}

fn budget(name: &str, budget: &str) {
    scratch_event(name, &format!(r#", "drain": {{{budget}}}"#));
}

#[test]
fn a_plan_says_what_a_deadline_does_to_a_budget() {
    let of = r#""connectionsPerTask": 2500"#;
    for (name, drain, service, parts) in [
        (
            "stops",
            r#""reconnectsPerSecond": 10, "deadline": 3600, "onDeadline": "stop""#,
            "--tasks 40",
            [
                "rather than exceed it the drain stops at the deadline, with 30 of 40 tasks left",
                "from the swap until it stops with 30 of 40 tasks left",
            ],
        ),
        (
            "tight",
            r#""reconnectsPerSecond": 5, "deadline": 600"#,
            "--tasks 40",
            [
                "its budget cannot be kept by its deadline of 600 s, and the deadline sets the pace",
                "limit         the deadline of the budget",
            ],
        ),
        (
            "short",
            r#""reconnectsPerSecond": 200, "deadline": 3779"#,
            "--tasks 4 --deregistration-delay 3600",
            [
                "error: preflight will refuse it: ",
                "Set drain.deadline to at least 3780, or to 3798 to keep the budget.",
            ],
        ),
    ] {
        budget("deadline.json", &format!("{of}, {drain}"));
        let text = ebbtide(&format!("plan @deadline.json {service}")).stdout;
        assert_has(&text, &parts);
        assert!(!text.contains(" 0 more"), "{name}: {text}");
    }
}

#[test]
fn a_plan_has_the_connections_that_the_drain_will_count_on() {
    let drain = |said: u32| {
        let said = (said > 0).then(|| format!(r#", "connectionsPerTask": {said}"#));
        let said = said.unwrap_or_default();
        format!(r#""reconnectsPerSecond": 500, "deadline": 7200{said}"#)
    };
    let seen = r#"{"tasks": 10}"#;
    let unseen = r#"{"tasks": 10, "clients": {"metrics": "none"}}"#;
    for (said, held, scenario, planned, warning) in [
        // The event's own number, where nothing else is said.
        (20_000, None, seen, 20_000, ""),
        (0, None, seen, 2_500, "does not say connectionsPerTask"),
        // CloudWatch's, where that is more than twice as many.
        (1_000, Some(5_000), seen, 5_000, "would see 5000"),
        (1_000, Some(2_000), seen, 1_000, ""),
        (5_000, Some(1_000), seen, 5_000, "to hold 1000"),
        (1_000, None, unseen, 1_000, "to hold 2500"),
    ] {
        scratch("counted-world.json", scenario);
        let held = held.map_or_else(String::new, |held| format!("--connections-per-task {held}"));
        let planned_with = |said: u32| {
            budget("counted.json", &drain(said));
            let line = format!("plan @counted.json {held} --scenario @counted-world.json");
            ebbtide(&format!("{line} --format json")).exits(0).json()
        };
        let plan = planned_with(said);
        let warnings = plan["warnings"].to_string();
        assert!(warnings.contains(warning), "{said} {held}: {warnings}");
        // As if the event said so.
        let pace = |plan: &Value| {
            (
                plan["seconds"].clone(),
                plan["steps"].as_array().unwrap().len(),
            )
        };
        assert_eq!(pace(&plan), pace(&planned_with(planned)), "{said} {held}");
    }
    scratch_event("compared.json", r#", "drain": {"within": 60}"#);
    budget("counted.json", &drain(7_000));
    scratch(
        "counted-evenly.json",
        r#"{"tasks": 2, "timings": {"jitterPercent": 0}}"#,
    );
    for (event, connections) in [("compared", "5,000"), ("counted", "14,000")] {
        let line = format!("compare @{event}.json --scenario @counted-evenly.json");
        let text = ebbtide(&line).done();
        assert_has(&text, &[&format!("2 tasks, {connections} connections")]);
    }
}

/// Up to 100 tasks the deployment itself is counted; of more, a smaller one.
#[test]
fn what_a_plan_costs_a_simulated_deployment_costs() {
    let budget = r#"{"reconnectsPerSecond": 500, "connectionsPerTask": 2500, "deadline": 7200}"#;
    let large = r#"{"reconnectsPerSecond": 5000, "connectionsPerTask": 2500, "deadline": 7200}"#;
    let every: &[u32] = &[0, 60, 300, 3_600];
    for (name, tasks, drain, delays, tolerance) in [
        ("one", 1, r#"{"within": 300}"#, every, 0.0),
        ("some", 20, budget, every, 0.0),
        (
            "percent",
            120,
            r#"{"percent": 5, "every": 40}"#,
            &[0, 3_600],
            0.05,
        ),
        ("large", 120, large, &[60, 300], 0.05),
        ("long", 105, r#"{"tasks": 1, "every": 20}"#, &[60], 0.05),
    ] {
        for delay in delays {
            let (event, scenario) = (format!("{name}-costs.json"), format!("{name}-costing.json"));
            scratch_event(&event, &format!(r#", "drain": {drain}"#));
            let service = format!(r#"{{"tasks": {tasks}, "deregistrationDelaySeconds": {delay}}}"#);
            scratch(&scenario, &service);
            let line = format!("plan @{event} --scenario @{scenario} --format json");
            let planned = ebbtide(&line).exits(0).json();
            let cost = |what: &str| planned["cost"][what].as_f64().unwrap();
            // Only a budget looks at clients. With them, all is deployed once more, with all tasks stopped at once.
            let clients = if drain.contains("reconnects") {
                ""
            } else {
                "--clients 0"
            };
            let line = format!("simulate @{event} --scenario @{scenario} --format json {clients}");
            let simulated = ebbtide(&line).exits(0).json();
            let summary = &simulated["deployments"][0]["summary"];
            let states = summary["states"].as_array().unwrap().len();
            let states = f64::from(u32::try_from(states).unwrap());
            let calls = summary["calls"].as_f64().unwrap();
            for (what, real) in [("transitions", states), ("calls", calls)] {
                let off = (cost(what) / real - 1.0).abs();
                assert!(
                    off <= tolerance,
                    "{name}, {delay} s: {} {what}, {real}",
                    cost(what)
                );
            }
        }
    }
}

#[test]
fn one_of_a_thing_is_counted_in_the_singular() {
    scratch("single.json", r#"{"tasks": 1}"#);
    for command in ["plan", "simulate", "preflight", "compare"] {
        let line = format!("{command} events/drain-tasks.json --scenario @single.json");
        let text = ebbtide(&line).done();
        let words: Vec<_> = text.split_whitespace().collect();
        let counted = words
            .windows(2)
            .filter(|two| two[0].trim_start_matches('(') == "1");
        let plural = [
            "tasks",
            "steps",
            "targets",
            "checks",
            "connections",
            "zones",
            "errors",
        ];
        let wrong = counted.filter(|two| plural.iter().any(|plural| two[1].starts_with(plural)));
        assert_eq!(wrong.count(), 0, "{text}");
    }
}

#[test]
fn what_preflight_refuses_a_plan_says_and_exits_with_1() {
    let ran = ebbtide("plan events/drain-budget.json --deregistration-delay 3600").exits(1);
    assert!(ran.stdout.starts_with("error: preflight will refuse it: "));
    scratch_event("both.json", r#", "drain": {"within": 60, "tasks": 1}"#);
    let ran = ebbtide("plan @both.json").exits(1);
    assert_has(&ran.stderr, &["set in 2 ways at once"]);
    for command in ["plan", "compare"] {
        let ran = ebbtide(&format!("{command} @both.json --format json")).exits(1);
        assert_eq!(ran.json()["refused"]["error"], "InvalidInput");
    }
}

#[test]
fn a_service_that_cannot_be_is_wrong_usage() {
    let slow = r#"{"clients": {"reconnectWithinSeconds": 4294967295}}"#;
    for (scenario, said) in [
        (r#"{"tasks": 0}"#, "0 tasks"),
        (r#"{"stopTimeoutSeconds": 4294967295}"#, "a year at most"),
        (slow, "reconnectWithinSeconds"),
        (r#"{"firstDeployment": true}"#, "first deployment"),
    ] {
        scratch("impossible.json", scenario);
        let ran = ebbtide("plan events/drain-budget.json --scenario @impossible.json").exits(2);
        assert_has(&ran.stderr, &[said]);
        let ran = ebbtide("compare events/drain-budget.json --scenario @impossible.json").exits(2);
        assert_has(&ran.stderr, &[said]);
    }
}

#[test]
fn a_plan_says_that_scale_in_is_suspended() {
    let ran = ebbtide("plan events/auto-scaling.json").exits(0);
    assert_has(
        &ran.stdout,
        &["scale-in      Auto Scaling's scale-in is suspended"],
    );
    let answer = ebbtide("plan events/auto-scaling.json --format json").exits(0);
    assert_eq!(answer.json()["holdsScaleIn"], true);
}
