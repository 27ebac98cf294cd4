//! The documents agree with the code: names, quoted messages, fields, links, JSON and targets of make.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ebbtide_controller::arn::{Arn, Home};
use ebbtide_controller::refusal::ErrorName;
use ebbtide_controller::request::Request;
use ebbtide_simulator::Scenario;
use ebbtide_simulator::scenario::{CallersScenario, ClientsScenario, RegistryScenario};
use serde_json::{Value, json};

/// Names of a failure that are not the functions' own.
const OF_STEP_FUNCTIONS: [&str; 2] = ["UnexpectedAnswer", "States.Timeout"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The text between backticks.
fn in_code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The part of a document under a heading of the second level.
fn section<'a>(document: &'a str, heading: &str) -> &'a str {
    let parts = document.split_once(&format!("\n## {heading}\n"));
    let (_, rest) = parts.unwrap_or_else(|| panic!("there is no section {heading}"));
    rest.split("\n## ").next().unwrap()
}

/// The first cell of every row of every table whose header begins so.
fn first_cells<'a>(text: &'a str, header: &str) -> Vec<&'a str> {
    let mut cells = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        inside = line.starts_with('|') && (inside || line.starts_with(&format!("| {header} |")));
        if inside && !line.starts_with("|---") && !line.starts_with(&format!("| {header} |")) {
            cells.push(line.split(" | ").next().unwrap());
        }
    }
    cells
}

/// The names in the first cells of tables whose header begins so.
fn names_in<'a>(text: &'a str, header: &str) -> BTreeSet<&'a str> {
    let cells = first_cells(text, header).into_iter();
    cells.flat_map(in_code).collect()
}

fn error_names() -> BTreeSet<&'static str> {
    let names = ErrorName::ALL.iter().map(|name| name.as_str());
    names.chain(OF_STEP_FUNCTIONS).collect()
}

#[test]
fn operations_has_a_heading_for_every_error_name_and_for_no_other() {
    let operations = read("docs/operations.md");
    let lines = section(&operations, "Errors by name").lines();
    let headings = lines.filter_map(|line| line.strip_prefix("### "));
    assert_eq!(
        headings.flat_map(in_code).collect::<BTreeSet<_>>(),
        error_names()
    );
}

#[test]
fn the_page_on_outcomes_has_every_error_name() {
    let page = read("docs/outcome.md");
    let mut table = names_in(&page, "error");
    table.retain(|name| !name.contains('…'));
    assert_eq!(table, error_names());
}

#[test]
fn operations_has_every_alarm_of_the_template_and_no_other() {
    let template = read("template.yaml");
    let lines: Vec<_> = template.lines().collect();
    let alarms = lines.windows(2);
    let alarms = alarms.filter(|pair| pair[1].trim() == "Type: AWS::CloudWatch::Alarm");
    let alarms = alarms.map(|pair| pair[0].trim().trim_end_matches(':'));
    let alarms: BTreeSet<_> = alarms.collect();
    assert!(alarms.len() >= 7, "{alarms:?}");
    let operations = read("docs/operations.md");
    let section = section(&operations, "Alarms");
    assert_eq!(names_in(section, "alarm"), alarms);
}

#[test]
fn the_states_that_the_pages_name_are_the_state_machines() {
    let definition = read("statemachine/deployment.asl.json");
    let definition: Value = serde_json::from_str(&definition).unwrap();
    for (page, header) in [("operations", "state"), ("rollback", "phase")] {
        let page = read(&format!("docs/{page}.md"));
        let cells = first_cells(&page, header);
        assert!(cells.len() > 5, "{cells:?}");
        for state in cells.into_iter().flat_map(in_code) {
            assert!(definition["States"].get(state).is_some(), "{state}");
        }
    }
}

#[test]
fn the_incident_in_operations_is_what_the_simulator_prints() {
    let story = read("tests/whole/stories/operator-rolls-back.txt");
    let operations = read("docs/operations.md");
    let blocks = section(&operations, "One incident").split("```").skip(1);
    let blocks = blocks.step_by(2).map(|block| block.strip_prefix("text\n"));
    let lines: Vec<_> = blocks.flat_map(|block| block.unwrap().lines()).collect();
    assert!(lines.len() > 5, "{lines:?}");
    for line in lines {
        assert!(story.lines().any(|printed| printed == line), "{line}");
    }
}

