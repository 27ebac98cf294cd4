//! `ebbtide compare`: that it says what was simulated.

use serde_json::{Value, json};

use crate::program::{Ran, assert_has, ebbtide, scratch};

fn compared(arguments: &str) -> Value {
    let ran = ebbtide(&format!("compare {arguments} --format json"));
    ran.exits(0).json()
}

/// The figures with exact timings, by way.
fn exact(answer: &Value) -> Vec<(String, Value)> {
    let ways = answer["ways"].as_array().unwrap().iter();
    let exact = ways.map(|way| {
        assert_eq!(way["runs"][0]["timings"], "exact");
        let name = way["way"].as_str().unwrap().to_owned();
        (name, way["runs"][0]["figures"].clone())
    });
    exact.collect()
}

#[test]
fn forty_tasks_are_drained_in_every_way() {
    let answer = compared(
        "events/sample.json --tasks 40 --connections-per-task 1000 --reconnect-within 4
         --new-connections-per-second-per-task 50",
    );
    let scenario = json!({
        "tasks": 40, "connections": 40_000, "connectionsPerTask": 1_000, "seed": 1,
        "reconnectWithinSeconds": 4, "newConnectionsPerSecondPerTask": 50,
    });
    assert_eq!(answer["scenario"], scenario);
    // 40,000 connections over 180 s are 2,223 in 10 s.
    let floor = json!({"seconds": 180, "reconnectsIn10Seconds": 2_223});
    assert_eq!(answer["floor"], floor);
    let ways = exact(&answer);
    let names: Vec<_> = ways.iter().map(|(name, _)| name.as_str()).collect();
    let wanted = "all at once, 25 % every 60 s, 1 task every 5 s, within 180 s, 310 reconnects/s";
    assert_eq!(names.join(", "), wanted);
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
    let answer = compared("events/drain-budget.json --tasks 3 --seed 7");
    let keys =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(
        keys(&answer),
        ["service", "scenario", "floor", "ways", "recommended"]
    );
    assert_eq!(answer["scenario"]["seed"], 7);
    let help = ebbtide("compare --help").done();
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
    let event = include_str!("../../events/drain-budget.json");
    let event: Value = serde_json::from_str(event).unwrap();
    assert_eq!(of_event.len(), 1, "{of_event:?}");
    assert_eq!(of_event[0]["deadline"], event["drain"]["deadline"]);
}

#[test]
fn a_shift_takes_the_time_until_its_shares_were_there_and_ecs_waits_ten_minutes_more_at_each_step()
{
    let answer = compared("events/shift.json --tasks 4");
    let shifts = answer["shifts"].as_array().unwrap();
    let times = shifts.iter().map(|shift| {
        let deployed = shift["deployed"].as_array().unwrap().iter();
        let seconds = deployed.map(|run| {
            let number = |field: &str| run[field].as_f64().unwrap();
            (number("propagation"), number("seconds"))
        });
        (
            seconds.collect::<Vec<_>>(),
            shift["secondsOfEcs"].as_f64().unwrap(),
        )
    });
    let times: Vec<_> = times.collect();
    // Nine steps of six minutes, one of ten, and those of the event. The longer a step lasts by itself, the less the
    // ten minutes are of its time.
    let wanted = [(3_240.0, 10.0), (600.0, 2.0), (2_400.0, 4.0)];
    for ((deployed, of_ecs), (steps, shifts)) in times.iter().zip(wanted) {
        assert!((of_ecs - steps - 600.0 * shifts).abs() < 0.5, "{times:?}");
        for (propagation, seconds) in deployed {
            // Half of the propagation is lost at the first step, less at each that follows, and more new connections than
            // expected make up for some of it.
            let late = seconds - steps;
            assert!(
                late > 0.15 * propagation && late < 0.2 * of_ecs,
                "{times:?}"
            );
        }
    }
    assert_eq!(times.len(), 3);
    let text = ebbtide("compare events/shift.json --tasks 2").done();
    assert!(text.contains("by ECS's own schedule 2:34:00"), "{text}");
}

