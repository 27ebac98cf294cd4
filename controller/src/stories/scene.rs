//! The words of a story: what is seen.

use serde_json::{Value, json};

use super::order::order;
use super::registry::{of_container, registry};
use super::told::Told;
use super::words::{OTHER, Words};
use crate::auto_scaling::{Hold, Suspended};
use crate::checks::Side;
use crate::contract::Event;
use crate::deployment::{Deployment, Outgoing};
use crate::drain::flows::Point;
use crate::drain::scale_for;
use crate::fixture::{OWNER, Scene, group_arn, listener_arn, rule_arn};
use crate::id::RouteArn;
use crate::phase::Phase;
use crate::world::{
    Alarm, Condition, Container, Created, Forward, Launch, Reading, Route, Rule, ServiceEvent,
    StoppedTasks, Stray, TargetGroup, Targets, TaskDefinition, World,
};

/// The target groups and the ports of listeners that a story may name.
pub(super) const GROUPS: [&str; 6] = ["blue", "green", "red", "yellow", "gone", "elsewhere"];
pub(super) const PORTS: [u16; 4] = [80, 443, 8080, 9000];
pub(super) const RULES: [u32; 3] = [10, 20, 30];

/// What a turn sees.
pub(super) struct Seen {
    scene: Scene,
    /// The state of the execution, as a function gets it.
    pub(super) state: Value,
    /// Of a turn that takes any.
    pub(super) phase: Phase,
}

fn scene_named(name: &str) -> Option<Scene> {
    match name {
        "serving" => Some(Scene::serving()),
        "created" => Some(Scene::created()),
        "healthy" => Some(Scene::healthy()),
        "committed" => Some(Scene::committed()),
        "swapped" => Some(Scene::swapped()),
        _ => None,
    }
}

impl Seen {
    /// What is seen after the changes of a line.
    pub(super) fn after(before: Option<(Self, Told)>, line: &str) -> Self {
        let (mut seen, told) = before.unzip();
        for clause in line.split("; ") {
            if let Some(scene) = scene_named(clause) {
                seen = Some(Self {
                    state: scene.state(),
                    scene,
                    phase: Phase::CheckAndCreate,
                });
                continue;
            }
            let seen = seen.as_mut().expect("a scene to begin with");
            if clause == "go on" {
                let told: &Told = told.as_ref().expect(line);
                seen.state = told.state.clone().expect(line);
            } else {
                seen.change(clause);
            }
        }
        seen.expect(line)
    }

    pub(super) fn world(&self) -> &World {
        &self.scene.world
    }

    /// The deployment as a function reads it from the state.
    pub(super) fn deployment(&self) -> Deployment {
        let name = &self.scene.execution;
        let hook = &self.state["hook"];
        let phase = match (&hook["reply"], &hook["Error"]) {
            (Value::Null, Value::Null) => Phase::ScaleDown,
            _ => self.phase,
        };
        let event = json!({
            "phase": phase.as_str(),
            "execution": format!("arn:aws:states:us-east-1:555555555555:execution:Ebbtide:{name}"),
            "startedAt": "2026-01-01T00:00:00Z",
            "state": self.state,
        });
        Event::parse(event).unwrap().deployment().unwrap()
    }

