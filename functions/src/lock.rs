//! The lock of a service: conditional writes of one `DynamoDB` item at both ends of a turn.
//!
//! What an item means is decided in `controller::lock`.

mod item;

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionError;
use aws_sdk_sfn::types::ExecutionStatus;
use ebbtide_controller::auto_scaling::Hold;
use ebbtide_controller::command::{Answered, Heard, Order, Panel};
use ebbtide_controller::deployment::{Answer, Deployment};
use ebbtide_controller::id::ExecutionArn;
use ebbtide_controller::lock::{
    self, Busy, Claim, End, Item, Lock, Me, OUTWAITED, Refused, SETTLE, claim, claim_of_the_dead,
};
use ebbtide_controller::quote::sentence;
use ebbtide_controller::reason::Code;
use ebbtide_controller::refusal::ErrorName;
use ebbtide_controller::request::Request;

use crate::clients::Clients;
use crate::error::StepError;
use crate::handler::Step;
use crate::invocation::Invocation;
use crate::operator;

use item::{HOLD, ends, hold};
pub(crate) use item::{item, number, text};

/// Reads of an item that is written to at the same time, at most.
pub(crate) const READS: u32 = 5;

/// Characters of a reason that an item keeps: a write of 1 KB is the cheapest.
const LONGEST_REASON: usize = 300;

/// By then, every write of an invocation that has ended has landed.
const SETTLE_MILLIS: u64 = SETTLE as u64 * 1_000;

/// What came of an attempt to enter.
#[expect(
    clippy::large_enum_variant,
    reason = "one is made a turn, and most are the large one"
)]
pub(crate) enum Entry {
    /// This invocation is inside.
    Inside(Section),
    /// This deployment has ended already.
    Ended(End),
    /// Nothing was ever begun under this lock.
    NothingDone,
    /// Another invocation may be at work: wait.
    Busy(Busy),
    /// Step Functions has given this invocation up, and a later one was here.
    Overtaken,
}

/// A turn inside the lock.
pub(crate) struct Section {
    /// The fence that was entered with.
    pub(crate) fence: u64,
    /// The item before it was taken, or taken back.
    pub(crate) before: Option<Item>,
    /// What an operator has asked for.
    pub(crate) order: Option<Order>,
    /// Scale-in that a deployment has suspended.
    pub(crate) hold: Option<Hold>,
    ends: Vec<End>,
}

impl Section {
    fn of(item: Item, before: Option<Item>, me: &Me<'_>) -> Self {
        Self {
            fence: item.fence,
            before,
            order: item.order(me.execution, item.fence),
            hold: item.hold,
            ends: item.ends,
        }
    }
}

/// Enters the lock of a deployment, or takes it where the execution has not had it yet.
///
/// Fails with `LockLost` or `ConcurrentDeployment`, and with what is worth retrying where `DynamoDB`
/// does not answer.
pub(crate) async fn enter(step: &Step<'_>, deployment: &Deployment) -> Result<Entry, StepError> {
    let me = Me {
        execution: step.event.id.execution(),
        started: step.event.started(),
        nonce: step.invocation.nonce,
        phase: step.event.phase,
    };
    let lock = &deployment.lock;
    let Some(fence) = lock.fence else {
        return take(step, &me, deployment).await;
    };
    let now = step.invocation.now_millis();
    let call = entering(step, &me, deployment)
        .update_expression(
            "SET busyBy = :nonce, busyUntil = :until, turn = :turn, phase = :phase, #plan = :plan \
             ADD rev :one",
        )
        .condition_expression(
            "#owner = :me AND fence = :fence AND turn <= :turn AND (attribute_not_exists(busyBy) \
             OR busyUntil < :now OR rev = :outwaited)",
        )
        .expression_attribute_names("#plan", "plan")
        .expression_attribute_values(":phase", text(me.phase.as_str()))
        .expression_attribute_values(":plan", text(deployment.plan.to_json()))
        .expression_attribute_values(":fence", number(fence));
    match update(call).await? {
        Updated::Now(item) => Ok(Entry::Inside(Section::of(*item, None, &me))),
        Updated::Refused(item) => match lock::refused(&item, &me, lock, now) {
            Refused::Inside => Ok(Entry::Inside(Section::of(*item, None, &me))),
            Refused::Ended(end) => Ok(Entry::Ended(end)),
            Refused::Overtaken => Ok(Entry::Overtaken),
            Refused::Busy(busy) => Ok(Entry::Busy(busy)),
            Refused::Lost { owner } => Err(lock::lost(&lock.id, owner.as_deref(), &item).into()),
        },
    }
}

