//! `ebbtide compare` and the reports: what they say, and that it is what was simulated.

use std::process::Output;

use serde_json::{Value, json};

use crate::run::{ebbtide, scratch, stderr, stdout};

/// What a command that did its work printed.
fn printed(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    stdout(output)
}

fn compared(arguments: &[&str]) -> Value {
    let arguments = [&["compare"], arguments, &["--format", "json"]].concat();
    serde_json::from_str(&printed(&ebbtide(&arguments))).unwrap()
}

/// The figures with exact timings, by way.
fn exact(answer: &Value) -> Vec<(String, Value)> {
    let ways = answer["ways"].as_array().unwrap().iter();
    ways.map(|way| {
        assert_eq!(way["runs"][0]["timings"], "exact");
        let name = way["way"].as_str().unwrap().to_owned();
        (name, way["runs"][0]["figures"].clone())
    })
    .collect()
}

#[test]
fn forty_tasks_are_drained_in_every_way() {
    let answer = compared(&[
        "events/sample.json",
        "--tasks",
        "40",
        "--connections-per-task",
        "1000",
        "--reconnect-within",
        "4",
        "--new-connections-per-second-per-task",
        "50",
    ]);
    assert_eq!(
        answer["scenario"],
        json!({
            "tasks": 40,
            "connections": 40_000,
            "connectionsPerTask": 1_000,
            "reconnectWithinSeconds": 4,
            "newConnectionsPerSecondPerTask": 50,
            "seed": 1,
        })
    );
    // 40,000 connections over 180 s are 2,223 in 10 s.
    assert_eq!(
        answer["floor"],
        json!({"seconds": 180, "reconnectsIn10Seconds": 2_223})
    );
    let ways = exact(&answer);
    let names: Vec<_> = ways.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "all at once",
            "25 % every 60 s",
            "1 task every 5 s",
            "within 180 s",
            "310 reconnects/s",
        ]
    );
    let figure = |way: usize, name: &str| ways[way].1[name].as_f64().unwrap();
    let cut = "firstToLastCutSeconds";
    assert!(figure(0, cut) < 1.0);
    for way in [1, 3] {
        assert!((figure(way, cut) - 180.0).abs() <= 5.0, "{}", ways[way].1);
    }
    // All come within four seconds: 10,000 a second, of which 40 tasks accept 2,000.
    assert!(figure(0, "peakReconnectsIn1Second") >= 10_000.0);
    assert!(figure(0, "refused") >= 32_000.0);
    // A quarter is 2,500 a second, and still too many.
    assert!(figure(1, "refused") > 0.0);
    for (name, figures) in &ways[2..] {
        let figure = |name: &str| figures[name].as_f64().unwrap();
        assert!(figure("refused") < 1.0, "{name}: {figures}");
        assert!(figure("timesFloor") <= 1.4, "{name}: {figures}");
        let of_a_task = figure("peakTriesIn1SecondOfATask");
        assert!((7.0..=20.0).contains(&of_a_task), "{name}: {of_a_task}");
    }
    assert!(figure(0, "timesFloor") > 15.0);
    // What it costs is time in which both task sets run.
    assert!(figure(3, "deploymentSeconds") >= figure(0, "deploymentSeconds") + 150.0);
    assert!(figure(3, "extraTaskHours") > figure(0, "extraTaskHours") + 0.5);
    assert!(figure(3, "apiCalls") > figure(0, "apiCalls"));
}

#[test]
fn json_has_for_each_way_what_help_says() {
    let answer = compared(&["events/drain-budget.json", "--tasks", "3", "--seed", "7"]);
    let keys =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(keys(&answer), ["service", "scenario", "floor", "ways"]);
    assert_eq!(answer["scenario"]["seed"], 7);
    let help = printed(&ebbtide(&["compare", "--help"]));
    let mut of_event = Vec::new();
    for way in answer["ways"].as_array().unwrap() {
        assert_eq!(keys(way), ["way", "drain", "ofEvent", "runs"]);
        let runs = way["runs"].as_array().unwrap();
        let timings: Vec<_> = runs.iter().map(|run| &run["timings"]).collect();
        assert_eq!(timings, ["exact", "random"]);
        for run in runs {
            assert_eq!(run["status"], "SUCCEEDED");
            for key in keys(run).iter().chain(&keys(&run["figures"])) {
                assert!(help.contains(key.as_str()), "{key}");
            }
        }
        if way["ofEvent"] == true {
            of_event.push(way["drain"].clone());
        }
    }
    let event: Value =
        serde_json::from_str(include_str!("../../events/drain-budget.json")).unwrap();
    let [drain] = of_event.as_slice() else {
        panic!("{of_event:?}");
    };
    assert_eq!(drain["deadline"], event["drain"]["deadline"]);
}

#[test]
fn the_same_comparison_prints_the_same_bytes_and_another_seed_others() {
    let of_seed =
        |seed: &str| printed(&ebbtide(&["compare", "events/sample.json", "--seed", seed]));
    let first = of_seed("1");
    assert_eq!(first, of_seed("1"));
    let rows = |text: &str, timings: &str| -> Vec<String> {
        let rows = text.lines().filter(|line| line.contains(timings));
        rows.map(str::to_owned).collect()
    };
    let other = of_seed("2");
    assert_ne!(rows(&first, " random "), rows(&other, " random "));
    assert_eq!(rows(&first, " exact "), rows(&other, " exact "));
}

