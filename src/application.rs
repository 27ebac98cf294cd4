//! What an input asks for: the deployment of one service, or of several in order.

use ebbtide_controller::arn::Home;
#[cfg(feature = "simulator")]
use ebbtide_controller::arn::short;
#[cfg(feature = "simulator")]
use ebbtide_controller::counted::counted;
use ebbtide_controller::counted::listed;
use ebbtide_controller::order::{Application, Member};
use ebbtide_controller::request::{Problem, Request};
use serde_json::Value;

use crate::input;
use crate::output::{PLAIN, Styled};

/// What is asked for.
pub(crate) enum Wanted {
    OneService(Box<Member>),
    SeveralServices(Application),
}

impl Wanted {
    /// In the home that is known; without one, nothing that is refused names one.
    pub(crate) fn read(event: &Value, home: Option<&Home>) -> Result<Self, Vec<Problem>> {
        input::in_home(event, home, |home| {
            if Application::is_one(event) {
                return Application::read(event, home).map(Self::SeveralServices);
            }
            let request = Request::read(event, home)?;
            Ok(Self::OneService(Box::new(Member {
                input: event.clone(),
                request,
                after: Vec::new(),
            })))
        })
    }

    /// The services, each with the input of its deployment.
    pub(crate) fn members(&self) -> &[Member] {
        match self {
            Self::OneService(member) => std::slice::from_ref(member),
            Self::SeveralServices(application) => &application.members,
        }
    }
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
