//! The world that executions race for: task sets, the production listener, and what each function
//! decides when it checks them.
//!
//! A write is decided at one moment and lands at a later one, unconditionally: no ECS or ELBv2 call
//! has an If-Match.

/// An execution, by its number: a higher one started later.
pub(crate) type Id = usize;

/// A task set: 0 served before any execution began, `n + 1` is the replacement of execution `n`.
pub(crate) type SetId = usize;

/// The most executions in one search: three, and the new one that each state must let in.
pub(crate) const EXECUTIONS: usize = 4;

pub(crate) fn replacement_of(execution: Id) -> SetId {
    execution + 1
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum TargetGroup {
    Blue,
    Green,
}

impl TargetGroup {
    fn other(self) -> Self {
        match self {
            Self::Blue => Self::Green,
            Self::Green => Self::Blue,
        }
    }
}

/// The scale of a task set: a drain takes two steps, so that one can land late between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Scale {
    Zero,
    Half,
    Full,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TaskSet {
    pub(crate) group: TargetGroup,
    pub(crate) scale: Scale,
    /// The production listener has sent it traffic.
    pub(crate) served: bool,
    /// It was found sick, and the rollback that takes traffic from it has entered.
    pub(crate) sick: bool,
}

/// The phases of a deployment. `CheckReady` is the later turn of `CheckAndCreateService`, which
/// waits for the replacement; `ScaleDown` names the scale of its step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Phase {
    Preflight,
    CheckAndCreate,
    CheckReady,
    Swap,
    ScaleDown(Scale),
    Cleanup,
    Rollback,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Write {
    CreateTaskSet { set: SetId, group: TargetGroup },
    Forward { group: TargetGroup },
    SetScale { set: SetId, scale: Scale },
    DeleteTaskSet { set: SetId, force: bool },
}

/// The plan of a rollback: `outgoing` is the replacement, `incoming` the original.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Plan {
    pub(crate) outgoing: SetId,
    pub(crate) incoming: Option<SetId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    Act(Write),
    Done,
    Refuse,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Service {
    /// What the production listener forwards to.
    pub(crate) production: TargetGroup,
    pub(crate) task_sets: [Option<TaskSet>; EXECUTIONS + 1],
}

impl Service {
    pub(crate) fn in_order() -> Self {
        let mut task_sets = [None; EXECUTIONS + 1];
        task_sets[0] = Some(TaskSet {
            group: TargetGroup::Blue,
            scale: Scale::Full,
            served: true,
            sick: false,
        });
        Self {
            production: TargetGroup::Blue,
            task_sets,
        }
    }

    pub(crate) fn set(&self, set: SetId) -> Option<&TaskSet> {
        self.task_sets[set].as_ref()
    }

    pub(crate) fn sets(&self) -> impl Iterator<Item = SetId> {
        (0..self.task_sets.len()).filter(|&set| self.set(set).is_some())
    }

    /// The task sets behind the production listener.
    pub(crate) fn serving_sets(&self) -> impl Iterator<Item = SetId> {
        self.sets().filter(|&set| self.is_behind_production(set))
    }

    pub(crate) fn is_behind_production(&self, set: SetId) -> bool {
        self.set(set)
            .is_some_and(|set| set.group == self.production)
    }

    /// The one task set behind the production listener, where it is one.
    pub(crate) fn original(&self) -> Option<SetId> {
        let mut serving = self.serving_sets();
        serving.next().filter(|_| serving.next().is_none())
    }

    /// What a function decides for an execution that knows `original` from the turn that took the
    /// lock. `way_back` is the plan of its Rollback: its own, or that of another execution.
    pub(crate) fn decide(
        &self,
        phase: Phase,
        execution: Id,
        original: Option<SetId>,
        way_back: Option<Plan>,
    ) -> Decision {
        let own = replacement_of(execution);
        if let Some(plan) = way_back {
            return self.way_back(plan);
        }
        match (phase, original) {
            (Phase::Preflight | Phase::Rollback, _) => Decision::Done,
            (Phase::CheckAndCreate | Phase::CheckReady, _) => self.create(own),
            (Phase::Swap, Some(original)) => self.swap(own, original),
            (Phase::ScaleDown(scale), Some(original)) => self.scale_down(own, original, scale),
            (Phase::Cleanup, Some(original)) => self.cleanup(original),
            (Phase::Swap | Phase::ScaleDown(_) | Phase::Cleanup, None) => Decision::Refuse,
        }
    }

    /// Every task set that is not behind production goes first, one at a time (rule R8).
    fn create(&self, own: SetId) -> Decision {
        let mut leftovers = self.sets().filter(|&set| set != own);
        if let Some(set) = leftovers.find(|&set| !self.is_behind_production(set)) {
            return self.clear_away(set);
        }
        if self.set(own).is_some() {
            return Decision::Done;
        }
        if self.original().is_none() {
            return Decision::Refuse;
        }
        Decision::Act(Write::CreateTaskSet {
            set: own,
            group: self.production.other(),
        })
    }

    /// Down and then deleted if it served, at once and with force if it never did.
    fn clear_away(&self, set: SetId) -> Decision {
        match self.set(set) {
            None => Decision::Done,
            Some(_) if self.is_behind_production(set) => Decision::Refuse,
            Some(found) if !found.served => {
                Decision::Act(Write::DeleteTaskSet { set, force: true })
            }
            Some(found) if found.scale > Scale::Zero => Decision::Act(Write::SetScale {
                set,
                scale: Scale::Zero,
            }),
            Some(_) => Decision::Act(Write::DeleteTaskSet { set, force: false }),
        }
    }

    fn swap(&self, own: SetId, original: SetId) -> Decision {
        match self.set(own) {
            Some(_) if self.is_behind_production(own) => Decision::Done,
            // No other deployment swapped, and the replacement is steady and healthy.
            Some(found) if found.scale == Scale::Full && self.original() == Some(original) => {
                Decision::Act(Write::Forward { group: found.group })
            }
            Some(_) | None => Decision::Refuse,
        }
    }

    /// The guard before every harm (rule R4): the original is behind no production listener, and
    /// the replacement is, at full scale.
    fn may_drain(&self, own: SetId, original: SetId) -> bool {
        let replacement_is_well = self.is_behind_production(own)
            && self.set(own).is_some_and(|set| set.scale == Scale::Full);
        replacement_is_well && !self.is_behind_production(original)
    }

    /// One step, to a scale that the phase names: absolute, so that a retry takes no second one.
    fn scale_down(&self, own: SetId, original: SetId, scale: Scale) -> Decision {
        match self.set(original) {
            None => Decision::Done,
            Some(_) if !self.may_drain(own, original) => Decision::Refuse,
            Some(found) if found.scale <= scale => Decision::Done,
            Some(_) => Decision::Act(Write::SetScale {
                set: original,
                scale,
            }),
        }
    }

    fn cleanup(&self, original: SetId) -> Decision {
        match self.set(original) {
            None => Decision::Done,
            Some(_) if self.is_behind_production(original) => Decision::Refuse,
            Some(found) if found.scale > Scale::Zero => Decision::Refuse,
            Some(_) => Decision::Act(Write::DeleteTaskSet {
                set: original,
                force: false,
            }),
        }
    }

    /// Before the commit point the candidate goes. After it the original is brought back to full
    /// scale, and the listener is moved back to it. Once the original is gone, the only way is
    /// forward (rule R6).
    fn way_back(&self, plan: Plan) -> Decision {
        if !self.is_behind_production(plan.outgoing) {
            return self.clear_away(plan.outgoing);
        }
        match plan.incoming.and_then(|set| Some((set, self.set(set)?))) {
            None => Decision::Done,
            Some((set, found)) if found.scale < Scale::Full => Decision::Act(Write::SetScale {
                set,
                scale: Scale::Full,
            }),
            Some((_, found)) => Decision::Act(Write::Forward { group: found.group }),
        }
    }

    /// Takes effect, whatever the world has become since it was decided.
    pub(crate) fn land(&mut self, write: Write) {
        match write {
            Write::CreateTaskSet { set, group } => {
                // The client token: what exists is not created again.
                let served = group == self.production;
                self.task_sets[set].get_or_insert(TaskSet {
                    group,
                    scale: Scale::Full,
                    served,
                    sick: false,
                });
            }
            Write::Forward { group } => {
                self.production = group;
                for set in self.task_sets.iter_mut().flatten() {
                    set.served |= set.group == group;
                }
            }
            Write::SetScale { set, scale } => {
                if let Some(found) = &mut self.task_sets[set] {
                    found.scale = scale;
                }
            }
            Write::DeleteTaskSet { set, .. } => self.task_sets[set] = None,
        }
    }
}
