//! The sockets of the cluster transport: the system's, or those of a simulated network.
//!
//! Every other file of [`net`](super) takes them from here. The feature `simulation` is for tests
//! only: it puts [turmoil](https://docs.rs/turmoil)'s hosts and links in the system's place.

#[cfg(not(feature = "simulation"))]
pub use system::*;

#[cfg(feature = "simulation")]
pub use simulated::*;

#[cfg(not(feature = "simulation"))]
mod system {
    use std::io;
    use std::net::SocketAddr;
    use std::time::Duration;

    use socket2::{SockRef, TcpKeepalive};
    pub use tokio::net::{TcpListener, TcpStream, UdpSocket};

    /// Idle time before the kernel probes a silent peer.
    const TCP_KEEP_ALIVE: Duration = Duration::from_secs(60);

    /// The addresses of a host name.
    ///
    /// # Errors
    /// The resolver's.
    pub async fn lookup(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }

    /// Listens on the first of these addresses that can be bound.
    ///
    /// # Errors
    /// None can.
    pub async fn listen(candidates: &[SocketAddr]) -> io::Result<TcpListener> {
        TcpListener::bind(candidates).await
    }

    /// Sets what every connection of the transport has: no delay, keep-alive. A socket that refuses
    /// an option still works, so that is only logged.
    pub fn tune(stream: &TcpStream) {
        let socket = SockRef::from(stream);
        let keep_alive = TcpKeepalive::new().with_time(TCP_KEEP_ALIVE);
        for result in [socket.set_tcp_nodelay(true), socket.set_tcp_keepalive(&keep_alive)] {
            if let Err(error) = result {
                log::debug!("event=socket_option_refused error=\"{error}\"");
            }
        }
    }
}

#[cfg(feature = "simulation")]
mod simulated {
    use std::fmt;
    use std::io;
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};

    use turmoil::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
    pub use turmoil::net::{TcpStream, UdpSocket};

    use crate::net::transport::Transport;

    /// The address of a simulated host.
    ///
    /// # Errors
    /// There is no such host.
    pub async fn lookup(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(turmoil::net::lookup_host((host, port)).await?.collect())
    }

    /// Listens on the port of the first of these addresses. A simulated host has one address, and
    /// can only be bound by the wildcard.
    ///
    /// # Errors
    /// The port is taken.
    pub async fn listen(candidates: &[SocketAddr]) -> io::Result<TcpListener> {
        let first = candidates.first().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let any = (IpAddr::from(Ipv4Addr::UNSPECIFIED), first.port());
        Ok(TcpListener(turmoil::net::TcpListener::bind(any).await?))
    }

    /// A simulated listening socket.
    pub struct TcpListener(turmoil::net::TcpListener);

    impl fmt::Debug for TcpListener {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_tuple("TcpListener").field(&self.local_addr()).finish()
        }
    }

    impl TcpListener {
        /// The next connection and where it comes from.
        ///
        /// # Errors
        /// None; it looks like the system's.
        pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
            self.0.accept().await
        }

        /// Where it listens: the wildcard, and its port.
        ///
        /// # Errors
        /// None; it looks like the system's.
        pub fn local_addr(&self) -> io::Result<SocketAddr> {
            self.0.local_addr()
        }
    }

    /// A simulated connection has no options.
    pub fn tune(_: &TcpStream) {}

    impl Transport for TcpStream {
        type Read = OwnedReadHalf;
        type Write = OwnedWriteHalf;

        fn into_halves(self) -> (OwnedReadHalf, OwnedWriteHalf) {
            self.into_split()
        }
    }
}
