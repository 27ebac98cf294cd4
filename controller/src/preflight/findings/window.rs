//! Findings about quiet hours: a drain that one opening of the window is too short for.

use super::{Finding, FindingName, Scene};
use crate::preflight::times;
use crate::window::shown;

pub(super) fn findings(scene: &Scene<'_>) -> Option<Finding> {
    let request = scene.request;
    let window = request.window.as_ref()?;
    let times = times(
        request,
        scene.world,
        scene.original,
        &scene.pace,
        scene.deregistration,
    )?;
    let (_, last) = times.steps?;
    let closes = window.closes(times.swap).filter(|closes| *closes < last)?;
    let [swap, closes, last] = [times.swap, closes, last].map(|at| shown(at, Some(window)));
    Some(Finding::info(
        FindingName::Window,
        &format!(
            "Traffic moves at {swap} at the earliest, the window closes at {closes}, and the last step of the drain comes at {last}."
        ),
        "While the window is closed, both versions run, and the tasks of both cost.",
        "Nothing, if that is meant. Otherwise drain faster, or widen the window.",
    ))
}
