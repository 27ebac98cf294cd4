//! What commands are given: files, standard input, and where they write.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::program::{Ran, assert_has, command, ebbtide, path, read, scratch, scratch_event};

const MINIMAL: &str = r#"{"cluster": "main", "serviceName": "chat", "taskDefinition": "chat:2"}"#;

/// A command with this on its standard input.
fn fed(line: &str, text: &str) -> Ran {
    let mut command = command(line);
    let pipes = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = pipes.spawn().unwrap();
    // One that refuses its flags reads nothing.
    let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
    child.wait_with_output().unwrap().into()
}

#[test]
fn an_error_is_a_line_that_names_file_and_field() {
    scratch(
        "two-errors.json",
        r#"{"cluster": "main", "servceName": "chat", "taskDefinition": "chat", "drain": {"wthin": 60}}"#,
    );
    for name in [
        "simulate",
        "plan",
        "compare",
        "preflight",
        "deploy",
        "serve --event",
    ] {
        let ran = ebbtide(&format!("{name} @two-errors.json")).exits(1);
        let lines: Vec<_> = ran.stderr.lines().collect();
        for (line, (column, says)) in lines.iter().zip([
            (
                32,
                "servceName is not a field of the input (did you mean serviceName?)",
            ),
            (
                58,
                "taskDefinition is \"chat\"; allowed: family:revision, or ",
            ),
            (
                85,
                "drain.wthin is not a field of the input (did you mean drain.within?)",
            ),
        ]) {
            let begins = format!(
                "error: {}, line 1 column {column}: InvalidInput: {says}",
                path("two-errors.json").display()
            );
            assert!(line.starts_with(&begins), "{name}: {line}");
        }
        let more = usize::from(name == "deploy");
        assert_eq!(lines.len(), 3 + more, "{name}: {lines:?}");
        assert!(!ran.stderr.contains("new execution"), "{}", ran.stderr);
    }
}

#[test]
fn an_error_is_wrapped_to_the_terminal_and_names_no_made_up_account() {
    scratch_event(
        "arn-wrong.json",
        r#", "targetGroups": ["one", "two"], "subnets": "all""#,
    );
    for name in ["plan", "simulate", "deploy"] {
        let mut narrow = command(&format!("{name} @arn-wrong.json"));
        let ran = Ran::of(narrow.env("COLUMNS", "70")).exits(1);
        assert!(ran.stderr.lines().count() > 3, "{}", ran.stderr);
        for line in ran.stderr.lines() {
            let longest = line.split(' ').map(str::len).max().unwrap_or_default();
            assert!(line.chars().count() <= 70 || longest > 30, "{line}");
        }
    }
    scratch("no-names.json", r#"{"taskDefinition": "chat"}"#);
    for line in ["deploy @no-names.json", "preflight @no-names.json"] {
        let said = ebbtide(line).exits(1).stderr;
        assert_has(&said, &["cluster is missing", "of this account and region"]);
        assert!(
            !said.contains("REGION") && !said.contains("(partition"),
            "{said}"
        );
    }
}

#[test]
fn standard_input_is_an_event_and_a_flag_fills_in_the_revision() {
    let without = r#"{"cluster": "main", "serviceName": "chat"}"#;
    scratch("fine-world.json", "{}");
    for line in [
        "simulate - --clients 0",
        "simulate events/minimal.json - --clients 0",
        "plan -",
        "preflight - --scenario @fine-world.json",
    ] {
        fed(line, MINIMAL).exits(0);
        fed(line, without).exits(1);
        let fills_in = format!("{line} --task-definition chat:7");
        let printed = fed(&fills_in, without).exits(0).stdout;
        assert!(!printed.contains("chat:2"), "{line}: {printed}");
    }
    fed("compare - --tasks 1 --task-definition chat:7", without).exits(0);
    let ran = fed("deploy - --task-definition chat", MINIMAL).exits(1);
    assert_has(
        &ran.stderr,
        &["error: standard input: InvalidInput: taskDefinition is \"chat\""],
    );
    let ran = fed("simulate - -", MINIMAL).exits(2);
    assert_has(&ran.stderr, &["standard input can be read once"]);
}

#[test]
fn a_file_that_is_no_event_is_refused_by_what_it_is() {
    let utf16: Vec<u8> = MINIMAL.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let huge = format!("{{\"comment\": \"{}\"}}", "x".repeat(300_000));
    for (name, bytes, says) in [
        (
            "double",
            br#"{"cluster": "a",
            "cluster": "b"}"#
                .to_vec(),
            "\"cluster\" is given twice at line 2 column 21",
        ),
        (
            "deep",
            br#"{"drain": {"within": 1, "within": 2}}"#.to_vec(),
            "\"within\" is given twice at line 1 column ",
        ),
        (
            "comma",
            b"{\n  \"cluster\": \"a\",\n}".to_vec(),
            "is not JSON: trailing comma at line 3 column 1",
        ),
        (
            "mark",
            [b"\xef\xbb\xbf", MINIMAL.as_bytes()].concat(),
            "begins with a byte-order mark: save it as UTF-8 without one",
        ),
        (
            "utf16",
            [b"\xff\xfe", &utf16[..]].concat(),
            "it is UTF-16: save it as UTF-8",
        ),
        (
            "latin",
            b"{\"comment\": \"gr\xf6\xdfe\"}".to_vec(),
            "it is not UTF-8 at byte 16",
        ),
        (
            "list",
            b"[]".to_vec(),
            "the input is []; allowed: a JSON object with",
        ),
        (
            "half",
            b"{".to_vec(),
            "it ends before the JSON is complete, at line 1 column 1",
        ),
        ("empty", b" \n".to_vec(), "it is empty"),
        ("huge", huge.into_bytes(), "it is longer than 262144 bytes"),
    ] {
        std::fs::write(path(name), bytes).unwrap();
        // What is JSON is refused by its fields.
        let exit = if name == "list" { 1 } else { 2 };
        let ran = ebbtide(&format!("plan @{name}")).exits(exit);
        assert_has(&ran.stderr, &[says]);
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    }
    let fifo = path("event.fifo");
    let _ = std::fs::remove_file(&fifo);
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    for (line, says) in [
        (
            "plan @event.fifo",
            "it is a FIFO: give a file, or - to read standard input",
        ),
        ("plan events", "cannot read events: it is a directory"),
        (
            "plan /dev/zero",
            "cannot read /dev/zero: it is longer than 262144 bytes",
        ),
        (
            "plan nowhere.json",
            "cannot read nowhere.json: No such file",
        ),
        (
            "plan events/minimal.json --scenario events",
            "it is a directory",
        ),
    ] {
        assert_has(&ebbtide(line).exits(2).stderr, &[says]);
    }
}

