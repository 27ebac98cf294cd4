//! The lock of a service: one deployment at a time (rule R7).
//!
//! The lock is a function's critical section. Each turn that may write enters it and leaves it with
//! conditional writes of one `DynamoDB` item; between two turns an execution holds only the right to enter
//! next. `tests/faults/mutations/lock.rs` shows what each part of this protocol prevents.
//!
//! This module decides what an item, as it was read, means for an execution that wants to enter.

mod refusals;

pub use refusals::{concurrent, lost, of_another_version, superseded};

use crate::arn::short;
use crate::auto_scaling::Hold;
use crate::command::{Answered, Panel};
use crate::id::ExecutionArn;
use crate::phase::{Phase, To};
use crate::point::Point;
use crate::request::Request;

/// Seconds without a write after which the lock may change hands: as long as the last write of a
/// function that was killed takes to land, as reads may be old, and as clocks differ.
pub const SETTLE: u32 = 30;

/// Seconds of waiting, counted by Step Functions and not by a clock, after which an item to which
/// nothing was written is believed to have no invocation inside: the functions' timeout and [`SETTLE`].
pub const OUTWAITED: u32 = 90;

/// Ends of deployments that an item keeps, so that a lost answer to the last turn is answered again.
pub const ENDS: usize = 3;

/// What an execution knows of the lock of its service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// The key of its item: `CLUSTER/SERVICE`.
    pub id: String,
    /// Rises with every change of owner; `None` before this execution took the lock.
    pub fence: Option<u64>,
    /// The turn that is to come: no earlier one enters after it.
    pub turn: u64,
    /// The item as a turn found it that could not enter.
    pub seen: Option<Seen>,
}

/// An item that an execution waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Its revision.
    pub rev: u64,
    /// Seconds for which the execution has waited with no other revision seen.
    pub waited: u32,
}

impl Lock {
    /// The lock of the service that a request names, before it is taken.
    pub fn of(request: &Request) -> Self {
        Self {
            id: format!("{}/{}", short(&request.cluster), request.service),
            fence: None,
            turn: 0,
            seen: None,
        }
    }

    /// The revision that has been waited for long enough, whatever any clock says.
    pub fn outwaited(&self) -> Option<u64> {
        self.seen
            .filter(|seen| seen.waited >= OUTWAITED)
            .map(|seen| seen.rev)
    }
}

/// The item of a lock. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Item {
    /// The execution that owns it; `None` between two deployments.
    pub owner: Option<ExecutionArn>,
    /// Rises with every change of owner.
    pub fence: u64,
    /// When the newest owner's execution started.
    pub newest: u64,
    /// Rises with every write of a function.
    pub rev: u64,
    /// The owner's latest turn.
    pub turn: u64,
    /// The invocation that is inside, or whose last write was not answered.
    pub busy_by: Option<String>,
    /// Until when a write of the owner may still land.
    pub busy_until: u64,
    /// The phase of the owner that runs or comes next.
    pub phase: Option<Phase>,
    /// What the owner's deployment names, as JSON; only its own version reads it.
    pub plan: Option<String>,
    /// What the owner's last turn came to.
    pub reason: String,
    /// The last deployments that came to an end, newest first.
    pub ends: Vec<End>,
    /// The place for an operator's commands.
    pub panel: Option<Panel>,
    /// The owner's answer to the last one.
    pub answered: Option<Answered>,
    /// The planned pause at which the owner waits for a person.
    pub waits: Option<Point>,
    /// Scale-in that a deployment has suspended, and none has resumed.
    pub hold: Option<Hold>,
}

/// How a deployment ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// The ARN of its execution.
    pub execution: ExecutionArn,
    /// When that started, in milliseconds since 1970: its name is free again after 90 days.
    pub started: u64,
    /// The state that it ended in.
    pub to: To,
}

