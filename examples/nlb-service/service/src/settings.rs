//! What the environment says.

use std::env::{self, VarError};
use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

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
        let ping: u32 = variable("PING_SECONDS", 60, "whole seconds, 1 or more")?;
        if ping == 0 {
            return Err(wrong("PING_SECONDS", "0", "whole seconds, 1 or more"));
        }
        Ok(Self {
            listen: SocketAddr::new(address, port),
            version,
            service,
            close: Duration::from_secs(close.into()),
            ping: Duration::from_secs(ping.into()),
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
