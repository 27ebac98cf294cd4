//! The actions that the simulated load balancers keep and do not perform, and their settings.

use serde_json::{Map, Value};

use super::name::not_of;
use super::text::as_text;
use super::{Action, ActionRequest, ApiError, Secret};

/// An action that the simulated load balancers keep and do not perform (Model).
pub(crate) struct Form {
    pub(crate) r#type: &'static str,
    pub(crate) config: &'static str,
    /// `!` follows what is required, `=` what it is where it is not given.
    settings: &'static [&'static str],
}

/// What an action that authenticates has where it is not given (Model).
const SESSION: [&str; 5] = [
    "SessionCookieName=AWSELBAuthSessionCookie",
    "Scope=openid",
    "SessionTimeout=604800",
    "OnUnauthenticatedRequest=authenticate",
    EXTRA_PARAMETERS,
];
pub(crate) const EXTRA_PARAMETERS: &str = "AuthenticationRequestExtraParams";

const OIDC: &str = "authenticate-oidc";

pub(crate) const FORMS: &[Form] = &[
    Form {
        r#type: "fixed-response",
        config: "FixedResponseConfig",
        settings: &["StatusCode!", "ContentType", "MessageBody"],
    },
    Form {
        r#type: "redirect",
        config: "RedirectConfig",
        // That a part which is not given is answered as the keyword for it: Field.
        settings: &[
            "Protocol=#{protocol}",
            "Port=#{port}",
            "Host=#{host}",
            "Path=/#{path}",
            "Query=#{query}",
            "StatusCode!",
        ],
    },
    Form {
        r#type: OIDC,
        config: "AuthenticateOidcConfig",
        settings: &[
            "Issuer!",
            "AuthorizationEndpoint!",
            "TokenEndpoint!",
            "UserInfoEndpoint!",
            "ClientId!",
            SESSION[0],
            SESSION[1],
            SESSION[2],
            SESSION[3],
            SESSION[4],
        ],
    },
    Form {
        r#type: "authenticate-cognito",
        config: "AuthenticateCognitoConfig",
        settings: &[
            "UserPoolArn!",
            "UserPoolClientId!",
            "UserPoolDomain!",
            SESSION[0],
            SESSION[1],
            SESSION[2],
            SESSION[3],
            SESSION[4],
        ],
    },
    Form {
        r#type: "jwt-validation",
        config: "JwtValidationConfig",
        settings: &["JwksEndpoint!", "Issuer!", "AdditionalClaims"],
    },
];

/// The type of the action with these settings, as the API names it: `redirect`, `authenticate-oidc`.
pub(crate) fn type_of(config_name: &str) -> &str {
    let form = FORMS.iter().find(|form| form.config == config_name);
    form.map_or(config_name, |form| form.r#type)
}

impl Form {
    pub(crate) fn check(
        &self,
        requested: &ActionRequest,
        before: &[Action],
    ) -> Result<Action, ApiError> {
        let given = requested.config(self.config).and_then(Value::as_object);
        let missing = |name: &str| ApiError::validation(format!("{name} must be specified"));
        let mut given = given.cloned().ok_or_else(|| missing(self.config))?;
        let secret = if self.r#type == OIDC {
            Some(take_secret(&mut given, before)?)
        } else {
            None
        };
        let mut config = Map::new();
        for setting in self.settings {
            let name = setting.split(['=', '!']).next().unwrap_or(setting);
            let default = setting.split_once('=').map(|(_, value)| value.into());
            if let Some(value) = given.remove(name).or(default) {
                config.insert(name.to_owned(), as_text(value));
            } else if setting.ends_with('!') {
                return Err(missing(&format!("{name} of {}", self.config)));
            }
        }
        if let Some(unknown) = given.keys().next() {
            let message = format!("{} has no {unknown}", self.config);
            return Err(ApiError::validation(message));
        }
        self.check_answer(&config)?;
        Ok(Action::Answer {
            order: requested.order,
            config_name: self.config.to_owned(),
            config: Value::Object(config),
            secret,
        })
    }

    /// What a load balancer can answer by itself (Model; the codes of the refusals: Field, moto's tests).
    fn check_answer(&self, config: &Map<String, Value>) -> Result<(), ApiError> {
        let text = |name: &str| config.get(name).and_then(Value::as_str);
        let status = text("StatusCode").unwrap_or_default();
        let digits = status.len() == 3 && status.bytes().all(|byte| byte.is_ascii_digit());
        let answers = digits && status.starts_with(['2', '4', '5']);
        if self.r#type == "redirect" && !["HTTP_301", "HTTP_302"].contains(&status) {
            return Err(not_of(status, "statusCode", &["HTTP_301", "HTTP_302"]));
        }
        if self.r#type == "fixed-response" && !answers {
            return Err(ApiError::validation(format!(
                "1 validation error detected: Value '{status}' at 'statusCode' failed to satisfy constraint: Member must satisfy regular expression pattern: ^(2|4|5)\\d\\d$"
            )));
        }
        if let Some(kind) = text("ContentType").filter(|kind| !CONTENT_TYPES.contains(kind)) {
            let known = CONTENT_TYPES.join(",");
            let message = format!("The ContentType '{kind}' must be one of '{known}'");
            return Err(ApiError::new("InvalidLoadBalancerAction", message));
        }
        if text("MessageBody").is_some_and(|body| body.chars().count() > 1_024) {
            let message = "A MessageBody can have at most 1024 characters";
            return Err(ApiError::validation(message));
        }
        Ok(())
    }
}

/// Of a fixed response (Model).
const CONTENT_TYPES: [&str; 5] = [
    "text/plain",
    "text/css",
    "text/html",
    "application/javascript",
    "application/json",
];

/// The secret is required, or `UseExistingClientSecret` where there is one already (Model). That both are refused
/// is the harsher answer.
fn take_secret(given: &mut Map<String, Value>, before: &[Action]) -> Result<Secret, ApiError> {
    let secret = given.remove("ClientSecret").map(as_text);
    let existing = given.remove("UseExistingClientSecret").map(as_text);
    let existing = existing.is_some_and(|existing| existing == "true");
    match (secret, existing) {
        (Some(Value::String(text)), false) if !text.is_empty() => Ok(Secret::of(&text)),
        (None, true) => {
            let known = before.iter().find_map(Action::secret);
            known.cloned().ok_or_else(|| {
                ApiError::validation("There is no existing client secret that can be used")
            })
        }
        (Some(_), true) => Err(ApiError::validation(
            "Either a client secret or UseExistingClientSecret can be specified",
        )),
        (_, false) => Err(ApiError::validation("A client secret must be specified")),
    }
}
