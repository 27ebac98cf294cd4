//! Reading Elastic Load Balancing: tags and rules of listeners, tags, health and attributes of target groups.

use std::collections::HashMap;

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::types::{
    TargetDescription, TargetGroupAttribute, TargetHealthStateEnum,
};
use ebbtide_controller::action::Role;
use ebbtide_controller::id::{ListenerArn, TargetGroupArn};
use ebbtide_controller::quote::quote;
use ebbtide_controller::world::{Created, Route, Stray, TargetGroup, Targets};
use futures_util::future::try_join_all;
use tokio::try_join;

use crate::clients::Clients;
use crate::error::StepError;
use crate::{observe_routes, observe_settings, tags};

/// ARNs that `DescribeTags` takes a call (AWS API model).
const ARNS_A_CALL: usize = 20;

/// What is read of single listeners and target groups in an observation.
#[derive(Default)]
pub(crate) struct Details {
    tags: HashMap<String, Tags>,
    rules: HashMap<ListenerArn, Vec<Route>>,
    health: HashMap<TargetGroupArn, Health>,
}

/// Tags by key.
type Tags = HashMap<String, String>;

impl Details {
    /// Reads what has not been read yet: tags and rules of listeners, whatever their load balancer's kind
    /// (rule R14), tags of target groups and rules, and the health of target groups that are a service's `own`.
    pub(crate) async fn read(
        &mut self,
        clients: &Clients,
        listeners: &[ListenerArn],
        tagged: &[&str],
        own: &[TargetGroupArn],
    ) -> Result<(), StepError> {
        let elb = &clients.elb;
        let arns = listeners.iter().map(ListenerArn::as_str);
        let arns = arns.chain(tagged.iter().copied());
        let arns: Vec<_> = arns.filter(|arn| !self.tags.contains_key(*arn)).collect();
        let with_rules = listeners
            .iter()
            .filter(|arn| !self.rules.contains_key(*arn));
        let own = own.iter().filter(|arn| !self.health.contains_key(*arn));
        let (tags, rules, health) = try_join!(
            try_join_all(arns.chunks(ARNS_A_CALL).map(|arns| tags_of(elb, arns))),
            try_join_all(with_rules.map(|arn| observe_routes::rules(clients, arn))),
            try_join_all(own.map(|arn| health_of(elb, arn))),
        )?;
        self.tags.extend(tags.into_iter().flatten());
        self.rules.extend(rules);
        self.health.extend(health);
        Ok(())
    }

    /// The default actions of listeners, each with the rules of its listener.
    pub(crate) fn routes(&self, defaults: Vec<Route>) -> Vec<Route> {
        let with_rules = defaults.into_iter().flat_map(|default| {
            let rules = self.rules.get(&default.listener).cloned();
            let of_it = rules.into_iter().flatten().map(|rule| Route {
                port: default.port,
                protocol: default.protocol.clone(),
                ..rule
            });
            let of_it: Vec<_> = of_it.collect();
            [vec![default], of_it].concat()
        });
        with_rules.collect()
    }

    /// Puts tags into routes and target groups.
    pub(crate) fn put_into(&self, routes: &mut [Route], target_groups: &mut [TargetGroup]) {
        let tag = |arn: &str, key: &str| self.tags.get(arn)?.get(key).cloned();
        for route in routes {
            route.role = tag(&route.arn, tags::ROLE);
            route.stack = tag(&route.arn, tags::STACK);
            route.created = created(|key| tag(&route.arn, key));
        }
        for group in target_groups {
            group.is_production = tag(&group.arn, tags::IS_PRODUCTION);
            group.service = tag(&group.arn, tags::SERVICE);
            group.service_name = tag(&group.arn, tags::SERVICE_NAME);
            group.task_set_id = tag(&group.arn, tags::TASK_SET_ID).map(Into::into);
            group.swap_intent = tag(&group.arn, tags::SWAP_INTENT);
            group.settings.stack = tag(&group.arn, tags::STACK);
        }
    }

    /// The targets of a group that have none of these addresses.
    pub(crate) fn strays(&self, group: &TargetGroupArn, owned: &[String]) -> Vec<Stray> {
        let targets = self.health.get(group).into_iter();
        let targets = targets.flat_map(|health| &health.targets);
        let strays = targets.filter(|target| !owned.contains(&target.id));
        let strays = strays.map(|target| Stray {
            target: format!("{}:{}", quote(&target.id), target.port),
            state: target.state,
        });
        strays.collect()
    }

