//! Lists that come in pages, and lists that are too long to ask for.

use aws_sdk_elasticloadbalancingv2::types::ProtocolEnum;

use crate::support::{refusal, stage};

#[tokio::test(start_paused = true)]
async fn target_groups_come_in_pages_and_without_a_filter_all_of_them() {
    let stage = stage(r#"{"limits": {"elbPage": 2}}"#);
    for number in 0..3 {
        let create = stage.elb.create_target_group();
        let create = create.name(format!("another-{number}"));
        let create = create.protocol(ProtocolEnum::Tcp).port(1).vpc_id("vpc-1");
        create.send().await.expect("created");
    }
    let describe = stage.elb.describe_target_groups();
    let pages = describe.clone().into_paginator().send();
    let pages: Result<Vec<_>, _> = pages.collect().await;
    let sizes = pages.expect("pages").into_iter();
    let sizes: Vec<_> = sizes.map(|page| page.target_groups().len()).collect();
    assert_eq!(sizes, [2, 2, 1]);
    let wide = describe.page_size(400).send().await.expect("a page");
    assert_eq!((wide.target_groups().len(), wide.next_marker()), (5, None));
}

#[tokio::test(start_paused = true)]
async fn listeners_come_in_pages() {
    let stage = stage("{}");
    let describe = stage.elb.describe_listeners().page_size(1);
    let describe = describe.load_balancer_arn(stage.load_balancer());
    let first = describe.clone().send().await.expect("a page");
    let next = describe.clone().set_marker(first.next_marker.clone());
    let second = next.send().await.expect("a page");
    assert_ne!(first.listeners()[0].port(), second.listeners()[0].port());
    assert_eq!(second.next_marker(), None);
    let refused = describe.marker("nowhere").send().await;
    assert_eq!(refusal(refused).0, "ValidationError");
}

#[tokio::test(start_paused = true)]
async fn tasks_come_in_pages() {
    let stage = stage(r#"{"tasks": 5, "limits": {"tasksPage": 2}}"#);
    assert_eq!(stage.pages_of_tasks().await, [2, 2, 1]);
}

#[tokio::test(start_paused = true)]
async fn lists_that_are_too_long_are_refused() {
    let stage = stage("{}");
    let arns = vec![stage.group_arn(0).await; 21];
    let tags = stage.elb.describe_tags().set_resource_arns(Some(arns));
    assert_eq!(refusal(tags.send().await).0, "ValidationError");
    let many = |count| Some(vec!["x".to_owned(); count]);
    let services = stage.ecs.describe_services().set_services(many(11));
    let services = services.cluster(&stage.names.cluster).send().await;
    assert_eq!(refusal(services).0, "InvalidParameterException");
    let tasks = stage.ecs.describe_tasks().set_tasks(many(101));
    let tasks = tasks.cluster(&stage.names.cluster).send().await;
    assert_eq!(refusal(tasks).0, "InvalidParameterException");
}
