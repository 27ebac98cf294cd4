//! Actions of listeners and rules, as they are requested and as they are kept.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::event::group_name;
use super::text::parsed;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    Forward(Forward),
    /// Any other action: kept as it was given, and answered so.
    Answer {
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

    pub(crate) fn config(&self, name: &str) -> Option<&Value> {
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

impl Action {
    pub(crate) fn order(&self) -> Option<u32> {
        match self {
            Self::Forward(forward) => forward.order,
            Self::Answer { order, .. } => *order,
        }
    }

    /// Whether it says where a request ends, and so is the last one.
    pub(crate) fn is_last(&self) -> bool {
        match self {
            Self::Forward(_) => true,
            Self::Answer { config_name, .. } => matches!(
                config_name.as_str(),
                "RedirectConfig" | "FixedResponseConfig"
            ),
        }
    }

    pub(crate) fn secret(&self) -> Option<&Secret> {
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
