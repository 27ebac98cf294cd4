//! A state machine, by its ARN.

use ebbtide_controller::arn::{Arn, Home};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) arn: String,
}

impl Machine {
    pub(crate) fn parse(arn: &str) -> Option<Self> {
        let parsed = Arn::parse(arn)?;
        let name = parsed.resource.strip_prefix("stateMachine:")?;
        (parsed.service == "states" && !name.is_empty()).then(|| Self {
            arn: arn.to_owned(),
        })
    }

    pub(crate) fn unqualified(&self) -> String {
        self.arn.split(':').take(7).collect::<Vec<_>>().join(":")
    }

    /// The one of the same stack that deploys several services, by the same alias or version.
    pub(crate) fn for_services(&self) -> Self {
        let mut parts: Vec<String> = self.arn.split(':').map(str::to_owned).collect();
        if let Some(name) = parts.get_mut(6) {
            *name = services_of(name);
        }
        Self {
            arn: parts.join(":"),
        }
    }

    /// The ARN that an execution of this name has, whichever version or alias it was started with.
    pub(crate) fn execution(&self, name: &str) -> String {
        let unqualified = self.unqualified();
        format!(
            "{}:{name}",
            unqualified.replacen(":stateMachine:", ":execution:", 1)
        )
    }

    /// Where its executions run, and everything that their inputs name.
    pub(crate) fn home(&self) -> Option<Home> {
        Arn::parse(&self.arn).map(|arn| arn.home())
    }
}

/// What a stack's state machine for several services has behind the stack's name; see template.yaml.
pub(crate) const SERVICES: &str = "-services";

/// The name of the state machine for several services, for a stack's name or for itself.
pub(crate) fn services_of(name: &str) -> String {
    let stack = name.strip_suffix(SERVICES).unwrap_or(name);
    format!("{stack}{SERVICES}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_execution_has_one_arn_by_whichever_alias_it_was_started() {
        let own = Machine::parse("arn:aws:states:eu-west-1:123456789012:stateMachine:ebbtide");
        let live =
            Machine::parse("arn:aws:states:eu-west-1:123456789012:stateMachine:ebbtide:live");
        let arn = "arn:aws:states:eu-west-1:123456789012:execution:ebbtide:chat-2";
        assert_eq!(own.unwrap().execution("chat-2"), arn);
        let live = live.unwrap();
        assert_eq!(live.execution("chat-2"), arn);
        assert_eq!(live.home().unwrap().region, "eu-west-1");
        let services = live.for_services();
        let arn = "arn:aws:states:eu-west-1:123456789012:stateMachine:ebbtide-services:live";
        assert_eq!(services.arn, arn);
        assert_eq!(services.for_services(), services);
    }

    #[test]
    fn the_arn_of_something_else_is_no_state_machine() {
        for other in [
            "arn:aws:states:eu-west-1:123456789012:execution:ebbtide:run",
            "arn:aws:lambda:eu-west-1:123456789012:function:swap",
            "arn:aws:states:eu-west-1:123456789012:stateMachine:",
            "arn:aws:states:eu-west-1:1234:stateMachine:ebbtide",
        ] {
            assert_eq!(Machine::parse(other), None, "{other}");
        }
    }
}
