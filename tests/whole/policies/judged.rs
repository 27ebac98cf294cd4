//! An evaluator that others wrote judges each call by the policies of the template.

use std::collections::BTreeSet;
use std::sync::Arc;

use ebbtide_permissions::{CALLERS, Judge, Parameters, Permission, Policies, judge};
use ebbtide_simulator::asl::Outcome;
use ebbtide_simulator::deployment::Installation;
use ebbtide_simulator::world::World;
use ebbtide_simulator::{Names, SimulatedAws};

use super::calls::{TASK_ROLE, event, every_way, with_tags_and_roles};

/// What no call of a function's needs, reviewed: in each function's name, Lambda writes its log and its traces;
/// `ebbtide` asks whether the execution that an operator means has ended; and Application Auto Scaling checks what its
/// caller may do.
const WITHOUT_CALLS: [(&str, &str, &[&str]); 4] = [
    (
        "/WriteLog",
        "check-and-create swap scale-down",
        &["logs:CreateLogStream", "logs:PutLogEvents"],
    ),
    (
        "TurnPolicy/WriteTraces",
        "check-and-create swap scale-down",
        &["xray:PutTelemetryRecords", "xray:PutTraceSegments"],
    ),
    (
        "AutoScalingPolicy/ScaleThroughAutoScaling",
        "check-and-create scale-down",
        &["ecs:UpdateService"],
    ),
    (
        "OperatorPolicy/DescribeExecutions",
        "operator",
        &["states:DescribeExecution"],
    ),
];

fn is_reviewed((caller, statement, action): &Permission) -> bool {
    WITHOUT_CALLS.iter().any(|(name, callers, actions)| {
        statement.ends_with(name)
            && callers.split(' ').any(|one| one == caller)
            && actions.contains(&action.as_str())
    })
}

#[tokio::test(start_paused = true)]
async fn every_permission_but_the_reviewed_ones_is_needed_by_a_call() {
    let policies = Arc::new(Policies::new(&Parameters::new()));
    Box::pin(every_way(&policies)).await;
    let (allowed, used) = (policies.allowed(), policies.used());
    let callers: BTreeSet<_> = used.iter().map(|(caller, _, _)| caller.as_str()).collect();
    assert_eq!(callers, CALLERS.iter().map(|(caller, _)| *caller).collect());
    let unused: BTreeSet<_> = allowed.difference(&used).cloned().collect();
    let reviewed: BTreeSet<_> = allowed
        .iter()
        .filter(|one| is_reviewed(one))
        .cloned()
        .collect();
    assert_eq!(unused, reviewed);
    let listed = WITHOUT_CALLS.iter();
    let listed = listed.map(|(_, callers, actions)| callers.split(' ').count() * actions.len());
    assert_eq!(reviewed.len(), listed.sum::<usize>(), "{reviewed:?}");
}

async fn deployed(policies: Policies) -> (Outcome, Arc<Judge>) {
    let aws = SimulatedAws::new(with_tags_and_roles(), 1.0);
    let judge = judge(&aws, &Arc::new(policies));
    let installation = Installation::new(&aws).unwrap();
    let outcome = installation.deploy("run-1", event(), 1, &mut |_| {}).await;
    (outcome, judge)
}