    fn change(&mut self, clause: &str) {
        let mut words = Words::of(clause);
        let subject = words.word();
        let world = &mut self.scene.world;
        match subject {
            "back" => self.take_away(Outgoing::Replacement),
            "leftover" => self.take_away(Scene::leftover()),
            "run-2" => self.scene.execution = subject.to_owned(),
            "phase" => self.phase = Phase::parse(words.word()).expect(clause),
            "failed" => {
                let error = words.word();
                self.state["rollingBack"] = json!({"Error": error, "Cause": "It went wrong."});
            }
            // Whatever there is was made by an earlier deployment.
            "earlier" => {
                for set in &mut world.task_sets {
                    set.external_id = set.external_id.take().map(|_| OTHER.to_owned());
                }
            }
            "nothing" => {
                world.task_sets.clear();
                self.scene.group_mut("blue").targets.healthy = 0;
            }
            "alarm" => {
                self.state["request"]["alarms"] = json!(["errors"]);
                world.alarms = words.tag::<&str>().map_or_else(Vec::new, |state| {
                    let (name, state) = ("errors".to_owned(), state.into());
                    vec![Alarm { name, state }]
                });
            }
            "order" => world.order = Some(order(&mut words)),
            "hook" => self.hook(&mut words),
            // What the state machine puts there after the call.
            "answers" => {
                let answer: Value = serde_json::from_str(&words.rest()).expect(clause);
                self.state["hook"]["reply"] = json!({"answer": answer});
            }
            "ends" => {
                let error = words.word();
                self.state["hook"]["reply"] = json!({"Error": error, "Cause": words.rest()});
            }
            "allows" => world.hook_arns = Some(vec![words.rest()]),
            "stopped" => {
                let (failed, newest) = (words.number(), Some(words.rest()));
                world.stopped_tasks = StoppedTasks { failed, newest };
            }
            "now" => world.now = words.number(),
            "turns" => world.turns = words.number(),
            "flows" => flows(world, &mut words),
            "service" => service(world, &mut words),
            "definition" => definition(&mut world.task_definition, &mut words),
            "balancer" => balancer(world, &mut words),
            "scaling" => scaling(world, &mut words),
            "registry" => registry(world, &mut self.state, &mut words),
            "rule" => self.rule(&mut words),
            name if GROUPS.contains(&name) => self.group(name, &mut words),
            path if path.contains('=') => clause.split(' ').for_each(|one| self.set(one)),
            number => match number.parse().expect(clause) {
                id @ 0..10 => self.task_set(id, &mut words),
                port => self.listener(port, &mut words),
            },
        }
    }

    /// The plan of a deployment that takes something else away.
    fn take_away(&mut self, outgoing: Outgoing) {
        self.scene.outgoing = outgoing;
        self.state["plan"] = serde_json::from_str(&self.scene.plan().to_json()).unwrap();
    }

    /// `PATH=VALUE` in the state of the execution; `@blue` and `@80` are ARNs.
    fn set(&mut self, assignment: &str) {
        let (path, value) = assignment.split_once('=').expect(assignment);
        let value = with_arns(value);
        let value = serde_json::from_str(&value).unwrap_or(Value::String(value));
        let mut place = &mut self.state;
        for field in path.split('.') {
            place = &mut place[field];
        }
        *place = value;
    }

    /// One more hook of the request: where, and what else it has.
    fn hook(&mut self, words: &mut Words<'_>) {
        let mut hook = json!({
            "at": words.word(),
            "lambda": "arn:aws:lambda:us-east-1:555555555555:function:check:live",
        });
        while let Some(field) = words.next() {
            match field {
                "within" => hook["timeout"] = words.number::<u32>().into(),
                "continues" => hook["onTimeout"] = "continue".into(),
                "given" => hook["details"] = serde_json::from_str(&words.rest()).unwrap(),
                other => panic!("hook {other}"),
            }
        }
        match &mut self.state["request"]["hooks"] {
            Value::Array(hooks) => hooks.push(hook),
            none => *none = json!([hook]),
        }
    }

    fn task_set(&mut self, number: u16, words: &mut Words<'_>) {
        let id = format!("ecs-svc/{number}");
        let (now, desired) = (self.scene.world.now, self.scene.tasks);
        while let Some(field) = words.next() {
            if field == "like" {
                let mut new = self
                    .scene
                    .task_set_mut(&format!("ecs-svc/{}", words.word()))
                    .clone();
                new.id = id.as_str().into();
                self.scene.world.task_sets.push(new);
                continue;
            }
            if field == "gone" {
                self.scene.remove(&id);
                continue;
            }
            let set = self.scene.task_set_mut(&id);
            match field {
                "id" => set.id = words.word().into(),
                "at" => {
                    set.computed_desired_count = words.number();
                    set.scale = scale_for(set.computed_desired_count, desired);
                }
                "scale" => set.scale = words.number(),
                "wants" => set.computed_desired_count = words.number(),
                "runs" => set.running_count = words.number(),
                "starts" => set.pending_count = words.number(),
                "unsteady" => set.steady = false,
                "is" => set.status = words.word().into(),
                "label" => set.external_id = words.tag(),
                "created" => set.created_at = words.tag::<&str>().map(|at| at.parse().unwrap()),
                "idle" => {
                    let seconds: u64 = words.number();
                    set.updated_at = i64::try_from(now - seconds).ok();
                }
                "on" => match words.tag::<&str>() {
                    None => set.load_balancers.clear(),
                    Some(group) => set.load_balancers[0].target_group = group_arn(group),
                },
                "networkless" => set.network = None,
                "unsecured" => set.network.as_mut().unwrap().security_groups.clear(),
                "launch" => set.launch = Some(Launch::Type(words.word().into())),
                "tag" => set.tags.extend([words.pair()]),
                "tags" => {
                    let numbers = 0..words.number::<u32>();
                    let tags = numbers.map(|number| (format!("key-{number}"), String::new()));
                    set.tags.extend(tags);
                }
                "registry" => set.service_registries = vec![of_container(words.word())],
                other => panic!("{id} {other}"),
            }
        }
    }

