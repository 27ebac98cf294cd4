//! Judges every call of a simulated run by the policies of the shipped template. What a call needs is derived here from
//! the service authorization reference (`access.rs`); whether policies allow it is decided by `iam-rs`, which others wrote.

mod access;
mod template;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use ebbtide_simulator::SimulatedAws;
use ebbtide_simulator::aws::Attempt;
use iam_rs::{
    Arn, Context, ContextValue, Decision, EvaluationOptions, IAMEffect, IAMPolicy, IAMRequest,
    PolicyEvaluator, Principal, PrincipalId,
};
use serde_json::{Value, json};

use access::{Access, Call, MULTIVALUED, accesses};
use template::Home;
pub use template::Parameters;

const TEMPLATE: &str = include_str!("../../../template.yaml");

/// By whose policies a caller is judged: the functions have roles, operators a policy that they attach.
pub const CALLERS: [(&str, &str); 4] = [
    ("check-and-create", "CheckAndCreateRole"),
    ("swap", "SwapRole"),
    ("scale-down", "ScaleDownRole"),
    ("operator", "OperatorPolicy"),
];

/// A caller, the statement that allows it something (`TurnPolicy/DescribeService`), and the action.
pub type Permission = (String, String, String);

/// What a role may do.
struct Role {
    evaluator: PolicyEvaluator,
    /// The actions of each statement that allows some, by its name.
    allows: BTreeMap<String, BTreeSet<String>>,
}

/// The policies of the template, for the parameters of an installation.
pub struct Policies {
    roles: BTreeMap<&'static str, Role>,
    /// What was decided before: runs ask the same again and again.
    decided: Mutex<BTreeMap<(String, Access), Verdict>>,
    used: Mutex<BTreeSet<Permission>>,
    /// The fingerprints of requests that are allowed in every world: most of a run's.
    known: Mutex<HashSet<u64>>,
}

/// The statements that allow it; the reason if there are none.
type Verdict = Result<Vec<String>, &'static str>;

/// The policies of installations whose parameters are all empty, by region and account.
static SHIPPED: LazyLock<Mutex<BTreeMap<Home, Arc<Policies>>>> = LazyLock::new(Mutex::default);

/// What policies decide about the calls of one simulated AWS. When the last of its clones is gone and a call was
/// denied, it panics: the run has failed, whatever its functions made of the refusal.
pub struct Judge {
    policies: Arc<Policies>,
    denied: Mutex<Vec<String>>,
}

/// Has the shipped policies judge all calls of functions and operators.
#[must_use]
pub fn judged(aws: SimulatedAws) -> SimulatedAws {
    let home = aws.with_world(|world| (world.region.clone(), world.account.clone()));
    let mut shipped = lock(&SHIPPED);
    let policies = shipped
        .entry(home)
        .or_insert_with_key(|home| Arc::new(Policies::of(home, &Parameters::new(), |_, _| true)));
    judge(&aws, policies);
    drop(shipped);
    aws
}

/// Has policies judge all calls of functions and operators.
pub fn judge(aws: &SimulatedAws, policies: &Arc<Policies>) -> Arc<Judge> {
    let judge = Arc::new(Judge {
        policies: Arc::clone(policies),
        denied: Mutex::default(),
    });
    let judging = Arc::clone(&judge);
    aws.authorize(move |attempt| judging.allows(attempt));
    judge
}

impl Policies {
    /// The shipped ones, in the account that simulated worlds have.
    pub fn new(parameters: &Parameters) -> Self {
        Self::changed(parameters, |_, _| true)
    }

    /// Without the actions of statements (`TurnPolicy/DescribeService`) that are not to be kept: to see that one that
    /// is missing is noticed.
    pub fn changed(parameters: &Parameters, keep: impl Fn(&str, &str) -> bool) -> Self {
        let home = ("us-east-1".to_owned(), "555555555555".to_owned());
        Self::of(&home, parameters, keep)
    }

    fn of(home: &Home, parameters: &Parameters, keep: impl Fn(&str, &str) -> bool) -> Self {
        let roles = CALLERS.map(|(caller, role)| {
            let statements = template::statements(TEMPLATE, role, parameters, home);
            (caller, Role::of(statements, &keep))
        });
        Self {
            roles: roles.into(),
            decided: Mutex::default(),
            used: Mutex::default(),
            known: Mutex::default(),
        }
    }

    /// All that the policies allow.
    pub fn allowed(&self) -> BTreeSet<Permission> {
        let mut all = BTreeSet::new();
        for (caller, role) in &self.roles {
            for (statement, actions) in &role.allows {
                let each = actions.iter();
                all.extend(
                    each.map(|action| ((*caller).to_owned(), statement.clone(), action.clone())),
                );
            }
        }
        all
    }

    /// What has been needed by the calls so far.
    pub fn used(&self) -> BTreeSet<Permission> {
        lock(&self.used).clone()
    }

