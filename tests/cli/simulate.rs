//! `ebbtide simulate`, and what is wrong usage of any command.

use serde_json::Value;

use crate::program::{Ran, assert_has, ebbtide, read, scratch, scratch_event};

#[test]
fn a_simulation_tells_its_story_and_ends_with_the_world() {
    let ran = ebbtide("simulate events/sample.json").exits(0);
    let parts = [
        "CheckAndCreateService",
        "SUCCEEDED: service sample-external-deployment runs",
        "PRIMARY",
        "isProduction=true",
    ];
    assert_has(&ran.stdout, &parts);
    assert_eq!(ran.stderr, "");
}

#[test]
fn the_same_command_prints_the_same_bytes() {
    let line = "simulate events/sample.json events/sample.json";
    assert_eq!(ebbtide(line), ebbtide(line));
}

#[test]
fn a_second_deployment_starts_from_the_world_that_the_first_has_left() {
    let group = |arguments: &str| {
        let line = format!("simulate events/minimal.json --format json {arguments}");
        let ran = ebbtide(&line);
        let sets = ran.exits(0).json()["deployments"][0]["summary"]["taskSets"].clone();
        assert_eq!(sets.as_array().unwrap().len(), 1);
        assert_eq!(sets[0]["status"], "PRIMARY");
        sets[0]["targetGroup"].clone()
    };
    let first = group("--save-world @left.json");
    assert_ne!(first, group("--world @left.json"));
}

#[test]
fn json_is_one_object_with_the_states_in_order_and_every_step_of_the_drain() {
    let ran = ebbtide("simulate events/sample.json --format json");
    let answer = ran.exits(0).json();
    let summary = &answer["deployments"][0]["summary"];
    assert_eq!(summary["status"], "SUCCEEDED");
    assert_eq!(summary["states"][0], "Preflight");
    assert!(answer["deployments"][0]["lines"].as_array().unwrap().len() > 20);
    assert_eq!(left(&answer), [4, 3, 2, 1, 0]);
}

/// The tasks that the drain had left, whenever that changed.
pub(crate) fn left(answer: &Value) -> Vec<u64> {
    let lines = answer["deployments"][0]["lines"].as_array().unwrap().iter();
    let left = lines.filter_map(|line| line["drain"]["left"].as_u64());
    let mut left: Vec<_> = left.collect();
    left.dedup();
    left
}

#[test]
fn a_trace_holds_history_world_and_calls() {
    ebbtide("simulate events/minimal.json --trace @trace.jsonl").exits(0);
    let text = read("trace.jsonl");
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<Value> = lines.collect();
    for kind in ["history", "world", "call"] {
        assert!(lines.iter().any(|line| line.get(kind).is_some()), "{kind}");
    }
}

