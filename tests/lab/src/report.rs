//! The command line's own plots and pages.

#[path = "../../../src/report/page.rs"]
#[allow(dead_code, reason = "the command line has more of it")]
pub(crate) mod page;
#[path = "../../../src/report/plot.rs"]
#[allow(dead_code, reason = "the command line has more of it")]
pub(crate) mod plot;
#[path = "../../../src/report/thin.rs"]
mod thin;
