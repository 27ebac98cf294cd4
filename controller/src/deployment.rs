//! One deployment between two turns: what was settled, how far its phase has got, its lock.

use std::fmt;

use crate::action::Action;
use crate::checks::Checked;
use crate::command::Heard;
use crate::contract::Failure;
use crate::drain::budget::Control;
use crate::hooks::Calls;
use crate::id::{RouteArn, TargetGroupArn, TaskSetId};
use crate::identity::DeploymentId;
use crate::lock::Lock;
use crate::pauses::Gates;
use crate::phase::To;
use crate::reason::Reason;
use crate::registry::Removed;
use crate::request::Request;
use crate::scale_down;
use crate::shift::Shifted;
use crate::world::{TaskSet, World};

/// What a deployment carries from turn to turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployment {
    /// What was settled.
    pub plan: Plan,
    /// How far the current phase has got.
    pub progress: Progress,
    /// The lock of the service.
    pub lock: Lock,
}

/// What was settled by the turn that took the lock.
///
/// It *names* things, and proves nothing: their state is read from the world at every turn (rule R1).
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Which deployment this is.
    pub id: DeploymentId,
    /// The request with every default filled in.
    pub request: Request,
    /// The target group that served when the deployment began.
    pub original_target_group: TargetGroupArn,
    /// The other one, which serves when it is done.
    pub replacement_target_group: TargetGroupArn,
    /// The task set that served when the deployment began; `None` for a first deployment.
    pub original: Option<TaskSetId>,
    /// The task set this deployment created, once it has.
    pub replacement: Option<TaskSetId>,
    /// What goes, and so what takes over.
    pub outgoing: Outgoing,
    /// The production routes.
    pub routes: Vec<RouteArn>,
    /// Tasks of the outgoing set when its drain was planned, at the swap.
    pub tasks: u32,
    /// The service's desired count at that time.
    pub desired: u32,
    /// When production traffic had moved, in seconds since 1970.
    pub swapped: Option<u64>,
    /// Seconds for which operators have paused this deployment.
    pub paused: u32,
    /// How far it has got with its planned pauses.
    pub passed: Gates,
    /// How far it has got with its hooks.
    pub calls: Calls,
    /// How far it has got with its traffic shift.
    pub shifted: Shifted,
    /// How far it has got with its metric checks.
    pub checked: Checked,
    /// The number of the command whose pace the request has; 0 where it is the input's.
    pub paced: u64,
    /// What is left of the drain, where that command came after its first step.
    pub replanned: Option<Replanned>,
    /// Whether clients of a registry still find what goes.
    pub removed: Removed,
    /// Whether the rollback is that of an earlier execution, which ended in it: this one finishes it
    /// before its own deployment begins.
    pub finishing: bool,
    /// What went wrong, while it is being rolled back.
    pub failure: Option<Failure>,
}

/// A drain that was given another pace after its first step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replanned {
    /// Tasks that the outgoing set wanted then.
    pub tasks: u32,
    /// The service's desired count at that time.
    pub desired: u32,
    /// Steps that were made.
    pub steps: u32,
    /// Seconds from then to the first step at the new pace.
    pub pause: u32,
}

/// What a deployment removes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// The original: the replacement takes over.
    Original,
    /// The replacement, in a rollback: the original takes over.
    Replacement,
    /// What an earlier deployment left on the replacement's target group, once one is chosen: the
    /// original keeps serving.
    Leftover(Option<TaskSetId>),
}

impl fmt::Display for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Original => "original",
            Self::Replacement => "replacement",
            Self::Leftover(_) => "leftover",
        })
    }
}

impl Plan {
    /// What goes.
    pub fn outgoing_set(&self) -> Option<&TaskSetId> {
        match &self.outgoing {
            Outgoing::Original => self.original.as_ref(),
            Outgoing::Replacement => self.replacement.as_ref(),
            Outgoing::Leftover(leftover) => leftover.as_ref(),
        }
    }

    /// Its target group.
    pub fn outgoing_group(&self) -> &TargetGroupArn {
        match self.outgoing {
            Outgoing::Original => &self.original_target_group,
            Outgoing::Replacement | Outgoing::Leftover(_) => &self.replacement_target_group,
        }
    }

    /// What takes over, or serves already.
    pub fn incoming_set(&self) -> Option<&TaskSetId> {
        match self.outgoing {
            Outgoing::Original => self.replacement.as_ref(),
            Outgoing::Replacement | Outgoing::Leftover(_) => self.original.as_ref(),
        }
    }

    /// Its target group.
    pub fn incoming_group(&self) -> &TargetGroupArn {
        match self.outgoing {
            Outgoing::Original => &self.replacement_target_group,
            Outgoing::Replacement | Outgoing::Leftover(_) => &self.original_target_group,
        }
    }

