//! Whether the installation may call the hooks of a request.

use super::patterns::covers;
use crate::hooks::Hook;
use crate::quote::quote;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::world::World;

/// Refuses with `PreflightFailed` hooks that the installation does not allow, where that is known. Its ARNs may have
/// `*` and `?`, as in a policy of IAM.
pub(super) fn allowed(world: &World, request: &Request) -> Result<(), Refusal> {
    let Some(patterns) = &world.hook_arns else {
        return Ok(());
    };
    let is_allowed = |hook: &Hook| {
        let mut patterns = patterns.iter();
        patterns.any(|pattern| covers(pattern, &hook.lambda))
    };
    let Some(at) = request.hooks.iter().position(|hook| !is_allowed(hook)) else {
        return Ok(());
    };
    let seen = match &patterns[..] {
        [] => "it allows no hooks".to_owned(),
        [..] => format!("it allows {}", patterns.join(", ")),
    };
    Err(Refusal::preflight(
        format!(
            "hooks[{at}].lambda is {}, which this installation may not call: {}.",
            quote(&request.hooks[at].lambda),
            quote(&seen)
        ),
        "Add its ARN to the parameter HookArns of Ebbtide's stack (sam deploy).",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_functions_are_those_of_iam() {
        let arn = "arn:aws:lambda:eu-west-1:123456789012:function:check:live";
        for (pattern, is_matched) in [
            (arn, true),
            ("*", true),
            ("arn:aws:lambda:*:123456789012:function:check*", true),
            ("arn:aws:lambda:*:function:*:live", true),
            (
                "arn:aws:lambda:eu-west-?:123456789012:function:check:????",
                true,
            ),
            (
                "arn:aws:lambda:eu-west-1:123456789012:function:check",
                false,
            ),
            ("arn:aws:lambda:*:check:live:*", false),
            (
                "arn:aws:lambda:eu-west-1:123456789012:function:check:live?",
                false,
            ),
            ("", false),
        ] {
            assert_eq!(covers(pattern, arn), is_matched, "{pattern}");
        }
    }
}
