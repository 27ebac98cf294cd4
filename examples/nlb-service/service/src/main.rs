//! A small service with long-lived WebSockets, to try Ebbtide on.
//!
//! On SIGTERM it says on `/ready` that it is not, admits no new WebSocket, and closes those that are
//! open one after the other, spread over `CLOSE_SECONDS`: so their clients do not come back all at
//! once. Before that it does the same when a deployment asks for it, and stays ready: see
//! [`lame_duck`]. `nlb-service check` asks a running one whether it answers.

mod lame_duck;
mod settings;
mod sockets;
mod web;

use std::future::IntoFuture;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use settings::Settings;
use sockets::Sockets;
use web::Service;

/// As a shell says that a process was ended by SIGTERM: 128 + 15.
const CUT_SHORT: u8 = 143;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let check = match arguments.as_slice() {
        [] => false,
        [only] if only == "check" => true,
        _ => {
            eprintln!("usage: nlb-service [check]");
            return ExitCode::from(2);
        }
    };
    let settings = match Settings::read() {
        Ok(settings) => settings,
        Err(wrong) => {
            eprintln!("{wrong}");
            return ExitCode::from(2);
        }
    };
    let done = if check {
        is_ready(&settings)
    } else {
        run(settings).map_err(|error| error.to_string())
    };
    done.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::FAILURE
    })
}

/// The container's health check: whether the service is ready. Without a load balancer, nothing else asks.
fn is_ready(settings: &Settings) -> Result<ExitCode, String> {
    let url = format!("http://{}/ready", settings.here());
    ureq::get(&url)
        .config()
        .proxy(None)
        .timeout_global(Some(Duration::from_secs(2)))
        .build()
        .call()
        .map_err(|error| format!("{url}: {error}"))?;
    Ok(ExitCode::SUCCESS)
}

#[tokio::main]
async fn run(settings: Settings) -> io::Result<ExitCode> {
    // Before anybody can know that it runs: as process 1 of a container, a program that does not
    // ask for SIGTERM does not get it.
    let mut told_to_stop = signal(SignalKind::terminate())?;
    let sockets = Sockets::new();
    let router = web::router(Service {
        name: settings.service.0.into(),
        version: settings.version.into(),
        hostname: gethostname::gethostname().to_string_lossy().into(),
        sockets: sockets.clone(),
        ping: settings.ping,
    });
    let listener = TcpListener::bind(settings.listen).await?;
    println!("listening on {}", listener.local_addr()?);
    // It answers until the process ends: /ready has to say that it is not.
    tokio::spawn(axum::serve(listener, router).into_future());

    if let Some(sources) = settings.lame_duck {
        tokio::spawn(lame_duck::run(sources, Arc::clone(&sockets)));
    }

    told_to_stop.recv().await;
    println!(
        "SIGTERM: closing {} WebSockets over {} s",
        sockets.open(),
        settings.close.as_secs()
    );
    sockets.close(settings.close);
    tokio::select! {
        () = sockets.all_gone() => println!("all WebSockets are closed"),
        () = tokio::time::sleep(settings.close) => {
            println!("time is up; {} WebSockets are still open", sockets.open());
        }
        _ = told_to_stop.recv() => {
            println!("SIGTERM again; {} WebSockets are still open", sockets.open());
            return Ok(ExitCode::from(CUT_SHORT));
        }
    }
    Ok(ExitCode::SUCCESS)
}
