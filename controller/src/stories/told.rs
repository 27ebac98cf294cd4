//! What is decided, in lines.

use serde_json::Value;

use super::scene::{GROUPS, PORTS, RULES, Seen};
use crate::action::Action;
use crate::arn::short;
use crate::command;
use crate::deployment::{Answer, Deployment, Plan, Progress};
use crate::fixture::{group_arn, listener_arn, rule_arn};
use crate::next::Next;
use crate::preflight::findings::{Finding, FindingName, Severity};
use crate::preflight::{check, inspect, settle};
use crate::refusal::Refusal;
use crate::routing::{pair, read};
use crate::turn;
use crate::world::{Forward, Route, World};

/// What a step has come to.
pub(super) struct Told {
    pub(super) lines: Vec<String>,
    /// The next state, where the turn has answered.
    pub(super) state: Option<Value>,
}

impl Told {
    fn of(lines: Vec<String>) -> Self {
        let lines = lines.into_iter().map(|line| with_names(&line));
        Self {
            lines: lines.collect(),
            state: None,
        }
    }

    fn answer(answer: &Answer, seen: &Seen) -> Self {
        let state = answer.to_json(&seen.deployment().lock);
        let field = |field: &Value| field.as_str().unwrap().to_owned();
        let (next, reason) = (field(&state["next"]), &state["reason"]);
        let after = match answer.wait {
            0 => String::new(),
            seconds => format!(" in {seconds} s"),
        };
        let (code, text) = (field(&reason["code"]), field(&reason["text"]));
        let mut changes = Vec::new();
        for part in ["request", "plan", "progress", "control", "rollingBack"] {
            changed(part, &seen.state[part], &state[part], &mut changes);
        }
        let tidy = answer.tidy.iter();
        let mut lines: Vec<_> = tidy
            .map(|action| format!("tidy: {}", write(action)))
            .collect();
        lines.push(format!("{next}{after}: {code}: {text}"));
        lines.extend((!changes.is_empty()).then(|| changes.join(" ")));
        lines.extend(call(&state["hook"]));
        Self {
            state: Some(state),
            ..Self::of(lines)
        }
    }
}

/// The call of a hook, without what its event says twice.
fn call(hook: &Value) -> Option<String> {
    let (then, timeout) = (hook["then"].as_str()?, &hook["timeout"]);
    let mut event = hook["event"].clone();
    for twice in [
        "executionDetails",
        "executionId",
        "resourceArn",
        "serviceArn",
    ] {
        event.as_object_mut()?.shift_remove(twice);
    }
    Some(format!("call within {timeout} s, then {then}: {event}"))
}

/// The fields that differ, as `PATH=VALUE`.
fn changed(path: &str, before: &Value, after: &Value, changes: &mut Vec<String>) {
    match (before, after) {
        _ if before == after => {}
        (Value::Object(was), Value::Object(is)) => {
            let gone = was.keys().filter(|key| !is.contains_key(*key));
            for key in is.keys().chain(gone) {
                changed(&format!("{path}.{key}"), &before[key], &after[key], changes);
            }
        }
        _ => changes.push(format!("{path}={after}")),
    }
}

/// Text with the short names of target groups and listeners instead of their ARNs.
fn with_names(text: &str) -> String {
    let groups = GROUPS.map(|name| (format!("@{name}"), group_arn(name).to_string()));
    let listeners = PORTS.map(|port| (format!("@{port}"), listener_arn(port).to_string()));
    let rules = PORTS.into_iter().flat_map(|port| {
        RULES.map(|number| {
            (
                format!("@{port}/{number}"),
                rule_arn(port, number).to_string(),
            )
        })
    });
    let rules: Vec<_> = rules.collect();
    let names = groups.iter().chain(&listeners).chain(&rules);
    names.fold(text.to_owned(), |text, (name, arn)| text.replace(arn, name))
}

