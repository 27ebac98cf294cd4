//! The program, run.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

#[derive(Debug, PartialEq)]
pub(crate) struct Ran {
    status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).output().unwrap().into()
    }

    pub(crate) fn exits(self, status: i32) -> Self {
        assert_eq!(self.status, Some(status), "{self:?}");
        self
    }

    pub(crate) fn done(self) -> String {
        self.exits(0).stdout
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("{self:?}"))
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The program in the checkout, with words separated by spaces; `@name` is the scratch file `name`.
pub(crate) fn command(line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ebbtide"));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    for word in line.split_whitespace() {
        match word.strip_prefix('@') {
            Some(name) => command.arg(path(name)),
            None => command.arg(word),
        };
    }
    command
}

pub(crate) fn ebbtide(line: &str) -> Ran {
    Ran::of(&mut command(line))
}

pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Writes a scratch file, which belongs to one test.
pub(crate) fn scratch(name: &str, text: &str) {
    std::fs::write(path(name), text).unwrap();
}

/// A scratch file with an input that has its required fields, and these.
pub(crate) fn scratch_event(name: &str, fields: &str) {
    let event = r#"{"cluster": "main", "serviceName": "chat", "taskDefinition": "chat:2""#;
    scratch(name, &format!("{event}{fields}}}"));
}

pub(crate) fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap()
}

pub(crate) fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part}:\n{text}");
    }
}

pub(crate) struct Served {
    server: Child,
    /// `http://127.0.0.1:PORT`.
    pub(crate) address: String,
}

impl Served {
    pub(crate) fn with(arguments: &str) -> Self {
        let mut serve = command(&format!("serve --port 0 {arguments}"));
        let serve = serve.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut server = serve.spawn().unwrap();
        let mut line = String::new();
        let stdout = server.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").unwrap();
        let address = address.to_owned();
        Self { server, address }
    }

    /// Sends it what Ctrl-C sends, and waits ten seconds for its end.
    pub(crate) fn interrupt(&mut self) -> ExitStatus {
        let id = self.server.id().to_string();
        let sent = Command::new("kill").args(["-INT", &id]).status();
        assert!(sent.unwrap().success());
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(10) {
            if let Some(status) = self.server.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it goes on");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
