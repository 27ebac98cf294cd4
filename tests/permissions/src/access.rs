//! What IAM decides about a call: actions, each on a resource and with the keys that a condition can ask for, as the
//! service authorization reference has them.

use std::collections::BTreeMap;

use ebbtide_simulator::aws::Attempt;
use ebbtide_simulator::world::{Rule, World, partition_of};
use serde_json::Value;

/// The keys of a request. One value is text; of a key that has several, all are there.
pub(crate) type Keys = BTreeMap<String, Vec<String>>;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Access {
    pub(crate) action: String,
    /// `None` where the action knows no type of resource: a policy has to say `*`.
    pub(crate) resource: Option<String>,
    pub(crate) keys: Keys,
}

/// The keys that have several values, whatever their number.
pub(crate) const MULTIVALUED: [&str; 3] =
    ["aws:TagKeys", "dynamodb:Attributes", "dynamodb:LeadingKeys"];

/// A call, and the world that it is about.
pub(crate) struct Call<'a> {
    world: &'a World,
    operation: String,
    input: Value,
}

/// Everything that a call must be allowed; a call that is not known here is a fault of the tests.
pub(crate) fn accesses(call: &Call<'_>) -> Vec<Access> {
    let (service, operation) = call.operation.split_once(':').unwrap();
    let known = match service {
        "ecs" => call.of_ecs(operation),
        "elasticloadbalancing" => call.of_load_balancing(operation),
        _ => call.of_others(service, operation),
    };
    let name = &call.operation;
    let known = known.unwrap_or_else(|| {
        panic!(
            "what {name} needs to be allowed is not known: add it to tests/permissions/src/access.rs"
        )
    });
    assert!(!known.is_empty(), "{name} names no resource");
    known
}

impl<'a> Call<'a> {
    pub(crate) fn of(attempt: &Attempt<'a>) -> Self {
        let (operation, input) = attempt.asked();
        Self {
            world: attempt.world,
            operation,
            input,
        }
    }

    /// Whether the same request needs the same in every world of an account, and is likely to be made again: these
    /// ask the world for roles and tags, and a write of the lock has a number of its own.
    pub(crate) fn repeats(&self) -> bool {
        let own = ["ecs:CreateTaskSet", "elasticloadbalancing:DeleteRule"];
        !own.contains(&self.operation.as_str()) && !self.operation.starts_with("dynamodb:")
    }

    fn on(&self, resource: String, keys: Keys) -> Access {
        Access {
            action: self.operation.clone(),
            resource: Some(resource),
            keys,
        }
    }

    fn everywhere(&self, keys: Keys) -> Vec<Access> {
        let action = self.operation.clone();
        vec![Access {
            action,
            resource: None,
            keys,
        }]
    }

    /// On the resource whose ARN a field of the request is.
    fn on_field(&self, field: &str, keys: Keys) -> Vec<Access> {
        vec![self.on(text(&self.input[field]).to_owned(), keys)]
    }

    fn on_each(&self, resources: impl Iterator<Item = String>, keys: &Keys) -> Vec<Access> {
        resources.map(|one| self.on(one, keys.clone())).collect()
    }

    fn of_ecs(&self, operation: &str) -> Option<Vec<Access>> {
        let input = &self.input;
        Some(match operation {
            "DescribeServices" => {
                let services = texts(&input["services"]).into_iter();
                self.on_each(services.map(|one| self.service(&one)), &self.cluster_key())
            }
            "DescribeTaskSets" => {
                let sets = texts(&input["taskSets"]).into_iter();
                self.on_each(sets.map(|one| self.task_set(&one)), &self.service_keys())
            }
            "UpdateTaskSet" | "DeleteTaskSet" => {
                vec![self.on(self.task_set(text(&input["taskSet"])), self.service_keys())]
            }
            "UpdateServicePrimaryTaskSet" => {
                vec![self.on(self.service(text(&input["service"])), self.cluster_key())]
            }
            "ListTasks" => self.everywhere(self.cluster_key()),
            "DescribeTasks" => {
                let cluster = self.cluster_name();
                let task = |one: String| self.ecs("task", &format!("{cluster}/{}", last(&one)));
                let tasks = texts(&input["tasks"]).into_iter();
                self.on_each(tasks.map(task), &self.cluster_key())
            }
            "DescribeTaskDefinition" => self.everywhere(Keys::new()),
            "CreateTaskSet" => self.creation(),
            _ => return None,
        })
    }

    fn of_load_balancing(&self, operation: &str) -> Option<Vec<Access>> {
        let input = &self.input;
        Some(match operation {
            "ModifyListener" => self.on_field("ListenerArn", Keys::new()),
            "ModifyRule" => self.on_field("RuleArn", Keys::new()),
            "DeleteRule" => self.on_field("RuleArn", self.tags_of_rule(text(&input["RuleArn"]))),
            "CreateRule" => self.creation_of_a_rule(),
            "DeregisterTargets" => self.on_field("TargetGroupArn", Keys::new()),
            "AddTags" => {
                let resources = texts(&input["ResourceArns"]).into_iter();
                self.on_each(resources, &request_tags(&input["Tags"]))
            }
            "RemoveTags" => {
                let keys = Keys::from([("aws:TagKeys".to_owned(), texts(&input["TagKeys"]))]);
                self.on_each(texts(&input["ResourceArns"]).into_iter(), &keys)
            }
            read if read.starts_with("Describe") => self.everywhere(Keys::new()),
            _ => return None,
        })
    }

