//! What a deployment names, as JSON: in the state between two turns, and in the lock's item.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::state::is_none;
use super::{Event, Failure, not_from_the_state_machine};
use crate::arn::Arn;
use crate::checks::Checked;
use crate::deployment::{Outgoing, Plan, Replanned};
use crate::hooks::Calls;
use crate::id::{RouteArn, TargetGroupArn, TaskSetId};
use crate::identity::DeploymentId;
use crate::lock::Item;
use crate::pauses::{Gates, Waits};
use crate::phase::Phase;
use crate::point::Point;
use crate::quote::quote;
use crate::refusal::Refusal;
use crate::registry::Removed;
use crate::request::Request;
use crate::shift::Shifted;

/// What a deployment names.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PlanWire {
    original: Option<TaskSetId>,
    original_target_group: TargetGroupArn,
    replacement: Option<TaskSetId>,
    replacement_target_group: TargetGroupArn,
    routes: Vec<RouteArn>,
    tasks: u32,
    desired: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    swapped: Option<u64>,
    #[serde(default, skip_serializing_if = "is_none")]
    paused: u32,
    /// The planned pauses that are over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    passed: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    waits: Option<WaitsWire>,
    /// How far its hooks are.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    calls: Value,
    /// The step of a traffic shift, its seconds so far, when it began, and for how long steps were held.
    #[serde(default, skip_serializing_if = "is_none")]
    shift_step: u32,
    #[serde(default, skip_serializing_if = "is_none")]
    shift_waited: u32,
    #[serde(default, skip_serializing_if = "no_command")]
    shift_since: u64,
    #[serde(default, skip_serializing_if = "is_none")]
    shift_held: u32,
    #[serde(default, skip_serializing_if = "no_command")]
    shift_seen: u64,
    /// Since when both task sets serve, and for how long steps have waited for samples of checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checked_since: Option<u64>,
    #[serde(default, skip_serializing_if = "is_none")]
    checked_held: u32,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    checked_complete: bool,
    #[serde(default, skip_serializing_if = "is_none")]
    checked_without: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replanned: Option<ReplannedWire>,
    #[serde(default, skip_serializing_if = "no_command")]
    paced: u64,
    /// When no client found what goes any more, and how many times it was taken out of the registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    removed_since: Option<u64>,
    #[serde(default, skip_serializing_if = "is_none")]
    removed_times: u32,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    removed_restarts: bool,
    #[serde(default, skip_serializing_if = "is_none")]
    removed_backs: u32,
    /// What goes: `original`, `replacement` or `leftover`.
    outgoing: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    leftover: Option<TaskSetId>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    finishing: bool,
}

/// A planned pause that has begun.
#[derive(Serialize, Deserialize)]
struct WaitsWire {
    at: String,
    waited: u32,
    since: u64,
    until: u64,
}

/// A drain that was given another pace after its first step, field by field as [`Replanned`] has it.
#[derive(Serialize, Deserialize)]
struct ReplannedWire {
    tasks: u32,
    desired: u32,
    steps: u32,
    pause: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn no_command(number: &u64) -> bool {
    *number == 0
}

impl PlanWire {
    pub(super) fn of(plan: &Plan) -> Self {
        Self {
            original: plan.original.clone(),
            original_target_group: plan.original_target_group.clone(),
            replacement: plan.replacement.clone(),
            replacement_target_group: plan.replacement_target_group.clone(),
            routes: plan.routes.clone(),
            tasks: plan.tasks,
            desired: plan.desired,
            swapped: plan.swapped,
            paused: plan.paused,
            passed: plan.passed.points.iter().map(Point::to_string).collect(),
            waits: plan.passed.waits.map(|waits| WaitsWire {
                at: waits.at.to_string(),
                waited: waits.waited,
                since: waits.since,
                until: waits.until,
            }),
            calls: plan.calls.to_json(),
            shift_step: plan.shifted.step,
            shift_waited: plan.shifted.waited,
            shift_since: plan.shifted.since,
            shift_held: plan.shifted.held,
            shift_seen: plan.shifted.seen,
            checked_since: plan.checked.since,
            checked_held: plan.checked.held,
            checked_complete: plan.checked.complete,
            checked_without: plan.checked.without,
            paced: plan.paced,
            replanned: plan.replanned.map(|replanned| ReplannedWire {
                tasks: replanned.tasks,
                desired: replanned.desired,
                steps: replanned.steps,
                pause: replanned.pause,
            }),
            removed_since: plan.removed.since,
            removed_times: plan.removed.times,
            removed_restarts: plan.removed.restarts,
            removed_backs: plan.removed.backs,
            outgoing: plan.outgoing.to_string(),
            leftover: match &plan.outgoing {
                Outgoing::Leftover(leftover) => leftover.clone(),
                Outgoing::Original | Outgoing::Replacement => None,
            },
            finishing: plan.finishing,
        }
    }

