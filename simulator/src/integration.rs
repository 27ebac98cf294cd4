//! Step Functions' service integrations, Lambda's aside: one call of an AWS service each.
//!
//! They go over the same wire as the SDKs' calls, and the same faults strike them.

use bytes::Bytes;
use http::Request;
use serde_json::{Map, Value, json};

use crate::asl::TaskError;
use crate::aws::SimulatedAws;
use crate::exchange::Broken;

/// The caller's name in the journal: the role of the state machine.
pub const CALLER: &str = "state-machine";

/// An integration that is simulated.
#[derive(Debug)]
pub(crate) struct Integration {
    /// What follows `arn:aws:states:::` in a Task's `Resource`.
    resource: &'static str,
    /// `X-Amz-Target`.
    target: &'static str,
    service: &'static Service,
}

/// How Step Functions speaks of a service and its errors.
#[derive(Debug)]
struct Service {
    /// What error names begin with.
    name: &'static str,
    /// What its client is called in an error's cause.
    client: &'static str,
    /// The error that stands for those without a class of their own in the SDK.
    unmodelled: &'static str,
    /// The codes with a class of their own.
    modelled: &'static [&'static str],
    kind: Kind,
}

/// The two kinds of integration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Parameters and answer as the service has them, with the SDK's metadata.
    Optimised,
    /// `aws-sdk`: every name begins with a capital, and instants are texts.
    Sdk,
}

static DYNAMODB: Service = Service {
    name: "DynamoDB",
    client: "AmazonDynamoDBv2",
    unmodelled: "AmazonDynamoDBException",
    modelled: &[
        "ConditionalCheckFailedException",
        "InternalServerError",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ResourceNotFoundException",
        "ThrottlingException",
    ],
    kind: Kind::Optimised,
};

static SFN: Service = Service {
    name: "Sfn",
    client: "Sfn",
    unmodelled: "SfnException",
    modelled: &["ExecutionDoesNotExist", "InvalidArn"],
    kind: Kind::Sdk,
};

static CLOUDWATCH: Service = Service {
    name: "CloudWatch",
    client: "CloudWatch",
    unmodelled: "CloudWatchException",
    modelled: &["InvalidNextToken"],
    kind: Kind::Sdk,
};

static EVENT_BRIDGE: Service = Service {
    name: "EventBridge",
    client: "AmazonEventBridge",
    unmodelled: "AmazonEventBridgeException",
    modelled: &["InternalException"],
    kind: Kind::Optimised,
};

/// The resource of the integration that puts events.
const PUT_EVENTS: &str = "events:putEvents";

static INTEGRATIONS: [Integration; 8] = [
    Integration {
        resource: "dynamodb:getItem",
        target: "DynamoDB_20120810.GetItem",
        service: &DYNAMODB,
    },
    Integration {
        resource: "dynamodb:putItem",
        target: "DynamoDB_20120810.PutItem",
        service: &DYNAMODB,
    },
    Integration {
        resource: "dynamodb:updateItem",
        target: "DynamoDB_20120810.UpdateItem",
        service: &DYNAMODB,
    },
    Integration {
        resource: "dynamodb:deleteItem",
        target: "DynamoDB_20120810.DeleteItem",
        service: &DYNAMODB,
    },
    Integration {
        resource: "aws-sdk:sfn:describeExecution",
        target: "AWSStepFunctions.DescribeExecution",
        service: &SFN,
    },
    Integration {
        resource: "aws-sdk:cloudwatch:describeAlarms",
        target: "GraniteServiceVersion20100801.DescribeAlarms",
        service: &CLOUDWATCH,
    },
    Integration {
        resource: "aws-sdk:cloudwatch:getMetricData",
        target: "GraniteServiceVersion20100801.GetMetricData",
        service: &CLOUDWATCH,
    },
    Integration {
        resource: PUT_EVENTS,
        target: "AWSEvents.PutEvents",
        service: &EVENT_BRIDGE,
    },
];

/// The integration of a Task's `Resource`, if it is simulated.
pub(crate) fn find(resource: &str) -> Option<&'static Integration> {
    let (_, name) = resource.split_once(":states:::")?;
    INTEGRATIONS
        .iter()
        .find(|integration| integration.resource == name)
}

impl Integration {
    /// Calls the service, and answers as Step Functions hands the answer to the state.
    pub(crate) async fn call(
        &self,
        aws: &SimulatedAws,
        parameters: Value,
    ) -> Result<Value, TaskError> {
        let mut body = self.request(parameters)?;
        if self.resource == PUT_EVENTS {
            details_as_text(&mut body);
        }
        let mut request = Request::new(Bytes::from(body.to_string()));
        request
            .headers_mut()
            .insert("x-amz-target", http::HeaderValue::from_static(self.target));
        let response = aws
            .exchange(CALLER, &request)
            .await
            .map_err(|broken| self.unreachable(broken))?;
        let header = response.headers().get("x-amzn-requestid");
        let id = header.and_then(|id| id.to_str().ok()).unwrap_or_default();
        let status = response.status().as_u16();
        let answer: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        if status >= 400 {
            return Err(self.refused(&answer, status, id));
        }
        // Otherwise half a success would be one (Step Functions documentation).
        if answer["FailedEntryCount"]
            .as_u64()
            .is_some_and(|failed| failed > 0)
        {
            return Err(TaskError {
                error: format!("{}.FailedEntry", self.service.name),
                cause: answer.to_string(),
            });
        }
        Ok(match self.service.kind {
            Kind::Sdk => capitalised(answer),
            Kind::Optimised => with_metadata(answer, id),
        })
    }