    fn group(&mut self, name: &str, words: &mut Words<'_>) {
        while let Some(field) = words.next() {
            match field {
                "new" => self.scene.add_group(name),
                "gone" => self
                    .scene
                    .world
                    .target_groups
                    .retain(|group| group.name != name),
                field => {
                    let group = self.scene.group_mut(name);
                    if !counts(&mut group.targets, field, words) && !set_up(group, field, words) {
                        tagged(group, field, words);
                    }
                }
            }
        }
    }

    fn listener(&mut self, port: u16, words: &mut Words<'_>) {
        while let Some(field) = words.next() {
            match field {
                "like" => {
                    let mut new = self.scene.listener_mut(words.number()).clone();
                    let listener = listener_arn(port);
                    (new.port, new.arn) = (port, RouteArn::from(listener.as_str()));
                    new.listener = listener;
                    self.scene.world.routes.push(new);
                }
                "gone" => self.scene.world.routes.retain(|route| route.port != port),
                field => routed(self.scene.listener_mut(port), field, words),
            }
        }
    }

    /// `rule 10 on 80 …`.
    fn rule(&mut self, words: &mut Words<'_>) {
        let priority = words.number();
        assert_eq!(words.word(), "on");
        let port = words.number();
        while let Some(field) = words.next() {
            match field {
                "gone" => {
                    let arn = self.scene.rule_mut(port, priority).arn.clone();
                    self.scene.world.routes.retain(|route| route.arn != arn);
                }
                field => routed(self.scene.rule_mut(port, priority), field, words),
            }
        }
    }
}

/// Text in which the short names of target groups and listeners are ARNs.
fn with_arns(text: &str) -> String {
    let groups = GROUPS.map(|name| (format!("@{name}"), group_arn(name).to_string()));
    // The longer ports first, which the others begin.
    let ports = PORTS.iter().rev();
    let listeners = ports.map(|&port| (format!("@{port}"), listener_arn(port).to_string()));
    let rules = PORTS.into_iter().flat_map(|port| {
        RULES.map(|number| {
            (
                format!("@{port}/{number}"),
                rule_arn(port, number).to_string(),
            )
        })
    });
    let names = groups.into_iter().chain(rules).chain(listeners);
    names.fold(text.to_owned(), |text, (name, arn)| {
        text.replace(&name, &arn)
    })
}

/// A scalable target that is `active`, or what of it is suspended: `in`, `out`, `scheduled`; `held SINCE BY` by a
/// deployment.
fn scaling(world: &mut World, words: &mut Words<'_>) {
    world.scaling.target = Some(Suspended::default());
    while let Some(word) = words.next() {
        let target = world.scaling.target.as_mut().unwrap();
        match word {
            "active" => {}
            "in" => target.scale_in = true,
            "out" => target.scale_out = true,
            "scheduled" => target.scheduled = true,
            "held" => {
                let (since, by) = (words.number(), words.word().into());
                world.scaling.hold = Some(Hold { since, by });
            }
            other => panic!("scaling {other}"),
        }
    }
}

