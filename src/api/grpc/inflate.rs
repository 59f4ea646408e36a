//! Inflates one message as it arrives, into memory that is paid for first.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::sync::Arc;

use bytes::Bytes;
use flate2::write::GzDecoder;

use crate::actors::gateway::RequestBytes;
use crate::error::GatewayError;

/// The smallest and the largest piece of a message, in bytes.
const PIECE_MIN: usize = 4 * 1024;
const PIECE_MAX: usize = 64 * 1024;

/// Why a message cannot be inflated.
#[derive(Debug)]
pub enum InflateError {
    /// It is larger than the limit.
    TooLarge,
    /// There is no memory for it now.
    NoRoom(GatewayError),
    /// It is not what gzip makes.
    Broken(io::Error),
}

/// A message that is being inflated.
#[derive(Debug)]
pub struct Inflate {
    decoder: GzDecoder<Output>,
}

/// Where what comes out goes: pieces, so that nothing is copied when it grows. Their capacity is
/// held in `bytes`.
#[derive(Debug)]
struct Output {
    pieces: Vec<Vec<u8>>,
    length: usize,
    capacity: usize,
    bytes: Arc<RequestBytes>,
    limit: usize,
    /// Why it takes no more; writers can only say that they failed.
    refused: Option<InflateError>,
}

impl Inflate {
    /// Nothing yet of a message of at most `limit` bytes.
    #[must_use]
    pub fn new(bytes: Arc<RequestBytes>, limit: usize) -> Self {
        let (pieces, length, capacity) = (Vec::new(), 0, 0);
        let output = Output { pieces, length, capacity, bytes, limit, refused: None };
        Self { decoder: GzDecoder::new(output) }
    }

    /// Takes the next compressed bytes. What follows the compressed message is ignored.
    ///
    /// # Errors
    /// [`InflateError`]; nothing may follow it.
    pub fn push(&mut self, mut data: &[u8]) -> Result<(), InflateError> {
        while !data.is_empty() {
            match self.decoder.write(data) {
                Ok(0) => break,
                Ok(taken) => data = data.get(taken..).unwrap_or_default(),
                Err(error) => return Err(self.why(error)),
            }
        }
        Ok(())
    }

    /// The message in pieces, framed as one that is not compressed.
    ///
    /// # Errors
    /// [`InflateError`].
    pub fn finish(&mut self) -> Result<VecDeque<Bytes>, InflateError> {
        if let Err(error) = self.decoder.try_finish() {
            return Err(self.why(error));
        }
        let output = self.decoder.get_mut();
        let length = u32::try_from(output.length).map_err(|_| InflateError::TooLarge)?;
        let [a, b, c, d] = length.to_be_bytes();
        let header = Bytes::copy_from_slice(&[0, a, b, c, d]);
        let pieces = std::mem::take(&mut output.pieces);
        Ok(std::iter::once(header).chain(pieces.into_iter().map(Bytes::from)).collect())
    }

    fn why(&mut self, error: io::Error) -> InflateError {
        self.decoder.get_mut().refused.take().unwrap_or(InflateError::Broken(error))
    }
}

impl Output {
    /// Takes as much as fits into the last piece, or into a new one.
    fn take(&mut self, data: &[u8]) -> Result<usize, InflateError> {
        if self.length + data.len() > self.limit {
            return Err(InflateError::TooLarge);
        }
        let full = |piece: &Vec<u8>| piece.len() == piece.capacity();
        if self.pieces.last().is_none_or(full) {
            let size = self.length.clamp(PIECE_MIN, PIECE_MAX);
            self.bytes.hold(self.capacity + size).map_err(InflateError::NoRoom)?;
            let piece = Vec::with_capacity(size);
            self.capacity += piece.capacity();
            self.pieces.push(piece);
        }
        let Some(piece) = self.pieces.last_mut() else { return Ok(0) };
        let taken = data.len().min(piece.capacity() - piece.len());
        piece.extend_from_slice(data.get(..taken).unwrap_or_default());
        self.length += taken;
        Ok(taken)
    }
}

impl io::Write for Output {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.take(data).map_err(|why| {
            self.refused = Some(why);
            io::Error::other("the message is refused")
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