#[test]
fn a_deployment_that_fails_exits_with_1_and_says_what_remains() {
    scratch("sick.json", r#"{"replacement": {"neverHealthy": true}}"#);
    let ran = ebbtide("simulate events/minimal.json events/minimal.json --scenario @sick.json");
    let Ran { stdout, stderr, .. } = ran.exits(1);
    assert_has(&stdout, &["FAILED: ReplacementFailed: ", "Rolled back: "]);
    assert_eq!(stdout.matches("FAILED: ").count(), 1);
    assert!(stderr.contains("minimal.json: not deployed"), "{stderr}");
}

#[test]
fn bad_input_is_refused_with_1_before_anything_runs() {
    scratch(
        "bad.json",
        r#"{"cluster": "main", "serviceName": "web", "taskDefinition": "web", "scaledown_wait": "60"}"#,
    );
    let ran = ebbtide("simulate @bad.json").exits(1);
    assert_eq!(ran.stdout, "");
    let parts = [
        "InvalidInput",
        "taskDefinition is \"web\"; allowed: ",
        "scaledown_wait is \"60\"; allowed: ",
    ];
    assert_has(&ran.stderr, &parts);
    let answer = ebbtide("simulate @bad.json --format json").exits(1).json();
    assert_eq!(answer["refused"]["error"], "InvalidInput");
}

#[test]
fn what_is_wrong_with_a_file_is_said_by_its_field() {
    let lines = r#"
{"replacement": {"crashesAfterSeconds": "soon"}} => line 1 column 38: replacement.crashesAfterSeconds is "soon"; allowed: a whole number, 0 or more
{"tasks": -1} => line 1 column 8: tasks is -1; allowed: a whole number from 0 to
{"alarms": [{"name": "a", "colour": 1}]} => alarms[0].colour is not a field of this object; its fields: name, type, state, changes
{"alarms": [{"name": "a", "state": "RINGS"}]} => alarms[0].state is "RINGS"; allowed: "OK", "ALARM"
{"commands": [{"afterSeconds": 1, "command": "stop"}]} => commands[0].command is "stop"; allowed: "rollback", "pause"
{"clients": [2500]} => line 1 column 10: clients is a list; allowed: an object
["a"] => it is a list; allowed: an object
{} {} => trailing characters at line 1
{ => it ends before the JSON is complete, at line 1
"#;
    for (text, said) in lines.lines().filter_map(|line| line.split_once(" => ")) {
        scratch("wrong-scenario.json", text);
        let ran = ebbtide("simulate events/minimal.json --scenario @wrong-scenario.json").exits(2);
        let parts = [said, "wrong-scenario.json is not a scenario: "];
        assert_has(&ran.stderr, &parts);
    }
    for (text, said) in [
        ("[1, 2]", "it is a list; allowed: an object"),
        ("{\"region\": 3}", "line 1 column "),
        ("{", "it ends before the JSON is complete"),
    ] {
        scratch("wrong-world.json", text);
        let ran = ebbtide("simulate events/minimal.json --world @wrong-world.json").exits(2);
        assert_has(&ran.stderr, &["is not a saved world: ", said]);
        for word in ["expected", "invalid type", "missing field"] {
            assert!(!ran.stderr.contains(word), "{}", ran.stderr);
        }
    }
}

#[test]
fn every_event_is_simulated_in_a_world_of_its_names() {
    let events = concat!(env!("CARGO_MANIFEST_DIR"), "/events");
    for event in std::fs::read_dir(events).unwrap() {
        let event = event.unwrap().file_name().into_string().unwrap();
        // A simulated world has one service.
        if event == "services.json" {
            continue;
        }
        let ran = ebbtide(&format!("simulate events/{event}"));
        if event == "approval.json" {
            assert_has(&ran.exits(1).stdout, &["\nFAILED: PauseTimeout: "]);
            continue;
        }
        let text = ran.done();
        assert_has(&text, &["\nSUCCEEDED: "]);
        let warns = text.contains("warnings of preflight");
        assert_eq!(warns, event == "replace.json", "{text}");
        // Only the column of times says when.
    }
    let answer = ebbtide("simulate events/named-routes.json --format json").exits(0);
    let answer = answer.json();
    let summary = &answer["deployments"][0]["summary"];
    assert_eq!(summary["taskSets"][0]["targetGroup"], "mqtt-b");
    assert_eq!(summary["listeners"][0]["role"], "production");
    assert_eq!(answer["deployments"][0]["clients"]["cut"], 10_000);
    let event = include_str!("../../events/named-routes.json");
    let other = event.replacen("net/mqtt/0", "net/other/0", 1);
    scratch("two-balancers.json", &other);
    let said = ebbtide("simulate @two-balancers.json").exits(2).stderr;
    assert_has(&said, &["is no listener of the load balancer"]);
}

#[test]
fn names_of_a_scenario_reach_no_terminal_as_they_are() {
    let name = "\\u001b[2J\\u009b31m\\u202e";
    let alarm =
        r#"{"alarms": [{"name": "NAME", "changes": [{"afterSeconds": 60, "state": "ALARM"}]}]}"#;
    scratch("escapes.json", &alarm.replace("NAME", name));
    for format in ["text", "json"] {
        let line =
            format!("simulate events/minimal.json --scenario @escapes.json --format {format}");
        let printed = ebbtide(&line).exits(0).stdout;
        assert_has(&printed, &[name]);
        let acts = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(!printed.contains(acts), "{printed}");
    }
}

#[test]
fn wrong_usage_exits_with_2() {
    scratch("not.json", "{");
    scratch("no-scenario.json", r#"{"colour": 1}"#);
    for line in [
        "simulate",
        "dance",
        "simulate nowhere.json",
        "simulate @not.json",
        "simulate events/minimal.json --scenario @no-scenario.json",
        "serve --speed 0",
    ] {
        assert_ne!(ebbtide(line).exits(2).stderr, "", "{line}");
    }
}

#[test]
fn a_simulation_of_a_budget_says_what_its_clients_felt() {
    // Four tasks with the 2,500 connections each that the budget counts on.
    let text = ebbtide("simulate events/drain-budget.json").done();
    let figures = |label: &str| -> Vec<u64> {
        let row = text
            .lines()
            .find(|line| line.starts_with(&format!("  {label} ")));
        let row = row.unwrap_or_else(|| panic!("{label}: {text}"));
        let figures = row[label.len() + 2..].replace(',', "");
        figures
            .split_whitespace()
            .filter_map(|figure| figure.parse().ok())
            .collect()
    };
    assert_eq!(figures("cut"), [10_000, 10_000]);
    assert_eq!(figures("refused"), [0, 0]);
    let [this, at_once] = figures("most reconnects in 10 s")[..] else {
        panic!("{text}");
    };
    assert!(this * 2 < at_once, "{text}");
    let answer = ebbtide("simulate events/drain-budget.json --format json").json();
    let clients = &answer["deployments"][0]["clients"];
    assert_eq!(clients["cut"], 10_000);
    let minute = clients["reconnectsPerSecondInBusiestMinute"].as_u64();
    assert!((1..=500).contains(&minute.unwrap()), "{clients}");
    for event in ["sample", "drain-budget"] {
        let without = ebbtide(&format!("simulate events/{event}.json --clients 0")).done();
        assert!(!without.contains("  clients  "), "{without}");
    }
}

#[test]
fn callers_of_a_registry_reach_no_stopped_task_and_would_if_all_stopped_at_once() {
    let line = "simulate events/service-discovery.json";
    let answer = ebbtide(&format!("{line} --format json")).exits(0).json();
    let deployment = &answer["deployments"][0];
    assert!(deployment.get("clients").is_none(), "{deployment}");
    let (callers, at_once) = (&deployment["callers"], &deployment["callersAllAtOnce"]);
    assert_eq!(callers["callers"], 100);
    let seconds = callers["seconds"].as_u64().unwrap();
    assert_eq!(callers["requests"], 100 * seconds);
    for lost in ["toStopped", "toUnhealthy", "withoutAddress"] {
        assert_eq!(callers[lost], 0, "{lost}");
    }
    assert!(at_once["toStopped"].as_u64().unwrap() > 1_000, "{at_once}");
    // A quarter of the tasks is one beside four.
    for (when, tasks) in [("before", 4), ("during", 5), ("after", 4)] {
        let spread = &callers["spread"][when];
        assert_eq!(spread["tasks"], tasks, "{when}");
        let percent = |name: &str| spread[name].as_f64().unwrap();
        let (least, most) = (percent("leastPercent"), percent("mostPercent"));
        assert!(95.0 < least && least <= 100.0, "{when}: {least}");
        assert!((100.0..105.0).contains(&most), "{when}: {most}");
    }
    let set = &deployment["summary"]["taskSets"][0];
    assert!(
        set["registry"].as_str().unwrap().starts_with("srv-"),
        "{set}"
    );
    assert!(set.get("targetGroup").is_none(), "{set}");
    let lines = deployment["lines"].as_array().unwrap().iter();
    let healthy = |name: &'static str| {
        lines
            .clone()
            .filter_map(move |line| line["counts"][name].as_u64())
    };
    let healthy: Vec<_> = healthy("originalHealthy")
        .zip(healthy("replacementHealthy"))
        .collect();
    assert_eq!(healthy.first(), Some(&(4, 0)));
    assert!(healthy.contains(&(4, 4)), "{healthy:?}");
    assert_eq!(healthy.last(), Some(&(0, 4)));
    let text = ebbtide(&format!("{line} --report @registry.html")).done();
    assert!(
        !text.contains("target group") && !text.contains(" on ,"),
        "{text}"
    );
    assert_has(&text, &["100 callers", " in registry srv-"]);
    let page = read("registry.html");
    let parts = [
        "Healthy instances in the registry",
        "none went to a stopped task",
    ];
    assert_has(&page, &parts);
    assert!(!page.contains("The scenario has no clients"));
}

#[test]
fn callers_that_keep_addresses_for_longer_than_the_event_says_are_counted() {
    scratch(
        "long-cache.json",
        r#"{"registry": {"callers": {"cacheSeconds": 600}}}"#,
    );
    let line = "simulate events/service-discovery.json --scenario @long-cache.json";
    let answer = ebbtide(&format!("{line} --format json")).exits(0).json();
    let stopped = &answer["deployments"][0]["callers"]["toStopped"];
    assert!(stopped.as_u64().unwrap() > 0, "{answer}");
    ebbtide(&format!("{line} --report @long-cache.html")).done();
    assert_has(&read("long-cache.html"), &["Requests that failed a second"]);
}

#[test]
fn a_registry_that_the_event_names_is_the_simulated_one() {
    let arn = "arn:aws:servicediscovery:eu-west-1:111122223333:service/srv-0123456789abcdef";
    let fields = format!(
        r#", "registry": {{"registryArn": "{arn}", "containerName": "web", "containerPort": 8080}}, "subnets": ["subnet-0123456789abcdef0"], "task_sg": "sg-0123456789abcdef0""#
    );
    scratch_event("named-registry.json", &fields);
    scratch("first-registry.json", r#"{"firstDeployment": true}"#);
    for scenario in ["", " --scenario @first-registry.json"] {
        let text = ebbtide(&format!("simulate @named-registry.json{scenario}")).done();
        let parts = [
            "(partition aws, region eu-west-1, account 111122223333, ",
            "in registry srv-0123456789abcdef, runs 4 tasks",
        ];
        assert_has(&text, &parts);
    }
}

#[test]
fn connections_need_a_load_balancer() {
    for command in ["simulate", "plan"] {
        let line = format!("{command} events/service-discovery.json --connections-per-task 9");
        let said = ebbtide(&line).exits(2).stderr;
        assert_has(&said, &["clients connect through a load balancer"]);
    }
    ebbtide("simulate events/service-discovery.json --clients 0").exits(0);
    // Beside a load balancer there are both.
    scratch("both.json", r#"{"registry": {"besideLoadBalancer": true}}"#);
    let text = ebbtide("simulate events/minimal.json --scenario @both.json").done();
    assert_has(
        &text,
        &[
            "most reconnects in 1 s",
            "100 callers",
            " on chat-tg-2 in registry srv-",
        ],
    );
}
