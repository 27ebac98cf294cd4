//! The processes of a laboratory. All end with it, whatever ends it: by their own process ids.

use std::ffi::OsStr;
use std::process::Stdio;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use tokio::process::{Child, Command};

use crate::failure::Failure;

/// A command whose process ends with the thread that spawns it: by a drop, and where there is none (SIGKILL) by the
/// kernel.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--"])
        .arg(program)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    // Debian has servers where an ordinary user's PATH has nothing.
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command
}

/// Sends SIGTERM, unless it has ended.
pub(crate) fn terminate(child: &Child) -> Result<(), Failure> {
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(pid) = id.and_then(Pid::from_raw) {
        kill_process(pid, Signal::TERM)?;
    }
    Ok(())
}

/// Raises the limit on open files, of this process and those it starts: a connection through `HAProxy` is two there.
pub(crate) fn open_as_many_files_as_allowed() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: maximum,
        maximum,
    };
    // Where it stays as it is, what needs more says so.
    let _ = setrlimit(Resource::Nofile, most);
}
