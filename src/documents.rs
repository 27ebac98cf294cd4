//! Every command that README, docs and other pages show is one that the program takes.

use std::fs;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use crate::Cli;

/// The pages. The changelog also has what there was once.
fn pages() -> impl Iterator<Item = PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [
        "",
        "docs",
        "fuzz",
        "examples/alb-service",
        "examples/four-services",
        "examples/nlb-service",
        "examples/service-discovery",
    ];
    let folders = folders.map(|folder| root.join(folder));
    let entries = folders
        .into_iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap());
    let pages = entries.map(|entry| entry.unwrap().path());
    pages.filter(|path| {
        path.extension().is_some_and(|extension| extension == "md")
            && !path.ends_with("CHANGELOG.md")
    })
}

/// The words of a command as a shell has them, up to its end: a comment, or what follows another one.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for letter in line.chars() {
        match (quote, letter) {
            (None, '\'' | '"') => quote = Some(letter),
            (Some(open), _) if open == letter => quote = None,
            // Brackets are around what may be left out.
            (None, '[' | ']') => {}
            (None, ' ') => words.push(String::new()),
            (None, '|' | '>' | '<' | '&' | ';' | '#' | ')') => break,
            _ => words.last_mut().unwrap().push(letter),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// What stands behind `ebbtide` where that begins a command.
fn commands(line: &str) -> impl Iterator<Item = &str> {
    let code = line.split(" # ").next().unwrap_or_default();
    ["ebbtide ", "cargo run -- "]
        .into_iter()
        .flat_map(move |name| {
            code.match_indices(name).filter_map(move |(at, _)| {
                let before = code[..at].trim_end_matches([' ', '"', '(']);
                let begins = before.is_empty() || before.ends_with(['$', '|', '&', ';', ':', '-']);
                begins.then(|| &code[at + name.len()..])
            })
        })
}

/// Whether the program takes a command; of one in a sentence, what it needs may be missing.
fn is_taken(command: &str, in_a_sentence: bool) -> bool {
    let words = words(command);
    let ends_with_a_flag = words.last().is_some_and(|word| word.starts_with("--"));
    let Err(error) = Cli::try_parse_from(std::iter::once("ebbtide".to_owned()).chain(words)) else {
        return true;
    };
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => true,
        ErrorKind::MissingRequiredArgument => in_a_sentence,
        // A flag without its value.
        ErrorKind::InvalidValue => in_a_sentence && ends_with_a_flag,
        _ => false,
    }
}

#[test]
fn every_command_in_the_documents_is_taken() {
    let names: Vec<_> = Cli::command()
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect();
    let (mut in_blocks, mut in_sentences) = (0, 0);
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap().replace("\\\n", " ");
        for (place, part) in text.split("```").enumerate() {
            if place % 2 == 1 {
                let output = part.starts_with("console\n");
                let lines = part
                    .lines()
                    .filter(|line| !output || line.starts_with("$ "));
                for command in lines.flat_map(commands) {
                    assert!(is_taken(command, false), "{}: {command}", page.display());
                    in_blocks += 1;
                }
                continue;
            }
            for code in part.replace('\n', " ").split('`').skip(1).step_by(2) {
                let name = code
                    .strip_prefix("ebbtide ")
                    .or(code.strip_prefix("cargo run -- "));
                let Some(command) = name else { continue };
                let first = command.split_whitespace().next().unwrap();
                // A word in capitals stands for any.
                let is_any = first.bytes().all(|byte| byte.is_ascii_uppercase());
                let is_known =
                    is_any || first.starts_with('-') || names.iter().any(|name| name == first);
                let taken = is_known && (is_any || is_taken(command, true));
                assert!(taken, "{}: {code}", page.display());
                in_sentences += 1;
            }
        }
    }
    assert!(
        in_blocks > 30 && in_sentences > 30,
        "{in_blocks}, {in_sentences}"
    );
}

#[test]
fn a_command_that_does_not_exist_or_lacks_something_is_not_taken() {
    for command in [
        "simulat events/minimal.json",
        "plan events/minimal.json --tsks 4",
        "abort",
    ] {
        assert!(!is_taken(command, false), "{command}");
    }
    assert!(is_taken("abort", true));
    let line = "jq . event.json | ebbtide deploy - --name 'a b' > out # ebbtide nothing";
    let found: Vec<_> = commands(line).map(words).collect();
    assert_eq!(found, [["deploy", "-", "--name", "a b"]]);
}
