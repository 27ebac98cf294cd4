//! The listeners and rules of a scenario.

use super::{ListenerRole, ListenerScenario, Names, RuleScenario, Scenario, ScenarioError};
use crate::world::{
    ActionRequest, Certificate, Condition, CreateListener, CreateRule, ForwardRequest,
    GroupRequest, Kind, StickinessRequest, Tag, Values, World,
};

/// A listener with its rules, and the ARNs that they have to have.
#[derive(Debug)]
pub(super) struct Route {
    listener: ListenerScenario,
    arn: Option<String>,
    /// Those of the listener's rules, in their order.
    rule_arns: Vec<Option<String>>,
}

/// Where listeners are put: at a load balancer with a production and an alternate group.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) load_balancer: &'a str,
    pub(super) kind: Kind,
    pub(super) groups: [&'a str; 2],
}

impl Scenario {
    /// The listeners, each with the ARNs that it has to have. Those that are named and have no place in the
    /// scenario come in addition: listeners on the ports behind its own, rules by paths of their own.
    pub(super) fn routes_for(&self, names: &Names) -> Vec<Route> {
        let roles = [
            (ListenerRole::Production, &names.production_listeners),
            (ListenerRole::Test, &names.test_listeners),
        ];
        let wanted = roles
            .into_iter()
            .flat_map(|(role, arns)| arns.iter().map(move |arn| (role, arn.as_str())));
        let (of_rules, of_listeners): (Vec<_>, Vec<_>) = wanted.partition(|(_, arn)| is_rule(arn));
        // The listeners of a scenario that has none of its own give way to rules that are named.
        let by_default = self.listeners == Self::default().listeners;
        let gives_way = |listener: &&ListenerScenario| {
            let has = |wanted: &[(ListenerRole, &str)]| {
                wanted.iter().any(|(role, _)| *role == listener.role)
            };
            by_default && has(&of_rules) && !has(&of_listeners)
        };
        let own = self.listeners.iter().filter(|one| !gives_way(one));
        let mut routes: Vec<_> = own.cloned().map(Route::new).collect();
        for (role, arn) in of_listeners {
            let free = |route: &&mut Route| route.arn.is_none() && route.listener.role == role;
            match routes.iter_mut().find(free) {
                Some(route) => route.arn = Some(arn.to_owned()),
                None => add_listener(&mut routes, role, arn),
            }
        }
        for (role, arn) in of_rules {
            place_rule(&mut routes, role, arn);
        }
        routes
    }
}

fn add_listener(routes: &mut Vec<Route>, role: ListenerRole, arn: &str) {
    let last = routes.iter().map(|route| route.listener.port).max();
    let port = last.map_or(80, |last| last.saturating_add(1));
    let mut route = Route::new(ListenerScenario::new(port, role));
    route.arn = Some(arn.to_owned());
    routes.push(route);
}

/// Gives a named rule its place: a rule of the scenario with that role, or a new one.
fn place_rule(routes: &mut Vec<Route>, role: ListenerRole, arn: &str) {
    let listener = listener_of(arn);
    for route in routes.iter_mut() {
        if route.arn.as_ref().is_some_and(|known| *known != listener) {
            continue;
        }
        let mut rules = route.listener.rules.iter().zip(&mut route.rule_arns);
        let free = rules.find(|(rule, arn)| rule.role == role && arn.is_none());
        if let Some((_, place)) = free {
            *place = Some(arn.to_owned());
            route.arn = Some(listener);
            return;
        }
    }
    let is_it = |route: &Route| route.arn.as_ref() == Some(&listener);
    if !routes.iter().any(is_it) {
        // A Network Load Balancer's listener has to forward.
        let role = if listener.contains("/net/") {
            role
        } else {
            ListenerRole::Other
        };
        add_listener(routes, role, &listener);
    }
    if let Some(route) = routes.iter_mut().find(|route| is_it(route)) {
        let rules = &mut route.listener.rules;
        let last = rules.iter().map(|rule| rule.priority).max();
        let number = rules.len() + 1;
        rules.push(RuleScenario {
            priority: last.unwrap_or_default() + 10,
            conditions: vec![if listener.contains("/net/") {
                Condition::of_clients_by("ipv4")
            } else {
                by_path(&format!("/{number}/*"))
            }],
            role,
            ..RuleScenario::default()
        });
        route.rule_arns.push(Some(arn.to_owned()));
    }
}

fn by_path(pattern: &str) -> Condition {
    Condition {
        field: "path-pattern".to_owned(),
        path_pattern_config: Some(Values {
            values: vec![pattern.to_owned()],
        }),
        ..Condition::default()
    }
}

fn is_rule(arn: &str) -> bool {
    arn.contains(":listener-rule/")
}

/// The ARN of a rule's listener.
fn listener_of(rule: &str) -> String {
    let (listener, _) = rule.rsplit_once('/').unwrap_or((rule, ""));
    listener.replacen(":listener-rule/", ":listener/", 1)
}

