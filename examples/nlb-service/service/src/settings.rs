//! What the environment says.

use std::env::{self, VarError};
use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use crate::lame_duck::Sources;

/// How the service runs: each field from the environment variable of its name.
pub(crate) struct Settings {
    /// `ADDRESS`, `PORT`: where it listens.
    pub(crate) listen: SocketAddr,
    /// `VERSION`: what `/` says.
    pub(crate) version: String,
    /// `SERVICE`: what `/` says, and the first part of the paths that a load balancer with several
    /// services forwards here.
    pub(crate) service: PathPart,
    /// `CLOSE_SECONDS`: how long the WebSockets are closed over, and the service runs on, after
    /// SIGTERM. The default is below the 30 s that ECS leaves a container until SIGKILL.
    pub(crate) close: Duration,
    /// `PING_SECONDS`: how often each WebSocket is pinged. A Network Load Balancer forgets a
    /// connection on which nothing is sent for 350 s.
    pub(crate) ping: Duration,
    /// `TASKS_URL`: where a deployment says which tasks are to send their clients away; without it, none are.
    /// `ECS_CONTAINER_METADATA_URI_V4` (ECS sets it) must be there too. `POLL_SECONDS` and `REPORT_SECONDS`: how
    /// often that is read, and connections are reported.
    pub(crate) lame_duck: Option<Sources>,
}

/// A part of a path without characters of a meaning of their own.
pub(crate) struct PathPart(pub(crate) String);

impl FromStr for PathPart {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let is_plain = |letter: u8| letter.is_ascii_alphanumeric() || letter == b'-';
        if text.is_empty() || !text.bytes().all(is_plain) {
            return Err(());
        }
        Ok(Self(text.to_owned()))
    }
}

impl Settings {
    /// Reads the environment, or says which variable is wrong.
    pub(crate) fn read() -> Result<Self, String> {
        let address = variable(
            "ADDRESS",
            IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            "an IP address",
        )?;
        let port = variable("PORT", 8080, "a port, 0 to 65535")?;
        let version = variable("VERSION", "unknown".to_owned(), "text")?;
        let service = PathPart("nlb-service".to_owned());
        let service = variable("SERVICE", service, "letters, digits and -")?;
        let close: u32 = variable("CLOSE_SECONDS", 25, "whole seconds")?;
        let ping = period("PING_SECONDS", 60)?;
        let metadata = variable("ECS_CONTAINER_METADATA_URI_V4", String::new(), "text")?;
        let tasks = variable("TASKS_URL", String::new(), "text")?;
        let poll = period("POLL_SECONDS", 10)?;
        let report = period("REPORT_SECONDS", 60)?;
        let known = !tasks.is_empty();
        if known && metadata.is_empty() {
            return Err(
                "TASKS_URL is for tasks of ECS: ECS_CONTAINER_METADATA_URI_V4 is not set".into(),
            );
        }
        Ok(Self {
            listen: SocketAddr::new(address, port),
            version,
            service,
            close: Duration::from_secs(close.into()),
            ping,
            lame_duck: known.then_some(Sources {
                metadata,
                tasks,
                poll,
                report,
            }),
        })
    }

    /// Where a client on the same machine finds it.
    pub(crate) fn here(&self) -> SocketAddr {
        let mut address = self.listen;
        if address.ip().is_unspecified() {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        address
    }
}

fn period(name: &str, default: u64) -> Result<Duration, String> {
    let allowed = "whole seconds, 1 or more";
    match variable(name, default, allowed)? {
        0 => Err(wrong(name, 0, allowed)),
        seconds => Ok(Duration::from_secs(seconds)),
    }
}

fn variable<T: FromStr>(name: &str, default: T, allowed: &str) -> Result<T, String> {
    match env::var(name) {
        Ok(text) => text.parse().map_err(|_| wrong(name, text, allowed)),
        Err(VarError::NotPresent) => Ok(default),
        Err(VarError::NotUnicode(text)) => Err(wrong(name, text.display(), allowed)),
    }
}

fn wrong(name: &str, holds: impl Display, allowed: &str) -> String {
    format!("{name} is {holds}; allowed: {allowed}")
}
