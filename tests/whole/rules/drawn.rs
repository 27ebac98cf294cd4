//! Load balancers that are drawn: any listeners, rules, actions and conditions.

use std::time::Duration;

use ebbtide_simulator::Scenario;
use ebbtide_simulator::scenario::{ListenerRole, RuleScenario};
use ebbtide_simulator::world::{Action, Secret, World};
use fastrand::Rng;
use serde_json::{Value, json};

use super::{assert_all_moved, created, event, listener, made, on_an_alb, preview, unmoved};
use crate::support::{deploy, installed};

/// Where a rule's requests are authenticated; AWS returns it never.
const SECRET: &str = "planted-client-secret";

/// Actions before a forward, or in the place of one.
pub(super) fn actions(
    random: &mut Rng,
    forwards: bool,
    authenticating: bool,
    only: Option<&str>,
) -> Vec<Value> {
    let oidc = json!({"Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": {
        "Issuer": "https://idp", "AuthorizationEndpoint": "https://idp/a", "TokenEndpoint": "https://idp/t",
        "UserInfoEndpoint": "https://idp/u", "ClientId": "chat", "ClientSecret": SECRET,
    }});
    let cognito = json!({"Type": "authenticate-cognito", "Order": 1, "AuthenticateCognitoConfig": {
        "UserPoolArn": "arn:aws:cognito-idp:us-east-1:555555555555:userpool/us-east-1_a", "UserPoolClientId": "chat",
        "UserPoolDomain": "chat",
    }});
    let jwt = json!({"Type": "jwt-validation", "Order": 1, "JwtValidationConfig": {
        "JwksEndpoint": "https://idp/keys", "Issuer": "https://idp",
    }});
    let fixed = json!({"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503", "ContentType": "text/plain"}});
    let redirect = json!({"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_301", "Host": "example.com"}});
    if let Some(kind) = only {
        let all = [oidc, cognito, jwt].into_iter();
        return all.filter(|action| action["Type"] == kind).collect();
    }
    if forwards && !authenticating {
        return Vec::new();
    }
    if forwards {
        let before = [None, Some(oidc), Some(cognito), Some(jwt)];
        return before[random.usize(..4)].clone().into_iter().collect();
    }
    vec![if random.bool() { fixed } else { redirect }]
}

/// A condition of any field.
fn condition(random: &mut Rng, number: u32) -> Value {
    [
        json!({"Field": "path-pattern", "Values": [format!("/{number}/*")]}),
        json!({"Field": "host-header", "HostHeaderConfig": {"Values": [format!("h{number}.example.com"), "*.example.org"]}}),
        json!({"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "x-n", "Values": [number.to_string()]}}),
        json!({"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["GET", "HEAD"]}}),
        json!({"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "n", "Value": number.to_string()}]}}),
        json!({"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.0/8"]}}),
    ][random.usize(..6)]
    .clone()
}

/// One to three listeners and two to ninety rules of all kinds, of which at least one is production and one is for tests.
fn drawn(seed: u64, authenticating: bool) -> Scenario {
    use ListenerRole::{Other, Production, Test};
    let mut random = Rng::with_seed(seed);
    let ports = [443, 8443, 9443];
    let mut listeners: Vec<_> = ports[..random.usize(1..=3)]
        .iter()
        .map(|port| {
            listener(
                *port,
                if random.bool() { Production } else { Other },
                Vec::new(),
            )
        })
        .collect();
    let most = [2, 5, 90][random.usize(..3)];
    for number in 1..=random.u32(2..=most) {
        let role = match number {
            1 => Production,
            2 => Test,
            _ => [Production, Test, Other, Other][random.usize(..4)],
        };
        let more = actions(&mut random, role != Other, authenticating, None);
        let at = random.usize(..listeners.len());
        listeners[at].rules.push(RuleScenario {
            priority: number * 10 + random.u32(..9),
            conditions: vec![serde_json::from_value(condition(&mut random, number)).unwrap()],
            role,
            actions: more
                .into_iter()
                .map(|one| serde_json::from_value(one).unwrap())
                .collect(),
            stickiness_seconds: (role != Other && random.u8(..4) == 0).then_some(60),
            tags: [("team".to_owned(), number.to_string())].into(),
        });
    }
    on_an_alb(listeners)
}

/// The digests of all client secrets, in order.
fn secrets(world: &World) -> Vec<Secret> {
    let rules = world
        .listeners()
        .flat_map(|listener| listener.rules.values());
    let actions = rules.flat_map(|rule| &rule.actions);
    let secrets = actions.filter_map(|action| match action {
        Action::Answer { secret, .. } => secret.clone(),
        Action::Forward(_) => None,
    });
    secrets.collect()
}

#[tokio::test(start_paused = true)]
async fn whatever_rules_there_are_a_deployment_changes_weights_alone() {
    let mut planted = 0;
    for seed in 0..24 {
        // Rules that authenticate have none for tests beside them.
        let tested = seed % 2 == 0;
        let scenario = drawn(seed, !tested);
        let healthy = made(&scenario);
        let sick = made(&Scenario {
            replacement: ebbtide_simulator::world::Behaviour {
                never_healthy: true,
                ..scenario.replacement.clone()
            },
            ..scenario.clone()
        });
        let more = if tested { preview() } else { json!({}) };
        let event = event(&healthy, &more);
        let (before, known) = (unmoved(&healthy), secrets(&healthy));
        assert!(known.iter().all(|secret| *secret == Secret::of(SECRET)));
        planted += known.len();

        let deployed = deploy(healthy.clone(), "run-1", &event).await;
        assert_eq!(
            deployed.output()["status"],
            "deployed",
            "{seed}: {}",
            deployed.text()
        );
        let failed = deploy(sick, "run-1", &event).await;
        assert_eq!(
            failed.failure().0,
            "ReplacementFailed",
            "{seed}: {}",
            failed.text()
        );

        let (aws, installation) = installed(healthy);
        let stop = tokio::time::sleep(Duration::from_secs(60 + 37 * seed));
        installation
            .deploy_until("run-1", event.clone(), 1, &mut |_| {}, stop)
            .await;
        let taken_over = installation.deploy("run-2", event, 1, &mut |_| {}).await;
        assert!(taken_over.status.is_success(), "{seed}: {taken_over:?}");

        for (how, world) in [
            ("deployed", &deployed.world),
            ("rolled back", &failed.world),
            ("taken over", &aws.snapshot()),
        ] {
            assert_eq!(unmoved(world), before, "{seed}: {how}");
            assert_eq!(created(world), [], "{seed}: {how}");
            assert_eq!(secrets(world), known, "{seed}: {how}");
        }
        assert_all_moved(&deployed.world);
        let said = [
            deployed.text(),
            deployed.reasons.join(" "),
            failed.text(),
            failed.reasons.join(" "),
        ];
        assert!(!said.iter().any(|text| text.contains(SECRET)), "{seed}");
    }
    assert!(planted > 10, "{planted}");
}
