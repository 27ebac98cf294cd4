//! One simulated AWS, shared by everybody who calls it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};

use crate::clock::Clock;
use crate::wire;
use crate::world::World;

/// A world, and the clock it follows. Clones are the same world.
#[derive(Debug, Clone)]
pub struct SimulatedAws {
    world: Arc<Mutex<World>>,
    clock: Clock,
    /// How long a call through the SDK connector takes, in tokio's time: half on the way there,
    /// half on the way back.
    pub latency: Duration,
}

impl SimulatedAws {
    /// A world that goes on from where it is, at simulated seconds a second (`speed`).
    pub fn new(world: World, speed: f64) -> Self {
        Self {
            clock: Clock::start(world.now(), speed),
            world: Arc::new(Mutex::new(world)),
            latency: Duration::from_millis(20),
        }
    }

    /// Brings the world up to the present, and answers one API request.
    pub fn call(&self, caller: &str, request: &Request<Bytes>) -> Response<Bytes> {
        self.with_world(|world| wire::handle(world, caller, request))
    }

    /// Brings the world up to the present, and looks at it or changes it. Do not call back from
    /// inside.
    pub fn with_world<T>(&self, visit: impl FnOnce(&mut World) -> T) -> T {
        // A visitor that panicked has failed its own test or request; the world is still whole.
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.advance_to(self.clock.now_ms());
        visit(&mut world)
    }

    /// A copy of the world at present, for saving or for going two ways from here.
    pub fn snapshot(&self) -> World {
        self.with_world(|world| world.clone())
    }

    /// The clock it follows.
    pub fn clock(&self) -> Clock {
        self.clock
    }
}
