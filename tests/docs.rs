//! The documents agree with the code: names, quoted messages, fields and links.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ebbtide_controller::refusal::ErrorName;
use serde_json::Value;

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
fn the_readme_has_every_error_name() {
    let readme = read("README.md");
    let mut table = names_in(&readme, "error");
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
    assert_eq!(names_in(&page, "field"), fields.collect());
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

#[test]
fn relative_links_in_the_documents_are_not_broken() {
    let elsewhere = "README.md ARCHITECTURE.md CONTRIBUTING.md CHANGELOG.md fuzz/README.md tests/model/README.md \
                     examples/nlb-service/README.md";
    let docs = fs::read_dir(root().join("docs")).unwrap();
    let docs = docs.map(|entry| entry.unwrap().path());
    let documents = elsewhere
        .split(' ')
        .map(|path| root().join(path))
        .chain(docs);
    let mut links = 0;
    for document in documents {
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
    assert!(links > 20, "{links}");
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
