//! Worlds to deploy in: a service in service, and how its replacement will behave.

use serde::{Deserialize, Serialize};

use crate::world::{
    ActionRequest, ApiError, Behaviour, ContainerDefinition, ControllerType, CreateCluster,
    CreateListener, CreateService, CreateTargetGroup, CreateTaskSet, DEFAULT_START_EPOCH_MS,
    DeploymentController, Kind, Limits, NamedLoadBalancer, NetworkConfiguration, PortMapping,
    RegisterTaskDefinition, Tag, TaskSetLoadBalancer, Timings, VpcConfiguration, World,
};

/// The infrastructure was there a day before the deployment starts, and has settled since.
const SETTLING_MS: u64 = 24 * 3_600 * 1_000;

/// Tasks that a scenario may have.
const MOST_TASKS: u32 = 5_000;

/// The longest time a scenario may name.
const YEAR_MS: u64 = 365 * 24 * 3_600 * 1_000;

/// What is particular about a simulated world. Everything has a default: a service of four tasks
/// behind a Network Load Balancer whose replacement becomes healthy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Scenario {
    /// Chance: the same seed, the same world.
    pub seed: u64,
    /// The service's desired count.
    pub tasks: u32,
    /// How long things take.
    pub timings: Timings,
    /// How much AWS allows, and how long its pages are.
    pub limits: Limits,
    /// The listeners, at least one of them production.
    pub listeners: Vec<ListenerScenario>,
    /// The kind of the load balancer, where no ARN says it.
    pub load_balancer: Kind,
    /// Seconds between deregistration and SIGTERM, 0 to 3600.
    pub deregistration_delay_seconds: u64,
    /// Seconds between two health checks of a target.
    pub health_check_interval_seconds: u64,
    /// Passed checks in a row that make a target healthy.
    pub healthy_threshold: u32,
    /// Seconds from SIGTERM to SIGKILL, 30 as ECS has it by default.
    pub stop_timeout_seconds: u64,
    /// How the tasks in service behave.
    pub original: Behaviour,
    /// How the tasks of the task definition to be deployed behave.
    pub replacement: Behaviour,
    /// A service without any task set yet, its production group without a tag.
    pub first_deployment: bool,
}

/// A listener of the scenario's load balancer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ListenerScenario {
    /// The port clients connect to.
    pub port: u16,
    /// Which target group it forwards to.
    pub role: ListenerRole,
}

/// What a listener is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ListenerRole {
    /// Users reach it: it forwards to the production group.
    Production,
    /// It forwards to the alternate group.
    Test,
}

/// The names that the world must match: those of a deployment's input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The account id.
    pub account: String,
    /// The region.
    pub region: String,
    /// The cluster's name.
    pub cluster: String,
    /// The service's name.
    pub service: String,
    /// The load balancer's ARN, if it has to be a particular one.
    pub load_balancer_arn: Option<String>,
    /// The task definition to be deployed: ARN, `family:revision` or `family` (revision 2).
    pub task_definition: String,
    /// The subnets, each in a zone of its own.
    pub subnets: Vec<String>,
    /// The security groups of the tasks.
    pub security_groups: Vec<String>,
    /// The container that is a target.
    pub container_name: String,
    /// Its port.
    pub container_port: u16,
}

