//! Listeners, weights, certificates, and groups in use.

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, Certificate, ForwardActionConfig, ProtocolEnum,
    TargetGroupStickinessConfig, TargetGroupTuple,
};

use crate::support::{ALTERNATE, PRODUCTION, forward, refusal, scenario, stage};

#[tokio::test(start_paused = true)]
async fn a_single_group_is_named_both_ways_and_several_by_weight_only() {
    let stage = stage(&scenario("{}"));
    let (production, alternate) = (
        stage.group_arn(PRODUCTION).await,
        stage.group_arn(ALTERNATE).await,
    );
    let listener = stage.listeners().await.remove(0);
    let action = &listener.default_actions()[0];
    assert_eq!(action.target_group_arn(), Some(production.as_str()));
    let group = &action.forward_config().expect("a forward").target_groups()[0];
    assert_eq!(
        (group.target_group_arn(), group.weight()),
        (Some(production.as_str()), Some(1))
    );

    stage
        .elb
        .modify_listener()
        .listener_arn(listener.listener_arn().expect("an ARN"))
        .default_actions(forward(&[(&production, 0), (&alternate, 100)]))
        .send()
        .await
        .expect("modified");
    let listener = stage.listeners().await.remove(0);
    let action = &listener.default_actions()[0];
    assert_eq!(action.target_group_arn(), None);
    let weights: Vec<_> = action
        .forward_config()
        .expect("a forward")
        .target_groups()
        .iter()
        .map(TargetGroupTuple::weight)
        .collect();
    assert_eq!(weights, [Some(0), Some(100)]);
}

#[tokio::test(start_paused = true)]
async fn what_modify_listener_does_not_name_stays_and_losing_tls_loses_certificates() {
    let stage = stage(&scenario("{}"));
    let (production, alternate) = (
        stage.group_arn(PRODUCTION).await,
        stage.group_arn(ALTERNATE).await,
    );
    let load_balancer = stage.listeners().await[0]
        .load_balancer_arn
        .clone()
        .expect("an ARN");
    let secure = stage
        .elb
        .create_listener()
        .load_balancer_arn(load_balancer)
        .protocol(ProtocolEnum::Tls)
        .port(443)
        .certificates(
            Certificate::builder()
                .certificate_arn("arn:aws:acm:x")
                .build(),
        )
        .default_actions(forward(&[(&production, 1)]))
        .send()
        .await
        .expect("created");
    let arn = secure.listeners()[0]
        .listener_arn()
        .expect("an ARN")
        .to_owned();
    let modified = stage
        .elb
        .modify_listener()
        .listener_arn(&arn)
        .default_actions(forward(&[(&alternate, 1)]))
        .send()
        .await
        .expect("modified");
    let listener = &modified.listeners()[0];
    assert_eq!(
        (listener.port(), listener.certificates().len()),
        (Some(443), 1)
    );

    let modified = stage
        .elb
        .modify_listener()
        .listener_arn(&arn)
        .protocol(ProtocolEnum::Tcp)
        .send()
        .await
        .expect("modified");
    assert!(modified.listeners()[0].certificates().is_empty());
}

#[tokio::test(start_paused = true)]
async fn actions_that_aws_refuses_are_refused() {
    let stage = stage(&scenario("{}"));
    let (production, alternate) = (
        stage.group_arn(PRODUCTION).await,
        stage.group_arn(ALTERNATE).await,
    );
    let unknown = production.replace("tg-1", "tg-9");
    let both_named = forward(&[(&production, 1), (&alternate, 1)]);
    let both_named = Action::builder()
        .r#type(ActionTypeEnum::Forward)
        .target_group_arn(&production)
        .set_forward_config(both_named.forward_config)
        .build();
    let sticky = ForwardActionConfig::builder()
        .target_groups(
            TargetGroupTuple::builder()
                .target_group_arn(&production)
                .build(),
        )
        .target_group_stickiness_config(
            TargetGroupStickinessConfig::builder()
                .enabled(true)
                .duration_seconds(60)
                .build(),
        )
        .build();
    let sticky = Action::builder()
        .r#type(ActionTypeEnum::Forward)
        .forward_config(sticky)
        .build();
    let redirect = Action::builder().r#type(ActionTypeEnum::Redirect).build();
    let listener = stage.listeners().await[0]
        .listener_arn
        .clone()
        .expect("an ARN");
    for (action, code) in [
        (forward(&[(&unknown, 1)]), "TargetGroupNotFound"),
        (forward(&[(&production, 1000)]), "ValidationError"),
        (
            forward(&[(&production, 1), (&production, 2)]),
            "ValidationError",
        ),
        (both_named, "ValidationError"),
        (sticky, "InvalidConfigurationRequest"),
        (redirect, "InvalidLoadBalancerAction"),
    ] {
        let refused = stage
            .elb
            .modify_listener()
            .listener_arn(&listener)
            .default_actions(action.clone())
            .send()
            .await;
        assert_eq!(refusal(refused).0, code, "{action:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_port_has_one_listener_and_a_group_one_load_balancer() {
    let stage = stage(&scenario("{}"));
    let production = stage.group_arn(PRODUCTION).await;
    let own = stage.listeners().await[0]
        .load_balancer_arn
        .clone()
        .expect("an ARN");
    let other = stage
        .elb
        .create_load_balancer()
        .name("other")
        .r#type(aws_sdk_elasticloadbalancingv2::types::LoadBalancerTypeEnum::Network)
        .subnets("subnet-1")
        .send()
        .await
        .expect("created");
    let other = other.load_balancers()[0]
        .load_balancer_arn()
        .expect("an ARN")
        .to_owned();
    for (load_balancer, code) in [
        (own, "DuplicateListener"),
        (other, "TargetGroupAssociationLimit"),
    ] {
        let refused = stage
            .elb
            .create_listener()
            .load_balancer_arn(load_balancer)
            .protocol(ProtocolEnum::Tcp)
            .port(80)
            .default_actions(forward(&[(&production, 1)]))
            .send()
            .await;
        assert_eq!(refusal(refused).0, code);
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_in_use_is_not_deleted() {
    let stage = stage(&scenario("{}"));
    for group in stage.groups().await {
        let arn = group.target_group_arn().expect("an ARN");
        let refused = stage
            .elb
            .delete_target_group()
            .target_group_arn(arn)
            .send()
            .await;
        assert_eq!(refusal(refused).0, "ResourceInUse");
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_change_the_listener_remembers_what_nodes_may_still_do() {
    let stage = stage(&scenario("{}"));
    let (production, alternate) = (
        stage.group_arn(PRODUCTION).await,
        stage.group_arn(ALTERNATE).await,
    );
    let arn = stage.listeners().await[0]
        .listener_arn
        .clone()
        .expect("an ARN");
    let modify = || {
        stage
            .elb
            .modify_listener()
            .listener_arn(&arn)
            .default_actions(forward(&[(&alternate, 1)]))
    };
    modify().send().await.expect("modified");
    let before = stage
        .aws
        .with_world(|world| world.listener(&arn).and_then(|known| known.before.clone()));
    let before = before.expect("what was before");
    assert!(format!("{before:?}").contains(&production));
    modify().send().await.expect("modified");
    let again = stage
        .aws
        .with_world(|world| world.listener(&arn).and_then(|known| known.before.clone()));
    assert_eq!(
        again,
        Some(before),
        "writing the same again changes nothing"
    );
}
