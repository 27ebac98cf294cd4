//! Decisions as stories, in `controller/stories`: what is seen, and below it what is decided.
//!
//! A story is a sentence and its steps. A step is a line of changes of what is seen, separated by
//! semicolons (`stories/scene.rs` and `order.rs` have the words), and the lines that begin with `>` are what is decided
//! then: the next state, its reason and all that changes in the state of the execution; or the writes by
//! stage; or a refusal and its fix. A step goes on from what the step before saw, unless it begins with a
//! scene, and `go on` goes on from the state that was answered there. `NAME: CHANGES` before the first
//! story is a name for changes that many stories of the file begin with.
//!
//! `WRITE_STORIES=1 cargo test -p controller stories` writes the decisions anew; read the difference
//! before it is committed.

mod order;
mod registry;
mod scene;
mod told;
mod words;

use std::collections::BTreeMap;
use std::path::Path;
use std::{env, fs};

use crate::{cleanup, create, finish_swap, leftovers, ready, rollback, scale_down, swap};
use scene::Seen;
use told::Told;

type Decide = fn(&Seen) -> Told;

/// The files, and what decides in the stories of each.
const FILES: [(&str, Decide); 20] = [
    ("checks", told::turn),
    ("cleanup", |seen| told::next(seen, cleanup::next)),
    ("command", told::turn),
    ("create", |seen| {
        told::next(seen, |world, plan, _| create::next(world, plan))
    }),
    ("findings", told::findings),
    ("finish-swap", |seen| told::next(seen, finish_swap::next)),
    ("groups", told::groups),
    ("hooks", told::turn),
    ("leftovers", |seen| told::next(seen, leftovers::next)),
    ("preflight", told::preflight),
    ("ready", |seen| told::next(seen, ready::next)),
    ("registry", told::turn),
    ("registry-findings", told::findings),
    ("rollback", |seen| told::next(seen, rollback::next)),
    ("routing", told::routing),
    ("scale-down", |seen| told::next(seen, scale_down::next)),
    ("shift", told::turn),
    ("swap", |seen| told::next(seen, swap::next)),
    ("turn", told::turn),
    ("window", told::turn),
];

/// Changes with those that have a name written out.
fn in_full(changes: &str, named: &BTreeMap<&str, String>) -> String {
    let clauses = changes.split("; ");
    let clauses = clauses.map(|clause| named.get(clause).map_or(clause, String::as_str));
    clauses.collect::<Vec<_>>().join("; ")
}

/// The stories of a file, with what is decided now.
fn retold(stories: &str, decide: Decide) -> String {
    let mut retold = String::new();
    let mut scenes = BTreeMap::new();
    let mut before: Option<(Seen, Told)> = None;
    let mut in_story = false;
    for line in stories.lines().filter(|line| !line.starts_with('>')) {
        retold += line;
        retold.push('\n');
        if line.is_empty() {
            (before, in_story) = (None, false);
        } else if let Some((name, changes)) = line.split_once(": ")
            && !in_story
            && !name.contains(' ')
        {
            scenes.insert(name, in_full(changes, &scenes));
        } else if in_story {
            let seen = Seen::after(before, &in_full(line, &scenes));
            let told = decide(&seen);
            for line in &told.lines {
                retold.extend(["> ", line, "\n"]);
            }
            before = Some((seen, told));
        } else {
            // Its sentence.
            in_story = true;
        }
    }
    retold
}

#[test]
fn every_decision_is_as_its_story_has_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("stories");
    let (mut differing, mut count) = (Vec::new(), 0);
    for (name, decide) in FILES {
        let file = folder.join(name).with_extension("txt");
        let retold = retold(&fs::read_to_string(&file).unwrap(), decide);
        if env::var_os("WRITE_STORIES").is_some() {
            fs::write(&file, &retold).unwrap();
        }
        let wanted = fs::read_to_string(&file).unwrap();
        let stories = wanted.split("\n\n").zip(retold.split("\n\n"));
        count += stories.clone().count();
        let different = stories.filter(|(wanted, told)| wanted != told);
        differing.extend(different.map(|(wanted, told)| format!("{wanted}\nis not\n{told}")));
    }
    println!("{count} stories");
    assert!(count > 250, "{count} stories");
    let files = fs::read_dir(folder).unwrap();
    assert_eq!(files.count(), FILES.len(), "a file for each, and no other");
    assert!(differing.is_empty(), "{}", differing.join("\n\n"));
}
