//! The plans of several services, and what they come to together.

use std::collections::BTreeMap;

use ebbtide_controller::counted::counted;
use ebbtide_controller::order::{Application, Member};
use serde::Serialize;
use serde_json::{Value, json};

use super::answer::Answer;
use super::cost::{Cost, FARGATE_TASK_HOUR, usd};
use crate::application;
use crate::output::{BOLD, DIM, PLAIN, Styled, clock, print};

/// Columns before a figure: its label.
const LABEL: usize = 16;

/// What all of them take.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Total {
    /// Of those that start side by side the longest, from the swap until the original has gone; of all groups.
    seconds_from_swaps: u32,
    extra_task_hours: f64,
    cost: Cost,
}

impl Total {
    /// Nothing where one of them would be refused.
    fn of(application: &Application, answers: &[Answer]) -> Option<Self> {
        let costs: Option<Vec<Cost>> = answers.iter().map(|answer| answer.cost).collect();
        let longest = |wave: Vec<usize>| {
            let seconds = wave
                .into_iter()
                .map(|number| answers[number].seconds_from_swap);
            seconds.max().unwrap_or_default()
        };
        let waves = application.waves().into_iter();
        Some(Self {
            seconds_from_swaps: waves.map(longest).sum(),
            extra_task_hours: answers.iter().map(|answer| answer.extra_task_hours).sum(),
            cost: costs?.into_iter().sum(),
        })
    }

    fn figures(&self, groups: usize) -> [(&'static str, String); 3] {
        let time = clock(f64::from(self.seconds_from_swaps));
        let hours = self.extra_task_hours;
        [
            (
                "time",
                format!(
                    "about {time} from the swaps until the originals have gone, {} one after another; until \
                     replacements are healthy, shifts, pauses and windows come on top",
                    counted(groups, "group")
                ),
            ),
            (
                "extra tasks",
                format!(
                    "{hours:.1} task-hours from the first traffic of each on ({} as Fargate tasks with 1 vCPU and 2 GB)",
                    usd(hours * FARGATE_TASK_HOUR)
                ),
            ),
            ("costs", self.cost.to_string()),
        ]
    }
}

pub(super) fn show(application: &Application, answers: &[Answer]) {
    application::order_in_words(application).wrapped(2).print();
    for (answer, member) in answers.iter().zip(&application.members) {
        print("");
        Styled::new(BOLD, member.service()).print();
        answer.lines().iter().for_each(Styled::print);
    }
    let Some(total) = Total::of(application, answers) else {
        return;
    };
    print("");
    Styled::new(BOLD, "All services").print();
    for (label, text) in total.figures(application.waves().len()) {
        let label = Styled::new(DIM, &format!("  {label:<13} "));
        label.and(PLAIN, &text).wrapped(LABEL).print();
    }
}

pub(super) fn json(application: &Application, answers: &[Answer]) -> Value {
    let named = application.members.iter().map(Member::service).zip(answers);
    json!({
        "order": application::order(application),
        "services": named.collect::<BTreeMap<_, _>>(),
        "total": Total::of(application, answers),
    })
}
