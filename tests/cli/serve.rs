//! `ebbtide serve`.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::program::Served;

#[test]
fn the_simulated_aws_answers_on_a_loopback_port() {
    let served = Served::with("--event events/minimal.json");
    let address = served.address.strip_prefix("http://").unwrap();
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    let body = r#"{"cluster": "main", "services": ["chat"]}"#;
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         X-Amz-Target: AmazonEC2ContainerServiceV20141113.DescribeServices\r\n\
         Content-Type: application/x-amz-json-1.1\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("\"serviceName\":\"chat\""), "{answer}");
}
