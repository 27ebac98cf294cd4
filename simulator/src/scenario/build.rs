//! From a scenario to its world.

use std::collections::BTreeMap;

use ebbtide_controller::clock::millis;
use ebbtide_controller::command::is_by;

use super::routes::{Place, Route};
use super::{
    ListenerRole, ListenerScenario, MOST_TASKS, Names, Scenario, ScenarioError, TargetType,
};
use crate::world::{
    ContainerDefinition, ControllerType, CreateCluster, CreateService, CreateTargetGroup,
    CreateTaskSet, DEFAULT_START_EPOCH_MS, DeploymentController, Kind, NamedLoadBalancer,
    NetworkConfiguration, PortMapping, RegisterTaskDefinition, ServiceRegistry, Tag,
    TaskSetLoadBalancer, UpdateServicePrimaryTaskSet, VpcConfiguration, World, arn,
};

/// The infrastructure is a day old when the deployment starts, and has settled.
const SETTLING_MS: u64 = 24 * 3_600 * 1_000;

/// The longest time a scenario may name.
const YEAR_MS: u64 = 365 * 24 * 3_600 * 1_000;

/// What was built for one service.
struct Built {
    /// The ARN of the task definition to be deployed.
    replacement: String,
    /// The ARNs of the production routes.
    routes: Vec<String>,
    registry: Option<ServiceRegistry>,
}

/// The name of the load balancer of a service that names none.
fn unused_name(world: &World, names: &Names) -> String {
    const FIRST: &str = "sample-lb";
    if world.load_balancers().all(|known| known.name != FIRST) {
        return FIRST.to_owned();
    }
    // A name has 32 characters at most.
    let service: String = names.service.chars().take(29).collect();
    let is_taken = |name: &str| world.load_balancers().any(|known| known.name == name);
    unused(&service, |stem| format!("{stem}-lb"), is_taken)
}

/// A name made of a stem, which ends in a number where others have it: long names are cut.
fn unused(stem: &str, name: impl Fn(&str) -> String, is_taken: impl Fn(&str) -> bool) -> String {
    let mut wanted = name(stem);
    let mut number = 2;
    while is_taken(&wanted) {
        let rest = stem.chars().count().saturating_sub(3);
        let cut: String = stem.chars().take(rest).collect();
        wanted = name(&format!("{}-{number}", cut.trim_end_matches('-')));
        number += 1;
    }
    wanted
}

fn services_starting_at(
    services: &[(&Scenario, &Names)],
    epoch_ms: u64,
) -> Result<World, ScenarioError> {
    let Some((first, of_first)) = services.first() else {
        return Err(ScenarioError::NoService);
    };
    for (scenario, _) in services {
        scenario.check()?;
    }
    let mut world = World::starting_at(
        &of_first.account,
        &of_first.region,
        first.timings.clone(),
        first.seed,
        epoch_ms.saturating_sub(SETTLING_MS),
    );
    world.limits = first.limits.clone();
    world.counts_deregistering = first.counts_deregistering;
    let mut all = Vec::new();
    for (scenario, names) in services {
        let names = Names {
            container_port: scenario.container_port.unwrap_or(names.container_port),
            ..(*names).clone()
        };
        let built = scenario.build(&mut world, &names)?;
        all.push((scenario, names, built));
    }
    world.advance_to(SETTLING_MS);
    for (_, names, _) in &all {
        let sets = world.task_sets_of(&names.cluster, &names.service);
        if sets.iter().any(|task_set| !task_set.steady) {
            return Err(ScenarioError::NeverSteady);
        }
    }
    for (scenario, _, built) in &all {
        // With revision 1 both are the same, and only what starts from now on behaves like this.
        world.set_behaviour(&built.replacement, scenario.replacement.clone())?;
    }
    world.begin();
    for (scenario, names, built) in &all {
        scenario.begin(&mut world, names, built)?;
    }
    Ok(world)
}

impl Names {
    /// A task set of the task definition to be deployed, on a target group, as a deployment creates it.
    pub fn task_set(&self, target_group: &str) -> CreateTaskSet {
        self.task_set_in(Some(target_group), None)
    }

