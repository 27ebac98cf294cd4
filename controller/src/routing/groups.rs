//! Which two target groups of a load balancer are the service's.

use crate::arn::short;
use crate::fix::Fix;
use crate::id::TargetGroupArn;
use crate::identity::service_tag;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::world::{TargetGroup, TaskSet, World};

/// The two target groups of a service.
///
/// Refuses with `PreflightFailed`, naming each group that may be meant, and each that is not with the tag
/// that says so.
pub fn pair<'a>(world: &'a World, request: &Request) -> Result<[&'a TargetGroup; 2], Refusal> {
    let own = Own::of(&world.task_sets, &world.target_groups, request)?;
    match own.groups[..] {
        [first, second] => Ok([first, second]),
        [..] => Err(own.refusal(world, request)),
    }
}

/// The target groups that may be a service's own: two, or it cannot be deployed. None where tags
/// contradict each other.
pub fn candidates<'a>(
    task_sets: &[TaskSet],
    groups: &'a [TargetGroup],
    request: &Request,
) -> Vec<&'a TargetGroup> {
    Own::of(task_sets, groups, request).map_or_else(|_| Vec::new(), |own| own.groups)
}

/// Target groups by whether they are a service's own.
struct Own<'a> {
    groups: Vec<&'a TargetGroup>,
    /// Those of them that are its own by use alone, where the request or tags name others.
    unsaid: Vec<&'a TargetGroup>,
    /// Those that are not, with what says so.
    left_out: Vec<(&'a TargetGroup, String)>,
}

impl<'a> Own<'a> {
    /// What the service's living task sets use, and what the request or the tag `ebbtide:service` names, is
    /// its own.
    ///
    /// While these are fewer than two, `serviceName` decides about the others. Companies tag more than one
    /// service with one value, so it is compared with that of the groups in use, and settles nothing where
    /// more than two groups remain.
    fn of(
        task_sets: &[TaskSet],
        groups: &'a [TargetGroup],
        request: &Request,
    ) -> Result<Self, Refusal> {
        let ours = service_tag(request);
        let used = |group: &TargetGroup| {
            let mut living = task_sets.iter().filter(|set| !set.is_being_deleted());
            living.any(|set| set.is_attached_to(&group.arn))
        };
        let named = request.target_groups.as_ref();
        let says = |group: &&TargetGroup| match named {
            Some(named) => named.contains(&group.arn),
            None => group.service.as_deref() == Some(ours.as_str()),
        };
        let elsewhere = |group: &TargetGroup| {
            let recorded = group.service.as_deref();
            recorded.is_some_and(|service| service != ours)
        };
        let certain: Vec<_> = groups.iter().filter(|g| used(g) || says(g)).collect();
        if let Some(group) = certain.iter().find(|group| elsewhere(group)) {
            return Err(recorded_elsewhere(group, used(group), request));
        }
        let recorded = groups.iter().filter(says).count();
        let values: Vec<_> = certain.iter().map(|g| g.service_name.as_deref()).collect();
        let alike = values.iter().all(|value| *value == values[0]);
        if recorded == 0 && !alike {
            return Err(tagged_apart(&certain, request));
        }
        let settled = named.is_some() || recorded >= 2 || !alike;
        let fits = |group: &TargetGroup| {
            let value = group.service_name.as_deref();
            match values.first() {
                Some(Some(theirs)) => value == Some(*theirs),
                Some(None) | None => value.is_none_or(|name| name == request.service),
            }
        };
        let (own, others): (Vec<_>, Vec<_>) = groups.iter().partition(|group| {
            used(group) || says(group) || (!settled && !elsewhere(group) && fits(group))
        });
        let unsaid = own.iter().filter(|group| settled && !says(group));
        let left_out = others.into_iter();
        Ok(Self {
            unsaid: unsaid.copied().collect(),
            groups: own,
            left_out: left_out.map(|group| (group, why(group, request))).collect(),
        })
    }

