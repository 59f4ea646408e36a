//! Proxies between gateways and brokers, for TCP and UDP, that can hold traffic as a broken network
//! does: connections stay open, bytes wait, datagrams are lost.
//!
//! Brokers advertise the proxies' ports, so brokers use them among themselves, too. Whose traffic a
//! connection carries is read from the sender's address that precedes its first frame.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use anyhow::{Context, Result};
use beegate::wire::frame::cluster_preamble;
use beegate::wire::swim::Datagram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The cluster transport's handshake, each way.
const HANDSHAKE: usize = 6;
/// Longer than any host name here.
const HOST_MAX: usize = 64;

/// Holds traffic or lets it pass.
#[derive(Clone, Debug)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    /// A gate that is open.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(true)))
    }

    /// Opens or closes it.
    pub fn set_open(&self, open: bool) {
        self.0.send_replace(open);
    }

    fn is_open(&self) -> bool {
        *self.0.borrow()
    }

    async fn wait_until_open(&self) {
        // The sender lives as long as we do.
        let mut opened = self.0.subscribe();
        let _open = opened.wait_for(|open| *open).await;
    }
}

/// Whose traffic a gate is for.
#[derive(Clone, Debug)]
pub enum Whose {
    /// Everybody's.
    All,
    /// That of members that advertise these ports.
    Of(BTreeSet<u16>),
}

impl Whose {
    fn includes(&self, port: u16) -> bool {
        match self {
            Self::All => true,
            Self::Of(ports) => ports.contains(&port),
        }
    }
}

/// A proxy for one port; ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Proxy {
    /// Listens on a port for TCP, and passes everything on to another.
    pub async fn tcp(port: u16, to: u16, gate: &Gate, whose: Whose) -> Result<Self> {
        let listener =
            TcpListener::bind(("127.0.0.1", port)).await.with_context(|| format!("port {port}"))?;
        let gate = gate.clone();
        let serve = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (gate, whose) = (gate.clone(), whose.clone());
                tokio::spawn(async move {
                    // Both ends see their connection close; there is nothing else to tell.
                    let _closed = relay(client, to, &gate, &whose).await;
                });
            }
        });
        Ok(Self { tasks: vec![serve] })
    }

    /// The same for TCP and UDP.
    pub async fn both(port: u16, to: u16, gate: &Gate, whose: Whose) -> Result<Self> {
        let mut proxy = Self::tcp(port, to, gate, whose.clone()).await?;
        let socket = UdpSocket::bind(("127.0.0.1", port)).await?;
        let gate = gate.clone();
        proxy.tasks.push(tokio::spawn(async move {
            let mut bytes = vec![0; 64 << 10];
            while let Ok((len, _)) = socket.recv_from(&mut bytes).await {
                let datagram = &bytes[..len];
                if gate.is_open() || !sender(datagram).is_some_and(|port| whose.includes(port)) {
                    // A datagram that cannot be sent is one that got lost.
                    let _lost = socket.send_to(datagram, ("127.0.0.1", to)).await;
                }
            }
        }));
        Ok(proxy)
    }
}

/// The port that the sender of a datagram advertises.
fn sender(datagram: &[u8]) -> Option<u16> {
    let read = Datagram::decode(datagram, cluster_preamble("zeebe-cluster")).ok()?;
    Some(read.source.port)
}

async fn relay(mut client: TcpStream, to: u16, gate: &Gate, whose: &Whose) -> io::Result<()> {
    if matches!(whose, Whose::All) {
        gate.wait_until_open().await;
    }
    let mut broker = TcpStream::connect(("127.0.0.1", to)).await?;
    client.set_nodelay(true)?;
    broker.set_nodelay(true)?;
    let mut handshake = [0; HANDSHAKE];
    client.read_exact(&mut handshake).await?;
    broker.write_all(&handshake).await?;
    broker.read_exact(&mut handshake).await?;
    client.write_all(&handshake).await?;
    let mut first = vec![0; 2];
    client.read_exact(&mut first).await?;
    let host = usize::from(u16::from_be_bytes([first[0], first[1]]));
    if host > HOST_MAX {
        return Err(io::Error::other("no sender where one should be"));
    }
    first.resize(2 + host + 4, 0);
    client.read_exact(&mut first[2..]).await?;
    let port = u16::from_be_bytes([first[host + 4], first[host + 5]]);
    let gate = if whose.includes(port) { gate.clone() } else { Gate::new() };
    gate.wait_until_open().await;
    broker.write_all(&first).await?;
    let (from_client, to_client) = client.into_split();
    let (from_broker, to_broker) = broker.into_split();
    let there = pump(from_client, to_broker, gate.clone());
    let back = pump(from_broker, to_client, gate);
    tokio::try_join!(there, back).map(drop)
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, gate: Gate) -> io::Result<()> {
    let mut bytes = vec![0; 16 << 10];
    loop {
        let len = from.read(&mut bytes).await?;
        gate.wait_until_open().await;
        if len == 0 {
            return to.shutdown().await;
        }
        to.write_all(&bytes[..len]).await?;
    }
}