fn refusal(refusal: &Refusal) -> Vec<String> {
    let Refusal {
        error,
        problem,
        fix,
    } = refusal;
    let fix = (!fix.is_empty()).then(|| format!("fix: {fix}"));
    [Some(format!("{error}: {problem}")), fix]
        .into_iter()
        .flatten()
        .collect()
}

fn forward(forward: &Forward) -> String {
    let groups = forward.0.iter();
    let groups = groups.map(|group| format!("{} ({})", short(&group.target_group), group.weight));
    groups.collect::<Vec<_>>().join(", ")
}

/// A write, with what its own words leave out.
fn write(action: &Action) -> String {
    let more = match action {
        Action::Forward { seen, .. } => format!(", seen to {}", forward(seen)),
        Action::RecordSwapIntent { deployment, .. } => format!(" by {deployment}"),
        Action::TagProduction { task_set, .. } => format!(" and taskSetId={task_set}"),
        Action::DeleteTaskSet { force, .. } if *force => " by force".to_owned(),
        Action::CreateTaskSet(new) => format!(": {new:?}"),
        Action::CreateRule(new) => format!(
            ": number {}, beside {}, {:?}, {:?}",
            new.priority, new.beside, new.test, new.created
        ),
        Action::RecordRole { .. }
        | Action::RecordService { .. }
        | Action::ClearSwapIntent { .. }
        | Action::UntagProduction { .. }
        | Action::MakePrimary { .. }
        | Action::SetScale { .. }
        | Action::SetInstanceHealth { .. }
        | Action::DeregisterInstances { .. }
        | Action::DeregisterTargets { .. }
        | Action::DeleteTaskSet { .. }
        | Action::DeleteRule { .. }
        | Action::RecordHold { hold: None } => String::new(),
        Action::RecordHold { hold: Some(hold) } => format!(": since {} by {}", hold.since, hold.by),
        Action::SuspendScaling { wanted } => format!(": {wanted:?}"),
    };
    format!("{action}{more}")
}

fn decided(seen: &Seen, next: Result<Next, Refusal>) -> Told {
    match next {
        Ok(Next::Go(answer)) => Told::answer(&answer, seen),
        Ok(Next::Write(stages)) => {
            let stages = (1..).zip(&stages);
            let writes = stages.flat_map(|(stage, actions)| {
                let actions = actions.iter();
                actions.map(move |action| format!("{stage}. {}", write(action)))
            });
            Told::of(writes.collect())
        }
        Ok(Next::WriteAndGo(writes, answer)) => {
            let mut told = Told::answer(&answer, seen);
            let writes = writes.iter().map(|action| format!("1. {}", write(action)));
            told.lines.splice(0..0, writes);
            told
        }
        Err(why) => Told::of(refusal(&why)),
    }
}

/// By a phase's own decision.
pub(super) fn next(
    seen: &Seen,
    next: impl Fn(&World, &Plan, &Progress) -> Result<Next, Refusal>,
) -> Told {
    let Deployment { plan, progress, .. } = seen.deployment();
    decided(seen, next(seen.world(), &plan, &progress))
}

/// By a whole turn; a refusal is answered.
pub(super) fn turn(seen: &Seen) -> Told {
    let Deployment { plan, progress, .. } = seen.deployment();
    let turn = |world: &World| turn::next(seen.phase, world, &plan, &progress);
    let next = turn(seen.world());
    let heard = command::hear(seen.phase, seen.world(), &plan, &progress);
    if heard
        .as_ref()
        .is_some_and(|heard| heard.refused.is_some() && heard.in_force.pause.is_none())
    {
        // A command that is refused changes nothing else.
        let mut without = seen.world().clone();
        without.order = None;
        let heard = |answer| Answer {
            heard: heard.clone(),
            ..answer
        };
        assert_eq!(next, turn(&without).map(|next| next.map(heard)));
    }
    let (mut told, is_told) = match next {
        Err(why) => {
            let answer = turn::refused(seen.phase, &plan, &progress, &why);
            (Told::answer(&answer, seen), false)
        }
        Ok(next) => {
            let answers = !matches!(next, Next::Write(_));
            (decided(seen, Ok(next)), answers)
        }
    };
    let stands = heard
        .as_ref()
        .and_then(|heard| heard.in_force.pause.as_ref());
    told.lines
        .extend(stands.map(|pause| format!("stands: {pause}")));
    let heard = heard.filter(|_| !is_told);
    told.lines
        .extend(heard.map(|heard| format!("command: {heard}")));
    told
}

