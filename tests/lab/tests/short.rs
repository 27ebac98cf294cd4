//! The laboratory's short form: some hundred clients of real brokers, five times as fast. What a clock decides is not
//! asserted.

#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

fn laboratory() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    command.args(["measure", "--short"]);
    command
}

#[test]
fn every_client_comes_back_and_none_is_cut_without_need() {
    let file = format!("{}/short.json", env!("CARGO_TARGET_TMPDIR"));
    let ended = laboratory().args(["--json", &file]).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{said}");
    let all: Vec<Value> = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let all: BTreeMap<_, _> = all
        .iter()
        .map(|one| (one["way"].as_str().unwrap(), one))
        .collect();
    let number = |way: &str, field: &str| {
        let measured = &all[way]["measured"];
        measured[field]
            .as_u64()
            .unwrap_or_else(|| panic!("{way} {field}: {measured}"))
    };
    for way in all.keys() {
        let clients = number(way, "clients");
        assert_eq!(number(way, "connectedAtTheEnd"), clients, "{way}: {said}");
        assert_eq!(
            number(way, "cut"),
            number(way, "stoppedWith"),
            "{way}: {said}"
        );
    }
    let compared = [
        "all at once",
        "the sample's pacing",
        "Ebbtide, within the same time",
    ];
    for way in compared {
        assert_eq!(all[way]["error"], Value::Null, "{way}: {said}");
        assert_eq!(number(way, "cut"), number(way, "clients"), "{way}: {said}");
    }
    let peaks = compared.map(|way| number(way, "mostInTenSeconds"));
    assert!(
        peaks[0] > peaks[1] && peaks[1] > peaks[2],
        "{peaks:?}: {said}"
    );

    let way = "rollback in mid-drain";
    assert_eq!(all[way]["error"], "OperatorRollback", "{said}");
    let clients = number(way, "clients");
    let originals = all[way]["measured"]["original"].as_array().unwrap();
    assert_eq!(originals.last().unwrap(), clients, "{said}");
    assert!((1..=2 * clients).contains(&number(way, "cut")), "{said}");

    let way = "replacement never healthy";
    assert_eq!(all[way]["error"], "ReplacementFailed", "{said}");
    assert_eq!(number(way, "cut"), 0, "{said}");
    assert_eq!(
        all[way]["measured"]["attempts"],
        serde_json::json!([]),
        "{said}"
    );
}

#[test]
fn no_process_outlives_a_laboratory_that_is_interrupted() {
    for signal in [Signal::INT, Signal::TERM, Signal::KILL] {
        let mut lab = laboratory()
            .args(["--only", "all at once"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(lab.stderr.take().unwrap()).lines();
        let is_connected = |line: std::io::Result<String>| line.unwrap().contains("are connected");
        assert!(lines.any(is_connected));
        let children = children_of(lab.id());
        assert!(children.len() >= 12 + 3 + 3, "{children:?}");
        kill_process(Pid::from_child(&lab), signal).unwrap();
        lab.wait().unwrap();
        let began = Instant::now();
        while children.iter().any(|child| lives(*child)) {
            assert!(began.elapsed() < Duration::from_secs(20), "{signal:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
        let folders = folders_of(lab.id());
        for folder in &folders {
            std::fs::remove_dir_all(folder).unwrap();
        }
        // SIGKILL leaves no time to remove one.
        assert_eq!(folders.len(), usize::from(signal == Signal::KILL));
    }
}

fn folders_of(lab: u32) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(std::env::temp_dir()).unwrap().flatten();
    let own = format!("ebbtide-lab-{lab}-");
    let folders = folders.filter(|entry| entry.file_name().to_string_lossy().starts_with(&own));
    folders.map(|entry| entry.path()).collect()
}

/// The state and the parent of a process.
fn stat(process: u32) -> Option<(String, u32)> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    let mut words = rest.split(' ');
    Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
}

fn children_of(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let processes = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_child = |process: &u32| stat(*process).is_some_and(|(_, of)| of == parent);
    processes.filter(is_child).collect()
}

/// Not a zombie that waits for whatever runs as process 1 here.
fn lives(process: u32) -> bool {
    stat(process).is_some_and(|(state, _)| state != "Z" && state != "X")
}
