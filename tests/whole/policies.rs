//! Each function's policies in `template.yaml` allow exactly the calls that the function makes: judged over
//! deployments that between them take every way there is. All other deployments of these tests are judged too.

mod calls;
mod judged;
mod statements;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ebbtide_controller::command::Command;
use ebbtide_functions::{DETAIL_TYPE, SOURCE};
use ebbtide_simulator::Scenario;
use ebbtide_simulator::asl::HistoryEvent;
use saphyr::{LoadableYamlNode, Yaml};
use serde_json::{Value, json};

use crate::support::installed;
use calls::event;
use statements::{actions, actions_of, allowed, by_effect, statement, statements, tagged};

/// Not a call of its own: `CreateTaskSet` passes the task definition's roles on.
const PASSED_ROLES: &str = "iam:PassRole";

/// Nor is this: it creates with tags.
const TAGGED: &str = "ecs:TagResource";

/// A call of its own, and part of `CreateRule`.
const TAGS_ADDED: &str = "elasticloadbalancing:AddTags";

/// Allows what creates a rule to tag it.
const OF_CREATION: &str = "elasticloadbalancing:CreateAction";

const TEMPLATE: &str = include_str!("../../template.yaml");

fn template() -> Yaml<'static> {
    Yaml::load_from_str(TEMPLATE).unwrap().remove(0)
}

fn names_of(actions: &[&str]) -> BTreeSet<String> {
    actions.iter().map(|&action| action.to_owned()).collect()
}

/// The role of a function, and of nothing else.
const ROLES: [(&str, &str); 3] = [
    ("CheckAndCreateFunction", CREATING),
    ("SwapFunction", "SwapRole"),
    ("ScaleDownFunction", "ScaleDownRole"),
];
const CREATING: &str = "CheckAndCreateRole";

#[test]
fn the_state_machine_may_invoke_functions_write_its_log_and_nothing_else() {
    let template = template();
    let mut allowed = allowed(&template["Resources"], "DeploymentRole");
    allowed.retain(|action| !action.starts_with("logs:") && !action.starts_with("xray:"));
    assert_eq!(allowed, names_of(&["lambda:InvokeFunction"]));
}

#[test]
fn the_one_for_several_services_may_start_the_other_one_and_wait_for_it() {
    let template = template();
    let resources = &template["Resources"];
    let mut allowed = allowed(resources, "ServicesRole");
    allowed.retain(|action| !action.starts_with("logs:") && !action.starts_with("xray:"));
    assert_eq!(
        allowed,
        names_of(&[
            "events:DescribeRule",
            "events:PutRule",
            "events:PutTargets",
            "lambda:InvokeFunction",
            "states:DescribeExecution",
            "states:StartExecution",
            "states:StopExecution",
        ])
    );
    let values = &resources["ServicesStateMachine"]["Properties"]["DefinitionSubstitutions"];
    let started = tagged(&values["DeploymentStateMachine"]);
    assert_eq!(started, "DeploymentStateMachineAliaslive");
    let start = statement(resources, "ServicesRole", "states:StartExecution").unwrap();
    assert!(tagged(&start["Resource"]).ends_with(":stateMachine:${AWS::StackName}:live"));
    let invoked = tagged(&values["CheckAndCreateFunction"]);
    assert_eq!(invoked, "CheckAndCreateFunction.Version");
    let invoke = statement(resources, "ServicesRole", "lambda:InvokeFunction").unwrap();
    assert_eq!(
        tagged(&invoke["Resource"]),
        "${CheckAndCreateFunction.Arn}:*"
    );
}

#[test]
fn each_function_has_a_role_of_its_own_that_writes_to_its_own_log() {
    let template = template();
    let resources = &template["Resources"];
    for (function, role) in ROLES {
        let properties = &resources[function]["Properties"];
        let named = tagged(&properties["Role"]);
        assert_eq!(named, format!("{role}.Arn"), "{function}");
        // What SAM would add to a role that it makes itself.
        assert!(!properties.contains_mapping_key("Policies"), "{function}");
        let log = statement(resources, role, "logs:CreateLogStream").unwrap();
        let group = tagged(&properties["LoggingConfig"]["LogGroup"]);
        assert_eq!(tagged(&log["Resource"]), format!("{group}.Arn"), "{role}");
    }
}

