//! The loop around the SWIM core.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Control, Inbound, Members};
use crate::chance::select;
use crate::clock::Clock;
use crate::gossip::SwimIdentity;
use crate::gossip::{Event, Input, Output, ReplyToken, RequestToken, Swim, SwimConfig};
use crate::model::Millis;
use crate::net::endpoint::Endpoint;
use crate::net::handlers::Responder;
use crate::net::messaging::Messenger;
use crate::net::sockets::UdpSocket;
use crate::wire::address::Address;
use crate::wire::swim::{
    Datagram, GOSSIP_SUBJECT, Member, Request, Response, decode_gossip, encode_gossip,
};

/// Largest datagram read, like a JVM member's buffer (cluster-protocol §3.2).
const DATAGRAM_BYTES: usize = 64 << 10;
/// Pause after the UDP socket failed.
const UDP_PAUSE: Duration = Duration::from_millis(50);
/// At most this old is what the snapshot says of when members were last heard.
const SNAPSHOT_INTERVAL: Duration = Duration::from_secs(1);
/// Answers to our own requests that wait for the driver; their tasks wait when it is full.
const ANSWERS_MAX: usize = 256;

type Answer = (RequestToken, Option<Response>);

pub(super) struct Driver {
    swim: Swim,
    clock: Clock,
    /// Peers that wait for an answer of the core.
    waiting: HashMap<u64, Responder>,
    next_reply: u64,
}

/// What the driver does outputs with.
struct Reach {
    messenger: Messenger,
    udp: Arc<UdpSocket>,
    answers: mpsc::Sender<Answer>,
}

impl Driver {
    pub(super) fn new(
        identity: SwimIdentity,
        config: SwimConfig,
        contact_points: Vec<Address>,
        seed: u64,
    ) -> Self {
        let clock = Clock::system();
        let swim = Swim::new(config, identity, contact_points, seed, clock.now());
        Self { swim, clock, waiting: HashMap::new(), next_reply: 1 }
    }

    pub(super) async fn run(
        mut self,
        mut control: mpsc::UnboundedReceiver<Control>,
        mut inbound: mpsc::Receiver<Inbound>,
        members: Arc<ArcSwap<Members>>,
        messenger: Messenger,
        udp: UdpSocket,
        events: mpsc::Sender<Event>,
    ) {
        let (answers, mut answered) = mpsc::channel(ANSWERS_MAX);
        let reach = Reach { messenger, udp: Arc::new(udp), answers };
        let preamble = reach.messenger.endpoint().preamble();
        let mut datagram = vec![0; DATAGRAM_BYTES];
        let mut published = Instant::now();
        members.store(Arc::new(self.snapshot()));
        loop {
            let due = self.clock.until(self.swim.poll_timeout());
            let input = select! {
                change = control.recv() => match change {
                    None => return,
                    Some(Control::SetProperty { name, value }) => Input::SetProperty { name, value },
                    Some(Control::SetContactPoints(points)) => Input::SetContactPoints(points),
                    Some(Control::Leave(done)) => {
                        self.leave(&reach).await;
                        // Nobody waits any longer: fine.
                        let _impatient = done.send(());
                        continue;
                    }
                },
                Some((token, response)) = answered.recv() => match response {
                    Some(response) => Input::Response { token, response },
                    None => Input::RequestFailed { token },
                },
                Some(Inbound { request, responder }) = inbound.recv() => {
                    self.wait(request, responder)
                }
                received = reach.udp.recv_from(&mut datagram) => match received {
                    Ok((len, _)) => match read(datagram.get(..len).unwrap_or_default(), preamble) {
                        Some(updates) => Input::Gossip(updates),
                        None => continue,
                    },
                    Err(error) => {
                        log::debug!("event=udp_receive_failed error=\"{error}\"");
                        tokio::time::sleep(UDP_PAUSE).await;
                        continue;
                    }
                },
                () = tokio::time::sleep(due) => Input::Tick,
            };
            self.swim.handle(self.clock.now(), input);
            let news = self.emit(&reach);
            if !news.is_empty() || published.elapsed() >= SNAPSHOT_INTERVAL {
                members.store(Arc::new(self.snapshot()));
                published = Instant::now();
            }
            for event in news {
                if events.send(event).await.is_err() {
                    return;
                }
            }
        }
    }

