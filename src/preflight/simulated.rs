//! Preflight of services that a scenario describes, in virtual time.

use std::path::Path;

use ebbtide_controller::arn::Home;
use ebbtide_controller::order::Application;
use ebbtide_controller::request::Request;
use ebbtide_simulator::{Scenario, SimulatedAws, World};
use serde_json::Value;

use super::{Looked, Unseen, inspected};
use crate::exit::Error;
use crate::runtime::in_virtual_time;
use crate::scenario;

/// A simulated account.
pub(super) struct Simulated<'a> {
    scenario: &'a Path,
    home: Home,
    /// With several services, which are there together.
    together: Option<Box<World>>,
}

impl<'a> Simulated<'a> {
    pub(super) fn of(
        scenario: &'a Path,
        event: &Value,
        application: Option<&Application>,
    ) -> Result<Self, Error> {
        let home = scenario::home_of(event)?;
        let together = application.map(|application| world_of(application, scenario, &home));
        Ok(Self {
            scenario,
            home,
            together: together.transpose()?.map(Box::new),
        })
    }

    /// Looks at a service of it.
    pub(super) fn look_at(&self, event: &Value) -> Result<Looked, Error> {
        let home = self.home.clone();
        let request = match Request::read(event, &home) {
            Ok(request) => request,
            Err(problems) => return Ok(Err(Unseen::Input(problems))),
        };
        if let Some(world) = &self.together {
            return in_world((**world).clone(), home, request);
        }
        let scenario = scenario::read(Some(self.scenario), &request.service)?;
        in_scenario(&scenario::fitting(scenario, event, &request), home, request)
    }
}

fn world_of(application: &Application, path: &Path, home: &Home) -> Result<World, Error> {
    scenario::knows(Some(path), application)?;
    let mut services = Vec::new();
    for member in &application.members {
        let scenario = scenario::read(Some(path), member.service())?;
        let scenario = scenario::fitting(scenario, &member.input, &member.request);
        services.push((member, scenario));
    }
    scenario::world_of(services, home)
}

/// What preflight says of a service that a scenario describes.
pub(crate) fn in_scenario(
    scenario: &Scenario,
    home: Home,
    request: Request,
) -> Result<Looked, Error> {
    let world = scenario.world_for(&scenario::names_of(&request, &home))?;
    in_world(world, home, request)
}

fn in_world(world: World, home: Home, request: Request) -> Result<Looked, Error> {
    in_virtual_time(async {
        let aws = SimulatedAws::new(world, 1.0);
        let clients = aws.clients("preflight");
        let now = aws.with_world(|world| world.epoch_ms()) / 1_000;
        Ok(inspected(&clients, home, request, now).await)
    })
}
