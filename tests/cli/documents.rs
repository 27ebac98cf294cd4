//! Output that README and docs show is what the program prints, and the picture is the one that it draws.

use std::fs;
use std::path::{Path, PathBuf};

use crate::program::{Ran, command, ebbtide, read};

/// README and every page of docs.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).unwrap();
    let docs = docs.map(|entry| entry.unwrap().path());
    let pages = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.chain([root.join("README.md")]).collect()
}

/// The first or the last lines of what a command prints, as `head -n` and `tail -n` have them.
fn part(printed: &str, pipe: &str) -> String {
    let lines: Vec<_> = printed.lines().collect();
    let (which, number) = pipe.split_once(" -n ").unwrap();
    let number: usize = number.parse().unwrap();
    let kept = match which {
        "head" => &lines[..number],
        "tail" => &lines[lines.len() - number..],
        other => panic!("{other} is not simulated"),
    };
    kept.join("\n")
}

/// What a line of a `console` block prints on a terminal of 120 columns.
fn printed(line: &str) -> String {
    let (line, pipe) = match line.split_once(" | ") {
        Some((line, pipe)) => (line, Some(pipe)),
        None => (line, None),
    };
    let ran = Ran::of(command(line).env("COLUMNS", "120")).stdout;
    let printed = pipe.map_or_else(|| ran.clone(), |pipe| part(&ran, pipe));
    printed.trim_end().to_owned()
}

/// The page with what its `console` blocks print today, and how many it has.
fn refreshed(page: &str) -> (String, usize) {
    let mut parts = page.split("```console\n$ ebbtide ");
    let mut fresh = parts.next().unwrap().to_owned();
    let mut blocks = 0;
    for part in parts {
        let (block, rest) = part.split_once("```\n").unwrap();
        let line = block.lines().next().unwrap();
        let output = printed(line);
        fresh.extend([
            "```console\n$ ebbtide ",
            line,
            "\n",
            &output,
            "\n```\n",
            rest,
        ]);
        blocks += 1;
    }
    (fresh, blocks)
}

/// `WRITE_DOCS=1` writes them instead.
#[test]
fn the_output_in_the_documents_is_what_is_printed() {
    let writes = std::env::var_os("WRITE_DOCS").is_some();
    let mut all = 0;
    for path in pages() {
        let page = fs::read_to_string(&path).unwrap();
        let (fresh, blocks) = refreshed(&page);
        all += blocks;
        if writes && fresh != page {
            fs::write(path, fresh).unwrap();
        } else {
            assert_eq!(page, fresh, "{}: run with WRITE_DOCS=1", path.display());
        }
    }
    assert!(all >= 5, "{all}");
}

/// What `make picture` runs.
fn picture_command() -> String {
    let makefile = include_str!("../../Makefile");
    let (_, recipe) = makefile.split_once("\npicture: ").unwrap();
    let line = recipe.lines().nth(1).unwrap();
    let (_, line) = line.split_once(" -- ").unwrap();
    line.to_owned()
}

#[test]
fn the_committed_picture_is_the_one_that_make_picture_draws() {
    let line = picture_command();
    let drawn = line.replace("docs/reconnects.svg", "@drawn.svg");
    assert_ne!(drawn, line);
    ebbtide(&drawn).exits(0);
    let committed = include_str!("../../docs/reconnects.svg");
    assert!(read("drawn.svg") == committed, "run make picture");
}

#[test]
fn the_table_in_the_readme_has_the_figures_of_the_picture() {
    let line = picture_command();
    let (line, _) = line.split_once(" --picture").unwrap();
    let table = ebbtide(line).done();
    let readme = include_str!("../../README.md");
    let (_, rows) = readme.split_once("\n|---|---:|---:|---:|---:|\n").unwrap();
    let (rows, _) = rows.split_once("\n\n").unwrap();
    assert_eq!(rows.lines().count(), 3);
    let picture = include_str!("../../docs/reconnects.svg");
    for row in rows.lines() {
        let cells: Vec<_> = row.trim_matches('|').split('|').collect();
        let cells: Vec<_> = cells
            .iter()
            .map(|cell| cell.trim().replace('*', ""))
            .collect();
        let [way, most, refused, without, took] = &cells[..] else {
            panic!("{row}");
        };
        let of_way = table.lines().find(|line| line.starts_with(way.as_str()));
        let of_way: Vec<_> = of_way.unwrap()[way.len()..].split_whitespace().collect();
        let wanted = [of_way[2], of_way[4], of_way[5], "s", of_way[7]];
        assert_eq!(
            [most, refused, without.trim_end_matches(" s"), "s", took],
            wanted
        );
        let label = format!("\n{way}: {most} at most, {refused} refused in all\n");
        assert!(picture.contains(&label), "{label}");
    }
}

#[test]
fn a_picture_shows_each_way_once_and_needs_clients() {
    let event = "events/drain-within.json --tasks 3";
    ebbtide(&format!("compare {event} --picture @three.svg")).done();
    let three = read("three.svg");
    let labels = three
        .lines()
        .filter(|line| line.contains(" refused in all"));
    let labels: Vec<_> = labels.filter(|line| !line.starts_with('<')).collect();
    assert!(labels[0].starts_with("all at once: "), "{labels:?}");
    assert!(labels.len() == 2 || labels.len() == 3, "{labels:?}");
    assert!(three.contains("prefers-color-scheme: dark"));
    let none = ebbtide(&format!("compare {event} --clients 0 --picture @none.svg")).exits(2);
    assert!(
        none.stderr
            .contains("--picture: the service has no clients"),
        "{none:?}"
    );
}
