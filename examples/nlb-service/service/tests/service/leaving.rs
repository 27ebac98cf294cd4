//! What a task does that a deployment asks to send its clients away.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::Message;

use crate::process::{Process, closed, echo, program};
use crate::stopping::{open, still_open};

const TASK: &str = "cd189a933e5849daa93386466019ab50";

/// ECS's metadata endpoint and the bucket, on the loopback.
struct Aws {
    address: String,
    object: Arc<Mutex<Option<Value>>>,
}

impl Aws {
    async fn start() -> Self {
        let object = Arc::new(Mutex::new(None));
        let read = Arc::clone(&object);
        let arn = format!("arn:aws:ecs:us-east-1:555555555555:task/main/{TASK}");
        let router = Router::new()
            .route(
                "/v4/x/task",
                get(async move || json!({"TaskARN": arn}).to_string()),
            )
            .route(
                "/chat.json",
                get(async move || answer(read.lock().unwrap().as_ref())),
            );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async { axum::serve(listener, router).await });
        Self { address, object }
    }

    /// A task, polling and reporting every second.
    async fn task(&self) -> Process {
        let metadata = format!("http://{}/v4/x", self.address);
        let tasks = format!("http://{}/chat.json", self.address);
        Process::start(&[
            ("ECS_CONTAINER_METADATA_URI_V4", &metadata),
            ("TASKS_URL", &tasks),
            ("POLL_SECONDS", "1"),
            ("REPORT_SECONDS", "1"),
        ])
        .await
    }

    fn writes(&self, task: &Value) {
        let other = json!({"taskSet": "ecs-svc/9", "leave": {"id": "other", "seconds": 1}});
        let tasks = json!({"tasks": {TASK: task, "of-another-set": other}});
        *self.object.lock().unwrap() = Some(tasks);
    }

    fn asks(&self, id: &str, seconds: u32) {
        self.writes(&json!({"taskSet": "ecs-svc/1", "leave": {"id": id, "seconds": seconds}}));
    }
}

/// As S3, of a reader that may not list.
fn answer(object: Option<&Value>) -> Response {
    match object {
        Some(object) => object.to_string().into_response(),
        None => StatusCode::FORBIDDEN.into_response(),
    }
}

/// The next line that is no report.
async fn says(task: &mut Process) -> String {
    loop {
        let line = task.says().await;
        if !line.starts_with('{') {
            return line;
        }
    }
}

