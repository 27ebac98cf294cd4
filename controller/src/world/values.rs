//! Values of which AWS has a fixed set: whatever this version does not know keeps its text.

use std::fmt;

use crate::quote::quote;

macro_rules! values {
    ($($(#[$doc:meta])* $name:ident { $($(#[$what:meta])* $value:ident = $text:literal)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum $name {
            $($(#[$what])* $value,)*
            /// A value this version does not know.
            Unknown(String),
        }

        impl $name {
            /// As AWS writes it.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$value => $text,)*
                    Self::Unknown(text) => text,
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                match text {
                    $($text => Self::$value,)*
                    unknown => Self::Unknown(quote(unknown)),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )*};
}

values! {
    /// What kind of end a stopped task had.
    StopCode {
        /// An essential container exited.
        EssentialContainerExited = "EssentialContainerExited"
        /// It never ran.
        TaskFailedToStart = "TaskFailedToStart"
        /// The service's scheduler took it away.
        ServiceSchedulerInitiated = "ServiceSchedulerInitiated"
        /// A person did.
        UserInitiated = "UserInitiated"
        /// Its capacity was removed.
        SpotInterruption = "SpotInterruption"
        /// Its capacity goes.
        TerminationNotice = "TerminationNotice"
    }
    /// The status of a service.
    ServiceStatus {
        /// It can be deployed to.
        Active = "ACTIVE"
        /// It is being deleted.
        Draining = "DRAINING"
        /// It was deleted.
        Inactive = "INACTIVE"
    }
    /// The deployment controller of a service.
    DeploymentController {
        /// ECS, task by task.
        Ecs = "ECS"
        /// `CodeDeploy`.
        CodeDeploy = "CODE_DEPLOY"
        /// Any program that manages task sets by the API.
        External = "EXTERNAL"
    }
    /// The status of a task set.
    TaskSetStatus {
        /// The service's own, set by `UpdateServicePrimaryTaskSet`; exclusive.
        Primary = "PRIMARY"
        /// Any other that runs.
        Active = "ACTIVE"
        /// Being stopped; it will be gone soon.
        Draining = "DRAINING"
    }
    /// What starts a task.
    LaunchType {
        /// Fargate.
        Fargate = "FARGATE"
        /// An instance of EC2.
        Ec2 = "EC2"
        /// A machine of one's own.
        External = "EXTERNAL"
        /// An instance that ECS manages.
        ManagedInstances = "MANAGED_INSTANCES"
    }
    /// How the containers of a task are connected.
    NetworkMode {
        /// By a network interface of the task's own.
        Awsvpc = "awsvpc"
        /// By Docker's network, on an instance.
        Bridge = "bridge"
        /// By the instance's own network interface.
        Host = "host"
        /// Not at all.
        None = "none"
    }
    /// The state of a CloudWatch alarm.
    AlarmState {
        /// Not in `ALARM`.
        Ok = "OK"
        /// In `ALARM`.
        Alarm = "ALARM"
        /// Not enough data.
        InsufficientData = "INSUFFICIENT_DATA"
    }
}
