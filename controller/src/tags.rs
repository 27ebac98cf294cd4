//! Tags of a replacement: the original's, and those of the input.

use std::collections::BTreeMap;

use crate::fix::Fix;
use crate::refusal::Refusal;
use crate::request::Request;
use crate::world::TaskSet;

/// Tags that ECS takes a resource (AWS documentation).
const MOST: usize = 50;

/// The tags of the replacement: those of the original that are not AWS's own, and over them those of the
/// input. Refuses more than ECS takes.
pub(crate) fn tags(
    request: &Request,
    original: Option<&TaskSet>,
) -> Result<BTreeMap<String, String>, Refusal> {
    let mut tags = original.map(|set| set.tags.clone()).unwrap_or_default();
    tags.retain(|key, _| !is_of_aws(key));
    tags.extend(request.tags.clone());
    if tags.len() <= MOST {
        return Ok(tags);
    }
    Err(Refusal::preflight(
        format!(
            "tags: with those of the original, the replacement would have {} tags, and ECS allows {MOST}.",
            tags.len()
        ),
        Fix::run(
            "Remove some from tags, or from the original",
            [untag(request, original, "KEY")],
        ),
    ))
}

/// The command that takes a tag from the original.
pub(crate) fn untag(request: &Request, original: Option<&TaskSet>, key: &str) -> String {
    let id = original.map_or("TASK_SET", |set| &*set.id);
    let (cluster, service) = (&request.cluster, &request.service);
    let arn = format!(
        "aws ecs describe-task-sets --cluster {cluster} --service {service} --task-sets {id} --query \
         'taskSets[0].taskSetArn' --output text"
    );
    format!("aws ecs untag-resource --resource-arn \"$({arn})\" --tag-keys '{key}'")
}

/// Tags that AWS alone can set.
pub(crate) fn is_of_aws(key: &str) -> bool {
    key.get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case("aws:"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Scene;

    #[test]
    fn the_inputs_tags_are_laid_over_the_originals_and_awss_own_are_left_out() {
        let mut scene = Scene::serving();
        let of = |tags: &[(&str, &str)]| -> BTreeMap<String, String> {
            let tags = tags.iter();
            tags.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect()
        };
        let stack = ("aws:cloudformation:stack-name", "chat");
        scene.task_set_mut("ecs-svc/1").tags = of(&[stack, ("CostCenter", "4711"), ("team", "rt")]);
        scene.request.tags = of(&[("team", "edge"), ("stage", "prod")]);
        let original = scene.world.task_sets.first();
        let wanted = of(&[("CostCenter", "4711"), ("team", "edge"), ("stage", "prod")]);
        assert_eq!(tags(&scene.request, original), Ok(wanted));
        assert_eq!(tags(&scene.request, None), Ok(scene.request.tags.clone()));
        let many: Vec<_> = (0..50)
            .map(|number| (format!("key-{number}"), String::new()))
            .collect();
        scene.request.tags.extend(many);
        assert!(tags(&scene.request, None).is_err());
    }
}
