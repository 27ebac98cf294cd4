//! One turn: parse, enter the lock, observe, decide, act, check again, leave the lock, answer.

mod answers;
mod resume;

use std::str::FromStr;

use ebbtide_controller::action::Action;
use ebbtide_controller::caller;
use ebbtide_controller::contract::{self, Event, Failure};
use ebbtide_controller::deployment::{Answer, Deployment, Plan, Progress};
use ebbtide_controller::lock::{Item, Lock, SETTLE};
use ebbtide_controller::order;
use ebbtide_controller::phase::Phase;
use ebbtide_controller::preflight;
use ebbtide_controller::reason::Reason;
use ebbtide_controller::refusal::{ErrorName, Refusal};
use ebbtide_controller::request::Request;
use ebbtide_controller::turn::{self, Next, Turn};
use ebbtide_controller::world::World;
use futures_util::future::{BoxFuture, join_all};
use serde_json::Value;

use crate::act::act;
use crate::clients::Clients;
use crate::error::StepError;
use crate::invocation::Invocation;
use crate::lock::{self, Entry, Section};
use crate::notices;
use crate::observe::{Names, observe};

/// The three Lambda functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// Preflight; leftovers, the replacement and its health.
    CheckAndCreate,
    /// Moves production traffic, forward and back, and bakes.
    Swap,
    /// Drains, cleans up, rolls back.
    ScaleDown,
}

impl Function {
    /// Every function.
    pub const ALL: [Self; 3] = [Self::CheckAndCreate, Self::Swap, Self::ScaleDown];

    /// Its handler in `template.yaml`, by which the one program of all functions knows its role.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CheckAndCreate => "check-and-create",
            Self::Swap => "swap",
            Self::ScaleDown => "scale-down",
        }
    }

    /// Refuses what another function was invoked for.
    fn serves(self, invoked: Self, phase: &str) -> Result<(), Refusal> {
        if self == invoked {
            return Ok(());
        }
        Err(Refusal::new(
            ErrorName::InvalidInput,
            format!(
                "Function {} does not handle phase {phase}.",
                invoked.as_str()
            ),
            format!("Invoke {} for it.", self.as_str()),
        ))
    }

    fn of(phase: Phase) -> Self {
        match phase {
            Phase::Preflight | Phase::CheckAndCreate => Self::CheckAndCreate,
            Phase::Swap => Self::Swap,
            Phase::ScaleDown | Phase::Cleanup | Phase::Rollback => Self::ScaleDown,
        }
    }
}

impl FromStr for Function {
    type Err = UnknownHandler;

    fn from_str(handler: &str) -> Result<Self, UnknownHandler> {
        let named = |function: &Self| function.as_str() == handler;
        let unknown = || UnknownHandler(handler.to_owned());
        Self::ALL.into_iter().find(named).ok_or_else(unknown)
    }
}

/// A handler that names none of the functions.
#[derive(Debug, thiserror::Error)]
#[error("the handler is '{0}'; check-and-create, swap and scale-down are allowed")]
pub struct UnknownHandler(String);

/// Writes and checks of one invocation, at most: a swap needs two of each, and one more check.
const ROUNDS: u32 = 5;

/// Turns in a row with a call that is not allowed, at most: a minute, as IAM is eventually consistent.
const MOST_DENIED: u32 = 2;

/// Seconds from the start of an execution for which preflight throws a call that is not allowed.
pub(crate) const DENIED: u64 = 60;

/// Turns in a row with a write that was not answered, at most.
const MOST_UNANSWERED: u32 = 10;

/// Carries out one turn of a deployment and answers with the state machine's next state.
///
/// Fails with errors that are worth a retry, and with `InvalidInput` if the event is not from the state
/// machine; every other failure is an answer.
///
/// Boxed: a future is compiled where its type is named, which would be in every program that awaits this one, with
/// all of the SDK's.
pub fn handle<'a>(
    function: Function,
    invocation: Invocation<'a>,
    clients: &'a Clients,
    event: Value,
) -> BoxFuture<'a, Result<Value, StepError>> {
    handle_by(turn::next, function, invocation, clients, event)
}

/// The same, with another decision.
pub fn handle_by<'a>(
    next: Turn,
    function: Function,
    invocation: Invocation<'a>,
    clients: &'a Clients,
    event: Value,
) -> BoxFuture<'a, Result<Value, StepError>> {
    Box::pin(handled(next, function, invocation, clients, event))
}