#[test]
fn every_metric_of_the_functions_is_in_the_metrics_page_and_no_other() {
    let source = read("functions/src/metrics.rs");
    let units = ["Count", "Seconds", "None", "Count/Second"];
    let quoted: Vec<_> = source.split('"').collect();
    let pairs = quoted.windows(3);
    let pairs = pairs.filter(|part| part[1] == ", " && units.contains(&part[2]));
    let metrics: BTreeSet<_> = pairs.map(|part| part[0]).collect();
    assert!(metrics.len() > 10, "{metrics:?}");
    assert_eq!(names_in(&read("docs/metrics.md"), "metric"), metrics);
}

#[test]
fn every_error_that_rolls_back_after_the_swap_is_in_the_rollback_page_and_no_other() {
    let page = read("docs/rollback.md");
    let reasons = section(&page, "What triggers a rollback");
    let rows = reasons.lines().filter_map(|line| line.strip_suffix(" |"));
    let cells = rows.filter_map(|row| row.rsplit(" | ").next());
    let named: BTreeSet<_> = cells.flat_map(in_code).collect();
    let blaming = ErrorName::ALL.iter();
    let blaming = blaming.filter(|name| name.blames_the_replacement());
    // A replacement that is not ready in time has not served.
    let blaming = blaming.filter(|name| **name != ErrorName::NotReadyTimeout);
    assert_eq!(named, blaming.map(|name| name.as_str()).collect());
}

/// The text of every Rust file below a folder, with strings that go over lines joined.
fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let file = fs::read_to_string(&path).unwrap();
            let mut lines = file.split("\\\n");
            text.push_str(lines.next().unwrap());
            lines.for_each(|line| text.push_str(line.trim_start()));
        }
    }
}

#[test]
fn every_message_that_operations_quotes_is_one_of_the_functions() {
    let mut said = String::new();
    for folder in ["controller/src", "functions/src"] {
        sources(&root().join(folder), &mut said);
    }
    let operations = read("docs/operations.md");
    let mut quoted = 0;
    for header in ["it says", "the cause has", "waits for"] {
        let cells = first_cells(&operations, header);
        assert!(!cells.is_empty(), "{header}");
        for sentence in cells.into_iter().flat_map(in_code) {
            assert!(said.contains(sentence), "nothing says {sentence:?}");
            quoted += 1;
        }
    }
    assert!(quoted > 30, "{quoted}");
}

#[test]
fn every_field_of_the_samples_input_is_in_the_moving_page() {
    let event: Value = serde_json::from_str(&read("events/sample.json")).unwrap();
    let fields = event.as_object().unwrap().keys().map(String::as_str);
    let page = read("docs/moving-from-the-sample.md");
    let of_ours = |field: &&str| *field == "$schema";
    let fields = fields.filter(|field| !of_ours(field)).collect();
    assert_eq!(names_in(&page, "field"), fields);
}

/// What GitHub makes of a heading.
fn anchor(heading: &str) -> String {
    let heading = heading.trim().to_lowercase().replace(' ', "-");
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || "-_".contains(*c));
    kept.collect()
}

fn has_anchor(document: &Path, wanted: &str) -> bool {
    let text = fs::read_to_string(document).unwrap();
    let mut headings = text.lines().filter(|line| line.starts_with('#'));
    headings.any(|line| anchor(line.trim_start_matches('#')) == wanted)
}

/// Every page in Markdown that is ours.
fn documents() -> Vec<PathBuf> {
    let folders = [".", "docs", "fuzz", "tests/model", "examples"];
    let nested = fs::read_dir(root().join("examples")).unwrap();
    let nested = nested.map(|entry| entry.unwrap().path());
    let folders = folders.map(|folder| root().join(folder));
    let entries = folders
        .into_iter()
        .chain(nested.filter(|path| path.is_dir()))
        .flat_map(|folder| fs::read_dir(folder).unwrap());
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut documents: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    documents.sort();
    assert!(documents.len() > 15, "{documents:?}");
    documents
}

/// The text of every page, with its name.
fn texts() -> impl Iterator<Item = (String, String)> {
    documents().into_iter().map(|path| {
        let text = fs::read_to_string(&path).unwrap();
        (path.display().to_string(), text)
    })
}

