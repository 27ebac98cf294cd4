//! One deployment a service: nothing is written but under the lock (rule R7), and alarms are read
//! before what heeds them.

use ebbtide_controller::contract::Step;
use ebbtide_controller::lock;
use serde_json::{Value, json};

use crate::graph::{
    By, CONDITION_FAILED, DESCRIBE_ALARMS, Definition, GET_ITEM, GET_METRIC_DATA, UPDATE_ITEM, Way,
    names, shipped,
};

/// What the write of a lock does to it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Write {
    Take,
    Renew,
    Release,
}

/// The states that write the lock, and what they do to it.
fn lock_writes(definition: &Definition) -> Vec<(&str, Write)> {
    definition
        .calling(UPDATE_ITEM)
        .map(|name| {
            let update = definition.state(name)["Parameters"]["UpdateExpression"]
                .as_str()
                .unwrap();
            let write = match update {
                "SET #owner = :me, lastActivity = :now, doing = :doing ADD fence :one, revision :one" => {
                    Write::Take
                }
                "SET lastActivity = :now, doing = :doing ADD revision :one" => Write::Renew,
                "SET lastActivity = :now ADD revision :one REMOVE #owner, doing" => Write::Release,
                _ => panic!("{name}: {update}"),
            };
            (name, write)
        })
        .collect()
}

