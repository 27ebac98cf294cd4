//! Findings about connections: what else ends them, and what disturbs the drain.

use super::{Finding, FindingName, Scene, names, set_attribute};
use crate::drain::deregistration::{Deregistration, OF_A_NETWORK_LOAD_BALANCER};
use crate::drain::pace::Pace;
use crate::drain::plan::Plan;
use crate::fix::Fix;
use crate::id::TargetGroupArn;
use crate::preflight::unkept;
use crate::request::SwapMode;

/// Connections of a target from which a Network Load Balancer runs out of ports, where client
/// addresses are not kept (AWS documentation).
pub const CLIENT_PORTS: f64 = 55_000.0;

/// Seconds for which new connections may reach the original after the production listener was moved:
/// 75 s have been seen, and the default `bakeTime` is above it.
const LATE_CONNECTIONS: u32 = 90;

/// Seconds of deregistration delay that a target group has by default (AWS documentation).
const DEFAULT_DELAY: u32 = 300;

pub(super) fn findings(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(overlap(
        &scene.plan,
        scene.deregistration,
        slower_or_even(scene),
    ));
    found.extend(budget(scene));
    found.extend(unhealthy_termination(scene));
    found.extend(deregistration_termination(scene));
    found.extend(cut_at_the_end(scene));
    found.extend(stickiness(scene));
    found.extend(sticky_routes(scene));
    found.extend(swap_mode(scene));
    found.extend(bake_time(scene));
    found.extend(client_ports(scene));
    found
}

/// What keeps the tasks of one step apart from those of the next.
///
/// Never a delay below what a Network Load Balancer takes of its own: with that, tasks end unevenly.
fn slower_or_even(scene: &Scene<'_>) -> Fix {
    let Deregistration { delay, most, .. } = scene.deregistration;
    let slower = match scene.pace {
        Pace::Percent { .. } | Pace::Tasks { .. } => {
            format!("Set scaledown_wait (or drain.every) to at least {most}")
        }
        Pace::Within { .. } => "Raise drain.within".to_owned(),
        Pace::Budget(_) => "Set a smaller reconnectsPerSecond and a later deadline".to_owned(),
    };
    if scene.deregistration.spread() > 0 {
        return set_delay(scene, &format!("{slower}, or {AS_EVENLY}"), most);
    }
    let own = if scene.is_network() {
        OF_A_NETWORK_LOAD_BALANCER.1
    } else {
        0
    };
    let pause = shortest_pause(&scene.plan).unwrap_or(delay);
    match pause.max(own) {
        shorter if shorter < delay => {
            set_delay(scene, &format!("{slower}, or a shorter delay"), shorter)
        }
        _ => slower.into(),
    }
}

const AS_EVENLY: &str = "a delay with which tasks end as evenly as the steps come";

fn set_delay(scene: &Scene<'_>, text: &str, seconds: u32) -> Fix {
    let key = "deregistration_delay.timeout_seconds";
    set_attribute(text, &scene.groups, key, &seconds.to_string())
}

fn shortest_pause(plan: &Plan) -> Option<u32> {
    plan.steps.windows(2).map(|two| two[1].at - two[0].at).min()
}

/// Steps that come faster than targets are deregistered.
pub fn overlap(
    plan: &Plan,
    deregistration: Deregistration,
    fix: impl Into<Fix>,
) -> Option<Finding> {
    let Deregistration { delay, least, most } = deregistration;
    let pause = shortest_pause(plan).filter(|pause| *pause < most)?;
    let steps = u32::try_from(plan.steps.len()).unwrap_or(u32::MAX);
    let together = most.div_ceil(pause.max(1)).min(steps);
    let effect = format!("the effect of a step shows {most} s later");
    if deregistration.spread() > 0 {
        return Some(Finding::warning(
            FindingName::DeregistrationDelay,
            &format!(
                "A Network Load Balancer takes {least} to {most} s to deregister a target, unevenly, although the delay is {delay} s; the pause between two steps is {pause} s."
            ),
            &format!(
                "Tasks of up to {together} steps leave at the same time, their clients may be cut in the same minute, and {effect}."
            ),
            fix,
        ));
    }
    let seen = format!(
        "The deregistration delay of {delay} s is longer than the {pause} s between two steps."
    );
    // AWS's default delay beside a pause of a minute is no mistake.
    if most <= DEFAULT_DELAY {
        return Some(Finding::info(
            FindingName::DeregistrationDelay,
            &seen,
            &format!(
                "Tasks of up to {together} steps are deregistered at the same time. They end as far apart as the steps are, and {effect}."
            ),
            "Nothing to do.",
        ));
    }
    Some(Finding::warning(
        FindingName::DeregistrationDelay,
        &seen,
        &format!("Tasks of up to {together} steps leave at the same time, and {effect}."),
        fix,
    ))
}