#[tokio::test(start_paused = true)]
async fn a_permission_that_is_missing_fails_the_run_and_is_named() {
    let missing = [
        ("TurnPolicy/EnterAndLeaveLock", "dynamodb:UpdateItem"),
        ("CheckAndCreateRole/TagReplacement", "ecs:TagResource"),
        ("CheckAndCreateRole/PassTaskRoles", "iam:PassRole"),
        (
            "ForwardingPolicy/ChangeActions",
            "elasticloadbalancing:ModifyListener",
        ),
        ("SwapRole/TagProduction", "elasticloadbalancing:AddTags"),
        ("ScaleDownRole/DrainAndDelete", "ecs:UpdateTaskSet"),
    ];
    for (statement, action) in missing {
        let kept = |name: &str, known: &str| (name, known) != (statement, action);
        let (outcome, judge) = deployed(Policies::changed(&Parameters::new(), kept)).await;
        let denied = judge.take_denied();
        assert!(!outcome.status.is_success(), "{action}: {outcome:?}");
        assert!(!denied.is_empty(), "{action}: {outcome:?}");
        for one in denied {
            assert!(
                one.contains(&format!(": {action} on ")) && one.ends_with("is not allowed"),
                "{one}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
#[should_panic(
    expected = "calls outside the policies of template.yaml:\nscale-down: ecs:UpdateTaskSet on arn:aws:ecs:"
)]
async fn a_run_with_a_call_outside_the_policies_fails() {
    let kept = |_: &str, action: &str| action != "ecs:UpdateTaskSet";
    deployed(Policies::changed(&Parameters::new(), kept)).await;
}

/// The parameters of an installation for one service, by its world.
fn parameters(world: &World) -> Parameters {
    let names = Names::default();
    let ecs = |resource: String| format!("arn:aws:ecs:us-east-1:555555555555:{resource}");
    let (cluster, service) = (&names.cluster, &names.service);
    let listeners = world.listeners().map(|listener| listener.arn.clone());
    let groups = world.target_groups().map(|group| group.arn.clone());
    Parameters::from([
        ("ClusterArns", vec![ecs(format!("cluster/{cluster}"))]),
        (
            "ServiceArns",
            vec![ecs(format!("service/{cluster}/{service}"))],
        ),
        (
            "TaskDefinitionArns",
            vec![ecs("task-definition/chat:*".to_owned())],
        ),
        ("TaskRoleArns", vec![TASK_ROLE.to_owned()]),
        ("RouteArns", listeners.collect()),
        ("TargetGroupArns", groups.collect()),
    ])
}

#[tokio::test(start_paused = true)]
async fn an_installation_for_one_service_deploys_that_service() {
    let allowed = parameters(&with_tags_and_roles());
    let (outcome, judge) = deployed(Policies::new(&allowed)).await;
    assert_eq!(judge.take_denied(), [""; 0]);
    assert!(outcome.status.is_success(), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn an_installation_for_another_service_does_not() {
    let own = parameters(&with_tags_and_roles());
    // Which call is denied first, and how.
    let denied = [
        (
            "ClusterArns",
            "check-and-create: ecs:DescribeServices",
            "explicitly denied",
        ),
        (
            "ServiceArns",
            "check-and-create: ecs:DescribeServices",
            "not allowed",
        ),
        (
            "TaskDefinitionArns",
            "check-and-create: ecs:CreateTaskSet",
            "not allowed",
        ),
        (
            "TaskRoleArns",
            "check-and-create: iam:PassRole",
            "not allowed",
        ),
        (
            "RouteArns",
            "check-and-create: elasticloadbalancing:",
            "not allowed",
        ),
        (
            "TargetGroupArns",
            "check-and-create: elasticloadbalancing:AddTags",
            "not allowed",
        ),
    ];
    assert_eq!(
        own.keys().copied().collect::<BTreeSet<_>>(),
        denied.iter().map(|one| one.0).collect()
    );
    for (parameter, call, how) in denied {
        let mut others = own.clone();
        for arn in others.get_mut(parameter).unwrap() {
            let (account, resource) = arn.rsplit_once(':').unwrap();
            let (account, resource) = match account.rsplit_once(':') {
                // A task definition's ARN has a colon more.
                Some((account, family)) if resource == "*" => (account, family),
                _ => (account, resource),
            };
            let (kind, name) = resource.split_once('/').unwrap();
            *arn = format!("{account}:{kind}/other-{name}");
        }
        assert_ne!(others[parameter], own[parameter], "{parameter}");
        let (outcome, judge) = deployed(Policies::new(&others)).await;
        let first = judge.take_denied().into_iter().next();
        let first = first.unwrap_or_else(|| panic!("{parameter}: {outcome:?}"));
        assert!(
            first.starts_with(call) && first.ends_with(how),
            "{parameter}: {first}"
        );
        assert!(!outcome.status.is_success(), "{parameter}: {outcome:?}");
    }
}
