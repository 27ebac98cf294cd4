//! Listeners, weights, certificates, and groups in use.

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, Certificate, ForwardActionConfig, LoadBalancerTypeEnum, ProtocolEnum,
    TargetGroupStickinessConfig, TargetGroupTuple,
};

use crate::support::{forward, refusal, stage};

#[tokio::test(start_paused = true)]
async fn a_single_group_is_named_both_ways_and_several_by_weight_only() {
    let stage = stage("{}");
    let (production, alternate) = stage.group_arns().await;
    let both = [(production.as_str(), 0), (alternate.as_str(), 100)];
    for (change, named, weights) in [
        (None, Some(&production), vec![Some(1)]),
        (Some(both), None, vec![Some(0), Some(100)]),
    ] {
        if let Some(groups) = change {
            let modify = stage.forwarding(&groups).await;
            modify.send().await.expect("modified");
        }
        let listener = stage.listeners().await.remove(0);
        let action = &listener.default_actions()[0];
        assert_eq!(action.target_group_arn(), named.map(String::as_str));
        let groups = action.forward_config().expect("a forward").target_groups();
        assert_eq!(groups[0].target_group_arn(), Some(production.as_str()));
        let seen: Vec<_> = groups.iter().map(TargetGroupTuple::weight).collect();
        assert_eq!(seen, weights);
    }
}

#[tokio::test(start_paused = true)]
async fn what_modify_listener_does_not_name_stays_and_losing_tls_loses_certificates() {
    let stage = stage("{}");
    let (production, alternate) = stage.group_arns().await;
    let certificate = Certificate::builder().certificate_arn("arn:aws:acm:x");
    let secure = stage
        .create_listener(443, &production)
        .protocol(ProtocolEnum::Tls)
        .certificates(certificate.build());
    let created = secure.send().await.expect("created");
    let arn = created.listeners()[0].listener_arn().expect("an ARN");
    let modify = || stage.elb.modify_listener().listener_arn(arn);
    let elsewhere = modify().default_actions(forward(&[(&alternate, 1)]));
    let plain = modify().protocol(ProtocolEnum::Tcp);
    for (change, certificates) in [(elsewhere, 1), (plain, 0)] {
        let modified = change.send().await.expect("modified");
        let listener = &modified.listeners()[0];
        assert_eq!(listener.port(), Some(443));
        assert_eq!(listener.certificates().len(), certificates);
    }
}

#[tokio::test(start_paused = true)]
async fn actions_that_aws_refuses_are_refused() {
    let stage = stage("{}");
    let (production, alternate) = stage.group_arns().await;
    let unknown = production.replace("tg-1", "tg-9");
    let both = forward(&[(&production, 1), (&alternate, 1)]);
    let both_named = Action::builder()
        .r#type(ActionTypeEnum::Forward)
        .target_group_arn(&production)
        .set_forward_config(both.forward_config)
        .build();
    let minute = TargetGroupStickinessConfig::builder().enabled(true);
    let group = TargetGroupTuple::builder().target_group_arn(&production);
    let sticky = ForwardActionConfig::builder()
        .target_groups(group.build())
        .target_group_stickiness_config(minute.duration_seconds(60).build());
    let sticky = Action::builder()
        .r#type(ActionTypeEnum::Forward)
        .forward_config(sticky.build())
        .build();
    let redirect = Action::builder().r#type(ActionTypeEnum::Redirect).build();
    let twice = forward(&[(&production, 1), (&production, 2)]);
    for (action, code) in [
        (forward(&[(&unknown, 1)]), "TargetGroupNotFound"),
        (forward(&[(&production, 1000)]), "ValidationError"),
        (twice, "ValidationError"),
        (both_named, "ValidationError"),
        (sticky, "InvalidConfigurationRequest"),
        (redirect, "InvalidLoadBalancerAction"),
    ] {
        let modify = stage.elb.modify_listener().default_actions(action.clone());
        let refused = modify.listener_arn(stage.listener().await).send().await;
        assert_eq!(refusal(refused).0, code, "{action:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_port_has_one_listener_and_a_group_one_load_balancer() {
    let stage = stage("{}");
    let (production, _) = stage.group_arns().await;
    let own = stage.load_balancer();
    let other = stage
        .elb
        .create_load_balancer()
        .name("other")
        .subnets("subnet-1");
    let other = other.r#type(LoadBalancerTypeEnum::Network).send().await;
    let other = other.expect("created");
    let other = other.load_balancers()[0].load_balancer_arn();
    for (load_balancer, code) in [
        (own.as_str(), "DuplicateListener"),
        (other.expect("an ARN"), "TargetGroupAssociationLimit"),
    ] {
        let create = stage.create_listener(80, &production);
        let refused = create.load_balancer_arn(load_balancer).send().await;
        assert_eq!(refusal(refused).0, code);
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_change_the_listener_remembers_what_nodes_may_still_do() {
    let stage = stage("{}");
    let (production, alternate) = stage.group_arns().await;
    let arn = stage.listener().await;
    let mut before = Vec::new();
    // Writing the same again changes nothing.
    for _ in 0..2 {
        let modify = stage.forwarding(&[(&alternate, 1)]).await;
        modify.send().await.expect("modified");
        let of = |world: &mut ebbtide_simulator::World| world.listener(&arn)?.before.clone();
        before.push(stage.aws.with_world(of).expect("what was before"));
    }
    assert!(format!("{:?}", before[0]).contains(&production));
    assert_eq!(before[0], before[1]);
}
