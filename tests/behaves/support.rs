//! A service in service, and the SDK clients to deploy it with.

use std::time::Duration;

use aws_sdk_ecs::operation::create_task_set::builders::CreateTaskSetFluentBuilder;
use aws_sdk_ecs::operation::delete_service::builders::DeleteServiceFluentBuilder;
use aws_sdk_ecs::operation::delete_task_set::builders::DeleteTaskSetFluentBuilder;
use aws_sdk_ecs::operation::describe_tasks::DescribeTasksOutput;
use aws_sdk_ecs::operation::list_tasks::builders::ListTasksFluentBuilder;
use aws_sdk_ecs::operation::update_service::builders::UpdateServiceFluentBuilder;
use aws_sdk_ecs::operation::update_service_primary_task_set::builders::UpdateServicePrimaryTaskSetFluentBuilder;
use aws_sdk_ecs::operation::update_task_set::builders::UpdateTaskSetFluentBuilder;
use aws_sdk_ecs::types::{
    AwsVpcConfiguration, LaunchType, LoadBalancer, NetworkConfiguration, Scale, ScaleUnit, TaskSet,
};
use aws_sdk_elasticloadbalancingv2::operation::create_listener::builders::CreateListenerFluentBuilder;
use aws_sdk_elasticloadbalancingv2::operation::modify_listener::builders::ModifyListenerFluentBuilder;
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, ForwardActionConfig, Listener, ProtocolEnum, TargetGroup,
    TargetGroupTuple,
};
use ebbtide_simulator::world::WorldEvent;
use ebbtide_simulator::{Names, Scenario, SimulatedAws, World};
use serde_json::Value;

pub(crate) const PRODUCTION: usize = 0;
pub(crate) const ALTERNATE: usize = 1;

#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) aws: SimulatedAws,
    pub(crate) ecs: aws_sdk_ecs::Client,
    pub(crate) elb: aws_sdk_elasticloadbalancingv2::Client,
    pub(crate) names: Names,
}

pub(crate) fn stage(json: &str) -> Stage {
    stage_named(&scenario(json), Names::default())
}

pub(crate) fn stage_named(scenario: &Scenario, names: Names) -> Stage {
    let world = scenario.world_for(&names).expect("a world");
    let aws = SimulatedAws::new(world, 1.0);
    Stage {
        ecs: aws.sdk_ecs("test"),
        elb: aws.sdk_elb("test"),
        aws,
        names,
    }
}

pub(crate) fn scenario(json: &str) -> Scenario {
    serde_json::from_str(json).expect("a scenario")
}

pub(crate) fn aws(scenario_of: &Value) -> SimulatedAws {
    let world = scenario(&scenario_of.to_string()).world();
    SimulatedAws::new(world.expect("a world"), 1.0)
}

/// The lines `JSON => words` of a table.
pub(crate) fn cases(table: &str) -> impl Iterator<Item = (Value, &str)> {
    let lines = table.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| {
        let (json, words) = line.split_once(" => ").expect("JSON => words");
        (serde_json::from_str(json).expect("JSON"), words)
    })
}

/// A request with the value of `[pointer, value]` in it.
pub(crate) fn changed(request: &Value, change: &Value) -> Value {
    let mut changed = request.clone();
    let pointer = change[0].as_str().expect("a pointer");
    *changed.pointer_mut(pointer).expect("it") = change[1].clone();
    changed
}

/// 2026-01-01T00:00:00Z, in seconds.
pub(crate) const START: i64 = 1_767_225_600;