    fn decide(&self, caller: &str, access: Access) -> Verdict {
        let role = &self.roles[caller];
        let mut decided = lock(&self.decided);
        let key = (caller.to_owned(), access);
        if let Some(verdict) = decided.get(&key) {
            return verdict.clone();
        }
        let verdict = role.decide(&key.1);
        if let Ok(statements) = &verdict {
            let action = &key.1.action;
            let used = statements.iter();
            let used = used.map(|one| (caller.to_owned(), one.clone(), action.clone()));
            lock(&self.used).extend(used);
        }
        decided.insert(key, verdict.clone());
        verdict
    }
}

impl Role {
    fn of(statements: Vec<(String, Value)>, keep: &impl Fn(&str, &str) -> bool) -> Self {
        let mut allows = BTreeMap::new();
        let mut kept = Vec::new();
        for (owner, mut statement) in statements {
            let name = format!("{owner}/{}", statement["Sid"].as_str().unwrap());
            let listed = statement["Action"].as_array().unwrap().iter();
            let actions: BTreeSet<_> = listed
                .map(|action| action.as_str().unwrap().to_owned())
                .collect();
            let actions: BTreeSet<_> = actions
                .into_iter()
                .filter(|action| keep(&name, action))
                .collect();
            if actions.is_empty() {
                continue;
            }
            statement["Sid"] = name.clone().into();
            statement["Action"] = actions.iter().cloned().collect();
            if statement["Effect"] == "Allow" {
                let before = allows.insert(name, actions);
                assert!(before.is_none(), "two statements of one name");
            }
            kept.push(statement);
        }
        let policy = json!({"Version": "2012-10-17", "Statement": kept});
        let policy: IAMPolicy = serde_json::from_value(policy).unwrap();
        let options = EvaluationOptions {
            collect_match_details: true,
            stop_on_explicit_deny: false,
            ..EvaluationOptions::default()
        };
        let evaluator = PolicyEvaluator::with_policies(vec![policy]);
        Self {
            evaluator: evaluator.with_options(options),
            allows,
        }
    }

    fn decide(&self, access: &Access) -> Verdict {
        let result = self.evaluator.evaluate(&request(access)).unwrap();
        let holding = result.statement_details.into_iter();
        let holding =
            holding.filter(|one| one.conditions_satisfied && one.effect == IAMEffect::Allow);
        match result.decision {
            Decision::Allow => Ok(holding.filter_map(|one| one.sid).collect()),
            Decision::Deny => Err("explicitly denied"),
            Decision::NotApplicable => Err("not allowed"),
        }
    }
}

fn request(access: &Access) -> IAMRequest {
    let mut context = Context::new();
    for (key, values) in &access.keys {
        let value = if MULTIVALUED.contains(&key.as_str()) {
            ContextValue::StringList(values.clone())
        } else {
            ContextValue::String(values.concat())
        };
        context.insert(key.clone(), value);
    }
    // What has no resource is allowed by `*` alone: no pattern of an ARN in a policy fits this one.
    let none = "arn:none:none:::none";
    let resource = Arn::parse(access.resource.as_deref().unwrap_or(none)).unwrap();
    // Policies of roles have no principals.
    let role = "arn:aws:iam::555555555555:role/any".to_owned();
    let principal = Principal::Aws(PrincipalId::String(role));
    IAMRequest::new_with_context(principal, access.action.clone(), resource, context)
}

impl Judge {
    /// What was denied so far; it is forgiven, since it was expected.
    pub fn take_denied(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.denied))
    }

    fn allows(&self, attempt: &Attempt<'_>) -> bool {
        // The caller is the function and the execution.
        let caller = attempt.caller.split(' ').next().unwrap_or_default();
        if !self.policies.roles.contains_key(caller) {
            return true;
        }
        let fingerprint = fingerprint(caller, attempt);
        if lock(&self.policies.known).contains(&fingerprint) {
            return true;
        }
        let call = Call::of(attempt);
        let mut allowed = true;
        for access in accesses(&call) {
            if let Err(why) = self.policies.decide(caller, access.clone()) {
                allowed = false;
                if call.is_of_a_rule_that_is_gone() {
                    continue;
                }
                let Access {
                    action,
                    resource,
                    keys,
                } = access;
                let on = resource.as_deref().unwrap_or("no resource");
                let denied = format!("{caller}: {action} on {on} with {keys:?} is {why}");
                lock(&self.denied).push(denied);
            }
        }
        if allowed && call.repeats() {
            lock(&self.policies.known).insert(fingerprint);
        }
        allowed
    }
}

fn fingerprint(caller: &str, attempt: &Attempt<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    caller.hash(&mut hasher);
    attempt
        .request
        .headers()
        .get("x-amz-target")
        .hash(&mut hasher);
    attempt.request.uri().path().hash(&mut hasher);
    attempt.request.body().hash(&mut hasher);
    hasher.finish()
}

impl Drop for Judge {
    fn drop(&mut self) {
        let denied = self.take_denied();
        assert!(
            denied.is_empty() || std::thread::panicking(),
            "calls outside the policies of template.yaml:\n{}",
            denied.join("\n")
        );
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
