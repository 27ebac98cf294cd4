//! One observation of the world: everything that a turn needs.

use ebbtide_controller::arn::is_of_a_registry;
use ebbtide_controller::arn::short;
use ebbtide_controller::auto_scaling::{Scaling, Suspended};
use ebbtide_controller::checks;
use ebbtide_controller::deployment::{Outgoing, Plan};
use ebbtide_controller::flows::{self, Flows, Query};
use ebbtide_controller::id::{
    ListenerArn, LoadBalancerArn, RegistryArn, TargetGroupArn, TaskSetId,
};
use ebbtide_controller::phase::Phase;
use ebbtide_controller::ready::HEALTHY;
use ebbtide_controller::request::{AutoScaling, Request};
use ebbtide_controller::routing;
use ebbtide_controller::world::{
    Alarm, AlarmState, DeploymentController, Instance, InstanceHealth, LoadBalancer, Registry,
    Route, Service, ServiceStatus, StoppedTasks, TargetGroup, TaskDefinition, TaskSet, World,
};
use futures_util::future::try_join_all;
use tokio::{join, try_join};

use crate::clients::Clients;
use crate::error::StepError;
use crate::observe_details::Details;
use crate::{
    observe_cloudwatch, observe_ecs, observe_elb, observe_registry, observe_routes,
    observe_settings, scaling,
};

/// Names of what there is to read. What is known by name is read at once, and what else is listed after
/// that: where nothing has come or gone since the last observation, this one is a single round of calls.
///
/// They prove nothing (rule R1): each observation lists what exists, and reads all of it again.
#[derive(Debug, Default)]
pub(crate) struct Names {
    task_sets: Vec<TaskSetId>,
    listeners: Vec<ListenerArn>,
    target_groups: Vec<TargetGroupArn>,
    /// Target groups that no listener uses: AWS does not count them among a load balancer's.
    unused: Vec<TargetGroupArn>,
    /// The two of the service.
    own: Vec<TargetGroupArn>,
    /// The registry that clients find the service in.
    registry: Option<RegistryArn>,
}

impl Names {
    /// What a plan names.
    pub(crate) fn of(plan: &Plan) -> Self {
        let own = [&plan.original_target_group, &plan.replacement_target_group];
        let own = own.into_iter().filter(|arn| !is_of_a_registry(arn));
        let mut routes = plan.routes.iter();
        let registry = routes.find(|arn| is_of_a_registry(arn));
        Self {
            own: own.cloned().collect(),
            registry: registry.map(|arn| RegistryArn::from(arn.as_str())),
            ..Self::default()
        }
    }
}

