//! A service to decide about in tests: `blue` serves on listener 80, `green` is on listener 8080.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::arn::Home;
use crate::auto_scaling::Scaling;
use crate::checks::Checked;
use crate::contract::Failure;
use crate::deployment::{Answer, Deployment, Outgoing, Plan, Progress};
use crate::drain::deregistration::Deregistration;
use crate::drain::flows::Flows;
use crate::drain::pace::{Budget, OnDeadline};
use crate::hooks::Calls;
use crate::id::{ListenerArn, LoadBalancerArn, RouteArn, TargetGroupArn, TaskSetId};
use crate::identity::DeploymentId;
use crate::lock::Lock;
use crate::pauses::Gates;
use crate::phase::To;
use crate::reason::Reason;
use crate::registry::Removed;
use crate::request::Request;
use crate::shift::Shifted;
use crate::world::{
    Container, Forward, GroupSettings, HealthCheck, Launch, LoadBalancer, Network, Route, Rule,
    Service, StoppedTasks, TargetGroup, Targets, TaskDefinition, TaskSet, TaskSetLoadBalancer,
    TaskSetStatus, World,
};

/// What this deployment's task set and its swap are labelled with.
pub(crate) const OWNER: &str = "ebbtide:Ebbtide:run-1:20260101T000000Z";

/// The time of a scene that says no other, in seconds since 1970: midnight.
const START: u64 = 1_767_225_600;

const ELB: &str = "arn:aws:elasticloadbalancing:us-east-1:555555555555";

/// Behind a Network Load Balancer whose own time does not count.
pub(crate) const EVEN: Deregistration = Deregistration {
    delay: 300,
    least: 300,
    most: 300,
};

/// A budget for tasks with 2,500 connections each.
pub(crate) fn budget(reconnects: f64, deadline: u32, on_deadline: OnDeadline) -> Budget {
    Budget {
        reconnects,
        connections_per_task: Some(2_500.0),
        deadline,
        on_deadline,
    }
}

pub(crate) fn home() -> Home {
    Home {
        partition: "aws".into(),
        region: "us-east-1".into(),
        account: "555555555555".into(),
    }
}

/// The public sample's own input, from `events/`.
pub(crate) fn sample_input() -> Value {
    serde_json::from_str(include_str!("../../events/sample.json")).unwrap()
}

pub(crate) fn group_arn(name: &str) -> TargetGroupArn {
    format!("{ELB}:targetgroup/{name}/0123456789abcdef").into()
}

pub(crate) fn rule_arn(port: u16, priority: u32) -> RouteArn {
    let listener = listener_arn(port).replace(":listener/", ":listener-rule/");
    format!("{listener}/{priority:016}").into()
}

pub(crate) fn listener_arn(port: u16) -> ListenerArn {
    format!("{ELB}:listener/net/lb/0123456789abcdef/{port:016}").into()
}

fn balancer_arn() -> LoadBalancerArn {
    format!("{ELB}:loadbalancer/net/lb/0123456789abcdef").into()
}

#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) request: Request,
    pub(crate) progress: Progress,
    pub(crate) execution: String,
    pub(crate) outgoing: Outgoing,
    pub(crate) failure: Option<Failure>,
    /// Tasks that the drain began with.
    pub(crate) tasks: u32,
}

impl Scene {
    /// Four tasks serve on `blue`; nothing else is there. As the public sample leaves it.
    pub(crate) fn serving() -> Self {
        let input = json!({
            "cluster": "main", "serviceName": "web", "taskDefinition": "web:2",
            "waitForService": 60, "scaledown_decrement": 25, "scaledown_wait": 60,
        });
        let mut blue = group("blue");
        blue.is_production = Some("true".into());
        blue.task_set_id = Some("ecs-svc/1".into());
        blue.targets.healthy = 4;
        Self {
            world: World {
                service: Service {
                    status: "ACTIVE".into(),
                    deployment_controller: "EXTERNAL".into(),
                    desired_count: 4,
                    health_check_grace: 60,
                    events: Vec::new(),
                },
                task_sets: vec![task_set("ecs-svc/1", "blue")],
                load_balancer: Some(LoadBalancer::of(balancer_arn())),
                routes: vec![listener(80, "blue"), listener(8080, "green")],
                target_groups: vec![blue, group("green")],
                registry: None,
                task_definition: Some(TaskDefinition {
                    arn: "arn:aws:ecs:us-east-1:555555555555:task-definition/web:2".into(),
                    active: true,
                    network_mode: "awsvpc".into(),
                    containers: vec![Container {
                        name: "webserver".into(),
                        ports: vec![8080],
                        stop_timeout: None,
                        health_check: true,
                    }],
                }),
                stopped_tasks: StoppedTasks::default(),
                alarms: Vec::new(),
                flows: Flows::default(),
                scaling: Scaling::default(),
                order: None,
                hook_arns: None,
                turns: 0,
                now: START,
            },
            request: Request::parse(&input, &home()).unwrap(),
            progress: Progress::default(),
            execution: "run-1".into(),
            outgoing: Outgoing::Original,
            failure: None,
            tasks: 4,
        }
    }

