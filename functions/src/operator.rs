//! An operator's side of the lock: commands are written into the lock's item, and answered there.
//!
//! What may be asked, and what an answer means, is decided in `controller::command`.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use ebbtide_controller::command::{
    self, Answered, Asked, Command, InForce, Meant, NotGiven, Paced, Panel, Reply,
};
use ebbtide_controller::drain::pace::Pace;
use ebbtide_controller::lock::Item;
use ebbtide_controller::request;

use crate::clients::Clients;
use crate::error::StepError;
use crate::lock::{READS, attributes, item, number, text};

/// Gives a command to the deployment of a service, or to one execution where that is named; `id` is
/// `CLUSTER/SERVICE`.
///
/// The panel as it was read is the condition: it holds owner, fence and the last command's number. An
/// operator's policy allows this attribute alone, in conditions as well (`dynamodb:Attributes`), which is
/// why owner and fence are asked for there and not where the lock has them.
pub async fn give(
    clients: &Clients,
    id: &str,
    mut meant: Meant,
    asked: &Asked,
) -> Result<Result<Panel, NotGiven>, StepError> {
    let mut tried = None;
    for _ in 0..READS {
        let seen = attributes(clients, id).await?.unwrap_or_default();
        let read = item(&seen);
        // The SDK's second attempt is refused where the first one was carried out.
        if let Some(panel) = tried.filter(|tried| read.panel.as_ref() == Some(tried)) {
            return Ok(Ok(panel));
        }
        let panel = match command::give(Some(&read), &meant, asked.clone()) {
            Ok(panel) => panel,
            Err(not_given) => return Ok(Err(not_given)),
        };
        meant.fence = Some(panel.fence);
        let call = clients
            .dynamodb
            .update_item()
            .table_name(&clients.lock_table)
            .key("id", text(id))
            .update_expression("SET #command = :command")
            .condition_expression("#command = :seen")
            .expression_attribute_names("#command", "command")
            .expression_attribute_values(":command", value_of(&panel))
            .expression_attribute_values(":seen", seen["command"].clone());
        let Err(error) = call.send().await else {
            return Ok(Ok(panel));
        };
        let failed = error.as_service_error();
        if !failed.is_some_and(UpdateItemError::is_conditional_check_failed_exception) {
            return Err(StepError::of_call("dynamodb:UpdateItem", &error));
        }
        tried = Some(panel);
    }
    Err(StepError::not_yet_consistent(format!(
        "Other commands for {id} came first {READS} times in a row."
    )))
}

/// The result of a command.
pub async fn reply(clients: &Clients, id: &str, panel: &Panel) -> Result<Reply, StepError> {
    let seen = attributes(clients, id).await?.unwrap_or_default();
    Ok(command::reply(&item(&seen), panel))
}

/// The item of a service's lock, as it is now.
pub async fn look(clients: &Clients, id: &str) -> Result<Item, StepError> {
    Ok(item(&attributes(clients, id).await?.unwrap_or_default()))
}

/// A panel as the table has it.
pub(crate) fn value_of(panel: &Panel) -> AttributeValue {
    let mut map = HashMap::from([
        ("owner".to_owned(), text(panel.execution.as_str())),
        ("fence".to_owned(), number(panel.fence)),
        ("number".to_owned(), number(panel.number)),
    ]);
    map.extend(panel.asked.iter().flat_map(fields_of));
    AttributeValue::M(map)
}

/// A command's fields in a map.
fn fields_of(asked: &Asked) -> Vec<(String, AttributeValue)> {
    let Asked { command, by, at } = asked;
    let mut fields = vec![
        ("asked".to_owned(), text(command.as_str())),
        ("by".to_owned(), text(by)),
        ("at".to_owned(), number(*at)),
    ];
    if let Command::Pace(pace) = command {
        fields.push(("pace".to_owned(), text(pace.to_json().to_string())));
    }
    fields
}

