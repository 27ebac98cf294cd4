//! One simulated AWS, shared by all who call it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;

use crate::clock::Clock;
use crate::exchange::NoAnswer;
use crate::fault::{Fault, Faults, LambdaFault, LateCall, StartFault};
use crate::wire::{self, Distortion};
use crate::world::{Call, World};

/// A world, and the clock it follows. Clones are the same world.
#[derive(Debug, Clone)]
pub struct SimulatedAws {
    shared: Arc<Mutex<Shared>>,
    clock: Clock,
    /// How long a call through the SDK connector takes, in tokio's time: half on the way there,
    /// half on the way back.
    pub latency: Duration,
}

/// A call that AWS has carried out.
#[derive(Debug)]
pub struct Effect<'a> {
    /// The world before it, without its journal and its events; the same as `after` for a read.
    pub before: &'a World,
    pub after: &'a World,
    /// Who called what, and how it ended.
    pub call: &'a Call,
}

/// A simulated AWS at one moment, to go several ways from there: its world, the calls and invocations so far,
/// and what is planned to go wrong. Watchers are not part of it.
#[derive(Debug, Clone)]
pub struct Moment {
    world: World,
    faults: Faults,
    nonces: u64,
    versions: Option<VecDeque<World>>,
}

impl Moment {
    /// Calls of SDK clients and integrations so far.
    pub fn call_count(&self) -> u64 {
        self.faults.calls
    }

    pub fn invocation_count(&self) -> u64 {
        self.faults.invocations.len() as u64
    }

    pub fn world(&self) -> &World {
        &self.world
    }

    /// Whether all that was planned to go wrong has, nothing of it is still to land, and a function has
    /// been invoked since.
    pub fn is_quiet(&self) -> bool {
        self.faults.are_over(self.world.now())
    }
}

/// A call before it is carried out.
#[derive(Debug)]
pub struct Attempt<'a> {
    pub world: &'a World,
    pub caller: &'a str,
    pub request: &'a Request<Bytes>,
}

impl Attempt<'_> {
    /// The operation as IAM names it (`ecs:CreateTaskSet`), and its parameters.
    pub fn asked(&self) -> (String, Value) {
        wire::asked(self.request)
    }
}

