//! The input of the parent state machine: the services of an application, and what each one waits for.

use serde_json::{Map, Value};

use crate::arn::{Home, short};
use crate::counted::listed;
use crate::identity::{DeploymentId, client_token};
use crate::refusal::Refusal;
use crate::request::{self, Problem, Request, allowed, problem, shown};

/// Services of one application, at most: preflight of all of them fits one call of a function.
pub const MOST_SERVICES: usize = 20;

/// Bytes of an input, at most: the parent's state has it and the inputs of the deployments (Step Functions allows
/// 256 KiB).
const MOST_BYTES: usize = 48 * 1024;

/// Every field of the input, with what it allows.
pub const APPLICATION_FIELDS: &[(&str, &str)] = &[
    (
        "services",
        "a list of 1 to 20 objects, each the input of a deployment, and where needed dependsOn",
    ),
    (
        "cluster",
        "the name or ARN of the cluster of every service that names none",
    ),
    ("onFailure", "undoEarlier or stop"),
    ("dryRun", "true or false"),
    ("comment", "text of at most 1024 characters"),
    (
        "$schema",
        "text: where docs/input.schema.json is, for editors",
    ),
];

/// The field that an entry of `services` has in addition to those of a deployment.
pub const SERVICE_FIELDS: &[(&str, &str)] = &[(
    "dependsOn",
    "a list of different names of services of this input, without a cycle",
)];

/// What happens to services that are deployed when another one fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// They are undone, the last one first.
    UndoEarlier,
    /// They stay deployed.
    Stop,
}

/// The services of an application, in the order of the input.
#[derive(Debug, Clone, PartialEq)]
pub struct Application {
    /// Each of them.
    pub members: Vec<Member>,
    /// What happens to earlier services when one fails.
    pub on_failure: OnFailure,
    /// Check everything, change nothing.
    pub dry_run: bool,
}

/// One service.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// The input of its deployment.
    pub input: Value,
    /// The same, parsed.
    pub request: Request,
    /// The services that it waits for, by their places in the list.
    pub after: Vec<usize>,
}

impl Member {
    /// Its name.
    pub fn service(&self) -> &str {
        &self.request.service
    }

    /// The name of its execution, or of the one that deploys its earlier version again: the same for every attempt, so
    /// that no attempt starts a second one, and different from those of every other parent.
    pub fn execution(&self, parent: &DeploymentId, undoes: bool) -> String {
        let part = |text: &str, most: usize| text.chars().take(most).collect::<String>();
        let hash = client_token(&[parent.execution(), parent.started_at(), self.service()]);
        format!(
            "{}-{}-{}{}",
            part(parent.name(), 36),
            part(self.service(), 27),
            part(&hash, 8),
            if undoes { "-undo" } else { "" }
        )
    }
}

impl Application {
    /// Whether an input is that of several services.
    pub fn is_one(input: &Value) -> bool {
        input.get("services").is_some()
    }

    /// Parses the input of the parent state machine.
    ///
    /// Refuses with `InvalidInput`, naming every wrong field of every service: `services[2].drain.percent`.
    pub fn parse(input: &Value, home: &Home) -> Result<Self, Refusal> {
        Self::read(input, home).map_err(|problems| request::invalid(&problems))
    }