#[test]
fn every_role_and_policy_takes_the_path_and_every_role_the_boundary() {
    let template = template();
    let mut seen = BTreeMap::<_, u32>::new();
    for (name, resource) in template["Resources"].as_mapping().unwrap() {
        let kind = resource["Type"].as_str().unwrap();
        if kind.starts_with("AWS::IAM::") {
            *seen.entry(kind).or_default() += 1;
            let properties = &resource["Properties"];
            assert_eq!(tagged(&properties["Path"]), "RolePath", "{name:?}");
            let bounded = properties.contains_mapping_key("PermissionsBoundary");
            assert_eq!(bounded, kind == "AWS::IAM::Role", "{name:?}");
        }
    }
    let seen: Vec<_> = seen.into_iter().collect();
    assert_eq!(
        seen,
        [("AWS::IAM::ManagedPolicy", 4), ("AWS::IAM::Role", 5)]
    );
}

/// Which conditions a call on a cluster, on tags, on roles and on events must have: what the service
/// authorization reference knows of the action.
const CONDITIONS: [(&str, &[&str]); 17] = [
    (
        "application-autoscaling:RegisterScalableTarget",
        &[
            "application-autoscaling:scalable-dimension",
            "application-autoscaling:service-namespace",
        ],
    ),
    ("ecs:UpdateService", &["aws:ViaAWSService"]),
    ("ecs:DescribeServices", &["ecs:cluster"]),
    ("ecs:DescribeTaskSets", &["ecs:cluster", "ecs:service"]),
    (
        "ecs:CreateTaskSet",
        &["ecs:cluster", "ecs:service", "ecs:task-definition"],
    ),
    ("ecs:UpdateTaskSet", &["ecs:cluster", "ecs:service"]),
    ("ecs:DeleteTaskSet", &["ecs:cluster", "ecs:service"]),
    ("ecs:UpdateServicePrimaryTaskSet", &["ecs:cluster"]),
    ("ecs:ListTasks", &["ecs:cluster"]),
    ("ecs:DescribeTasks", &["ecs:cluster"]),
    (TAGS_ADDED, &["aws:TagKeys"]),
    ("elasticloadbalancing:RemoveTags", &["aws:TagKeys"]),
    (
        "elasticloadbalancing:CreateRule",
        &["aws:RequestTag/ebbtide:deployment", "aws:TagKeys"],
    ),
    (
        "elasticloadbalancing:DeleteRule",
        &["aws:ResourceTag/ebbtide:deployment"],
    ),
    (TAGGED, &["ecs:CreateAction"]),
    (PASSED_ROLES, &["iam:PassedToService"]),
    ("events:PutEvents", &["events:detail-type"]),
];

/// The keys of a statement's conditions, with every parameter given.
fn condition_keys(node: &Yaml<'_>, found: &mut BTreeSet<String>) {
    match node {
        Yaml::Tagged(_, inner) => condition_keys(inner, found),
        Yaml::Sequence(items) => items.iter().for_each(|item| condition_keys(item, found)),
        Yaml::Mapping(operators) => {
            for keys in operators.values() {
                let keys = keys.as_mapping().unwrap().keys();
                found.extend(keys.map(|key| key.as_str().unwrap().to_owned()));
            }
        }
        _ => {}
    }
}

#[test]
fn every_call_is_confined_by_the_conditions_that_it_knows() {
    let template = template();
    let resources = &template["Resources"];
    let mut seen = BTreeSet::new();
    for (_, role) in ROLES {
        let denied = by_effect(resources, role, "Deny");
        for statement in by_effect(resources, role, "Allow") {
            let found = actions_of(statement);
            for (name, wanted) in CONDITIONS {
                if found.contains(name) {
                    let denied = denied.iter().copied();
                    let denied = denied.filter(|denied| actions_of(denied).contains(name));
                    let mut held = BTreeSet::new();
                    for conditions in denied.chain([statement]) {
                        if let Some(conditions) = conditions.as_mapping_get("Condition") {
                            condition_keys(conditions, &mut held);
                        }
                    }
                    if name == TAGS_ADDED {
                        held.remove(OF_CREATION);
                    }
                    assert_eq!(held, names_of(wanted), "{role} {name}");
                    seen.insert(name);
                }
            }
        }
    }
    assert_eq!(seen.len(), CONDITIONS.len(), "{seen:?}");
}

