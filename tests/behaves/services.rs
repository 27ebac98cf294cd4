//! Services: who deploys them, and what that forbids.

use aws_sdk_ecs::types::{DeploymentController, DeploymentControllerType};

use crate::support::{refusal, stage, wait};

#[tokio::test(start_paused = true)]
async fn under_external_update_service_may_not_touch_what_a_task_set_carries() {
    let stage = stage("{}");
    for refused in [
        stage.update_service().task_definition("chat:2"),
        stage.update_service().force_new_deployment(true),
        stage.update_service().platform_version("LATEST"),
    ] {
        assert_eq!(refusal(refused.send().await).0, "InvalidParameterException");
    }
    let update = stage.update_service().desired_count(2);
    let updated = update.send().await.expect("updated");
    assert_eq!(updated.service().expect("it").desired_count(), 2);
}

#[tokio::test(start_paused = true)]
async fn task_sets_are_for_external_services_only() {
    let stage = stage("{}");
    let create = stage.ecs.create_service().cluster(&stage.names.cluster);
    let create = create.service_name("rolling").task_definition("chat:1");
    create.send().await.expect("created");
    let replacement = stage.replacement().await.service("rolling");
    let (code, message) = refusal(replacement.send().await);
    assert_eq!(code, "InvalidParameterException");
    let words = "external deployment controllers";
    assert!(message.contains(words), "{message}");
}

#[tokio::test(start_paused = true)]
async fn an_external_service_is_created_without_a_task_definition() {
    let stage = stage("{}");
    let controller = DeploymentController::builder().r#type(DeploymentControllerType::External);
    let create = stage.ecs.create_service().cluster(&stage.names.cluster);
    let create = create.service_name("second");
    let create = create.deployment_controller(controller.build().expect("a controller"));
    let refused = create.clone().task_definition("chat:1").send().await;
    assert_eq!(refusal(refused).0, "InvalidParameterException");
    let created = create.clone().desired_count(3).send().await;
    created.expect("created");
    let again = create.send().await;
    assert_eq!(refusal(again).0, "InvalidParameterException", "it exists");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_service_drains_and_becomes_inactive() {
    let stage = stage("{}");
    let delete = || stage.delete_service();
    let refused = refusal(delete().send().await).0;
    assert_eq!(refused, "InvalidParameterException");
    delete().force(true).send().await.expect("deleted");
    assert_eq!(stage.service().await.status(), Some("DRAINING"));
    let refused = refusal(stage.replacement().await.send().await).0;
    assert_eq!(refused, "ServiceNotActiveException");
    wait(900).await;
    assert_eq!(stage.service().await.status(), Some("INACTIVE"));
    assert_eq!(refusal(delete().send().await).0, "ServiceNotFoundException");
}

#[tokio::test(start_paused = true)]
async fn a_task_definition_without_revision_is_the_latest_at_that_time() {
    let stage = stage("{}");
    let create = async |name: &str| stage.replacement().await.task_definition(name).send().await;
    for latest in ["chat:2", "chat:1"] {
        let created = create("chat").await.expect("created").task_set;
        let arn = created.expect("a task set").task_definition;
        assert!(arn.expect("an ARN").ends_with(latest));
        let deregister = stage.ecs.deregister_task_definition();
        let deregister = deregister.task_definition(latest).send();
        deregister.await.expect("deregistered");
    }
    let (code, message) = refusal(create("chat:2").await);
    assert_eq!(code, "ClientException");
    assert_eq!(message, "TaskDefinition is inactive");
}
