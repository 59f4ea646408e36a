//! Inflates one message as it arrives, into memory that is paid for first.

use std::io::{self, Write as _};
use std::sync::Arc;

use bytes::Bytes;
use flate2::write::GzDecoder;

use crate::actors::gateway::RequestBytes;
use crate::error::GatewayError;

/// Room for the flag and the length of the message that comes out.
const HEADER: usize = 5;
/// Room for a message at first, in bytes; doubled when it is full.
const ROOM: usize = 16 * 1024;

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

/// Where what comes out goes. Its capacity is held in `bytes`, and never larger than what is held.
#[derive(Debug)]
struct Output {
    message: Vec<u8>,
    bytes: Arc<RequestBytes>,
    limit: usize,
    /// Why it takes no more; writers can only say that they failed.
    refused: Option<InflateError>,
}

impl Inflate {
    /// Nothing yet of a message of at most `limit` bytes.
    #[must_use]
    pub fn new(bytes: Arc<RequestBytes>, limit: usize) -> Self {
        let output = Output { message: Vec::new(), bytes, limit, refused: None };
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

    /// The message, framed as one that is not compressed.
    ///
    /// # Errors
    /// [`InflateError`].
    pub fn finish(&mut self) -> Result<Bytes, InflateError> {
        if let Err(error) = self.decoder.try_finish() {
            return Err(self.why(error));
        }
        let output = self.decoder.get_mut();
        output.reserve(0)?;
        let mut message = std::mem::take(&mut output.message);
        let length = u32::try_from(message.len() - HEADER).map_err(|_| InflateError::TooLarge)?;
        for (to, byte) in message.iter_mut().skip(1).zip(length.to_be_bytes()) {
            *to = byte;
        }
        Ok(message.into())
    }

    fn why(&mut self, error: io::Error) -> InflateError {
        self.decoder.get_mut().refused.take().unwrap_or(InflateError::Broken(error))
    }
}

impl Output {
    /// Makes room for so many bytes more.
    fn reserve(&mut self, more: usize) -> Result<(), InflateError> {
        let (most, length) = (self.limit + HEADER, self.message.len().max(HEADER));
        let wanted = length + more;
        if wanted > most {
            return Err(InflateError::TooLarge);
        }
        if wanted > self.message.capacity() {
            let room = wanted.max(ROOM).max(self.message.capacity() * 2).min(most);
            self.bytes.hold(room).map_err(InflateError::NoRoom)?;
            self.message.reserve_exact(room - self.message.len());
        }
        // The header is filled in when the length is known.
        self.message.resize(length, 0);
        Ok(())
    }
}

impl io::Write for Output {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if let Err(why) = self.reserve(data.len()) {
            self.refused = Some(why);
            return Err(io::Error::other("the message is refused"));
        }
        self.message.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