    fn of_others(&self, service: &str, operation: &str) -> Option<Vec<Access>> {
        let input = &self.input;
        Some(match (service, operation) {
            ("cloudwatch", "DescribeAlarms" | "GetMetricData")
            | ("application-autoscaling", "DescribeScalableTargets") => {
                self.everywhere(Keys::new())
            }
            ("servicediscovery", "GetService") => {
                vec![self.on(self.registry("Id"), Keys::new())]
            }
            // The service is a condition's key, and no resource.
            (
                "servicediscovery",
                "ListInstances" | "GetInstancesHealthStatus" | "UpdateInstanceCustomHealthStatus",
            ) => self.everywhere(self.registry_key()),
            ("servicediscovery", "DeregisterInstance") => {
                vec![self.on(self.registry("ServiceId"), self.registry_key())]
            }
            // The ARN of a target is not known before: policies name all of an account and region.
            ("application-autoscaling", "RegisterScalableTarget") => {
                let target = self.arn(service, "scalable-target/0ec50000000000000000000000000000");
                let mut keys = Keys::new();
                let dimension = text(&input["ScalableDimension"]);
                put(
                    &mut keys,
                    "application-autoscaling:scalable-dimension",
                    dimension,
                );
                let namespace = text(&input["ServiceNamespace"]);
                put(
                    &mut keys,
                    "application-autoscaling:service-namespace",
                    namespace,
                );
                vec![self.on(target, keys)]
            }
            ("dynamodb", "GetItem" | "UpdateItem") => {
                let table = format!("table/{}", text(&input["TableName"]));
                vec![self.on(self.arn("dynamodb", &table), item_keys(input))]
            }
            ("states", "DescribeExecution") => self.on_field("executionArn", Keys::new()),
            ("events", "PutEvents") => {
                let entries = input["Entries"].as_array().into_iter().flatten();
                let bus = self.arn("events", "event-bus/default");
                let put_one = |entry: &Value| {
                    let mut keys = Keys::new();
                    put(&mut keys, "events:detail-type", text(&entry["DetailType"]));
                    put(&mut keys, "events:source", text(&entry["Source"]));
                    self.on(bus.clone(), keys)
                };
                entries.map(put_one).collect()
            }
            _ => return None,
        })
    }

    /// With the tags that it gets.
    fn creation_of_a_rule(&self) -> Vec<Access> {
        let input = &self.input;
        let mut keys = request_tags(&input["Tags"]);
        let mut all = self.on_field("ListenerArn", keys.clone());
        if !keys.is_empty() {
            put(&mut keys, "elasticloadbalancing:CreateAction", "CreateRule");
            // Its ARN is not known before.
            let listener = text(&input["ListenerArn"]);
            let rule = listener.replace(":listener/", ":listener-rule/") + "/0000000000000000";
            all.push(Access {
                action: "elasticloadbalancing:AddTags".to_owned(),
                resource: Some(rule),
                keys,
            });
        }
        all
    }

    fn arn(&self, service: &str, resource: &str) -> String {
        let world = self.world;
        let partition = partition_of(&world.region);
        format!(
            "arn:{partition}:{service}:{}:{}:{resource}",
            world.region, world.account
        )
    }

    /// The ARN of something of ECS, by its name or ARN.
    fn ecs(&self, kind: &str, path: &str) -> String {
        match path.split_once("arn:") {
            Some((_, arn)) => format!("arn:{arn}"),
            None => self.arn("ecs", &format!("{kind}/{path}")),
        }
    }

    fn cluster_name(&self) -> String {
        last(self.input["cluster"].as_str().unwrap_or("default"))
    }

    fn cluster_key(&self) -> Keys {
        let cluster = self.ecs("cluster", &self.cluster_name());
        Keys::from([("ecs:cluster".to_owned(), vec![cluster])])
    }

    fn service(&self, name: &str) -> String {
        self.ecs(
            "service",
            &format!("{}/{}", self.cluster_name(), last(name)),
        )
    }

    fn service_keys(&self) -> Keys {
        let mut keys = self.cluster_key();
        put(
            &mut keys,
            "ecs:service",
            &self.service(text(&self.input["service"])),
        );
        keys
    }

    fn registry(&self, field: &str) -> String {
        let id = last(text(&self.input[field]));
        self.arn("servicediscovery", &format!("service/{id}"))
    }

    fn registry_key(&self) -> Keys {
        let registry = self.registry("ServiceId");
        Keys::from([("servicediscovery:ServiceArn".to_owned(), vec![registry])])
    }

