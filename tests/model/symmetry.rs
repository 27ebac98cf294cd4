//! Executions differ by name only: of states that are renamings of one another, one is searched.

use std::hash::{Hash, Hasher};

use crate::execution::{At, Execution, Function, Phase, Race};
use crate::world::{EXECUTIONS, Id, SetId, Write, replacement_of};

/// The checker tells states apart by their hash: that of the renamed state, without what nobody
/// will ask for any more.
impl Hash for Race {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let mut order = [0, 1, 2];
        let order = &mut order[..self.executions.len()];
        order.sort_by_key(|&id| self.without_names(id));
        let names = Names::by(order);
        self.world.production.hash(hasher);
        self.world.set(0).hash(hasher);
        self.owner.map(|owner| names.id(owner)).hash(hasher);
        self.misfortunes.hash(hasher);
        self.harms.hash(hasher);
        for &id in &*order {
            self.world.set(replacement_of(id)).hash(hasher);
            names.hash(&self.executions[id], hasher);
        }
    }
}

impl Race {
    /// What tells executions apart but for their names, as far as that is cheap.
    fn without_names(&self, id: Id) -> impl Ord + use<> {
        let execution = &self.executions[id];
        let function = execution.functions.first();
        (
            (execution.at, execution.stopped, execution.lease_age),
            (
                self.owner == Some(id),
                self.world.task_sets[replacement_of(id)],
            ),
            (execution.moved, execution.holder.map(|seen| seen.revised)),
            (
                execution.functions.len(),
                function.map(|first| (first.step, first.left)),
            ),
        )
    }
}

/// New names of task sets by their old ones. That which served at first keeps its name.
struct Names([SetId; EXECUTIONS + 1]);

impl Names {
    fn by(order: &[Id]) -> Self {
        let mut sets = [0; EXECUTIONS + 1];
        for (new, &old) in order.iter().enumerate() {
            sets[replacement_of(old)] = replacement_of(new);
        }
        Self(sets)
    }

    fn set(&self, set: SetId) -> SetId {
        self.0[set]
    }

    fn id(&self, id: Id) -> Id {
        self.set(replacement_of(id)) - 1
    }

    fn function(&self, mut function: Function) -> Function {
        if let Phase::Writing(
            Write::CreateTaskSet { set, .. }
            | Write::SetScale { set, .. }
            | Write::DeleteTaskSet { set, .. },
        ) = &mut function.phase
        {
            *set = self.set(*set);
        }
        function
    }

    fn hash<H: Hasher>(&self, execution: &Execution, hasher: &mut H) {
        let Execution {
            at,
            stopped,
            holder,
            lease_age,
            original,
            functions,
            moved,
        } = execution;
        (at, stopped, lease_age).hash(hasher);
        let over = matches!(at, At::Ended(_)) && functions.is_empty();
        if !over {
            (original.map(|set| self.set(set)), moved).hash(hasher);
            holder
                .map(|seen| (self.id(seen.owner), seen.revised))
                .hash(hasher);
            for function in functions {
                self.function(*function).hash(hasher);
            }
        }
    }
}