    /// The parameters as the service wants them.
    fn request(&self, parameters: Value) -> Result<Value, TaskError> {
        let Value::Object(fields) = parameters else {
            return Err(self.not_supported("a payload that is not an object"));
        };
        let bad = fields.keys().find(|name| !starts_with_a_capital(name));
        if let Some(name) = bad {
            return Err(self.not_supported(&format!("the field '{name}'")));
        }
        let fields = fields
            .into_iter()
            .map(|(name, value)| {
                let value = self.with_instant(&name, value)?;
                Ok((name, value))
            })
            .collect::<Result<Map<_, _>, TaskError>>()?;
        // Of the services that are simulated, only Step Functions writes names in small letters.
        let fields: Map<_, _> = if self.service.name == SFN.name {
            let small = |name: String| with_first(&name, |c| c.to_ascii_lowercase());
            fields
                .into_iter()
                .map(|(name, value)| (small(name), value))
                .collect()
        } else {
            fields
        };
        Ok(Value::Object(fields))
    }

    /// An instant is a text for Step Functions, and seconds since the Unix epoch on the wire.
    fn with_instant(&self, name: &str, value: Value) -> Result<Value, TaskError> {
        if self.service.kind != Kind::Sdk || !name.ends_with("Time") {
            return Ok(value);
        }
        let text = value.as_str().unwrap_or_default();
        let timestamp: jiff::Timestamp = text
            .parse()
            .map_err(|_| self.not_supported(&format!("'{name}' that is no timestamp")))?;
        Ok(timestamp.as_duration().as_secs_f64().into())
    }

    /// AWS refuses such a definition; here it is found when it is run.
    fn not_supported(&self, what: &str) -> TaskError {
        TaskError {
            error: "States.Runtime".to_owned(),
            cause: format!(
                "{}: {what} is not supported by Step Functions",
                self.resource
            ),
        }
    }

    /// The error that the SDK inside of Step Functions ends with when nothing comes back.
    fn unreachable(&self, broken: Broken) -> TaskError {
        TaskError {
            error: format!("{}.SdkClientException", self.service.name),
            cause: format!("Unable to execute HTTP request: {broken}"),
        }
    }

    fn refused(&self, answer: &Value, status: u16, id: &str) -> TaskError {
        let Service {
            name,
            client,
            unmodelled,
            modelled,
            kind,
        } = self.service;
        let code = answer["__type"].as_str().unwrap_or_default();
        let code = code.rsplit('#').next().unwrap_or_default();
        let class = match code.strip_suffix("Exception").unwrap_or(code) {
            stem if modelled.contains(&code) => format!("{stem}Exception"),
            _ => (*unmodelled).to_owned(),
        };
        let message = answer["message"].as_str().unwrap_or_default();
        let cause = match kind {
            Kind::Optimised => format!(
                "{message} (Service: {client}; Status Code: {status}; Error Code: {code}; \
                 Request ID: {id}; Proxy: null)"
            ),
            Kind::Sdk => {
                format!("{message} (Service: {client}, Status Code: {status}, Request ID: {id})")
            }
        };
        TaskError {
            error: format!("{name}.{class}"),
            cause,
        }
    }
}

fn starts_with_a_capital(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
}

fn with_first(name: &str, change: impl Fn(char) -> char) -> String {
    let mut rest = name.chars();
    rest.next().map(change).into_iter().chain(rest).collect()
}

/// An event's detail may be given as an object; on the wire it is a text. The ARNs that Step Functions
/// adds to the event's resources are left out: no rule here could look at them.
fn details_as_text(body: &mut Value) {
    let entries = body["Entries"].as_array_mut().into_iter().flatten();
    for entry in entries {
        if entry["Detail"].is_object() {
            entry["Detail"] = entry["Detail"].to_string().into();
        }
    }
}

/// What an optimised integration adds to an answer.
fn with_metadata(mut answer: Value, id: &str) -> Value {
    answer["SdkHttpMetadata"] = json!({
        "AllHttpHeaders": { "x-amzn-RequestId": [id] },
        "HttpHeaders": { "x-amzn-RequestId": id },
        "HttpStatusCode": 200,
    });
    answer["SdkResponseMetadata"] = json!({ "RequestId": id });
    answer
}

/// The answer as `aws-sdk` integrations write it: capitals, and instants as texts.
fn capitalised(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, field)| {
                let name = with_first(&name, |c| c.to_ascii_uppercase());
                let is_instant = ["Date", "Timestamp", "Timestamps"]
                    .iter()
                    .any(|end| name.ends_with(end));
                let field = capitalised(field);
                let field = if is_instant { instants(field) } else { field };
                (name, field)
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(capitalised).collect(),
        scalar => scalar,
    }
}

/// An instant, or a list of them, as texts.
fn instants(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(instants).collect(),
        other => instant(&other).map_or(other, Value::String),
    }
}

/// `2026-01-01T00:00:00.000Z` for seconds since the Unix epoch.
fn instant(seconds: &Value) -> Option<String> {
    let seconds = jiff::SignedDuration::try_from_secs_f64(seconds.as_f64()?).ok()?;
    let timestamp = jiff::Timestamp::from_duration(seconds).ok()?;
    let timestamp = timestamp.round(jiff::Unit::Millisecond).ok()?;
    Some(format!("{timestamp:.3}"))
}