    fn task_set(&self, id: &str) -> String {
        let service = last(text(&self.input["service"]));
        self.ecs(
            "task-set",
            &format!("{}/{service}/{id}", self.cluster_name()),
        )
    }

    /// Of a task set: with its tags, and with the roles that its task definition names.
    fn creation(&self) -> Vec<Access> {
        let input = &self.input;
        let definition = text(&input["taskDefinition"]);
        let mut keys = self.service_keys();
        // What ECS compares with where the request has `family:revision` is unproven; here it is the whole ARN.
        put(
            &mut keys,
            "ecs:task-definition",
            &self.ecs("task-definition", definition),
        );
        let tags = request_tags(&input["tags"]);
        keys.extend(tags.clone());
        let mut all = self.everywhere(keys);
        if !tags.is_empty() {
            let mut keys = tags;
            put(&mut keys, "ecs:CreateAction", "CreateTaskSet");
            all.push(Access {
                action: "ecs:TagResource".to_owned(),
                resource: Some(self.task_set("ecs-svc/0000000000000000000")),
                keys,
            });
        }
        for role in self.world.roles_of(definition) {
            let mut keys = Keys::new();
            put(&mut keys, "iam:PassedToService", "ecs-tasks.amazonaws.com");
            all.push(Access {
                action: "iam:PassRole".to_owned(),
                resource: Some(role.to_owned()),
                keys,
            });
        }
        all
    }

    /// Whether it deletes a rule that was deleted before: of its tags nothing is known then, so that AWS may deny what it
    /// would not find (unproven). It is denied here, and no fault of the policies.
    pub(crate) fn is_of_a_rule_that_is_gone(&self) -> bool {
        let arn = text(&self.input["RuleArn"]);
        self.operation == "elasticloadbalancing:DeleteRule" && self.rule(arn).is_none()
    }

    fn rule(&self, arn: &str) -> Option<&Rule> {
        let mut listeners = self.world.listeners();
        listeners.find_map(|listener| listener.rules.get(arn))
    }

    fn tags_of_rule(&self, arn: &str) -> Keys {
        let tags = self.rule(arn).into_iter().flat_map(|rule| &rule.tags);
        let key = |(key, value): (&String, &String)| {
            (format!("aws:ResourceTag/{key}"), vec![value.clone()])
        };
        tags.map(key).collect()
    }
}

/// The tags that a request writes, in either of AWS's spellings.
fn request_tags(tags: &Value) -> Keys {
    let mut keys = Keys::new();
    for tag in tags.as_array().into_iter().flatten() {
        let field = |name: &str| tag[name].as_str().unwrap_or_default();
        let key = tag["Key"].as_str().unwrap_or_else(|| field("key"));
        let value = tag["Value"].as_str().unwrap_or_else(|| field("value"));
        put(&mut keys, &format!("aws:RequestTag/{key}"), value);
        keys.entry("aws:TagKeys".to_owned())
            .or_default()
            .push(key.to_owned());
    }
    keys
}

/// The attributes that a request names are those of its key and those of its expressions; of what is inside of
/// one, only that one.
fn item_keys(input: &Value) -> Keys {
    let key = input["Key"].as_object();
    let mut attributes: Vec<_> = key
        .into_iter()
        .flat_map(|key| key.keys().cloned())
        .collect();
    for (alias, name) in input["ExpressionAttributeNames"]
        .as_object()
        .into_iter()
        .flatten()
    {
        let expressions = [
            "UpdateExpression",
            "ConditionExpression",
            "ProjectionExpression",
        ];
        let mut named = expressions.iter().flat_map(|field| {
            let text = input[*field].as_str().unwrap_or_default();
            text.match_indices(alias.as_str())
                .map(move |(at, _)| (text, at))
        });
        if named.any(|(text, at)| is_at_top(text, at, alias.len())) {
            attributes.push(text(name).to_owned());
        }
    }
    attributes.sort();
    let leading = key.into_iter().flat_map(|key| key.values());
    let leading = leading.filter_map(|value| value["S"].as_str());
    Keys::from([
        ("dynamodb:Attributes".to_owned(), attributes),
        (
            "dynamodb:LeadingKeys".to_owned(),
            leading.map(str::to_owned).collect(),
        ),
    ])
}

/// Whether a name in an expression is whole, and not a member of another one.
fn is_at_top(expression: &str, at: usize, length: usize) -> bool {
    let before = expression[..at].chars().next_back();
    let after = expression[at + length..].chars().next();
    before != Some('.') && !after.is_some_and(|next| next.is_alphanumeric() || next == '_')
}

fn put(keys: &mut Keys, key: &str, value: &str) {
    keys.insert(key.to_owned(), vec![value.to_owned()]);
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn texts(values: &Value) -> Vec<String> {
    let values = values.as_array().into_iter().flatten();
    values
        .filter_map(|value| value.as_str().map(str::to_owned))
        .collect()
}

/// The last part of an ARN, or the name itself.
fn last(name_or_arn: &str) -> String {
    let last = name_or_arn.rsplit('/').next();
    last.unwrap_or(name_or_arn).to_owned()
}