/// Why no world can be made.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The load balancer's ARN is not one of this account and region.
    #[error("{0} is not the ARN of a Network or Application Load Balancer in {1}, account {2}")]
    LoadBalancerArn(String, String, String),
    /// The task definition has no revision one can register.
    #[error("{0} is not a task definition: family:revision, with a revision from 1")]
    TaskDefinition(String),
    /// A time is out of all proportion.
    #[error("a scenario's times are a year at most, and its jitter is 100 percent at most")]
    TooLong,
    /// More tasks than can be simulated in a time one would wait for.
    #[error("a scenario has at most {MOST_TASKS} tasks, not {0}")]
    TooManyTasks(u32),
    /// There is no production listener.
    #[error("a scenario needs a production listener")]
    NoProductionListener,
    /// AWS would refuse it.
    #[error("the simulated AWS refuses this scenario")]
    Refused(#[from] ApiError),
    /// The tasks in service never got there.
    #[error("the original task set is not steady after a day: it can never be in service")]
    NeverSteady,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            seed: 1,
            tasks: 4,
            timings: Timings::default(),
            limits: Limits::default(),
            listeners: vec![
                ListenerScenario {
                    port: 80,
                    role: ListenerRole::Production,
                },
                ListenerScenario {
                    port: 8080,
                    role: ListenerRole::Test,
                },
            ],
            load_balancer: Kind::Network,
            deregistration_delay_seconds: 300,
            health_check_interval_seconds: 10,
            healthy_threshold: 3,
            stop_timeout_seconds: 30,
            original: Behaviour::default(),
            replacement: Behaviour::default(),
            first_deployment: false,
        }
    }
}

impl Default for Names {
    fn default() -> Self {
        Self {
            account: "555555555555".to_owned(),
            region: "us-east-1".to_owned(),
            cluster: "sample-cluster".to_owned(),
            service: "sample-service".to_owned(),
            load_balancer_arn: None,
            task_definition: "sample-app:2".to_owned(),
            subnets: vec![
                "subnet-1234567890abcdef0".to_owned(),
                "subnet-1234567890abcdef1".to_owned(),
            ],
            security_groups: vec!["sg-1234567890abcdef0".to_owned()],
            container_name: "webserver".to_owned(),
            container_port: 8080,
        }
    }
}

impl Scenario {
    /// A world at its start, with the service in service: the original task set is steady and
    /// healthy at 100 percent behind the production listener. Like after the public sample's
    /// infrastructure stack, the production group is tagged `isProduction=true` and with the
    /// `taskSetId`; no task set is primary, and no listener has a role tag.
    ///
    /// The task definition to be deployed is registered with its revision n; the original runs
    /// n − 1 where there is one.
    pub fn world_for(&self, names: &Names) -> Result<World, ScenarioError> {
        self.world_starting_at(names, DEFAULT_START_EPOCH_MS)
    }

    /// The same, with the start at `epoch_ms`, in milliseconds since the Unix epoch.
    pub fn world_starting_at(&self, names: &Names, epoch_ms: u64) -> Result<World, ScenarioError> {
        let production_port = self
            .listeners
            .iter()
            .any(|listener| listener.role == ListenerRole::Production);
        if !production_port {
            return Err(ScenarioError::NoProductionListener);
        }
        self.check_times()?;
        let settling_from = epoch_ms.saturating_sub(SETTLING_MS);
        let mut world = World::starting_at(
            &names.account,
            &names.region,
            self.timings.clone(),
            self.seed,
            settling_from,
        );
        world.limits = self.limits.clone();
        let (original, replacement) = self.register_task_definitions(&mut world, names)?;
        let groups = self.build_load_balancer(&mut world, names)?;
        self.build_service(&mut world, names)?;
        if !self.first_deployment {
            put_in_service(&mut world, names, &original, &groups.production)?;
        }
        world.advance_to(SETTLING_MS);
        let sets = world.task_sets_of(&names.cluster, &names.service);
        if sets.iter().any(|task_set| !task_set.steady) {
            return Err(ScenarioError::NeverSteady);
        }
        // With revision 1 both are the same, and only what starts from now on behaves like this.
        world.set_behaviour(&replacement, self.replacement.clone())?;
        world.begin();
        Ok(world)
    }

