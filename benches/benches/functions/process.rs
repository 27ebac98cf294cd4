//! One process of a function, from its start to its end.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ebbtide_functions::Function;
use ebbtide_simulator::deployment::LOCK_TABLE;
use serde_json::Value;

use crate::aws::{Authority, Aws};
use crate::bootstrap::Bootstrap;
use crate::runtime_api::RuntimeApi;
use crate::work::Work;

/// Invocations after the first one.
const LATER: usize = 10;

/// What one process has shown.
pub(crate) struct Measured {
    /// From its start until it asked for an event.
    pub(crate) start: Duration,
    pub(crate) first: Duration,
    pub(crate) later: Vec<Duration>,
    /// From its start until AWS had carried out two of its calls; until its first answer where it
    /// makes none.
    pub(crate) two_calls: Duration,
    /// The processor's time for start and first invocation: what else the machine does is not in it.
    pub(crate) processor: Duration,
    /// The most memory it held at once, in bytes.
    pub(crate) peak_memory: u64,
    /// Calls of AWS in the first invocation, and in a later one.
    pub(crate) calls: (usize, usize),
    /// Start and first invocation, and a later one, where each call of AWS takes [`DELAY`] longer.
    pub(crate) delayed: (Duration, Duration),
}

/// What is added to each call of AWS, about what one within a region takes.
const DELAY: Duration = Duration::from_millis(30);

/// Starts a bootstrap, invokes it, and ends it; then once more, with calls of AWS that take longer.
pub(crate) async fn measure(
    bootstrap: &Bootstrap,
    work: &Work,
    authority: &Authority,
) -> Result<Measured, String> {
    let both = async {
        let mut measured = in_a_process(bootstrap, work, authority, Duration::ZERO, LATER).await?;
        let delayed = in_a_process(bootstrap, work, authority, DELAY, 1).await?;
        let later = delayed.later.first().copied().unwrap_or_default();
        measured.delayed = (delayed.start + delayed.first, later);
        Ok::<_, String>(measured)
    };
    both.await
        .map_err(|what| format!("{}: {what}", bootstrap.path.display()))
}

async fn in_a_process(
    bootstrap: &Bootstrap,
    work: &Work,
    authority: &Authority,
    delay: Duration,
    invocations_later: usize,
) -> Result<Measured, String> {
    let no_server = |error| format!("No server on a loopback port: {error}.");
    let mut lambda = RuntimeApi::serve(&work.arn).await.map_err(no_server)?;
    let aws = Aws::serve(work.world.clone(), authority, delay)
        .await
        .map_err(no_server)?;
    let mut command = Command::new(&bootstrap.path);
    command
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", lambda.address.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", &bootstrap.name)
        .env("_HANDLER", bootstrap.function.map_or("", Function::as_str))
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "bench")
        .env("AWS_SECRET_ACCESS_KEY", "bench")
        .env("AWS_SESSION_TOKEN", "bench")
        .env("LOCK_TABLE", LOCK_TABLE.0)
        // Everything but the two that have a connection of their own from the start.
        .env("AWS_ENDPOINT_URL", &aws.others)
        .env("AWS_ENDPOINT_URL_ECS", &aws.ecs)
        .env("AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2", &aws.elb)
        .env("SSL_CERT_FILE", authority.file())
        .stdin(Stdio::null())
        .stdout(Stdio::null());

    let before = aws.calls();
    let began = Instant::now();
    let process = command.spawn().map(Process);
    let process = process.map_err(|error| format!("It cannot be started: {error}."))?;
    let start = lambda.started().await?.duration_since(began);
    let (first, answer) = lambda.invoke(&work.event).await?;
    let processor = process.processor_time()?;
    let calls_of_first = aws.calls() - before;
    check(bootstrap, work, &answer, calls_of_first)?;
    let mut later = Vec::new();
    for _ in 0..invocations_later {
        let (took, answer) = lambda.invoke(&work.event).await?;
        check(bootstrap, work, &answer, calls_of_first)?;
        later.push(took);
    }
    let two_calls = aws.two_calls().map(|at| at.duration_since(began));
    Ok(Measured {
        start,
        first,
        two_calls: two_calls.unwrap_or(start + first),
        later,
        processor,
        peak_memory: process.peak_memory()?,
        calls: (
            calls_of_first,
            (aws.calls() - before - calls_of_first) / invocations_later,
        ),
        delayed: (Duration::ZERO, Duration::ZERO),
    })
}

/// What does not do the work is not to be timed.
fn check(bootstrap: &Bootstrap, work: &Work, answer: &[u8], calls: usize) -> Result<(), String> {
    if bootstrap.function.is_none() {
        return Ok(());
    }
    let answer: Value = serde_json::from_slice(answer)
        .map_err(|error| format!("Its answer is no JSON: {error}."))?;
    if answer["next"] != work.next {
        return Err(format!(
            "It answered that {} comes next instead of {}: {}.",
            answer["next"], work.next, answer["reason"]["text"]
        ));
    }
    if calls == 0 {
        return Err("It made no call of AWS.".to_owned());
    }
    Ok(())
}

/// A process that ends with this value, by its own id.
struct Process(Child);

impl Process {
    fn peak_memory(&self) -> Result<u64, String> {
        let path = format!("/proc/{}/status", self.0.id());
        let status = std::fs::read_to_string(&path)
            .map_err(|error| format!("{path}: {error}. Linux has it."))?;
        status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"))
            .and_then(|kibibytes| kibibytes.trim().parse::<u64>().ok())
            .map(|kibibytes| kibibytes * 1024)
            .ok_or_else(|| format!("{path} has no VmHWM."))
    }

    /// Of all its threads.
    fn processor_time(&self) -> Result<Duration, String> {
        let tasks = format!("/proc/{}/task", self.0.id());
        let unreadable = |error| format!("{tasks}: {error}. Linux has it.");
        let mut spent = Duration::ZERO;
        for task in std::fs::read_dir(&tasks).map_err(unreadable)? {
            let path = task.map_err(unreadable)?.path().join("schedstat");
            let schedstat = std::fs::read_to_string(&path).map_err(unreadable)?;
            spent += schedstat
                .split_whitespace()
                .next()
                .and_then(|nanoseconds| nanoseconds.parse().ok())
                .map(Duration::from_nanos)
                .ok_or_else(|| format!("{} has no time.", path.display()))?;
        }
        Ok(spent)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended by itself where there is nothing to kill.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
