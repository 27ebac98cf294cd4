//! The built service, as a real process with real connections.

mod leaving;
mod process;
mod stopping;

use process::{Process, echo, next, program};
use tokio_tungstenite::tungstenite::Message;

#[tokio::test(flavor = "multi_thread")]
async fn it_says_its_version_its_host_and_that_it_is_ready() {
    let service = Process::start(&[("VERSION", "7")]).await;
    let (status, host) = service.get("/hostname").await;
    assert_eq!(status, 200);
    assert_eq!(host, format!("{}\n", gethostname::gethostname().display()));
    assert_eq!(service.get("/ready").await, (200, "ready\n".to_owned()));
    let client = service.connect().await.unwrap();
    let about = format!("nlb-service 7 on {}, 1 WebSockets open\n", host.trim());
    assert_eq!(service.get("/").await, (200, about));
    drop(client);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_with_a_name_answers_below_it_as_well_and_below_no_other() {
    let service = Process::start(&[("SERVICE", "chat"), ("VERSION", "7")]).await;
    let (_, about) = service.get("/").await;
    assert!(about.starts_with("chat 7 on "), "{about}");
    for path in ["/", "/hostname", "/ready"] {
        let below = service.get(&format!("/chat{path}")).await;
        assert_eq!((below.0, &below), (200, &service.get(path).await));
    }
    let mut client = service.connect_to("/chat/ws").await.unwrap();
    let hello = Message::text("hello");
    assert_eq!(echo(&mut client, hello.clone()).await, hello);
    assert_eq!(service.connect_to("/users/ws").await.err(), Some(404));
    assert_eq!(service.get("/users/").await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_echoes_text_and_bytes() {
    let service = Process::start(&[]).await;
    let mut client = service.connect().await.unwrap();
    for message in [Message::text("hello"), Message::binary(vec![0, 255])] {
        assert_eq!(echo(&mut client, message.clone()).await, message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_long_ends_its_websocket_alone() {
    let service = Process::start(&[]).await;
    let mut greedy = service.connect().await.unwrap();
    let mut modest = service.connect().await.unwrap();
    let longest = Message::text("a".repeat(64 * 1024));
    assert_eq!(echo(&mut modest, longest.clone()).await, longest);
    // The service may hang up before it has read all of it.
    let _ =
        futures_util::SinkExt::send(&mut greedy, Message::text("a".repeat(64 * 1024 + 1))).await;
    assert_eq!(process::closed(&mut greedy).await, None);
    assert_eq!(
        echo(&mut modest, Message::text("on")).await,
        Message::text("on")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_on_which_nothing_is_said_is_pinged() {
    let service = Process::start(&[("PING_SECONDS", "1")]).await;
    let mut client = service.connect().await.unwrap();
    for _ in 0..2 {
        assert!(matches!(next(&mut client).await, Message::Ping(_)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_check_succeeds_while_the_service_is_ready_and_fails_afterwards() {
    let service = Process::start(&[]).await;
    let port = service.address.rsplit_once(':').unwrap().1.to_owned();
    let check = || program().arg("check").env("PORT", &port).output();
    let client = service.connect().await.unwrap();
    assert!(check().await.unwrap().status.success());
    service.terminate();
    stopping::until_closing(&service).await;
    let closing = check().await.unwrap();
    assert_eq!(closing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&closing.stderr).contains("503"));
    drop(client);
    service.ended().await;
    let gone = check().await.unwrap();
    assert_eq!(gone.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&gone.stderr).contains(&port));
}

#[tokio::test]
async fn a_wrong_setting_is_refused_by_its_name() {
    for (name, holds) in [
        ("ADDRESS", "localhost"),
        ("PORT", "65536"),
        ("SERVICE", ""),
        ("SERVICE", "chat/{all}"),
        ("CLOSE_SECONDS", "-1"),
        ("CLOSE_SECONDS", ""),
        ("PING_SECONDS", "0"),
        ("POLL_SECONDS", "0"),
        ("REPORT_SECONDS", "a minute"),
    ] {
        let refused = program().env(name, holds).output().await.unwrap();
        assert_eq!(refused.status.code(), Some(2));
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(
            said.starts_with(&format!("{name} is {holds}; allowed: ")),
            "{said}"
        );
    }
}

#[tokio::test]
async fn an_argument_that_it_does_not_know_is_refused() {
    let refused = program().arg("chekc").output().await.unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(refused.stderr, b"usage: nlb-service [check]\n");
}