    /// Times beyond a year are mistakes.
    fn check_times(&self) -> Result<(), ScenarioError> {
        let behaviours = [&self.original, &self.replacement];
        let seconds = behaviours.into_iter().flat_map(|behaviour| {
            [
                Some(behaviour.slow_start_seconds),
                behaviour.crashes_after_seconds,
                behaviour.unhealthy_after_seconds,
                behaviour.exits_after_seconds,
            ]
        });
        let own = [
            Some(self.deregistration_delay_seconds),
            Some(self.health_check_interval_seconds),
            Some(self.stop_timeout_seconds),
        ];
        let longest = seconds.chain(own).flatten().max().unwrap_or_default();
        let longest_ms = longest.saturating_mul(1_000).max(self.timings.longest_ms());
        if longest_ms > YEAR_MS || self.timings.jitter_percent > 100 {
            return Err(ScenarioError::TooLong);
        }
        if self.tasks > MOST_TASKS {
            return Err(ScenarioError::TooManyTasks(self.tasks));
        }
        Ok(())
    }

    /// Registers both task definitions, and answers the ARNs of the original's and the
    /// replacement's.
    fn register_task_definitions(
        &self,
        world: &mut World,
        names: &Names,
    ) -> Result<(String, String), ScenarioError> {
        let (family, revision) = family_and_revision(&names.task_definition)?;
        let request = RegisterTaskDefinition {
            family: family.to_owned(),
            container_definitions: vec![ContainerDefinition {
                name: names.container_name.clone(),
                image: Some("public.ecr.aws/example/webserver:latest".to_owned()),
                essential: Some(true),
                port_mappings: vec![PortMapping {
                    container_port: names.container_port,
                    host_port: Some(names.container_port),
                    protocol: Some("tcp".to_owned()),
                    name: None,
                    app_protocol: None,
                }],
                stop_timeout: Some(self.stop_timeout_seconds),
                health_check: None,
                carried: std::collections::BTreeMap::new(),
            }],
            network_mode: Some("awsvpc".to_owned()),
            requires_compatibilities: vec!["FARGATE".to_owned()],
            cpu: Some("256".to_owned()),
            memory: Some("512".to_owned()),
            task_role_arn: None,
            execution_role_arn: None,
            runtime_platform: None,
            volumes: Vec::new(),
            tags: Vec::new(),
        };
        let before = revision.saturating_sub(1).max(1);
        let original = world.register_revision(&request, before)?.arn.clone();
        let replacement = world.register_revision(&request, revision)?.arn.clone();
        world.set_behaviour(&original, self.original.clone())?;
        Ok((original, replacement))
    }

    fn build_load_balancer(
        &self,
        world: &mut World,
        names: &Names,
    ) -> Result<Groups, ScenarioError> {
        let wanted = match &names.load_balancer_arn {
            Some(arn) => parse_load_balancer(arn, names)?,
            None => NamedLoadBalancer {
                kind: self.load_balancer,
                name: "sample-lb".to_owned(),
                hex: "1234567890abcdef".to_owned(),
            },
        };
        let load_balancer =
            world.put_load_balancer(&wanted, &names.subnets, &names.security_groups);
        let protocol = match wanted.kind {
            Kind::Network => "TCP",
            Kind::Application => "HTTP",
        };
        let groups = Groups {
            production: self.build_target_group(world, names, protocol, "tg-1")?,
            alternate: self.build_target_group(world, names, protocol, "tg-2")?,
        };
        for listener in &self.listeners {
            let group = match listener.role {
                ListenerRole::Production => &groups.production,
                ListenerRole::Test => &groups.alternate,
            };
            world.create_listener(&CreateListener {
                load_balancer_arn: load_balancer.clone(),
                protocol: Some(protocol.to_owned()),
                port: Some(listener.port),
                ssl_policy: None,
                certificates: Vec::new(),
                default_actions: vec![ActionRequest::forward_to(group)],
                alpn_policy: Vec::new(),
                tags: Vec::new(),
            })?;
        }
        Ok(groups)
    }

