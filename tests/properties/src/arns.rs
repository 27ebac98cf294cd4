use ebbtide_controller::arn::{Arn, short};
use ebbtide_controller::identity::DeploymentId;
use ebbtide_controller::quote::is_visible;

/// Text that is an ARN is exactly its parts, and what is derived from one is fit for where it goes.
///
/// The input is the text.
pub fn arns(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let name = short(&text);
    assert!(text.contains(name), "{name:?} is no part of {text:?}");
    let Some(arn) = Arn::parse(&text) else {
        assert_eq!(name, text);
        assert_eq!(DeploymentId::of_execution(&text, "2026-01-01"), None);
        return;
    };
    assert!(!name.is_empty(), "{text:?} has no short name");
    is_exactly(&text, &arn);
    if let Some(id) = DeploymentId::of_execution(&text, "2026-01-01T00:00:00Z") {
        assert_eq!(arn.service, "states");
        assert_eq!(id.execution().as_str(), text);
        assert_eq!(*id.home(), arn.home());
        assert!(is_visible(&id.external_id()));
        let tag = id.tag_value();
        assert!(tag.chars().count() <= 256, "{tag}");
        assert!(
            tag.chars()
                .all(|c| c.is_alphanumeric() || "_.:/=+-@ ".contains(c)),
            "{tag}"
        );
    }
}

fn is_exactly(text: &str, arn: &Arn<'_>) {
    let Arn {
        partition,
        service,
        region,
        account,
        resource,
    } = arn;
    let again = format!("arn:{partition}:{service}:{region}:{account}:{resource}");
    assert_eq!(again, text);
    assert!(is_visible(&arn.home().to_string()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "assertion")]
    fn an_arn_that_lost_a_part_is_found() {
        let text = "arn:aws:ecs:us-east-1:555555555555:cluster/main";
        let arn = Arn::parse(text).unwrap();
        is_exactly(
            text,
            &Arn {
                resource: "cluster",
                ..arn
            },
        );
    }
}
