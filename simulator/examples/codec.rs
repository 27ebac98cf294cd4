//! What the simulated AWS reads of requests and writes of answers, for tests with vectors of others: JSON on
//! standard input and output, one case a line.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};

use bytes::Bytes;
use ebbtide_simulator::wire;
use ebbtide_simulator::world::ApiError;
use http::Request;
use serde::Deserialize;
use serde_json::{Value, json};

/// A request, and what its operation answered: nothing if only the request is to be read.
#[derive(Deserialize)]
struct Case {
    uri: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
    /// The names of the members that are instants.
    instants: Vec<String>,
    operation: String,
    answer: Option<Answer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Answer {
    Result(Value),
    Error {
        code: String,
        message: String,
        status: u16,
    },
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for line in io::stdin().lock().lines() {
        let done = carry_out(serde_json::from_str(&line?)?)?;
        writeln!(io::stdout(), "{done}")?;
    }
    Ok(())
}

fn carry_out(case: Case) -> Result<Value, Box<dyn std::error::Error>> {
    let mut request = Request::post(&case.uri);
    for (name, value) in &case.headers {
        request = request.header(name, value);
    }
    let request = request.body(Bytes::from(case.body))?;
    let instants: Vec<_> = case.instants.iter().map(String::as_str).collect();
    let result = match case.answer {
        None => {
            let read = wire::read(&request, &instants);
            return Ok(read.map_or_else(
                |why| json!({ "refused": why }),
                |read| json!({ "read": read }),
            ));
        }
        Some(Answer::Result(value)) => Ok(value),
        Some(Answer::Error {
            code,
            message,
            status,
        }) => Err(ApiError {
            status,
            ..ApiError::new(code.leak(), message)
        }),
    };
    let response = wire::write(&request, &case.operation, result, &instants);
    let headers = response.headers().iter();
    let headers = headers.map(|(name, value)| Ok((name.as_str(), value.to_str()?)));
    let headers: BTreeMap<_, _> = headers.collect::<Result<_, http::header::ToStrError>>()?;
    let (status, body) = (response.status().as_u16(), response.body().to_vec());
    Ok(json!({ "status": status, "headers": headers, "body": body }))
}