/// The invocation that wants to enter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Me<'a> {
    /// The ARN of the execution.
    pub execution: &'a ExecutionArn,
    /// When it started, in milliseconds since 1970.
    pub started: u64,
    /// Drawn by this invocation: Lambda may run one request twice.
    pub nonce: &'a str,
    /// The phase to do.
    pub phase: Phase,
}

/// What it means that an execution with a fence was not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// This invocation is inside: the refusal answers the SDK's second attempt.
    Inside,
    /// This execution's deployment ended; the answer was lost on the way.
    Ended(End),
    /// Another execution took the lock, or it is free.
    Lost {
        /// Its owner now.
        owner: Option<ExecutionArn>,
    },
    /// A later turn of this execution was here: Step Functions no longer waits for this one.
    Overtaken,
    /// Another invocation of this execution may be at work.
    Busy(Busy),
}

/// How long to wait for an item, and what to remember of it meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy {
    /// Seconds until the next attempt.
    pub wait: u32,
    /// What the state carries until then.
    pub seen: Seen,
}

/// Why an execution with a fence was not let in by an item.
pub fn refused(item: &Item, me: &Me<'_>, lock: &Lock, now: u64) -> Refused {
    if item.busy_by.as_deref() == Some(me.nonce) {
        return Refused::Inside;
    }
    if let Some(end) = ended(item, me) {
        return Refused::Ended(end);
    }
    if item.owner.as_ref() != Some(me.execution) || Some(item.fence) != lock.fence {
        return Refused::Lost {
            owner: item.owner.clone(),
        };
    }
    if item.turn > lock.turn {
        return Refused::Overtaken;
    }
    Refused::Busy(busy(item, lock, now))
}

/// What an execution without a fence may do about an item as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Take it, on the condition that nothing was written since.
    Take {
        /// It is this execution's own already: a reply was lost. The fence stays.
        back: bool,
    },
    /// Ask Step Functions whether its owner has ended, and take it if so.
    TakeIfEnded {
        /// The owner.
        owner: ExecutionArn,
    },
    /// This execution's deployment ended; the answer was lost on the way.
    Ended(End),
    /// A rollback of a deployment that never took the lock: there is nothing to undo.
    NothingDone,
    /// An execution that started later has been here.
    Superseded,
    /// A later turn of this execution was here.
    Overtaken,
    /// Something may still be written under it.
    Busy(Busy),
}

/// What an execution without a fence may do about an item; `None` where there is no item yet.
pub fn claim(item: Option<&Item>, me: &Me<'_>, lock: &Lock, now: u64) -> Claim {
    let free = Item::default();
    let item = item.unwrap_or(&free);
    if let Some(end) = ended(item, me) {
        return Claim::Ended(end);
    }
    let of_my_name = item.owner.as_ref() == Some(me.execution);
    let mine = of_my_name && item.newest == me.started;
    if !mine && me.phase == Phase::Rollback {
        return Claim::NothingDone;
    }
    if item.newest > me.started {
        return Claim::Superseded;
    }
    if mine && item.turn > lock.turn {
        return Claim::Overtaken;
    }
    // An earlier execution of this one's name has ended: the name would not be free.
    if let Some(owner) = item.owner.clone().filter(|_| !of_my_name) {
        return Claim::TakeIfEnded { owner };
    }
    quiet(item, mine, lock, now).unwrap_or(Claim::Take { back: mine })
}

/// The same once the item's owner is known to have ended.
pub fn claim_of_the_dead(item: &Item, lock: &Lock, now: u64) -> Claim {
    quiet(item, false, lock, now).unwrap_or(Claim::Take { back: false })
}

/// Why a lock may not change hands yet.
fn quiet(item: &Item, mine: bool, lock: &Lock, now: u64) -> Option<Claim> {
    let quiet = item.busy_until < now
        || lock.outwaited() == Some(item.rev)
        || (mine && item.busy_by.is_none());
    (!quiet).then(|| Claim::Busy(busy(item, lock, now)))
}