/// Time, task set and connections of the next report.
async fn reports(task: &mut Process) -> (u64, String, u64) {
    loop {
        let line = task.says().await;
        let Ok(line) = serde_json::from_str::<Value>(&line) else {
            continue;
        };
        let metric = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(metric["Dimensions"], json!([["TaskSet"]]));
        assert_eq!(metric["Namespace"], "EbbtideExample");
        let name = metric["Metrics"][0]["Name"].as_str().unwrap();
        return (
            line["_aws"]["Timestamp"].as_u64().unwrap(),
            line["TaskSet"].as_str().unwrap().to_owned(),
            line[name].as_u64().unwrap(),
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_asked_closes_its_websockets_evenly_and_admits_new_ones() {
    let (over, clients) = (Duration::from_secs(6), 30);
    let aws = Aws::start().await;
    let mut task = aws.task().await;
    let connected = open(&task, clients).await;
    aws.asks("execution-1", 6);
    assert_eq!(
        says(&mut task).await,
        "asked to leave: closing 30 WebSockets over 6 s"
    );
    let told = Instant::now();
    let mut closing = JoinSet::new();
    for mut client in connected {
        closing.spawn(async move { (closed(&mut client).await, told.elapsed()) });
    }
    // A rollback, or a client that has not seen the swap: the task serves on.
    sleep(over / 3).await;
    assert_eq!(task.get("/ready").await, (200, "ready\n".to_owned()));
    let mut late = task.connect().await.unwrap();

    let mut in_each_third = [0; 3];
    for (frame, after) in closing.join_all().await {
        assert_eq!(
            u16::from(frame.expect("it is closed and not cut").code),
            1001
        );
        assert!(after < over + Duration::from_secs(1), "{after:?}");
        let third = after.as_millis() * 3 / over.as_millis();
        in_each_third[usize::try_from(third).unwrap().min(2)] += 1;
    }
    assert!(
        in_each_third.iter().all(|closed| (5..=15).contains(closed)),
        "{in_each_third:?}"
    );
    let hello = Message::text("hello");
    assert_eq!(echo(&mut late, hello.clone()).await, hello);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_deployment_is_followed_once_and_another_one_again() {
    let aws = Aws::start().await;
    let mut task = aws.task().await;
    let mut first = task.connect().await.unwrap();
    aws.asks("execution-1", 0);
    assert_eq!(
        says(&mut task).await,
        "asked to leave: closing 1 WebSockets over 0 s"
    );
    assert!(closed(&mut first).await.is_some());

    // It is read again at every poll.
    let mut second = task.connect().await.unwrap();
    sleep(Duration::from_millis(2500)).await;
    let hello = Message::text("hello");
    assert_eq!(echo(&mut second, hello.clone()).await, hello);

    aws.asks("execution-2", 0);
    assert_eq!(
        says(&mut task).await,
        "asked to leave: closing 1 WebSockets over 0 s"
    );
    assert!(closed(&mut second).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_not_asked_any_more_keeps_the_clients_it_has() {
    let aws = Aws::start().await;
    let mut task = aws.task().await;
    let mut clients = open(&task, 2).await;
    // The first in the middle of the first half, the second in that of the other.
    aws.asks("execution-1", 8);
    says(&mut task).await;
    assert!(closed(&mut clients[0]).await.is_some());
    aws.writes(&json!({"taskSet": "ecs-svc/1"}));
    assert_eq!(
        says(&mut task).await,
        "asked to stay: 1 WebSockets stay open"
    );
    sleep(Duration::from_secs(6)).await;
    let hello = Message::text("hello");
    assert_eq!(echo(&mut clients[1], hello.clone()).await, hello);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_leaves_and_gets_sigterm_closes_the_rest_in_time() {
    let aws = Aws::start().await;
    let mut task = aws.task().await;
    let mut clients = open(&task, 3).await;
    aws.asks("execution-1", 3600);
    says(&mut task).await;
    task.terminate();
    for client in &mut clients {
        assert!(closed(client).await.is_some());
    }
    assert_eq!(task.ended().await.0.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_reported_once_a_period_as_soon_as_the_task_set_is_known() {
    let aws = Aws::start().await;
    let mut task = aws.task().await;
    let mut clients = open(&task, 3).await;
    // Nothing says yet which task set this is, and nothing is reported.
    sleep(Duration::from_secs(2)).await;
    aws.writes(&json!({"taskSet": "ecs-svc/1"}));
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let (first, task_set, open) = reports(&mut task).await;
    assert_eq!((task_set.as_str(), open), ("ecs-svc/1", 3));
    assert!(u128::from(first) >= before.as_millis(), "{first}");
    assert_eq!(first % 1000, 0);

    clients.truncate(1);
    while still_open(&task.get("/").await.1) > 1 {
        sleep(Duration::from_millis(10)).await;
    }
    let mut last = first;
    loop {
        let (time, _, open) = reports(&mut task).await;
        assert_eq!(time, last + 1000);
        last = time;
        if open == 1 {
            break;
        }
    }
}

#[tokio::test]
async fn an_object_is_of_no_use_to_a_process_that_is_no_task() {
    let refused = program().env("TASKS_URL", "http://127.0.0.1:9/").output();
    let refused = refused.await.unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        said.contains("ECS_CONTAINER_METADATA_URI_V4 is not set"),
        "{said}"
    );
}
