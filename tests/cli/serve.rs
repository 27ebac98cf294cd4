//! `ebbtide serve`.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::program::Served;

fn describe(address: &str) -> String {
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
    answer
}

#[test]
fn the_simulated_aws_answers_on_a_loopback_port() {
    let served = Served::with("--event events/minimal.json");
    let address = served.address.strip_prefix("http://").unwrap();
    assert!(address.starts_with("127.0.0.1:"), "{address}");
    let answer = describe(address);
    assert!(answer.contains("\"serviceName\":\"chat\""), "{answer}");
}

#[test]
fn ctrl_c_ends_it_though_a_request_is_half_sent() {
    let mut served = Served::with("--event events/minimal.json");
    let address = served.address.strip_prefix("http://").unwrap().to_owned();
    let mut half = TcpStream::connect(&address).unwrap();
    write!(
        half,
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"
    )
    .unwrap();
    // It has taken the first connection once the second is answered.
    describe(&address);
    assert!(served.interrupt().success());
}
