//! What a step has decided: plain data, and every write the program can make.

use crate::quote::quote;
use std::fmt;

use crate::arn::short;
use crate::observation::{Forward, Launch, Network, ServiceRegistry, Targets};
use crate::refusal::Refusal;

/// The outcome of one look at the world.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Make these writes, in this order, then look again.
    Act(Vec<Action>),
    /// Nothing to do now; look again later.
    Wait(WaitingOn),
    /// The step's goal is reached.
    Done,
    /// Not now and not later, unless somebody changes something.
    Refuse(Refusal),
}

/// Every write that Ebbtide can make.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// `AddTags` on a listener: whether users reach it (`production`) or not (`test`).
    RecordRole {
        /// The listener's ARN.
        listener: String,
        /// What it is for.
        role: Role,
    },
    /// `ModifyListener`: change where a listener's default action forwards to, nothing else.
    Forward {
        /// The listener's ARN.
        listener: String,
        /// What the action was when this was decided; it is compared before the write.
        seen: Forward,
        /// What it shall be.
        wanted: Forward,
    },
    /// `CreateTaskSet`.
    CreateTaskSet(Box<NewTaskSet>),
    /// `AddTags`: record on a target group that a swap to it has begun.
    RecordSwapIntent {
        /// The target group's ARN.
        target_group: String,
        /// The deployment.
        deployment: String,
    },
    /// `RemoveTags`: the swap is complete.
    ClearSwapIntent {
        /// The target group's ARN.
        target_group: String,
    },
    /// `AddTags`: `isProduction=true` and the `taskSetId` that serves.
    TagProduction {
        /// The target group's ARN.
        target_group: String,
        /// The task set behind it.
        task_set: String,
    },
    /// `RemoveTags`: `isProduction` and `taskSetId`.
    UntagProduction {
        /// The target group's ARN.
        target_group: String,
    },
    /// `UpdateServicePrimaryTaskSet`.
    MakePrimary {
        /// The task set's id.
        task_set: String,
    },
    /// `UpdateTaskSet`: an absolute scale, never "less than before" (rule R3).
    SetScale {
        /// The task set's id.
        task_set: String,
        /// Percent of the service's desired count.
        percent: f64,
        /// The tasks that this percentage means.
        tasks: u32,
    },
    /// `DeleteTaskSet`.
    DeleteTaskSet {
        /// The task set's id.
        task_set: String,
        /// Only for a candidate that never served (rule R4).
        force: bool,
    },
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RecordRole { listener, role } => {
                write!(f, "record listener {} as {role}", short(listener))
            }
            Self::Forward {
                listener, wanted, ..
            } => {
                write!(f, "forward listener {} to", short(listener))?;
                for (index, group) in wanted.0.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(
                        f,
                        "{comma} {} ({})",
                        short(&group.target_group),
                        group.weight
                    )?;
                }
                Ok(())
            }
            Self::CreateTaskSet(new) => write!(
                f,
                "create a task set of {} on target group {}",
                short(&new.task_definition),
                short(&new.target_group)
            ),
            Self::RecordSwapIntent { target_group, .. } => {
                write!(f, "record the swap to target group {}", short(target_group))
            }
            Self::ClearSwapIntent { target_group } => write!(
                f,
                "clear the record of the swap to target group {}",
                short(target_group)
            ),
            Self::TagProduction { target_group, .. } => write!(
                f,
                "tag target group {} isProduction=true",
                short(target_group)
            ),
            Self::UntagProduction { target_group } => write!(
                f,
                "remove isProduction from target group {}",
                short(target_group)
            ),
            Self::MakePrimary { task_set } => write!(f, "make {task_set} PRIMARY"),
            Self::SetScale {
                task_set,
                percent,
                tasks,
            } => write!(f, "scale {task_set} to {tasks} tasks ({percent:.2} %)"),
            Self::DeleteTaskSet { task_set, .. } => write!(f, "delete {task_set}"),
        }
    }
}

/// What a listener is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Users reach the service through it.
    Production,
    /// It reaches the other task set.
    Test,
}

