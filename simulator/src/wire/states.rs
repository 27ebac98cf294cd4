//! Step Functions over awsJson1.0.

use serde_json::json;

use super::{Handler, seconds};
use crate::world::ApiError;

pub(super) const OPERATIONS: &[(&str, Handler)] = &[("DescribeExecution", |world, input| {
    let request = super::parse(input, ApiError::invalid)?;
    let execution = world.describe_execution(&request)?;
    let redrivable = execution.status.is_redrivable();
    Ok(json!({
        "executionArn": execution.arn,
        "stateMachineArn": execution.state_machine_arn,
        "name": execution.name,
        "status": execution.status,
        "startDate": seconds(execution.start_date_ms),
        "stopDate": execution.stop_date_ms.map(seconds),
        "input": execution.input,
        "inputDetails": { "included": true },
        "output": execution.end.output,
        "error": execution.end.error,
        "cause": execution.end.cause,
        "redriveCount": execution.redrive_count,
        "redriveStatus": if redrivable { "REDRIVABLE" } else { "NOT_REDRIVABLE" },
    }))
})];