async fn handled(
    next: Turn,
    function: Function,
    invocation: Invocation<'_>,
    clients: &Clients,
    event: Value,
) -> Result<Value, StepError> {
    if let Some(event) = order::Event::parse(&event) {
        let event = event?;
        caller::check(&event.id, invocation.function_arn)?;
        Function::CheckAndCreate.serves(function, "order")?;
        return crate::order::handle(&invocation, clients, &event).await;
    }
    let event = Event::parse(event)?;
    caller::check(&event.id, invocation.function_arn)?;
    Function::of(event.phase).serves(function, event.phase.as_str())?;
    let step = Step {
        next,
        invocation: &invocation,
        clients,
        event: &event,
    };
    let answer = match event.phase {
        Phase::Preflight => step.preflight().await,
        Phase::CheckAndCreate
        | Phase::Swap
        | Phase::ScaleDown
        | Phase::Cleanup
        | Phase::Rollback => Box::pin(step.under_the_lock()).await,
    };
    if let Err(error) = &answer {
        tracing::warn!(
            deployment = event.id.name(),
            phase = event.phase.as_str(),
            error = error.name.as_str(),
            reason = error.message,
            "failed"
        );
    }
    answer
}

/// What a turn works with.
pub(crate) struct Step<'a> {
    next: Turn,
    pub(crate) invocation: &'a Invocation<'a>,
    pub(crate) clients: &'a Clients,
    pub(crate) event: &'a Event,
}

