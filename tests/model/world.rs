//! The world that executions race for: task sets, the production listener, and what each function
//! decides when it looks at them.
//!
//! A write is decided at one moment and lands at a later one, unconditionally: no ECS or ELBv2 call
//! has an If-Match.

/// An execution, by its number.
pub(crate) type Id = usize;

/// A task set: 0 served before any execution began, `n + 1` is the replacement of execution `n`.
pub(crate) type SetId = usize;

/// The most executions that there are in one search.
pub(crate) const EXECUTIONS: usize = 3;

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

/// The scale of a task set. The steps of a drain in between add nothing to the race.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Scale {
    Zero,
    Full,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TaskSet {
    pub(crate) group: TargetGroup,
    pub(crate) scale: Scale,
    /// The production listener has sent it traffic: its group carries `ebbtide:swap` or the
    /// production tags, or it is PRIMARY.
    pub(crate) served: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct World {
    /// What the production listener forwards to.
    pub(crate) production: TargetGroup,
    pub(crate) task_sets: [Option<TaskSet>; EXECUTIONS + 1],
}

/// The steps of the functions that write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Step {
    Leftovers,
    Create,
    Swap,
    ScaleDown,
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

/// What a function makes of one look at the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    Act(Write),
    Done,
    Refuse,
}

impl World {
    /// One task set in service and nothing else.
    pub(crate) fn serving() -> Self {
        let mut task_sets = [None; EXECUTIONS + 1];
        task_sets[0] = Some(TaskSet {
            group: TargetGroup::Blue,
            scale: Scale::Full,
            served: true,
        });
        Self {
            production: TargetGroup::Blue,
            task_sets,
        }
    }

    pub(crate) fn set(&self, set: SetId) -> Option<&TaskSet> {
        self.task_sets[set].as_ref()
    }

    /// The task sets behind the production listener.
    pub(crate) fn serving_sets(&self) -> impl Iterator<Item = SetId> {
        (0..self.task_sets.len()).filter(|&set| self.is_behind_production(set))
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

    /// What a function decides for an execution that knows `original` from its creation step.
    pub(crate) fn decide(&self, step: Step, execution: Id, original: Option<SetId>) -> Decision {
        let own = replacement_of(execution);
        match (step, original) {
            (Step::Leftovers, _) => self.leftovers(own),
            (Step::Create, _) => self.create(own),
            (Step::Rollback, original) => self.rollback(own, original),
            (Step::Swap, Some(original)) => self.swap(own, original),
            (Step::ScaleDown, Some(original)) => self.scale_down(own, original),
            (Step::Cleanup, Some(original)) => self.cleanup(original),
            (Step::Swap | Step::ScaleDown | Step::Cleanup, None) => Decision::Refuse,
        }
    }

    /// Every task set that is not behind production goes, one at a time (rule R8). An execution's
    /// own is no leftover: one that looks late, after the creation, would delete the candidate.
    fn leftovers(&self, own: SetId) -> Decision {
        (0..self.task_sets.len())
            .filter(|&set| set != own)
            .find(|&set| self.set(set).is_some() && !self.is_behind_production(set))
            .map_or(Decision::Done, |set| self.clear_away(set))
    }

    /// Down and then deleted if it served, at once and with force if it never did.
    fn clear_away(&self, set: SetId) -> Decision {
        match self.set(set) {
            None => Decision::Done,
            Some(_) if self.is_behind_production(set) => Decision::Refuse,
            Some(found) if !found.served => {
                Decision::Act(Write::DeleteTaskSet { set, force: true })
            }
            Some(found) if found.scale == Scale::Full => Decision::Act(Write::SetScale {
                set,
                scale: Scale::Zero,
            }),
            Some(_) => Decision::Act(Write::DeleteTaskSet { set, force: false }),
        }
    }

    fn create(&self, own: SetId) -> Decision {
        if self.set(own).is_some() {
            return Decision::Done;
        }
        let group = self.production.other();
        let alternate_is_free = self
            .task_sets
            .iter()
            .flatten()
            .all(|set| set.group != group);
        if self.original().is_none() || !alternate_is_free {
            return Decision::Refuse;
        }
        Decision::Act(Write::CreateTaskSet { set: own, group })
    }

    fn swap(&self, own: SetId, original: SetId) -> Decision {
        match self.set(own) {
            Some(_) if self.is_behind_production(own) => Decision::Done,
            // Nobody else swapped, and the replacement is steady and healthy.
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

    fn scale_down(&self, own: SetId, original: SetId) -> Decision {
        match self.set(original) {
            None => Decision::Done,
            Some(_) if !self.may_drain(own, original) => Decision::Refuse,
            Some(found) if found.scale == Scale::Zero => Decision::Done,
            Some(_) => Decision::Act(Write::SetScale {
                set: original,
                scale: Scale::Zero,
            }),
        }
    }

    fn cleanup(&self, original: SetId) -> Decision {
        match self.set(original) {
            None => Decision::Done,
            Some(_) if self.is_behind_production(original) => Decision::Refuse,
            Some(found) if found.scale == Scale::Full => Decision::Refuse,
            Some(_) => Decision::Act(Write::DeleteTaskSet {
                set: original,
                force: false,
            }),
        }
    }

    /// Before the commit point the candidate goes. After it the original is brought back to full
    /// scale, the listener is moved back to it, and the replacement is drained. Once the original
    /// is gone, there is no way but forward (rule R6).
    fn rollback(&self, own: SetId, original: Option<SetId>) -> Decision {
        if !self.is_behind_production(own) {
            return self.clear_away(own);
        }
        match original.and_then(|set| Some((set, self.set(set)?))) {
            None => Decision::Done,
            Some((set, found)) if found.scale == Scale::Zero => Decision::Act(Write::SetScale {
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