/// The ARN of a listener's load balancer; `None` where it is not the ARN of a listener.
fn load_balancer_of(listener: &str) -> Option<String> {
    let (load_balancer, _) = listener.rsplit_once('/')?;
    let load_balancer = load_balancer.replacen(":listener/", ":loadbalancer/", 1);
    load_balancer
        .contains(":loadbalancer/")
        .then_some(load_balancer)
}

impl Route {
    fn new(listener: ListenerScenario) -> Self {
        Self {
            rule_arns: vec![None; listener.rules.len()],
            listener,
            arn: None,
        }
    }

    /// The load balancer that its listener's ARN has.
    pub(super) fn load_balancer(&self) -> Option<String> {
        load_balancer_of(self.arn.as_deref()?)
    }
}

impl Place<'_> {
    /// Puts the listeners and their rules there, and answers the ARNs of the production routes.
    pub(super) fn put_listeners(
        &self,
        world: &mut World,
        routes: Vec<Route>,
    ) -> Result<Vec<String>, ScenarioError> {
        let mut production = Vec::new();
        for route in routes {
            let request = self.listener(&route.listener);
            let arn = match &route.arn {
                None => world.create_listener(&request)?,
                Some(arn) if load_balancer_of(arn).as_deref() != Some(self.load_balancer) => {
                    let (arn, own) = (arn.clone(), self.load_balancer.to_owned());
                    return Err(ScenarioError::OtherLoadBalancer(arn, own));
                }
                Some(arn) => world.put_numbered_listener(&request, number_of(arn))?,
            };
            if route.listener.role == ListenerRole::Production {
                production.push(arn.clone());
            }
            for (rule, wanted) in route.listener.rules.iter().zip(route.rule_arns) {
                // Rules of a Network Load Balancer need one with both kinds of addresses.
                if self.kind == Kind::Network {
                    world.set_ip_address_type(self.load_balancer, "dualstack")?;
                }
                let request = self.rule(&arn, rule);
                let made = match wanted {
                    None => world.create_rule(&request)?,
                    Some(wanted) => world.put_numbered_rule(&request, number_of(&wanted))?,
                };
                if rule.role == ListenerRole::Production {
                    production.push(made);
                }
            }
        }
        Ok(production)
    }

    fn listener(&self, wanted: &ListenerScenario) -> CreateListener {
        let by_kind = match self.kind {
            Kind::Network => "TCP",
            Kind::Application => "HTTP",
        };
        let protocol = wanted.protocol.as_deref().unwrap_or(by_kind);
        let secure = matches!(protocol, "TLS" | "HTTPS");
        let certificate = secure.then(|| Certificate {
            certificate_arn: "arn:aws:acm:us-east-1:555555555555:certificate/1".to_owned(),
        });
        let not_found = || ActionRequest {
            r#type: "fixed-response".to_owned(),
            fixed_response_config: Some(serde_json::json!({ "StatusCode": "404" })),
            ..ActionRequest::default()
        };
        let forward = self.forward(wanted.role, wanted.stickiness_seconds);
        CreateListener {
            load_balancer_arn: self.load_balancer.to_owned(),
            protocol: Some(protocol.to_owned()),
            port: Some(wanted.port),
            certificates: certificate.into_iter().collect(),
            default_actions: vec![forward.unwrap_or_else(not_found)],
            ..CreateListener::default()
        }
    }

    fn rule(&self, listener: &str, wanted: &RuleScenario) -> CreateRule {
        let mut actions = wanted.actions.clone();
        actions.extend(self.forward(wanted.role, wanted.stickiness_seconds));
        if actions.len() > 1 {
            for (action, order) in actions.iter_mut().zip(1..) {
                action.order = action.order.or(Some(order));
            }
        }
        let tags = wanted.tags.iter().map(|(key, value)| Tag {
            key: key.clone(),
            value: value.clone(),
        });
        CreateRule {
            listener_arn: listener.to_owned(),
            conditions: wanted.conditions.clone(),
            priority: Some(wanted.priority),
            actions,
            tags: tags.collect(),
            ..CreateRule::default()
        }
    }

    fn forward(&self, role: ListenerRole, stickiness: Option<u32>) -> Option<ActionRequest> {
        let group = match role {
            ListenerRole::Production => self.groups[0],
            ListenerRole::Test => self.groups[1],
            ListenerRole::Other => return None,
        };
        let Some(seconds) = stickiness else {
            return Some(ActionRequest::forward_to(group));
        };
        Some(ActionRequest {
            r#type: "forward".to_owned(),
            forward_config: Some(ForwardRequest {
                target_groups: vec![GroupRequest {
                    target_group_arn: group.to_owned(),
                    weight: None,
                }],
                target_group_stickiness_config: Some(StickinessRequest {
                    enabled: Some(true),
                    duration_seconds: Some(seconds),
                }),
            }),
            ..ActionRequest::default()
        })
    }
}

/// What comes last in an ARN.
fn number_of(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or_default()
}