/// Preflight before the lock is taken, and under the lock where that comes to something else.
pub(super) fn preflight(seen: &Seen) -> Told {
    let Plan { id, request, .. } = seen.deployment().plan;
    let before = check(&id, &request, seen.world());
    let under = settle(&id, &request, seen.world(), None);
    let mut told = match &before {
        Ok(checked) => Told::answer(&checked.clone().answer(), seen),
        Err(why) => Told::of(refusal(why)),
    };
    match (before, under) {
        (Ok(checked), Ok(plan)) => assert_eq!(checked.plan, plan),
        (before, Err(why)) if before.as_ref().err() != Some(&why) => {
            told.lines.push("under the lock".to_owned());
            told.lines.extend(Told::of(refusal(&why)).lines);
        }
        (Err(_), Err(_)) => {}
        (before, under) => panic!("{before:?} {under:?}"),
    }
    told
}

/// How much room two task sets need: what is found of every service like the one that stories begin with.
fn usual_findings() -> Vec<Finding> {
    let seen = Seen::after(None, "serving");
    let Plan { id, request, .. } = seen.deployment().plan;
    let (_, mut found) = inspect(&id, &request, Some(seen.world()));
    found.retain(|one| (one.severity, one.name) == (Severity::Info, FindingName::Capacity));
    found
}

/// Everything else that preflight finds.
pub(super) fn findings(seen: &Seen) -> Told {
    let Plan { id, request, .. } = seen.deployment().plan;
    let (checked, found) = inspect(&id, &request, Some(seen.world()));
    let error = found.iter().find(|one| one.severity == Severity::Error);
    // A deployment is refused for the first error, and that has a name of its own.
    assert_eq!(
        error.map(|one| &one.seen),
        checked.as_ref().err().map(|why| &why.problem)
    );
    assert!(error.is_none_or(|one| one.name != FindingName::Refused));
    let usual = usual_findings();
    let found = found.iter().filter(|one| !usual.contains(one));
    let lines = found.flat_map(|one| {
        let (severity, name) = (one.severity.as_str(), one.name.as_str());
        [
            format!("{severity} {name}: {}", one.seen),
            format!("why: {}", one.why),
            format!("fix: {}", one.fix),
        ]
    });
    Told::of(lines.collect())
}

/// Which listeners are production, and where they send traffic.
pub(super) fn routing(seen: &Seen) -> Told {
    let request = seen.deployment().plan.request;
    let routing = match read(seen.world(), &request) {
        Ok(routing) => routing,
        Err(why) => return Told::of(refusal(&why)),
    };
    let names = |routes: &[&Route]| {
        let names: Vec<_> = routes.iter().map(|route| route.short()).collect();
        if names.is_empty() {
            return "none".to_owned();
        }
        names.join(" and ")
    };
    let (production, roles) = (&routing.production.name, &routing.roles);
    let line = format!(
        "{production} is production, on {}; tests are on {}",
        names(&roles.production),
        names(&roles.test)
    );
    let taken = roles.taken().map(|taken| taken.to_string());
    Told::of([Some(line), taken].into_iter().flatten().collect())
}

/// Which target groups are the service's own.
pub(super) fn groups(seen: &Seen) -> Told {
    let request = seen.deployment().plan.request;
    Told::of(match pair(seen.world(), &request) {
        Ok(pair) => vec![pair.map(|group| group.name.clone()).join(" and ")],
        Err(why) => refusal(&why),
    })
}
