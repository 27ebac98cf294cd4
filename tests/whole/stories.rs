//! Whole stories as files. `stories/NAME.input.json` is deployed into the world of `NAME.scenario.json`,
//! where there is one, and after it `NAME.second.json`, where there is one. `NAME.txt` holds what
//! `ebbtide simulate` must print, and its exit status.
//!
//! `WRITE_STORIES=1 cargo test --test whole stories` rewrites the expected files; read their
//! difference before it is committed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/whole/stories")
}

/// The story of a file, and what the file is in it.
fn parts(file: &str) -> (&str, &str) {
    file.split_once('.').unwrap()
}

/// What the command prints, and how it ends.
fn printed(story: &str, files: &BTreeSet<String>) -> String {
    let of_story = |what: &str| Some(format!("{story}.{what}")).filter(|file| files.contains(file));
    let mut command = Command::new(env!("CARGO_BIN_EXE_ebbtide"));
    command.current_dir(folder()).arg("simulate");
    let inputs = ["input.json", "second.json"].into_iter();
    command.args(inputs.filter_map(of_story));
    if let Some(scenario) = of_story("scenario.json") {
        command.args(["--scenario", &scenario]);
    }
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let status = output.status.code().unwrap();
    format!("{}exit status {status}\n", String::from_utf8(text).unwrap())
}

/// The lines that differ, between those that two texts begin and end with in common.
fn difference(wanted: &str, seen: &str) -> String {
    let mut wanted: Vec<_> = wanted.lines().collect();
    let mut seen: Vec<_> = seen.lines().collect();
    let same = wanted.iter().zip(&seen).take_while(|(a, b)| a == b).count();
    wanted.drain(..same);
    seen.drain(..same);
    while wanted.last().is_some_and(|last| seen.last() == Some(last)) {
        wanted.pop();
        seen.pop();
    }
    let wanted = wanted.iter().map(|line| format!("-{line}\n"));
    let seen = seen.iter().map(|line| format!("+{line}\n"));
    wanted.chain(seen).collect()
}

#[test]
fn every_story_prints_what_its_file_holds() {
    let files = fs::read_dir(folder()).unwrap();
    let files: BTreeSet<_> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    let stories: BTreeSet<_> = files.iter().map(|file| parts(file).0).collect();
    assert!(stories.len() > 10, "{stories:?}");
    let mut differing = Vec::new();
    for story in stories {
        let seen = printed(story, &files);
        let file = folder().join(format!("{story}.txt"));
        if env::var_os("WRITE_STORIES").is_some() {
            fs::write(&file, &seen).unwrap();
        }
        let wanted = fs::read_to_string(&file).unwrap_or_default();
        if seen != wanted {
            differing.push(format!("{story}\n{}", difference(&wanted, &seen)));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}
