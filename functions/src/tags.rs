//! The tags that record where traffic goes.

/// Tag of a listener: `production` or `test`.
pub(crate) const ROLE: &str = "ebbtide:role";
/// Tag of a target group that a swap is moving traffic to: the deployment.
pub(crate) const SWAP_INTENT: &str = "ebbtide:swap";
/// Tag of the target group that serves, as the public sample has it.
pub(crate) const IS_PRODUCTION: &str = "isProduction";
/// Tag of the target group that serves: the task set behind it, as the public sample has it.
pub(crate) const TASK_SET_ID: &str = "taskSetId";
/// Tag of a target group: the service that it belongs to, `CLUSTER/SERVICE`.
pub(crate) const SERVICE: &str = "ebbtide:service";
/// Tag of a target group that is one service's, where several share a load balancer.
pub(crate) const SERVICE_NAME: &str = "serviceName";
/// The stack that has made a resource; `CloudFormation` sets it.
pub(crate) const STACK: &str = "aws:cloudformation:stack-name";