    /// The replacement exists; none of its targets is healthy yet.
    pub(crate) fn created() -> Self {
        let mut scene = Self::serving();
        let mut replacement = task_set("ecs-svc/2", "green");
        replacement.external_id = Some(OWNER.into());
        replacement.created_at = Some(2_000);
        scene.world.task_sets.push(replacement);
        scene.group_mut("green").targets.initial = 4;
        scene.listener_mut(80).role = Some("production".into());
        scene.listener_mut(8080).role = Some("test".into());
        scene.listener_mut(80).forward = Forward::weighted(&group_arn("blue"), &group_arn("green"));
        scene
    }

    /// The replacement is steady and healthy.
    pub(crate) fn healthy() -> Self {
        let mut scene = Self::created();
        scene.group_mut("green").targets = Targets {
            healthy: 4,
            ..Targets::default()
        };
        scene
    }

    /// The production listener was moved, and nothing after it.
    pub(crate) fn committed() -> Self {
        let mut scene = Self::healthy();
        scene.group_mut("green").swap_intent = Some(OWNER.into());
        scene.listener_mut(80).forward = Forward::weighted(&group_arn("green"), &group_arn("blue"));
        scene
    }

    /// The swap is complete and the drain at its first step.
    pub(crate) fn swapped() -> Self {
        let mut scene = Self::committed();
        scene.listener_mut(8080).forward =
            Forward::weighted(&group_arn("blue"), &group_arn("green"));
        let green = scene.group_mut("green");
        green.swap_intent = None;
        green.is_production = Some("true".into());
        green.task_set_id = Some("ecs-svc/2".into());
        let blue = scene.group_mut("blue");
        blue.is_production = None;
        blue.task_set_id = None;
        scene.task_set_mut("ecs-svc/2").status = TaskSetStatus::Primary;
        scene.progress.step = 1;
        scene
    }

    /// `ecs-svc/1` on `blue` goes, and `ecs-svc/2` on `green` takes over.
    pub(crate) fn plan(&self) -> Plan {
        let (original, replacement) = match self.outgoing {
            Outgoing::Original => ("blue", "green"),
            Outgoing::Replacement | Outgoing::Leftover(_) => ("green", "blue"),
        };
        let on = |group: &str| {
            TaskSetId::from(if group == "blue" {
                "ecs-svc/1"
            } else {
                "ecs-svc/2"
            })
        };
        Plan {
            id: DeploymentId::of_execution(
                &format!(
                    "arn:aws:states:us-east-1:555555555555:execution:Ebbtide:{}",
                    self.execution
                ),
                "2026-01-01T00:00:00Z",
            )
            .unwrap(),
            request: self.request.clone(),
            original_target_group: group_arn(original),
            replacement_target_group: group_arn(replacement),
            original: Some(on(original)),
            replacement: match self.outgoing {
                Outgoing::Original | Outgoing::Replacement => Some(on(replacement)),
                Outgoing::Leftover(_) => None,
            },
            routes: vec![RouteArn::from(listener_arn(80).as_str())],
            outgoing: self.outgoing.clone(),
            tasks: self.tasks,
            desired: self.tasks,
            swapped: None,
            paused: 0,
            passed: Gates::default(),
            calls: Calls::default(),
            shifted: Shifted::default(),
            paced: 0,
            replanned: None,
            checked: Checked::default(),
            removed: Removed::default(),
            finishing: false,
            failure: self.failure.clone(),
        }
    }

    pub(crate) fn deployment(&self) -> Deployment {
        Deployment {
            plan: self.plan(),
            progress: self.progress,
            lock: Lock::of(&self.request),
        }
    }

    /// A turn that has nothing to do but wait.
    pub(crate) fn answer(&self) -> Answer {
        Answer {
            to: To::Wait,
            reason: Reason::Busy { wait: 60 },
            wait: 60,
            plan: self.plan(),
            progress: self.progress,
            heard: None,
            tidy: Vec::new(),
        }
    }