/// Reads the service, its task sets and its load balancer, and what CloudWatch says; `None` where the
/// cluster has no such service. `now` is in seconds since 1970. `known` is brought up to date.
///
/// Calls that do not need one another's answers are made at once. The task definition is read only where
/// a task set may be created from it, stopped tasks only where their reasons may be asked for, alarms and
/// metrics only if a step uses them, so that no function makes a call that it does not need. What
/// only findings rest on (the load balancer's zones and its settings) is read by preflight alone. The target groups that a deployment names are read whether a listener uses
/// them or not.
pub(crate) async fn observe(
    clients: &Clients,
    phase: Phase,
    request: &Request,
    plan: Option<&Plan>,
    now: u64,
    known: &mut Names,
) -> Result<Option<World>, StepError> {
    let (cluster, mut balanced, mut registry, task_definition, target, alarms, mut flows) = try_join!(
        task_sets(clients, phase, request, plan, known),
        balancer(clients, phase, request.load_balancer.as_ref(), known),
        registered(clients, known.registry.as_ref()),
        task_definition(clients, phase, request, plan),
        scalable_target(clients, phase, request, plan),
        alarms(clients, phase, plan),
        async { Ok(metrics(clients, phase, plan, now).await) },
    )?;
    let Cluster {
        service,
        task_sets,
        stopped_tasks,
        load_balancer,
    } = cluster;
    if request.load_balancer.is_none() {
        balanced = Box::pin(balancer(clients, phase, load_balancer.as_ref(), known)).await?;
    }
    let in_registry = observe_registry::of(&task_sets, request);
    if in_registry != known.registry {
        registry = registered(clients, in_registry.as_ref()).await?;
        known.registry = in_registry;
    }
    let Balanced {
        load_balancer,
        defaults,
        mut target_groups,
        mut unused,
        mut details,
    } = balanced;
    if phase == Phase::Preflight {
        let arn = load_balancer.as_ref().map(|balancer| &balancer.arn);
        let queries = before(request, &task_sets, arn);
        let span = (now.saturating_sub(flows::SPAN), now);
        flows = observe_cloudwatch::flows(&clients.cloudwatch, &queries, span).await;
    }
    // In the middle of a swap that replaces groups, one of them is in no listener: its task set or the
    // deployment still names it.
    let named = named_by(&task_sets, plan, target_groups.iter().chain(&unused));
    if load_balancer.is_some() {
        unused.extend(observe_elb::target_groups_by_arn(&clients.elb, &named).await?);
    }
    known.task_sets = task_sets.iter().map(|set| set.id.clone()).collect();
    known.unused = arns(&unused);
    target_groups.extend(unused);
    target_groups.sort_by(|a, b| a.name.cmp(&b.name));
    known.target_groups = arns(&target_groups);
    known.listeners = listeners(&defaults);
    details
        .read(clients, &known.listeners, &texts(&known.target_groups), &[])
        .await?;
    let mut routes = details.routes(defaults);
    details.put_into(&mut routes, &mut target_groups);
    // Health and attributes of this service's two groups, and tags of the rules to them, only: a load balancer
    // may have a hundred of each.
    let own = routing::candidates(&task_sets, &target_groups, request);
    known.own = if own.len() == 2 {
        arns(own)
    } else {
        Vec::new()
    };
    let rules = routes.iter().filter(|route| is_own(route, &known.own));
    let rules: Vec<_> = rules.map(|rule| rule.arn.as_str()).collect();
    details.read(clients, &[], &rules, &known.own).await?;
    details.put_into(&mut routes, &mut target_groups);
    details.put_health_into(&mut target_groups, &known.own);
    if minds_strays(phase, plan) {
        let own = target_groups.iter_mut();
        for group in own.filter(|group| known.own.contains(&group.arn)) {
            let sets = task_sets
                .iter()
                .filter(|set| set.is_attached_to(&group.arn));
            let ids = sets.clone().map(|set| &set.id);
            let tasks = sets.map(TaskSet::tasks).sum::<u32>();
            // Targets of instances have the instance's id, which is not in the description of a task.
            if group.targets.registered() > tasks && group.settings.target_type == "ip" {
                let reads = ids.map(|id| observe_ecs::addresses(&clients.ecs, request, id));
                let owned = try_join_all(reads).await?.concat();
                group.strays = details.strays(&group.arn, &owned);
            }
        }
    }
    Ok(service.map(|service| World {
        service,
        task_sets,
        load_balancer,
        routes,
        target_groups,
        registry,
        task_definition,
        stopped_tasks,
        alarms,
        flows,
        scaling: Scaling { target, hold: None },
        order: None,
        hook_arns: clients.hook_arns.clone(),
        turns: 0,
        now,
    }))
}

/// What preflight asks CloudWatch for.
fn before(
    request: &Request,
    task_sets: &[TaskSet],
    balancer: Option<&LoadBalancerArn>,
) -> Vec<Query> {
    let mut queries = checks::before(request, task_sets, balancer);
    if let Some(balancer) = balancer {
        queries.extend(flows::before(request, balancer));
    }
    queries
}

fn texts(arns: &[TargetGroupArn]) -> Vec<&str> {
    arns.iter().map(TargetGroupArn::as_str).collect()
}

fn listeners(defaults: &[Route]) -> Vec<ListenerArn> {
    defaults
        .iter()
        .map(|route| route.listener.clone())
        .collect()
}

/// Whether a route is a rule that names one of these groups.
fn is_own(route: &Route, own: &[TargetGroupArn]) -> bool {
    route.rule.is_some() && own.iter().any(|group| route.forward.names(group))
}

fn arns<'a>(groups: impl IntoIterator<Item = &'a TargetGroup>) -> Vec<TargetGroupArn> {
    groups.into_iter().map(|group| group.arn.clone()).collect()
}

/// What ECS says.
struct Cluster {
    service: Option<Service>,
    task_sets: Vec<TaskSet>,
    stopped_tasks: StoppedTasks,
    /// The load balancer that the task sets name, where the request names none.
    load_balancer: Option<LoadBalancerArn>,
}