impl Step<'_> {
    async fn preflight(&self) -> Result<Value, StepError> {
        match self.passed().await {
            Ok(passed) => Ok(passed),
            Err(error) if error.name.is_worth_retrying() => Err(error),
            // Preflight has no Wait: Step Functions' Retry checks again.
            Err(error) if error.name == ErrorName::Permission && self.age() < DENIED => Err(error),
            Err(error) => Ok(self.failed(&error.failure(), "")),
        }
    }

    async fn passed(&self) -> Result<Value, StepError> {
        let event = self.event;
        let request = event.request()?;
        let world = self.observe(&request, None, &mut Names::default()).await?;
        let (checked, findings) = preflight::inspect(&event.id, &request, world.as_ref());
        let checked = checked?;
        let drain = checked.drain();
        let answer = checked.answer();
        if let Some(world) = &world {
            self.log(world, "pass", &answer.reason.to_string(), 0);
        }
        let lock = Lock::of(&answer.plan.request);
        Ok(contract::passed(&answer, &lock, &findings, &drain))
    }

    async fn under_the_lock(&self) -> Result<Value, StepError> {
        let mut deployment = match self.event.deployment() {
            Ok(deployment) => deployment,
            // What no function has answered was never deployed.
            Err(_) if self.event.phase == Phase::Rollback => {
                return Ok(self.failed(&self.event.failure(), ""));
            }
            Err(refusal) => return Ok(self.failed(&Failure::from(&refusal), "")),
        };
        let section = match lock::enter(self, &deployment).await {
            Ok(Entry::Inside(section)) => section,
            Ok(Entry::Busy(busy)) => return Ok(self.busy(deployment, busy)),
            // Step Functions no longer waits for this invocation's answer.
            Ok(Entry::Overtaken) => {
                let answer = self.unchanged(&deployment, Reason::Overtaken, 1);
                return Ok(answer.to_json(&deployment.lock));
            }
            Ok(Entry::NothingDone) => {
                let failure = deployment.plan.failure;
                let failure = failure.unwrap_or_else(|| self.event.failure());
                return Ok(self.failed(&failure, ""));
            }
            Ok(Entry::Ended(end)) => return Ok(self.ended(&deployment, &end)),
            Err(error) => {
                let answer = self.instead(&deployment, error)?;
                return Ok(self.finished(&answer, &deployment.lock));
            }
        };
        deployment.lock.fence = Some(section.fence);
        deployment.lock.seen = None;
        self.clients.unanswered.reset();
        let first = self.finish_first(&deployment.plan, section.before.as_ref());
        let turned = if let Some(answer) = first {
            Ok(answer)
        } else {
            let turned = self.turn(&deployment, &section).await;
            turned.or_else(|error| self.instead(&deployment, error))
        };
        let unanswered = self.clients.unanswered.any();
        let turned = match self.bounded(&deployment, turned, unanswered) {
            Ok(answer) => Ok(self.at_peace(&deployment, &section, answer).await),
            failed => failed,
        };
        let unanswered = self.clients.unanswered.any();
        let id = &deployment.lock.id;
        let leaving = lock::leave(self, id, &section, turned.as_ref().ok(), unanswered);
        let sending = notices::send(self, turned.as_ref().ok());
        tokio::join!(leaving, sending);
        let answer = turned?;
        deployment.lock.turn = deployment.lock.turn.saturating_add(2);
        Ok(self.finished(&answer, &deployment.lock))
    }

    /// The next execution finishes a rollback that was under way before anything else: what it was for
    /// is known to no state but that of the execution that has ended.
    fn finish_first(&self, plan: &Plan, before: Option<&Item>) -> Option<Answer> {
        let before = before?;
        let (phase, named) = plan.unfinished(before, self.event)?;
        Some(Answer {
            to: phase.task(),
            reason: Reason::TakenOver {
                before: before.reason.clone(),
            },
            wait: 0,
            plan: Plan {
                failure: Some(Failure {
                    error: ErrorName::Drift.as_str().to_owned(),
                    cause: format!(
                        "An earlier execution ended during its rollback ({}).",
                        before.reason
                    ),
                }),
                ..named
            },
            progress: Progress::default(),
            heard: None,
            tidy: Vec::new(),
        })
    }

    /// The answer in place of an error that is not worth a retry: the same turn again after a call that is
    /// denied, else a refusal.
    fn instead(&self, deployment: &Deployment, error: StepError) -> Result<Answer, StepError> {
        if error.name.is_worth_retrying() {
            return Err(error);
        }
        if error.name == ErrorName::Permission && deployment.progress.unanswered < MOST_DENIED {
            let (why, wait) = (error.message, SETTLE);
            return Ok(self.again(deployment, Reason::Denied { why, wait }));
        }
        Ok(self.refused(deployment, &error.into_refusal()))
    }

    fn refused(&self, deployment: &Deployment, refusal: &Refusal) -> Answer {
        let Deployment { plan, progress, .. } = deployment;
        turn::refused(self.event.phase, plan, progress, refusal)
    }

    async fn observe(
        &self,
        request: &Request,
        plan: Option<&Plan>,
        known: &mut Names,
    ) -> Result<Option<World>, StepError> {
        let (phase, now) = (self.event.phase, self.invocation.now_millis() / 1_000);
        Box::pin(observe(self.clients, phase, request, plan, now, known)).await
    }

    /// Observes, decides and acts until a check of the world asks for no more writes.
    async fn turn(&self, deployment: &Deployment, section: &Section) -> Result<Answer, StepError> {
        let Deployment { plan, progress, .. } = deployment;
        let request = &plan.request;
        let mut written = Vec::new();
        let mut hold = section.hold.clone();
        let mut known = Names::of(plan);
        for _ in 0..ROUNDS {
            let world = self.observe(request, Some(plan), &mut known).await?;
            let mut world = world.ok_or_else(|| World::without_service(&request.service))?;
            world.order = section.order.clone();
            world.scaling.hold.clone_from(&hold);
            // It rises by two a turn, and by one more where a turn failed.
            world.turns = u32::try_from(deployment.lock.turn / 2).unwrap_or(u32::MAX);
            match (self.next)(self.event.phase, &world, plan, progress)? {
                Next::Go(answer) => {
                    self.tidy(request, &world, &answer.tidy).await;
                    self.tell(&world, &answer);
                    return Ok(*answer);
                }
                Next::WriteAndGo(writes, answer) => {
                    self.write(request, &world, &writes).await?;
                    self.tell(&world, &answer);
                    return Ok(*answer);
                }
                Next::Write(stages) if stages == written => break,
                Next::Write(stages) => {
                    for stage in &stages {
                        self.write(request, &world, stage).await?;
                    }
                    for action in stages.iter().flatten() {
                        if let Action::RecordHold { hold: recorded } = action {
                            hold.clone_from(recorded);
                        }
                    }
                    written = stages;
                }
            }
        }
        let last = written.iter().flatten().last();
        let last = last.map(ToString::to_string).unwrap_or_default();
        Err(StepError::not_yet_consistent(format!(
            "A write does not show in reads yet: {last}."
        )))
    }

    /// Makes the writes of one stage at the same time, and waits for all of them: none is in flight when the
    /// function answers.
    async fn write(
        &self,
        request: &Request,
        world: &World,
        stage: &[Action],
    ) -> Result<(), StepError> {
        let writes = stage.iter().map(|action| {
            self.log(world, "act", &action.to_string(), 0);
            act(self.clients, self.invocation, request, action)
        });
        let ended = join_all(writes).await;
        StepError::of_all(ended.into_iter().filter_map(Result::err))
    }

    /// Makes writes without which the deployment works as well.
    async fn tidy(&self, request: &Request, world: &World, actions: &[Action]) {
        if let Err(error) = self.write(request, world, actions).await {
            tracing::warn!(
                deployment = self.event.id.name(),
                phase = self.event.phase.as_str(),
                error = error.name.as_str(),
                reason = error.message,
                "not tidied up"
            );
        }
    }

    /// A turn with a write that was not answered ends no deployment, and is not repeated at once: the
    /// write may still land.
    fn bounded(
        &self,
        deployment: &Deployment,
        turned: Result<Answer, StepError>,
        unanswered: bool,
    ) -> Result<Answer, StepError> {
        if !unanswered {
            return turned.map(|mut answer| {
                if !matches!(answer.reason, Reason::Denied { .. }) {
                    answer.progress.unanswered = 0;
                }
                answer
            });
        }
        let why = match &turned {
            Ok(answer) if !answer.to.is_the_end() => return turned,
            Ok(answer) => answer.reason.to_string(),
            Err(error) => error.message.clone(),
        };
        if deployment.progress.unanswered >= MOST_UNANSWERED {
            let refusal = Refusal::new(
                ErrorName::Transient,
                format!("AWS did not answer a write in {MOST_UNANSWERED} consecutive turns: {why}"),
                "Check the AWS Health Dashboard, then start a new execution.",
            );
            return Ok(self.refused(deployment, &refusal));
        }
        let wait = SETTLE;
        Ok(self.again(deployment, Reason::Unanswered { why, wait }))
    }
}
