//! The executions that one which is followed has started: those of several services.

use super::show::Show;
use crate::executions::{Event, Executions};
use crate::narrate::What;

#[derive(Default)]
pub(super) struct Children(Vec<Child>);

struct Child {
    arn: String,
    /// The last event of its history that was shown.
    seen: i64,
    /// How it is printed, once it is known which service it deploys.
    show: Option<Show>,
    ended: bool,
}

impl Children {
    /// Takes in an event of the execution that is followed: it may have started another one. A start that is asked for
    /// again is the same execution.
    pub(super) fn hear(&mut self, event: &Event) {
        let What::Started { execution } = &event.what else {
            return;
        };
        if self.0.iter().any(|child| child.arn == *execution) {
            return;
        }
        self.0.push(Child {
            arn: execution.clone(),
            seen: 0,
            show: None,
            ended: false,
        });
    }

    /// Shows what has happened in each since then. What cannot be read now is read the next time: how all of it ends
    /// is known from the execution that has started them.
    pub(super) async fn show(&mut self, executions: &Executions, parent: &Show) {
        for child in self.0.iter_mut().filter(|child| !child.ended) {
            child.show(executions, parent).await;
        }
    }
}

impl Child {
    async fn show(&mut self, executions: &Executions, parent: &Show) {
        let Ok(execution) = executions.describe(&self.arn).await else {
            return;
        };
        let show = self.show.get_or_insert_with(|| {
            let service = execution.asked("serviceName").unwrap_or(&execution.name);
            parent.of_service(service)
        });
        show.following(&execution);
        let Ok(events) = executions.history(&self.arn, self.seen).await else {
            return;
        };
        for event in &events {
            self.seen = event.id;
            show.happened(event);
        }
        if execution.has_ended() {
            self.ended = true;
            show.ended_within(&execution);
        }
    }
}