async fn task_sets(
    clients: &Clients,
    phase: Phase,
    request: &Request,
    plan: Option<&Plan>,
    known: &Names,
) -> Result<Cluster, StepError> {
    let ecs = &clients.ecs;
    // A replacement takes them over.
    let with_tags = may_create(phase, plan);
    let described = |ids| observe_ecs::task_sets(ecs, request, ids, with_tags);
    // Before the swap, and in a shift, all of the replacement's that failed, and those since while it drains the
    // original.
    let failures = plan.filter(|plan| match phase {
        Phase::CheckAndCreate => true,
        Phase::Swap | Phase::ScaleDown => plan.goes_forward() && serves(plan),
        Phase::Preflight | Phase::Cleanup | Phase::Rollback => false,
    });
    let replacement = failures.and_then(|plan| Some((plan.replacement.as_ref()?, plan.swapped)));
    let (listed, at_once, stopped_tasks) = join!(
        observe_ecs::service(ecs, request),
        described(&known.task_sets),
        async {
            match replacement {
                Some((id, since)) => observe_ecs::stopped_tasks(ecs, request, id)
                    .await
                    .map(|tasks| StoppedTasks::of(tasks, since)),
                None => Ok(StoppedTasks::default()),
            }
        },
    );
    let (service, listed) = listed?;
    // ECS refuses to describe the task sets of any other service; preflight's refusal is clearer.
    let has_task_sets = service.as_ref().is_some_and(|service| {
        service.status == ServiceStatus::Active
            && service.deployment_controller == DeploymentController::External
    });
    if !has_task_sets {
        return Ok(Cluster {
            service,
            task_sets: Vec::new(),
            stopped_tasks: StoppedTasks::default(),
            load_balancer: None,
        });
    }
    let ids: Vec<_> = listed.iter().map(|set| set.id.clone()).collect();
    let others = without(&ids, &known.task_sets);
    let load_balancer = async {
        match request.load_balancer {
            Some(_) => Ok(None),
            None => observe_elb::load_balancer_of(&clients.elb, &listed).await,
        }
    };
    let (others, load_balancer) = try_join!(described(&others), load_balancer)?;
    let mut task_sets = at_once?;
    task_sets.extend(others);
    task_sets.retain(|set| ids.contains(&set.id));
    task_sets.sort_by_key(|set| ids.iter().position(|id| *id == set.id));
    Ok(Cluster {
        service,
        task_sets,
        stopped_tasks: stopped_tasks?,
        load_balancer,
    })
}

/// Whether targets that no task owns are read: to name them, and to roll back in spite of them.
fn minds_strays(phase: Phase, plan: Option<&Plan>) -> bool {
    match phase {
        Phase::Preflight | Phase::Rollback => true,
        Phase::Swap => plan.is_some_and(|plan| plan.outgoing == Outgoing::Replacement),
        Phase::CheckAndCreate | Phase::ScaleDown | Phase::Cleanup => false,
    }
}

/// Those that are not among others.
fn without<T: Clone + PartialEq>(all: &[T], others: &[T]) -> Vec<T> {
    let rest = all.iter().filter(|one| !others.contains(one));
    rest.cloned().collect()
}

/// What Elastic Load Balancing says of one load balancer.
#[derive(Default)]
struct Balanced {
    load_balancer: Option<LoadBalancer>,
    /// The default action of each listener.
    defaults: Vec<Route>,
    target_groups: Vec<TargetGroup>,
    /// Target groups that are known by name and that no listener uses.
    unused: Vec<TargetGroup>,
    details: Details,
}

async fn balancer(
    clients: &Clients,
    phase: Phase,
    arn: Option<&LoadBalancerArn>,
    known: &Names,
) -> Result<Balanced, StepError> {
    let Some(arn) = arn else {
        return Ok(Balanced::default());
    };
    let elb = &clients.elb;
    let mut details = Details::default();
    let tagged = texts(&known.target_groups);
    let (defaults, target_groups, mut unused, load_balancer, ()) = try_join!(
        observe_routes::listeners(clients, arn),
        observe_elb::target_groups(elb, arn),
        observe_elb::target_groups_by_arn(elb, &known.unused),
        async {
            Ok(if phase == Phase::Preflight {
                observe_settings::load_balancer(elb, arn).await
            } else {
                LoadBalancer::of(arn.clone())
            })
        },
        details.read(clients, &known.listeners, &tagged, &known.own),
    )?;
    let listed = arns(&target_groups);
    unused.retain(|group| !listed.contains(&group.arn));
    let seen = [listed.clone(), arns(&unused)].concat();
    let unseen = without(&known.own, &seen);
    let all = [&seen[..], &unseen].concat();
    let names = listeners(&defaults);
    let tagged = texts(&all);
    let (also_unused, ()) = try_join!(
        observe_elb::target_groups_by_arn(elb, &unseen),
        details.read(clients, &names, &tagged, &[]),
    )?;
    unused.extend(also_unused);
    Ok(Balanced {
        load_balancer: Some(load_balancer),
        defaults,
        target_groups,
        unused,
        details,
    })
}

/// What Cloud Map says of a registry.
async fn registered(
    clients: &Clients,
    arn: Option<&RegistryArn>,
) -> Result<Option<Registry>, StepError> {
    match arn {
        Some(arn) => observe_registry::registry(&clients.cloud_map, arn).await,
        None => Ok(None),
    }
}