/// Takes the lock for the first turn of an execution.
async fn take(step: &Step<'_>, me: &Me<'_>, deployment: &Deployment) -> Result<Entry, StepError> {
    let (clients, lock) = (step.clients, &deployment.lock);
    for _ in 0..READS {
        let seen = read(clients, &lock.id).await?;
        let now = step.invocation.now_millis();
        let item = seen.clone().unwrap_or_default();
        let claim = match claim(seen.as_ref(), me, lock, now) {
            Claim::TakeIfEnded { owner } => {
                if !has_ended(clients, &owner).await? {
                    return Err(lock::concurrent(&lock.id, &owner, &item).into());
                }
                claim_of_the_dead(&item, lock, now)
            }
            claim => claim,
        };
        let back = match claim {
            Claim::Take { back } => back,
            Claim::Ended(end) => return Ok(Entry::Ended(end)),
            Claim::NothingDone => return Ok(Entry::NothingDone),
            Claim::Busy(busy) => return Ok(Entry::Busy(busy)),
            Claim::Overtaken => return Ok(Entry::Overtaken),
            Claim::Superseded | Claim::TakeIfEnded { .. } => {
                return Err(lock::superseded(&lock.id, &item).into());
            }
        };
        // An operator may have made an item that no function has written to.
        let written = seen.as_ref().filter(|seen| seen.rev > 0);
        let condition = if written.is_some() {
            "rev = :seen"
        } else {
            "attribute_not_exists(rev)"
        };
        // A rollback that was under way stays in the item until a turn has answered with it: this one
        // may die.
        let unfinished = deployment.plan.unfinished(&item, step.event).is_some();
        let mut update_of =
            "SET #owner = :me, newest = :started, busyBy = :nonce, busyUntil = :until, \
                             turn = :turn"
                .to_owned();
        let mut call = entering(step, me, deployment)
            .expression_attribute_values(":started", number(me.started));
        if !unfinished {
            update_of.push_str(", phase = :phase");
            call = call.expression_attribute_values(":phase", text(me.phase.as_str()));
        }
        if let Some(seen) = written {
            call = call.expression_attribute_values(":seen", number(seen.rev));
        }
        let quiet = if back {
            update_of.push_str(" ADD rev :one");
            " OR (#owner = :me AND attribute_not_exists(busyBy))"
        } else {
            update_of.push_str(", #command = :panel REMOVE answered, waits");
            if !unfinished {
                update_of.push_str(", #plan");
                call = call.expression_attribute_names("#plan", "plan");
            }
            update_of.push_str(" ADD rev :one, fence :one");
            // What an operator may ask is for this owner and this fence.
            let panel = Panel {
                execution: me.execution.clone(),
                fence: item.fence + 1,
                number: 0,
                asked: None,
            };
            call = call
                .expression_attribute_names("#command", "command")
                .expression_attribute_values(":panel", operator::value_of(&panel));
            ""
        };
        let call = call
            .update_expression(update_of)
            .condition_expression(format!(
                "{condition} AND (attribute_not_exists(busyUntil) OR busyUntil < :now OR rev = \
                 :outwaited{quiet})"
            ));
        match update(call).await? {
            Updated::Now(new) => {
                return Ok(Entry::Inside(Section::of(*new, seen, me)));
            }
            // The write of this invocation that was not answered.
            Updated::Refused(new) if new.busy_by.as_deref() == Some(me.nonce) => {
                return Ok(Entry::Inside(Section::of(*new, seen, me)));
            }
            Updated::Refused(_) => {}
        }
    }
    Err(StepError::new(
        ErrorName::Transient,
        format!(
            "The lock of service {} was written to {READS} times while it was read.",
            lock.id
        ),
    ))
}

