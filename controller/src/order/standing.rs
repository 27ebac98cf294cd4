//! How far the deployment of each service is: what the parent's state carries between two turns.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::contract::Failure;

/// How far one service is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// Its name.
    pub service: String,
    /// How far.
    #[serde(flatten)]
    pub stage: Stage,
    /// The input that deploys the version that served before; none in a first deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<Value>,
}

/// How far a service is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "status",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Stage {
    /// It is not deployed yet.
    Waiting,
    /// Its deployment is under way.
    Started {
        /// How many times its start was asked for.
        starts: u32,
    },
    /// It is deployed.
    Deployed {
        /// The task set that serves since then.
        task_set: Option<String>,
    },
    /// Its deployment has failed. What that has undone is in the cause.
    Failed(#[serde(with = "FailureFields")] Failure),
    /// Its earlier version is being deployed.
    Undoing {
        /// How many times that start was asked for.
        starts: u32,
    },
    /// Its earlier version serves again.
    Undone {
        /// It still ran: its own deployment went back.
        warm: bool,
    },
    /// It stays deployed, although it was to be undone.
    Kept {
        /// For people.
        why: String,
    },
}

impl Stage {
    /// How many times the start of the execution that is under way was asked for.
    pub(super) fn starts(&self) -> Option<u32> {
        match self {
            Self::Started { starts } | Self::Undoing { starts } => Some(*starts),
            Self::Waiting
            | Self::Deployed { .. }
            | Self::Failed(_)
            | Self::Undone { .. }
            | Self::Kept { .. } => None,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Failure", rename_all = "camelCase")]
struct FailureFields {
    error: String,
    cause: String,
}

impl Standing {
    /// Before its deployment.
    pub fn new(service: &str, earlier: Option<Value>) -> Self {
        Self {
            service: service.to_owned(),
            stage: Stage::Waiting,
            earlier,
        }
    }

    /// Its execution is started, for the first time or once more.
    pub fn start(&mut self) {
        let starts = self.stage.starts().unwrap_or(0).saturating_add(1);
        self.stage = if self.is_being_undone() {
            Stage::Undoing { starts }
        } else {
            Stage::Started { starts }
        };
    }

    /// The deployment of its earlier version is started.
    pub fn undo(&mut self) {
        self.stage = Stage::Undoing { starts: 1 };
    }

    /// Whether the execution that is under way brings its earlier version back.
    pub fn is_being_undone(&self) -> bool {
        matches!(self.stage, Stage::Undoing { .. })
    }
}