/// More connections a target than it has ports for.
pub fn ports_of_clients(connections_per_task: f64) -> Option<Finding> {
    if connections_per_task <= CLIENT_PORTS {
        return None;
    }
    Some(Finding::warning(
        FindingName::ClientPorts,
        &format!(
            "{connections_per_task} connections a task are more than the {CLIENT_PORTS} that a target of type ip takes where client addresses are not preserved."
        ),
        "The load balancer then has no free port towards a target, and refuses connections.",
        "Run more tasks, or let the target group preserve client addresses.",
    ))
}

fn budget(scene: &Scene<'_>) -> Option<Finding> {
    let budget = scene.pace.budget()?;
    let tasks = scene.original?.computed_desired_count;
    let said = unkept(budget, tasks, scene.deregistration)?;
    let larger = "Set a larger reconnectsPerSecond or a later deadline in drain";
    let fix = if scene.deregistration.spread() > 0 {
        let text = format!("{larger}, or {AS_EVENLY}");
        set_delay(scene, &text, scene.deregistration.most)
    } else {
        larger.into()
    };
    Some(Finding::warning(
        FindingName::Budget,
        &format!("The drain's {said}."),
        "Either more clients reconnect per second than the budget allows, or the drain does not end in time.",
        fix,
    ))
}

fn unhealthy_termination(scene: &Scene<'_>) -> Option<Finding> {
    let groups = scene.groups_that(|group| group.settings.ends_unhealthy);
    if groups.is_empty() {
        return None;
    }
    // The default of TCP and TLS groups.
    Some(Finding::info(
        FindingName::UnhealthyTermination,
        &format!(
            "{} end the connections of a target that turns unhealthy.",
            names(&groups)
        ),
        "A few failed health checks of a task disconnect all of its clients at once, and all of them reconnect at once.",
        set_attribute(
            "",
            &groups,
            "target_health_state.unhealthy.connection_termination.enabled",
            "false",
        ),
    ))
}

fn deregistration_termination(scene: &Scene<'_>) -> Option<Finding> {
    let groups = scene.groups_that(|group| group.settings.ends_deregistered);
    let [first, ..] = groups[..] else {
        return None;
    };
    Some(Finding::warning(
        FindingName::DeregistrationTermination,
        &format!(
            "{} end the remaining connections of a target after the deregistration delay of {} s.",
            names(&groups),
            first.deregistration_delay
        ),
        "The load balancer ends them all in the same second, before the task can close them gradually.",
        set_attribute(
            "",
            &groups,
            "deregistration_delay.connection_termination.enabled",
            "false",
        ),
    ))
}

