//! Schema 1, first half: management of a partition, topic `admin-api-<partition>`
//! (command-api §1.2, §8).

use bytes::{Bytes, BytesMut};

use super::layout::{Block, Body, Field, Fixed, Message, put_var, var_len};
use crate::model::AdminRequestType;
use crate::wire::DecodeError;

const SCHEMA: u16 = 1;
const VERSION: u16 = 0;

/// A management request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminRequest {
    /// Target partition.
    pub partition: u16,
    /// What to do.
    pub kind: AdminRequestType,
    /// The broker that is meant; none means whoever leads.
    pub broker: Option<u16>,
    /// Process instance to ban, -1 otherwise.
    pub key: i64,
    /// Flow control configuration as JSON, empty otherwise.
    pub payload: Bytes,
}

impl AdminRequest {
    const PARTITION: Field<u16> = Field::at(0);
    const KIND: Field<u8> = Field::at(2);
    const BROKER: Field<u16> = Field::at(3);
    const KEY: Field<i64> = Field::at(5);
}

impl Message for AdminRequest {
    const SCHEMA: u16 = SCHEMA;
    const VERSION: u16 = VERSION;
    const TEMPLATE: u16 = 1;
    const BLOCK_LENGTH: u16 = 13;
    const NAME: &'static str = "AdminRequest";

    fn encode(&self, out: &mut BytesMut) {
        Block::<13>::new()
            .put(Self::PARTITION, self.partition)
            .put(Self::KIND, self.kind.to_wire())
            .put(Self::BROKER, self.broker.unwrap_or(u16::NULL))
            .put(Self::KEY, self.key)
            .begin::<Self>(out, var_len(&self.payload));
        put_var(out, &self.payload);
    }

    fn decode(input: &Bytes) -> Result<Self, DecodeError> {
        let mut body = Body::open_any_schema::<Self>(input)?;
        Ok(Self {
            partition: body.get(Self::PARTITION)?,
            kind: AdminRequestType::from_wire(body.get(Self::KIND)?),
            broker: Some(body.get(Self::BROKER)?).filter(|id| *id != u16::NULL),
            key: body.get(Self::KEY)?,
            payload: optional_payload(&mut body)?,
        })
    }
}

/// Answer to [`AdminRequest`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdminResponse {
    /// JSON, or empty.
    pub payload: Bytes,
}

impl AdminResponse {}

impl Message for AdminResponse {
    const SCHEMA: u16 = SCHEMA;
    const VERSION: u16 = VERSION;
    const TEMPLATE: u16 = 2;
    const BLOCK_LENGTH: u16 = 0;
    const NAME: &'static str = "AdminResponse";

    fn encode(&self, out: &mut BytesMut) {
        Block::<0>::new().begin::<Self>(out, var_len(&self.payload));
        put_var(out, &self.payload);
    }

    fn decode(input: &Bytes) -> Result<Self, DecodeError> {
        let mut body = Body::open::<Self>(input)?;
        Ok(Self { payload: optional_payload(&mut body)? })
    }
}

/// The payload came with 8.6 without a new schema version: 8.5 simply ends before it.
fn optional_payload(body: &mut Body<'_>) -> Result<Bytes, DecodeError> {
    if body.has_var(0) { body.var("payload") } else { Ok(Bytes::new()) }
}
