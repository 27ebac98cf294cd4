//! Preflight: does the request fit the world? Reads only, and fills in every default.

mod bounds;
mod defaults;
mod differences;
pub mod findings;
mod groups;
mod hooks;
mod pace;
mod patterns;
mod registry;

use crate::arn::short;
use crate::checks;
use crate::counted::counted;
use crate::deployment::{Answer, Outgoing, Plan, Progress};
use crate::drain::deregistration::Deregistration;
use crate::drain::pace::Pace;
use crate::drain::plan;
use crate::fix::Fix;
use crate::hooks::Calls;
use crate::id::TaskSetId;
use crate::identity::DeploymentId;
use crate::pauses::Gates;
use crate::phase::To;
use crate::reason::{Passed, Reason};
use crate::refusal::{ErrorName, Refusal};
use crate::registry::{Removed, grouped, longest, registries};
use crate::request::Request;
use crate::routing::{self, Routing, Taken};
use crate::shift::{self, Shifted};
use crate::tags;
use crate::test_rule;
use crate::window::{Ahead, Times, may_end_in_time, removal, seconds_of};
use crate::world::{
    DeploymentController, Service, ServiceStatus, TargetGroup, TaskDefinition, TaskSet,
    TaskSetStatus, World,
};

pub use bounds::{EVENTS_A_TURN, EVENTS_ALLOWED, LONGEST_PHASES, bounds};
pub(crate) use bounds::{SoFar, execution_fits, repaced_fits};
use defaults::{settle_container, settle_launch, settle_network};
use differences::routes_take_both;
use findings::{Finding, FindingName, findings};
use groups::{
    alternate_is_free, fitting_target_types, on_a_load_balancer, production_is_free,
    test_route_for_replace,
};
use pace::{check_drain, pace_of};
pub use pace::{planned, unkept};
pub(crate) use patterns::all_meet;

/// Task sets that ECS allows a service, those being deleted included (seen in the field: the
/// refusal speaks of 5 deployments).
pub const TASK_SET_LIMIT: usize = 5;

/// Checks a request against the world before the lock is taken, and fills its defaults in.
///
/// Leftovers and deployments in progress are allowed: the lock and [`crate::leftovers`] handle them. Refuses
/// with `ServiceNotActive`, `TaskSetLimit`, `PreflightFailed` or `Drift`; whatever it refuses, nothing has
/// been written.
pub fn check(id: &DeploymentId, request: &Request, world: &World) -> Result<Checked, Refusal> {
    let world = &*grouped(world, request, id, None);
    fit(id, request, world, Others::MayBeThere)
}

/// Checks a request as [`check`] does, with all findings.
///
/// A refusal is among the findings, as an error. Where the cluster has no such service, nothing else
/// was seen, and nothing else is said.
pub fn inspect(
    id: &DeploymentId,
    request: &Request,
    world: Option<&World>,
) -> (Result<Checked, Refusal>, Vec<Finding>) {
    let Some(world) = world else {
        let refusal = no_service(request);
        let found = Finding::of(FindingName::Service, &refusal);
        return (Err(refusal), vec![found]);
    };
    let world = &*grouped(world, request, id, None);
    let checked = check(id, request, world);
    let settled = checked
        .as_ref()
        .map_or(request, |checked| &checked.plan.request);
    let mut found = findings(settled, world);
    if let Err(refusal) = &checked {
        let told = found.iter().any(|finding| finding.seen == refusal.problem);
        if !told {
            found.insert(0, Finding::of(FindingName::Refused, refusal));
        }
    }
    (checked, found)
}

/// Checks a request against the world once nothing is left over, and fills its defaults in.
///
/// Returns the plan that the following steps carry out. Refuses as [`check`] does, and every
/// task set other than the one that serves and the deployment's own `replacement`.
pub fn settle(
    id: &DeploymentId,
    request: &Request,
    world: &World,
    replacement: Option<&TaskSet>,
) -> Result<Plan, Refusal> {
    Ok(fit(id, request, world, Others::Refused(replacement))?.plan)
}

/// The result of a preflight that found no obstacle.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// The plan of the deployment.
    pub plan: Plan,
    /// The pace of its drain, by what CloudWatch says of the connections where the input says nothing.
    pace: Pace,
    /// How long the targets of the group that serves take to be deregistered.
    deregistration: Deregistration,
    /// Task sets that an earlier deployment left.
    leftovers: Vec<TaskSetId>,
    /// The roles that the listeners are taken to have, if no tag names them.
    taken: Option<Taken>,
    /// The earliest times, where the input has a window or `finishBy`.
    times: Option<Times>,
}