    /// What goes, as it is now.
    pub fn outgoing_in<'a>(&self, world: &'a World) -> Option<&'a TaskSet> {
        world.task_set(self.outgoing_set()?)
    }

    /// The incoming set as it is now, even if it is being deleted.
    ///
    /// Found by its id once that is known, and before that by the deployment's label.
    pub fn incoming_in<'a>(&self, world: &'a World) -> Option<&'a TaskSet> {
        match self.incoming_set() {
            Some(id) => world.task_set(id),
            None => self.labelled_in(world),
        }
    }

    /// The task set that bears this deployment's label.
    pub fn labelled_in<'a>(&self, world: &'a World) -> Option<&'a TaskSet> {
        let label = self.id.external_id();
        let mut sets = world.task_sets.iter();
        sets.find(|set| set.external_id.as_deref() == Some(label.as_str()))
    }

    /// Whether the deployment goes forward: what it removes is its original.
    pub fn goes_forward(&self) -> bool {
        self.outgoing == Outgoing::Original
    }

    /// The tasks that the drain's schedule begins with, and the desired count at that time.
    pub(crate) fn scheduled(&self) -> (u32, u32) {
        match self.replanned {
            Some(Replanned { tasks, desired, .. }) => (tasks, desired),
            None => (self.tasks, self.desired),
        }
    }

    /// Steps made before the drain was given another pace.
    pub(crate) fn earlier_steps(&self) -> u32 {
        self.replanned.map_or(0, |replanned| replanned.steps)
    }

    /// The same deployment, rolling back to the original.
    #[must_use]
    pub fn back(&self) -> Self {
        Self {
            outgoing: Outgoing::Replacement,
            ..self.clone()
        }
    }

    /// The same deployment after `seconds` more of a pause.
    #[must_use]
    pub(crate) fn paused_for(&self, seconds: u32) -> Self {
        Self {
            paused: self.paused.saturating_add(seconds),
            ..self.held_for(seconds)
        }
    }

    /// The same deployment after `seconds` in which no hook could be called.
    #[must_use]
    pub(crate) fn held_for(&self, seconds: u32) -> Self {
        Self {
            calls: self.calls.put_off(seconds),
            ..self.clone()
        }
    }

    /// The same deployment on its way forward again, with nothing to undo.
    #[must_use]
    pub fn forward(&self) -> Self {
        Self {
            outgoing: Outgoing::Original,
            failure: None,
            ..self.clone()
        }
    }
}

/// How far a phase (readiness, drain, deletion) has got.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Progress {
    /// Seconds this phase has waited, the wait before the next step included.
    pub waited: u32,
    /// Checks in a row at which the replacement was steady and healthy.
    pub checks: u32,
    /// The next step of the drain, counted from 1; 0 while the swap bakes.
    pub step: u32,
    /// Seconds for which a step has been held because the replacement is not healthy.
    pub held: u32,
    /// Checks of a held step that were made sooner than the others of this phase.
    pub soon: u32,
    /// Seconds from the next check to the next step of the drain: a long pause is checked in between.
    pub pause: u32,
    /// Whether this execution has moved production traffic.
    pub baking: bool,
    /// Seconds that the drain had taken before an error of AWS interrupted it.
    pub spent: u32,
    /// Times that it was interrupted.
    pub returns: u32,
    /// Whether an error of AWS, and no decision, has led to this rollback.
    pub interrupted: bool,
    /// Turns in a row with a write that was not answered.
    pub unanswered: u32,
    /// How a drain by a budget goes on.
    pub control: Control,
}

impl Progress {
    /// The progress of a rollback: its seconds start at 0, and the position in the drain stays. The outgoing
    /// task set may have been scaled down a moment ago, and the drain may go on.
    #[must_use]
    pub fn of_rollback(&self, plan: &Plan) -> Self {
        Self {
            step: scale_down::begun(plan, self),
            pause: self.pause,
            baking: self.baking,
            // Not those of the bake, which begins anew.
            spent: scale_down::drained_for(plan, self),
            returns: self.returns,
            control: self.control,
            ..Self::default()
        }
    }

    /// That of a drain or a swap that goes on after an interruption: where it was.
    #[must_use]
    pub(crate) fn resumed(&self) -> Self {
        Self {
            waited: 0,
            checks: 0,
            spent: self.spent.saturating_add(self.waited),
            returns: self.returns.saturating_add(1),
            interrupted: false,
            ..*self
        }
    }

    /// That of another phase, which begins now: the baseline from before the first drain stays.
    #[must_use]
    pub fn anew(&self) -> Self {
        Self {
            control: self.control.anew(),
            ..Self::default()
        }
    }
}

/// What a turn answers: where the state machine goes, after how long, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The state that comes next.
    pub to: To,
    /// What was seen and decided.
    pub reason: Reason,
    /// Seconds to wait before the next turn.
    pub wait: u32,
    /// What is settled after this turn.
    pub plan: Plan,
    /// How far the phase has got after it.
    pub progress: Progress,
    /// What is said to an operator's command.
    pub heard: Option<Heard>,
    /// Writes that are made before it, side by side. They only tidy up: one that fails is logged, and changes nothing.
    pub tidy: Vec<Action>,
}