    /// The state that it leads to.
    pub(crate) fn state(&self) -> Value {
        self.answer().to_json(&Lock::of(&self.request))
    }

    /// What goes was left by an earlier deployment.
    pub(crate) fn leftover() -> Outgoing {
        Outgoing::Leftover(Some("ecs-svc/1".into()))
    }

    /// What went wrong, by its name.
    pub(crate) fn failed(mut self, error: &str) -> Self {
        self.failure = Some(Failure {
            error: error.into(),
            cause: "It went wrong.".into(),
        });
        self
    }

    pub(crate) fn group_mut(&mut self, name: &str) -> &mut TargetGroup {
        let groups = &mut self.world.target_groups;
        groups.iter_mut().find(|group| group.name == name).unwrap()
    }

    /// The default action of a listener.
    pub(crate) fn listener_mut(&mut self, port: u16) -> &mut Route {
        let mut routes = self.world.routes.iter_mut();
        routes
            .find(|route| route.port == port && route.rule.is_none())
            .unwrap()
    }

    /// A rule of a listener; one that is not there yet forwards as the default action does.
    pub(crate) fn rule_mut(&mut self, port: u16, priority: u32) -> &mut Route {
        let is_it = |route: &Route| {
            let rule = route.rule.as_ref();
            route.port == port && rule.is_some_and(|rule| rule.priority == priority)
        };
        let known = self.world.routes.iter().position(is_it);
        let at = known.unwrap_or_else(|| {
            let mut new = self.listener_mut(port).clone();
            new.arn = rule_arn(port, priority);
            new.rule = Some(Rule {
                priority,
                conditions: Vec::new(),
            });
            new.role = None;
            self.world.routes.push(new);
            self.world.routes.len() - 1
        });
        &mut self.world.routes[at]
    }

    pub(crate) fn task_set_mut(&mut self, id: &str) -> &mut TaskSet {
        let task_sets = &mut self.world.task_sets;
        task_sets.iter_mut().find(|set| *set.id == *id).unwrap()
    }

    /// A task set is gone.
    pub(crate) fn remove(&mut self, id: &str) {
        self.world.task_sets.retain(|set| *set.id != *id);
    }

    pub(crate) fn add_group(&mut self, name: &str) {
        self.world.target_groups.push(group(name));
    }
}

fn group(name: &str) -> TargetGroup {
    TargetGroup {
        arn: group_arn(name),
        name: name.into(),
        load_balancer: Some(balancer_arn()),
        is_production: None,
        service: None,
        service_name: None,
        task_set_id: None,
        swap_intent: None,
        deregistration_delay: 30,
        settings: settings(),
        targets: Targets::default(),
        strays: Vec::new(),
    }
}

/// Those of a group that has no findings.
fn settings() -> GroupSettings {
    GroupSettings {
        target_type: "ip".to_owned(),
        protocol: "TCP".to_owned(),
        health_check: HealthCheck {
            protocol: "HTTP".to_owned(),
            interval: 10,
            healthy_threshold: 3,
            unhealthy_threshold: 3,
            ..HealthCheck::default()
        },
        ..GroupSettings::default()
    }
}

fn listener(port: u16, group: &str) -> Route {
    Route {
        arn: RouteArn::from(listener_arn(port).as_str()),
        listener: listener_arn(port),
        port,
        protocol: "TCP".into(),
        rule: None,
        forward: Forward::to(&group_arn(group)),
        unknown: None,
        authenticates: false,
        sticky: None,
        role: None,
        created: None,
        stack: None,
    }
}

fn task_set(id: &str, group: &str) -> TaskSet {
    TaskSet {
        id: id.into(),
        status: TaskSetStatus::Active,
        task_definition: "arn:aws:ecs:us-east-1:555555555555:task-definition/web:1".into(),
        external_id: None,
        scale: 100.0,
        computed_desired_count: 4,
        running_count: 4,
        pending_count: 0,
        steady: true,
        load_balancers: vec![TaskSetLoadBalancer {
            target_group: group_arn(group),
            container_name: Some("webserver".into()),
            container_port: Some(8080),
        }],
        network: Some(Network {
            subnets: vec!["subnet-0".into()],
            security_groups: vec!["sg-0".into()],
            assign_public_ip: false,
        }),
        launch: Some(Launch::Type("FARGATE".into())),
        platform_version: Some("1.4.0".into()),
        created_at: Some(1_000),
        updated_at: Some(1_000),
        service_registries: Vec::new(),
        tags: BTreeMap::new(),
    }
}
