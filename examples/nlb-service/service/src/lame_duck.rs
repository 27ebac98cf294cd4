//! A lame duck: it sends its clients away before ECS stops it, because a deployment asks for it.
//!
//! What a deployment asks is in one object for all tasks of the service, which the hook's function writes (see
//! `infrastructure.yaml`). A task reads it, finds itself by its id, and learns its task set there as well:
//! ECS's metadata endpoint says nothing about task sets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{interval, sleep};

use crate::sockets::Sockets;

/// Where the number of connections goes: `connectionsMetric` of `input.json` says the same.
const NAMESPACE: &str = "EbbtideExample";
const METRIC: &str = "OpenWebSockets";

/// Where a task finds what it needs to know.
pub(crate) struct Sources {
    /// ECS's metadata of this container.
    pub(crate) metadata: String,
    /// The object.
    pub(crate) tasks: String,
    /// How often it is read.
    pub(crate) poll: Duration,
    /// How often connections are reported.
    pub(crate) report: Duration,
}

/// What `TASKS_URL` answers.
#[derive(Deserialize)]
struct Tasks {
    tasks: BTreeMap<String, Task>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Task {
    task_set: String,
    leave: Option<Leave>,
}

/// Close the connections, evenly over some seconds.
#[derive(Deserialize)]
struct Leave {
    /// Of the deployment that asks: it asks once.
    id: String,
    seconds: u32,
}

/// The part of the metadata endpoint's answer that counts here.
#[derive(Deserialize)]
struct Metadata {
    #[serde(rename = "TaskARN")]
    task_arn: String,
}

/// Reads and reports until the process ends.
pub(crate) async fn run(sources: Sources, sockets: Arc<Sockets>) {
    let (name, task_set) = watch::channel(None);
    tokio::spawn(report(Arc::clone(&sockets), sources.report, task_set));
    let mut asked = Asked::new(sockets);
    let mut polls = interval(sources.poll);
    let mut task = None;
    let mut failed = String::new();
    loop {
        polls.tick().await;
        match read(&sources, &mut task).await {
            Ok(None) => {}
            Ok(Some(found)) => {
                name.send_replace(Some(found.task_set));
                asked.follow(found.leave);
            }
            // Once, not at every poll.
            Err(error) if error == failed => continue,
            Err(error) => {
                eprintln!("{error}");
                failed = error;
                continue;
            }
        }
        failed.clear();
    }
}

/// What is said of this task, if anything is.
async fn read(sources: &Sources, id: &mut Option<String>) -> Result<Option<Task>, String> {
    let id = if let Some(id) = id {
        id
    } else {
        let metadata: Option<Metadata> = get(format!("{}/task", sources.metadata)).await?;
        let arn = metadata.ok_or("no metadata of this task")?.task_arn;
        id.insert(arn.rsplit('/').next().unwrap_or_default().to_owned())
    };
    let tasks: Option<Tasks> = get(sources.tasks.clone()).await?;
    Ok(tasks.and_then(|mut tasks| tasks.tasks.remove(id)))
}

/// The JSON at an address. S3 answers 403 where an object does not exist and its reader may not list.
async fn get<T: DeserializeOwned + Send + 'static>(url: String) -> Result<Option<T>, String> {
    let answer = tokio::task::spawn_blocking(move || {
        let request = ureq::get(&url).config().proxy(None);
        let request = request.timeout_global(Some(Duration::from_secs(5))).build();
        match request.call() {
            Ok(mut response) => response.body_mut().read_json().map(Some),
            Err(ureq::Error::StatusCode(403 | 404)) => Ok(None),
            Err(error) => Err(error),
        }
        .map_err(|error| format!("{url}: {error}"))
    });
    answer.await.map_err(|error| error.to_string())?
}

/// What a deployment asks for now.
struct Asked {
    sockets: Arc<Sockets>,
    by: Option<(String, AbortHandle)>,
}

impl Asked {
    fn new(sockets: Arc<Sockets>) -> Self {
        Self { sockets, by: None }
    }

    /// Begins to leave when a deployment asks for the first time, and stops when none asks any more: then it has gone
    /// back to this task set.
    fn follow(&mut self, leave: Option<Leave>) {
        let Some(leave) = leave else {
            if let Some((_, leaving)) = self.by.take() {
                leaving.abort();
                println!(
                    "asked to stay: {} WebSockets stay open",
                    self.sockets.open()
                );
            }
            return;
        };
        if self.by.as_ref().is_some_and(|(id, _)| *id == leave.id) {
            return;
        }
        if let Some((_, before)) = self.by.take() {
            before.abort();
        }
        println!(
            "asked to leave: closing {} WebSockets over {} s",
            self.sockets.open(),
            leave.seconds
        );
        let leaving = self
            .sockets
            .leave(Duration::from_secs(leave.seconds.into()));
        self.by = Some((leave.id, leaving));
    }
}

/// Prints the open connections in CloudWatch's embedded metric format, as soon as the task set is known. Ebbtide adds up
/// the values of a minute: so each task has exactly one, with the minute itself as its time.
async fn report(sockets: Arc<Sockets>, every: Duration, task_set: watch::Receiver<Option<String>>) {
    let mut last = 0;
    loop {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default().as_secs();
        let every = every.as_secs();
        // The clock may have been set back.
        let next = (now / every + 1).max(last + 1);
        sleep(Duration::from_secs(next * every - now)).await;
        last = next;
        let Some(task_set) = task_set.borrow().clone() else {
            continue;
        };
        let line = json!({
            "_aws": {
                "Timestamp": next * every * 1000,
                "CloudWatchMetrics": [{
                    "Namespace": NAMESPACE,
                    "Dimensions": [["TaskSet"]],
                    "Metrics": [{"Name": METRIC, "Unit": "Count"}],
                }],
            },
            "TaskSet": task_set,
            METRIC: sockets.open(),
        });
        println!("{line}");
    }
}
