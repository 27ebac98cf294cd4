//! Following an execution to its end. Whatever happens to the following, the deployment goes on.

mod show;

use std::time::Duration;

use clap::Args;

use show::Show;

use crate::executions::{CallError, Execution, Executions, Trouble};
use crate::exit::{Exit, Outcome};
use crate::output::Format;

const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// So many times one that has just been started may not be found: reads lag behind (Docs).
const MOST_UNSEEN: u32 = 5;

/// The flags of following.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Follow {
    /// Seconds between two looks while following.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=300))]
    pub(crate) every: u64,
}

/// Follows an execution until it ends, or until it cannot be followed any more; `account` is what a
/// command needs to reach the account again.
pub(crate) async fn follow(
    executions: &Executions,
    arn: &str,
    follow: Follow,
    format: Format,
    account: &str,
) -> Outcome {
    let mut show = Show::new(format);
    let left = tokio::select! {
        ended = to_the_end(executions, arn, follow, &mut show) => match ended {
            Ok(execution) => {
                show.ended(&execution);
                return Ok(Exit::of(execution.has_succeeded()));
            }
            Err(error) => error.message,
        },
        signal = signal() => signal?.to_owned(),
    };
    show.remark(now(), &format!("{left}; the deployment goes on."));
    show.leave();
    eprintln!("To follow it again: ebbtide status {arn} --follow{account}");
    eprintln!("To stop it:         ebbtide abort {arn}{account}");
    Ok(Exit::Left)
}

async fn to_the_end(
    executions: &Executions,
    arn: &str,
    follow: Follow,
    show: &mut Show,
) -> Result<Execution, CallError> {
    let every = Duration::from_secs(follow.every);
    let mut pause = every;
    let mut seen = 0;
    let mut begun = false;
    let mut troubled = false;
    let mut unseen = 0;
    // Step Functions ends every execution within its state machine's `TimeoutSeconds`.
    loop {
        let look = async {
            let execution = executions.describe(arn).await?;
            // In this order: the history of one that has ended is whole.
            let events = executions.history(arn, seen).await?;
            Ok::<_, CallError>((execution, events))
        };
        match look.await {
            Ok((execution, events)) => {
                if !begun {
                    begun = true;
                    show.following(&execution);
                }
                for event in &events {
                    seen = event.id;
                    show.happened(event);
                }
                if execution.has_ended() {
                    return Ok(execution);
                }
                if troubled {
                    troubled = false;
                    show.remark(now(), "AWS answers again");
                }
                pause = every;
            }
            Err(error) if error.trouble == Trouble::Passing => {
                if !troubled {
                    troubled = true;
                    show.remark(now(), &format!("{error}; following goes on"));
                }
                pause = (pause * 2).min(LONGEST_PAUSE.max(every));
            }
            Err(error) if error.trouble == Trouble::Missing && !begun && unseen < MOST_UNSEEN => {
                unseen += 1;
            }
            Err(error) => return Err(error),
        }
        tokio::time::sleep(pause).await;
    }
}

/// Waits for a signal to end: Ctrl-C, or a CI job that is cancelled.
#[cfg(unix)]
async fn signal() -> std::io::Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.map(|()| "Interrupted"),
        _ = terminate.recv() => Ok("Terminated"),
    }
}

/// Waits for a signal to end.
#[cfg(not(unix))]
async fn signal() -> std::io::Result<&'static str> {
    tokio::signal::ctrl_c().await.map(|()| "Interrupted")
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default()
}
