//! Lists that come in pages, and lists that are too long to ask for.

use crate::support::{refusal, scenario, stage};

#[tokio::test(start_paused = true)]
async fn target_groups_come_in_pages_and_without_a_filter_all_of_them() {
    let stage = stage(&scenario(r#"{"limits": {"elbPage": 2}}"#));
    for number in 0..3 {
        stage
            .elb
            .create_target_group()
            .name(format!("somebody-elses-{number}"))
            .protocol(aws_sdk_elasticloadbalancingv2::types::ProtocolEnum::Tcp)
            .port(1)
            .vpc_id("vpc-1")
            .send()
            .await
            .expect("created");
    }
    let first = stage
        .elb
        .describe_target_groups()
        .send()
        .await
        .expect("a page");
    assert_eq!(first.target_groups().len(), 2);
    assert!(first.next_marker().is_some());
    let mut pages = stage
        .elb
        .describe_target_groups()
        .into_paginator()
        .items()
        .send();
    let mut all = 0;
    while let Some(group) = pages.next().await {
        group.expect("a group");
        all += 1;
    }
    assert_eq!(all, 5);
    let wide = stage
        .elb
        .describe_target_groups()
        .page_size(400)
        .send()
        .await
        .expect("a page");
    assert_eq!((wide.target_groups().len(), wide.next_marker()), (5, None));
}

#[tokio::test(start_paused = true)]
async fn listeners_come_in_pages() {
    let stage = stage(&scenario("{}"));
    let load_balancer = stage.listeners().await[0]
        .load_balancer_arn
        .clone()
        .expect("an ARN");
    let describe = || {
        stage
            .elb
            .describe_listeners()
            .load_balancer_arn(&load_balancer)
            .page_size(1)
    };
    let first = describe().send().await.expect("a page");
    let second = describe()
        .set_marker(first.next_marker.clone())
        .send()
        .await
        .expect("a page");
    assert_ne!(first.listeners()[0].port(), second.listeners()[0].port());
    assert_eq!(second.next_marker(), None);
    assert_eq!(
        refusal(describe().marker("nowhere").send().await).0,
        "ValidationError"
    );
}

#[tokio::test(start_paused = true)]
async fn tasks_come_in_pages() {
    let stage = stage(&scenario(r#"{"tasks": 5, "limits": {"tasksPage": 2}}"#));
    let mut pages = stage
        .ecs
        .list_tasks()
        .cluster(&stage.names.cluster)
        .into_paginator()
        .send();
    let mut sizes = Vec::new();
    while let Some(page) = pages.next().await {
        sizes.push(page.expect("a page").task_arns().len());
    }
    assert_eq!(sizes, [2, 2, 1]);
}

#[tokio::test(start_paused = true)]
async fn lists_that_are_too_long_are_refused() {
    let stage = stage(&scenario("{}"));
    let arns = vec![stage.group_arn(0).await; 21];
    let refused = stage
        .elb
        .describe_tags()
        .set_resource_arns(Some(arns))
        .send()
        .await;
    assert_eq!(refusal(refused).0, "ValidationError");
    let services = vec!["x".to_owned(); 11];
    let refused = stage
        .ecs
        .describe_services()
        .cluster(&stage.names.cluster)
        .set_services(Some(services));
    assert_eq!(refusal(refused.send().await).0, "InvalidParameterException");
    let tasks = vec!["x".to_owned(); 101];
    let refused = stage
        .ecs
        .describe_tasks()
        .cluster(&stage.names.cluster)
        .set_tasks(Some(tasks));
    assert_eq!(refusal(refused.send().await).0, "InvalidParameterException");
}
