//! Following an execution to its end. Whatever happens to the following, the deployment goes on.

mod children;
mod show;

use std::time::Duration;

use clap::Args;
use tokio::time::Instant;

use children::Children;
use show::Show;

use crate::executions::{CallError, Execution, Executions, SERVICES, Trouble};
use crate::exit::{Exit, Outcome};
use crate::github;
use crate::output::{Format, remark_whole};

/// Seconds between two checks, where nothing is known of the next turn.
const EVERY: u64 = 5;
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// Checks in a row that may say that there is no such execution, which was just started, or that it may not be
/// read: reads and IAM lag behind (Docs).
const MOST_REFUSED: u32 = 5;
/// Time without credentials that is borne with: STS may fail for a while.
const MOST_WITHOUT_CREDENTIALS: Duration = Duration::from_mins(5);

/// The flags of following.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Follow {
    /// Seconds between two checks while following (default: 5, and up to 60 in a pause whose end is known).
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=300))]
    pub(crate) every: Option<u64>,
}

impl Follow {
    /// The pause before the next check, where the execution's own pause ends then.
    fn pause(self, pause_ends: Option<u64>) -> Duration {
        let every = Duration::from_secs(self.every.unwrap_or(EVERY));
        match pause_ends {
            Some(ends) if self.every.is_none() => {
                Duration::from_secs(ends.saturating_sub(now())).clamp(every, LONGEST_PAUSE)
            }
            _ => every,
        }
    }
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
    let executions = executions.for_following();
    let left = tokio::select! {
        ended = to_the_end(&executions, arn, follow, &mut show) => match ended {
            Ok(execution) => {
                show.ended(&execution);
                github::ended(&execution, format);
                return Ok(Exit::of(execution.has_succeeded()));
            }
            Err(error) => error.message,
        },
        signal = signal() => signal?.to_owned(),
    };
    show.remark(now(), &format!("{left}; the deployment goes on."));
    show.leave();
    // Of several services, each goes back by itself.
    let machine = arn.rsplit(':').nth(1).unwrap_or_default();
    let back = if machine.ends_with(SERVICES) {
        String::new()
    } else {
        format!("To go back:         ebbtide rollback {arn}{account}\n")
    };
    remark_whole(&format!(
        "To follow it again: ebbtide status {arn} --follow{account}\n\
         {back}To stop it there:   ebbtide abort {arn}{account}"
    ));
    Ok(Exit::Left)
}

/// What `DescribeExecution` says decides; without the history, it is followed all the same.
async fn to_the_end(
    executions: &Executions,
    arn: &str,
    follow: Follow,
    show: &mut Show,
) -> Result<Execution, CallError> {
    let mut seen = 0;
    let mut begun = false;
    let mut children = Children::default();
    let mut silence = Silence::default();
    // Step Functions ends every execution within its state machine's `TimeoutSeconds`.
    loop {
        let pause = match executions.describe(arn).await {
            Ok(execution) => {
                begun = true;
                show.following(&execution);
                // In this order: the history of one that has ended is whole.
                match executions.history(arn, seen).await {
                    Ok(events) => {
                        for event in &events {
                            seen = event.id;
                            show.happened(event);
                            children.hear(event);
                        }
                        if std::mem::take(&mut silence).told {
                            show.remark(now(), "AWS answers again");
                        }
                    }
                    Err(error) => {
                        silence = silence.answered();
                        silence.tell(show, &format!("{error}; followed without its history"));
                    }
                }
                children.show(executions, show).await;
                if execution.has_ended() {
                    return Ok(execution);
                }
                follow.pause(show.pause_ends())
            }
            Err(error) if silence.may_pass(error.trouble, begun) => {
                let pause = follow
                    .pause(None)
                    .saturating_mul(1 << silence.checks.min(8));
                silence.checks += 1;
                let refused = matches!(error.trouble, Trouble::Missing | Trouble::Denied);
                silence.refused += u32::from(refused);
                if error.trouble != Trouble::Missing {
                    silence.tell(show, &format!("{error}; following goes on"));
                }
                pause.min(LONGEST_PAUSE.max(follow.pause(None)))
            }
            Err(error) => return Err(error),
        };
        tokio::time::sleep(pause).await;
    }
}

/// Since when AWS has not answered as it should.
struct Silence {
    since: Instant,
    checks: u32,
    /// Of these, how many were refused.
    refused: u32,
    told: bool,
}

impl Default for Silence {
    fn default() -> Self {
        Self {
            since: Instant::now(),
            checks: 0,
            refused: 0,
            told: false,
        }
    }
}

impl Silence {
    fn may_pass(&self, trouble: Trouble, begun: bool) -> bool {
        match trouble {
            Trouble::Passing => true,
            Trouble::NoAnswerForCredentials => self.since.elapsed() < MOST_WITHOUT_CREDENTIALS,
            Trouble::Missing => !begun && self.refused < MOST_REFUSED,
            Trouble::Denied => self.refused < MOST_REFUSED,
            Trouble::Credentials | Trouble::NameIsTaken | Trouble::Refused => false,
        }
    }

    /// Something was answered, though not everything.
    fn answered(self) -> Self {
        Self {
            told: self.told,
            ..Self::default()
        }
    }

    /// Says it once.
    fn tell(&mut self, show: &Show, what: &str) {
        if !std::mem::replace(&mut self.told, true) {
            show.remark(now(), what);
        }
    }
}

/// Waits for a signal to end: Ctrl-C, or a CI job that is cancelled.
#[cfg(unix)]
async fn signal() -> std::io::Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    // A terminal that goes away ends nothing: once it is waited for, this signal has no other effect.
    let _hangup = signal(SignalKind::hangup())?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_whose_end_is_known_is_checked_rarely() {
        let by_itself = Follow { every: None };
        for (seconds, wanted) in [(0, 5), (3, 5), (30, 30), (3_600, 60)] {
            let pause = by_itself.pause(Some(now() + seconds)).as_secs();
            // A second may pass meanwhile.
            assert!((wanted - 1..=wanted).contains(&pause), "{seconds} {pause}");
        }
        assert_eq!(by_itself.pause(None).as_secs(), 5);
        let asked = Follow { every: Some(2) };
        assert_eq!(asked.pause(Some(now() + 30)).as_secs(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_borne_with_for_a_while() {
        let mut silence = Silence::default();
        let passes = [
            Trouble::Passing,
            Trouble::NoAnswerForCredentials,
            Trouble::Denied,
        ];
        for trouble in passes {
            assert!(silence.may_pass(trouble, true), "{trouble:?}");
        }
        assert!(silence.may_pass(Trouble::Missing, false));
        for trouble in [Trouble::Missing, Trouble::Credentials, Trouble::Refused] {
            assert!(!silence.may_pass(trouble, true), "{trouble:?}");
        }
        tokio::time::advance(Duration::from_mins(6)).await;
        silence.refused = 6;
        assert!(silence.may_pass(Trouble::Passing, true));
        for trouble in [Trouble::NoAnswerForCredentials, Trouble::Denied] {
            assert!(!silence.may_pass(trouble, true), "{trouble:?}");
        }
    }
}
