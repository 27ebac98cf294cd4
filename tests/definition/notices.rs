//! What the state machine tells EventBridge between an execution's start and its end.

use serde_json::json;

use crate::graph::{By, PUT_EVENTS, names, shipped};

#[test]
fn a_message_that_does_not_get_through_changes_nothing() {
    let definition = shipped();
    let mut seen = 0;
    for name in definition.calling(PUT_EVENTS) {
        seen += 1;
        let state = definition.state(name);
        assert_eq!(state["ResultPath"], json!(null), "{name}");
        let [catcher] = &state["Catch"].as_array().unwrap()[..] else {
            panic!("{name}: {}", state["Catch"]);
        };
        assert_eq!(names(catcher), ["States.ALL"], "{name}");
        assert_eq!(catcher["ResultPath"], json!(null), "{name}");
        assert_eq!(catcher["Next"], state["Next"], "{name}");
        // All that it reads is in every state that a function answers with.
        let entries = state["Parameters"]["Entries"].as_array().unwrap();
        assert_eq!(entries.len(), 1, "{name}");
        let detail = entries[0]["Detail"].as_object().unwrap();
        for path in detail.values().filter_map(|value| value.as_str()) {
            let known = [
                "$.request.cluster",
                "$.request.serviceName",
                "$.replacement",
                "$.replacementTargetGroup",
                "$.original",
                "$.reason",
            ];
            let of_state = path.starts_with("$.");
            assert!(!of_state || known.contains(&path), "{name}: {path}");
        }
    }
    assert_eq!(seen, 3);
}

#[test]
fn each_turn_of_a_deployment_is_told_of_after_it_has_come() {
    let definition = shipped();
    for (name, status, chosen_by, said) in [
        ("TellOfSwap", "SWAPPED", "Swapped", "swapped"),
        ("TellOfDrain", "DRAINED", "LoopTillRunning", "drained"),
        ("TellOfRollback", "ROLLED_BACK", "SwappedBack", "swapped"),
    ] {
        let detail = &definition.state(name)["Parameters"]["Entries"][0]["Detail"];
        assert_eq!(detail["status"], status);
        let ways = definition.ways_to(name);
        let [way] = &ways[..] else {
            panic!("{name}: {ways:?}");
        };
        assert_eq!(way.from, chosen_by, "{name}");
        let By::Rule(rule) = way.by else {
            panic!("{way:?}");
        };
        assert!(rule.to_string().contains(&format!("\"{said}\"")), "{rule}");
    }
}