    /// The same, on a target group, in a registry, or both. With a registry it has an external id.
    pub fn task_set_in(
        &self,
        target_group: Option<&str>,
        registry: Option<&ServiceRegistry>,
    ) -> CreateTaskSet {
        let attached = target_group.map(|target_group| TaskSetLoadBalancer {
            target_group_arn: target_group.to_owned(),
            container_name: self.container_name.clone(),
            container_port: self.container_port,
        });
        CreateTaskSet {
            cluster: self.cluster.clone(),
            service: self.service.clone(),
            task_definition: self.task_definition.clone(),
            external_id: registry.map(|_| format!("{}-1", self.service)),
            launch_type: Some("FARGATE".to_owned()),
            network_configuration: Some(NetworkConfiguration {
                awsvpc_configuration: VpcConfiguration {
                    subnets: self.subnets.clone(),
                    security_groups: self.security_groups.clone(),
                    assign_public_ip: None,
                },
            }),
            load_balancers: attached.into_iter().collect(),
            service_registries: registry.into_iter().cloned().collect(),
            ..CreateTaskSet::default()
        }
    }
}

impl Scenario {
    /// The world for [`Names::default`]: the one service that tests and benches share.
    pub fn world(&self) -> Result<World, ScenarioError> {
        self.world_for(&Names::default())
    }

    /// A world at its start, with the service in service: the original task set is steady and
    /// healthy at 100 percent behind the production listener. Like after the public sample's
    /// infrastructure stack, the production group is tagged `isProduction=true` and with the
    /// `taskSetId`; no task set is primary, and no listener has a role tag.
    ///
    /// The task definition to be deployed is registered with its revision n; the original runs
    /// n − 1 where there is one.
    pub fn world_for(&self, names: &Names) -> Result<World, ScenarioError> {
        self.world_starting_at(names, self.start()?)
    }

    fn start(&self) -> Result<u64, ScenarioError> {
        let Some(time) = &self.starts_at else {
            return Ok(DEFAULT_START_EPOCH_MS);
        };
        millis(time).ok_or_else(|| ScenarioError::StartsAt(time.clone()))
    }

    /// The same, with the start at `epoch_ms`, in milliseconds since the Unix epoch.
    pub fn world_starting_at(&self, names: &Names, epoch_ms: u64) -> Result<World, ScenarioError> {
        services_starting_at(&[(self, names)], epoch_ms)
    }

    /// A world with several services, each by its own scenario, in the account and region of the first. It has the
    /// first one's timings, seed, limits and start. Each service has a load balancer of its own, unless its names say
    /// which.
    pub fn world_of_services(services: &[(&Self, &Names)]) -> Result<World, ScenarioError> {
        let (first, _) = services.first().ok_or(ScenarioError::NoService)?;
        services_starting_at(services, first.start()?)
    }

    fn check(&self) -> Result<(), ScenarioError> {
        let of_rules = |listener: &ListenerScenario| {
            let mut rules = listener.rules.iter();
            rules.any(|rule| rule.role == ListenerRole::Production)
        };
        let is_production =
            |one: &ListenerScenario| one.role == ListenerRole::Production || of_rules(one);
        let has_load_balancer = self.has_load_balancer();
        if has_load_balancer && !self.listeners.iter().any(is_production) {
            return Err(ScenarioError::NoProductionListener);
        }
        if self.clients.is_some() && !has_load_balancer {
            return Err(ScenarioError::ClientsOfNone);
        }
        self.check_times()
    }

    /// The service with its infrastructure, and its original task set.
    fn build(&self, world: &mut World, names: &Names) -> Result<Built, ScenarioError> {
        let (original, replacement) = self.register_task_definitions(world, names)?;
        let built = self
            .has_load_balancer()
            .then(|| self.build_load_balancer(world, names));
        let (production, routes) = built.transpose()?.unzip();
        let registry = self.build_registry(world, names)?;
        self.build_service(world, names)?;
        if !self.first_deployment {
            let request = CreateTaskSet {
                task_definition: original,
                ..names.task_set_in(production.as_deref(), registry.as_ref())
            };
            put_in_service(world, request, &self.tags)?;
        }
        if let Some(stack) = &self.stack {
            world.tag_as_of_stack(stack);
        }
        Ok(Built {
            replacement,
            routes: routes.unwrap_or_default(),
            registry,
        })
    }

    /// What happens from the start on.
    fn begin(&self, world: &mut World, names: &Names, built: &Built) -> Result<(), ScenarioError> {
        self.set_alarms(world)?;
        for hook in &self.hooks {
            world.put_function(&hook.function, hook.answers.clone());
        }
        world.hook_arns.clone_from(&self.hook_arns);
        if let Some(clients) = &self.clients {
            world.connect_clients(clients, &built.routes)?;
        }
        self.scale_by_itself(world, names)?;
        self.connect_callers(world, built.registry.as_ref())
    }

