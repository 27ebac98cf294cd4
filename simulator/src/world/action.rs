//! Actions of listeners and rules: how a request for them is checked, and what is kept of it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::event::group_name;
use super::load_balancer::{Kind, LoadBalancer};
use super::text::{as_text, parsed};
use super::{ApiError, World};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    Forward(Forward),
    /// Any other action: kept as it was given, and answered so.
    Answer {
        /// As the API names it: `redirect`, `authenticate-oidc`.
        r#type: String,
        order: Option<u32>,
        /// `RedirectConfig`, `AuthenticateOidcConfig`.
        config_name: String,
        /// Its settings, all as text, as awsQuery has them.
        config: Value,
        /// Of `authenticate-oidc`. It is never answered (Model).
        secret: Option<Secret>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// As it was given: several actions need one each (Model).
    #[serde(default)]
    pub order: Option<u32>,
    pub groups: Vec<WeightedGroup>,
    pub stickiness: Stickiness,
}

/// A target group and its weight, 0 to 999.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightedGroup {
    pub arn: String,
    pub weight: u16,
}

/// Stickiness to a target group. The duration is for Application Load Balancers only (Docs).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stickiness {
    pub enabled: bool,
    pub duration_seconds: Option<u32>,
}

/// A client secret, as a digest: no world that is printed or saved has the secret itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret([u8; 32]);

