//! The policies of a CloudFormation template, with its parameters filled in.

use std::collections::BTreeMap;

use ebbtide_simulator::deployment::LOCK_TABLE;
use ebbtide_simulator::world::partition_of;
use saphyr::{LoadableYamlNode, Yaml};
use serde_json::{Map, Value};

/// The parameters that limit what the functions may do, by name; one that is not given is empty, as its default is.
pub type Parameters = BTreeMap<&'static str, Vec<String>>;

/// A region and an account.
pub(crate) type Home = (String, String);

/// The simulated installation's own: `Installation` names its state machine so.
const STACK: &str = "Ebbtide";

pub(crate) struct Template<'a> {
    root: &'a Yaml<'a>,
    parameters: &'a Parameters,
    region: &'a str,
    account: &'a str,
}

/// The statements of a role: its own, and those of the policies that it shares, each with where it is from.
pub(crate) fn statements(
    text: &str,
    role: &str,
    parameters: &Parameters,
    (region, account): &Home,
) -> Vec<(String, Value)> {
    let root = Yaml::load_from_str(text).unwrap().remove(0);
    let template = Template {
        root: &root,
        parameters,
        region,
        account,
    };
    let resource = &root["Resources"][role];
    let mut documents = Vec::new();
    if resource["Type"].as_str() == Some("AWS::IAM::ManagedPolicy") {
        documents.push((role.to_owned(), &resource["Properties"]["PolicyDocument"]));
    } else {
        let own = resource["Properties"]["Policies"].as_vec().unwrap().iter();
        documents.extend(own.map(|policy| (role.to_owned(), &policy["PolicyDocument"])));
        let shared = resource["Properties"].as_mapping_get("ManagedPolicyArns");
        for name in shared
            .and_then(|listed| listed.as_vec())
            .into_iter()
            .flatten()
        {
            let Yaml::Tagged(_, name) = name else {
                panic!("{name:?}");
            };
            let name = name.as_str().unwrap();
            let document = &root["Resources"][name]["Properties"]["PolicyDocument"];
            documents.push((name.to_owned(), document));
        }
    }
    let mut found = Vec::new();
    for (owner, document) in documents {
        let Some(Value::Array(listed)) = template.resolved(&document["Statement"]) else {
            panic!("{owner} has no statements");
        };
        found.extend(
            listed
                .into_iter()
                .map(|statement| (owner.clone(), statement)),
        );
    }
    found
}

impl Template<'_> {
    /// A node without CloudFormation's functions; `None` is `AWS::NoValue`.
    fn resolved(&self, node: &Yaml<'_>) -> Option<Value> {
        Some(match node {
            Yaml::Tagged(tag, inner) => return self.function(&tag.suffix, inner),
            Yaml::Sequence(items) => items
                .iter()
                .filter_map(|item| self.resolved(item))
                .collect(),
            Yaml::Mapping(fields) => {
                let mut object = Map::new();
                for (key, value) in fields {
                    if let Some(value) = self.resolved(value) {
                        object.insert(key.as_str().unwrap().to_owned(), value);
                    }
                }
                Value::Object(object)
            }
            other => other.as_str().unwrap_or_else(|| panic!("{other:?}")).into(),
        })
    }

    fn function(&self, name: &str, argument: &Yaml<'_>) -> Option<Value> {
        let text = || argument.as_str().unwrap();
        match name {
            "Ref" if text() == "AWS::NoValue" => None,
            "Ref" => Some(self.parameter(text())),
            "GetAtt" => Some(self.attribute(text()).into()),
            "Sub" => Some(self.substituted(text()).into()),
            "If" => {
                let branches = argument.as_vec().unwrap();
                let holds = self.holds(branches[0].as_str().unwrap());
                self.resolved(&branches[if holds { 1 } else { 2 }])
            }
            other => panic!("the function {other} in a policy"),
        }
    }

    /// All of a template's conditions that policies use compare a list, joined, with the empty text.
    fn holds(&self, condition: &str) -> bool {
        let Yaml::Tagged(tag, sides) = &self.root["Conditions"][condition] else {
            panic!("no condition {condition}");
        };
        assert_eq!(tag.suffix, "Equals", "{condition}");
        let sides = sides.as_vec().unwrap();
        assert_eq!(sides[1].as_str(), Some(""), "{condition}");
        let Yaml::Tagged(join, joined) = &sides[0] else {
            panic!("{condition}: {sides:?}");
        };
        assert_eq!(join.suffix, "Join", "{condition}");
        let Yaml::Tagged(_, parameter) = &joined.as_vec().unwrap()[1] else {
            panic!("{condition}: {sides:?}");
        };
        self.listed(parameter.as_str().unwrap()).is_empty()
    }

    fn listed(&self, parameter: &str) -> &[String] {
        let known = &self.root["Parameters"];
        assert!(
            known.contains_mapping_key(parameter),
            "no parameter {parameter}"
        );
        self.parameters.get(parameter).map_or(&[], Vec::as_slice)
    }

    fn parameter(&self, name: &str) -> Value {
        self.pseudo(name)
            .map_or_else(|| self.listed(name).into(), Into::into)
    }

    fn pseudo(&self, name: &str) -> Option<&str> {
        Some(match name {
            "AWS::Partition" => partition_of(self.region),
            "AWS::Region" => self.region,
            "AWS::AccountId" => self.account,
            "AWS::StackName" => STACK,
            _ => return None,
        })
    }

    /// The ARN of a resource of the stack, as the simulated installation has it.
    fn attribute(&self, name: &str) -> String {
        let (resource, attribute) = name.split_once('.').unwrap();
        assert_eq!(attribute, "Arn", "{name}");
        let kind = self.root["Resources"][resource]["Type"].as_str().unwrap();
        let (service, path) = match kind {
            "AWS::DynamoDB::Table" => ("dynamodb", format!("table/{}", LOCK_TABLE.0)),
            "AWS::Logs::LogGroup" => ("logs", format!("log-group:{resource}:*")),
            "AWS::Serverless::Function" => ("lambda", format!("function:{resource}")),
            other => panic!("the ARN of a {other}"),
        };
        let partition = partition_of(self.region);
        let (region, account) = (self.region, self.account);
        format!("arn:{partition}:{service}:{region}:{account}:{path}")
    }

    fn substituted(&self, text: &str) -> String {
        let mut parts = text.split("${");
        let mut whole = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}').unwrap();
            match self.pseudo(name) {
                Some(value) => whole.push_str(value),
                None => whole.push_str(&self.attribute(name)),
            }
            whole.push_str(rest);
        }
        whole
    }
}