#[test]
fn without_chance_every_way_is_deployed_once() {
    let scenario = scratch("even.json", r#"{"timings": {"jitterPercent": 0}}"#);
    let answer = compared(&[
        "events/minimal.json",
        "--scenario",
        scenario.to_str().unwrap(),
    ]);
    for way in answer["ways"].as_array().unwrap() {
        assert_eq!(way["runs"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn a_way_that_fails_is_named_and_exits_with_1() {
    let scenario = scratch(
        "sick-compared.json",
        r#"{"replacement": {"neverHealthy": true}}"#,
    );
    let output = ebbtide(&[
        "compare",
        "events/minimal.json",
        "--scenario",
        scenario.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    let failure = "all at once, exact: FAILED: NotReadyTimeout: ";
    assert!(text.contains(failure), "{text}");
    let row = text.lines().find(|line| line.starts_with("all at once  "));
    assert!(row.is_some_and(|row| row.contains("  FAILED  ")), "{text}");
}

#[test]
fn the_readme_shows_what_is_printed() {
    let readme = include_str!("../../README.md");
    let (_, section) = readme.split_once("\n## Compare\n").unwrap();
    let blocks: Vec<_> = section.split("```\n").collect();
    let command = blocks[1].trim().strip_prefix("cargo run -- ").unwrap();
    let output = ebbtide(&command.split(' ').collect::<Vec<_>>());
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(printed.trim_end(), blocks[3].trim_end());
}

#[test]
fn what_cannot_be_compared_is_wrong_usage() {
    let first = scratch("first.json", r#"{"firstDeployment": true}"#);
    for arguments in [
        &["events/dry-run.json"][..],
        &["events/minimal.json", "--scenario", first.to_str().unwrap()],
        &["events/minimal.json", "--tasks", "0"],
        &["events/minimal.json", "--within", "86401"],
        &["nowhere.json"],
    ] {
        let output = ebbtide(&[&["compare"], arguments].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(output.stdout, b"", "{arguments:?}");
    }
}

#[test]
fn a_report_of_a_deployment_has_every_plot_and_changes_nothing_that_is_printed() {
    let scenario = scratch(
        "reported.json",
        r#"{"clients": {"newConnectionsPerSecondPerTask": 100}}"#,
    );
    let report = scratch("simulated.html", "");
    let plain = [
        "simulate",
        "events/sample.json",
        "--scenario",
        scenario.to_str().unwrap(),
    ];
    let with_report = [&plain[..], &["--report", report.to_str().unwrap()]].concat();
    assert_eq!(printed(&ebbtide(&with_report)), printed(&ebbtide(&plain)));
    let page = std::fs::read_to_string(report).unwrap();
    for part in [
        "aria-label=\"States. Preflight from 0:00:00, ",
        "aria-label=\"Running tasks. original ecs-svc/",
        "aria-label=\"Healthy targets. original sample-external-deployment-tg-1; replacement ",
        "aria-label=\"Connections. original ecs-svc/",
        "aria-label=\"Reconnects a second. tries of clients that were cut, at most ",
        "\nScaleDown\n</text>",
        "\n10,000\n</text>",
        "SUCCEEDED: service sample-external-deployment runs",
        "simulate events/sample.json --scenario ",
        "seed 1",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert_eq!(page.matches("<svg ").count(), 5);
    assert_self_contained(&page);
}

#[test]
fn a_report_of_a_comparison_has_the_table_and_a_plot_for_every_way() {
    let report = scratch("compared.html", "");
    let printed = printed(&ebbtide(&[
        "compare",
        "events/sample.json",
        "--report",
        report.to_str().unwrap(),
    ]));
    let page = std::fs::read_to_string(report).unwrap();
    for way in ["all at once", "25 % every 60 s", "within 180 s"] {
        assert!(printed.contains(way), "{way}");
        assert!(page.contains(&format!(">{way}</th>")), "{way}");
        assert!(page.contains(&format!("\n{way}: ")), "{way}");
    }
    assert_self_contained(&page);
}

#[test]
fn a_report_of_a_plan_has_its_plots_and_what_is_printed() {
    let report = scratch("planned.html", "");
    let printed = printed(&ebbtide(&[
        "plan",
        "events/drain-within.json",
        "--report",
        report.to_str().unwrap(),
    ]));
    let page = std::fs::read_to_string(report).unwrap();
    for part in [
        "aria-label=\"Tasks left. as planned, 3 at most\"",
        "aria-label=\"Reconnects a second. as planned, 500 at most\"",
        printed.lines().nth(2).unwrap(),
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert_self_contained(&page);
}

#[test]
fn a_page_holds_nothing_of_a_hostile_name_as_markup() {
    let event = scratch(
        "<img src=x onerror=alert(1)>.json",
        r#"{"cluster": "main", "serviceName": "chat", "taskDefinition": "chat:2"}"#,
    );
    let event = event.to_str().unwrap();
    let report = scratch("hostile.html", "");
    printed(&ebbtide(&[
        "simulate",
        event,
        event,
        "--report",
        report.to_str().unwrap(),
    ]));
    let page = std::fs::read_to_string(report).unwrap();
    assert!(!page.contains("<img"), "markup");
    assert!(page.contains("&lt;img src=x onerror=alert(1)&gt;.json"));
}

#[test]
fn a_day_of_seconds_is_a_report_below_a_megabyte() {
    let report = scratch("day.html", "");
    printed(&ebbtide(&[
        "compare",
        "events/minimal.json",
        "--within",
        "43200",
        "--tasks",
        "60",
        "--report",
        report.to_str().unwrap(),
    ]));
    let bytes = std::fs::metadata(report).unwrap().len();
    assert!(bytes < 1_000_000, "{bytes}");
}

/// Nothing is loaded from anywhere, and nothing runs.
fn assert_self_contained(page: &str) {
    for part in [
        "<script", "<link", "<img", "src=", "href=", "@import", "url(",
    ] {
        assert!(!page.contains(part), "{part}");
    }
}