#[test]
fn a_function_may_write_the_tags_of_a_test_rule_to_the_rule_that_it_creates_alone() {
    let template = template();
    let resources = &template["Resources"];
    let mut statements = by_effect(resources, CREATING, "Allow");
    statements.retain(|statement| {
        let mut keys = BTreeSet::new();
        if let Some(conditions) = statement.as_mapping_get("Condition") {
            condition_keys(conditions, &mut keys);
        }
        keys.contains(OF_CREATION)
    });
    let [tagging] = statements[..] else {
        panic!("{statements:?}");
    };
    assert_eq!(actions_of(tagging), names_of(&[TAGS_ADDED]));
    assert!(tagged(&tagging["Resource"]).ends_with(":listener-rule/app/*"));
    let action = &tagging["Condition"]["StringEquals"][OF_CREATION];
    assert_eq!(action.as_str(), Some("CreateRule"));
    for (role, keys) in ROLES.map(|(_, role)| (role, tag_keys(resources, role))) {
        let created = keys.get("elasticloadbalancing:CreateRule");
        assert_eq!(created.is_some(), role == CREATING, "{role}");
    }
}

#[test]
fn a_function_may_tag_the_task_set_that_it_creates_and_nothing_else_of_ecs() {
    let template = template();
    let tagging = statement(&template["Resources"], CREATING, TAGGED).unwrap();
    assert!(tagged(&tagging["Resource"]).ends_with(":task-set/*"));
    let action = &tagging["Condition"]["StringEquals"]["ecs:CreateAction"];
    assert_eq!(action.as_str(), Some("CreateTaskSet"));
}

/// The keys of tags that a role may write or remove, by action.
fn tag_keys(resources: &Yaml<'_>, role: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut keys = BTreeMap::<_, BTreeSet<_>>::new();
    for statement in statements(resources, role) {
        let Some(conditions) = statement.as_mapping_get("Condition") else {
            continue;
        };
        let Some(all) = conditions.as_mapping_get("ForAllValues:StringEquals") else {
            continue;
        };
        let listed = all["aws:TagKeys"].as_vec().unwrap();
        let listed: Vec<_> = listed
            .iter()
            .map(|key| key.as_str().unwrap().to_owned())
            .collect();
        let mut found = BTreeSet::new();
        actions(statement, &mut found);
        for action in found {
            keys.entry(action).or_default().extend(listed.clone());
        }
    }
    keys
}

/// A call, and the keys of the tags that it may write.
type KeysOfCall<'a> = (&'a str, &'a [&'a str]);

