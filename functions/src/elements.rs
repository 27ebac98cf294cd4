//! Elements of the answers about listeners and rules that this version knows.
//!
//! The SDK drops an element that it does not know without a word, and a list of actions is written as a whole:
//! what was dropped would be lost. So the names in the raw answers are compared with this list.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_xml::decode::{Document, ScopedDecoder, XmlDecodeError, try_data};

/// What an action, a condition or a transform of a rule may consist of (AWS API model). A listener's
/// `DefaultActions` are compared as `Actions`. What else a listener has is not written.
const KNOWN: &str = "
Actions Order TargetGroupArn Type
Actions/AuthenticateCognitoConfig AuthenticationRequestExtraParams OnUnauthenticatedRequest Scope SessionCookieName
Actions/AuthenticateCognitoConfig SessionTimeout UserPoolArn UserPoolClientId UserPoolDomain
Actions/AuthenticateCognitoConfig/AuthenticationRequestExtraParams entry/key entry/value
Actions/AuthenticateOidcConfig AuthenticationRequestExtraParams AuthorizationEndpoint ClientId Issuer
Actions/AuthenticateOidcConfig OnUnauthenticatedRequest Scope SessionCookieName SessionTimeout TokenEndpoint
Actions/AuthenticateOidcConfig UseExistingClientSecret UserInfoEndpoint
Actions/AuthenticateOidcConfig/AuthenticationRequestExtraParams entry/key entry/value
Actions/FixedResponseConfig ContentType MessageBody StatusCode
Actions/ForwardConfig/TargetGroupStickinessConfig DurationSeconds Enabled
Actions/ForwardConfig/TargetGroups TargetGroupArn Weight
Actions/JwtValidationConfig Issuer JwksEndpoint
Actions/JwtValidationConfig/AdditionalClaims Format Name Values
Actions/RedirectConfig Host Path Port Protocol Query StatusCode
Conditions Field RegexValues Values
Conditions/HostHeaderConfig RegexValues Values
Conditions/HttpHeaderConfig HttpHeaderName RegexValues Values
Conditions/HttpRequestMethodConfig Values
Conditions/PathPatternConfig RegexValues Values
Conditions/QueryStringConfig/Values Key Value
Conditions/SourceIpConfig IpAddressType Values
Transforms Type
Transforms/HostHeaderRewriteConfig/Rewrites Regex Replace
Transforms/UrlRewriteConfig/Rewrites Regex Replace
";

/// What every listener and every rule in an answer has.
const OF_ROUTES: [&str; 2] = ["<ListenerArn>", "<RuleArn>"];

/// By the ARN of the listener or rule, the first element that is not known in the last answer about it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unknown(Arc<Mutex<HashMap<String, String>>>);

impl Unknown {
    /// The first element of a listener's actions or of a rule that is not known.
    pub(crate) fn of(&self, arn: &str) -> Option<String> {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        found.get(arn).map(|path| format!("the element {path}"))
    }
}

impl Intercept for Unknown {
    fn name(&self) -> &'static str {
        "Unknown"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if context.output_or_error().is_err() {
            return Ok(());
        }
        let body = context.response().body().bytes().unwrap_or_default();
        let body = std::str::from_utf8(body)?;
        // Most answers are about targets and tags, and those of many targets are long.
        if !OF_ROUTES.iter().any(|name| body.contains(name)) {
            return Ok(());
        }
        let seen = unknown(body)?;
        let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (arn, path) in seen {
            match path {
                Some(path) => found.insert(arn, path),
                None => found.remove(&arn),
            };
        }
        Ok(())
    }
}

/// The first unknown element of each listener or rule in an answer, by its ARN.
fn unknown(answer: &str) -> Result<Vec<(String, Option<String>)>, XmlDecodeError> {
    let mut document = Document::new(answer);
    let mut root = document.root_element()?;
    let mut found = Vec::new();
    while let Some(mut result) = root.next_tag() {
        while let Some(mut list) = result.next_tag() {
            if !["Listeners", "Rules"].contains(&list.start_el().local()) {
                continue;
            }
            while let Some(mut one) = list.next_tag() {
                found.extend(unknown_of_one(&mut one)?);
            }
        }
    }
    Ok(found)
}