    /// Unlike other gossip this is awaited: the process ends right after it.
    async fn leave(&mut self, reach: &Reach) {
        self.swim.handle(self.clock.now(), Input::Leave);
        while let Some(output) = self.swim.poll_output() {
            if let Output::Datagram { to, updates } = output {
                reach.tell(to, &updates).await;
            }
        }
    }

    fn wait(&mut self, request: Request, responder: Responder) -> Input {
        let token = self.next_reply;
        self.next_reply += 1;
        self.waiting.insert(token, responder);
        Input::Request { token: ReplyToken(token), request }
    }

    /// Does what the core wants done; gives back the events.
    fn emit(&mut self, reach: &Reach) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(output) = self.swim.poll_output() {
            match output {
                Output::Send { to, token, request, timeout } => {
                    reach.ask(to, token, request, timeout);
                }
                Output::Reply { token, response } => {
                    if let Some(responder) = self.waiting.remove(&token.0) {
                        responder.reply(Bytes::from(response.encode()));
                    }
                }
                Output::Datagram { to, updates } => reach.gossip(to, &updates),
                Output::Event(event) => events.push(event),
            }
        }
        events
    }

    fn snapshot(&self) -> Members {
        Members {
            own: Some(self.swim.own().clone()),
            others: self.swim.members().cloned().collect(),
            counters: self.swim.counters(),
        }
    }
}

impl Reach {
    fn ask(&self, to: Address, token: RequestToken, request: Request, timeout: Millis) {
        let (messenger, answers) = (self.messenger.clone(), self.answers.clone());
        tokio::spawn(async move {
            let kind = request.kind();
            let timeout = Duration::from_millis(u64::try_from(timeout.0).unwrap_or(0));
            let payload = Bytes::from(request.encode());
            let asked = messenger.request_fresh(&to, kind.subject(), payload, timeout).await;
            let response = asked.map_err(|error| error.to_string()).and_then(|payload| {
                kind.decode_response(&payload).map_err(|error| error.to_string())
            });
            let response = response
                .inspect_err(|error| {
                    log::debug!("event=membership_request_failed to={to} error=\"{error}\"");
                })
                .ok();
            // Fails only when the driver is gone.
            let _stopped = answers.send((token, response)).await;
        });
    }

    fn gossip(&self, to: Address, updates: &[Member]) {
        tokio::spawn(self.tell(to, updates));
    }

    /// Sends a datagram; resolving the name of the receiver may take a while.
    fn tell(&self, to: Address, updates: &[Member]) -> impl Future<Output = ()> + Send + 'static {
        let endpoint = self.messenger.endpoint().clone();
        let datagram = Datagram {
            source: endpoint.advertised().clone(),
            subject: GOSSIP_SUBJECT.to_owned(),
            payload: encode_gossip(updates),
        };
        let bytes = datagram.encode(endpoint.preamble());
        let udp = Arc::clone(&self.udp);
        async move {
            if let Err(error) = send(&endpoint, &udp, &to, &bytes).await {
                log::debug!("event=gossip_not_sent to={to} error=\"{error}\"");
            }
        }
    }
}

async fn send(endpoint: &Endpoint, udp: &UdpSocket, to: &Address, bytes: &[u8]) -> io::Result<()> {
    for candidate in endpoint.resolver().resolve(to).await? {
        if candidate.is_ipv4() == udp.local_addr()?.is_ipv4() {
            udp.send_to(bytes, candidate).await?;
            return Ok(());
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrNotAvailable, "no address of our family"))
}

fn read(bytes: &[u8], preamble: i32) -> Option<Vec<Member>> {
    let datagram = Datagram::decode(bytes, preamble)
        .inspect_err(|error| log::debug!("event=datagram_ignored reason=\"{error}\""))
        .ok()?;
    if datagram.subject != GOSSIP_SUBJECT {
        log::debug!("event=datagram_ignored reason=\"unknown subject {}\"", datagram.subject);
        return None;
    }
    decode_gossip(&datagram.payload)
        .inspect_err(|error| log::debug!("event=datagram_ignored reason=\"{error}\""))
        .ok()
}
