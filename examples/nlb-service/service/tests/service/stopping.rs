//! What SIGTERM does to a service with open connections.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::process::{Client, Process, closed};

const CLIENTS: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn open_websockets_are_closed_evenly_over_the_time() {
    let over = Duration::from_secs(6);
    let service = Process::start(&[("CLOSE_SECONDS", "6")]).await;
    let clients = open(&service, CLIENTS).await;

    service.terminate();
    let told = Instant::now();
    let mut closing = JoinSet::new();
    for mut client in clients {
        closing.spawn(async move { (closed(&mut client).await, told.elapsed()) });
    }

    // Meanwhile, about a third of the time in:
    sleep(over / 3).await;
    assert_eq!(service.get("/ready").await, (503, "closing\n".to_owned()));
    assert_eq!(service.connect().await.err(), Some(503));
    let (status, about) = service.get("/").await;
    assert_eq!(status, 200);
    let open = still_open(&about);
    assert!((1..CLIENTS).contains(&open), "{about}");

    let (status, printed) = service.ended().await;
    let took = told.elapsed();
    assert_eq!(status.code(), Some(0));
    assert!(took < over + Duration::from_secs(1), "{took:?}");
    assert_eq!(printed[0], "SIGTERM: closing 50 WebSockets over 6 s");
    assert_eq!(printed[1], "all WebSockets are closed");

    let mut in_each_tenth = [0; 10];
    for (frame, after) in closing.join_all().await {
        let frame = frame.expect("it is closed and not cut");
        assert_eq!(u16::from(frame.code), 1001);
        assert_eq!(frame.reason, "this task is being replaced: connect again");
        let tenth = after.as_millis() * 10 / over.as_millis();
        in_each_tenth[usize::try_from(tenth).unwrap().min(9)] += 1;
    }
    assert_eq!(in_each_tenth.iter().sum::<usize>(), CLIENTS);
    assert!(
        in_each_tenth.iter().all(|closed| *closed <= CLIENTS / 3),
        "{in_each_tenth:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_websockets_it_ends_at_once() {
    let service = Process::start(&[]).await;
    service.terminate();
    let told = Instant::now();
    assert_eq!(service.ended().await.0.code(), Some(0));
    assert!(told.elapsed() < Duration::from_secs(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_leave_by_themselves_are_not_waited_for() {
    let service = Process::start(&[]).await;
    let clients = open(&service, 3).await;
    service.terminate();
    let told = Instant::now();
    until_closing(&service).await;
    drop(clients);
    assert_eq!(service.ended().await.0.code(), Some(0));
    // The first would have been closed after four seconds, the last after twenty.
    assert!(told.elapsed() < Duration::from_secs(10));
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_do_not_answer_keep_it_no_longer_than_its_time() {
    let service = Process::start(&[("CLOSE_SECONDS", "1")]).await;
    // Nobody reads what these are told, and they stay connected.
    let clients = open(&service, 3).await;
    service.terminate();
    let told = Instant::now();
    let (status, printed) = service.ended().await;
    assert_eq!(status.code(), Some(0));
    assert_eq!(printed[1], "time is up; 3 WebSockets are still open");
    assert!(told.elapsed() >= Duration::from_secs(1));
    assert!(told.elapsed() < Duration::from_secs(5));
    drop(clients);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_sigterm_ends_it_at_once() {
    let service = Process::start(&[("CLOSE_SECONDS", "3600")]).await;
    let mut clients = open(&service, 3).await;
    service.terminate();
    until_closing(&service).await;
    service.terminate();
    let told = Instant::now();
    let (status, printed) = service.ended().await;
    assert_eq!(status.code(), Some(143));
    assert_eq!(printed[1], "SIGTERM again; 3 WebSockets are still open");
    assert!(told.elapsed() < Duration::from_secs(5));
    assert_eq!(closed(&mut clients[0]).await, None);
}

pub(crate) async fn open(service: &Process, clients: usize) -> Vec<Client> {
    let mut open = Vec::new();
    for _ in 0..clients {
        open.push(service.connect().await.unwrap());
    }
    let (_, about) = service.get("/").await;
    assert_eq!(still_open(&about), clients);
    open
}

/// The number that `/` says.
pub(crate) fn still_open(about: &str) -> usize {
    let words: Vec<_> = about.split_whitespace().collect();
    let [.., open, "WebSockets", "open"] = words[..] else {
        panic!("{about}");
    };
    open.parse().unwrap()
}

pub(crate) async fn until_closing(service: &Process) {
    while service.get("/ready").await.0 != 503 {
        sleep(Duration::from_millis(10)).await;
    }
}
