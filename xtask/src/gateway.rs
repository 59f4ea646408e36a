//! A release binary of the gateway, started on free ports and stopped again.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::{cargo, root, run};

/// Builds the release binary and returns its path; `BEEGATE_BINARY` names one that is built already.
pub fn build() -> Result<PathBuf> {
    if let Some(binary) = std::env::var_os("BEEGATE_BINARY") {
        return Ok(binary.into());
    }
    run(cargo().args(["build", "--release", "--bin", "beegate"]))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    Ok(target.unwrap_or_else(|| root().join("target")).join("release").join("beegate"))
}

/// What is behind a gateway.
#[derive(Clone, Copy, Debug)]
pub enum Behind<'a> {
    /// Its embedded broker.
    Embedded,
    /// Brokers with these internal addresses.
    Cluster(&'a [String]),
    /// A contact point where nobody listens: it is never ready, but serves.
    Nothing,
}

impl Behind<'_> {
    fn contact_points(&self) -> Vec<String> {
        match self {
            Self::Embedded => Vec::new(),
            Self::Cluster(contact_points) => contact_points.to_vec(),
            Self::Nothing => vec![NOBODY.to_owned()],
        }
    }
}

/// An address where nobody listens: a port that needs privileges and has no use.
pub const NOBODY: &str = "127.0.0.1:1";

/// A running gateway, with its embedded broker or in front of a cluster.
pub struct Gateway {
    child: Child,
    log: PathBuf,
    /// Port of gRPC.
    pub grpc: u16,
    /// Port of REST.
    pub rest: u16,
    /// Port of health and metrics.
    pub monitoring: u16,
    /// Port of the admin endpoints.
    pub admin: u16,
    /// Port of the cluster protocol; with the embedded broker inside, the broker's own.
    pub internal: u16,
    /// From exec until `/ready` said yes.
    pub ready_after: Duration,
}

impl Gateway {
    /// Starts the binary on free ports and waits until it is ready. Its log goes to `log`; `more`
    /// are settings as `--set` takes them.
    pub fn start(binary: &Path, behind: Behind, more: &[&str], log: PathBuf) -> Result<Self> {
        Self::start_logging(binary, behind, more, log, None)
    }

    /// The same with another filter of what is logged, as `RUST_LOG` takes it.
    pub fn start_logging(
        binary: &Path,
        behind: Behind,
        more: &[&str],
        log: PathBuf,
        filter: Option<&str>,
    ) -> Result<Self> {
        let ports = free_ports(6)?;
        let [grpc, rest, monitoring, admin, command, internal] = ports[..] else {
            bail!("six ports were asked for");
        };
        let out = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut set = vec![
            format!("grpc.port={grpc}"),
            format!("rest.port={rest}"),
            format!("monitoring.port={monitoring}"),
            format!("admin.port={admin}"),
        ];
        match behind {
            Behind::Embedded => set.extend([
                format!("broker.command_port={command}"),
                format!("broker.internal_port={internal}"),
            ]),
            Behind::Cluster(_) | Behind::Nothing => set.extend([
                "broker.enabled=false".to_owned(),
                "cluster.host=127.0.0.1".to_owned(),
                format!("cluster.port={internal}"),
                format!("cluster.initial_contact_points={}", behind.contact_points().join(",")),
            ]),
        }
        set.extend(more.iter().map(|&pair| pair.to_owned()));
        let mut start = Command::new(binary);
        for pair in &set {
            start.args(["--set", pair]);
        }
        if let Some(filter) = filter {
            start.env("RUST_LOG", filter);
        }
        // Not in the repository: its config.toml must not be picked up.
        start.current_dir(std::env::temp_dir());
        // Ours, not the gateway's, which would warn that it knows no such setting.
        start.env_remove("BEEGATE_BINARY");
        start.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        stop_leftover(&log);
        let began = Instant::now();
        let child = start.spawn().with_context(|| format!("cannot start {}", binary.display()))?;
        let note = format!("{} grpc.port={grpc}", child.id());
        std::fs::write(log.with_extension("pid"), note)?;
        let ready_after = Duration::ZERO;
        let mut gateway = Self { child, log, grpc, rest, monitoring, admin, internal, ready_after };
        let (port, path) = match behind {
            Behind::Nothing => (rest, "/v2/topology"),
            Behind::Embedded | Behind::Cluster(_) => (monitoring, "/ready"),
        };
        gateway.wait_until_ready(began, port, path)?;
        Ok(gateway)
    }

    fn wait_until_ready(&mut self, began: Instant, port: u16, path: &str) -> Result<()> {
        while began.elapsed() < Duration::from_secs(20) {
            if get(port, path).is_ok_and(|status| (200..300).contains(&status)) {
                self.ready_after = began.elapsed();
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the gateway ended with {status}:\n{}", self.log_text());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        bail!("not ready after 20 s:\n{}", self.log_text())
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged so far.
    pub fn log_text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_else(|e| format!("(no log: {e})"))
    }

    /// Stops it and returns what it logged.
    pub fn stop_and_read(self) -> Result<String> {
        let log = self.log.clone();
        self.stop()?;
        std::fs::read_to_string(&log).with_context(|| format!("cannot read {}", log.display()))
    }

    /// Ends it without a word, as `kill -9` does.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to stop, waits, and checks that it went well and panicked nowhere.
    pub fn stop(mut self) -> Result<Duration> {
        let began = Instant::now();
        let pid = self.pid().to_string();
        run(Command::new("kill").args(["-TERM", &pid]))?;
        while began.elapsed() < Duration::from_secs(40) {
            if let Some(status) = self.child.try_wait()? {
                let took = began.elapsed();
                let log = self.log_text();
                if !status.success() {
                    bail!("the gateway ended with {status} after SIGTERM:\n{log}");
                }
                if log.contains("panicked") {
                    bail!("something panicked:\n{log}");
                }
                return Ok(took);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!("still running 40 s after SIGTERM:\n{}", self.log_text())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // A failed tour leaves no process behind; an error only means that it is gone already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Stops the gateway that an interrupted run with the same log left behind.
fn stop_leftover(log: &Path) {
    let note = std::fs::read_to_string(log.with_extension("pid")).unwrap_or_default();
    let Some((pid, port)) = note.split_once(' ') else { return };
    // The id may have been given to somebody else since: the port must be among its arguments.
    let arguments = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    if arguments.split('\0').any(|argument| argument == port) {
        println!("stopping the gateway of an interrupted run, process {pid}");
        // An error only means that it ended just now.
        Command::new("kill").args(["-KILL", pid]).status().ok();
    }
}

fn free_ports(count: usize) -> Result<Vec<u16>> {
    let sockets: Vec<_> =
        (0..count).map(|_| TcpListener::bind(("127.0.0.1", 0))).collect::<Result<_, _>>()?;
    sockets.iter().map(|socket| Ok(socket.local_addr()?.port())).collect()
}

/// Status of a GET on loopback.
pub fn get(port: u16, path: &str) -> Result<u16> {
    Ok(ask("GET", port, path, Duration::from_secs(5))?.0)
}

/// Status and body of a request without a body on loopback.
pub fn ask(method: &str, port: u16, path: &str, patience: Duration) -> Result<(u16, String)> {
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let mut stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    // The old version of HTTP, because its bodies end with the connection and are never chunked.
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split_whitespace().nth(1).context("no status line")?.parse()?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status, body.to_owned()))
}
