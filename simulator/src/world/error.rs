//! The errors that AWS's operations answer with.

use super::Item;

/// A refusal, as the API models name it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// The code on the wire: `ServiceNotFoundException` for ECS, `TargetGroupNotFound` for
    /// Elastic Load Balancing (whose modelled names end in `Exception`, its codes do not).
    pub code: &'static str,
    /// AWS's sentence where it is known, ours where it is not.
    pub message: String,
    /// The HTTP status: 400 for every refusal that is the caller's fault.
    pub status: u16,
    /// The item as it is, of a write to DynamoDB whose condition failed and that asked for it.
    pub item: Option<Item>,
}

impl ApiError {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            status: 400,
            item: None,
        }
    }

    pub(crate) fn invalid_parameter(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterException", message)
    }

    /// Refuses with `InvalidParameterException` where it is so.
    pub(crate) fn refuse_if(is_so: bool, message: impl Into<String>) -> Result<(), Self> {
        if is_so {
            return Err(Self::invalid_parameter(message));
        }
        Ok(())
    }

    pub(crate) fn client(message: impl Into<String>) -> Self {
        Self::new("ClientException", message)
    }

    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationError", message)
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    pub(crate) fn cluster_not_found() -> Self {
        Self::new("ClusterNotFoundException", "Cluster not found.")
    }

    pub(crate) fn service_not_found() -> Self {
        Self::new("ServiceNotFoundException", "Service not found.")
    }

    pub(crate) fn invalid_token() -> Self {
        Self::invalid_parameter("Invalid token.")
    }

    pub(crate) fn invalid_next_token() -> Self {
        Self::new("InvalidNextToken", "The next token specified is invalid.")
    }

    pub(crate) fn load_balancer_not_found(arn: &str) -> Self {
        let message = format!("Load balancer '{arn}' not found");
        Self::new("LoadBalancerNotFound", message)
    }

    pub(crate) fn target_group_not_found() -> Self {
        Self::new("TargetGroupNotFound", "One or more target groups not found")
    }

    pub(crate) fn listener_not_found() -> Self {
        Self::new("ListenerNotFound", "One or more listeners not found")
    }

    pub(crate) fn rule_not_found() -> Self {
        Self::new("RuleNotFound", "One or more rules not found")
    }
}