    fn set_alarms(&self, world: &mut World) -> Result<(), ScenarioError> {
        for alarm in &self.alarms {
            if world.alarm(&alarm.name).is_some() {
                return Err(ScenarioError::AlarmTwice(alarm.name.clone()));
            }
            world.put_alarm(&alarm.name, alarm.r#type, alarm.state)?;
            for change in &alarm.changes {
                world.change_alarm_in(change.after_seconds * 1_000, &alarm.name, change.state);
            }
        }
        Ok(())
    }

    /// Times beyond a year are mistakes.
    fn check_times(&self) -> Result<(), ScenarioError> {
        let mut times = vec![
            self.deregistration_delay_seconds,
            self.health_check_interval_seconds,
            self.stop_timeout_seconds,
            self.health_check_grace_period_seconds,
        ];
        for behaviour in [&self.original, &self.replacement] {
            times.push(behaviour.slow_start_seconds);
            times.extend(behaviour.crashes_after_seconds);
            times.extend(behaviour.unhealthy_after_seconds);
            times.extend(behaviour.exits_after_seconds);
        }
        let changes = self.alarms.iter().flat_map(|alarm| &alarm.changes);
        times.extend(changes.map(|change| change.after_seconds));
        let answers = self.hooks.iter().flat_map(|hook| &hook.answers);
        times.extend(answers.map(|answer| answer.takes_seconds));
        times.extend(self.commands.iter().map(|command| command.after_seconds));
        let clients = self.clients.iter();
        times.extend(clients.map(|clients| clients.metrics_stop_after_seconds));
        let longest = times.into_iter().max().unwrap_or_default();
        let longest_ms = longest.saturating_mul(1_000).max(self.timings.longest_ms());
        if longest_ms > YEAR_MS || self.timings.jitter_percent > 100 {
            return Err(ScenarioError::TooLong);
        }
        for (number, command) in self.commands.iter().enumerate() {
            let of = |error| ScenarioError::Command(number, Box::new(error));
            command.read().map_err(of)?;
        }
        if let Some(command) = self.commands.iter().find(|command| !is_by(&command.by)) {
            return Err(ScenarioError::By(command.by.clone()));
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
                    ..PortMapping::default()
                }],
                stop_timeout: Some(self.stop_timeout_seconds),
                health_check: self.container_health_check(),
                ..ContainerDefinition::default()
            }],
            network_mode: Some("awsvpc".to_owned()),
            requires_compatibilities: vec!["FARGATE".to_owned()],
            cpu: Some("256".to_owned()),
            memory: Some("512".to_owned()),
            ..RegisterTaskDefinition::default()
        };
        let before = revision.saturating_sub(1).max(1);
        let original = world.register_revision(&request, before)?.arn.clone();
        let replacement = world.register_revision(&request, revision)?.arn.clone();
        world.set_behaviour(&original, self.original.clone())?;
        Ok((original, replacement))
    }

    /// The load balancer with both target groups; answers the ARNs of the production group and of the
    /// production routes.
    fn build_load_balancer(
        &self,
        world: &mut World,
        names: &Names,
    ) -> Result<(String, Vec<String>), ScenarioError> {
        let routes = self.routes_for(names);
        let of_listener = routes.iter().find_map(Route::load_balancer);
        let wanted = match names.load_balancer_arn.as_ref().or(of_listener.as_ref()) {
            Some(arn) => parse_load_balancer(arn, names)?,
            None => NamedLoadBalancer {
                kind: self.load_balancer,
                name: unused_name(world, names),
                hex: "1234567890abcdef".to_owned(),
            },
        };
        let load_balancer =
            world.put_load_balancer(&wanted, &names.subnets, &names.security_groups);
        let attributes: Vec<_> = self.load_balancer_attributes.clone().into_iter().collect();
        world.modify_load_balancer_attributes(&load_balancer, &attributes)?;
        let protocol = match wanted.kind {
            Kind::Network => "TCP",
            Kind::Application => "HTTP",
        };
        let mut build = |place, target_type| {
            self.build_target_group(world, names, protocol, (place, target_type))
        };
        let production = build(0, TargetType::Ip)?;
        let alternate = build(1, self.alternate_target_type)?;
        let place = Place {
            load_balancer: &load_balancer,
            kind: wanted.kind,
            groups: [&production, &alternate],
        };
        let routes = place.put_listeners(world, routes)?;
        Ok((production, routes))
    }

    fn build_target_group(
        &self,
        world: &mut World,
        names: &Names,
        protocol: &str,
        (place, target_type): (usize, TargetType),
    ) -> Result<String, ScenarioError> {
        // No two hyphens in a row.
        let words = names
            .service
            .split(['-', '_'])
            .filter(|word| !word.is_empty());
        let stem: String = words.collect::<Vec<_>>().join("-");
        let stem: String = stem.chars().take(26).collect();
        let stem = stem.trim_end_matches('-');
        let given = names.target_groups.as_ref().map(|groups| &groups[place]);
        let given = given
            .map(|arn| parse_target_group(arn, names))
            .transpose()?;
        let (name, hex) = if let Some((name, hex)) = given {
            (name.to_owned(), Some(hex))
        } else {
            let name = |stem: &str| format!("{stem}-tg-{}", place + 1);
            let is_taken = |name: &str| world.target_groups().any(|known| known.name == name);
            (unused(stem, name, is_taken), None)
        };
        let target_type = match target_type {
            TargetType::Ip => "ip",
            TargetType::Instance => "instance",
        };
        let request = CreateTargetGroup {
            port: Some(names.container_port),
            protocol: Some(protocol.to_owned()),
            health_check_interval_seconds: Some(self.health_check_interval_seconds),
            // The default is too long for a shorter interval.
            health_check_timeout_seconds: (self.health_check_interval_seconds < 10)
                .then(|| self.health_check_interval_seconds.saturating_sub(1)),
            healthy_threshold_count: Some(self.healthy_threshold),
            target_type: Some(target_type.to_owned()),
            ..CreateTargetGroup::ip(&name)
        };
        let arn = match hex {
            Some(hex) => world.put_target_group(&request, hex)?,
            None => world.create_target_group(&request)?,
        };
        let delay = self.deregistration_delay_seconds.to_string();
        let delay = ("deregistration_delay.timeout_seconds".to_owned(), delay);
        let mut attributes = vec![delay];
        attributes.extend(self.target_group_attributes.clone());
        world.modify_target_group_attributes(&arn, &attributes)?;
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
            health_check_grace_period_seconds: Some(self.health_check_grace_period_seconds),
            deployment_controller: Some(ControllerType {
                r#type: DeploymentController::External,
            }),
            ..CreateService::named(&names.service)
        })?;
        Ok(())
    }
}

