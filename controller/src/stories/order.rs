//! The words of a story: an operator's command.

use super::words::Words;
use crate::command::{Asked, Command, InForce, Order, Paced, Standing};
use crate::request::pace;

/// `COMMAND STANDING`, and what is in force: `paused`, `promoted`, `approved NUMBER`, `paced PACE`; or `number NUMBER`.
pub(super) fn order(words: &mut Words<'_>) -> Order {
    let asked = |command| Asked {
        command,
        by: "alice".to_owned(),
        at: 1_767_225_600,
    };
    let mut order = Order {
        number: 1,
        asked: asked(command(words)),
        standing: match words.word() {
            "open" => Standing::Open,
            "obeyed" => Standing::Obeyed,
            "refused" => Standing::Refused,
            "stale" => Standing::Stale,
            other => panic!("{other} is no standing of a command"),
        },
        in_force: InForce::default(),
    };
    if order.standing == Standing::Obeyed && order.asked.command == Command::Pause {
        order.in_force.pause = Some(order.asked.clone());
    }
    while let Some(word) = words.next() {
        match word {
            "paused" => order.in_force.pause = Some(asked(Command::Pause)),
            "approved" => order.in_force.approved = words.number(),
            "promoted" => order.in_force.promoted = true,
            "number" => order.number = words.number(),
            "paced" => {
                let Command::Pace(pace) = command(words) else {
                    panic!("no pace");
                };
                order.in_force.paced = Some(Paced { number: 1, pace });
            }
            other => panic!("{other} is nothing that is in force"),
        }
    }
    order
}

/// Its name; `pace` with the fields of `drain` in JSON after it.
fn command(words: &mut Words<'_>) -> Command {
    match words.word() {
        "pace" => {
            let fields = serde_json::from_str(words.word()).unwrap();
            Command::Pace(pace(&fields).unwrap())
        }
        name => Command::parse(name, None).unwrap(),
    }
}
