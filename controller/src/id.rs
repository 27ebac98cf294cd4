//! Ids of AWS resources, with a type each, so that none can be mistaken for another.

use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl<T: Into<String>> From<T> for $name {
            fn from(id: T) -> Self {
                Self(id.into())
            }
        }

        impl $name {
            /// As AWS writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

ids! {
    /// A task set: `ecs-svc/…`, as ECS calls it.
    TaskSetId
    /// The ARN of a target group.
    TargetGroupArn
    /// The ARN of a listener.
    ListenerArn
    /// The ARN of a route: of a listener, for its default action, or of a listener's rule.
    RouteArn
    /// The ARN of a load balancer.
    LoadBalancerArn
    /// The ARN of a Cloud Map service.
    RegistryArn
    /// An instance of a Cloud Map service: a task's id, where ECS has registered it.
    InstanceId
    /// A revision of a task definition: its ARN, or `family:revision`.
    TaskDefinitionId
    /// The ARN of an execution of the state machine.
    ExecutionArn
}
