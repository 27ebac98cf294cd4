//! Every event that is shipped is one that the contract takes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use ebbtide_controller::arn::{Arn, Home};
use ebbtide_controller::order::{APPLICATION_FIELDS, Application, SERVICE_FIELDS};
use ebbtide_controller::request::{
    CHECKS_FIELDS, DRAIN_FIELDS, FIELDS, HOOKS_FIELDS, METRIC_FIELDS, PAUSES_FIELDS,
    REGISTRY_FIELDS, ROUTES_FIELDS, Request, SHIFT_FIELDS, STEPS_FIELDS, TEST_FIELDS,
    WINDOW_FIELDS,
};
use serde_json::Value;

type Fields = &'static [(&'static str, &'static str)];

/// The fields that are objects or lists of them, with theirs, and with the section of the input page about them.
const OBJECTS: [(&str, Fields, &str); 11] = [
    ("drain", DRAIN_FIELDS, "Drain"),
    ("registry", REGISTRY_FIELDS, "Registry"),
    ("routes", ROUTES_FIELDS, "Routes"),
    ("test", TEST_FIELDS, "Test"),
    ("pauses", PAUSES_FIELDS, "Pauses"),
    ("hooks", HOOKS_FIELDS, "Hooks"),
    ("checks", CHECKS_FIELDS, "Checks"),
    ("checks/metric", METRIC_FIELDS, "Checks"),
    ("shift", SHIFT_FIELDS, "Shift"),
    ("shift/steps", STEPS_FIELDS, "Shift"),
    ("window", WINDOW_FIELDS, "Window"),
];

/// The events of one service.
fn events() -> Vec<(String, Value)> {
    let all = all_events().into_iter();
    all.filter(|(_, event)| !Application::is_one(event))
        .collect()
}

fn all_events() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("events");
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let event = serde_json::from_str(&text).unwrap();
            (path.display().to_string(), event)
        })
        .collect()
}

fn home_of(event: &Value) -> Home {
    let arn = event["taskDefinition"].as_str().and_then(Arn::parse);
    arn.map_or_else(
        || Home {
            partition: "aws".into(),
            region: "us-east-1".into(),
            account: "555555555555".into(),
        },
        |arn| arn.home(),
    )
}

#[test]
fn every_event_parses() {
    let events = events();
    assert!(events.len() >= 4);
    for (path, event) in events {
        if let Err(refusal) = Request::parse(&event, &home_of(&event)) {
            panic!("{path}: {refusal}");
        }
    }
}

#[test]
fn together_the_events_show_every_field() {
    let events = events();
    for (field, _) in FIELDS {
        // It excludes capacityProviderStrategy, which full.json shows.
        let shown = events.iter().any(|(_, event)| event.get(field).is_some());
        assert!(shown || *field == "launchType", "{field}");
    }
    for (field, _) in DRAIN_FIELDS.iter().chain(ROUTES_FIELDS) {
        let mut objects = events
            .iter()
            .flat_map(|(_, event)| [event.get("drain"), event.get("routes")]);
        let shown = objects.any(|object| object.is_some_and(|object| object.get(field).is_some()));
        assert!(shown, "{field}");
    }
}

#[test]
fn the_schema_has_every_field_and_no_other() {
    let schema: Value = serde_json::from_str(&read("docs/input.schema.json")).unwrap();
    let properties = |schema: &Value| {
        let properties = schema["properties"].as_object().unwrap();
        properties.keys().cloned().collect::<BTreeSet<_>>()
    };
    let names =
        |fields: &[(&str, &str)]| fields.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(properties(&schema), names(FIELDS));
    for (object, fields, _) in OBJECTS {
        let within = object.split('/').fold(&schema, |of, name| {
            let field = &of["properties"][name];
            field.get("items").unwrap_or(field)
        });
        let within = properties(within);
        assert_eq!(within, names(fields), "{object}");
    }
}

#[test]
fn every_event_names_the_schema() {
    for (path, event) in all_events() {
        let of = if Application::is_one(&event) {
            "services"
        } else {
            "input"
        };
        assert_eq!(
            event["$schema"],
            format!("../docs/{of}.schema.json"),
            "{path}"
        );
    }
}

#[test]
fn the_event_of_several_services_parses_and_its_page_and_schema_have_every_field() {
    let all = all_events();
    let several: Vec<_> = all
        .iter()
        .filter(|(_, event)| Application::is_one(event))
        .collect();
    assert!(!several.is_empty());
    for (path, event) in several {
        if let Err(refusal) = Application::parse(event, &home_of(event)) {
            panic!("{path}: {refusal}");
        }
    }
    let page = read("docs/services.md");
    let schema: Value = serde_json::from_str(&read("docs/services.schema.json")).unwrap();
    let names = |schema: &Value| {
        let properties = schema["properties"].as_object().unwrap();
        properties.keys().cloned().collect::<BTreeSet<_>>()
    };
    let own = APPLICATION_FIELDS
        .iter()
        .map(|(name, _)| (*name).to_owned());
    assert_eq!(names(&schema), own.collect());
    let service = &schema["properties"]["services"]["items"];
    // dryRun is for all of them, and the schema is that of the whole file.
    let of_a_service = FIELDS.iter().chain(SERVICE_FIELDS).map(|(name, _)| *name);
    let of_a_service = of_a_service.filter(|name| !["$schema", "dryRun"].contains(name));
    assert_eq!(names(service), of_a_service.map(str::to_owned).collect());
    for (field, schema) in service["properties"].as_object().unwrap() {
        let reference = format!("input.schema.json#/properties/{field}");
        assert!(
            field == "dependsOn" || schema["$ref"] == reference,
            "{field}"
        );
    }
    for (field, _) in APPLICATION_FIELDS {
        assert!(page.contains(&format!("\n| `{field}` |")), "{field}");
    }
    for (field, _) in SERVICE_FIELDS {
        assert!(
            page.contains(&format!("\n| `services[].{field}` |")),
            "{field}"
        );
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn the_input_page_has_a_row_for_every_field_and_no_other() {
    let page = read("docs/input.md");
    for (field, _) in FIELDS {
        assert!(page.contains(&format!("\n| `{field}` |")), "{field}");
    }
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let objects = OBJECTS.iter().flat_map(|(_, fields, _)| *fields);
    let all: BTreeSet<_> = FIELDS
        .iter()
        .chain(objects)
        .map(|(name, _)| *name)
        .collect();
    for row in rows {
        let (cell, _) = row.split_once(" |").unwrap();
        for field in cell.trim_end_matches('`').split("`, `") {
            assert!(all.contains(field), "{field}");
        }
    }
    for (object, fields, section) in OBJECTS {
        let (_, rest) = page.split_once(&format!("\n## {section}\n")).unwrap();
        let section = rest.split("\n## ").next().unwrap();
        for (field, _) in fields {
            assert!(section.contains(&format!("`{field}`")), "{object}.{field}");
        }
    }
}
