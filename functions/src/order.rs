//! `Order`: the turns of the parent state machine, which deploys several services of one application.
//!
//! What comes next is decided in `controller::order`. Nothing here writes to a service; the one write is an operator's
//! command, by which the siblings of a service that has failed go back.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_sfn::operation::describe_execution::{DescribeExecutionError, DescribeExecutionOutput};
use aws_sdk_sfn::types::ExecutionStatus;
use ebbtide_controller::command::{Asked, Command, Meant, NotGiven};
use ebbtide_controller::contract::{self, Failure};
use ebbtide_controller::lock::Lock;
use ebbtide_controller::order::{
    self, Application, Before, Event, Item, Kind, Member, Next, Seen, Stage, Standing,
};
use ebbtide_controller::phase::Phase;
use ebbtide_controller::preflight::{self, findings::Finding};
use ebbtide_controller::quote::{quote, sentence};
use ebbtide_controller::refusal::{ErrorName, Refusal};
use ebbtide_controller::world::World;
use futures_util::future::{join_all, try_join_all};
use serde_json::Value;

use crate::clients::Clients;
use crate::error::StepError;
use crate::handler::DENIED;
use crate::invocation::Invocation;
use crate::observe::{Names, observe};
use crate::operator;

/// Carries out one turn of the parent state machine. Fails with what is worth a retry.
pub(crate) async fn handle(
    invocation: &Invocation<'_>,
    clients: &Clients,
    event: &Event,
) -> Result<Value, StepError> {
    let step = Step {
        invocation,
        clients,
        event,
    };
    let answer = match event.kind {
        Kind::Order if event.is_first() => step.first().await,
        Kind::Order => step.turn().await,
        Kind::Siblings => step.siblings().await,
    };
    match &answer {
        Ok(state) => tracing::info!(
            deployment = event.id.name(),
            phase = "order",
            decision = state["next"].as_str().unwrap_or("siblings"),
            reason = sentence(state["reason"]["text"].as_str().unwrap_or_default()),
            "step"
        ),
        Err(error) => tracing::warn!(
            deployment = event.id.name(),
            phase = "order",
            error = error.name.as_str(),
            reason = error.message,
            "failed"
        ),
    }
    answer
}

/// What a turn works with.
struct Step<'a> {
    invocation: &'a Invocation<'a>,
    clients: &'a Clients,
    event: &'a Event,
}

/// What preflight has found of one service.
struct Found {
    passed: Value,
    findings: Vec<Finding>,
    earlier: Option<Value>,
}

