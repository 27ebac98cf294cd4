//! The two clocks that commands run on.

use tokio::runtime::Builder;

use crate::exit::Error;

/// Runs what calls AWS or serves a port.
pub(crate) fn in_real_time<T>(command: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(command)
}

#[cfg(feature = "simulator")]
/// Runs what waits on simulated time only: it does not wait.
pub(crate) fn in_virtual_time<T>(
    simulated: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build()?;
    runtime.block_on(simulated)
}