type Authorizer = Arc<dyn Fn(&Attempt<'_>) -> bool + Send + Sync>;

type Watcher = Box<dyn FnMut(&Effect<'_>) + Send>;

type Rewrite = Arc<dyn Fn(&mut Request<Bytes>) + Send + Sync>;

struct Shared {
    world: World,
    rewrite: Option<Rewrite>,
    authorizer: Option<Authorizer>,
    faults: Faults,
    /// Nonces that invocations have drawn.
    nonces: u64,
    /// The world before the last writes, newest last, once stale reads are planned.
    versions: Option<VecDeque<World>>,
    watchers: Vec<Watcher>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("world", &self.world)
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

const VERSIONS: usize = 2;

impl SimulatedAws {
    /// A world that goes on from where it is, at simulated seconds a second (`speed`).
    pub fn new(world: World, speed: f64) -> Self {
        let clock = Clock::start(world.now(), speed);
        let shared = Shared {
            world,
            rewrite: None,
            authorizer: None,
            nonces: 0,
            faults: Faults::default(),
            versions: None,
            watchers: Vec::new(),
        };
        Self {
            shared: Arc::new(Mutex::new(shared)),
            clock,
            latency: Duration::from_millis(20),
        }
    }

    /// A world that goes on from a moment of another, at simulated seconds a second (`speed`).
    pub fn from_moment(moment: &Moment, speed: f64) -> Self {
        let new = Self::new(moment.world.clone(), speed);
        let mut shared = new.present();
        shared.faults.clone_from(&moment.faults);
        shared.nonces = moment.nonces;
        shared.versions.clone_from(&moment.versions);
        drop(shared);
        new
    }

    pub fn moment(&self) -> Moment {
        let shared = self.present();
        Moment {
            world: shared.world.clone(),
            faults: Faults {
                telling: None,
                ..shared.faults.clone()
            },
            nonces: shared.nonces,
            versions: shared.versions.clone(),
        }
    }

    /// Brings the world up to the present, and answers one API request.
    pub fn call(&self, caller: &str, request: &Request<Bytes>) -> Response<Bytes> {
        self.present().perform(caller, request, None)
    }

    /// Shows a watcher the world after every call that AWS has carried out, whichever caller made it:
    /// SDK clients, late calls, the port. Do not call back from inside.
    pub fn watch(&self, watcher: impl FnMut(&Effect<'_>) + Send + 'static) {
        self.present().watchers.push(Box::new(watcher));
    }

    /// Has requests of SDK clients changed before they are carried out: to see that a call without one
    /// of its conditions is caught.
    pub fn rewrite(&self, rewrite: impl Fn(&mut Request<Bytes>) + Send + Sync + 'static) {
        self.present().rewrite = Some(Arc::new(rewrite));
    }

    /// Asks whether a call of an SDK client is allowed before anything else happens to it; one that is not is answered
    /// as AWS answers it.
    pub fn authorize(&self, authorizer: impl Fn(&Attempt<'_>) -> bool + Send + Sync + 'static) {
        self.present().authorizer = Some(Arc::new(authorizer));
    }

    pub(crate) fn rewritten(&self, request: &Request<Bytes>) -> Option<Request<Bytes>> {
        let rewrite = self.present().rewrite.clone()?;
        let mut changed = request.clone();
        rewrite(&mut changed);
        Some(changed)
    }

    /// Plans what goes wrong with calls of SDK clients: by the call's number, counted from 1 over all
    /// callers. An SDK's own retry is a call.
    pub fn plan_faults(&self, faults: impl IntoIterator<Item = (u64, Fault)>) {
        let mut shared = self.present();
        shared.faults.planned.extend(faults);
        let mut planned = shared.faults.planned.values();
        let stale = planned.any(|fault| matches!(fault, Fault::Stale | Fault::VeryStale));
        if stale {
            shared.remember_versions();
        }
    }

    /// Has every call from now on note which of the faults that change an answer, and nothing else
    /// (stale reads, unknown values, empty pages), would have changed this one. A run in which such a
    /// fault strikes an answer that it does not change is the run without it.
    pub fn record_telling_faults(&self) {
        let mut shared = self.present();
        shared.faults.telling = Some(Vec::new());
        shared.remember_versions();
    }

    /// For each call since then, those that would have changed its answer, each in its own way.
    pub fn telling_faults(&self) -> Vec<Vec<Fault>> {
        self.present().faults.telling.clone().unwrap_or_default()
    }

    /// Plans what goes wrong with invocations of functions: by the invocation's number, counted from
    /// 1 over all functions. A retry of Step Functions is an invocation.
    pub fn plan_lambda_faults(&self, faults: impl IntoIterator<Item = (u64, LambdaFault)>) {
        self.present().faults.planned_for_functions.extend(faults);
    }

    /// Plans what goes wrong with starts of executions by another one: by the start's number, counted from 1.
    pub fn plan_start_faults(&self, faults: impl IntoIterator<Item = (u64, StartFault)>) {
        self.present().faults.planned_for_starts.extend(faults);
    }

    /// A service, as IAM names it, is unreachable for a number of milliseconds from now on. Where it is
    /// `lambda`, no function is invoked.
    pub fn begin_outage(&self, service: &'static str, for_ms: u64) {
        self.begin_trouble(service, Fault::Unreachable, for_ms);
    }

    /// The same, where each call to it comes to something else.
    pub fn begin_trouble(&self, service: &'static str, fault: Fault, for_ms: u64) {
        let until_ms = self.clock.now_ms() + for_ms;
        self.present().faults.outage = Some((service, fault, until_ms));
    }

    pub fn call_count(&self) -> u64 {
        self.present().faults.calls
    }

    pub fn invocation_count(&self) -> u64 {
        self.present().faults.invocations.len() as u64
    }

    /// The calls that had been made when each invocation began.
    pub fn calls_before_invocations(&self) -> Vec<u64> {
        self.present().faults.invocations.clone()
    }

    /// A number that no other invocation gets, not even one of the same request.
    pub(crate) fn next_nonce(&self) -> u64 {
        let mut shared = self.present();
        shared.nonces += 1;
        shared.nonces
    }

    /// Counts an invocation, and says what goes wrong with it.
    pub(crate) fn next_invocation(&self) -> Option<LambdaFault> {
        let now_ms = self.clock.now_ms();
        let faults = &mut self.present().faults;
        let planned = faults.next_invocation();
        planned.or_else(|| {
            let away = faults.of_outage("lambda", now_ms);
            away.map(|_| LambdaFault::TaskFailedBefore)
        })
    }

    /// Counts a start of an execution by another one, and says what goes wrong with it.
    pub(crate) fn next_start(&self) -> Option<StartFault> {
        let now_ms = self.clock.now_ms();
        let faults = &mut self.present().faults;
        faults.starts += 1;
        let planned = faults.planned_for_starts.get(&faults.starts).copied();
        let away = faults.of_outage("states", now_ms).is_some();
        planned.or(away.then_some(StartFault::Refused))
    }

    /// Has AWS get a request, under the plan of faults.
    pub(crate) fn deliver(
        &self,
        caller: &str,
        request: &Request<Bytes>,
    ) -> Result<Response<Bytes>, NoAnswer> {
        let now_ms = self.clock.now_ms();
        self.present().deliver(now_ms, caller, request)
    }

    /// Brings the world up to the present, and reads or changes it. Do not call back from inside.
    pub fn with_world<T>(&self, visit: impl FnOnce(&mut World) -> T) -> T {
        visit(&mut self.present().world)
    }

    /// A copy of the world at present, for saving or for going two ways from here.
    pub fn snapshot(&self) -> World {
        self.with_world(|world| world.clone())
    }

    pub fn clock(&self) -> Clock {
        self.clock
    }

    fn present(&self) -> MutexGuard<'_, Shared> {
        // A visitor that panicked has failed its own test or request; the world is still whole.
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.catch_up(self.clock.now_ms());
        shared
    }
}

impl Shared {
    /// Lets time pass, and carries out the calls that are due.
    fn catch_up(&mut self, now_ms: u64) {
        while let Some(late) = self.faults.next_late(now_ms) {
            self.world.advance_to(late.latest_ms);
            self.perform(&late.caller, &late.request, None);
        }
        self.world.advance_to(now_ms);
    }

    fn perform(
        &mut self,
        caller: &str,
        request: &Request<Bytes>,
        distortion: Option<Distortion>,
    ) -> Response<Bytes> {
        let looked_at = !self.watchers.is_empty() || self.versions.is_some();
        let mut before = (looked_at && !wire::is_read(request)).then(|| self.world.without_log());
        let response = wire::handle_distorted(&mut self.world, caller, request, distortion);
        self.show(before.as_ref());
        if let (Some(before), Some(versions)) = (&mut before, &mut self.versions)
            && self.world.differs_from(before)
        {
            versions.push_back(before.clone());
            if versions.len() > VERSIONS {
                versions.pop_front();
            }
        }
        response
    }

    /// Counts a call, lets late ones in, and does what goes wrong with it.
    fn deliver(
        &mut self,
        now_ms: u64,
        caller: &str,
        request: &Request<Bytes>,
    ) -> Result<Response<Bytes>, NoAnswer> {
        let (planned, due) = self.faults.next_call();
        for late in due {
            self.perform(&late.caller, &late.request, None);
        }
        if !self.is_allowed(caller, request) {
            return Ok(wire::access_denied(request));
        }
        let service = wire::service_of(request);
        let away = self.faults.of_outage(service, now_ms);
        let Some(fault) = planned.or(away) else {
            if self.faults.telling.is_some() {
                let telling = self.telling(caller, request);
                self.faults.telling.get_or_insert_default().push(telling);
            }
            return Ok(self.perform(caller, request, None));
        };
        Ok(match fault {
            Fault::Unreachable => return Err(NoAnswer::Broken),
            Fault::Silent => return Err(NoAnswer::Silent),
            Fault::ServerError => wire::server_error(request),
            Fault::Throttled => wire::throttled(request),
            Fault::AccessDenied => wire::access_denied(request),
            Fault::Stale => self.answer_stale(1, caller, request),
            Fault::VeryStale => self.answer_stale(2, caller, request),
            Fault::UnknownValue => self.perform(caller, request, Some(Distortion::UnknownValue)),
            Fault::EmptyPage => self.perform(caller, request, Some(Distortion::EmptyPage)),
            Fault::LostReply => {
                self.perform(caller, request, None);
                return Err(NoAnswer::Broken);
            }
            Fault::ServerErrorAfter => {
                self.perform(caller, request, None);
                wire::server_error(request)
            }
            Fault::Twice => {
                self.perform(caller, request, None);
                self.perform(caller, request, None)
            }
            Fault::Late(after) => {
                self.faults.late.push(LateCall {
                    due_call: self.faults.calls + u64::from(after),
                    latest_ms: now_ms + LateCall::LATEST_MS,
                    caller: caller.to_owned(),
                    request: request.clone(),
                });
                return Err(NoAnswer::Broken);
            }
        })
    }

    fn is_allowed(&self, caller: &str, request: &Request<Bytes>) -> bool {
        self.authorizer.as_ref().is_none_or(|authorizer| {
            authorizer(&Attempt {
                world: &self.world,
                caller,
                request,
            })
        })
    }

    /// Answers a read from the world before the last write, or before as many as are remembered (of an
    /// execution: before it last ended or was redriven); does a write as it is asked for.
    fn answer_stale(
        &mut self,
        versions: usize,
        caller: &str,
        request: &Request<Bytes>,
    ) -> Response<Bytes> {
        let before = wire::may_be_stale(request).then(|| self.remembered(versions));
        let Some(mut before) = before.flatten() else {
            return self.perform(caller, request, None);
        };
        let response = wire::handle(&mut before, caller, request);
        // The call was made all the same.
        self.world.journal_as_in(&before);
        self.show(None);
        response
    }

    fn remember_versions(&mut self) {
        if self.versions.is_none() {
            self.versions = Some(VecDeque::from([self.world.without_log()]));
        }
    }

    /// The world before the last write, or before as many as are remembered.
    fn remembered(&self, versions: usize) -> Option<World> {
        let remembered = self.versions.iter().flatten().rev();
        let mut before = remembered.take(versions).last()?.clone();
        before.recall_executions(&self.world, versions);
        Some(before)
    }

    /// The faults that would change the answer to a call, each in its own way.
    fn telling(&mut self, caller: &str, request: &Request<Bytes>) -> Vec<Fault> {
        if !wire::is_read(request) {
            return Vec::new();
        }
        let present = self.world.without_log();
        let stale = |versions| wire::may_be_stale(request).then(|| self.remembered(versions));
        let answer = |world: Option<Option<World>>, distortion| {
            let mut world = world.flatten().unwrap_or_else(|| present.clone());
            // An answer holds the number of its request.
            world.answered = present.answered;
            let response = wire::handle_distorted(&mut world, caller, request, distortion);
            (response.status(), response.into_body())
        };
        let mut answers = vec![answer(None, None)];
        let distorted = |distortion| answer(None, Some(distortion));
        let tried = [
            (Fault::Stale, answer(stale(1), None)),
            (Fault::VeryStale, answer(stale(2), None)),
            (Fault::UnknownValue, distorted(Distortion::UnknownValue)),
            (Fault::EmptyPage, distorted(Distortion::EmptyPage)),
        ];
        let mut telling = Vec::new();
        for (fault, answered) in tried {
            if !answers.contains(&answered) {
                answers.push(answered);
                telling.push(fault);
            }
        }
        telling
    }

    /// Shows the last call to the watchers; without a world before it, it has changed nothing.
    fn show(&mut self, before: Option<&World>) {
        let Some(call) = self.world.calls().last() else {
            return;
        };
        let effect = Effect {
            before: before.unwrap_or(&self.world),
            after: &self.world,
            call,
        };
        for watcher in &mut self.watchers {
            watcher(&effect);
        }
    }
}