#[test]
fn a_function_may_write_its_own_tags_and_no_others() {
    let template = template();
    let resources = &template["Resources"];
    let add = TAGS_ADDED;
    let create = "elasticloadbalancing:CreateRule";
    let of_test_rules = [
        "ebbtide:beside",
        "ebbtide:deployment",
        "ebbtide:role",
        "ebbtide:service",
    ];
    let remove = "elasticloadbalancing:RemoveTags";
    let of_swap = ["ebbtide:swap", "isProduction", "taskSetId"];
    let wanted: [(&str, &[KeysOfCall<'_>]); 3] = [
        (
            "CheckAndCreateRole",
            &[(add, &of_test_rules), (create, &of_test_rules)],
        ),
        (
            "SwapRole",
            &[
                (
                    add,
                    &["ebbtide:role", "ebbtide:swap", "isProduction", "taskSetId"],
                ),
                (remove, &of_swap),
            ],
        ),
        ("ScaleDownRole", &[(remove, &["ebbtide:swap"])]),
    ];
    for (role, wanted) in wanted {
        let wanted = wanted
            .iter()
            .map(|(action, keys)| ((*action).to_owned(), names_of(keys)));
        assert_eq!(tag_keys(resources, role), wanted.collect(), "{role}");
    }
}

#[test]
fn a_definition_names_versions_of_the_functions_and_its_role_may_call_every_version() {
    let template = template();
    let resources = &template["Resources"];
    let values = &resources["DeploymentStateMachine"]["Properties"]["DefinitionSubstitutions"];
    for (function, _) in ROLES {
        assert_eq!(tagged(&values[function]), format!("{function}.Version"));
    }
    let invoke = statement(resources, "DeploymentRole", "lambda:InvokeFunction").unwrap();
    let callable = invoke["Resource"].as_vec().unwrap().iter();
    let callable: Vec<_> = callable.map(tagged).collect();
    let wanted = ROLES.map(|(function, _)| format!("${{{function}.Arn}}:*"));
    assert_eq!(callable, wanted);
}

#[test]
fn functions_may_put_the_events_that_they_put_and_a_rule_takes_them() {
    let template = template();
    let resources = &template["Resources"];
    let mut senders = 0;
    for (_, role) in ROLES {
        if let Some(put) = statement(resources, role, "events:PutEvents") {
            senders += 1;
            let condition = &put["Condition"]["StringEquals"]["events:detail-type"];
            assert_eq!(condition.as_str(), Some(DETAIL_TYPE), "{role}");
        }
    }
    assert_eq!(senders, 3);
    let pattern = &resources["ProgressRule"]["Properties"]["EventPattern"];
    assert_eq!(pattern["detail-type"][0].as_str(), Some(DETAIL_TYPE));
    assert_eq!(pattern["source"][0].as_str(), Some(SOURCE));
    // Who may send to the bus can write any source, and not another account.
    assert_eq!(tagged(&pattern["account"][0]), "AWS::AccountId");
}

#[test]
fn every_function_finds_the_table_that_its_role_may_write_to() {
    let template = template();
    let resources = &template["Resources"];
    let variables = &template["Globals"]["Function"]["Environment"]["Variables"];
    let table = tagged(&variables["LOCK_TABLE"]);
    let keys = &resources[table.as_str()]["Properties"]["KeySchema"];
    assert_eq!(keys[0]["AttributeName"].as_str(), Some("id"));
    assert_eq!(keys.as_vec().unwrap().len(), 1);
    for (_, role) in ROLES {
        let mut of_table = 0;
        for statement in statements(resources, role) {
            let mut found = actions_of(statement).into_iter();
            if found.any(|action| action.starts_with("dynamodb:")) {
                of_table += 1;
                let resource = tagged(&statement["Resource"]);
                assert_eq!(resource, format!("{table}.Arn"), "{role}");
            }
        }
        assert_ne!(of_table, 0, "{role}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_operators_policy_allows_the_attribute_of_a_command_alone() {
    let (aws, installation) = installed(Scenario::default().world().unwrap());
    let written = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&written);
    aws.rewrite(move |request| {
        let body = serde_json::from_slice::<Value>(request.body()).unwrap_or_default();
        let update = body["UpdateExpression"].as_str().unwrap_or_default();
        if update.starts_with("SET #command = ") {
            seen.lock().unwrap().push(body.clone());
        }
    });
    let operate = async {
        tokio::time::sleep(Duration::from_secs(40)).await;
        let pause = installation.command("main/chat", Command::Rollback, "alice");
        pause.await.unwrap().unwrap();
    };
    let mut unheard = |_: &HistoryEvent| {};
    let deploy = installation.deploy("run-1", event(), 1, &mut unheard);
    tokio::join!(deploy, operate);
    let template = template();
    let policy = &template["Resources"]["OperatorPolicy"]["Properties"]["PolicyDocument"];
    let written = written.lock().unwrap();
    let [write] = &written[..] else {
        panic!("{written:?}");
    };
    assert_eq!(write["ConditionExpression"], "#command = :seen");
    assert_eq!(
        write["ExpressionAttributeNames"],
        json!({"#command": "command"})
    );
    let names = ["command"]
        .into_iter()
        .chain(write["Key"].as_object().unwrap().keys().map(String::as_str));
    let names: BTreeSet<_> = names.collect();
    let statements = policy["Statement"].as_vec().unwrap();
    let conditions = &statements[1]["Condition"];
    let allowed = conditions["ForAllValues:StringEquals"]["dynamodb:Attributes"].as_vec();
    let allowed = allowed.unwrap().iter().map(|name| name.as_str().unwrap());
    assert_eq!(allowed.collect::<BTreeSet<_>>(), names);
    // Without it, a request that names no attribute would do.
    assert_eq!(
        conditions["Null"]["dynamodb:Attributes"].as_str(),
        Some("false")
    );
}

#[test]
fn the_command_line_finds_the_table_by_the_name_of_the_stack() {
    let template = template();
    let named = tagged(&template["Resources"]["ServiceLocks"]["Properties"]["TableName"]);
    assert_eq!(named, "${AWS::StackName}-ServiceLocks");
    assert!(include_str!("../../src/operate.rs").contains("{machine}-ServiceLocks"));
}
