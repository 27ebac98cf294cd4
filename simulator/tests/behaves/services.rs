//! Services: who deploys them, and what that forbids.

use aws_sdk_ecs::types::{DeploymentController, DeploymentControllerType};

use crate::support::{refusal, scenario, stage, wait};

#[tokio::test(start_paused = true)]
async fn under_external_update_service_may_not_touch_what_a_task_set_carries() {
    let stage = stage(&scenario("{}"));
    let update = || {
        stage
            .ecs
            .update_service()
            .cluster(&stage.names.cluster)
            .service(&stage.names.service)
    };
    for refused in [
        update().task_definition("chat:2"),
        update().force_new_deployment(true),
        update().platform_version("LATEST"),
    ] {
        assert_eq!(refusal(refused.send().await).0, "InvalidParameterException");
    }
    let updated = update().desired_count(2).send().await.expect("updated");
    assert_eq!(
        updated
            .service()
            .map(aws_sdk_ecs::types::Service::desired_count),
        Some(2)
    );
}

#[tokio::test(start_paused = true)]
async fn task_sets_are_for_external_services_only() {
    let stage = stage(&scenario("{}"));
    stage
        .ecs
        .create_service()
        .cluster(&stage.names.cluster)
        .service_name("rolling")
        .task_definition("chat:1")
        .send()
        .await
        .expect("created");
    let refused = stage.replacement().await.service("rolling").send().await;
    let (code, message) = refusal(refused);
    assert_eq!(code, "InvalidParameterException");
    assert!(
        message.contains("external deployment controllers"),
        "{message}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_external_service_is_created_without_a_task_definition() {
    let stage = stage(&scenario("{}"));
    let create = || {
        let controller = DeploymentController::builder().r#type(DeploymentControllerType::External);
        stage
            .ecs
            .create_service()
            .cluster(&stage.names.cluster)
            .service_name("second")
            .deployment_controller(controller.build().expect("a controller"))
    };
    let refused = create().task_definition("chat:1").send().await;
    assert_eq!(refusal(refused).0, "InvalidParameterException");
    create().desired_count(3).send().await.expect("created");
    assert_eq!(
        refusal(create().send().await).0,
        "InvalidParameterException",
        "it exists"
    );
}

#[tokio::test(start_paused = true)]
async fn a_deleted_service_drains_and_becomes_inactive() {
    let stage = stage(&scenario("{}"));
    let delete = || {
        stage
            .ecs
            .delete_service()
            .cluster(&stage.names.cluster)
            .service(&stage.names.service)
    };
    assert_eq!(
        refusal(delete().send().await).0,
        "InvalidParameterException"
    );
    delete().force(true).send().await.expect("deleted");
    assert_eq!(stage.service().await.status(), Some("DRAINING"));
    assert_eq!(
        refusal(stage.replacement().await.send().await).0,
        "ServiceNotActiveException"
    );
    wait(900).await;
    assert_eq!(stage.service().await.status(), Some("INACTIVE"));
    assert_eq!(refusal(delete().send().await).0, "ServiceNotFoundException");
}

#[tokio::test(start_paused = true)]
async fn a_task_definition_without_revision_is_the_latest_at_that_time() {
    let stage = stage(&scenario("{}"));
    let newest = stage
        .replacement()
        .await
        .task_definition("chat")
        .send()
        .await
        .expect("created");
    let arn = |answer: aws_sdk_ecs::operation::create_task_set::CreateTaskSetOutput| {
        answer
            .task_set
            .and_then(|set| set.task_definition)
            .expect("an ARN")
    };
    assert!(arn(newest).ends_with("chat:2"));
    stage
        .ecs
        .deregister_task_definition()
        .task_definition("chat:2")
        .send()
        .await
        .expect("deregistered");
    let newest = stage
        .replacement()
        .await
        .task_definition("chat")
        .send()
        .await
        .expect("created");
    assert!(arn(newest).ends_with("chat:1"));
    let refused = stage
        .replacement()
        .await
        .task_definition("chat:2")
        .send()
        .await;
    assert_eq!(
        refusal(refused),
        (
            "ClientException".to_owned(),
            "TaskDefinition is inactive".to_owned()
        )
    );
}
