//! The suite can fail: with a wrong decision in the place of ours, each of these reports the invariant
//! that is broken.

mod auto_scaling;
mod checks;
mod command;
mod decisions;
mod lock;
mod lock_write;
mod people;
mod registry;

use ebbtide_controller::refusal::Refusal;
use ebbtide_controller::turn::Next;
use ebbtide_simulator::fault::LambdaFault;

use crate::run::Plan;

type Decided = Result<Next, Refusal>;

fn every_invocation(fault: LambdaFault) -> impl Iterator<Item = Plan> {
    (1..40).map(move |number| Plan::invocation(number, fault))
}