    /// The plan that was written, of a deployment and what it was asked for.
    pub(super) fn read(
        self,
        id: DeploymentId,
        request: Request,
        failure: Option<Failure>,
        reply: Option<&Value>,
    ) -> Result<Plan, Refusal> {
        let outgoing = match self.outgoing.as_str() {
            "original" => Outgoing::Original,
            "replacement" => Outgoing::Replacement,
            "leftover" => Outgoing::Leftover(self.leftover),
            other => return Err(unreadable(&format!("unknown outgoing {other:?}"))),
        };
        let point = |name: &str| {
            Point::parse(name).ok_or_else(|| unreadable(&format!("unknown point {name:?}")))
        };
        let points = self.passed.iter().map(|name| point(name));
        let waits = self.waits.map(|waits| {
            Ok::<_, Refusal>(Waits {
                at: point(&waits.at)?,
                waited: waits.waited,
                since: waits.since,
                until: waits.until,
            })
        });
        let passed = Gates {
            points: points.collect::<Result<_, _>>()?,
            waits: waits.transpose()?,
        };
        let calls = Calls::read(&self.calls, reply);
        Ok(Plan {
            id,
            request,
            original: self.original,
            original_target_group: self.original_target_group,
            replacement: self.replacement,
            replacement_target_group: self.replacement_target_group,
            outgoing,
            routes: self.routes,
            tasks: self.tasks,
            desired: self.desired,
            swapped: self.swapped,
            paused: self.paused,
            passed,
            calls: calls.ok_or_else(|| unreadable(&"unknown calls of hooks"))?,
            shifted: Shifted {
                step: self.shift_step,
                waited: self.shift_waited,
                since: self.shift_since,
                held: self.shift_held,
                seen: self.shift_seen,
            },
            checked: Checked {
                since: self.checked_since,
                held: self.checked_held,
                complete: self.checked_complete,
                without: self.checked_without,
            },
            paced: self.paced,
            replanned: self.replanned.map(|replanned| Replanned {
                tasks: replanned.tasks,
                desired: replanned.desired,
                steps: replanned.steps,
                pause: replanned.pause,
            }),
            removed: Removed {
                since: self.removed_since,
                times: self.removed_times,
                restarts: self.removed_restarts,
                backs: self.removed_backs,
            },
            finishing: self.finishing,
            failure,
        })
    }

    /// Everything that a plan names is of this account and region, and its two target groups differ.
    pub(super) fn names_its_own(&self, event: &Event) -> Result<(), Refusal> {
        let groups = [&self.original_target_group, &self.replacement_target_group];
        let groups = groups.map(|group| (group.as_str(), "a target group", "targetgroup/"));
        let routes = self.routes.iter();
        let routes = routes.map(|route| (route.as_str(), "a route", "listener"));
        for (arn, what, kind) in groups.into_iter().chain(routes) {
            let of_home = Arn::parse(arn).is_some_and(|arn| {
                let of_kind = match arn.service {
                    "elasticloadbalancing" => arn.resource.starts_with(kind),
                    // The task sets of a registry, and the registry itself.
                    "servicediscovery" => arn.resource.starts_with("service/"),
                    _ => false,
                };
                of_kind && arn.home() == *event.id.home()
            });
            if !of_home {
                return Err(not_from_the_state_machine(&format!(
                    "The event's state names {} as {what} of {}.",
                    quote(arn),
                    event.id.home()
                )));
            }
        }
        if self.original_target_group == self.replacement_target_group {
            return Err(not_from_the_state_machine(
                "The event's state names one target group as both.",
            ));
        }
        Ok(())
    }
}

pub(super) fn unreadable(what: &dyn std::fmt::Display) -> Refusal {
    not_from_the_state_machine(&format!(
        "The event's state is not the answer of the turn before: {what}."
    ))
}

impl Plan {
    /// What this deployment names, as the lock's item keeps it.
    pub fn to_json(&self) -> String {
        json!(PlanWire::of(self)).to_string()
    }

    /// The same request with what another deployment named, whose rollback a lock's item shows under way,
    /// and the phase it was in; `None` where there is none, or it cannot be read or names nothing to undo.
    pub fn unfinished(&self, item: &Item, event: &Event) -> Option<(Phase, Self)> {
        let phase = item.phase?;
        // As the state is read: another way to read a plan would be more of each function.
        let plan: Value = serde_json::from_str(item.plan.as_deref()?).ok()?;
        let plan = PlanWire::deserialize(&plan).ok()?;
        plan.names_its_own(event).ok()?;
        let (id, request) = (self.id.clone(), self.request.clone());
        let plan = plan.read(id, request, self.failure.clone(), None).ok()?;
        if phase != Phase::Rollback && plan.outgoing != Outgoing::Replacement {
            return None;
        }
        plan.incoming_set()?;
        let named = Self {
            finishing: true,
            paused: 0,
            passed: Gates::default(),
            calls: Calls::default(),
            checked: Checked::default(),
            paced: 0,
            replanned: None,
            ..plan
        };
        Some((phase, named))
    }
}