/// What CloudWatch has: `SECONDS-AGO VALUE` of a series, newest first, or `error NAME`.
fn flows(world: &mut World, words: &mut Words<'_>) {
    let now = world.now;
    let series = match words.word() {
        "new" => &mut world.flows.new,
        "active" => &mut world.flows.active,
        "connections" => &mut world.flows.connections,
        "seen" => &mut world.flows.seen,
        "kept" => &mut world.flows.kept,
        of if of.starts_with("replacement") => {
            let number = of.trim_start_matches("replacement").parse().unwrap();
            world.flows.of_check(number, Side::Replacement)
        }
        of if of.starts_with("original") => {
            let number = of.trim_start_matches("original").parse().unwrap();
            world.flows.of_check(number, Side::Original)
        }
        "error" => {
            world.flows.error = Some(words.rest());
            return;
        }
        other => panic!("{other} is no series"),
    };
    series.clear();
    while let Some(ago) = words.next() {
        let at = now - ago.parse::<u64>().unwrap();
        let value = words.number();
        series.push(Point { at, value });
    }
}

fn service(world: &mut World, words: &mut Words<'_>) {
    let service = &mut world.service;
    while let Some(field) = words.next() {
        match field {
            "is" => service.status = words.word().into(),
            "by" => service.deployment_controller = words.word().into(),
            "wants" => service.desired_count = words.number(),
            "grace" => service.health_check_grace = words.number(),
            "said" => {
                let (at, message) = (Some(words.number()), words.rest());
                service.events = vec![ServiceEvent { at, message }];
            }
            other => panic!("service {other}"),
        }
    }
}

fn definition(definition: &mut Option<TaskDefinition>, words: &mut Words<'_>) {
    while let Some(field) = words.next() {
        let Some(known) = definition.as_mut() else {
            panic!("definition {field}");
        };
        match field {
            "gone" => *definition = None,
            "inactive" => known.active = false,
            "network" => known.network_mode = words.word().into(),
            "ports" => known.containers[0].ports = words.list(),
            "container" => known.containers.push(Container {
                name: words.word().to_owned(),
                ports: words.list(),
                stop_timeout: None,
                health_check: false,
            }),
            "unchecked" => known.containers[0].health_check = false,
            "stops" => known.containers[0].stop_timeout = Some(words.number()),
            other => panic!("definition {other}"),
        }
    }
}

fn balancer(world: &mut World, words: &mut Words<'_>) {
    while let Some(field) = words.next() {
        let Some(balancer) = world.load_balancer.as_mut() else {
            panic!("balancer {field}");
        };
        match field {
            "gone" => world.load_balancer = None,
            "application" => {
                balancer.arn = balancer.arn.replace("/net/", "/app/").into();
                for group in &mut world.target_groups {
                    group.load_balancer = Some(balancer.arn.clone());
                }
            }
            // Other services' rules of its first listener.
            "rules" => {
                let of = world.routes[0].clone();
                let rules = (1..=words.number()).map(|priority| Route {
                    arn: rule_arn(of.port, priority),
                    rule: Some(Rule {
                        priority,
                        conditions: Vec::new(),
                    }),
                    forward: Forward::to(&group_arn("red")),
                    ..of.clone()
                });
                world.routes.extend(rules.collect::<Vec<_>>());
            }
            "zones" => balancer.zones = Reading::Seen(words.number()),
            "crosses" => balancer.cross_zone = Reading::Seen(words.word() == "on"),
            "address" => balancer.ip_address_type = Reading::Seen(words.word().to_owned()),
            "logs" => balancer.access_logs = Reading::Seen(words.word() == "on"),
            "idle" => balancer.idle_timeout = Reading::Seen(words.number()),
            "secured" => balancer.security_groups = Reading::Seen(vec![words.word().to_owned()]),
            "zones-failed" => balancer.zones = Reading::Failed("a:Zones"),
            "zones-denied" => balancer.zones = Reading::NotAllowed("a:Zones"),
            "crosses-denied" => balancer.cross_zone = Reading::NotAllowed("a:Cross"),
            other => panic!("balancer {other}"),
        }
    }
}