#[test]
fn the_same_comparison_prints_the_same_bytes_and_another_seed_others() {
    let of_seed = |seed: u32| {
        let line = format!("compare events/sample.json --format json --seed {seed}");
        ebbtide(&line).exits(0)
    };
    let (first, other) = (of_seed(1), of_seed(2));
    assert_eq!(first, of_seed(1));
    let runs = |ran: &Ran, place: usize| -> Vec<Value> {
        let answer = ran.json();
        let ways = answer["ways"].as_array().unwrap().iter();
        ways.map(|way| way["runs"][place]["figures"].clone())
            .collect()
    };
    assert_eq!(runs(&first, 0), runs(&other, 0), "exact timings");
    assert_ne!(runs(&first, 1), runs(&other, 1), "random timings");
}

#[test]
fn without_chance_every_way_is_deployed_once() {
    scratch("even.json", r#"{"timings": {"jitterPercent": 0}}"#);
    let answer = compared("events/minimal.json --scenario @even.json");
    for way in answer["ways"].as_array().unwrap() {
        assert_eq!(way["runs"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn a_way_that_fails_is_named_and_exits_with_1() {
    scratch(
        "sick-compared.json",
        r#"{"replacement": {"neverHealthy": true}}"#,
    );
    let ran = ebbtide("compare events/minimal.json --scenario @sick-compared.json");
    let text = ran.exits(1).stdout;
    assert_has(&text, &["every way: FAILED: ReplacementFailed: "]);
    assert_eq!(text.matches("ReplacementFailed").count(), 1, "{text}");
    let row = text.lines().find(|line| line.starts_with("all at once  "));
    assert!(row.is_some_and(|row| row.ends_with(" FAILED")), "{text}");
    assert!(!text.contains("Recommended"), "{text}");
}

#[test]
fn a_time_that_is_too_short_for_any_drain_makes_no_figure_lower_than_its_floor() {
    let mut recommended = Vec::new();
    for (more, wanted) in [("", "within 10 s"), ("--tasks 1", "all at once")] {
        let answer = compared(&format!("events/sample.json --within 10 {more}"));
        for way in answer["ways"].as_array().unwrap() {
            for run in way["runs"].as_array().unwrap() {
                let times = run["figures"]["timesFloor"].as_f64().unwrap();
                assert!(times >= 1.0, "{way}");
            }
        }
        let names: Vec<_> = answer["ways"]
            .as_array()
            .unwrap()
            .iter()
            .map(|way| &way["way"])
            .collect();
        assert!(names.contains(&&json!(wanted)), "{names:?}");
        recommended.push(answer["recommended"].clone());
    }
    // A quarter a minute takes longer than that, and is the lowest peak all the same.
    let wanted = json!({"way": "25 % every 60 s", "drain": {"percent": 25, "every": 60}});
    assert_eq!(recommended[0], wanted);
    // Servers that refuse clients at any pace: none is better than another.
    let refusing = "events/minimal.json --tasks 12 --new-connections-per-second-per-task 1";
    assert_eq!(compared(refusing)["recommended"], Value::Null);
}

#[test]
fn every_line_fits_eighty_columns() {
    for line in [
        "compare events/sample.json --tasks 40 --new-connections-per-second-per-task 100",
        "plan events/drain-budget.json --tasks 40",
        "simulate events/sample.json",
        "simulate events/sample.json --never-healthy -v",
    ] {
        let ran = Ran::of(crate::program::command(line).env("COLUMNS", "80"));
        for line in ran.stdout.lines() {
            // What has no space in it cannot be broken.
            let longest = line.split(' ').map(str::len).max().unwrap_or_default();
            let fits = line.chars().count() <= 80 || longest > 40;
            assert!(fits, "{line}");
        }
    }
}

#[test]
fn what_cannot_be_compared_is_wrong_usage() {
    scratch("first.json", r#"{"firstDeployment": true}"#);
    for arguments in [
        "events/dry-run.json",
        "events/minimal.json --scenario @first.json",
        "events/minimal.json --tasks 0",
        "events/minimal.json --within 86401",
        "nowhere.json",
    ] {
        let ran = ebbtide(&format!("compare {arguments}")).exits(2);
        assert_eq!(ran.stdout, "", "{arguments}");
    }
}

#[test]
fn a_service_without_a_load_balancer_is_not_compared() {
    let said = ebbtide("compare events/service-discovery.json")
        .exits(2)
        .stderr;
    assert_has(
        &said,
        &[
            "what is compared are reconnects through a load balancer",
            "`ebbtide simulate`",
        ],
    );
}