    /// The same with each problem by itself.
    pub fn read(input: &Value, home: &Home) -> Result<Self, Vec<Problem>> {
        let Value::Object(fields) = input else {
            let wanted = "a JSON object with services".to_owned();
            return Err(vec![problem("the input", Some(input), wanted)]);
        };
        let mut problems = unknown(fields);
        let mut wrong = |field: &str, value: Option<&Value>| {
            problems.push(problem(
                field,
                value,
                allowed(APPLICATION_FIELDS, field, home),
            ));
        };
        let dry_run = match fields.get("dryRun").map(|value| (value, value.as_bool())) {
            None => false,
            Some((_, Some(dry_run))) => dry_run,
            Some((value, None)) => {
                wrong("dryRun", Some(value));
                false
            }
        };
        let on_failure = match fields.get("onFailure").map(|value| (value, value.as_str())) {
            None | Some((_, Some("undoEarlier"))) => OnFailure::UndoEarlier,
            Some((_, Some("stop"))) => OnFailure::Stop,
            Some((value, _)) => {
                wrong("onFailure", Some(value));
                OnFailure::Stop
            }
        };
        let is_comment = |text: &str| text.chars().count() <= 1_024;
        for (field, is_right) in [
            ("comment", &is_comment as &dyn Fn(&str) -> bool),
            ("cluster", &|text| !text.is_empty()),
            ("$schema", &|_| true),
        ] {
            let value = fields.get(field);
            if value.is_some_and(|value| !value.as_str().is_some_and(is_right)) {
                wrong(field, value);
            }
        }
        let services = fields.get("services");
        let entries = services.and_then(Value::as_array);
        let entries = entries.filter(|entries| (1..=MOST_SERVICES).contains(&entries.len()));
        let Some(entries) = entries else {
            wrong("services", services);
            return Err(problems);
        };
        if input.to_string().len() > MOST_BYTES {
            problems.push(Problem::Wrong {
                field: "the input".to_owned(),
                given: format!("{} bytes of JSON", input.to_string().len()),
                allowed: format!("{MOST_BYTES} bytes"),
            });
            return Err(problems);
        }
        let mut members = Vec::new();
        for (number, entry) in entries.iter().enumerate() {
            match member(entry, fields.get("cluster"), home) {
                Ok(member) => members.push(member),
                Err(found) => {
                    problems.extend(found.into_iter().map(|one| within(number, one)));
                }
            }
        }
        if members.len() == entries.len() {
            problems.extend(together(&members));
            problems.extend(depend(&mut members, entries));
        }
        if problems.is_empty() {
            return Ok(Self {
                members,
                on_failure,
                dry_run,
            });
        }
        Err(problems)
    }

    /// The services that wait for this one.
    pub fn dependents(&self, number: usize) -> impl Iterator<Item = usize> {
        let members = self.members.iter().enumerate();
        members
            .filter(move |(_, member)| member.after.contains(&number))
            .map(|(dependent, _)| dependent)
    }

    /// The services in the order in which they may start: those of one group side by side.
    pub fn waves(&self) -> Vec<Vec<usize>> {
        let mut waves: Vec<Vec<usize>> = Vec::new();
        let mut placed = Vec::new();
        while placed.len() < self.members.len() {
            let members = self.members.iter().enumerate();
            let wave: Vec<_> = members
                .filter(|(number, member)| {
                    !placed.contains(number) && member.after.iter().all(|on| placed.contains(on))
                })
                .map(|(number, _)| number)
                .collect();
            if wave.is_empty() {
                break;
            }
            placed.extend(&wave);
            waves.push(wave);
        }
        waves
    }
}

/// The fields that the input has and the contract does not.
fn unknown(fields: &Map<String, Value>) -> Vec<Problem> {
    let known = |name: &str| APPLICATION_FIELDS.iter().any(|(field, _)| *field == name);
    let names = fields.keys().filter(|name| !known(name));
    let problem = |name: &String| {
        if request::FIELDS.iter().any(|(field, _)| field == name) {
            return Problem::Wrong {
                field: name.clone(),
                given: "beside services".to_owned(),
                allowed: "in each of services, since it is about one service".to_owned(),
            };
        }
        let near = APPLICATION_FIELDS.iter().map(|(field, _)| *field);
        let near = near.min_by_key(|field| strsim::damerau_levenshtein(name, field));
        let near = near.filter(|field| is_near(name, field));
        Problem::Unknown {
            field: name.clone(),
            near: near.map(str::to_owned),
        }
    };
    names.map(problem).collect()
}

/// Whether a name may be meant for another one.
fn is_near(name: &str, field: &str) -> bool {
    3 * strsim::damerau_levenshtein(name, field) <= field.len().max(name.len())
}

/// One entry of `services`.
fn member(entry: &Value, cluster: Option<&Value>, home: &Home) -> Result<Member, Vec<Problem>> {
    let Value::Object(fields) = entry else {
        let wanted = "the input of a deployment, and where needed dependsOn".to_owned();
        return Err(vec![problem("", Some(entry), wanted)]);
    };
    if fields.contains_key("onFailure") {
        let wanted = "onFailure beside services, for all of them".to_owned();
        return Err(vec![problem("onFailure", fields.get("onFailure"), wanted)]);
    }
    let mut own = fields.clone();
    own.shift_remove("dependsOn");
    if let (Some(cluster), false) = (cluster, own.contains_key("cluster")) {
        own.insert("cluster".to_owned(), cluster.clone());
    }
    let input = Value::Object(own);
    let request = Request::read(&input, home)?;
    if request.dry_run {
        let wanted = "dryRun beside services, for all of them".to_owned();
        return Err(vec![problem("dryRun", Some(&true.into()), wanted)]);
    }
    Ok(Member {
        input,
        request,
        after: Vec::new(),
    })
}

