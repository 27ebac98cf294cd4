//! The port: every protocol, over a socket.

use bytes::Bytes;
use ebbtide_simulator::{SimulatedAws, server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::support::{refusal, scenario};

async fn ask(address: std::net::SocketAddr, headers: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let length = Bytes::from(body.to_owned()).len();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("received");
    answer
}

#[tokio::test]
async fn the_port_speaks_every_protocol_until_it_stops() {
    let world = scenario(r#"{"alarms": [{"name": "errors"}]}"#)
        .world()
        .expect("a world");
    let aws = SimulatedAws::new(world, 1.0);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server::serve(listener, aws.clone(), async {
        let _ = stopped.await;
    }));

    let target = "x-amz-target: AmazonEC2ContainerServiceV20141113.DescribeServices\r\n";
    let wanted = r#"{"cluster": "main", "services": ["chat"]}"#;
    let answer = ask(address, target, wanted).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("service/main/chat"), "{answer}");
    let answer = ask(address, "", "Action=DescribeTargetGroups&PageSize=1").await;
    assert!(answer.contains("<DescribeTargetGroupsResult>"), "{answer}");
    let callers: Vec<_> =
        aws.with_world(|world| world.calls().map(|call| call.caller.clone()).collect());
    assert_eq!(callers, ["client", "client"]);

    let config = aws.sdk_config("test").into_builder();
    let config = config
        .endpoint_url(format!("http://{address}"))
        .http_client(aws_smithy_http_client::Builder::new().build_http());
    let cloudwatch = aws_sdk_cloudwatch::Client::new(&config.build());
    let described = cloudwatch.describe_alarms().send().await.expect("alarms");
    assert_eq!(described.metric_alarms()[0].alarm_name(), Some("errors"));
    let refused = cloudwatch.describe_alarms().next_token("elsewhere").send();
    assert_eq!(refusal(refused.await).0, "InvalidNextToken");

    // The client keeps its connection alive: the port hangs up.
    stop.send(()).expect("still serving");
    serving.await.expect("joined");
    let closed = TcpStream::connect(address).await;
    assert!(closed.is_err(), "{closed:?}");
}
