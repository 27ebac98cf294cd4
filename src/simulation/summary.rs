//! How a deployment ended, and the world it left.

use ebbtide_controller::arn::short;
use ebbtide_controller::counted::counted;
use ebbtide_simulator::asl::{Outcome, Status};
use ebbtide_simulator::world::World;
use serde::Serialize;

use crate::output::clock;

/// A deployment's end and the world after it, read from the world and not from what the deployment
/// says.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Summary {
    /// `SUCCEEDED`, `FAILED` or `TIMED_OUT`, as Step Functions has it.
    pub(crate) status: String,
    /// The error's name, where it failed.
    pub(crate) error: Option<String>,
    /// Why, or what was done.
    pub(crate) reason: String,
    /// Simulated seconds from start to end.
    pub(crate) seconds: f64,
    /// Events in Step Functions' history, of 25,000 allowed.
    pub(crate) history_events: u64,
    pub(crate) states: Vec<String>,
    /// API calls to ECS and Elastic Load Balancing.
    pub(crate) calls: usize,
    pub(crate) task_sets: Vec<TaskSetSummary>,
    pub(crate) listeners: Vec<ListenerSummary>,
    /// The target groups that carry a tag.
    pub(crate) tags: Vec<TagSummary>,
}

/// How an execution ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct End {
    /// `SUCCEEDED`, `FAILED` or `TIMED_OUT`, as Step Functions has it.
    pub(crate) status: String,
    /// The error's name, where it failed.
    pub(crate) error: Option<String>,
    /// Why, or what was done.
    pub(crate) reason: String,
    /// Simulated seconds from start to end.
    pub(crate) seconds: f64,
}

impl End {
    pub(super) fn of(outcome: &Outcome) -> Self {
        let (ended, error, reason) = match &outcome.status {
            Status::Succeeded { output } => {
                let reason = output["reason"]["text"].as_str().unwrap_or_default();
                ("SUCCEEDED", None, reason.to_owned())
            }
            Status::Failed { error, cause } => ("FAILED", Some(error.clone()), cause.clone()),
            Status::TimedOut => (
                "TIMED_OUT",
                Some("States.Timeout".to_owned()),
                "the execution outlived the state machine's timeout".to_owned(),
            ),
        };
        Self {
            status: ended.to_owned(),
            error,
            reason,
            seconds: outcome.elapsed.as_secs_f64(),
        }
    }

    pub(crate) fn outcome(&self) -> String {
        in_words(&self.status, self.error.as_deref(), &self.reason)
    }

    pub(crate) fn succeeded(&self) -> bool {
        self.error.is_none()
    }
}

fn in_words(status: &str, error: Option<&str>, reason: &str) -> String {
    match error {
        None => format!("{status}: {reason}"),
        Some(error) => format!("{status}: {error}: {reason}"),
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TaskSetSummary {
    id: String,
    status: String,
    task_definition: String,
    /// Its target group; of a service with a registry alone there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    target_group: Option<String>,
    /// Its Cloud Map registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    registry: Option<String>,
    running: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListenerSummary {
    port: u16,
    /// The number of a rule; of the default action there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<u32>,
    role: Option<String>,
    forward: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TagSummary {
    target_group: String,
    tags: Vec<String>,
}

impl Summary {
    pub(super) fn of(
        outcome: &Outcome,
        states: Vec<String>,
        calls: usize,
        world: &World,
        cluster: &str,
        service: &str,
    ) -> Self {
        let End {
            status,
            error,
            reason,
            seconds,
        } = End::of(outcome);
        Self {
            status,
            error,
            reason,
            seconds,
            history_events: outcome.events,
            states,
            calls,
            task_sets: task_sets(world, cluster, service),
            listeners: listeners(world),
            tags: tags(world),
        }
    }

    pub(crate) fn outcome(&self) -> String {
        in_words(&self.status, self.error.as_deref(), &self.reason)
    }

    pub(crate) fn succeeded(&self) -> bool {
        self.error.is_none()
    }
}

/// The default actions of all listeners, and the rules whose role is recorded.
fn listeners(world: &World) -> Vec<ListenerSummary> {
    const ROLE: &str = "ebbtide:role";
    let all = world.listeners().flat_map(|listener| {
        let default = ListenerSummary {
            port: listener.port,
            rule: None,
            role: listener.tags.get(ROLE).cloned(),
            forward: listener.forward_in_words(),
        };
        let rules = listener.rules.values();
        let rules = rules.filter(|rule| rule.tags.contains_key(ROLE));
        let rules = rules.map(|rule| ListenerSummary {
            port: listener.port,
            rule: rule.priority,
            role: rule.tags.get(ROLE).cloned(),
            forward: rule.forward_in_words(),
        });
        std::iter::once(default).chain(rules)
    });
    let mut all: Vec<_> = all.collect();
    all.sort_by_key(|one| (one.port, one.rule));
    all
}

fn task_sets(world: &World, cluster: &str, service: &str) -> Vec<TaskSetSummary> {
    let sets = world.task_sets_of(cluster, service).into_iter();
    sets.map(|set| {
        let attached = set.load_balancers.first();
        let group = attached.map(|attached| short(&attached.target_group_arn).to_owned());
        let registry = set.service_registries.first();
        let tasks = world.tasks_of(&set.id).into_iter();
        TaskSetSummary {
            id: set.id.clone(),
            status: set.status.as_str().to_owned(),
            task_definition: short(&set.task_definition).to_owned(),
            target_group: group,
            registry: registry.map(|its| short(&its.registry_arn).to_owned()),
            running: tasks
                .filter(|task| task.last_status.counts_as_running())
                .count(),
        }
    })
    .collect()
}

fn tags(world: &World) -> Vec<TagSummary> {
    let tagged = world.target_groups().filter(|group| !group.tags.is_empty());
    let tags = tagged.map(|group| {
        let tags = group.tags.iter();
        TagSummary {
            target_group: group.name.clone(),
            tags: tags.map(|(key, value)| format!("{key}={value}")).collect(),
        }
    });
    tags.collect()
}

impl Summary {
    /// What is said of the end, below the outcome: a label and a text each.
    pub(crate) fn rows(&self) -> Vec<(&'static str, String)> {
        let (took, states) = (clock(self.seconds), self.states.len());
        let (events, calls) = (self.history_events, self.calls);
        let took = format!(
            "{took} simulated, {states} states, {events} history events of 25000, {calls} API calls"
        );
        let mut rows = vec![("took", took)];
        rows.extend(self.task_sets.iter().map(|set| {
            let TaskSetSummary {
                id,
                status,
                task_definition,
                target_group,
                registry,
                running,
            } = set;
            let running = counted(*running, "task");
            let group = target_group.iter().map(|group| format!(" on {group}"));
            let registry = registry
                .iter()
                .map(|registry| format!(" in registry {registry}"));
            let places: String = group.chain(registry).collect();
            let text = format!("{id} {status} {task_definition}{places}, runs {running}");
            ("task set", text)
        }));
        rows.extend(self.listeners.iter().map(|listener| {
            let role = listener.role.as_deref().unwrap_or("no role recorded");
            let ListenerSummary { port, forward, .. } = listener;
            let route = match listener.rule {
                Some(number) => format!(":{port} rule {number}"),
                None => format!(":{port}"),
            };
            ("listener", format!("{route} ({role}) sends {forward}"))
        }));
        rows.extend(self.tags.iter().map(|TagSummary { target_group, tags }| {
            ("target group", format!("{target_group} {}", tags.join(" ")))
        }));
        rows
    }
}
