//! Schema 2: job streams (command-api §1.2, §2.8, §4.7).
//!
//! A gateway adds and removes streams at brokers; a broker pushes jobs into them.

use bytes::{BufMut, Bytes, BytesMut};
use uuid::Uuid;

use super::layout::{Block, Body, Field, Message, put_var, var_len};
use crate::model::StreamErrorCode;
use crate::wire::DecodeError;

const SCHEMA: u16 = 2;
const VERSION: u16 = 2;

/// A UUID is two 64-bit halves, each little endian, the high half first.
const ID_HIGH: Field<u64> = Field::at(0);
const ID_LOW: Field<u64> = Field::at(8);

fn id_block(id: Uuid) -> Block<16> {
    let (high, low) = id.as_u64_pair();
    Block::new().put(ID_HIGH, high).put(ID_LOW, low)
}

fn read_id(body: &Body<'_>) -> Result<Uuid, DecodeError> {
    Ok(Uuid::from_u64_pair(body.get(ID_HIGH)?, body.get(ID_LOW)?))
}

/// Tells a broker of a stream, topic `stream-add`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddStreamRequest {
    /// The gateway's name for the stream.
    pub id: Uuid,
    /// Job type, UTF-8.
    pub stream_type: Bytes,
    /// A [`crate::wire::record::JobStreamMetadata`].
    pub metadata: Bytes,
}

impl AddStreamRequest {}

impl Message for AddStreamRequest {
    const SCHEMA: u16 = SCHEMA;
    const VERSION: u16 = VERSION;
    const TEMPLATE: u16 = 400;
    const BLOCK_LENGTH: u16 = 16;
    const NAME: &'static str = "AddStreamRequest";

    fn encode(&self, out: &mut BytesMut) {
        let len = var_len(&self.stream_type) + var_len(&self.metadata);
        id_block(self.id).begin::<Self>(out, len);
        put_var(out, &self.stream_type);
        put_var(out, &self.metadata);
    }

    fn decode(input: &Bytes) -> Result<Self, DecodeError> {
        let mut body = Body::open::<Self>(input)?;
        Ok(Self {
            id: read_id(&body)?,
            stream_type: body.var("stream type")?,
            metadata: body.var("metadata")?,
        })
    }
}

/// Takes a stream back, topic `stream-remove`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoveStreamRequest {
    /// The stream.
    pub id: Uuid,
}

impl RemoveStreamRequest {}

impl Message for RemoveStreamRequest {
    const SCHEMA: u16 = SCHEMA;
    const VERSION: u16 = VERSION;
    const TEMPLATE: u16 = 401;
    const BLOCK_LENGTH: u16 = 16;
    const NAME: &'static str = "RemoveStreamRequest";

    fn encode(&self, out: &mut BytesMut) {
        id_block(self.id).begin::<Self>(out, 0);
    }

    fn decode(input: &Bytes) -> Result<Self, DecodeError> {
        let body = Body::open::<Self>(input)?;
        Ok(Self { id: read_id(&body)? })
    }
}

/// A job for a stream, topic `stream-push` at the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushStreamRequest {
    /// The stream.
    pub id: Uuid,
    /// A [`crate::wire::record::JobPush`].
    pub payload: Bytes,
}

impl PushStreamRequest {}

impl Message for PushStreamRequest {
    const SCHEMA: u16 = SCHEMA;
    const VERSION: u16 = VERSION;
    const TEMPLATE: u16 = 402;
    const BLOCK_LENGTH: u16 = 16;
    const NAME: &'static str = "PushStreamRequest";

    fn encode(&self, out: &mut BytesMut) {
        id_block(self.id).begin::<Self>(out, var_len(&self.payload));
        put_var(out, &self.payload);
    }

    fn decode(input: &Bytes) -> Result<Self, DecodeError> {
        let mut body = Body::open::<Self>(input)?;
        Ok(Self { id: read_id(&body)?, payload: body.var("payload")? })
    }
}

macro_rules! acknowledgements {
    ($($(#[$meta:meta])* $name:ident = $template:literal;)*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name;

        impl Message for $name {
            const SCHEMA: u16 = SCHEMA;
            const VERSION: u16 = VERSION;
            const TEMPLATE: u16 = $template;
            const BLOCK_LENGTH: u16 = 0;
            const NAME: &'static str = stringify!($name);

            fn encode(&self, out: &mut BytesMut) {
                Block::<0>::new().begin::<Self>(out, 0);
            }

            fn decode(input: &Bytes) -> Result<Self, DecodeError> {
                Body::open::<Self>(input).map(|_| Self)
            }
        }
    )*};
}

acknowledgements! {
    /// The stream is known.
    AddStreamResponse = 403;
    /// The stream is gone.
    RemoveStreamResponse = 404;
    /// The job was delivered.
    PushStreamResponse = 405;
}

/// One of the causes of a [`StreamError`]: what happened with one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamErrorDetail {
    /// Kind of failure.
    pub code: StreamErrorCode,
    /// The same for humans.
    pub message: String,
}

/// A stream request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamError {
    /// Kind of failure.
    pub code: StreamErrorCode,
    /// The same for humans.
    pub message: String,
    /// At most 255 can be written; more are cut off.
    pub details: Vec<StreamErrorDetail>,
}

impl StreamError {
    const CODE: Field<u8> = Field::at(0);
    const DETAIL_LENGTH: u16 = 1;
}

impl Message for StreamError {
    const SCHEMA: u16 = SCHEMA;
    const VERSION: u16 = VERSION;
    const TEMPLATE: u16 = 406;
    const BLOCK_LENGTH: u16 = 1;
    const NAME: &'static str = "stream ErrorResponse";

    // The text comes before the group, other than the schema says.
    fn encode(&self, out: &mut BytesMut) {
        let message = self.message.as_bytes();
        let block = Block::<1>::new().put(Self::CODE, self.code.to_wire());
        block.begin::<Self>(out, var_len(message) + 3);
        put_var(out, message);
        let count = self.details.len().min(usize::from(u8::MAX));
        out.put_u16_le(Self::DETAIL_LENGTH);
        out.put_u8(count as u8);
        for detail in self.details.iter().take(count) {
            out.put_u8(detail.code.to_wire());
            put_var(out, detail.message.as_bytes());
        }
    }

    fn decode(input: &Bytes) -> Result<Self, DecodeError> {
        let mut body = Body::open::<Self>(input)?;
        let code = StreamErrorCode::from_wire(body.get(Self::CODE)?);
        let message = body.text("error message")?;
        let [b0, b1, count] = body.take::<3>("the group of details")?;
        let mut details = Vec::new();
        for _ in 0..count {
            body.enter_entry(u16::from_le_bytes([b0, b1]))?;
            details.push(StreamErrorDetail {
                code: StreamErrorCode::from_wire(body.get(Self::CODE)?),
                message: body.text("error message")?,
            });
        }
        Ok(Self { code, message, details })
    }
}
