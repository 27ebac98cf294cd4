//! Rules of Application Load Balancers.

use aws_sdk_elasticloadbalancingv2::types::{PathPatternConditionConfig, RuleCondition};

use crate::support::{ALTERNATE, forward, refusal, stage};

fn path(pattern: &str) -> RuleCondition {
    let path = PathPatternConditionConfig::builder().values(pattern);
    RuleCondition::builder()
        .field("path-pattern")
        .path_pattern_config(path.build())
        .build()
}

#[tokio::test(start_paused = true)]
async fn an_alb_listener_has_a_default_rule_that_changes_with_it_only() {
    let stage = stage(r#"{"loadBalancer": "application"}"#);
    let describe = stage.elb.describe_rules();
    let describe = describe.listener_arn(stage.listener().await);
    let rules = describe.send().await.expect("rules");
    assert_eq!(rules.rules().len(), 1);
    let default = &rules.rules()[0];
    assert_eq!(default.priority(), Some("default"));
    assert_eq!(default.is_default(), Some(true));
    let arn = default.rule_arn().expect("an ARN");
    let (_, alternate) = stage.group_arns().await;
    let modify = stage.elb.modify_rule().rule_arn(arn);
    let modify = modify.actions(forward(&[(&alternate, 1)])).send();
    assert_eq!(refusal(modify.await).0, "OperationNotPermitted");
    let delete = stage.elb.delete_rule().rule_arn(arn).send();
    assert_eq!(refusal(delete.await).0, "OperationNotPermitted");
}

#[tokio::test(start_paused = true)]
async fn a_rule_puts_its_group_in_use_and_lets_it_go() {
    let listeners = r#""listeners": [{"port": 80, "role": "production"}]"#;
    let stage = stage(&format!(
        r#"{{"loadBalancer": "application", {listeners}}}"#
    ));
    let (production, alternate) = stage.group_arns().await;
    let in_use = async || {
        let groups = stage.groups().await;
        !groups[ALTERNATE].load_balancer_arns().is_empty()
    };
    let create = stage.elb.create_rule().priority(5);
    let create = create
        .listener_arn(stage.listener().await)
        .conditions(path("/new/*"))
        .actions(forward(&[(&alternate, 1)]));
    let created = create.clone().send().await.expect("created");
    let arn = created.rules()[0].rule_arn().expect("an ARN");
    assert_eq!(refusal(create.send().await).0, "PriorityInUse");
    assert!(in_use().await);
    stage.create_replacement().await;

    let modify = stage.elb.modify_rule().rule_arn(arn);
    let modified = modify.actions(forward(&[(&production, 1)])).send().await;
    let modified = modified.expect("modified");
    let conditions = modified.rules()[0].conditions();
    assert_eq!(conditions.len(), 1, "what is not named stays");
    assert!(!in_use().await);

    let delete = stage.elb.delete_rule().rule_arn(arn).send();
    delete.await.expect("deleted");
    let gone = stage.elb.describe_rules().rule_arns(arn).send().await;
    assert_eq!(refusal(gone).0, "RuleNotFound");
}

#[tokio::test(start_paused = true)]
async fn an_nlb_listener_has_no_rules() {
    let stage = stage("{}");
    let describe = stage.elb.describe_rules();
    let refused = describe.listener_arn(stage.listener().await).send().await;
    assert_eq!(refusal(refused).0, "UnsupportedProtocol");
}
