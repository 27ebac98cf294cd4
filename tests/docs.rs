//! What the documents say of the code holds: names, quoted sentences, fields and links.

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

/// What stands between backticks.
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
fn the_runbook_has_every_error_name_and_no_other() {
    let runbook = read("docs/runbook.md");
    let lines = section(&runbook, "Failed, by error name").lines();
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
fn the_runbook_has_every_alarm_of_the_template_and_no_other() {
    let template = read("template.yaml");
    let lines: Vec<_> = template.lines().collect();
    let alarms = lines.windows(2);
    let alarms = alarms.filter(|pair| pair[1].trim() == "Type: AWS::CloudWatch::Alarm");
    let alarms = alarms.map(|pair| pair[0].trim().trim_end_matches(':'));
    let alarms: BTreeSet<_> = alarms.collect();
    assert!(alarms.len() >= 7, "{alarms:?}");
    let runbook = read("docs/runbook.md");
    let runbook = section(&runbook, "An alarm of the stack");
    assert_eq!(names_in(runbook, "alarm"), alarms);
}

#[test]
fn the_states_in_the_runbook_are_the_state_machines() {
    let definition = read("statemachine/deployment.asl.json");
    let definition: Value = serde_json::from_str(&definition).unwrap();
    let runbook = read("docs/runbook.md");
    let cells = first_cells(&runbook, "state");
    assert!(cells.len() > 5, "{cells:?}");
    for state in cells.into_iter().flat_map(in_code) {
        assert!(definition["States"].get(state).is_some(), "{state}");
    }
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
fn every_sentence_that_the_runbook_quotes_is_one_that_the_functions_say() {
    let mut said = String::new();
    for folder in ["controller/src", "functions/src"] {
        sources(&root().join(folder), &mut said);
    }
    let runbook = read("docs/runbook.md");
    let mut quoted = 0;
    for header in ["it says", "the cause has", "because"] {
        let cells = first_cells(&runbook, header);
        assert!(!cells.is_empty(), "{header}");
        for sentence in cells.into_iter().flat_map(in_code) {
            // A state beside a sentence.
            if sentence != "RollbackFailed" && sentence != "STEADY_STATE" {
                assert!(said.contains(sentence), "nothing says {sentence:?}");
                quoted += 1;
            }
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
fn relative_links_in_the_documents_lead_somewhere() {
    let elsewhere = "README.md ARCHITECTURE.md CHANGELOG.md fuzz/README.md \
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
fn the_messages_of_starts_and_ends_are_as_the_rules_send_them() {
    let notices = read("docs/notices.md");
    let template = read("template.yaml");
    let failed = section(&notices, "Starts and ends");
    let (_, rule) = template.split_once("\n  FailedRule:\n").unwrap();
    let (_, transformer) = rule.split_once("InputTemplate: |").unwrap();
    let (sent_by_rule, _) = transformer.split_once("}\n").unwrap();
    let sent_by_rule = format!("{sent_by_rule}}}").replace(['<', '>'], "\"");
    let sent_by_rule: Value = serde_json::from_str(&sent_by_rule).unwrap();
    assert_eq!(fields(&sent_by_rule), fields(&example(failed)));
    let statuses = names_in(&notices, "`status`");
    for status in ["RUNNING", "SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT"] {
        assert!(statuses.contains(status), "{status}");
        assert!(template.contains(status), "{status}");
    }
}