impl Step<'_> {
    /// Checks every service before the first one is started.
    async fn first(&self) -> Result<Value, StepError> {
        match self.all_checked().await {
            Ok(state) => Ok(state),
            Err(error) if error.name.is_worth_retrying() => Err(error),
            Err(error) if error.name == ErrorName::Permission && self.age() < DENIED => Err(error),
            Err(error) => Ok(order::refused(&error.failure())),
        }
    }

    async fn all_checked(&self) -> Result<Value, StepError> {
        let application = Application::parse(&self.event.input, self.event.id.home())?;
        let members = application.members.iter();
        let checks = try_join_all(members.map(|member| self.checked(member, application.dry_run)));
        let mut found = Vec::new();
        let mut refusals = BTreeMap::new();
        for (member, checked) in application.members.iter().zip(checks.await?) {
            match checked {
                Ok(checked) => found.push(checked),
                Err(refusal) => {
                    refusals.insert(member.service().to_owned(), refusal);
                }
            }
        }
        if !refusals.is_empty() {
            return Ok(order::refused(&order::none_started(&refusals)));
        }
        if application.dry_run {
            let found = found
                .into_iter()
                .map(|found| (found.passed, found.findings));
            return Ok(order::dry_run(&application, &found.collect::<Vec<_>>()));
        }
        let members = application.members.iter().zip(found);
        let standings =
            members.map(|(member, found)| Standing::new(member.service(), found.earlier));
        let mut standings = standings.collect::<Vec<_>>();
        let state = self.answered(&application, &mut standings, false).await?;
        order::fits(self.event, &application, &standings, &state)?;
        Ok(state)
    }

    /// What preflight says of one service; the outer error is worth a retry or about the account.
    async fn checked(
        &self,
        member: &Member,
        dry_run: bool,
    ) -> Result<Result<Found, Refusal>, StepError> {
        let request = &member.request;
        let world = self.world(member).await?;
        let asked = ebbtide_controller::request::Request {
            dry_run,
            ..request.clone()
        };
        let (checked, findings) = preflight::inspect(&self.event.id, &asked, world.as_ref());
        Ok(checked.map(|checked| {
            let drain = checked.drain();
            let answer = checked.answer();
            let original = answer.plan.original.as_ref().zip(world.as_ref());
            let earlier = original.and_then(|(id, world)| order::earlier(request, world, id));
            Found {
                passed: contract::passed(&answer, &Lock::of(request), &[], &drain),
                findings,
                earlier: earlier.map(|earlier| earlier.to_json()),
            }
        }))
    }

    async fn world(&self, member: &Member) -> Result<Option<World>, StepError> {
        let now = self.invocation.now_millis() / 1_000;
        let (clients, request, mut names) = (self.clients, &member.request, Names::default());
        Box::pin(observe(
            clients,
            Phase::Preflight,
            request,
            None,
            now,
            &mut names,
        ))
        .await
    }

    /// The same, where it shows what serves. What it does not show now is read again.
    async fn clear_world(&self, member: &Member) -> Result<Option<World>, StepError> {
        let world = self.world(member).await?;
        let Some(set) = order::unclear(world.as_ref()) else {
            return Ok(world);
        };
        Err(StepError::not_yet_consistent(format!(
            "{} of service {} has the status {}, and no task set is PRIMARY.",
            set.id,
            member.service(),
            set.status
        )))
    }

    /// Asks what has become of the executions that were started, and decides what comes next.
    async fn turn(&self) -> Result<Value, StepError> {
        let application = Application::parse(&self.event.input, self.event.id.home())?;
        let mut before = Before::read(self.event, &application)?;
        let mut standings = std::mem::take(&mut before.standings);
        let members = application.members.iter().zip(&standings).enumerate();
        let under_way = members.filter(|(_, (_, standing))| {
            matches!(
                standing.stage,
                Stage::Started { .. } | Stage::Undoing { .. }
            )
        });
        let reads = under_way.map(|(number, (member, standing))| async move {
            let name = member.execution(&self.event.id, standing.is_being_undone());
            let seen = match self.seen(&name).await? {
                Seen::RolledBack(failure) => self.back(member, standing, failure).await?,
                seen => seen,
            };
            Ok::<_, StepError>((number, seen))
        });
        let seen: BTreeMap<_, _> = try_join_all(reads).await?.into_iter().collect();
        order::observe(
            &mut standings,
            |number| seen.get(&number).cloned(),
            |number| before.reported(application.members[number].service()),
            before.waited,
        );
        self.answered(&application, &mut standings, before.waited)
            .await
    }

    async fn answered(
        &self,
        application: &Application,
        standings: &mut [Standing],
        waited: bool,
    ) -> Result<Value, StepError> {
        let next = loop {
            match order::next(application, standings, waited) {
                Next::Start(numbers) => {
                    for number in &numbers {
                        standings[*number].start();
                    }
                    break Next::Start(numbers);
                }
                Next::Undo(numbers) => {
                    let begun = self.undo(application, standings, &numbers).await?;
                    if !begun.is_empty() {
                        break Next::Undo(begun);
                    }
                }
                other => break other,
            }
        };
        Ok(order::answer(
            self.event,
            application,
            standings,
            &next,
            self.age(),
        ))
    }

    /// Which of these services can be undone; the others stay as they are.
    async fn undo(
        &self,
        application: &Application,
        standings: &mut [Standing],
        numbers: &[usize],
    ) -> Result<Vec<usize>, StepError> {
        let worlds = numbers
            .iter()
            .map(|number| self.clear_world(&application.members[*number]));
        let worlds = try_join_all(worlds).await?;
        let mut begun = Vec::new();
        for (number, world) in numbers.iter().zip(worlds) {
            let standing = &mut standings[*number];
            let Stage::Deployed { task_set } = &standing.stage else {
                continue;
            };
            let task_set = task_set.as_deref();
            match order::can_be_undone(standing.earlier.as_ref(), task_set, world.as_ref()) {
                Ok(()) => {
                    standing.undo();
                    begun.push(*number);
                }
                Err(why) => standing.stage = Stage::Kept { why },
            }
        }
        Ok(begun)
    }

    /// Whether an execution that was asked to roll back has done so: its error alone does not say that.
    async fn back(
        &self,
        member: &Member,
        standing: &Standing,
        failure: Failure,
    ) -> Result<Seen, StepError> {
        let world = self.clear_world(member).await?;
        let is_back = order::is_back(standing.earlier.as_ref(), world.as_ref());
        Ok(if is_back {
            Seen::RolledBack(failure)
        } else {
            Seen::Failed(failure)
        })
    }

    /// What has become of an execution. One that was asked to roll back counts as rolled back here.
    async fn seen(&self, name: &str) -> Result<Seen, StepError> {
        let arn = self.event.execution(name);
        let call = self.clients.sfn.describe_execution();
        match call.execution_arn(arn.as_str()).send().await {
            Ok(execution) => Ok(ended(&execution)),
            Err(error) => match error.as_service_error() {
                Some(DescribeExecutionError::ExecutionDoesNotExist(_)) => Ok(Seen::Absent),
                _ => Err(StepError::of_call("states:DescribeExecution", &error)),
            },
        }
    }

    /// Has the siblings of a service go back whose deployment has failed.
    ///
    /// One that is not found, or runs on, has not failed: the error was about its start. A sibling that cannot be told
    /// is undone once it is deployed.
    async fn siblings(&self) -> Result<Value, StepError> {
        let item = Item::read(self.event)?;
        let failure = match self.seen(&item.name).await? {
            Seen::Failed(failure) | Seen::RolledBack(failure) => failure,
            Seen::Absent | Seen::Running | Seen::Succeeded { .. } => {
                return Ok(order::of_siblings(&item.service, &item.failure()));
            }
        };
        let asked = Asked {
            command: Command::Rollback,
            by: format!(
                "{}, as {} has failed",
                self.event.id.execution(),
                item.service
            ),
            at: self.invocation.now_millis() / 1_000,
        };
        let application = Application::parse(&self.event.input, self.event.id.home())?;
        let siblings: Vec<_> = item.beside(&application).collect();
        let locks: Vec<_> = siblings
            .iter()
            .map(|sibling| Lock::of(&sibling.request).id)
            .collect();
        let orders = siblings.iter().zip(&locks).map(|(sibling, lock)| {
            let name = sibling.execution(&self.event.id, false);
            self.go_back(name, lock, &asked)
        });
        let given = join_all(orders).await;
        let mut failed = Vec::new();
        for (lock, given) in locks.iter().zip(given) {
            let outcome = match given {
                Ok(Ok(())) => "asked to roll back".to_owned(),
                Ok(Err(not_given)) => not_given.to_string(),
                Err(error) => {
                    let message = error.message.clone();
                    failed.push(error);
                    message
                }
            };
            tracing::info!(
                deployment = self.event.id.name(),
                phase = "order",
                sibling = lock,
                reason = sentence(&outcome),
                "sibling"
            );
        }
        if failed.iter().any(|error| error.name.is_worth_retrying()) {
            StepError::of_all(failed)?;
        }
        Ok(order::of_siblings(&item.service, &failure))
    }

    /// Asks the deployment of a sibling to roll back. Fails where it runs and has not got its lock yet: it is asked
    /// again.
    async fn go_back(
        &self,
        name: String,
        lock: &str,
        asked: &Asked,
    ) -> Result<Result<(), NotGiven>, StepError> {
        let meant = Meant {
            execution: Some(self.event.execution(&name)),
            fence: None,
        };
        let given = operator::give(self.clients, lock, meant, asked).await?;
        let Err(not_given) = given else {
            return Ok(Ok(()));
        };
        if not_given.has_no_lock_yet() && self.seen(&name).await? == Seen::Running {
            return Err(StepError::not_yet_consistent(format!(
                "{name} runs, and has not taken the lock {lock} yet: {not_given}."
            )));
        }
        Ok(Err(not_given))
    }

    /// Seconds since the execution started.
    fn age(&self) -> u64 {
        let millis = self
            .invocation
            .now_millis()
            .saturating_sub(self.event.started());
        Duration::from_millis(millis).as_secs()
    }
}

/// What a description of an execution says.
fn ended(execution: &DescribeExecutionOutput) -> Seen {
    let or = |text: Option<&str>, otherwise: &str| quote(text.unwrap_or(otherwise));
    let failed = |error: &str, cause: &str| {
        Seen::failed(Failure {
            error: or(execution.error(), error),
            cause: execution.cause().map_or_else(|| cause.to_owned(), sentence),
        })
    };
    match execution.status() {
        ExecutionStatus::Succeeded => {
            let output = execution.output().map(serde_json::from_str::<Value>);
            let output = output.and_then(Result::ok).unwrap_or_default();
            let task_set = output["taskSet"].as_str().map(str::to_owned);
            Seen::Succeeded { task_set }
        }
        ExecutionStatus::Failed => failed("DeploymentFailed", "Its execution failed."),
        ExecutionStatus::TimedOut => failed("States.Timeout", "Its execution timed out."),
        ExecutionStatus::Aborted => failed(
            "Aborted",
            "Its execution was stopped. The service stays as it is, and its next deployment cleans up.",
        ),
        // It runs, or has a status that this version does not know.
        _ => Seen::Running,
    }
}