pub(crate) async fn wait(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

impl Stage {
    pub(crate) async fn groups(&self) -> Vec<TargetGroup> {
        let answer = self.elb.describe_target_groups().send().await;
        let mut groups = answer.expect("groups").target_groups.expect("groups");
        groups.sort_by_key(|group| group.target_group_name.clone());
        groups
    }

    pub(crate) async fn group_arn(&self, which: usize) -> String {
        let group = self.groups().await.remove(which);
        group.target_group_arn.expect("an ARN")
    }

    pub(crate) async fn group_arns(&self) -> (String, String) {
        (self.group_arn(0).await, self.group_arn(1).await)
    }

    pub(crate) fn load_balancer(&self) -> String {
        let only = |world: &mut World| world.load_balancers().next().expect("one").arn.clone();
        self.aws.with_world(only)
    }

    pub(crate) async fn listeners(&self) -> Vec<Listener> {
        let describe = self.elb.describe_listeners();
        let describe = describe.load_balancer_arn(self.load_balancer());
        let answer = describe.send().await.expect("listeners");
        let mut listeners = answer.listeners.expect("listeners");
        listeners.sort_by_key(|listener| listener.port);
        listeners
    }

    pub(crate) async fn listener(&self) -> String {
        let listener = self.listeners().await.remove(0);
        listener.listener_arn.expect("an ARN")
    }

    /// A listener of a port that forwards to a group.
    pub(crate) fn create_listener(&self, port: i32, group: &str) -> CreateListenerFluentBuilder {
        self.elb
            .create_listener()
            .load_balancer_arn(self.load_balancer())
            .protocol(ProtocolEnum::Tcp)
            .port(port)
            .default_actions(forward(&[(group, 1)]))
    }

    /// A change of the production listener's action.
    pub(crate) async fn forwarding(&self, groups: &[(&str, i32)]) -> ModifyListenerFluentBuilder {
        let modify = self.elb.modify_listener().default_actions(forward(groups));
        modify.listener_arn(self.listener().await)
    }

    /// A request for a replacement in the alternate group, as a deployment would write it.
    pub(crate) async fn replacement(&self) -> CreateTaskSetFluentBuilder {
        self.create_task_set(&self.group_arn(ALTERNATE).await)
    }

    pub(crate) fn create_task_set(&self, group: &str) -> CreateTaskSetFluentBuilder {
        let names = &self.names;
        let vpc = AwsVpcConfiguration::builder()
            .set_subnets(Some(names.subnets.clone()))
            .set_security_groups(Some(names.security_groups.clone()));
        let network =
            NetworkConfiguration::builder().awsvpc_configuration(vpc.build().expect("a network"));
        let balancer = LoadBalancer::builder()
            .target_group_arn(group)
            .container_name(&names.container_name)
            .container_port(names.container_port.into());
        self.ecs
            .create_task_set()
            .cluster(&names.cluster)
            .service(&names.service)
            .task_definition(&names.task_definition)
            .launch_type(LaunchType::Fargate)
            .network_configuration(network.build())
            .load_balancers(balancer.build())
    }

    pub(crate) async fn create_replacement(&self) -> TaskSet {
        let answer = self.replacement().await.send().await.expect("a task set");
        answer.task_set.expect("a task set")
    }

    pub(crate) async fn service(&self) -> aws_sdk_ecs::types::Service {
        let describe = self.ecs.describe_services().cluster(&self.names.cluster);
        let answer = describe.services(&self.names.service).send().await;
        let services = answer.expect("services").services;
        services.expect("services").remove(0)
    }

    pub(crate) async fn task_sets(&self) -> Vec<TaskSet> {
        self.service().await.task_sets.unwrap_or_default()
    }

    pub(crate) async fn task_set(&self, id: &str) -> Option<TaskSet> {
        let mut sets = self.task_sets().await.into_iter();
        sets.find(|task_set| task_set.id() == Some(id))
    }

    pub(crate) async fn original(&self) -> String {
        self.task_sets().await[0].id.clone().expect("an id")
    }

    pub(crate) fn rescale(&self, id: &str, percent: f64) -> UpdateTaskSetFluentBuilder {
        let scale = Scale::builder().value(percent).unit(ScaleUnit::Percent);
        self.ecs
            .update_task_set()
            .cluster(&self.names.cluster)
            .service(&self.names.service)
            .task_set(id)
            .scale(scale.build())
    }

    pub(crate) async fn scale(&self, id: &str, percent: f64) -> TaskSet {
        let answer = self.rescale(id, percent).send().await.expect("scaled");
        answer.task_set.expect("a task set")
    }

    pub(crate) fn delete(&self, id: &str) -> DeleteTaskSetFluentBuilder {
        let delete = self.ecs.delete_task_set().cluster(&self.names.cluster);
        delete.service(&self.names.service).task_set(id)
    }

    pub(crate) async fn delete_by_force(&self, id: &str) {
        let delete = self.delete(id).force(true);
        delete.send().await.expect("deleted");
    }

    pub(crate) fn promote(&self, id: &str) -> UpdateServicePrimaryTaskSetFluentBuilder {
        let update = self.ecs.update_service_primary_task_set();
        let update = update.cluster(&self.names.cluster);
        update.service(&self.names.service).primary_task_set(id)
    }

    pub(crate) fn update_service(&self) -> UpdateServiceFluentBuilder {
        let update = self.ecs.update_service().cluster(&self.names.cluster);
        update.service(&self.names.service)
    }

    pub(crate) fn delete_service(&self) -> DeleteServiceFluentBuilder {
        let delete = self.ecs.delete_service().cluster(&self.names.cluster);
        delete.service(&self.names.service)
    }

    pub(crate) fn list_tasks(&self) -> ListTasksFluentBuilder {
        self.ecs.list_tasks().cluster(&self.names.cluster)
    }

    pub(crate) async fn pages_of_tasks(&self) -> Vec<usize> {
        let pages = self.list_tasks().into_paginator().send();
        let pages: Result<Vec<_>, _> = pages.collect().await;
        let sizes = pages.expect("pages").into_iter();
        sizes.map(|page| page.task_arns().len()).collect()
    }

    pub(crate) async fn describe_tasks(&self, arns: Option<Vec<String>>) -> DescribeTasksOutput {
        let describe = self.ecs.describe_tasks().cluster(&self.names.cluster);
        describe.set_tasks(arns).send().await.expect("described")
    }

    /// `state/reason` of each target of a group.
    pub(crate) async fn health(&self, which: usize) -> Vec<String> {
        let arn = self.group_arn(which).await;
        let describe = self.elb.describe_target_health().target_group_arn(arn);
        let answer = describe.send().await.expect("health");
        let targets = answer.target_health_descriptions().iter();
        let told = targets.map(|target| {
            let health = target.target_health().expect("health");
            let state = health.state().expect("a state").as_str();
            match health.reason() {
                Some(reason) => format!("{state}/{}", reason.as_str()),
                None => state.to_owned(),
            }
        });
        told.collect()
    }

    pub(crate) fn events(&self) -> Vec<WorldEvent> {
        self.aws.with_world(World::take_events)
    }

    /// When the first event whose sentence has all these words happened, in milliseconds.
    pub(crate) fn when(events: &[WorldEvent], words: &[&str]) -> u64 {
        let first = events.iter().find(|event| {
            let sentence = event.kind.to_string();
            words.iter().all(|word| sentence.contains(word))
        });
        let first = first.unwrap_or_else(|| panic!("nothing with {words:?} in {events:#?}"));
        first.at_ms
    }
}

pub(crate) fn forward(groups: &[(&str, i32)]) -> Action {
    let mut config = ForwardActionConfig::builder();
    for (arn, weight) in groups {
        let group = TargetGroupTuple::builder().target_group_arn(*arn);
        config = config.target_groups(group.weight(*weight).build());
    }
    let action = Action::builder().r#type(ActionTypeEnum::Forward);
    action.forward_config(config.build()).build()
}

pub(crate) fn refusal<T: std::fmt::Debug, E, R>(
    answer: Result<T, aws_sdk_ecs::error::SdkError<E, R>>,
) -> (String, String)
where
    E: aws_sdk_ecs::error::ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug,
{
    let error = answer.expect_err("a refusal");
    let meta = error.as_service_error().expect("AWS's refusal").meta();
    (
        meta.code().unwrap_or_default().to_owned(),
        meta.message().unwrap_or_default().to_owned(),
    )
}
