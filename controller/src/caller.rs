//! A function serves executions of its own partition, region and account only.

use crate::arn::Arn;
use crate::identity::DeploymentId;
use crate::refusal::{ErrorName, Refusal};

/// Refuses an event if its execution is of another partition, region or account.
///
/// Every ARN of a request must be of the execution's home, which the event names itself: anyone who may
/// invoke a function could name any. `function` is the function's own ARN as Lambda gives it with the
/// invocation (with an alias or version, perhaps).
pub fn check(id: &DeploymentId, function: &str) -> Result<(), Refusal> {
    let Some(own) = Arn::parse(function).filter(|arn| arn.service == "lambda") else {
        return Err(Refusal::new(
            ErrorName::InvalidInput,
            format!(
                "The function does not know its account and region: its own ARN is {function}."
            ),
            "Invoke it through Lambda.",
        ));
    };
    let (own, theirs) = (own.home(), id.home());
    if own == *theirs {
        return Ok(());
    }
    Err(Refusal::new(
        ErrorName::InvalidInput,
        format!(
            "The execution is of {theirs}, but this function serves executions of {own} only: {}.",
            id.execution()
        ),
        "Start an execution of the state machine that was installed with this function.",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FUNCTION: &str = "arn:aws:lambda:us-east-1:555555555555:function:ebbtide-swap";

    fn from(home: &str) -> DeploymentId {
        let execution = format!("arn:{home}:execution:Ebbtide:run-1");
        DeploymentId::of_execution(&execution, "2026-01-01T00:00:00Z").unwrap()
    }

    #[test]
    fn an_execution_of_the_functions_own_account_and_region_is_served() {
        let event = from("aws:states:us-east-1:555555555555");
        assert_eq!(check(&event, FUNCTION), Ok(()));
        assert_eq!(check(&event, &format!("{FUNCTION}:live")), Ok(()));
    }

    #[test]
    fn an_execution_of_another_partition_region_or_account_is_refused() {
        for home in [
            "aws-cn:states:us-east-1:555555555555",
            "aws:states:eu-west-1:555555555555",
            "aws:states:us-east-1:111111111111",
        ] {
            let refusal = check(&from(home), FUNCTION).unwrap_err();
            assert_eq!(refusal.error, ErrorName::InvalidInput);
            assert!(refusal.problem.contains("555555555555 only"), "{refusal}");
        }
    }

    #[test]
    fn a_function_that_does_not_know_where_it_is_serves_no_execution() {
        let event = from("aws:states:us-east-1:555555555555");
        for function in [
            "",
            "No header lambda-runtime-invoked-function-arn found.",
            "arn:aws:states:us-east-1:555555555555:function:ebbtide-swap",
        ] {
            assert!(check(&event, function).is_err(), "{function}");
        }
    }
}
