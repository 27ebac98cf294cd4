//! The protocol without each of its parts: what is lost, told event by event.
//!
//! Argued and not in the model: the SDK's retry of a take (answered by what is in the item), a write
//! in a spawned task (an unanswered write that lands later still), a write begun right before the
//! deadline (within a late landing), the operator's command.

use crate::Search;
use crate::misfortune::Misfortune::{
    self, BadClock, Crash, GivenUp, LateLeave, Redrive, Sick, Stop, Twice, Unanswered,
};
use crate::properties::{
    AS_READ, DRAIN, LIVE, LOCKED, MOVES, NO_REASON, NONE_UNDER_WAY, NOT_BACK, NOT_FORCED, NOT_LOST,
    NOT_TAKEN, NOT_THE_SICK, ONE_INSIDE, ONE_SERVES, OWN, REPORT,
};
use crate::protocol::Part::{
    self, Busy, ChecksInside, Ends, EnterAsksForTheOwner, LeaveAsks, LeaveAsksForTheNonce, Newest,
    Nonce, OnlyWithoutFence, Outwaited, Quiet, ReturnIsSure, RollbackFinishesOthers,
    RollbackInItem, RollbackIsSure, RollbackStays, SameFence, SettledInside, TakeAsksForTheRev,
    TakesBack, TakingBackFinishesOthers, ThreeEnds, Turn, UnansweredWrites, WholeSettle,
};
use crate::protocol::Protocol;

/// Two executions on an AWS at its best: what breaks there breaks anyway.
fn without(parts: &'static [Part], misfortunes: u8, kinds: &'static [Misfortune]) -> Search {
    let mut search = Search::of(2, misfortunes, kinds).at_best();
    search.protocol = Protocol::without(parts);
    search
}

impl Search {
    fn one_execution(mut self) -> Self {
        self.executions = 1;
        self
    }

    fn false_ends(mut self) -> Self {
        self.faults.false_ends = true;
        self
    }

    fn old_reads(mut self) -> Self {
        self.faults.old_reads = true;
        self
    }
}

/// Each is a test: a search without parts of the protocol, and the property that it breaks.
macro_rules! holes {
    ($($name:ident: $search:expr => $property:expr;)*) => {
        $(
            #[test]
            fn $name() {
                $search.breaks($property);
            }
        )*
    };
}