impl Checked {
    /// What the drain of the original will do.
    pub fn drain(&self) -> plan::Plan {
        plan::Plan::of(&self.pace, self.plan.tasks, self.deregistration)
    }

    /// The answer of the preflight.
    pub fn answer(self) -> Answer {
        let Self {
            plan,
            pace,
            deregistration,
            ..
        } = self;
        let request = &plan.request;
        let passed = Passed {
            dry_run: request.dry_run,
            service: request.service.clone(),
            original: plan.original.clone(),
            tasks: plan.tasks,
            original_target_group: plan.original_target_group.clone(),
            leftovers: self.leftovers,
            task_definition: request.task_definition.clone(),
            replacement_target_group: plan.replacement_target_group.clone(),
            taken: self.taken,
            shift: plan.asks_for_a_shift().cloned(),
            drain: planned(&pace, plan.tasks, deregistration),
            times: self.times,
            window: request.window.clone(),
        };
        let to = if request.dry_run {
            To::DryRunSucceeded
        } else {
            To::CheckAndCreateService
        };
        Answer {
            to,
            reason: Reason::Passed(Box::new(passed)),
            wait: 0,
            plan,
            progress: Progress::default(),
            heard: None,
            tidy: Vec::new(),
        }
    }
}

/// Task sets other than the one that serves.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Others<'a> {
    MayBeThere,
    /// All but this deployment's own.
    Refused(Option<&'a TaskSet>),
}

fn fit(
    id: &DeploymentId,
    request: &Request,
    world: &World,
    others: Others<'_>,
) -> Result<Checked, Refusal> {
    let service = active_service(request, world)?;
    let definition = active_task_definition(request, world)?;
    registry::fits(request, world)?;
    on_a_load_balancer(request, world)?;
    let routing = match others {
        Others::MayBeThere => routing::read_amid_swap(world, request)?,
        Others::Refused(_) => routing::read(world, request)?,
    };
    let (original, left) = serving(request, world, &routing, others)?;
    test_route_for_replace(request, &routing)?;
    test_rule::possible(world, request, &routing)?;
    let tasks = original.map_or(0, |task_set| task_set.computed_desired_count);

    let mut settled = request.clone();
    settled.load_balancer = world.load_balancer.as_ref().map(|lb| lb.arn.clone());
    if !world.is_found_in_a_registry_alone() {
        settle_container(&mut settled, definition, original)?;
    }
    settle_network(&mut settled, definition, original)?;
    fitting_target_types(definition, &routing)?;
    routes_take_both(world, &routing)?;
    settle_launch(&mut settled, original);
    let its = registries(&settled, definition, original)?;
    registry::has_a_port(world, &its)?;
    tags::tags(&settled, original)?;
    shift::can_be_measured(&settled, world)?;
    checks::can_be_read(&settled, world)?;
    let deregistration = routing.production.deregistration();
    check_drain(&settled, tasks, deregistration)?;
    let pace = pace_of(request, world, tasks);
    let times = times(&settled, world, original, &pace, deregistration);
    let most = tasks.max(service.desired_count);
    let removal = longest(world, &settled);
    execution_fits(&settled, most, deregistration, left, removal)?;
    if let (Some(times), Others::MayBeThere | Others::Refused(None)) = (&times, others) {
        may_end_in_time(&settled, times)?;
    }
    hooks::allowed(world, &settled)?;

    let plan = Plan {
        id: id.clone(),
        request: settled,
        original_target_group: routing.production.arn.clone(),
        replacement_target_group: routing.alternate.arn.clone(),
        original: original.map(|task_set| task_set.id.clone()),
        replacement: None,
        routes: routing.roles.production_arns(),
        outgoing: Outgoing::Original,
        tasks,
        desired: service.desired_count,
        swapped: None,
        paused: 0,
        passed: Gates::default(),
        calls: Calls::default(),
        shifted: Shifted::default(),
        paced: 0,
        replanned: None,
        checked: checks::Checked::default(),
        removed: Removed::default(),
        finishing: false,
        failure: None,
    };
    // What straggles is left where it is.
    let others = world.living().filter(|set| !world.straggles(set));
    let others = others.map(|set| &set.id);
    let others = others.filter(|id| Some(*id) != plan.original.as_ref());
    Ok(Checked {
        leftovers: others.cloned().collect(),
        taken: routing.roles.taken(),
        pace,
        times,
        plan,
        deregistration,
    })
}