/// What enter and take have in common.
fn entering(step: &Step<'_>, me: &Me<'_>, deployment: &Deployment) -> UpdateItemFluentBuilder {
    let invocation = step.invocation;
    let until = invocation.deadline_millis().saturating_add(SETTLE_MILLIS);
    let outwaited = deployment.lock.outwaited();
    on(step.clients, &deployment.lock.id)
        .expression_attribute_names("#owner", "owner")
        .expression_attribute_values(":me", text(me.execution.as_str()))
        .expression_attribute_values(":nonce", text(me.nonce))
        .expression_attribute_values(":now", number(invocation.now_millis()))
        .expression_attribute_values(":until", number(until))
        .expression_attribute_values(":turn", number(deployment.lock.turn))
        .expression_attribute_values(":one", number(1))
        .expression_attribute_values(
            ":outwaited",
            outwaited.map_or_else(|| AttributeValue::N("-1".to_owned()), number),
        )
}

/// Leaves the lock, and releases it where the deployment is over. Without an answer the turn has failed with an
/// error, which Step Functions retries.
///
/// `unanswered`: a write may still land, so that nothing else may enter until it must have. A leave
/// that does not succeed is only logged: the next turn waits until this one must be over.
pub(crate) async fn leave(
    step: &Step<'_>,
    id: &str,
    section: &Section,
    answer: Option<&Answer>,
    unanswered: bool,
) {
    let until = step.invocation.now_millis() + SETTLE_MILLIS;
    let mut set = "SET busyUntil = :until".to_owned();
    let mut remove = Vec::new();
    if !unanswered {
        remove.push("busyBy");
    }
    let mut call = on(step.clients, id);
    if let Some(answer) = answer {
        set.push_str(", reason = :reason");
        let reason = shortened(&answer.reason.to_string());
        call = call
            .expression_attribute_names("#plan", "plan")
            .expression_attribute_values(":reason", text(reason));
        if let Some(heard) = &answer.heard {
            set.push_str(", answered = :answered");
            let answered = operator::value_of_answer(&answered(heard));
            call = call.expression_attribute_values(":answered", answered);
        }
        let waits = answer.plan.passed.waits;
        let waits = waits.filter(|_| answer.reason.code() == Code::WaitingForApproval);
        if let Some(waits) = waits {
            set.push_str(", waits = :waits");
            call = call.expression_attribute_values(":waits", text(waits.at.as_str()));
        } else {
            remove.push("waits");
        }
        if let Some(phase) = answer.to.phase() {
            set.push_str(", phase = :phase, #plan = :plan");
            call = call
                .expression_attribute_values(":phase", text(phase.as_str()))
                .expression_attribute_values(":plan", text(answer.plan.to_json()));
        } else {
            set.push_str(", ends = :ends");
            remove.extend(["#owner", "phase", "#plan", "#command"]);
            let end = End {
                execution: step.event.id.execution().clone(),
                started: step.event.started(),
                to: answer.to,
            };
            call = call
                .expression_attribute_names("#owner", "owner")
                .expression_attribute_names("#command", "command")
                .expression_attribute_values(":ends", ends(&end, &section.ends));
        }
    }
    let remove = if remove.is_empty() {
        String::new()
    } else {
        format!(" REMOVE {}", remove.join(", "))
    };
    let call = call
        .update_expression(format!("{set}{remove} ADD rev :one"))
        .condition_expression("busyBy = :nonce")
        .expression_attribute_values(":nonce", text(step.invocation.nonce))
        .expression_attribute_values(":until", number(until))
        .expression_attribute_values(":one", number(1));
    match update(call).await {
        Ok(Updated::Now(_)) => {}
        Ok(Updated::Refused(_)) => tracing::warn!(
            lock = id,
            "another invocation has entered the lock, so this one did not leave it"
        ),
        Err(error) => tracing::warn!(
            lock = id,
            error = error.message,
            "the lock was not left: the next turn waits until this one must have ended"
        ),
    }
}

