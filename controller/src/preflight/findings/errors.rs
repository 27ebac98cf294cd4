//! What preflight refuses, all of it at once: a deployment stops at the first.

use super::{Finding, FindingName};
use crate::checks;
use crate::preflight::bounds::execution_fits;
use crate::preflight::defaults::{settle_container, settle_network};
use crate::preflight::differences::routes_take_both;
use crate::preflight::pace::{check_drain, pace_of};
use crate::preflight::{
    Others, active_service, active_task_definition, fitting_target_types, on_a_load_balancer,
    registry, serving, test_route_for_replace, times,
};
use crate::refusal::Refusal;
use crate::registry::{longest, registries};
use crate::request::Request;
use crate::routing::{self, Routing};
use crate::shift;
use crate::tags;
use crate::test_rule;
use crate::window::may_end_in_time;
use crate::world::{TaskDefinition, TaskSet, World};

/// Everything that is refused, in the order in which preflight checks.
pub(super) fn errors(request: &Request, world: &World) -> Vec<Finding> {
    let mut found = Found(Vec::new());
    let service = found.keep(FindingName::Service, active_service(request, world));
    found.keep(
        FindingName::TaskDefinition,
        active_task_definition(request, world),
    );
    let definition = world.task_definition.as_ref();
    let fits = found.keep(FindingName::ServiceRegistry, registry::fits(request, world));
    let on_one = fits.and_then(|()| {
        found.keep(
            FindingName::LoadBalancer,
            on_a_load_balancer(request, world),
        )
    });
    let routing = on_one.and_then(|()| found.routing(request, world));
    let served = routing.as_ref().and_then(|routing| {
        let served = serving(request, world, routing, Others::MayBeThere);
        found.keep(FindingName::TaskSets, served)
    });
    if let Some(routing) = &routing {
        let tested = test_route_for_replace(request, routing);
        found.keep(FindingName::TestListener, tested);
        let possible = test_rule::possible(world, request, routing);
        found.keep(FindingName::TestRule, possible);
    }
    // Which one serves may be unclear; where tasks are and what they listen on is much the same.
    let (original, left) = served.unwrap_or((world.task_sets.first(), 0));
    let settled =
        definition.and_then(|definition| found.settles(request, world, definition, original));
    if let (Some(routing), Some(definition)) = (&routing, definition) {
        let fitting = fitting_target_types(definition, routing);
        found.keep(FindingName::TargetType, fitting);
    }
    if let Some(routing) = &routing {
        let taken = routes_take_both(world, routing);
        found.keep(FindingName::GroupsDiffer, taken);
    }
    if let (Some(settled), Some(definition)) = (&settled, definition) {
        let registries = registries(settled, definition, original)
            .and_then(|its| registry::has_a_port(world, &its));
        found.keep(FindingName::ServiceRegistry, registries);
    }
    found.keep(FindingName::Tags, tags::tags(request, original));
    found.keep(FindingName::Shift, shift::can_be_measured(request, world));
    found.keep(FindingName::Checks, checks::can_be_read(request, world));
    if let (Some(service), Some(routing)) = (service, &routing) {
        let deregistration = routing.production.deregistration();
        let tasks = original.map_or(0, |task_set| task_set.computed_desired_count);
        let most = tasks.max(service.desired_count);
        let fits = check_drain(request, tasks, deregistration).and_then(|()| {
            let removal = longest(world, request);
            execution_fits(request, most, deregistration, left, removal)
        });
        found.keep(FindingName::Drain, fits);
        let pace = pace_of(request, world, tasks);
        let times = times(request, world, original, &pace, deregistration);
        let in_time = times.map(|times| may_end_in_time(request, &times));
        found.keep(FindingName::FinishBy, in_time.unwrap_or(Ok(())));
    }
    found.0
}

struct Found(Vec<Finding>);

impl Found {
    fn keep<T>(&mut self, name: FindingName, result: Result<T, Refusal>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(refusal) => {
                self.0.push(Finding::of(name, &refusal));
                None
            }
        }
    }

    fn routing<'a>(&mut self, request: &Request, world: &'a World) -> Option<Routing<'a>> {
        let name = match routing::pair(world, request) {
            Ok(_) => FindingName::Listeners,
            Err(_) => FindingName::TargetGroups,
        };
        self.keep(name, routing::read_amid_swap(world, request))
    }

    /// The request with its container settled, where it can be.
    fn settles(
        &mut self,
        request: &Request,
        world: &World,
        definition: &TaskDefinition,
        original: Option<&TaskSet>,
    ) -> Option<Request> {
        let mut settled = request.clone();
        let contained = if world.is_found_in_a_registry_alone() {
            Ok(())
        } else {
            settle_container(&mut settled, definition, original)
        };
        let contained = self.keep(FindingName::ContainerPort, contained);
        let networked = settle_network(&mut settled, definition, original);
        self.keep(FindingName::Network, networked);
        contained.map(|()| settled)
    }
}