/// The earliest times of a deployment that begins now, where the input has a window or `finishBy`.
fn times(
    request: &Request,
    world: &World,
    original: Option<&TaskSet>,
    pace: &Pace,
    deregistration: Deregistration,
) -> Option<Times> {
    let (window, shift) = (request.window.as_ref(), request.shift.as_ref());
    if window.is_none() && request.finish_by.is_none() {
        return None;
    }
    let tasks = original.map_or(0, |task_set| task_set.computed_desired_count);
    let ahead = Ahead {
        window,
        shift: seconds_of(shift.filter(|_| original.is_some()), world, request),
        registry: removal(world, request),
        before_drain: checks::before_drain(request),
        drain: &plan::Plan::of(pace, tasks, deregistration),
        deregistration,
    };
    Some(Times::of_new(&ahead, request, world.now))
}

fn no_service(request: &Request) -> Refusal {
    let (name, cluster) = (&request.service, short(&request.cluster));
    Refusal::preflight(
        format!("serviceName: cluster {cluster} has no service {name}."),
        Fix::run(
            "Look them up",
            [format!("aws ecs list-services --cluster {cluster}")],
        ),
    )
}

fn active_service<'a>(request: &Request, world: &'a World) -> Result<&'a Service, Refusal> {
    let name = &request.service;
    let cluster = short(&request.cluster);
    let service = &world.service;
    if service.status != ServiceStatus::Active {
        return Err(Refusal::new(
            ErrorName::ServiceNotActive,
            format!("Service {name} is {}, not ACTIVE.", service.status),
            "Create it again (aws ecs create-service) or name another one.",
        ));
    }
    if service.deployment_controller != DeploymentController::External {
        return Err(Refusal::preflight(
            format!(
                "Service {name} has the deployment controller {}; Ebbtide can only manage task sets of services with EXTERNAL.",
                service.deployment_controller
            ),
            "A service keeps its deployment controller: create a new one with --deployment-controller type=EXTERNAL. Service Connect and VPC Lattice are not available under EXTERNAL: a service that uses them stays with ECS's own deployments, or gets a second service beside it for the clients that Ebbtide is for.",
        ));
    }
    if service.desired_count == 0 {
        return Err(Refusal::preflight(
            format!(
                "Service {name} wants 0 tasks, so no replacement could be checked before traffic moves."
            ),
            Fix::run(
                "Set a desired count first",
                [format!(
                    "aws ecs update-service --cluster {cluster} --service {name} --desired-count 1"
                )],
            ),
        ));
    }
    Ok(service)
}

fn active_task_definition<'a>(
    request: &Request,
    world: &'a World,
) -> Result<&'a TaskDefinition, Refusal> {
    let name = short(&request.task_definition);
    let register = "Register it first (aws ecs register-task-definition).";
    match &world.task_definition {
        None => Err(Refusal::preflight(
            format!("taskDefinition: {name} does not exist."),
            register,
        )),
        Some(definition) if !definition.active => Err(Refusal::preflight(
            format!("taskDefinition: {name} is INACTIVE and starts no new tasks."),
            register,
        )),
        Some(definition) => Ok(definition),
    }
}

/// The one task set that serves, and how many others there are. The two target groups must have no
/// other targets.
fn serving<'a>(
    request: &Request,
    world: &'a World,
    routing: &Routing<'_>,
    others: Others<'_>,
) -> Result<(Option<&'a TaskSet>, u32), Refusal> {
    let (original, left) = original(request, world, routing, others)?;
    // Targets of a task set that is being deleted are on their way out.
    let leaving = world
        .task_sets
        .iter()
        .any(|set| set.is_being_deleted() && set.is_attached_to(&routing.production.arn));
    if original.is_none() && !leaving {
        production_is_free(request, routing)?;
        none_is_reached(world, routing)?;
    }
    // Their targets are taken out before anything is created.
    let straggle = world
        .living()
        .any(|set| world.straggles(set) && set.is_attached_to(&routing.alternate.arn));
    if left == 0 && !straggle && !matches!(others, Others::Refused(Some(_))) {
        alternate_is_free(world, routing, others)?;
    }
    Ok((original, left))
}