#[test]
fn outputs_are_checked_before_anything_runs() {
    scratch("kept.json", "kept");
    let _ = std::fs::remove_file(path("linked.json"));
    std::fs::hard_link(path("kept.json"), path("linked.json")).unwrap();
    for (line, says) in [
        (
            "--report /nowhere/x.html",
            "--report: cannot write /nowhere/x.html: No such file",
        ),
        (
            "--save-world events",
            "--save-world: cannot write events: it is a directory",
        ),
        (
            "--trace @kept.json --save-world @kept.json",
            "--trace and --save-world are both ",
        ),
        (
            "--report @new.out --trace @./new.out",
            "--trace and --report are both ",
        ),
        (
            "--scenario @kept.json --report @kept.json",
            "the input and --report are both ",
        ),
        (
            "--scenario @kept.json --report @linked.json",
            "the input and --report are both ",
        ),
        (
            "--report /dev/stdout",
            "--report /dev/stdout: standard output already has the answer",
        ),
        (
            "--report events/minimal.json",
            "the input and --report are both ",
        ),
        (
            "--report -",
            "--report -: standard output already has the answer",
        ),
        (
            "--save-world -",
            "--save-world -: standard output already has the answer",
        ),
        (
            "--trace -",
            "--trace -: standard output already has the answer",
        ),
    ] {
        let ran = ebbtide(&format!("simulate events/minimal.json {line}")).exits(2);
        assert_eq!(ran.stdout, "", "{line}");
        assert_has(&ran.stderr, &[says]);
    }
    let mut from_stdin = command("plan - --report @kept.json");
    from_stdin.stdin(std::fs::File::open(path("kept.json")).unwrap());
    let ran = from_stdin.output().unwrap();
    assert_eq!(ran.status.code(), Some(2));
    let said = String::from_utf8(ran.stderr).unwrap();
    assert_has(&said, &["the input and --report are both "]);
    for name in ["plan", "compare"] {
        let line = format!("{name} events/minimal.json --report /nowhere/x.html");
        assert_eq!(ebbtide(&line).exits(2).stdout, "");
    }
    assert_eq!(read("kept.json"), "kept");
    assert!(!path("new.out").exists());
    // What is refused writes nothing, and a device takes what two write.
    scratch_event("refused.json", r#", "bakeTime": -1"#);
    ebbtide("simulate @refused.json --trace @kept.json").exits(1);
    assert_eq!(read("kept.json"), "kept");
    ebbtide("simulate events/minimal.json --trace /dev/null --report /dev/null").exits(0);
}

#[test]
fn an_answer_without_a_place_is_one_sentence_and_a_reader_that_leaves_is_none() {
    for line in [
        "plan events/minimal.json",
        "simulate events/minimal.json",
        "preflight events/minimal.json --scenario @fine-for-all.json --format json",
        "man",
        "completions bash",
        "--help",
        "--version",
    ] {
        scratch("fine-for-all.json", "{}");
        let full = std::fs::File::options().write(true).open("/dev/full");
        let mut command = command(line);
        let output = command.stdout(full.unwrap()).stderr(Stdio::piped());
        let ran = Ran::from(output.spawn().unwrap().wait_with_output().unwrap()).exits(2);
        let says = "error: cannot write standard output: No space left on device";
        assert!(ran.stderr.starts_with(says), "{line}: {}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 1, "{line}: {}", ran.stderr);
    }
    let mut left = command("simulate events/minimal.json");
    let left = left.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut left = left.spawn().unwrap();
    drop(left.stdout.take());
    assert_eq!(
        Ran::from(left.wait_with_output().unwrap()).exits(1).stderr,
        ""
    );
}