    fn build_target_group(
        &self,
        world: &mut World,
        names: &Names,
        protocol: &str,
        suffix: &str,
    ) -> Result<String, ScenarioError> {
        let stem: String = names.service.chars().take(26).collect();
        let arn = world.create_target_group(&CreateTargetGroup {
            port: Some(names.container_port),
            protocol: Some(protocol.to_owned()),
            health_check_interval_seconds: Some(self.health_check_interval_seconds),
            healthy_threshold_count: Some(self.healthy_threshold),
            ..CreateTargetGroup::ip(&format!(
                "{}-{suffix}",
                stem.trim_matches(['-', '_']).replace('_', "-")
            ))
        })?;
        let delay = self.deregistration_delay_seconds.to_string();
        world.modify_target_group_attributes(
            &arn,
            &[("deregistration_delay.timeout_seconds".to_owned(), delay)],
        )?;
        Ok(arn)
    }

    fn build_service(&self, world: &mut World, names: &Names) -> Result<(), ScenarioError> {
        world.create_cluster(&CreateCluster {
            cluster_name: Some(names.cluster.clone()),
            capacity_providers: vec!["FARGATE".to_owned(), "FARGATE_SPOT".to_owned()],
            ..CreateCluster::default()
        })?;
        world.create_service(&CreateService {
            cluster: Some(names.cluster.clone()),
            desired_count: Some(self.tasks),
            deployment_controller: Some(ControllerType {
                r#type: DeploymentController::External,
            }),
            ..CreateService::named(&names.service)
        })?;
        Ok(())
    }
}

/// The original task set, attached to the production group, which says so.
fn put_in_service(
    world: &mut World,
    names: &Names,
    task_definition: &str,
    production: &str,
) -> Result<(), ScenarioError> {
    let id = world.create_task_set(&CreateTaskSet {
        launch_type: Some("FARGATE".to_owned()),
        network_configuration: Some(NetworkConfiguration {
            awsvpc_configuration: VpcConfiguration {
                subnets: names.subnets.clone(),
                security_groups: names.security_groups.clone(),
                assign_public_ip: None,
            },
        }),
        load_balancers: vec![TaskSetLoadBalancer {
            target_group_arn: production.to_owned(),
            container_name: names.container_name.clone(),
            container_port: names.container_port,
        }],
        ..CreateTaskSet::of(&names.cluster, &names.service, task_definition)
    })?;
    let tag = |key: &str, value: &str| Tag {
        key: key.to_owned(),
        value: value.to_owned(),
    };
    world.add_elb_tags(
        &[production.to_owned()],
        &[tag("isProduction", "true"), tag("taskSetId", &id)],
    )?;
    Ok(())
}

struct Groups {
    production: String,
    alternate: String,
}

fn family_and_revision(name: &str) -> Result<(&str, u32), ScenarioError> {
    let not_one = || ScenarioError::TaskDefinition(name.to_owned());
    let short = name.rsplit('/').next().unwrap_or(name);
    let (family, revision) = match short.split_once(':') {
        None => (short, 2),
        Some((family, revision)) => (family, revision.parse().map_err(|_| not_one())?),
    };
    if family.is_empty() || revision == 0 {
        return Err(not_one());
    }
    Ok((family, revision))
}

fn parse_load_balancer(arn: &str, names: &Names) -> Result<NamedLoadBalancer, ScenarioError> {
    let prefix = format!(
        "arn:aws:elasticloadbalancing:{}:{}:loadbalancer/",
        names.region, names.account
    );
    let parts: Vec<_> = arn
        .strip_prefix(&prefix)
        .map(|place| place.split('/').collect())
        .unwrap_or_default();
    let (kind, name, hex) = match parts.as_slice() {
        ["net", name, hex] => (Kind::Network, *name, *hex),
        ["app", name, hex] => (Kind::Application, *name, *hex),
        _ => {
            return Err(ScenarioError::LoadBalancerArn(
                arn.to_owned(),
                names.region.clone(),
                names.account.clone(),
            ));
        }
    };
    Ok(NamedLoadBalancer {
        kind,
        name: name.to_owned(),
        hex: hex.to_owned(),
    })
}