/// The original task set: attached to the production group, which says so; with a registry alone it is primary.
fn put_in_service(
    world: &mut World,
    request: CreateTaskSet,
    tags: &BTreeMap<String, String>,
) -> Result<(), ScenarioError> {
    let tag = |key: &str, value: &str| Tag {
        key: key.to_owned(),
        value: value.to_owned(),
    };
    let (cluster, service) = (request.cluster.clone(), request.service.clone());
    let production = request.load_balancers.first();
    let production = production.map(|attached| attached.target_group_arn.clone());
    // The account's policies do not apply to what already exists.
    let demanded = std::mem::take(&mut world.limits.required_tags);
    let id = world.create_task_set(&CreateTaskSet {
        tags: tags.iter().map(|(key, value)| tag(key, value)).collect(),
        ..request
    })?;
    world.limits.required_tags = demanded;
    let Some(production) = production else {
        world.update_service_primary_task_set(&UpdateServicePrimaryTaskSet {
            cluster,
            service,
            primary_task_set: id,
        })?;
        return Ok(());
    };
    let tags = [tag("isProduction", "true"), tag("taskSetId", &id)];
    world.add_elb_tags(&[production], &tags)?;
    Ok(())
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

/// The name and the number in a target group's ARN.
fn parse_target_group<'a>(
    given: &'a str,
    names: &Names,
) -> Result<(&'a str, &'a str), ScenarioError> {
    let (region, account) = (&names.region, &names.account);
    let prefix = arn("elasticloadbalancing", region, account, "targetgroup/");
    let place = given.strip_prefix(&prefix).unwrap_or_default();
    place.split_once('/').ok_or_else(|| {
        ScenarioError::TargetGroupArn(given.to_owned(), region.clone(), account.clone())
    })
}

fn parse_load_balancer(given: &str, names: &Names) -> Result<NamedLoadBalancer, ScenarioError> {
    let (region, account) = (&names.region, &names.account);
    let prefix = arn("elasticloadbalancing", region, account, "loadbalancer/");
    let place = given.strip_prefix(&prefix).unwrap_or_default();
    let parts: Vec<_> = place.split('/').collect();
    let (kind, name, hex) = match parts[..] {
        ["net", name, hex] => (Kind::Network, name, hex),
        ["app", name, hex] => (Kind::Application, name, hex),
        _ => {
            let (given, region, account) = (given.to_owned(), region.clone(), account.clone());
            return Err(ScenarioError::LoadBalancerArn(given, region, account));
        }
    };
    Ok(NamedLoadBalancer {
        kind,
        name: name.to_owned(),
        hex: hex.to_owned(),
    })
}