fn ended(item: &Item, me: &Me<'_>) -> Option<End> {
    let mut ends = item.ends.iter();
    ends.find(|end| end.execution == *me.execution && end.started == me.started)
        .cloned()
}

/// Waits until nothing more can be written, but no longer than [`OUTWAITED`]: clocks may be wrong.
fn busy(item: &Item, lock: &Lock, now: u64) -> Busy {
    let left = item.busy_until.saturating_sub(now) / 1_000 + 1;
    let waited = match lock.seen {
        Some(seen) if seen.rev == item.rev => seen.waited,
        _ => 0,
    };
    let most = OUTWAITED.saturating_sub(waited).max(1);
    let wait = u32::try_from(left).unwrap_or(u32::MAX).min(most);
    Busy {
        wait,
        seen: Seen {
            rev: item.rev,
            waited: waited.saturating_add(wait),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::fixture::Scene;

    const NOW: u64 = 1_000_000;

    fn me(phase: Phase) -> Me<'static> {
        static ME: LazyLock<ExecutionArn> = LazyLock::new(|| "me".into());
        Me {
            execution: &ME,
            started: 500,
            nonce: "n1",
            phase,
        }
    }

    fn lock(fence: Option<u64>) -> Lock {
        Lock {
            fence,
            turn: 4,
            ..Lock::of(&Scene::serving().request)
        }
    }

    fn item(owner: &str) -> Item {
        Item {
            owner: Some(owner.into()),
            fence: 7,
            newest: 400,
            rev: 20,
            turn: 4,
            ..Item::default()
        }
    }

    #[test]
    fn a_lock_is_named_by_cluster_and_service_however_the_cluster_is_written() {
        let mut request = Scene::serving().request;
        assert_eq!(Lock::of(&request).id, "main/web");
        request.cluster = "arn:aws:ecs:us-east-1:555555555555:cluster/main".into();
        assert_eq!(Lock::of(&request).id, "main/web");
    }

    #[test]
    fn a_second_attempt_of_the_same_invocation_is_inside() {
        let mut item = item("me");
        item.busy_by = Some("n1".into());
        let said = refused(&item, &me(Phase::Swap), &lock(Some(7)), NOW);
        assert_eq!(said, Refused::Inside);
    }

    #[test]
    fn another_owner_or_another_fence_means_that_the_lock_is_lost() {
        for (owner, fence) in [("you", 7), ("me", 6)] {
            let said = refused(&item(owner), &me(Phase::Swap), &lock(Some(fence)), NOW);
            assert!(
                matches!(said, Refused::Lost { owner: Some(_) }),
                "{owner} {fence}"
            );
        }
        let free = Item {
            owner: None,
            ..item("me")
        };
        let said = refused(&free, &me(Phase::Swap), &lock(Some(7)), NOW);
        assert_eq!(said, Refused::Lost { owner: None });
    }

    #[test]
    fn a_turn_that_was_given_up_does_not_enter_after_the_next_one() {
        let mut item = item("me");
        item.turn = 5;
        let said = refused(&item, &me(Phase::Swap), &lock(Some(7)), NOW);
        assert_eq!(said, Refused::Overtaken);
    }

    #[test]
    fn a_lost_answer_to_the_last_turn_is_answered_again() {
        let mut item = item("you");
        item.ends = vec![End {
            execution: "me".into(),
            started: 500,
            to: To::DeploymentSucceeded,
        }];
        let said = refused(&item, &me(Phase::Cleanup), &lock(Some(7)), NOW);
        assert!(matches!(said, Refused::Ended(end) if end.to == To::DeploymentSucceeded));
        let said = claim(Some(&item), &me(Phase::CheckAndCreate), &lock(None), NOW);
        assert!(matches!(said, Claim::Ended(_)));
    }

    #[test]
    fn a_busy_lock_is_waited_for_and_after_ninety_seconds_no_clock_is_believed() {
        let mut item = item("me");
        item.busy_by = Some("n0".into());
        item.busy_until = NOW + 40_000;
        let Refused::Busy(first) = refused(&item, &me(Phase::Swap), &lock(Some(7)), NOW) else {
            panic!()
        };
        assert_eq!((first.wait, first.seen.waited), (41, 41));
        item.busy_until = u64::MAX;
        let mut waiting = lock(Some(7));
        waiting.seen = Some(first.seen);
        let Refused::Busy(second) = refused(&item, &me(Phase::Swap), &waiting, NOW) else {
            panic!()
        };
        assert_eq!((second.wait, second.seen.waited), (49, 90));
        assert_eq!(waiting.outwaited(), None);
        waiting.seen = Some(second.seen);
        assert_eq!(waiting.outwaited(), Some(20));
        item.rev = 21;
        let Refused::Busy(third) = refused(&item, &me(Phase::Swap), &waiting, NOW) else {
            panic!()
        };
        assert_eq!(third.seen.waited, 90, "another revision is waited for anew");
    }

    #[test]
    fn a_free_lock_is_taken_once_it_is_quiet() {
        let phase = Phase::CheckAndCreate;
        let take = Claim::Take { back: false };
        assert_eq!(claim(None, &me(phase), &lock(None), NOW), take);
        let mut free = Item {
            owner: None,
            busy_until: NOW - 1,
            ..item("me")
        };
        assert_eq!(claim(Some(&free), &me(phase), &lock(None), NOW), take);
        free.busy_until = NOW + 1;
        let said = claim(Some(&free), &me(phase), &lock(None), NOW);
        assert!(matches!(said, Claim::Busy(_)));
    }

    #[test]
    fn an_owner_is_asked_after_and_its_quiet_is_waited_for() {
        let phase = Phase::CheckAndCreate;
        let mut item = item("you");
        item.busy_until = NOW + 10_000;
        let said = claim(Some(&item), &me(phase), &lock(None), NOW);
        assert!(matches!(said, Claim::TakeIfEnded { .. }));
        let said = claim_of_the_dead(&item, &lock(None), NOW);
        assert!(matches!(said, Claim::Busy(Busy { wait: 11, .. })));
    }

    #[test]
    fn an_execution_that_started_earlier_never_takes() {
        let mut free = Item {
            owner: None,
            ..item("me")
        };
        free.newest = 501;
        let said = claim(Some(&free), &me(Phase::CheckAndCreate), &lock(None), NOW);
        assert_eq!(said, Claim::Superseded);
    }

    #[test]
    fn an_earlier_execution_of_the_same_name_is_another_one_that_has_ended() {
        let phase = Phase::CheckAndCreate;
        let mut item = item("me");
        item.ends = vec![End {
            execution: "me".into(),
            started: 400,
            to: To::DeploymentSucceeded,
        }];
        let said = claim(Some(&item), &me(phase), &lock(None), NOW);
        assert_eq!(said, Claim::Take { back: false });
        let said = claim(Some(&item), &me(Phase::Rollback), &lock(None), NOW);
        assert_eq!(said, Claim::NothingDone);
    }

    #[test]
    fn ones_own_lock_is_taken_back_and_a_rollback_takes_no_other() {
        let mine = Item {
            newest: 500,
            ..item("me")
        };
        let said = claim(Some(&mine), &me(Phase::Rollback), &lock(None), NOW);
        assert_eq!(said, Claim::Take { back: true });
        for item in [None, Some(item("you"))] {
            let said = claim(item.as_ref(), &me(Phase::Rollback), &lock(None), NOW);
            assert_eq!(said, Claim::NothingDone);
        }
        let mut later = mine;
        later.turn = 5;
        let said = claim(Some(&later), &me(Phase::CheckAndCreate), &lock(None), NOW);
        assert_eq!(said, Claim::Overtaken);
    }
}
