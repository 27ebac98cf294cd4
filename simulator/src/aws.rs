//! One simulated AWS, shared by everybody who calls it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};

use crate::clock::Clock;
use crate::fault::{Fault, Faults, LambdaFault, LateCall};
use crate::wire;
use crate::world::World;

/// A world, and the clock it follows. Clones are the same world.
#[derive(Debug, Clone)]
pub struct SimulatedAws {
    world: Arc<Mutex<World>>,
    faults: Arc<Mutex<Faults>>,
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
            faults: Arc::default(),
            latency: Duration::from_millis(20),
        }
    }

    /// Brings the world up to the present, and answers one API request.
    pub fn call(&self, caller: &str, request: &Request<Bytes>) -> Response<Bytes> {
        self.with_world(|world| wire::handle(world, caller, request))
    }

    /// Plans what goes wrong with calls through the SDK connector: by the call's number, counted
    /// from 1 over all callers. An SDK's own retry is a call.
    pub fn plan_faults(&self, faults: impl IntoIterator<Item = (u64, Fault)>) {
        let mut plan = self.faults();
        plan.planned.extend(faults);
        let stale = plan.planned.values().any(|fault| *fault == Fault::Stale);
        plan.before_last_write = stale.then(|| self.snapshot());
    }

    /// Plans what goes wrong with invocations of functions: by the invocation's number, counted from
    /// 1 over all functions. A retry of Step Functions is an invocation.
    pub fn plan_lambda_faults(&self, faults: impl IntoIterator<Item = (u64, LambdaFault)>) {
        self.faults().planned_for_functions.extend(faults);
    }

    /// Invocations of functions so far.
    pub fn invocation_count(&self) -> u64 {
        self.faults().invocations
    }

    /// Counts an invocation, and says what goes wrong with it.
    pub(crate) fn next_invocation(&self) -> Option<LambdaFault> {
        let mut faults = self.faults();
        faults.invocations += 1;
        faults
            .planned_for_functions
            .get(&faults.invocations)
            .copied()
    }

    /// Calls through the SDK connector so far.
    pub fn call_count(&self) -> u64 {
        self.faults().calls
    }

    /// Counts a call through the connector, lets late ones in, and says what goes wrong with it.
    pub(crate) fn next_call(&self) -> Option<Fault> {
        let (fault, due) = self.faults().next_call();
        for late in due {
            self.perform(&late.caller, &late.request);
        }
        fault
    }

    /// Has AWS get a request later than its caller believes.
    pub(crate) fn deliver_late(&self, after: u32, caller: &str, request: &Request<Bytes>) {
        let mut faults = self.faults();
        let due = faults.calls + u64::from(after);
        faults.late.push(LateCall {
            due,
            caller: caller.to_owned(),
            request: request.clone(),
        });
    }

    /// Answers a request, and remembers the world before it where stale reads are planned.
    pub(crate) fn perform(&self, caller: &str, request: &Request<Bytes>) -> Response<Bytes> {
        if self.faults().before_last_write.is_none() {
            return self.call(caller, request);
        }
        let before = self.snapshot();
        let response = self.call(caller, request);
        if self.snapshot().differs_from(&before) {
            self.faults().before_last_write = Some(before);
        }
        response
    }

    /// Answers a read from the world before the last write; does a write as it is asked for.
    pub(crate) fn answer_stale(&self, caller: &str, request: &Request<Bytes>) -> Response<Bytes> {
        let before = self.faults().before_last_write.clone();
        match before {
            Some(mut before) if wire::may_be_stale(request) => {
                wire::handle(&mut before, caller, request)
            }
            _ => self.perform(caller, request),
        }
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
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