holes! {
    without_busy_until_a_stopped_executions_write_deletes_production:
        without(&[Busy], 1, &[Stop]) => NOT_LOST;
    without_busy_until_a_function_given_up_writes_after_its_release:
        without(&[Busy], 1, &[GivenUp]).one_execution() => LOCKED;
    without_the_nonce_in_leave_a_late_one_lets_a_second_function_in:
        without(&[LeaveAsksForTheNonce], 2, &[LateLeave, Twice]).one_execution() => ONE_INSIDE;
    without_the_nonce_in_leave_a_late_one_lets_another_execution_take_production_away:
        without(&[LeaveAsksForTheNonce], 1, &[LateLeave]).false_ends().long_lived() => NOT_TAKEN;
    without_any_condition_in_leave_a_late_one_releases_the_successors_lock:
        without(&[LeaveAsksForTheNonce, LeaveAsks, Quiet], 1, &[LateLeave]) => LOCKED;
    without_busy_until_a_rollback_deletes_by_force_what_served:
        without(&[Busy], 2, &[GivenUp]).one_execution() => NOT_FORCED;
    without_quiet_an_old_read_takes_production_away_after_a_stop:
        without(&[Quiet], 1, &[Stop]).old_reads() => NOT_TAKEN;
    without_quiet_nothing_has_to_fail_for_it:
        without(&[Quiet], 0, &[]).old_reads().false_ends() => NOT_TAKEN;
    without_waiting_for_an_unanswered_write_it_lands_between_later_steps_of_the_drain:
        without(&[UnansweredWrites], 1, &[Unanswered]).one_execution() => DRAIN;
    without_waiting_for_an_unanswered_write_a_function_enters_while_it_is_under_way:
        without(&[UnansweredWrites], 1, &[Unanswered]).one_execution() => NONE_UNDER_WAY;
    without_the_owner_in_enter_an_ended_execution_gets_a_released_lock:
        without(&[EnterAsksForTheOwner], 1, &[Stop]) => NOT_BACK;
    without_the_ban_on_taking_with_a_fence_two_executions_take_it_from_each_other:
        without(&[OnlyWithoutFence, Newest], 0, &[]).false_ends() => NOT_BACK;
    without_the_order_of_starts_a_redriven_execution_deploys_over_its_successor:
        without(&[Newest], 2, &[Stop, Redrive]) => NOT_BACK;
    without_the_order_of_starts_and_with_false_ends_the_lock_goes_back_and_forth:
        without(&[Newest], 1, &[GivenUp]).false_ends() => NOT_BACK;
    without_the_revision_in_take_an_owner_at_work_loses_its_lock:
        without(&[TakeAsksForTheRev], 1, &[Stop]).long_lived() => AS_READ;
    without_the_turn_a_late_function_drains_what_the_rollback_brought_back:
        without(&[Turn], 1, &[GivenUp]).one_execution() => DRAIN;
    without_the_turn_a_late_swap_moves_traffic_a_third_time:
        without(&[Turn], 2, &[GivenUp, Twice]).one_execution() => MOVES;
    without_a_nonce_of_its_own_a_duplicate_is_inside_as_well:
        without(&[Nonce], 1, &[Twice]).one_execution() => ONE_INSIDE;
    without_taking_back_an_execution_is_shut_out_by_its_own_lock:
        without(&[TakesBack], 1, &[Crash]).one_execution() => OWN;
    without_the_same_fence_a_duplicate_shuts_its_execution_out:
        without(&[SameFence], 1, &[Twice]).one_execution() => OWN;
    without_the_ends_a_success_is_reported_as_a_failure:
        without(&[Ends], 1, &[GivenUp]).one_execution() => REPORT;
    without_more_than_the_last_end_the_next_deployment_hides_it:
        without(&[ThreeEnds], 1, &[GivenUp]) => REPORT;
    without_the_rollback_in_the_item_a_takeover_keeps_the_sick_replacement:
        without(&[RollbackInItem], 2, &[Sick, Stop]) => NOT_THE_SICK;
    without_the_rollback_staying_in_the_item_a_crash_after_the_takeover_forgets_it:
        without(&[RollbackStays], 2, &[Sick, Crash]).false_ends() => NOT_THE_SICK;
    without_asking_when_it_takes_back_a_crash_after_the_takeover_forgets_it:
        without(&[TakingBackFinishesOthers], 2, &[Sick, Crash]).false_ends() => NOT_THE_SICK;
    without_finishing_anothers_rollback_in_its_own_a_failed_takeover_forgets_it:
        without(&[RollbackFinishesOthers], 2, &[Sick, Crash]).false_ends() => LIVE;
    without_being_sure_a_rollback_takes_production_away_by_an_old_read:
        without(&[RollbackIsSure], 1, &[GivenUp]).one_execution().old_reads() => NOT_TAKEN;
    without_being_sure_traffic_returns_to_a_drained_original_by_an_old_read:
        without(&[ReturnIsSure], 1, &[Sick]).one_execution().old_reads() => NOT_LOST;
    without_outwaiting_a_bad_clock_holds_the_lock_for_years:
        without(&[Outwaited], 1, &[BadClock]).one_execution() => LIVE;
    without_settling_the_original_inside_a_deployment_fails_for_no_reason:
        without(&[SettledInside], 0, &[]) => NO_REASON;
    without_checking_inside_two_versions_serve:
        without(&[ChecksInside], 0, &[]).long_lived() => ONE_SERVES;
    without_checking_inside_a_rollback_takes_production_away:
        without(&[ChecksInside, RollbackIsSure], 1, &[GivenUp]).one_execution() => NOT_TAKEN;
    without_the_whole_of_settle_a_take_over_meets_a_late_write:
        without(&[WholeSettle], 1, &[Stop]).old_reads() => NOT_TAKEN;
}
