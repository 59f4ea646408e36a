//! The socket below a client's HTTP/2 connection, and what it shows of the bytes on their way.
//!
//! HTTP/2 tells a response body that a frame was taken, not that it left. Here two more facts are
//! read off: that everything HTTP/2 may send was accepted by the system ([`Wire::flushed`]), and
//! how the connection ended. Jobs in bytes that the client's system threw away unread are given
//! back, though the system here had accepted them ([`Wire::closed`]).
//!
//! Bytes count as unread when the connection is reset within `DOUBT` and nothing came from the
//! client after them: its system resets a connection that is closed with unread bytes, or when
//! bytes arrive after it was closed; one that read all closes without a reset.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use futures::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::actors::gateway::Recall;

/// How long delivered jobs are remembered of which no sign of receipt came.
const DOUBT: Duration = Duration::from_secs(1);
/// How long a closed connection is kept to see whether its last bytes are answered by a reset.
const LAST_WORD: Duration = Duration::from_millis(250);
const LAST_WORD_STEP: Duration = Duration::from_millis(5);
/// Deliveries remembered for one connection; the oldest goes first.
const MAX_DOUBTS: usize = 256;

/// One client's socket, seen from above. Shared by the connection and its calls.
#[derive(Debug)]
pub struct Wire {
    socket: TcpStream,
    /// Bytes read so far.
    read: AtomicU64,
    reset: AtomicBool,
    flushes: Mutex<Flushes>,
    /// The task that drives the connection.
    connection: AtomicWaker,
    doubts: Mutex<VecDeque<Doubt>>,
}

#[derive(Debug, Default)]
struct Flushes {
    count: u64,
    waiting: Vec<Waker>,
}

/// Jobs of which it is not known whether the client read them.
#[derive(Debug)]
struct Doubt {
    at: Instant,
    /// [`Wire::read`] when they left.
    read: u64,
    recall: Recall,
}

/// A flush to wait for.
#[derive(Clone, Copy, Debug)]
pub struct Flush(u64);

impl Wire {
    /// Watches this socket.
    #[must_use]
    pub fn new(socket: TcpStream) -> Arc<Self> {
        Arc::new(Self {
            socket,
            read: AtomicU64::new(0),
            reset: AtomicBool::new(false),
            flushes: Mutex::default(),
            connection: AtomicWaker::new(),
            doubts: Mutex::default(),
        })
    }

    /// Asks for a flush that begins after this call: HTTP/2 flushes whenever its task runs.
    #[must_use]
    pub fn flush(&self) -> Flush {
        let target = lock(&self.flushes).count + 1;
        self.connection.wake();
        Flush(target)
    }

    /// Resolves when that flush is complete.
    pub fn flushed(&self, flush: Flush, cx: &Context<'_>) -> Poll<()> {
        let mut flushes = lock(&self.flushes);
        if flushes.count >= flush.0 {
            return Poll::Ready(());
        }
        if !flushes.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            flushes.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// The bytes of these jobs left. Remembers them until there is a sign that they were read.
    pub fn doubt(&self, recall: Recall) {
        let (at, read) = (Instant::now(), self.read.load(Relaxed));
        let mut doubts = lock(&self.doubts);
        doubts.retain(|doubt| doubt.is_open(at, read));
        if doubts.len() == MAX_DOUBTS {
            doubts.pop_front();
        }
        doubts.push_back(Doubt { at, read, recall });
    }

    /// The connection ended: gives back what was certainly not read. Ends within
    /// `LAST_WORD`.
    pub async fn closed(&self, peer: SocketAddr) {
        let (now, read) = (Instant::now(), self.read.load(Relaxed));
        let mut doubts = std::mem::take(&mut *lock(&self.doubts));
        doubts.retain(|doubt| doubt.is_open(now, read));
        if doubts.is_empty() {
            return;
        }
        let end = now + LAST_WORD;
        while !self.was_reset() && Instant::now() < end {
            tokio::time::sleep(LAST_WORD_STEP).await;
        }
        let unread = self.was_reset();
        log::debug!("event=jobs_in_doubt peer={peer} deliveries={} reset={unread}", doubts.len());
        for doubt in doubts {
            if unread {
                doubt.recall.unread();
            } else {
                doubt.recall.unknown();
            }
        }
    }

    fn was_reset(&self) -> bool {
        if let Ok(Some(error)) = self.socket.take_error() {
            self.note(&error);
        }
        self.reset.load(Relaxed)
    }

    fn note(&self, error: &io::Error) {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        if matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset) {
            self.reset.store(true, Relaxed);
        }
    }
}

impl Doubt {
    fn is_open(&self, now: Instant, read: u64) -> bool {
        self.read == read && now.duration_since(self.at) < DOUBT
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is inside is whole at every moment, also after a panic elsewhere.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The socket as HTTP/2 sees it.
#[derive(Debug)]
pub struct WireIo(pub Arc<Wire>);

impl WireIo {
    fn write(
        &self,
        cx: &mut Context<'_>,
        write: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.socket.poll_write_ready(cx))?;
            match write(&self.0.socket) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => {
                    self.0.note(&e);
                    return Poll::Ready(Err(e));
                }
                written => return Poll::Ready(written),
            }
        }
    }
}

impl AsyncRead for WireIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wire = &self.0;
        wire.connection.register(cx.waker());
        loop {
            ready!(wire.socket.poll_read_ready(cx))?;
            match wire.socket.try_read_buf(buffer) {
                Ok(count) => {
                    wire.read.fetch_add(count as u64, Relaxed);
                    return Poll::Ready(Ok(()));
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => {
                    wire.note(&e);
                    return Poll::Ready(Err(e));
                }
            }
        }
    }
}

impl AsyncWrite for WireIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, |socket| socket.try_write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, |socket| socket.try_write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// HTTP/2 flushes when it has written all that it may send.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let waiting = {
            let mut flushes = lock(&self.0.flushes);
            flushes.count += 1;
            std::mem::take(&mut flushes.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(()))
    }

    /// Leaves the socket open, so that [`Wire::closed`] still learns of a reset; it is closed when
    /// it is dropped, right after.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
