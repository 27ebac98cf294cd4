//! A path through the search, told in words.

use crate::execution::{At, Outcome, Phase, Race};
use crate::protocol::Event;
use crate::world::{Id, Scale, SetId, Write};

/// One numbered line an event, and the state of the world at the end.
pub(crate) fn tell(path: &[(Race, Option<Event>)]) -> String {
    let mut lines = Vec::new();
    for (step, pair) in path.windows(2).enumerate() {
        if let Some(event) = pair[0].1 {
            let told = tell_event(event, &pair[0].0, &pair[1].0);
            lines.push(format!("{:4}. {told}", step + 1));
        }
    }
    lines.extend(
        path.last()
            .map(|(race, _)| format!("      {}", serving(race))),
    );
    lines.join("\n")
}

fn tell_event(event: Event, before: &Race, after: &Race) -> String {
    let owner = |race: &Race| race.owner.map_or("nobody", name);
    let holder = |id: Id| {
        before.executions[id]
            .holder
            .map_or("", |seen| name(seen.owner))
    };
    let next = |id: Id| match after.executions[id].at {
        At::Ended(Outcome::ConcurrentDeployment) => "ConcurrentDeployment",
        At::Ended(Outcome::LockLost) => "LockLost",
        _ => "it goes on",
    };
    match event {
        Event::AcquireLock(id) => {
            format!("{}: AcquireLock; the lock is {}'s", name(id), owner(after))
        }
        Event::ReadLock(id) => format!("{}: ReadLock; {} has it", name(id), owner(before)),
        Event::DescribeOwner(id) => {
            let ended = !matches!(next(id), "ConcurrentDeployment");
            let state = if ended { "has ended" } else { "runs" };
            format!("{}: DescribeOwner; {} {state}", name(id), holder(id))
        }
        Event::DescribeOwnerStale(id) => format!(
            "{}: DescribeOwner is answered from the past; {} has ended",
            name(id),
            holder(id)
        ),
        Event::TakeOver(id) => format!(
            "{}: TakeOver from {}; the lock is {}'s",
            name(id),
            holder(id),
            owner(after)
        ),
        Event::Renew(id) => format!("{}: Renew; {}", name(id), next(id)),
        Event::ReleaseLock(id) => format!("{}: ReleaseLock", name(id)),
        Event::LockReplyLost(id) => format!(
            "{}: {:?} is written, and the reply is lost",
            name(id),
            before.executions[id].at
        ),
        Event::Look(id, place) => format!(
            "{}: {}: {}",
            name(id),
            function(before, id, place),
            decided(before, after, id, place)
        ),
        Event::Land(id, place) => match before.executions[id].functions[place].phase {
            Phase::Writing(write) => format!(
                "{}: {}: LANDS: {}",
                name(id),
                function(before, id, place),
                tell_write(before, write)
            ),
            phase => format!("{}: lands nothing in {phase:?}", name(id)),
        },
        Event::FunctionFails(id) => format!("{}: the function fails", name(id)),
        Event::FunctionLost(id) => format!(
            "{}: Step Functions gives the function up, and it runs on",
            name(id)
        ),
        Event::Retry(id) => format!("{}: Retry", name(id)),
        Event::Catch(id) => format!("{}: Catch", name(id)),
        Event::Stop(id) => format!("{}: is STOPPED", name(id)),
        Event::Redrive(id) => format!(
            "{}: is REDRIVEN, into {:?}",
            name(id),
            before.executions[id].at
        ),
        Event::Tick => "a minute passes".to_owned(),
    }
}

fn decided(before: &Race, after: &Race, id: Id, place: usize) -> String {
    let (before, after) = (&before.executions[id], after);
    let seen = &after.executions[id];
    if seen.functions.len() == before.functions.len() {
        // Its place may have changed with what it does.
        let new = seen
            .functions
            .iter()
            .filter(|function| !before.functions.contains(function));
        if let Some(Phase::Writing(write)) = new.map(|function| function.phase).next() {
            return format!("decides: {}", tell_write(after, write));
        }
    }
    let was = before.functions[place];
    match seen.at {
        At::Renew(step) if was.awaited && step == was.step => "answers: renew".to_owned(),
        at if was.awaited => format!("answers; next: {at:?}"),
        _ => "ends".to_owned(),
    }
}

fn function(race: &Race, id: Id, place: usize) -> String {
    let function = race.executions[id].functions[place];
    let late = if function.awaited { "" } else { ", unheard" };
    format!("function {:?}{late}", function.step)
}

fn tell_write(race: &Race, write: Write) -> String {
    match write {
        Write::CreateTaskSet { set, group } => format!("create {} on {group:?}", set_name(set)),
        Write::Forward { group } => {
            let sets: Vec<_> = (0..race.world.task_sets.len())
                .filter(|&set| race.world.set(set).is_some_and(|set| set.group == group))
                .map(set_name)
                .collect();
            let sets = if sets.is_empty() {
                "no task set".to_owned()
            } else {
                sets.join(" and ")
            };
            format!("production listener to {group:?}, {sets}")
        }
        Write::SetScale { set, scale } => format!("scale {} to {scale:?}", set_name(set)),
        Write::DeleteTaskSet { set, .. } => format!("delete {}", set_name(set)),
    }
}

fn serving(race: &Race) -> String {
    let sets: Vec<_> = race
        .world
        .serving_sets()
        .map(|set| match race.world.set(set) {
            Some(found) if found.scale == Scale::Zero => format!("{} at zero", set_name(set)),
            _ => set_name(set),
        })
        .collect();
    let sets = if sets.is_empty() {
        "no task set".to_owned()
    } else {
        sets.join(" and ")
    };
    format!("behind the production listener: {sets}")
}

fn name(id: Id) -> &'static str {
    ["A", "B", "C"][id]
}

fn set_name(set: SetId) -> String {
    match set.checked_sub(1) {
        None => "the first task set".to_owned(),
        Some(id) => format!("{}'s task set", name(id)),
    }
}