#[test]
fn relative_links_in_the_documents_are_not_broken() {
    let mut links = 0;
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for link in text.split("](").skip(1) {
            let link = link.split(')').next().unwrap();
            if link.contains("://") {
                continue;
            }
            links += 1;
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() {
                document.clone()
            } else {
                document.parent().unwrap().join(path)
            };
            let is_there = target.exists() && (heading.is_empty() || has_anchor(&target, heading));
            assert!(is_there, "{}: {link}", document.display());
        }
    }
    assert!(links > 100, "{links}");
}

#[test]
fn every_page_of_docs_is_in_the_index() {
    let index = read("docs/README.md");
    for path in documents() {
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.parent() == Some(&root().join("docs")) && name != "README.md" {
            assert!(index.contains(&format!("]({name}")), "{name}");
        }
    }
}

#[test]
fn the_readme_is_short() {
    let lines = read("README.md").lines().count();
    assert!(lines <= 150, "{lines}");
}

/// The blocks of a page in a language.
fn blocks<'a>(text: &'a str, language: &str) -> impl Iterator<Item = &'a str> {
    let fence = format!("```{language}\n");
    let parts: Vec<_> = text.split(fence.as_str()).skip(1).collect();
    parts
        .into_iter()
        .map(|part| part.split_once("```").unwrap().0)
}

/// Why an event of a page is none, with a revision where it leaves that to a flag.
fn refused(mut event: Value) -> Option<String> {
    let fields = event.as_object_mut().unwrap();
    fields.entry("taskDefinition").or_insert(json!("chat:2"));
    // Where its load balancer lives.
    let arn = event
        .get("nlb")
        .and_then(Value::as_str)
        .and_then(Arn::parse);
    let home = arn.map_or_else(
        || Home {
            partition: "aws".into(),
            region: "us-east-1".into(),
            account: "555555555555".into(),
        },
        |arn| arn.home(),
    );
    let parsed = Request::parse(&event, &home);
    parsed.err().map(|refusal| refusal.to_string())
}

#[test]
fn json_in_the_documents_is_json_and_every_event_is_one_that_the_controller_takes() {
    let (mut all, mut events) = (0, 0);
    for (name, text) in texts() {
        for block in blocks(&text, "json") {
            let value: Value = serde_json::from_str(block)
                .unwrap_or_else(|error| panic!("{name}: {error}:\n{block}"));
            all += 1;
            if value.get("cluster").is_some() && value.get("serviceName").is_some() {
                events += 1;
                assert_eq!(refused(value), None, "{name}:\n{block}");
            }
        }
    }
    assert!(all > 10 && events > 3, "{all}, {events}");
}

#[test]
fn every_drain_that_the_documents_advise_is_one_that_the_controller_takes() {
    let mut drains = 0;
    for (name, text) in texts() {
        for code in in_code(&text).filter(|code| code.starts_with("\"drain\": {")) {
            let fields = format!("{{\"cluster\": \"main\", \"serviceName\": \"chat\", {code}}}");
            let event = serde_json::from_str(&fields);
            let event = event.unwrap_or_else(|error| panic!("{name}: {error}: {code}"));
            assert_eq!(refused(event), None, "{name}: {code}");
            drains += 1;
        }
    }
    assert!(drains > 2, "{drains}");
}

#[test]
fn the_scenarios_on_the_simulation_page_have_worlds_and_its_tables_have_every_field() {
    let page = read("docs/simulation.md");
    let mut scenarios = 0;
    for block in blocks(&page, "json") {
        let scenario: Scenario = serde_json::from_str(block).unwrap();
        scenario.world().unwrap();
        scenarios += 1;
    }
    assert_eq!(scenarios, 3);
    let every = Scenario::with(|scenario| scenario.registry = Some(RegistryScenario::default()));
    let scenario = serde_json::to_value(every).unwrap();
    let clients = serde_json::to_value(ClientsScenario::default()).unwrap();
    let first = names_in(&page, "field");
    let of_clients = names_in(&page, "field of `clients`");
    for field in fields(&scenario) {
        assert!(first.contains(field.as_str()), "{field}");
    }
    for field in fields(&clients) {
        assert!(of_clients.contains(field.as_str()), "clients.{field}");
    }
    let registry = serde_json::to_value(RegistryScenario::default()).unwrap();
    let callers = serde_json::to_value(CallersScenario::default()).unwrap();
    let of_registry = names_in(&page, "field of `registry`");
    let of_callers = names_in(&page, "field of `callers`");
    for field in fields(&registry) {
        assert!(of_registry.contains(field.as_str()), "registry.{field}");
    }
    for field in fields(&callers) {
        assert!(of_callers.contains(field.as_str()), "callers.{field}");
    }
}

