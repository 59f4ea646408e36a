//! Names to addresses, for members that are told by name.
//!
//! A name with a dot is asked for as absolute first: with the search domains and `ndots:5` of a
//! Kubernetes pod it would otherwise be tried under every search domain before, which can take longer
//! than a probe may (users-and-peers R12). Answers are kept for a few seconds, because every gossip
//! datagram needs one, and forgotten when a connection to them fails, because a broker that moved
//! has a new one.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::sockets;
use crate::clock::instant;
use crate::wire::address::Address;

/// How long an answer is used.
const FRESH: Duration = Duration::from_secs(5);
/// Names kept at a time; over it all are forgotten and asked again.
const NAMES_MAX: usize = 4096;

/// Resolves names and keeps the answers for a while.
#[derive(Debug, Default)]
pub struct Resolver {
    known: Mutex<HashMap<Box<str>, Known>>,
}

#[derive(Clone, Debug)]
struct Known {
    addresses: Vec<IpAddr>,
    since: Instant,
}

impl Resolver {
    /// The socket addresses behind `address`. Never empty.
    ///
    /// # Errors
    /// The system resolver's, or [`io::ErrorKind::NotFound`].
    pub async fn resolve(&self, address: &Address) -> io::Result<Vec<SocketAddr>> {
        let port = address.port;
        if let Ok(ip) = address.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        if let Some(addresses) = self.fresh(&address.host) {
            return Ok(with_port(&addresses, port));
        }
        let addresses = lookup(&address.host).await?;
        let mut known = self.known();
        if known.len() >= NAMES_MAX {
            known.clear();
        }
        let since = instant();
        known.insert((&*address.host).into(), Known { addresses: addresses.clone(), since });
        Ok(with_port(&addresses, port))
    }

    /// Asks anew next time: nobody answered at the address.
    pub fn forget(&self, address: &Address) {
        self.known().remove(&*address.host);
    }

    fn fresh(&self, host: &str) -> Option<Vec<IpAddr>> {
        let known = self.known();
        let found = known
            .get(host)
            .filter(|known| instant().saturating_duration_since(known.since) < FRESH)?;
        Some(found.addresses.clone())
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<Box<str>, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn with_port(addresses: &[IpAddr], port: u16) -> Vec<SocketAddr> {
    addresses.iter().map(|ip| SocketAddr::new(*ip, port)).collect()
}

/// The forms in which a name is asked for, in order.
fn forms(host: &str) -> impl Iterator<Item = String> {
    let absolute = (host.contains('.') && !host.ends_with('.')).then(|| format!("{host}."));
    absolute.into_iter().chain([host.to_owned()])
}

async fn lookup(host: &str) -> io::Result<Vec<IpAddr>> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for form in forms(host) {
        match sockets::lookup(&form, 0).await {
            Ok(found) => {
                let addresses: Vec<_> = found.iter().map(SocketAddr::ip).collect();
                if !addresses.is_empty() {
                    return Ok(addresses);
                }
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_a_dot_are_absolute_first() {
        let all = |host| forms(host).collect::<Vec<_>>();
        assert_eq!(all("zeebe-0.zeebe.ns.svc"), ["zeebe-0.zeebe.ns.svc.", "zeebe-0.zeebe.ns.svc"]);
        assert_eq!(all("localhost"), ["localhost"]);
        assert_eq!(all("zeebe.example."), ["zeebe.example."]);
    }

    #[tokio::test]
    async fn an_answer_is_used_until_a_connection_to_it_fails() {
        let resolver = Resolver::default();
        let address = Address::new("localhost", 26502);
        let found = resolver.resolve(&address).await.unwrap();
        assert!(found.iter().all(|found| found.ip().is_loopback() && found.port() == 26502));

        let moved = IpAddr::from([192, 0, 2, 7]);
        resolver.known().get_mut("localhost").unwrap().addresses = vec![moved];
        let found = resolver.resolve(&address).await.unwrap();
        assert_eq!(found, [SocketAddr::new(moved, 26502)], "kept");

        resolver.forget(&address);
        assert!(resolver.resolve(&address).await.unwrap()[0].ip().is_loopback(), "asked again");
    }

    #[tokio::test]
    async fn an_answer_grows_old() {
        let resolver = Resolver::default();
        let address = Address::new("localhost", 1);
        resolver.resolve(&address).await.unwrap();
        let old = Instant::now().checked_sub(FRESH).expect("the machine runs for longer");
        resolver.known().get_mut("localhost").unwrap().since = old;
        assert_eq!(resolver.fresh("localhost"), None);
    }

    #[tokio::test]
    async fn a_name_without_address_is_an_error() {
        let address = Address::new("no-such-host.invalid", 1);
        assert!(Resolver::default().resolve(&address).await.is_err());
    }
}
