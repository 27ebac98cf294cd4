//! What an input asks for: the deployment of one service, or of several.

use ebbtide_controller::arn::Home;
use ebbtide_controller::order::Application;
use ebbtide_controller::request::{Problem, Request};
use serde_json::Value;

use super::{name, preview};
use crate::application;
use crate::aws::Access;
use crate::exit::Error;
use crate::files::Source;
use crate::input;

pub(super) enum Wanted {
    OneService(Box<Request>),
    SeveralServices(Application),
}

impl Wanted {
    pub(super) fn read(event: &Value, home: Option<&Home>) -> Result<Self, Vec<Problem>> {
        if !Application::is_one(event) {
            let request = input::request(event, home)?;
            return Ok(Self::OneService(Box::new(request)));
        }
        let home = home.cloned();
        let home = home.unwrap_or_else(|| input::home_in(event));
        Application::read(event, &home).map(Self::SeveralServices)
    }

    /// The name of its execution.
    pub(super) fn name(&self, commit: Option<&str>) -> String {
        match self {
            Self::OneService(request) => name::of(request, commit),
            Self::SeveralServices(application) => {
                let members = application.members.iter();
                let requests: Vec<_> = members.map(|member| &member.request).collect();
                name::of_several(&requests, commit)
            }
        }
    }

    /// Checks every service, and with `show` says what will be done; or why it would be refused.
    pub(super) async fn refused(
        &self,
        source: &Source,
        event: &Value,
        access: &Access,
        show: bool,
    ) -> Result<Option<String>, Error> {
        let application = match self {
            Self::OneService(_) => return preview::refused(source, event, access, show).await,
            Self::SeveralServices(application) => application,
        };
        if show {
            application::order_in_words(application).remark(13);
        }
        let mut refused = Vec::new();
        for member in &application.members {
            let why = preview::refused(source, &member.input, access, show).await?;
            refused.extend(why.map(|why| format!("{}: {why}", member.service())));
        }
        Ok((!refused.is_empty()).then(|| refused.join(" ")))
    }
}