    /// Puts health and attributes into these groups; what the attributes do not say stays as it is.
    pub(crate) fn put_health_into(
        &self,
        target_groups: &mut [TargetGroup],
        own: &[TargetGroupArn],
    ) {
        for group in target_groups {
            let health = self.health.get(&group.arn);
            if let Some(health) = health.filter(|_| own.contains(&group.arn)) {
                let targets = health.targets.iter().map(|target| target.state);
                group.targets = targets.sum();
                for attribute in &health.attributes {
                    observe_settings::set(group, attribute);
                }
            }
        }
    }
}

/// What the tags of a rule say of the deployment that has created it. With others than all of these it is a
/// person's rule, whatever they have copied.
fn created(tag: impl Fn(&str) -> Option<String>) -> Option<Created> {
    tag(tags::ROLE).filter(|role| role == Role::Test.as_str())?;
    Some(Created {
        deployment: tag(tags::DEPLOYMENT)?,
        beside: tag(tags::BESIDE)?,
        service: tag(tags::SERVICE)?,
    })
}

/// The tags of some resources. One that has none is there as well.
async fn tags_of(elb: &Client, arns: &[&str]) -> Result<HashMap<String, Tags>, StepError> {
    let owned: Vec<_> = arns.iter().map(|arn| (*arn).to_owned()).collect();
    let answer = elb
        .describe_tags()
        .set_resource_arns(Some(owned.clone()))
        .send()
        .await
        .map_err(|error| StepError::of_call("elasticloadbalancing:DescribeTags", &error))?;
    let mut tags: HashMap<_, _> = owned.into_iter().map(|arn| (arn, Tags::new())).collect();
    for description in answer.tag_descriptions() {
        let Some(seen) = description.resource_arn().and_then(|arn| tags.get_mut(arn)) else {
            continue;
        };
        seen.extend(description.tags().iter().filter_map(|tag| {
            let value = tag.value().unwrap_or_default();
            Some((tag.key()?.to_owned(), value.to_owned()))
        }));
    }
    Ok(tags)
}

/// What changes about a group from one observation to the next, and what its attributes say.
struct Health {
    targets: Vec<SeenTarget>,
    attributes: Vec<TargetGroupAttribute>,
}

async fn health_of(
    elb: &Client,
    group: &TargetGroupArn,
) -> Result<(TargetGroupArn, Health), StepError> {
    let (targets, attributes) = try_join!(
        targets(elb, group),
        observe_settings::attributes(elb, group)
    )?;
    let health = Health {
        targets,
        attributes,
    };
    Ok((group.clone(), health))
}

/// A target of a group.
struct SeenTarget {
    id: String,
    port: i32,
    /// Its state, as a count of one.
    state: Targets,
}

/// The targets of a group. One in a state that this version does not know counts as not ready.
async fn targets(elb: &Client, group: &str) -> Result<Vec<SeenTarget>, StepError> {
    let answer = elb
        .describe_target_health()
        .target_group_arn(group)
        .send()
        .await
        .map_err(|error| StepError::of_call("elasticloadbalancing:DescribeTargetHealth", &error))?;
    let seen = answer.target_health_descriptions().iter();
    let seen = seen.map(|description| {
        let health = description.target_health();
        let target = description.target();
        let id = target.and_then(TargetDescription::id);
        SeenTarget {
            id: id.unwrap_or_default().to_owned(),
            port: target.and_then(TargetDescription::port).unwrap_or_default(),
            state: state(health.and_then(|health| health.state())),
        }
    });
    Ok(seen.collect())
}

fn state(seen: Option<&TargetHealthStateEnum>) -> Targets {
    let mut targets = Targets::default();
    *match seen {
        Some(TargetHealthStateEnum::Healthy) => &mut targets.healthy,
        Some(TargetHealthStateEnum::Initial) => &mut targets.initial,
        Some(TargetHealthStateEnum::Unhealthy | TargetHealthStateEnum::UnhealthyDraining) => {
            &mut targets.unhealthy
        }
        Some(TargetHealthStateEnum::Unused) => &mut targets.unused,
        Some(TargetHealthStateEnum::Draining) => &mut targets.draining,
        _ => &mut targets.unknown,
    } = 1;
    targets
}
