//! AWS's side: a simulated AWS behind TLS on a loopback port.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::serve::Listener;
use ebbtide_simulator::world::World;
use ebbtide_simulator::{SimulatedAws, server};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The name that the certificate is for.
const HOST: &str = "localhost";

/// Where a system keeps the roots it trusts: Amazon Linux's place, and Debian's.
const SYSTEM_ROOTS: [&str; 2] = [
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/certs/ca-certificates.crt",
];

/// A certificate of this run, trusted by who is given its file.
pub(crate) struct Authority {
    acceptor: TlsAcceptor,
    file: PathBuf,
}

impl Authority {
    pub(crate) fn new() -> Result<Self, String> {
        let key = rcgen::generate_simple_self_signed([HOST.to_owned()])
            .map_err(|error| format!("No certificate for {HOST}: {error}."))?;
        let file = std::env::temp_dir().join(format!("ebbtide-bench-{}.pem", std::process::id()));
        // With the system's own: a function reads them all when it starts.
        let system = SYSTEM_ROOTS
            .iter()
            .find_map(|path| std::fs::read(path).ok());
        let roots = [system.unwrap_or_default(), key.cert.pem().into_bytes()].concat();
        std::fs::write(&file, roots)
            .map_err(|error| format!("{} cannot be written: {error}.", file.display()))?;
        let private = PrivatePkcs8KeyDer::from(key.signing_key.serialize_der());
        let config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .and_then(|versions| {
                    versions
                        .with_no_client_auth()
                        .with_single_cert(vec![key.cert.der().clone()], private.into())
                })
                .map_err(|error| format!("The certificate cannot be served: {error}."))?;
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            file,
        })
    }

    /// The file that `SSL_CERT_FILE` is to name.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        // Only a public certificate is left where it cannot be removed.
        drop(std::fs::remove_file(&self.file));
    }
}

/// A simulated AWS, each service on a port of its own, as each has a host of its own; it ends with this
/// value.
pub(crate) struct Aws {
    pub(crate) ecs: String,
    pub(crate) elb: String,
    /// Every other service.
    pub(crate) others: String,
    world: SimulatedAws,
    /// When it had carried out two calls.
    two_calls: Arc<OnceLock<Instant>>,
    serving: [JoinHandle<io::Result<()>>; 3],
}

impl Aws {
    /// Each call takes `delay` longer than this machine does.
    pub(crate) async fn serve(
        world: World,
        authority: &Authority,
        delay: Duration,
    ) -> io::Result<Self> {
        let world = SimulatedAws::new(world, 1.0);
        let two_calls = Arc::new(OnceLock::new());
        let (second, mut calls) = (Arc::clone(&two_calls), 0);
        world.watch(move |_| {
            calls += 1;
            if calls == 2 {
                second.get_or_init(Instant::now);
            }
        });
        let (ecs, serving_ecs) = on_a_port(&world, authority, delay).await?;
        let (elb, serving_elb) = on_a_port(&world, authority, delay).await?;
        let (others, serving_others) = on_a_port(&world, authority, delay).await?;
        Ok(Self {
            ecs,
            elb,
            others,
            world,
            two_calls,
            serving: [serving_ecs, serving_elb, serving_others],
        })
    }

    /// Calls that it has answered, with those of the world it began with.
    pub(crate) fn calls(&self) -> usize {
        self.world.with_world(|world| world.calls().count())
    }

    /// When it had carried out the second call since it began to serve, if it has.
    pub(crate) fn two_calls(&self) -> Option<Instant> {
        self.two_calls.get().copied()
    }
}

impl Drop for Aws {
    fn drop(&mut self) {
        self.serving.iter().for_each(JoinHandle::abort);
    }
}

/// An endpoint, and what serves it.
async fn on_a_port(
    world: &SimulatedAws,
    authority: &Authority,
    delay: Duration,
) -> io::Result<(String, JoinHandle<io::Result<()>>)> {
    let listener = TlsListener {
        listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?,
        acceptor: authority.acceptor.clone(),
    };
    let endpoint = format!("https://{HOST}:{}", listener.local_addr()?.port());
    let late = from_fn(move |request: Request, next: Next| async move {
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        next.run(request).await
    });
    let serving = axum::serve(listener, server::router(world.clone()).layer(late));
    Ok((endpoint, tokio::spawn(serving.into_future())))
}

/// Connections once their handshake is done.
struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.listener).await;
            // Or small packets wait up to 40 ms for an acknowledgement.
            if let Err(error) = stream.set_nodelay(true) {
                eprintln!("A connection answers late: {error}.");
            }
            match self.acceptor.accept(stream).await {
                Ok(stream) => return (stream, address),
                Err(error) => eprintln!("The handshake with a function failed: {error}."),
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}