/// The ARN of a listener or rule, and its first unknown element.
fn unknown_of_one(
    one: &mut ScopedDecoder<'_, '_>,
) -> Result<Option<(String, Option<String>)>, XmlDecodeError> {
    let (mut arn, mut first) = (None, None);
    while let Some(mut field) = one.next_tag() {
        match field.start_el().local() {
            "ListenerArn" | "RuleArn" => arn = Some(try_data(&mut field)?.into_owned()),
            "DefaultActions" => first = first.or(unknown_below(&mut field, "Actions")),
            name @ ("Actions" | "Conditions" | "Transforms") => {
                let name = name.to_owned();
                first = first.or(unknown_below(&mut field, &name));
            }
            _ => {}
        }
    }
    Ok(arn.map(|arn| (arn, first)))
}

/// The path of the first element below one of this path that is not known.
fn unknown_below(element: &mut ScopedDecoder<'_, '_>, path: &str) -> Option<String> {
    let mut first = None;
    while let Some(mut child) = element.next_tag() {
        let name = child.start_el().local();
        // Of lists.
        let path = match name {
            "member" => path.to_owned(),
            _ => format!("{path}/{name}"),
        };
        let below = unknown_below(&mut child, &path);
        first = first.or(if is_known(&path) { below } else { Some(path) });
    }
    first
}

/// Whether a path is that of a known element, or of one that a known element is in.
fn is_known(path: &str) -> bool {
    KNOWN.lines().any(|line| {
        let mut words = line.split(' ');
        let parent = words.next().unwrap_or_default();
        let child = path
            .strip_prefix(parent)
            .and_then(|rest| rest.strip_prefix('/'));
        let is_within = |whole: &str| {
            whole
                .strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        !parent.is_empty()
            && (is_within(parent)
                || words.any(|word| {
                    child.is_some_and(|child| {
                        word.strip_prefix(child)
                            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                    })
                }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(actions: &str) -> String {
        format!(
            "<DescribeRulesResponse><DescribeRulesResult><Rules><member><Actions><member>{actions}</member></Actions>\
             <RuleArn>rule-1</RuleArn><New>1</New></member></Rules></DescribeRulesResult></DescribeRulesResponse>"
        )
    }

    #[test]
    fn an_element_that_is_not_known_is_named_with_where_it_is() {
        let known = "<Type>forward</Type><ForwardConfig><TargetGroups><member><Weight>1</Weight></member></TargetGroups></ForwardConfig>";
        assert_eq!(
            unknown(&rules(known)).unwrap(),
            [("rule-1".to_owned(), None)]
        );
        for (actions, path) in [
            ("<Type>forward</Type><Mirror>1</Mirror>", "Actions/Mirror"),
            (
                "<ForwardConfig><TargetGroups><member><Zone>a</Zone></member></TargetGroups></ForwardConfig>",
                "Actions/ForwardConfig/TargetGroups/Zone",
            ),
            (
                "<NewConfig><Value>1</Value></NewConfig>",
                "Actions/NewConfig",
            ),
        ] {
            let found = unknown(&rules(actions)).unwrap();
            assert_eq!(found, [("rule-1".to_owned(), Some(path.to_owned()))]);
        }
    }

    #[test]
    fn a_client_secret_is_not_known_because_aws_never_returns_one() {
        let secret =
            "<AuthenticateOidcConfig><ClientSecret>x</ClientSecret></AuthenticateOidcConfig>";
        assert!(unknown(&rules(secret)).unwrap()[0].1.is_some());
    }

    #[test]
    fn what_a_listener_has_beside_its_actions_is_not_compared() {
        let answer = "<A><B><Listeners><member><New>1</New><DefaultActions><member><Odd>1</Odd></member></DefaultActions>\
             <ListenerArn>listener-1</ListenerArn></member></Listeners></B></A>";
        let found = unknown(answer).unwrap();
        let odd = Some("Actions/Odd".to_owned());
        assert_eq!(found, [("listener-1".to_owned(), odd)]);
    }
}
