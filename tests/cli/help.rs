//! Help, completions, manual pages and the version.

use std::process::Command;

use crate::program::{Ran, assert_has, command, ebbtide, path};

#[path = "../../build.rs"]
#[expect(dead_code, reason = "a build script is run by its main")]
mod build;

const COMMANDS: [&str; 14] = [
    "simulate",
    "compare",
    "plan",
    "preflight",
    "serve",
    "deploy",
    "status",
    "report",
    "rollback",
    "pause",
    "resume",
    "abort",
    "completions",
    "man",
];

fn help(name: &str, columns: u32) -> String {
    let mut help = command(&format!("{name} --help"));
    Ran::of(help.env("COLUMNS", columns.to_string())).done()
}

#[test]
fn every_help_has_examples_that_the_program_takes() {
    for name in COMMANDS.iter().chain([&""]) {
        let help = help(name, 200);
        let (_, examples) = help.split_once("\nExamples:\n").unwrap();
        let examples = examples.split("\n\n").next().unwrap().lines();
        let mut count = 0;
        for example in examples {
            let (_, line) = example.split_once("ebbtide ").unwrap();
            let end = line.find(['>', '|', '&']).unwrap_or(line.len());
            let line = line[..end].split("  ").next().unwrap();
            assert!(line.starts_with(name), "{line}");
            let quoted = line
                .replace("\"the image is wrong\"", "wrong")
                .replace('"', "");
            ebbtide(&format!("{quoted} --help")).exits(0);
            count += 1;
        }
        assert!(count > 1, "{name}");
    }
}

#[test]
fn help_is_wrapped_once() {
    let paragraphs = help("compare", 80);
    let (_, json) = paragraphs
        .split_once("--format json prints one object")
        .unwrap();
    let paragraph: Vec<_> = json.split("\n\n").next().unwrap().lines().collect();
    let (_, full) = paragraph.split_last().unwrap();
    assert!(full.len() > 5, "{full:?}");
    for line in &full[1..] {
        assert!((50..=80).contains(&line.len()), "{line}");
    }
}

#[test]
fn shells_get_completions_and_man_gets_pages() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = ebbtide(&format!("completions {shell}")).done();
        assert_has(&script, &["task-definition", "preflight"]);
    }
    ebbtide("completions tcsh").exits(2);
    assert_has(&ebbtide("man").done(), &[".TH ebbtide 1", "Examples:"]);
    assert_eq!(ebbtide("man -").done(), ebbtide("man").done());
    let folder = path("man/man1");
    let _ = std::fs::remove_dir_all(path("man"));
    assert_eq!(ebbtide("man @man/man1").done(), "");
    for name in COMMANDS {
        let page = std::fs::read_to_string(folder.join(format!("ebbtide-{name}.1"))).unwrap();
        assert_has(&page, &[&format!(".TH ebbtide-{name} 1"), "Examples:"]);
    }
    assert_has(
        &ebbtide("man /dev/null/x").exits(2).stderr,
        &["cannot write /dev/null/x"],
    );
}

#[test]
fn the_version_says_what_it_is_a_build_of() {
    let version = ebbtide("--version").done();
    let built = version.trim().strip_prefix("ebbtide 0.1.0").unwrap();
    let is_one = built == " (development build)"
        || built.is_empty()
        || built.trim_matches([' ', '(', ')']).len() >= 12;
    assert!(is_one, "{version}");
}

#[test]
fn a_release_names_its_commit_where_there_is_one() {
    let folder = path("checkout");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(folder.join("inner")).unwrap();
    assert_eq!(build::commit(&folder), None);
    let git = |arguments: &str| {
        let who = "-c user.name=x -c user.email=x@example.org -c commit.gpgsign=false";
        let line = format!("{who} {arguments}");
        let mut git = Command::new("git");
        let ran = git.current_dir(&folder).args(line.split(' ')).output();
        assert!(ran.unwrap().status.success(), "{arguments}");
    };
    let change = |text: &str| std::fs::write(folder.join("file"), text).unwrap();
    change("one");
    for arguments in ["init -q", "add file", "commit -q -m one"] {
        git(arguments);
    }
    let commit = build::commit(&folder).unwrap();
    assert_eq!(commit.len(), 12, "{commit}");
    assert_eq!(build::commit(&folder.join("inner")), None);
    change("two");
    assert_eq!(build::commit(&folder), Some(format!("{commit}-dirty")));
}
