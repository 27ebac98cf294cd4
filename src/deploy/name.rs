//! The name of an execution, made from what it deploys: the same deployment has the same name.

use std::fmt::Write;

use ebbtide_controller::arn::short;
use ebbtide_controller::request::Request;
use sha2::{Digest, Sha256};

use crate::application::Wanted;

/// As many characters as a name may have (Docs, Step Functions `StartExecution`).
const LONGEST: usize = 80;
/// Characters of a commit: what Git shows of one is fewer.
const COMMIT: usize = 12;
/// Characters of the hash that a name gets which had to be shortened or changed.
const HASH: usize = 12;
/// What a further execution of the same deployment has behind its name, before a number.
const RETRY: &str = "-retry";

/// The name for what is asked for: cluster, service, task definition with its revision, and the commit where one is
/// known; of several services each, with the revision's number.
pub(super) fn of(wanted: &Wanted, commit: Option<&str>) -> String {
    match wanted {
        Wanted::OneService(member) => of_one(&member.request, commit),
        Wanted::SeveralServices(application) => {
            let members = application.members.iter();
            let requests: Vec<_> = members.map(|member| &member.request).collect();
            of_several(&requests, commit)
        }
    }
}

fn of_one(request: &Request, commit: Option<&str>) -> String {
    let mut whole = format!(
        "{}-{}-{}",
        short(&request.cluster),
        request.service,
        short(&request.task_definition).replace(':', "-")
    );
    if let Some(commit) = commit.filter(|commit| !commit.is_empty()) {
        whole.push('-');
        whole.push_str(shortened(commit));
    }
    fitting(&whole, "")
}

fn of_several(requests: &[&Request], commit: Option<&str>) -> String {
    let cluster = requests.first().map_or("", |first| short(&first.cluster));
    let mut whole = cluster.to_owned();
    for request in requests {
        let revision = short(&request.task_definition);
        let number = revision.rsplit(':').next().unwrap_or_default();
        let _ = write!(whole, "-{}-{number}", request.service);
    }
    if let Some(commit) = commit.filter(|commit| !commit.is_empty()) {
        whole.push('-');
        whole.push_str(shortened(commit));
    }
    fitting(&whole, "")
}

/// The name for the next execution of the same deployment: `NAME-retry1`, `NAME-retry2`, ….
pub(super) fn next(name: &str) -> String {
    let (first, number) = match name.rsplit_once(RETRY) {
        Some((first, number)) => match number.parse::<u32>() {
            Ok(number) => (first, number.saturating_add(1)),
            Err(_) => (name, 1),
        },
        None => (name, 1),
    };
    fitting(first, &format!("{RETRY}{number}"))
}

/// A name as Step Functions takes it, and its logs as well (Docs).
pub(super) fn valid(name: &str) -> Result<String, String> {
    if (1..=LONGEST).contains(&name.len()) && name.chars().all(is_plain) {
        Ok(name.to_owned())
    } else {
        Err(format!(
            "1 to {LONGEST} letters, digits, - and _ are allowed, and it has {}",
            name.chars().count()
        ))
    }
}

fn is_plain(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '-' || letter == '_'
}

/// A commit's id in short; anything else as it is.
fn shortened(commit: &str) -> &str {
    let is_id = commit.len() > COMMIT && commit.chars().all(|c| c.is_ascii_hexdigit());
    if is_id { &commit[..COMMIT] } else { commit }
}

/// The text with `end` behind it, shortened and changed as far as it must be; a hash of the text
/// then keeps it apart from others that would look alike.
fn fitting(whole: &str, end: &str) -> String {
    let room = LONGEST - end.len();
    if whole.len() <= room && whole.chars().all(is_plain) {
        return format!("{whole}{end}");
    }
    let plain = whole
        .chars()
        .map(|letter| if is_plain(letter) { letter } else { '-' });
    let mut name: String = plain.take(room - HASH - 1).collect();
    name.push('-');
    for byte in &Sha256::digest(whole.as_bytes())[..HASH / 2] {
        let _ = write!(name, "{byte:02x}");
    }
    name.push_str(end);
    name
}

#[cfg(test)]
mod tests {
    use ebbtide_controller::arn::Home;
    use serde_json::json;

    use super::*;

    const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

    fn request(cluster: &str, service: &str, task_definition: &str) -> Request {
        let home = Home {
            partition: "aws".to_owned(),
            region: "us-east-1".to_owned(),
            account: "555555555555".to_owned(),
        };
        let event =
            json!({"cluster": cluster, "serviceName": service, "taskDefinition": task_definition});
        Request::parse(&event, &home).unwrap()
    }

    #[test]
    fn a_name_says_what_is_deployed_and_from_which_commit() {
        let chat = request("main", "chat", "chat:2");
        assert_eq!(of_one(&chat, None), "main-chat-chat-2");
        assert_eq!(of_one(&chat, Some("")), "main-chat-chat-2");
        assert_eq!(of_one(&chat, Some(SHA)), "main-chat-chat-2-0123456789ab");
        assert_eq!(of_one(&chat, Some("v1_2")), "main-chat-chat-2-v1_2");
        let both = [&chat, &request("main", "db", "postgres:7")];
        assert_eq!(of_several(&both, Some("v1_2")), "main-chat-2-db-7-v1_2");
    }

    #[test]
    fn an_arn_and_a_name_of_the_same_give_the_same() {
        let by_arn = request(
            "arn:aws:ecs:us-east-1:555555555555:cluster/main",
            "chat",
            "arn:aws:ecs:us-east-1:555555555555:task-definition/chat:2",
        );
        assert_eq!(of_one(&by_arn, None), "main-chat-chat-2");
    }

    #[test]
    fn every_name_is_one_that_step_functions_takes() {
        let long = "a".repeat(200);
        for (service, commit) in [
            ("chat", None),
            (long.as_str(), None),
            (long.as_str(), Some(SHA)),
            ("chat", Some("feature/ä b")),
            ("chat", Some(long.as_str())),
        ] {
            let mut name = of_one(&request("main", service, "chat:2"), commit);
            for _ in 0..12 {
                assert_eq!(valid(&name).as_ref(), Ok(&name));
                name = next(&name);
            }
        }
    }

    #[test]
    fn names_that_are_shortened_stay_apart() {
        let long = "a".repeat(200);
        let one = of_one(&request("main", &long, "chat:2"), None);
        let two = of_one(&request("main", &long, "chat:3"), None);
        assert_ne!(one, two);
        assert_eq!(one.len(), LONGEST);
        let chat = request("main", "chat", "chat:2");
        assert_ne!(of_one(&chat, Some("a/b")), of_one(&chat, Some("a-b")));
        let full = "b".repeat(LONGEST);
        assert_ne!(next(&full), next(&format!("{}c", &full[1..])));
    }

    #[test]
    fn a_retry_is_counted_and_a_revision_is_not() {
        assert_eq!(next("main-chat-chat-2"), "main-chat-chat-2-retry1");
        assert_eq!(next("main-chat-chat-2-retry9"), "main-chat-chat-2-retry10");
        assert_eq!(
            next("main-chat-retry-chat-2"),
            "main-chat-retry-chat-2-retry1"
        );
    }

    #[test]
    fn a_name_of_ones_own_is_held_to_the_same() {
        assert!(valid("my-deployment_7").is_ok());
        for bad in ["", "a b", "a:b", "ä"] {
            assert!(valid(bad).is_err(), "{bad}");
        }
        assert!(valid(&"a".repeat(81)).is_err());
    }
}