impl Role {
    /// The value of the `ebbtide:role` tag.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Test => "test",
        }
    }

    pub(crate) fn parse(value: &str) -> Option<Self> {
        match value {
            "production" => Some(Self::Production),
            "test" => Some(Self::Test),
            _ => None,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A task set to create. Its scale is always 100 percent.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTaskSet {
    /// The ARN or `family:revision` of its task definition.
    pub task_definition: String,
    /// The deployment's label.
    pub external_id: String,
    /// The idempotency token (rule R2).
    pub client_token: String,
    /// The ARN of the target group its tasks register with.
    pub target_group: String,
    /// The container whose port is registered.
    pub container_name: String,
    /// That port.
    pub container_port: u16,
    /// awsvpc configuration, where the task definition's network mode has one.
    pub network: Option<Network>,
    /// How its tasks are placed.
    pub launch: Launch,
    /// The Fargate platform version.
    pub platform_version: Option<String>,
    /// Cloud Map registries, as the original has them.
    pub service_registries: Vec<ServiceRegistry>,
}

/// What has to happen in the world before the deployment goes on, in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitingOn {
    /// Tasks of the replacement that are not running yet.
    Tasks {
        /// Tasks that run.
        running: u32,
        /// Tasks that are starting.
        pending: u32,
        /// Tasks wanted.
        wanted: u32,
    },
    /// Targets of the replacement that do not pass their health checks yet.
    HealthyTargets {
        /// The targets by state.
        targets: Targets,
        /// Healthy ones wanted.
        wanted: u32,
    },
    /// ECS does not report `STEADY_STATE` yet.
    SteadyState,
    /// Steady and healthy, but not yet in this many looks in a row.
    Confirmation {
        /// Looks in a row so far.
        seen: u32,
        /// Looks wanted.
        wanted: u32,
    },
    /// An alarm whose state is none that this version knows: whether it rings cannot be told.
    AlarmState {
        /// Its name.
        alarm: String,
        /// What CloudWatch says.
        state: String,
    },
    /// More new connections than the budget of the drain allows.
    Reconnects {
        /// New connections a second beyond the ordinary ones, in CloudWatch's newest minute.
        seen: u64,
        /// How many the replacement can bear.
        budget: u64,
    },
    /// The pause between the swap and the first step of the drain.
    Bake {
        /// Seconds of it that are left.
        left: u32,
    },
    /// A swap that an earlier deployment left half done.
    SwapToFinish,
    /// A task set that an earlier deployment left, and whose drain is to be planned.
    Leftover {
        /// Its id.
        task_set: String,
        /// Tasks that it wants.
        tasks: u32,
    },
    /// A second look at what one read showed: it may be old, and a late write would show by then.
    SecondLook,
    /// Targets in a group that no living task set owns; they are being deregistered.
    Deregistration {
        /// How many are left.
        targets: u32,
    },
    /// The pause between two steps of the drain.
    NextStep {
        /// Tasks of the original that are left after this step.
        left: u32,
        /// Tasks of the original at the start of the drain.
        of: u32,
    },
    /// A pause between two steps that is longer than a drain goes without a look.
    Pause {
        /// Tasks of the original that are left.
        left: u32,
        /// Tasks of the original at the start of the drain.
        of: u32,
        /// Seconds until the next step.
        seconds: u32,
    },
    /// The original wants no more tasks, but some still run.
    TasksStopping {
        /// Tasks that still run or start.
        running: u32,
    },
    /// A deleted task set that ECS still shows.
    Deletion {
        /// The task set's id.
        task_set: String,
    },
}

impl fmt::Display for WaitingOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tasks {
                running,
                pending,
                wanted,
            } => write!(f, "{running} of {wanted} tasks run, {pending} are starting"),
            Self::HealthyTargets { targets, wanted } => {
                write!(f, "{wanted} healthy targets wanted, seen: {targets}")
            }
            Self::SteadyState => f.write_str("ECS does not report STEADY_STATE yet"),
            Self::Confirmation { seen, wanted } => {
                write!(f, "steady and healthy in {seen} of {wanted} looks")
            }
            Self::AlarmState { alarm, state } => {
                write!(
                    f,
                    "alarm {} is in the unknown state {}",
                    quote(alarm),
                    quote(state)
                )
            }
            Self::Reconnects { seen, budget } => {
                write!(
                    f,
                    "{seen} reconnects a second came, and {budget} are allowed"
                )
            }
            Self::Bake { left } => write!(f, "{left} s until the first step of the drain"),
            Self::SwapToFinish => f.write_str("a swap is half done"),
            Self::Leftover { task_set, tasks } => {
                write!(f, "{task_set} is left with {tasks} tasks")
            }
            Self::SecondLook => f.write_str("one read may be old: looking once more"),
            Self::Deregistration { targets } => {
                write!(
                    f,
                    "{targets} targets without a task set are being deregistered"
                )
            }
            Self::NextStep { left, of } => write!(f, "{left} of {of} tasks left"),
            Self::Pause { left, of, seconds } => {
                write!(f, "{left} of {of} tasks left, the next step in {seconds} s")
            }
            Self::TasksStopping { running: 1 } => {
                f.write_str("1 task still runs, until its connections are drained")
            }
            Self::TasksStopping { running } => {
                write!(
                    f,
                    "{running} tasks still run, until their connections are drained"
                )
            }
            Self::Deletion { task_set } => write!(f, "ECS is deleting {task_set}"),
        }
    }
}
