//! What a deployment will do, shown before it is started.

use ebbtide_controller::arn::{Home, short};
use ebbtide_controller::counted::counted;
use ebbtide_controller::preflight::findings::{Finding, Severity};
use ebbtide_controller::refusal::ErrorName;
use ebbtide_controller::request::Request;
use ebbtide_functions::Inspection;
use serde_json::Value;

use crate::application::{self, Wanted};
use crate::aws::Access;
use crate::exit::Error;
use crate::files::Source;
use crate::output::{PLAIN, Styled, clock};
use crate::preflight::{self, Unseen};

/// Checks every service, and with `show` says what will be done; or why it would be refused.
pub(super) async fn refused(
    source: &Source,
    wanted: &Wanted,
    access: &Access,
    show: bool,
) -> Result<Option<String>, Error> {
    let application = match wanted {
        Wanted::OneService(member) => return of_one(source, &member.input, access, show).await,
        Wanted::SeveralServices(application) => application,
    };
    if show {
        application::order_in_words(application).remark(13);
    }
    let mut refused = Vec::new();
    for member in &application.members {
        let why = of_one(source, &member.input, access, show).await?;
        refused.extend(why.map(|why| format!("{}: {why}", member.service())));
    }
    Ok((!refused.is_empty()).then(|| refused.join(" ")))
}

async fn of_one(
    source: &Source,
    event: &Value,
    access: &Access,
    show: bool,
) -> Result<Option<String>, Error> {
    Ok(match preflight::account(access, event).await? {
        Ok((home, request, inspection)) => match lines(source, &home, &request, &inspection) {
            Ok(lines) => {
                if show {
                    for line in lines {
                        Styled::new(PLAIN, &line).remark(13);
                    }
                }
                None
            }
            Err(why) => Some(why),
        },
        Err(Unseen::Input(problems)) => {
            let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
            Some(problems.join(". "))
        }
        Err(Unseen::Credentials(error)) => return Err(error.into()),
        Err(Unseen::Aws(error)) => {
            let hint = preflight::hint(error.name);
            let hint = hint.map_or_else(String::new, |hint| format!(" {hint}"));
            let without = match error.name {
                ErrorName::Permission => " Without these permissions: --no-preflight.",
                _ => "",
            };
            Some(format!("{}: {error}{hint}{without}", error.name))
        }
    })
}

/// What will be done and what preflight warns of, in a few lines; or its refusal.
fn lines(
    source: &Source,
    home: &Home,
    request: &Request,
    inspection: &Inspection,
) -> Result<Vec<String>, String> {
    let preflight = format!("`ebbtide preflight {source}`");
    let (what, plan) = match &inspection.outcome {
        Ok(passed) => passed,
        Err(refusal) => {
            let why = format!(
                "{}: {refusal} All that was found: {preflight}.",
                refusal.error
            );
            return Err(why);
        }
    };
    let Home {
        account, region, ..
    } = home;
    let cluster = short(&request.cluster);
    let place = format!("  where      cluster {cluster}, account {account}, {region}");
    let mut lines = vec![what.clone(), place];
    if let Some(last) = plan.steps.last() {
        let after_the_swap = |at: u32| clock(f64::from(request.bake_time.saturating_add(at)));
        lines.push(format!(
            "  drain      from {} to {} after the swap, in {}",
            after_the_swap(0),
            after_the_swap(last.at),
            counted(plan.steps.len(), "step"),
        ));
    }
    let findings: &[Finding] = &inspection.findings;
    let warnings = findings.iter();
    let warnings = warnings.filter(|finding| finding.severity == Severity::Warning);
    let warnings: Vec<_> = warnings.map(|finding| finding.name.as_str()).collect();
    lines.push(match warnings.as_slice() {
        [] => "  preflight  no errors and no warnings".to_owned(),
        names => format!(
            "  preflight  no errors; warnings: {} ({preflight})",
            names.join(", ")
        ),
    });
    Ok(lines)
}
