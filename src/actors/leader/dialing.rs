//! Connecting to the leader, and what follows when that fails or a connection ends.

use std::sync::atomic::Ordering::Relaxed;

use actix::fut::wrap_future;
use actix::{ActorFutureExt, AsyncContext, Context};

use super::link::{Ending, Link};
use super::parts::Target;
use super::{LeaderConnection, LinkLost, STEADY, State};
use crate::actors::RECONNECT;
use crate::error::GatewayError;
use crate::net::sockets::TcpStream;
use crate::net::{Connection, DialError};
use crate::routing::Ailment;

impl LeaderConnection {
    pub(super) fn dial(&mut self, context: &mut Context<Self>) {
        let Some(target) = self.target.clone() else { return };
        self.last_dialed = Some(target.clone());
        self.generation += 1;
        self.state = State::Dialing;
        let generation = self.generation;
        let endpoint = self.parts.links.endpoint.clone();
        let dialing = async move { (endpoint.dial(&target.address).await, target) };
        context.spawn(wrap_future::<_, Self>(dialing).map(
            move |(result, target), this, context| {
                if generation == this.generation {
                    this.dialed(target, result, context);
                }
            },
        ));
        self.publish();
    }

    fn dialed(
        &mut self,
        target: Target,
        result: Result<Connection<TcpStream>, DialError>,
        context: &mut Context<Self>,
    ) {
        match result {
            Ok(connection) => {
                let Target { partition, address, .. } = &target;
                log::info!("event=leader_connected partition={partition} address={address}");
                self.parts.gauges.connects.fetch_add(1, Relaxed);
                let link = Link::open(&self.parts, self.generation, target, connection);
                for ticket in self.pending.drain(..) {
                    link.send(ticket);
                }
                self.state = State::Up(link);
                let soon = self.now();
                self.arm_for(soon, context);
                self.publish();
            }
            Err(error) => {
                let text = format!(
                    "Failed to connect to the leader of partition {}: {error}",
                    self.parts.partition
                );
                let error = match error {
                    DialError::Timeout { .. } => GatewayError::ConnectTimeout { detail: text },
                    _ => GatewayError::Connect { detail: text },
                };
                self.fail_pending(&error);
                self.rest(&target, error, context);
            }
        }
    }

    /// Waits before the next attempt to connect.
    fn rest(&mut self, target: &Target, error: GatewayError, context: &mut Context<Self>) {
        self.failures = self.failures.saturating_add(1);
        let pause = RECONNECT.pause(self.failures);
        if self.failures == 1 {
            log::warn!(
                "event=leader_unreachable partition={} address={} cause=\"{error}\"",
                self.parts.partition,
                target.address
            );
        }
        self.parts.gauges.losses.fetch_add(1, Relaxed);
        // Connecting is the probe, so commands need not be.
        self.parts.judge(Some(Ailment::Unreachable), true);
        self.parts.leader_lost(target, &error.to_string());
        self.state = State::Resting(error);
        let generation = self.generation;
        context.run_later(pause, move |this, context| {
            if this.generation == generation && matches!(this.state, State::Resting(_)) {
                this.dial(context);
            }
        });
        self.publish();
    }

    pub(super) fn link_lost(&mut self, lost: &LinkLost, context: &mut Context<Self>) {
        let is_lost = |link: &Link| link.generation == lost.generation;
        let ending = Ending::Closed(&lost.cause);
        if let Some(at) = self.retiring.iter().position(|retiring| is_lost(&retiring.link)) {
            return self.retiring.swap_remove(at).link.close(ending);
        }
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Up(link) if is_lost(&link) => {
                if link.heard() {
                    self.failures = 0;
                }
                let steady = link.heard() && self.now() - link.opened() >= STEADY;
                let target = link.target().clone();
                link.close(ending);
                if self.target.is_none() {
                    self.publish();
                } else if steady {
                    // Perhaps only the connection broke; if the broker did, that shows at once.
                    self.parts.gauges.losses.fetch_add(1, Relaxed);
                    self.dial(context);
                } else {
                    let error = self.unreachable(&lost.cause);
                    self.rest(&target, error, context);
                }
            }
            other => self.state = other,
        }
    }

    pub(super) fn unreachable(&self, cause: &str) -> GatewayError {
        let partition = self.parts.partition;
        let detail = format!("No connection to the leader of partition {partition}: {cause}");
        GatewayError::Connect { detail }
    }
}