/// Where nothing is on the production group, no route that users may come through reaches a task set: roles that were
/// named or recorded wrongly would have it taken for a leftover.
fn none_is_reached(world: &World, routing: &Routing<'_>) -> Result<(), Refusal> {
    let mut reached = world
        .living()
        .filter_map(|set| Some((set, routing::reached_beside(world, set)?)));
    let Some((set, route)) = reached.next() else {
        return Ok(());
    };
    let production: Vec<_> = routing
        .roles
        .production
        .iter()
        .map(|one| one.short())
        .collect();
    Err(Refusal::preflight(
        format!(
            "Production is taken to be {}, which leads to {}, where no task set is; but {route} leads to {} (running: {}).",
            production.join(" and "),
            routing.production.name,
            set.id,
            counted(set.running_count, "task")
        ),
        "Name the routes that users come through in routes.production, or correct the tags ebbtide:role.",
    ))
}

/// The one task set that serves, `None` where the service has none yet; and how many others there
/// are.
fn original<'a>(
    request: &Request,
    world: &'a World,
    routing: &Routing<'_>,
    beside: Others<'_>,
) -> Result<(Option<&'a TaskSet>, u32), Refusal> {
    let service = &request.service;
    let task_sets = &world.task_sets;
    let room_is_needed = beside == Others::Refused(None);
    if room_is_needed && task_sets.len() >= TASK_SET_LIMIT {
        let names: Vec<_> = task_sets
            .iter()
            .map(|set| format!("{} ({})", set.id, set.status))
            .collect();
        return Err(Refusal::new(
            ErrorName::TaskSetLimit,
            format!(
                "Service {service} has {} task sets, and ECS allows {TASK_SET_LIMIT}: {}.",
                task_sets.len(),
                names.join(", ")
            ),
            "Wait for those that are DRAINING, or delete one that no listener reaches (aws ecs delete-task-set).",
        ));
    }
    let living: Vec<_> = task_sets
        .iter()
        .filter(|set| !set.is_being_deleted() && !world.straggles(set))
        // Once the replacement is there, what wants and runs nothing is on its way out, whatever ECS
        // calls its status.
        .filter(|set| {
            let is_there = matches!(beside, Others::Refused(Some(_)));
            !is_there || !set.wants_nothing() || set.tasks() > 0
        })
        .filter(|set| !matches!(beside, Others::Refused(Some(ours)) if ours.id == set.id))
        .collect();
    let on = |set: &TaskSet, group: &TargetGroup| set.is_attached_to(&group.arn);
    let (serving, others): (Vec<&TaskSet>, Vec<&TaskSet>) = living
        .iter()
        .copied()
        .partition(|set| on(set, routing.production));
    match (&serving[..], &others[..]) {
        ([], []) => return Ok((None, 0)),
        ([only], []) => return Ok((Some(only), 0)),
        _ => {}
    }
    if beside == Others::MayBeThere && others.iter().all(|set| on(set, routing.alternate)) {
        let left = u32::try_from(others.len()).unwrap_or(u32::MAX);
        match serving[..] {
            [only] => return Ok((Some(only), left)),
            // The candidate of a first deployment. A PRIMARY has served, and traffic has been taken
            // away from it.
            [] if others
                .iter()
                .all(|set| set.status != TaskSetStatus::Primary) =>
            {
                return Ok((None, left));
            }
            _ => {}
        }
    }
    let cluster = short(&request.cluster);
    let fix = match (&serving[..], &others[..]) {
        ([], [only]) if on(only, routing.alternate) => format!(
            "Production traffic reaches no task: point it at target group {} again ({}).",
            routing.alternate.name,
            routing::modified_by(&routing.roles.production)
        )
        .into(),
        ([_], leftovers) => Fix::run(
            "Delete the task sets that do not serve",
            leftovers.iter().map(|set| {
                format!(
                    "aws ecs delete-task-set --cluster {cluster} --service {service} --task-set {} --force",
                    set.id
                )
            }),
        ),
        _ => "Keep exactly one task set behind the production listener."
            .into(),
    };
    let places: Vec<_> = living.iter().map(|set| place(set)).collect();
    Err(Refusal::drift(
        format!(
            "Exactly one task set of service {service} should run, on target group {}, \
             which the production listener forwards to; seen: {}.",
            routing.production.name,
            places.join(", ")
        ),
        fix,
    ))
}

fn place(task_set: &TaskSet) -> String {
    let groups: Vec<_> = task_set
        .load_balancers
        .iter()
        .map(|attached| short(&attached.target_group))
        .collect();
    let on = if groups.is_empty() {
        "no target group".to_owned()
    } else {
        groups.join(" and ")
    };
    format!(
        "{} ({}) on {on}",
        task_set.id,
        counted(task_set.computed_desired_count, "task")
    )
}

#[cfg(test)]
mod tests;
