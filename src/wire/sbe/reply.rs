//! Which of two messages a broker answered with (command-api §1.5).

use bytes::Bytes;

use super::{ErrorResponse, ExecuteCommandResponse, Header, Message};
use crate::wire::DecodeError;

/// A broker's reply: what was asked for, or an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply<T> {
    /// The request was processed.
    Response(T),
    /// It was not.
    Error(ErrorResponse),
}

/// Reply to a command. A rejection is a [`Reply::Response`].
pub type CommandReply = Reply<ExecuteCommandResponse>;

impl<T: Message> Reply<T> {
    /// Decodes a reply.
    ///
    /// # Errors
    /// [`DecodeError::UnexpectedTemplate`] for any other message, else what is wrong with the bytes.
    pub fn decode(input: &Bytes) -> Result<Self, DecodeError> {
        if Header::decode(input)?.is::<ErrorResponse>() {
            return ErrorResponse::decode(input).map(Self::Error);
        }
        T::decode(input).map(Self::Response)
    }
}