/// An Application Load Balancer always ends what is left. How long requests take is not known; that the load
/// balancer may wait for an answer longer than for a deregistration is.
fn cut_at_the_end(scene: &Scene<'_>) -> Option<Finding> {
    let load_balancer = scene.load_balancer.filter(|lb| lb.is_application())?;
    let idle = load_balancer.idle_timeout.seen().copied();
    let shortest = scene
        .groups
        .iter()
        .map(|group| group.deregistration_delay)
        .min()?;
    // Where it was not read, nothing is said but of a delay of 0.
    let least = idle.unwrap_or(1);
    if shortest >= least {
        return None;
    }
    let groups = scene.groups_that(|group| group.deregistration_delay == shortest);
    let why = "When the delay is over, an Application Load Balancer breaks the connections of a target that are left, WebSockets included (AWS documentation; unproven for WebSockets), before the task gets SIGTERM.";
    let name = FindingName::DeregistrationTermination;
    if shortest == 0 {
        return Some(Finding::warning(
            name,
            &format!("The deregistration delay of {} is 0 s.", names(&groups)),
            &format!("{why} With 0 s every request in flight fails."),
            set_delay(scene, "", idle.unwrap_or(DEFAULT_DELAY)),
        ));
    }
    Some(Finding::info(
        name,
        &format!(
            "The deregistration delay of {} is {shortest} s, and the load balancer waits up to {least} s for a target to send something (idle timeout).",
            names(&groups)
        ),
        &format!("{why} A request that takes longer than the delay fails."),
        set_delay(
            scene,
            "If requests may take that long (for WebSockets the pace of the drain matters, not the delay)",
            least,
        ),
    ))
}

fn stickiness(scene: &Scene<'_>) -> Option<Finding> {
    let groups = scene.groups_that(|group| group.settings.sticky);
    if groups.is_empty() {
        return None;
    }
    Some(Finding::warning(
        FindingName::Stickiness,
        &format!(
            "{} send a client to the same target each time.",
            names(&groups)
        ),
        "Reconnecting clients are not spread evenly: those with the same address or cookie go to the same task of the replacement.",
        set_attribute("", &groups, "stickiness.enabled", "false"),
    ))
}

/// Routes that keep a client on its target group: whether they do at weight 0 as well is unproven.
fn sticky_routes(scene: &Scene<'_>) -> Vec<Finding> {
    let own = |arn: &TargetGroupArn| scene.groups.iter().any(|group| group.arn == *arn);
    let routes = scene.world.routes.iter();
    let routes = routes.filter(|route| route.forward.live().any(own));
    let sticky = routes.filter_map(|route| {
        let seconds = route.sticky.filter(|seconds| *seconds > scene.request.bake_time)?;
        Some(Finding::warning(
            FindingName::Stickiness,
            &format!(
                "{} keeps a client on the target group that it was sent to first, for {seconds} s.",
                route.at_start()
            ),
            &format!(
                "After the swap such clients may still go to the original, and its drain, which begins {} s after the swap, disconnects them.",
                scene.request.bake_time
            ),
            Fix::run(
                &format!(
                    "Set bakeTime to at least {seconds}, or set the action again without TargetGroupStickinessConfig ({}). To see the action",
                    route.modified_by()
                ),
                [route.shown_by()],
            ),
        ))
    });
    sticky.collect()
}

fn swap_mode(scene: &Scene<'_>) -> Option<Finding> {
    if scene.request.swap_mode != SwapMode::Replace || !scene.is_network() {
        return None;
    }
    Some(Finding::warning(
        FindingName::SwapMode,
        "swapMode is replace, on a Network Load Balancer.",
        "It ends connections to a replaced target group within the hour, however slowly the original drains.",
        "Omit swapMode, or set it to weighted.",
    ))
}

fn bake_time(scene: &Scene<'_>) -> Option<Finding> {
    let bake = scene.request.bake_time;
    if bake >= LATE_CONNECTIONS || !scene.is_network() || scene.original.is_none() {
        return None;
    }
    Some(Finding::warning(
        FindingName::BakeTime,
        &format!("bakeTime is {bake} s, on a Network Load Balancer."),
        "New connections may reach the original for a minute or more after the swap (75 s were observed), and the first step disconnects them again.",
        format!("Omit bakeTime, or set it to at least {LATE_CONNECTIONS}."),
    ))
}

fn client_ports(scene: &Scene<'_>) -> Option<Finding> {
    let group = scene.production?;
    let short_of_ports = scene.is_network()
        && group.settings.target_type == "ip"
        && group.settings.keeps_client_ip == Some(false);
    let budget = scene.pace.budget()?;
    let connections = budget.connections_per_task.filter(|_| short_of_ports)?;
    let mut finding = ports_of_clients(connections)?;
    finding.fix = set_attribute(
        "Run more tasks, or preserve client addresses",
        &scene.groups,
        "preserve_client_ip.enabled",
        "true",
    );
    Some(finding)
}