impl Secret {
    pub fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct ActionRequest {
    pub r#type: String,
    pub target_group_arn: Option<String>,
    #[serde(deserialize_with = "parsed")]
    pub order: Option<u32>,
    pub forward_config: Option<ForwardRequest>,
    pub fixed_response_config: Option<Value>,
    pub redirect_config: Option<Value>,
    pub authenticate_oidc_config: Option<Value>,
    pub authenticate_cognito_config: Option<Value>,
    pub jwt_validation_config: Option<Value>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct ForwardRequest {
    pub target_groups: Vec<GroupRequest>,
    pub target_group_stickiness_config: Option<StickinessRequest>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct GroupRequest {
    pub target_group_arn: String,
    #[serde(default, deserialize_with = "parsed")]
    pub weight: Option<u16>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct StickinessRequest {
    #[serde(deserialize_with = "parsed")]
    pub enabled: Option<bool>,
    #[serde(deserialize_with = "parsed")]
    pub duration_seconds: Option<u32>,
}

impl ActionRequest {
    pub fn forward_to(target_group_arn: &str) -> Self {
        Self {
            r#type: "forward".to_owned(),
            target_group_arn: Some(target_group_arn.to_owned()),
            ..Self::default()
        }
    }

    fn config(&self, name: &str) -> Option<&Value> {
        let config = match name {
            "FixedResponseConfig" => &self.fixed_response_config,
            "RedirectConfig" => &self.redirect_config,
            "AuthenticateOidcConfig" => &self.authenticate_oidc_config,
            "AuthenticateCognitoConfig" => &self.authenticate_cognito_config,
            "JwtValidationConfig" => &self.jwt_validation_config,
            _ => &None,
        };
        config.as_ref()
    }
}

/// An action that the simulated load balancers keep and do not perform (Model).
struct Form {
    r#type: &'static str,
    config: &'static str,
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

const FORMS: &[Form] = &[
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

impl Action {
    pub(crate) fn order(&self) -> Option<u32> {
        match self {
            Self::Forward(forward) => forward.order,
            Self::Answer { order, .. } => *order,
        }
    }

    /// Whether it says where a request ends, and so is the last one.
    fn is_last(&self) -> bool {
        match self {
            Self::Forward(_) => true,
            Self::Answer { r#type, .. } => matches!(r#type.as_str(), "redirect" | "fixed-response"),
        }
    }

    fn secret(&self) -> Option<&Secret> {
        match self {
            Self::Forward(_) => None,
            Self::Answer { secret, .. } => secret.as_ref(),
        }
    }
}

pub(crate) fn groups_of(action: &Action) -> &[WeightedGroup] {
    match action {
        Action::Forward(forward) => &forward.groups,
        Action::Answer { .. } => &[],
    }
}

/// `100 to blue, 0 to green`.
pub(crate) fn sentence(actions: &[Action]) -> String {
    let groups: Vec<_> = actions.iter().flat_map(groups_of).collect();
    match groups.as_slice() {
        [] => "an answer of its own".to_owned(),
        [only] => format!("to {}", group_name(&only.arn)),
        several => {
            let several = several.iter();
            let words = several.map(|one| format!("{} to {}", one.weight, group_name(&one.arn)));
            words.collect::<Vec<_>>().join(", ")
        }
    }
}

impl World {
    /// The actions of a request, or why this load balancer refuses them. `before` are those that they take the place
    /// of: a client secret may stay.
    pub(crate) fn check_actions(
        &self,
        load_balancer: &LoadBalancer,
        protocol: &str,
        requested: &[ActionRequest],
        before: &[Action],
    ) -> Result<Vec<Action>, ApiError> {
        let check = |one| self.check_action(load_balancer.kind, protocol, one, before);
        let actions = requested.iter().map(check);
        let actions = actions.collect::<Result<Vec<_>, _>>()?;
        check_order(load_balancer.kind, &actions)?;
        for weighted in actions.iter().flat_map(groups_of) {
            self.check_group(load_balancer, protocol, &weighted.arn)?;
        }
        Ok(actions)
    }

    fn check_action(
        &self,
        kind: Kind,
        protocol: &str,
        requested: &ActionRequest,
        before: &[Action],
    ) -> Result<Action, ApiError> {
        let wanted = requested.r#type.as_str();
        let form = FORMS.iter().find(|form| form.r#type == wanted);
        let mut others = FORMS.iter().map(|form| form.config);
        let other = others.find(|name| {
            requested.config(name).is_some() && form.is_none_or(|form| form.config != *name)
        });
        if let Some(other) = other {
            let message = format!("{other} cannot be specified for an action of type '{wanted}'");
            return Err(ApiError::validation(message));
        }
        if requested
            .order
            .is_some_and(|order| !(1..=50_000).contains(&order))
        {
            let message = "An action's order must be between 1 and 50000";
            return Err(ApiError::validation(message));
        }
        if wanted == "forward" {
            return Ok(Action::Forward(self.check_forward(kind, requested)?));
        }
        if form.is_none() {
            let types: Vec<_> = FORMS.iter().map(|form| form.r#type).collect();
            let message = format!(
                "1 validation error detected: Value '{wanted}' at 'actions.member.type' failed to satisfy constraint: Member must satisfy enum value set: [forward, {}]",
                types.join(", ")
            );
            return Err(ApiError::validation(message));
        }
        let Some(form) = form.filter(|_| kind == Kind::Application) else {
            let message = format!("Action type '{wanted}' is not supported by this load balancer");
            return Err(ApiError::new("InvalidLoadBalancerAction", message));
        };
        if requested.forward_config.is_some() || requested.target_group_arn.is_some() {
            let message =
                format!("A target group cannot be specified for an action of type '{wanted}'");
            return Err(ApiError::validation(message));
        }
        let action = form.check(requested, before)?;
        if !action.is_last() && protocol != "HTTPS" {
            let message =
                format!("An action of type '{wanted}' is valid only with HTTPS listeners");
            return Err(ApiError::new("InvalidLoadBalancerAction", message));
        }
        Ok(action)
    }

    fn check_group(
        &self,
        load_balancer: &LoadBalancer,
        protocol: &str,
        arn: &str,
    ) -> Result<(), ApiError> {
        let group = self.group(arn)?;
        if !compatible(protocol, &group.protocol) {
            let message = format!(
                "The listener protocol '{protocol}' cannot be used with the protocol '{}' of target group '{}'",
                group.protocol, group.arn
            );
            return Err(ApiError::new("IncompatibleProtocols", message));
        }
        if group.ip_address_type == "ipv6" && load_balancer.ip_address_type == "ipv4" {
            let message = format!(
                "The target group '{}' has the IP address type ipv6, and the load balancer ipv4",
                group.arn
            );
            return Err(ApiError::new("InvalidConfigurationRequest", message));
        }
        let balancers = self.load_balancers_of(arn);
        if balancers.iter().any(|arn| *arn != load_balancer.arn) {
            let message = format!(
                "The following target groups cannot be associated with more than one load balancer: {arn}"
            );
            return Err(ApiError::new("TargetGroupAssociationLimit", message));
        }
        Ok(())
    }

    fn check_forward(&self, kind: Kind, requested: &ActionRequest) -> Result<Forward, ApiError> {
        let (order, only) = (requested.order, requested.target_group_arn.as_ref());
        let Some(config) = &requested.forward_config else {
            let only = only.ok_or_else(|| {
                ApiError::validation("A target group ARN or a forward config must be specified")
            })?;
            let only = WeightedGroup {
                arn: only.clone(),
                weight: 1,
            };
            return Ok(Forward {
                order,
                groups: vec![only],
                stickiness: Stickiness::default(),
            });
        };
        let groups = config.target_groups.iter().map(|group| WeightedGroup {
            arn: group.target_group_arn.clone(),
            weight: group.weight.unwrap_or(1),
        });
        let groups: Vec<_> = groups.collect();
        // Both forms are allowed when they say the same.
        let names = groups.iter().map(|group| &group.arn);
        if only.is_some_and(|only| !names.eq([only])) {
            return Err(ApiError::validation(
                "You can specify both TargetGroupArn and ForwardConfig only if ForwardConfig names that target group alone",
            ));
        }
        let most = self.limits.groups_per_action;
        if groups.is_empty() || groups.len() > most {
            let message = format!("A forward action takes 1 to {most} target groups");
            return Err(ApiError::new("InvalidLoadBalancerAction", message));
        }
        if groups.iter().any(|group| group.weight > 999) {
            let message = "A target group weight must be between 0 and 999";
            return Err(ApiError::validation(message));
        }
        let names: BTreeSet<_> = groups.iter().map(|group| &group.arn).collect();
        if names.len() < groups.len() {
            let message = "A target group can be named only once in an action";
            return Err(ApiError::validation(message));
        }
        let stickiness = check_stickiness(kind, config.target_group_stickiness_config.as_ref())?;
        Ok(Forward {
            order,
            groups,
            stickiness,
        })
    }
}

fn check_stickiness(kind: Kind, given: Option<&StickinessRequest>) -> Result<Stickiness, ApiError> {
    let stickiness = Stickiness {
        enabled: given.and_then(|given| given.enabled).unwrap_or(false),
        duration_seconds: given.and_then(|given| given.duration_seconds),
    };
    match (kind, stickiness.duration_seconds) {
        (Kind::Network, Some(_)) => Err(ApiError::new(
            "InvalidConfigurationRequest",
            "A stickiness duration cannot be specified on load balancers of type 'network'",
        )),
        (Kind::Application, None) if stickiness.enabled => Err(ApiError::validation(
            "A stickiness duration must be specified when stickiness is enabled",
        )),
        (Kind::Application, Some(seconds)) if !(1..=604_800).contains(&seconds) => Err(
            ApiError::validation("A stickiness duration must be between 1 and 604800"),
        ),
        (Kind::Network | Kind::Application, _) => Ok(stickiness),
    }
}

/// Exactly one action says where a request ends, and it is the last. One that authenticates may come before it.
/// Several have an order each (Model). Which code AWS has for each fault is not known but for several that end.
fn check_order(kind: Kind, actions: &[Action]) -> Result<(), ApiError> {
    let last: Vec<_> = actions.iter().filter(|action| action.is_last()).collect();
    let too_many = |message: &str| Err(ApiError::new("TooManyActions", message));
    let invalid = |message: &str| Err(ApiError::new("InvalidLoadBalancerAction", message));
    match (actions.len(), last.len()) {
        (0, _) => {
            return Err(ApiError::validation(
                "At least one action must be specified",
            ));
        }
        (_, 0) => return invalid("A forward, fixed-response or redirect action must be specified"),
        (1, _) => return Ok(()),
        (_, 2..) => return too_many("Only one action can forward, redirect or answer a request"),
        (3.., 1) => return too_many("Only one action can authenticate a user"),
        (_, 1) if kind == Kind::Network => return too_many("Only one action can be specified"),
        (_, 1) => {}
    }
    let orders: BTreeSet<_> = actions.iter().filter_map(Action::order).collect();
    if orders.len() < actions.len() {
        let message = "Each of several actions must have an order of its own";
        return Err(ApiError::validation(message));
    }
    if last[0].order() != orders.last().copied() {
        return invalid("A forward, fixed-response or redirect action must be performed last");
    }
    Ok(())
}

impl Form {
    fn check(&self, requested: &ActionRequest, before: &[Action]) -> Result<Action, ApiError> {
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
        Ok(Action::Answer {
            r#type: self.r#type.to_owned(),
            order: requested.order,
            config_name: self.config.to_owned(),
            config: Value::Object(config),
            secret,
        })
    }
}

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

/// Which target group protocols a listener protocol goes with (Docs).
fn compatible(listener: &str, group: &str) -> bool {
    match listener {
        "HTTP" | "HTTPS" => matches!(group, "HTTP" | "HTTPS"),
        "TCP" => matches!(group, "TCP" | "TCP_UDP"),
        "TLS" => matches!(group, "TCP" | "TLS"),
        "UDP" => matches!(group, "UDP" | "TCP_UDP"),
        "TCP_UDP" => group == "TCP_UDP",
        _ => false,
    }
}
