//! Rules of Application Load Balancers.

use aws_sdk_elasticloadbalancingv2::types::{PathPatternConditionConfig, RuleCondition};

use crate::support::{ALTERNATE, PRODUCTION, Stage, forward, refusal, scenario, stage};

fn path(pattern: &str) -> RuleCondition {
    RuleCondition::builder()
        .field("path-pattern")
        .path_pattern_config(
            PathPatternConditionConfig::builder()
                .values(pattern)
                .build(),
        )
        .build()
}

async fn production_listener(stage: &Stage) -> String {
    stage.listeners().await[0]
        .listener_arn
        .clone()
        .expect("an ARN")
}

#[tokio::test(start_paused = true)]
async fn an_alb_listener_has_a_default_rule_that_changes_with_it_only() {
    let stage = stage(&scenario(r#"{"loadBalancer": "application"}"#));
    let listener = production_listener(&stage).await;
    let rules = stage
        .elb
        .describe_rules()
        .listener_arn(&listener)
        .send()
        .await
        .expect("rules");
    let [default] = rules.rules() else {
        panic!("{rules:?}")
    };
    assert_eq!(
        (default.priority(), default.is_default()),
        (Some("default"), Some(true))
    );
    let arn = default.rule_arn().expect("an ARN");
    let alternate = stage.group_arn(ALTERNATE).await;
    let refused = stage
        .elb
        .modify_rule()
        .rule_arn(arn)
        .actions(forward(&[(&alternate, 1)]))
        .send()
        .await;
    assert_eq!(refusal(refused).0, "OperationNotPermitted");
    let refused = stage.elb.delete_rule().rule_arn(arn).send().await;
    assert_eq!(refusal(refused).0, "OperationNotPermitted");
}

#[tokio::test(start_paused = true)]
async fn a_rule_puts_its_group_in_use_and_lets_it_go() {
    let stage = stage(&scenario(
        r#"{"loadBalancer": "application", "listeners": [{"port": 80, "role": "production"}]}"#,
    ));
    let (listener, alternate) = (
        production_listener(&stage).await,
        stage.group_arn(ALTERNATE).await,
    );
    let create = |priority: i32| {
        stage
            .elb
            .create_rule()
            .listener_arn(&listener)
            .priority(priority)
            .conditions(path("/new/*"))
            .actions(forward(&[(&alternate, 1)]))
            .send()
    };
    let created = create(5).await.expect("created");
    let arn = created.rules()[0].rule_arn().expect("an ARN").to_owned();
    assert_eq!(refusal(create(5).await).0, "PriorityInUse");
    assert_eq!(
        stage.groups().await[ALTERNATE].load_balancer_arns().len(),
        1
    );
    stage
        .create_task_set(&alternate)
        .send()
        .await
        .expect("created");

    let production = stage.group_arn(PRODUCTION).await;
    let modified = stage
        .elb
        .modify_rule()
        .rule_arn(&arn)
        .actions(forward(&[(&production, 1)]))
        .send();
    let modified = modified.await.expect("modified");
    assert_eq!(
        modified.rules()[0].conditions().len(),
        1,
        "what is not named stays"
    );
    assert!(
        stage.groups().await[ALTERNATE]
            .load_balancer_arns()
            .is_empty()
    );

    stage
        .elb
        .delete_rule()
        .rule_arn(&arn)
        .send()
        .await
        .expect("deleted");
    let gone = stage.elb.describe_rules().rule_arns(&arn).send().await;
    assert_eq!(refusal(gone).0, "RuleNotFound");
}

#[tokio::test(start_paused = true)]
async fn an_nlb_listener_has_no_rules() {
    let stage = stage(&scenario("{}"));
    let listener = production_listener(&stage).await;
    let refused = stage
        .elb
        .describe_rules()
        .listener_arn(listener)
        .send()
        .await;
    assert_eq!(refusal(refused).0, "UnsupportedProtocol");
}