async fn task_definition(
    clients: &Clients,
    phase: Phase,
    request: &Request,
    plan: Option<&Plan>,
) -> Result<Option<TaskDefinition>, StepError> {
    if may_create(phase, plan) {
        observe_ecs::task_definition(&clients.ecs, request).await
    } else {
        Ok(None)
    }
}

/// What is suspended of Auto Scaling, where it may have to be.
async fn scalable_target(
    clients: &Clients,
    phase: Phase,
    request: &Request,
    plan: Option<&Plan>,
) -> Result<Option<Suspended>, StepError> {
    if may_create(phase, plan) && request.auto_scaling == AutoScaling::HoldScaleIn {
        scaling::read(&clients.auto_scaling, request).await
    } else {
        Ok(None)
    }
}

/// Whether a task set may be created, or its creation is checked.
fn may_create(phase: Phase, plan: Option<&Plan>) -> bool {
    match phase {
        Phase::Preflight => true,
        Phase::CheckAndCreate => plan.is_none_or(|plan| plan.replacement.is_none()),
        Phase::Swap | Phase::ScaleDown | Phase::Cleanup | Phase::Rollback => false,
    }
}

/// The alarms that a request names, in phases that an alarm stops.
async fn alarms(
    clients: &Clients,
    phase: Phase,
    plan: Option<&Plan>,
) -> Result<Vec<Alarm>, StepError> {
    let Some(plan) = plan else {
        return Ok(Vec::new());
    };
    let stops = match phase {
        // In a registry, it serves as soon as it is healthy.
        Phase::CheckAndCreate => {
            plan.replacement.is_none()
                || plan.waits_at(&HEALTHY)
                || is_of_a_registry(&plan.replacement_target_group)
        }
        // Without a replacement, a swap that was left half done is finished.
        Phase::Swap => plan.goes_forward() && plan.replacement.is_some(),
        Phase::ScaleDown => plan.goes_forward(),
        Phase::Preflight | Phase::Cleanup | Phase::Rollback => false,
    };
    let names = &plan.request.alarms;
    if !stops || names.is_empty() {
        return Ok(Vec::new());
    }
    match observe_cloudwatch::alarms(&clients.cloudwatch, names).await {
        // An alarm that cannot be read is not in `ALARM`: the next step waits for it.
        Err(error) if serves(plan) => {
            let unread = |name: &String| Alarm {
                name: name.clone(),
                state: AlarmState::Unknown(format!("UNREAD ({})", error.name.as_str())),
            };
            Ok(names.iter().map(unread).collect())
        }
        alarms => alarms,
    }
}

/// Whether traffic, or a share of it, has moved to the replacement.
fn serves(plan: &Plan) -> bool {
    plan.swapped.is_some() || plan.shifted.step > 0
}

/// The metrics that the drain uses, or a step of a shift.
async fn metrics(clients: &Clients, phase: Phase, plan: Option<&Plan>, now: u64) -> Flows {
    let drains = phase == Phase::ScaleDown || phase == Phase::Swap;
    match plan.filter(|_| drains) {
        Some(plan) => {
            let queries = flows::queries(plan);
            let span = (flows::since(plan, now), now);
            observe_cloudwatch::flows(&clients.cloudwatch, &queries, span).await
        }
        None => Flows::default(),
    }
}

/// The target groups of living task sets, and others by name, that are not known yet.
fn named_by<'a>(
    task_sets: &[TaskSet],
    plan: Option<&Plan>,
    known: impl Iterator<Item = &'a TargetGroup>,
) -> Vec<TargetGroupArn> {
    let mut arns = observe_elb::attached(task_sets);
    if let Some(plan) = plan {
        arns.extend(Names::of(plan).own);
    }
    arns.sort_unstable();
    arns.dedup();
    without(&arns, &self::arns(known))
}

/// The world in one line of a log.
pub(crate) fn in_short(world: &World) -> String {
    let mut parts = Vec::new();
    for set in &world.task_sets {
        let (running, wanted) = (set.running_count, set.computed_desired_count);
        parts.push(format!("{} {} {running}/{wanted}", set.id, set.status));
    }
    let routes = world
        .routes
        .iter()
        .filter(|route| !route.forward.0.is_empty());
    for route in routes {
        let groups = route.forward.0.iter();
        let groups = groups.map(|group| format!("{}:{}", short(&group.target_group), group.weight));
        let groups = groups.collect::<Vec<_>>().join("+");
        parts.push(format!("{route} {groups}"));
    }
    if let Some(registry) = &world.registry {
        let healthy = |one: &&Instance| one.health == InstanceHealth::Healthy;
        let (all, found) = (
            &registry.instances,
            registry.instances.iter().filter(healthy),
        );
        parts.push(format!(
            "{} {}/{} healthy",
            short(&registry.arn),
            found.count(),
            all.len()
        ));
    }
    parts.join("; ")
}
