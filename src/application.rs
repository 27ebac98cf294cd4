//! An input with `services`: several of them, deployed in order.

use ebbtide_controller::arn::Home;
#[cfg(feature = "simulator")]
use ebbtide_controller::arn::short;
#[cfg(feature = "simulator")]
use ebbtide_controller::counted::counted;
use ebbtide_controller::counted::listed;
use ebbtide_controller::order::Application;
use ebbtide_controller::request::Problem;
use serde_json::Value;

use crate::output::{PLAIN, Styled};

/// The services of an input, where it has several.
pub(crate) fn read(event: &Value, home: &Home) -> Result<Option<Application>, Vec<Problem>> {
    Application::is_one(event)
        .then(|| Application::read(event, home))
        .transpose()
}

/// The names of the services, in groups of those that start side by side.
pub(crate) fn order(application: &Application) -> Vec<Vec<&str>> {
    let waves = application.waves().into_iter();
    let names = |wave: Vec<usize>| {
        let numbers = wave.into_iter();
        numbers
            .map(|number| application.members[number].service())
            .collect()
    };
    waves.map(names).collect()
}

/// The same as a line.
pub(crate) fn order_in_words(application: &Application) -> Styled {
    let waves = order(application);
    let waves: Vec<_> = waves.iter().map(|wave| listed(wave)).collect();
    Styled::new(PLAIN, &format!("Order: {}.", waves.join(", then ")))
}

/// What is simulated, for a title.
#[cfg(feature = "simulator")]
pub(crate) fn about(application: &Application, home: &Home) -> String {
    let clusters = application.members.iter();
    let cluster = clusters.map(|member| short(&member.request.cluster)).next();
    let services = counted(application.members.len(), "service");
    format!(
        "{services} in cluster {} ({home}, simulated)",
        cluster.unwrap_or_default()
    )
}