/// How many targets are in a state, if the word is one.
fn counts(targets: &mut Targets, state: &str, words: &mut Words<'_>) -> bool {
    let count = match state {
        "healthy" => &mut targets.healthy,
        "initial" => &mut targets.initial,
        "unhealthy" => &mut targets.unhealthy,
        "unused" => &mut targets.unused,
        "draining" => &mut targets.draining,
        "unknown" => &mut targets.unknown,
        _ => return false,
    };
    *count = words.number();
    true
}

/// A setting of a target group, if the word is one.
fn set_up(group: &mut TargetGroup, field: &str, words: &mut Words<'_>) -> bool {
    let settings = &mut group.settings;
    let check = &mut settings.health_check;
    match field {
        "delay" => group.deregistration_delay = words.number(),
        "balancer" => group.load_balancer = words.tag(),
        "type" => settings.target_type = words.word().to_owned(),
        "protocol" => settings.protocol = words.word().to_owned(),
        "port" => settings.port = Some(words.number()),
        "vpc" => settings.vpc = Some(words.word().to_owned()),
        "address" => settings.ip_address_type = words.word().to_owned(),
        "checks" => check.protocol = words.word().to_owned(),
        "path" => check.path = Some(words.word().to_owned()),
        "matcher" => check.matcher = Some(words.word().to_owned()),
        "interval" => check.interval = words.number(),
        "threshold" => check.healthy_threshold = words.number(),
        "sticky" => settings.sticky = true,
        "ends-unhealthy" => settings.ends_unhealthy = true,
        "ends-deregistered" => settings.ends_deregistered = true,
        "hides-clients" => settings.keeps_client_ip = Some(false),
        "crosses" => settings.cross_zone = Some(words.word() == "on"),
        "stack" => settings.stack = Some(words.word().to_owned()),
        "attribute" => settings.attributes.extend([words.pair()]),
        // It counts among the targets as well.
        "stray" => {
            let target = words.word().to_owned();
            let mut state = Targets::default();
            counts(&mut state, words.word(), words);
            group.strays.push(Stray { target, state });
        }
        _ => return false,
    }
    true
}

/// A tag of a target group.
fn tagged(group: &mut TargetGroup, field: &str, words: &mut Words<'_>) {
    match field {
        "production" => group.is_production = words.tag(),
        "serves" => group.task_set_id = words.tag(),
        "swap" => group.swap_intent = words.tag(),
        "service" => group.service = words.tag(),
        "name" => group.service_name = words.tag(),
        other => panic!("{} {other}", group.name),
    }
}

fn routed(route: &mut Route, field: &str, words: &mut Words<'_>) {
    match field {
        // `green/blue`: all to green, with blue at weight 0.
        "to" => {
            let groups = words.word();
            route.forward = match groups.split_once('/') {
                None => Forward::to(&group_arn(groups)),
                Some((live, idle)) => Forward::weighted(&group_arn(live), &group_arn(idle)),
            };
        }
        "weights" => {
            for group in &mut route.forward.0 {
                group.weight = words.number();
            }
        }
        "role" => route.role = words.tag(),
        "created" => {
            route.role = Some("test".to_owned());
            route.created = Some(Created {
                deployment: words.word().replace("other", OTHER).replace("own", OWNER),
                beside: words.word().to_owned(),
                service: "main/web".to_owned(),
            });
        }
        "authenticates" => route.authenticates = true,
        "for" => route.created.as_mut().unwrap().service = words.word().to_owned(),
        // `path-pattern=/a/*,/b/*`, or `http-header:x-preview=yes`; `path-pattern~^/a` is a regular expression.
        "if" => {
            let word = words.word();
            let at = word.find(['=', '~']).expect(word);
            let (field, name) = match word[..at].split_once(':') {
                Some((field, name)) => (field, Some(name.to_owned())),
                None => (&word[..at], None),
            };
            route.rule.as_mut().unwrap().conditions.push(Condition {
                field: field.to_owned(),
                name,
                values: word[at + 1..].split(',').map(str::to_owned).collect(),
                regex: word[at..].starts_with('~'),
            });
        }
        "unknown" => route.unknown = Some(words.rest()),
        "becomes" => route.port = words.number(),
        "sticky" => route.sticky = Some(words.number()),
        "stack" => route.stack = Some(words.word().to_owned()),
        other => panic!("{route} {other}"),
    }
}