#[test]
fn every_target_of_make_in_the_documents_exists() {
    let makefile = read("Makefile");
    let mut targets = 0;
    for (name, text) in texts() {
        let lines = text.lines().filter_map(|line| line.strip_prefix("make "));
        let spans = in_code(&text).filter_map(|code| code.strip_prefix("make "));
        for command in lines.chain(spans) {
            let target = command.split_whitespace().next().unwrap();
            if target
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
            {
                assert!(
                    makefile.contains(&format!("\n{target}: ")),
                    "{name}: {target}"
                );
                targets += 1;
            }
        }
    }
    assert!(targets > 10, "{targets}");
}

/// The names of all tests and modules of tests, and the files that the modules are.
fn tests() -> String {
    let mut text = String::new();
    for folder in ["tests", "controller/src", "functions/src", "simulator/src"] {
        sources(&root().join(folder), &mut text);
    }
    text
}

#[test]
fn every_test_that_a_promise_names_exists() {
    let tests = tests();
    let mut named = 0;
    for page in ["docs/promises.md", "docs/auto-scaling.md"] {
        let page = read(page);
        let rows = page.lines().filter(|line| line.starts_with("| "));
        let cells = rows.filter_map(|row| row.trim_end_matches(" |").rsplit(" | ").next());
        for name in cells.flat_map(in_code) {
            if name.contains('/') {
                assert!(root().join(name).exists(), "{name}");
                continue;
            }
            let test = name.rsplit("::").next().unwrap();
            let is_there = match test.strip_suffix('…') {
                _ if test == "*" => {
                    let module = name.trim_end_matches("::*");
                    tests.contains(&format!("mod {module};"))
                }
                Some(begin) => tests.contains(&format!("fn {begin}")),
                // A macro makes tests of some faults.
                None => ["fn NAME(", "    NAME = "]
                    .iter()
                    .any(|form| tests.contains(&form.replace("NAME", test))),
            };
            assert!(is_there, "{name}");
            named += 1;
        }
    }
    assert!(named > 20, "{named}");
}

#[test]
fn the_cost_page_counts_the_alarms_of_the_template() {
    let template = read("template.yaml");
    let alarms: Vec<_> = template
        .split("\n    Type: AWS::CloudWatch::Alarm\n")
        .skip(1)
        .map(|alarm| alarm.split("\n\n").next().unwrap())
        .collect();
    let metrics = alarms
        .iter()
        .map(|alarm| alarm.matches("MetricStat:").count().max(1));
    let metrics: usize = metrics.sum();
    let (alarms, cost) = (alarms.len(), read("docs/cost.md"));
    let row = format!("| {alarms} alarms, which watch {metrics} alarm metrics |");
    assert!(cost.contains(&row), "{row}");
    assert_eq!(template.matches("AWS::CloudWatch::Dashboard").count(), 1);
}

fn example(section: &str) -> Value {
    let (_, rest) = section.split_once("```json\n").unwrap();
    let (json, _) = rest.split_once("```").unwrap();
    serde_json::from_str(json).unwrap()
}

fn fields(object: &Value) -> BTreeSet<String> {
    let object = object.as_object().unwrap();
    object.keys().cloned().collect()
}

#[test]
fn the_examples_of_notifications_are_what_the_rules_send() {
    let page = read("docs/notifications.md");
    let template = read("template.yaml");
    let failed = section(&page, "Starts and ends");
    let (_, rule) = template.split_once("\n  FailedRule:\n").unwrap();
    let (_, transformer) = rule.split_once("InputTemplate: |").unwrap();
    let (sent_by_rule, _) = transformer.split_once("}\n").unwrap();
    let sent_by_rule = format!("{sent_by_rule}}}").replace(['<', '>'], "\"");
    let sent_by_rule: Value = serde_json::from_str(&sent_by_rule).unwrap();
    assert_eq!(fields(&sent_by_rule), fields(&example(failed)));
    let statuses = names_in(&page, "`status`");
    for status in ["RUNNING", "SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT"] {
        assert!(statuses.contains(status), "{status}");
        assert!(template.contains(status), "{status}");
    }
}