/// Records in the item that scale-in is suspended, or that it is not, while this invocation is inside.
pub(crate) async fn record(
    clients: &Clients,
    invocation: &Invocation<'_>,
    request: &Request,
    held: Option<&Hold>,
) -> Result<(), StepError> {
    let call = on(clients, &Lock::of(request).id)
        .condition_expression("busyBy = :nonce")
        .expression_attribute_values(":nonce", text(invocation.nonce))
        .expression_attribute_values(":one", number(1));
    let call = match held {
        Some(held) => call
            .update_expression(format!("SET {HOLD} = :hold ADD rev :one"))
            .expression_attribute_values(":hold", hold(held)),
        None => call.update_expression(format!("REMOVE {HOLD} ADD rev :one")),
    };
    match update(call).await? {
        Updated::Now(_) => Ok(()),
        // The next turn finds out by entering.
        Updated::Refused(_) => Err(StepError::new(
            ErrorName::Transient,
            "Another invocation has entered the lock.",
        )),
    }
}

/// The answer to a command, as the item keeps it.
fn answered(heard: &Heard) -> Answered {
    Answered {
        number: heard.number,
        refused: heard.refused.as_ref().map(ToString::to_string),
        in_force: heard.in_force.clone(),
    }
}

fn on(clients: &Clients, id: &str) -> UpdateItemFluentBuilder {
    clients
        .dynamodb
        .update_item()
        .table_name(&clients.lock_table)
        .key("id", text(id))
        .return_values(ReturnValue::AllNew)
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
}

/// A conditional write: the item after it, or the one that did not meet the condition.
enum Updated {
    Now(Box<Item>),
    Refused(Box<Item>),
}

async fn update(call: UpdateItemFluentBuilder) -> Result<Updated, StepError> {
    match call.send().await {
        Ok(answer) => {
            let attributes = answer.attributes().cloned().unwrap_or_default();
            Ok(Updated::Now(Box::new(item(&attributes))))
        }
        Err(error) => match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                let attributes = failed.item().cloned().unwrap_or_default();
                Ok(Updated::Refused(Box::new(item(&attributes))))
            }
            _ => Err(StepError::of_call("dynamodb:UpdateItem", &error)),
        },
    }
}

/// Fails with `Drift` if the item was written by a version with another form of locks.
async fn read(clients: &Clients, id: &str) -> Result<Option<Item>, StepError> {
    let seen = attributes(clients, id).await?;
    // An operator alone may have made one, which holds a command and nothing else.
    let by_another = |seen: &HashMap<String, AttributeValue>| {
        let mut names = seen.keys().map(String::as_str);
        !seen.contains_key("rev") && names.any(|name| !["id", "command"].contains(&name))
    };
    if seen.as_ref().is_some_and(by_another) {
        return Err(lock::of_another_version(id, &clients.lock_table).into());
    }
    Ok(seen.as_ref().map(item))
}

/// An item as the table has it.
pub(crate) async fn attributes(
    clients: &Clients,
    id: &str,
) -> Result<Option<HashMap<String, AttributeValue>>, StepError> {
    let answer = clients
        .dynamodb
        .get_item()
        .table_name(&clients.lock_table)
        .key("id", text(id))
        .consistent_read(true)
        .send()
        .await
        .map_err(|error| StepError::of_call("dynamodb:GetItem", &error))?;
    Ok(answer.item)
}

/// Whether an execution has ended, as far as Step Functions shows it: a hint, the conditions of the
/// lock are what makes a takeover safe.
async fn has_ended(clients: &Clients, execution: &ExecutionArn) -> Result<bool, StepError> {
    let answer = clients
        .sfn
        .describe_execution()
        .execution_arn(execution.as_str())
        .send()
        .await;
    match answer {
        Ok(answer) => Ok(match answer.status() {
            ExecutionStatus::Succeeded
            | ExecutionStatus::Failed
            | ExecutionStatus::TimedOut
            | ExecutionStatus::Aborted => true,
            // One of these, or a status that this version does not know.
            _ => false,
        }),
        Err(error) => match error.as_service_error() {
            Some(
                DescribeExecutionError::ExecutionDoesNotExist(_)
                | DescribeExecutionError::InvalidArn(_),
            ) => Ok(true),
            _ => Err(StepError::of_call("states:DescribeExecution", &error)),
        },
    }
}

fn shortened(reason: &str) -> String {
    sentence(reason).chars().take(LONGEST_REASON).collect()
}

// The functions' timeout and what settles after it fit into what is waited for without a clock.
const _: () = assert!(OUTWAITED >= 60 + SETTLE);