    fn refusal(&self, world: &World, request: &Request) -> Refusal {
        let service = &request.service;
        let balancer = world.load_balancer.as_ref();
        let balancer = balancer.map_or("the load balancer", |lb| short(&lb.arn));
        let own: Vec<_> = self.groups.iter().map(|group| &*group.name).collect();
        let seen = match own[..] {
            [] => "none".to_owned(),
            [..] => format!("{}: {}", own.len(), own.join(", ")),
        };
        let left_out: Vec<_> = self
            .left_out
            .iter()
            .map(|(group, why)| format!("{} ({why})", group.name))
            .collect();
        let left_out = match left_out[..] {
            [] => String::new(),
            [..] => format!("; left out: {}", left_out.join(", ")),
        };
        let unsaid: Vec<_> = self.unsaid.iter().map(|group| &*group.name).collect();
        let unsaid = match unsaid[..] {
            [] => String::new(),
            [..] => format!(
                "; its task sets are on {}, which neither targetGroups nor ebbtide:service includes",
                unsaid.join(" and ")
            ),
        };
        let seen = format!(
            "Service {service} needs exactly two target groups on {balancer}; seen: {seen}{unsaid}{left_out}."
        );
        let missing = request.target_groups.iter().flatten().find(|named| {
            let mut groups = world.target_groups.iter();
            groups.all(|group| group.arn != **named)
        });
        let fix = match missing {
            Some(named) => format!(
                "targetGroups names {named}, which no listener or rule of the load balancer uses."
            )
            .into(),
            None if self.groups.len() < 2 && self.left_out.is_empty() => create_a_second_one(world),
            None if self.groups.len() < 2 => how_to_settle(
                "A target group that no listener or rule uses does not count. ",
                request,
            ),
            None => how_to_settle("", request),
        };
        Refusal::preflight(seen, fix)
    }
}

/// What says that a group is not the service's own.
fn why(group: &TargetGroup, request: &Request) -> String {
    match (&group.service, &group.service_name) {
        (Some(service), _) => format!("tagged ebbtide:service={service}"),
        _ if request.target_groups.is_some() => "not in targetGroups".to_owned(),
        (None, Some(name)) => format!("tagged serviceName={name}"),
        (None, None) => "without a tag".to_owned(),
    }
}

/// How to state which two groups are a service's. The fix names no group, because it may be another
/// service's.
pub(crate) fn how_to_settle(because: &str, request: &Request) -> Fix {
    Fix::run(
        &format!(
            "{because}Do not change groups of other services. Name the service's own two in the input (targetGroups), or tag them"
        ),
        [format!(
            "aws elbv2 add-tags --resource-arns ARN ARN --tags Key=ebbtide:service,Value={}",
            service_tag(request)
        )],
    )
}

fn create_a_second_one(world: &World) -> Fix {
    let balancer = world.load_balancer.as_ref();
    Fix::run(
        "A target group that no listener or rule uses does not count. Put both into the production listener or rule \
         with weights 100 and 0 (aws elbv2 modify-listener, aws elbv2 modify-rule), or create a test listener that \
         forwards to the second one",
        [format!(
            "aws elbv2 create-listener --load-balancer-arn {} --protocol PROTOCOL --port PORT --default-actions \
             Type=forward,TargetGroupArn=ARN",
            balancer.map_or("ARN", |lb| lb.arn.as_str())
        )],
    )
}

fn recorded_elsewhere(group: &TargetGroup, used: bool, request: &Request) -> Refusal {
    let how = if used {
        "has a task set of"
    } else {
        "is named in targetGroups for"
    };
    Refusal::preflight(
        format!(
            "Target group {} is tagged ebbtide:service={}, but {how} service {}.",
            group.name,
            group.service.as_deref().unwrap_or_default(),
            service_tag(request)
        ),
        "Find out which service it belongs to. If it is this one, correct the tag ebbtide:service; if not, remove this service from it.",
    )
}

fn tagged_apart(groups: &[&TargetGroup], request: &Request) -> Refusal {
    let groups: Vec<_> = groups
        .iter()
        .map(|group| format!("{} ({})", group.name, why(group, request)))
        .collect();
    Refusal::preflight(
        format!(
            "Task sets of service {} are on target groups whose tags differ: {}.",
            request.service,
            groups.join(", ")
        ),
        how_to_settle("", request),
    )
}

/// The groups that are not tagged as the service's yet, and the tag's value.
///
/// A pair that carries another service's tag was refused before.
pub(crate) fn unrecorded(
    pair: [&TargetGroup; 2],
    request: &Request,
) -> Option<(Vec<TargetGroupArn>, String)> {
    let groups: Vec<_> = pair
        .into_iter()
        .filter(|group| group.service.is_none())
        .map(|group| group.arn.clone())
        .collect();
    (!groups.is_empty()).then(|| (groups, service_tag(request)))
}
