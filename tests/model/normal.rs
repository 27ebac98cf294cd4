//! The normal form of a state: states that differ only in what no event asks for are the same.
//!
//! Of a number that only rises (fence, revision, turn, nonce) it matters how it compares with the
//! others, so the lowest that compare so take its place. Of an execution that is over, it matters
//! how it ended.

use crate::execution::{At, Doing, LateCall, Moved, Race, State};
use crate::lock::{Fence, Nonce, Rev, Turn};

impl Race {
    pub(crate) fn normalise(&mut self) {
        self.forget_what_is_over();
        self.forget_old_fences_and_revisions();
        for id in 0..self.executions.len() {
            self.executions[id].functions.sort_unstable();
            self.renumber_turns(id);
        }
        self.late.sort_unstable();
        self.renumber_nonces();
    }

    fn forget_what_is_over(&mut self) {
        let is_the_last_word = self.misfortunes == 0;
        for one in &mut self.executions {
            let is_over = match one.at {
                At::Ended(_) => true,
                At::NotStarted | At::Waiting | At::Task => one.stopped && is_the_last_word,
            };
            if is_over {
                (one.state, one.released) = (State::FIRST, None);
                if one.functions.is_empty() && self.late.is_empty() {
                    (one.moved, one.turned_back) = (Moved::No, false);
                }
            }
        }
    }

    /// The item's own become 1, and what it has left behind 0.
    fn forget_old_fences_and_revisions(&mut self) {
        let (fence, rev) = (self.item.fence, self.item.rev);
        (self.item.fence, self.item.rev) = (1, 1);
        let fence_of = |old: Fence| Fence::from(old == fence);
        let rev_of = |old: Rev| Rev::from(old == rev);
        let state = |state: &mut State| {
            state.fence = state.fence.map(fence_of);
            state.seen = state.seen.filter(|(seen, _)| *seen == rev);
            state.seen = state.seen.map(|(_, waited)| (1, waited));
        };
        for one in &mut self.executions {
            state(&mut one.state);
            for function in &mut one.functions {
                state(&mut function.state);
                if let Doing::Taking(read) = &mut function.doing {
                    (read.fence, read.rev) = (fence_of(read.fence), rev_of(read.rev));
                }
            }
        }
        for late in &mut self.late {
            match &mut late.call {
                LateCall::Write(..) => {}
                LateCall::Enter(entry) => {
                    entry.fence = entry.fence.map(fence_of);
                    entry.outwaited = entry.outwaited.filter(|seen| *seen == rev).map(|_| 1);
                }
                LateCall::Leave(exit) => exit.fence = exit.fence.map(fence_of),
            }
        }
    }

    fn renumber_turns(&mut self, id: usize) {
        let Self {
            item,
            executions,
            late,
            ..
        } = self;
        if item.owner.is_none() {
            item.turn = Turn::FIRST;
        }
        let one = &mut executions[id];
        let mut turns: Vec<&mut Turn> = vec![&mut one.state.turn];
        turns.extend(one.functions.iter_mut().map(|one| &mut one.state.turn));
        if item.owner == Some(id) {
            turns.push(&mut item.turn);
        }
        for late in late {
            if let LateCall::Enter(entry) = &mut late.call
                && entry.me == id
            {
                turns.push(&mut entry.turn);
            }
        }
        let mut numbers: Vec<_> = turns.iter().map(|turn| turn.number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        for turn in turns {
            let earlier = numbers.iter().filter(|&&other| other < turn.number);
            turn.number = u16::try_from(earlier.count()).unwrap_or(u16::MAX);
        }
    }

    /// By where they occur first.
    fn renumber_nonces(&mut self) {
        let mut nonces = Vec::new();
        let mut renumber = |nonce: &mut Nonce| {
            let known = nonces.iter().position(|known| known == nonce);
            let place = known.unwrap_or_else(|| {
                nonces.push(*nonce);
                nonces.len() - 1
            });
            *nonce = Nonce::try_from(place).unwrap_or(Nonce::MAX);
        };
        let functions = self
            .executions
            .iter_mut()
            .flat_map(|one| &mut one.functions);
        functions.for_each(|function| renumber(&mut function.nonce));
        for late in &mut self.late {
            match &mut late.call {
                LateCall::Write(..) => {}
                LateCall::Enter(entry) => renumber(&mut entry.nonce),
                LateCall::Leave(exit) => renumber(&mut exit.nonce),
            }
        }
        if let Some(nonce) = &mut self.item.busy_by {
            renumber(nonce);
        }
        self.invocations = Nonce::try_from(nonces.len()).unwrap_or(Nonce::MAX);
    }
}
