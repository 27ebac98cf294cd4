//! Elastic Load Balancing over awsQuery.

use bytes::Bytes;
use http::{Request, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::elb_answer as write;
use super::service::ELB;
use super::{Answer, Handler, list, query, respond, xml};
use crate::world::{
    ApiError, DeleteListener, DescribeRules, DescribeTargetGroups, DescribeTargetHealth,
    SetRulePriorities, Tag, World,
};

const NAMESPACE: &str = "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/";

pub(super) const OPERATIONS: &[(&str, Handler)] = &[
    ("CreateLoadBalancer", |world, input| {
        let arn = world.create_load_balancer(&parse(input)?)?;
        let load_balancer = world.load_balancer(&arn)?;
        Ok(json!({ "LoadBalancers": [write::load_balancer(world, load_balancer)] }))
    }),
    ("DescribeLoadBalancers", |world, input| {
        let page = world.describe_load_balancers(&parse(input)?)?;
        let found = list(&page.items, |one| write::load_balancer(world, one));
        Ok(json!({ "LoadBalancers": found, "NextMarker": page.next }))
    }),
    ("DescribeLoadBalancerAttributes", |world, input| {
        let request: LoadBalancerArn = parse(input)?;
        let load_balancer = world.load_balancer(&request.load_balancer_arn)?;
        Ok(json!({ "Attributes": write::pairs(&load_balancer.attributes) }))
    }),
    ("SetIpAddressType", |world, input| {
        let request: IpAddressType = parse(input)?;
        world.set_ip_address_type(&request.load_balancer_arn, &request.ip_address_type)?;
        Ok(json!({ "IpAddressType": request.ip_address_type }))
    }),
    ("ModifyLoadBalancerAttributes", |world, input| {
        let request: LoadBalancerAttributes = parse(input)?;
        let arn = &request.load_balancer_arn;
        world.modify_load_balancer_attributes(arn, &pairs(request.attributes))?;
        let load_balancer = world.load_balancer(arn)?;
        Ok(json!({ "Attributes": write::pairs(&load_balancer.attributes) }))
    }),
    ("DeleteLoadBalancer", |world, input| {
        let request: LoadBalancerArn = parse(input)?;
        world.delete_load_balancer(&request.load_balancer_arn)?;
        Ok(Value::Null)
    }),
    ("CreateTargetGroup", |world, input| {
        let arn = world.create_target_group(&parse(input)?)?;
        let mut group = write::target_group(world, world.group(&arn)?);
        // A group without any is answered without the list, unlike by DescribeTargetGroups (Docs: examples).
        if group["LoadBalancerArns"] == json!([]) {
            group["LoadBalancerArns"] = Value::Null;
        }
        Ok(json!({ "TargetGroups": [group] }))
    }),
    ("DescribeTargetGroups", |world, input| {
        let request: DescribeTargetGroups = parse(input)?;
        let page = world.describe_target_groups(&request)?;
        let found = list(&page.items, |one| write::target_group(world, one));
        Ok(json!({ "TargetGroups": found, "NextMarker": page.next }))
    }),
    ("DescribeTargetGroupAttributes", |world, input| {
        let request: TargetGroupArn = parse(input)?;
        let group = world.group(&request.target_group_arn)?;
        Ok(json!({ "Attributes": write::pairs(&group.attributes) }))
    }),
    ("ModifyTargetGroupAttributes", |world, input| {
        let request: TargetGroupAttributes = parse(input)?;
        let arn = &request.target_group_arn;
        world.modify_target_group_attributes(arn, &pairs(request.attributes))?;
        Ok(json!({ "Attributes": write::pairs(&world.group(arn)?.attributes) }))
    }),
    ("DeleteTargetGroup", |world, input| {
        let request: TargetGroupArn = parse(input)?;
        world.delete_target_group(&request.target_group_arn)?;
        Ok(Value::Null)
    }),
    ("DescribeTargetHealth", |world, input| {
        let request: DescribeTargetHealth = parse(input)?;
        let targets = world.describe_target_health(&request)?;
        let described = list(&targets, write::target_health);
        Ok(json!({ "TargetHealthDescriptions": described }))
    }),
    ("RegisterTargets", |world, input| {
        world.register_targets(&parse(input)?)?;
        Ok(Value::Null)
    }),
    ("DeregisterTargets", |world, input| {
        world.deregister_targets(&parse(input)?)?;
        Ok(Value::Null)
    }),
    ("CreateListener", |world, input| {
        let arn = world.create_listener(&parse(input)?)?;
        Ok(json!({ "Listeners": [write::listener(world.existing_listener(&arn)?)] }))
    }),
    ("DescribeListeners", |world, input| {
        let page = world.describe_listeners(&parse(input)?)?;
        let found = list(&page.items, |one| write::listener(one));
        Ok(json!({ "Listeners": found, "NextMarker": page.next }))
    }),
    ("ModifyListener", |world, input| {
        let arn = world.modify_listener(&parse(input)?)?;
        Ok(json!({ "Listeners": [write::listener(world.existing_listener(&arn)?)] }))
    }),
    ("DeleteListener", |world, input| {
        let request: DeleteListener = parse(input)?;
        world.delete_listener(&request.listener_arn)?;
        Ok(Value::Null)
    }),
    ("CreateRule", |world, input| {
        let arn = world.create_rule(&parse(input)?)?;
        Ok(json!({ "Rules": [write::rule(&world.rule(&arn)?)] }))
    }),
    ("DescribeRules", |world, input| {
        let request: DescribeRules = parse(input)?;
        let page = world.describe_rules(&request)?;
        let found = list(&page.items, write::rule);
        Ok(json!({ "Rules": found, "NextMarker": page.next }))
    }),
    ("ModifyRule", |world, input| {
        let arn = world.modify_rule(&parse(input)?)?;
        Ok(json!({ "Rules": [write::rule(&world.rule(&arn)?)] }))
    }),
    ("SetRulePriorities", |world, input| {
        let request: SetRulePriorities = parse(input)?;
        world.set_rule_priorities(&request)?;
        let asked = request.rule_priorities.iter();
        let rules = asked.map(|one| Ok(write::rule(&world.rule(&one.rule_arn)?)));
        Ok(json!({ "Rules": rules.collect::<Result<Value, ApiError>>()? }))
    }),
    ("DeleteRule", |world, input| {
        let request: RuleArn = parse(input)?;
        world.delete_rule(&request.rule_arn)?;
        Ok(Value::Null)
    }),
    ("AddTags", |world, input| {
        let request: AddTags = parse(input)?;
        world.add_elb_tags(&request.resource_arns, &request.tags)?;
        Ok(Value::Null)
    }),
    ("RemoveTags", |world, input| {
        let request: RemoveTags = parse(input)?;
        world.remove_elb_tags(&request.resource_arns, &request.tag_keys)?;
        Ok(Value::Null)
    }),
    ("DescribeTags", |world, input| {
        let request: DescribeTags = parse(input)?;
        let described = list(
            &world.elb_tags(&request.resource_arns)?,
            |(arn, tags)| json!({ "ResourceArn": arn, "Tags": write::pairs(tags) }),
        );
        Ok(json!({ "TagDescriptions": described }))
    }),
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct LoadBalancerArn {
    load_balancer_arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct IpAddressType {
    load_balancer_arn: String,
    ip_address_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct TargetGroupArn {
    target_group_arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RuleArn {
    rule_arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Attribute {
    key: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct LoadBalancerAttributes {
    load_balancer_arn: String,
    attributes: Vec<Attribute>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct TargetGroupAttributes {
    target_group_arn: String,
    attributes: Vec<Attribute>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct AddTags {
    resource_arns: Vec<String>,
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RemoveTags {
    resource_arns: Vec<String>,
    tag_keys: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DescribeTags {
    resource_arns: Vec<String>,
}

/// The action of a request, and its parameters.
pub(super) fn asked(request: &Request<Bytes>) -> Result<(Option<String>, Value), String> {
    let form = if request.body().is_empty() {
        request.uri().query().unwrap_or_default().as_bytes()
    } else {
        request.body()
    };
    let mut input = query::parameters(form)?;
    let mut take = |name: &str| match input.as_object_mut().and_then(|fields| fields.remove(name)) {
        Some(Value::String(text)) => Some(text),
        Some(_) | None => None,
    };
    let action = take("Action");
    take("Version");
    Ok((action, input))
}

pub(super) fn answer(world: &mut World, request: &Request<Bytes>) -> Answer {
    let (action, input) = match asked(request) {
        Ok(asked) => asked,
        Err(why) => {
            let malformed = ApiError {
                status: 404,
                ..ApiError::new("MalformedQueryString", why)
            };
            return Answer::refused(ELB.name, malformed);
        }
    };
    let Some(action) = action else {
        let problem = "The request is missing an action or a required parameter";
        return Answer::refused(ELB.name, ApiError::new("MissingAction", problem));
    };
    ELB.perform(world, Some(&action), &action, || Ok(input))
}

pub(super) fn response(answer: Answer, request_id: &str) -> Response<Bytes> {
    let operation = answer.operation;
    let (status, root, value) = match answer.result {
        Ok(value) => {
            let value = json!({
                format!("{operation}Result"): if value.is_null() { json!({}) } else { value },
                "ResponseMetadata": { "RequestId": request_id },
            });
            (200, format!("{operation}Response"), value)
        }
        Err(error) => {
            let value = json!({
                "Error": {
                    "Type": if error.status < 500 { "Sender" } else { "Receiver" },
                    "Code": error.code,
                    "Message": error.message,
                },
                "RequestId": request_id,
            });
            (error.status, "ErrorResponse".to_owned(), value)
        }
    };
    let body = xml::document(&root, NAMESPACE, &value);
    respond(status, "text/xml", request_id, body)
}

/// Parameters that are not simulated are refused as Elastic Load Balancing refuses what is wrong.
fn parse<T: serde::de::DeserializeOwned>(input: Value) -> Result<T, ApiError> {
    super::parse(input, |message| ApiError::new("ValidationError", message))
}

fn pairs(attributes: Vec<Attribute>) -> Vec<(String, String)> {
    let pairs = attributes.into_iter();
    pairs.map(|pair| (pair.key, pair.value)).collect()
}