/// A problem of an entry, as one of the input.
fn within(number: usize, problem: Problem) -> Problem {
    let name = |field: String| match field.as_str() {
        "" => format!("services[{number}]"),
        _ => format!("services[{number}].{field}"),
    };
    match problem {
        Problem::Wrong {
            field,
            given,
            allowed,
        } => Problem::Wrong {
            field: name(field),
            given,
            allowed,
        },
        Problem::Missing { field, allowed } => Problem::Missing {
            field: name(field),
            allowed,
        },
        Problem::Unknown { field, near } => {
            let known = SERVICE_FIELDS.iter().map(|(known, _)| *known);
            let mut alike = known.filter(|known| is_near(&field, known));
            let near = near.or_else(|| alike.next().map(str::to_owned));
            Problem::Unknown {
                field: name(field),
                near: near.map(name),
            }
        }
    }
}

/// No service twice, and one cluster for all.
fn together(members: &[Member]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let cluster = members
        .first()
        .map_or("", |first| short(&first.request.cluster));
    for (number, member) in members.iter().enumerate() {
        let mut before = members.iter().take(number);
        if let Some(twice) = before.position(|other| other.service() == member.service()) {
            problems.push(Problem::Wrong {
                field: format!("services[{number}].serviceName"),
                given: shown(&member.service().into()),
                allowed: format!("a service that services[{twice}] is not"),
            });
        }
        if short(&member.request.cluster) != cluster {
            problems.push(Problem::Wrong {
                field: format!("services[{number}].cluster"),
                given: shown(&member.request.cluster.as_str().into()),
                allowed: format!("{cluster}, the cluster of services[0]: an application has one"),
            });
        }
    }
    problems
}

/// Fills in what each service waits for.
fn depend(members: &mut [Member], entries: &[Value]) -> Vec<Problem> {
    let names: Vec<_> = members
        .iter()
        .map(|member| member.service().to_owned())
        .collect();
    let mut problems = Vec::new();
    for (number, entry) in entries.iter().enumerate() {
        let Some(given) = entry.get("dependsOn") else {
            continue;
        };
        let field = format!("services[{number}].dependsOn");
        let Some(list) = given.as_array() else {
            problems.push(problem(&field, Some(given), SERVICE_FIELDS[0].1.to_owned()));
            continue;
        };
        let mut after = Vec::new();
        for (at, name) in list.iter().enumerate() {
            let place = names
                .iter()
                .position(|known| Some(known.as_str()) == name.as_str());
            let place = place.filter(|place| *place != number && !after.contains(place));
            match place {
                Some(place) => after.push(place),
                None => problems.push(Problem::Wrong {
                    field: format!("{field}[{at}]"),
                    given: shown(name),
                    allowed: match others(&names, number).as_slice() {
                        [] => "nothing, since this input has no other service".to_owned(),
                        others => format!(
                            "another service of this input, once each: {}",
                            listed(others)
                        ),
                    },
                }),
            }
        }
        members[number].after = after;
    }
    if problems.is_empty()
        && let Some(cycle) = cycle(members)
    {
        let first = cycle[0];
        let mut around: Vec<_> = cycle.iter().map(|number| names[*number].as_str()).collect();
        around.push(&names[first]);
        problems.push(Problem::Wrong {
            field: format!("services[{first}].dependsOn"),
            given: format!("part of a cycle ({})", around.join(" waits for ")),
            allowed: SERVICE_FIELDS[0].1.to_owned(),
        });
    }
    problems
}

fn others(names: &[String], number: usize) -> Vec<&str> {
    let names = names.iter().enumerate();
    names
        .filter(|(at, _)| *at != number)
        .map(|(_, name)| name.as_str())
        .collect()
}

/// Services that wait for one another in a circle.
fn cycle(members: &[Member]) -> Option<Vec<usize>> {
    for start in 0..members.len() {
        // The shortest way from what it waits for back to itself.
        let mut from = vec![None; members.len()];
        let mut left = std::collections::VecDeque::from([start]);
        while let Some(number) = left.pop_front() {
            for on in &members[number].after {
                if *on == start {
                    let mut way = vec![number];
                    let mut at = number;
                    while at != start {
                        let Some(before) = from[at] else { break };
                        at = before;
                        way.push(at);
                    }
                    way.reverse();
                    return Some(way);
                }
                if from[*on].is_none() {
                    from[*on] = Some(number);
                    left.push_back(*on);
                }
            }
        }
    }
    None
}