fn those_that(definition: &Definition, does: Write) -> Vec<&str> {
    let writes = lock_writes(definition).into_iter();
    writes
        .filter(|(_, write)| *write == does)
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn every_write_of_the_lock_is_conditional_on_its_owner() {
    let definition = shipped();
    for (name, write) in lock_writes(&definition) {
        let parameters = &definition.state(name)["Parameters"];
        let values = &parameters["ExpressionAttributeValues"];
        let condition = parameters["ConditionExpression"].as_str().unwrap();
        assert_eq!(
            parameters["Key"],
            json!({"id": {"S.$": "$.lock.id"}}),
            "{name}"
        );
        assert_eq!(values[":me"], json!({"S.$": "$$.Execution.Id"}), "{name}");
        assert_eq!(
            values[":now"],
            json!({"S.$": "$$.State.EnteredTime"}),
            "{name}"
        );
        assert_eq!(values[":one"], json!({"N": "1"}), "{name}");
        if write != Write::Take {
            assert_eq!(condition, "#owner = :me", "{name}");
        }
    }
    let condition = |name| &definition.state(name)["Parameters"]["ConditionExpression"];
    assert_eq!(
        condition("AcquireLock"),
        "attribute_not_exists(#owner) OR #owner = :me"
    );
    // Whoever has been there since the lock was read wins.
    let take_over = condition("TakeLockOver").as_str().unwrap();
    assert!(
        take_over.contains("#owner = :dead AND revision = :seen"),
        "{take_over}"
    );
    let values = &definition.state("TakeLockOver")["Parameters"]["ExpressionAttributeValues"];
    assert_eq!(values[":dead"], json!({"S.$": "$.holder.Item.owner.S"}));
    assert_eq!(values[":seen"], json!({"N.$": "$.holder.Item.revision.N"}));
    assert_eq!(
        those_that(&definition, Write::Take),
        ["AcquireLock", "TakeLockOver"]
    );
}

#[test]
fn what_was_written_is_what_the_functions_see() {
    let definition = shipped();
    let selected = json!({
        "id.$": "$.Attributes.id.S",
        "owner.$": "$.Attributes.owner.S",
        "fence.$": "$.Attributes.fence.N",
        "renewedAt.$": "$.Attributes.lastActivity.S",
    });
    for (name, write) in lock_writes(&definition) {
        let state = definition.state(name);
        if write == Write::Release {
            // The state goes on as the execution's output.
            assert_eq!(state["ResultPath"], Value::Null, "{name}");
            continue;
        }
        assert_eq!(state["Parameters"]["ReturnValues"], "ALL_NEW", "{name}");
        assert_eq!(state["ResultSelector"], selected, "{name}");
        assert_eq!(state["ResultPath"], "$.lock", "{name}");
    }
}

#[test]
fn a_step_that_writes_comes_straight_after_the_lock_was_taken_or_renewed() {
    let definition = shipped();
    let writers = definition.writers();
    let writing = Step::ALL.into_iter().filter(|step| step.writes()).count();
    assert_eq!(writers.len(), writing);
    let of_the_lock = lock_writes(&definition);
    for writer in writers {
        assert_ne!(definition.machine.start_at(), writer);
        for way in definition.ways_to(writer) {
            let holds = of_the_lock
                .iter()
                .any(|(name, write)| *name == way.from && *write != Write::Release);
            assert!(holds && way.by == By::Next, "{way:?}");
        }
    }
}

#[test]
fn a_renewal_that_finds_another_owner_is_the_end_of_all_writes() {
    let definition = shipped();
    for name in those_that(&definition, Write::Renew) {
        let first = definition.ways().into_iter().find(|way| {
            way.from == name
                && matches!(way.by, By::Catch(catcher)
                    if names(catcher).iter().any(|e| [CONDITION_FAILED, "States.ALL"].contains(e)))
        });
        assert_eq!(first.unwrap().to, "LockLost", "{name}");
    }
    for end in ["LockLost", "ConcurrentDeployment"] {
        let reached = definition.reached(&[end], |_| true);
        for writer in definition.writers() {
            assert!(!reached.contains(writer), "{end} reaches {writer}");
        }
        for (name, _) in lock_writes(&definition) {
            assert!(!reached.contains(name), "{end} reaches {name}");
        }
        assert!(reached.contains("DeploymentFailed"), "{end}");
    }
}

#[test]
fn whoever_does_not_get_the_lock_says_who_has_it() {
    let definition = shipped();
    for (end, error) in [
        ("LockLost", "LockLost"),
        ("ConcurrentDeployment", "ConcurrentDeployment"),
    ] {
        let state = definition.state(end);
        assert_eq!(state["Result"]["Error"], error);
        assert_eq!(state["ResultPath"], "$.error");
        assert_eq!(state["Next"], "ReadHolder");
    }
    for name in definition.calling(GET_ITEM) {
        let state = definition.state(name);
        assert_eq!(state["Parameters"]["ConsistentRead"], true, "{name}");
        assert_eq!(state["ResultPath"], "$.holder", "{name}");
    }
    assert_eq!(definition.state("ReadHolder")["Next"], "ExplainFailure");
}

#[test]
fn every_end_of_a_deployment_that_owned_the_lock_releases_it() {
    let definition = shipped();
    let released = those_that(&definition, Write::Release);
    let owning: Vec<_> = those_that(&definition, Write::Take)
        .into_iter()
        .map(|name| definition.state(name)["Next"].as_str().unwrap())
        .collect();
    let held = definition.reached(&owning, |way| {
        let unanswered =
            definition.state(way.from)["Resource"] == UPDATE_ITEM && matches!(way.by, By::Catch(_));
        // Lost; or DynamoDB does not answer, and would not to a release either: the next deployment
        // takes the lock over from an execution that has ended.
        !unanswered && !released.contains(&way.from)
    });
    for (name, state) in definition.states() {
        if state["Type"] == "Succeed" || state["Type"] == "Fail" {
            assert!(!held.contains(name), "{name} is reached with the lock held");
        }
    }
    for release in released {
        assert!(held.contains(release), "{release}");
    }
}

#[test]
fn a_lock_is_taken_over_after_its_owner_was_seen_ended_twice_with_the_grace_between() {
    let definition = shipped();
    let grace = definition.state("Grace");
    assert_eq!(grace["Type"], "Wait");
    assert_eq!(grace["Seconds"], lock::GRACE);

    let start = [definition.machine.start_at()];
    let hasty = definition.reached(&start, |way| way.to != "Grace");
    assert!(!hasty.contains("TakeLockOver"));
    let seen = ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"];
    for (choice, next) in [
        ("OwnerHasEnded", "Grace"),
        ("OwnerHasStayedEnded", "TakeLockOver"),
    ] {
        let state = definition.state(choice);
        assert_eq!(state["Default"], "ConcurrentDeployment", "{choice}");
        let [rule] = &state["Choices"].as_array().unwrap()[..] else {
            panic!("{choice}")
        };
        assert_eq!(rule["Next"], next);
        let accepted: Vec<_> = rule["And"][1]["Or"]
            .as_array()
            .unwrap()
            .iter()
            .map(|test| test["StringEquals"].as_str().unwrap())
            .collect();
        assert_eq!(accepted, seen, "{choice}");
    }
    for (describe, choice, gone) in [
        ("DescribeOwner", "OwnerHasEnded", "Grace"),
        ("DescribeOwnerAgain", "OwnerHasStayedEnded", "TakeLockOver"),
    ] {
        let state = definition.state(describe);
        assert_eq!(
            state["Parameters"]["ExecutionArn.$"],
            "$.holder.Item.owner.S"
        );
        assert_eq!(state["Next"], choice);
        assert_eq!(state["Catch"][0]["Next"], gone);
    }
    let ways = definition.ways_to("TakeLockOver");
    let from: Vec<_> = ways.iter().map(|way| way.from).collect();
    assert_eq!(from, ["DescribeOwnerAgain", "OwnerHasStayedEnded"]);
}

#[test]
fn alarms_are_read_only_where_the_request_names_some() {
    let definition = shipped();
    let mut read = 0;
    for name in definition.calling(DESCRIBE_ALARMS) {
        read += 1;
        let parameters = &definition.state(name)["Parameters"];
        // Without names, CloudWatch answers with all alarms of the account.
        let wanted = json!({
            "AlarmNames.$": "$.request.alarms",
            "AlarmTypes": ["MetricAlarm", "CompositeAlarm"],
            "MaxRecords": 100,
        });
        assert_eq!(*parameters, wanted, "{name}");
        for way in definition.ways_to(name) {
            let By::Rule(rule) = way.by else {
                panic!("{way:?}")
            };
            let named = json!({
                "Variable": "$.request.alarms[0]", "IsPresent": true, "Next": name,
            });
            assert_eq!(*rule, named, "{name}");
        }
    }
    assert_eq!(read, 3);
}

#[test]
fn alarms_are_read_right_before_each_step_that_heeds_them() {
    let definition = shipped();
    let reading: Vec<_> = definition.calling(DESCRIBE_ALARMS).collect();
    for step in [Step::Create, Step::Swap, Step::ScaleDown] {
        for renewal in definition.ways_to(definition.task_of(step)) {
            for way in before_metrics(&definition, renewal.from) {
                let before = definition.state(way.from);
                let none_named = before["Choices"][0]["Variable"] == "$.request.alarms[0]";
                assert!(reading.contains(&way.from) || none_named, "{way:?}");
                assert_eq!(way.by, By::Next);
            }
        }
    }
}

/// The ways to a state, or to the reading of metrics in front of it.
fn before_metrics<'a>(definition: &'a Definition, name: &str) -> Vec<Way<'a>> {
    let mut ways = definition.ways_to(name);
    while let Some(at) = ways
        .iter()
        .position(|way| is_of_metrics(definition, way.from))
    {
        let way = ways.swap_remove(at);
        ways.extend(definition.ways_to(way.from));
    }
    ways
}

fn is_of_metrics(definition: &Definition, name: &str) -> bool {
    let asks = definition
        .calling(GET_METRIC_DATA)
        .any(|state| state == name);
    asks || definition.state(name)["Choices"][0]["Variable"] == "$.flows.queries[0]"
}

#[test]
fn metrics_are_read_only_where_the_pace_wants_them_and_nothing_depends_on_the_answer() {
    let definition = shipped();
    let reading: Vec<_> = definition.calling(GET_METRIC_DATA).collect();
    let [name] = reading[..] else {
        panic!("{reading:?}")
    };
    for way in definition.ways_to(name) {
        assert!(matches!(way.by, By::Rule(_)), "{way:?}");
    }
    let caught = &definition.state(name)["Catch"];
    let next = definition.state(name)["Next"].clone();
    assert_eq!(
        *caught,
        json!([{"ErrorEquals": ["States.ALL"], "ResultPath": "$.seen", "Next": next}])
    );
}
