//! The tags that record where traffic goes.

/// Tag of a listener or a rule: `production` or `test`.
pub(crate) const ROLE: &str = "ebbtide:role";
/// Tag of a target group that a swap is moving traffic to: the deployment.
pub(crate) const SWAP_INTENT: &str = "ebbtide:swap";
/// Tag of the target group that serves, as the public sample has it.
pub(crate) const IS_PRODUCTION: &str = "isProduction";
/// Tag of the target group that serves: the task set behind it, as the public sample has it.
pub(crate) const TASK_SET_ID: &str = "taskSetId";
/// Tag of a rule that a deployment has created for its tests: the deployment.
pub(crate) const DEPLOYMENT: &str = "ebbtide:deployment";
/// Tag of such a rule: the last part of the ARN of the route before which it is evaluated.
pub(crate) const BESIDE: &str = "ebbtide:beside";
/// Tag of a target group, and of such a rule: the service that it belongs to, `CLUSTER/SERVICE`.
pub(crate) const SERVICE: &str = "ebbtide:service";
/// Tag of a target group that is one service's, where several share a load balancer.
pub(crate) const SERVICE_NAME: &str = "serviceName";
/// The stack that has made a resource; `CloudFormation` sets it.
pub(crate) const STACK: &str = "aws:cloudformation:stack-name";