/// The command of a map; `None` where it has none.
fn asked(map: &HashMap<String, AttributeValue>) -> Option<Asked> {
    let string = |name: &str| map.get(name)?.as_s().ok();
    Some(Asked {
        command: Command::parse(string("asked")?, pace(map))?,
        by: string("by")?.clone(),
        at: map.get("at")?.as_n().ok()?.parse().ok()?,
    })
}

/// The pace of a map: fields of `drain` in JSON.
fn pace(map: &HashMap<String, AttributeValue>) -> Option<Pace> {
    let fields = map.get("pace")?.as_s().ok()?;
    request::pace(&serde_json::from_str(fields).ok()?).ok()
}

/// A panel from the table; `None` where it is of another form.
pub(crate) fn panel(value: &AttributeValue) -> Option<Panel> {
    let map = value.as_m().ok()?;
    let string = |name: &str| map.get(name)?.as_s().ok();
    let count = |name: &str| map.get(name)?.as_n().ok()?.parse().ok();
    Some(Panel {
        execution: string("owner")?.as_str().into(),
        fence: count("fence")?,
        number: count("number")?,
        asked: asked(map),
    })
}

/// What a function has said to a command, as the table has it.
pub(crate) fn value_of_answer(answered: &Answered) -> AttributeValue {
    let mut map = HashMap::from([("number".to_owned(), number(answered.number))]);
    if let Some(refused) = &answered.refused {
        map.insert("refused".to_owned(), text(refused));
    }
    let InForce {
        pause,
        approved,
        promoted,
        paced,
    } = &answered.in_force;
    map.extend(pause.iter().flat_map(fields_of));
    if *approved > 0 {
        map.insert("approved".to_owned(), number(*approved));
    }
    if *promoted {
        map.insert("promoted".to_owned(), AttributeValue::Bool(true));
    }
    if let Some(Paced { number: of, pace }) = paced {
        map.insert("paced".to_owned(), number(*of));
        map.insert("pace".to_owned(), text(pace.to_json().to_string()));
    }
    AttributeValue::M(map)
}

/// The same from the table.
pub(crate) fn answered(value: &AttributeValue) -> Option<Answered> {
    let map = value.as_m().ok()?;
    let count = |name: &str| map.get(name)?.as_n().ok()?.parse().ok();
    Some(Answered {
        number: count("number")?,
        refused: map
            .get("refused")
            .and_then(|text| text.as_s().ok().cloned()),
        in_force: InForce {
            pause: asked(map),
            approved: count("approved").unwrap_or(0),
            promoted: matches!(map.get("promoted"), Some(AttributeValue::Bool(true))),
            paced: count("paced")
                .zip(pace(map))
                .map(|(number, pace)| Paced { number, pace }),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panel_survives_the_table_and_other_values_are_not_read() {
        let asked = Asked {
            command: Command::Pause,
            by: "alice".into(),
            at: 1_767_225_600,
        };
        let of = |asked| Panel {
            execution: "run-1".into(),
            fence: 7,
            number: 2,
            asked,
        };
        let pace = Pace::Within { seconds: 600 };
        let paces = Asked {
            command: Command::Pace(pace.clone()),
            ..asked.clone()
        };
        for wanted in [of(None), of(Some(asked.clone())), of(Some(paces))] {
            assert_eq!(panel(&value_of(&wanted)), Some(wanted));
        }
        let paused = || InForce {
            pause: Some(asked.clone()),
            ..InForce::default()
        };
        let all = InForce {
            approved: 5,
            promoted: true,
            paced: Some(Paced { number: 2, pace }),
            ..paused()
        };
        for (refused, in_force) in [
            (None, InForce::default()),
            (None, paused()),
            (Some("too late".to_owned()), paused()),
            (None, all),
        ] {
            let wanted = Answered {
                number: 3,
                refused,
                in_force,
            };
            assert_eq!(answered(&value_of_answer(&wanted)), Some(wanted));
        }
        for other in [text("pause"), AttributeValue::M(HashMap::new())] {
            assert_eq!(panel(&other), None);
            assert_eq!(answered(&other), None);
        }
    }
}
