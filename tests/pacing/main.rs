//! What a drain does to clients: reconnects, refusals and time, by each way of pacing.

mod budget;
mod figures;
mod minute;
mod run;
