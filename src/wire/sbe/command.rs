//! Schema 0: commands, queries and the error reply (command-api §1.2).

use bytes::{Bytes, BytesMut};

use super::layout::{Block, Body, Field, Message, put_var, var_len};
use crate::model::{ErrorCode, RecordType, RejectionType, ValueType};
use crate::wire::DecodeError;

const SCHEMA: u16 = 0;
const VERSION: u16 = 5;

/// What an absent authorization means: an empty AuthInfo, that is "default tenant only".
const NO_AUTHORIZATION: Bytes = Bytes::from_static(&[0x80]);

/// A command for a partition, topic `command-api-<partition>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecuteCommandRequest {
    /// Target partition; brokers route by topic and ignore this.
    pub partition: u16,
    /// Key of the addressed entity, -1 if the command has none.
    pub key: i64,
    /// Number of the value type; kept raw so that a broker can name what it does not know.
    pub value_type: u8,
    /// Intent, see [`crate::model::intent`].
    pub intent: u8,
    /// The client's reference, -1 if none.
    pub operation_reference: i64,
    /// The record.
    pub value: Bytes,
    /// The AuthInfo. Data that is absent altogether (before version 4, or cut off after the value)
    /// reads as the empty map; data of length 0 stays empty, which brokers refuse.
    pub authorization: Bytes,
}

impl ExecuteCommandRequest {
    const PARTITION: Field<u16> = Field::at(0);
    const KEY: Field<i64> = Field::at(2);
    const VALUE_TYPE: Field<u8> = Field::at(10);
    const INTENT: Field<u8> = Field::at(11);
    const OPERATION_REFERENCE: Field<i64> = Field::at(12).since(5);
    const AUTHORIZATION_SINCE: u16 = 4;
}

impl Message for ExecuteCommandRequest {
    const SCHEMA: u16 = SCHEMA;
    const VERSION: u16 = VERSION;
    const TEMPLATE: u16 = 20;
    const BLOCK_LENGTH: u16 = 20;
    const NAME: &'static str = "ExecuteCommandRequest";

    fn encode(&self, out: &mut BytesMut) {
        Block::<20>::new()
            .put(Self::PARTITION, self.partition)
            .put(Self::KEY, self.key)
            .put(Self::VALUE_TYPE, self.value_type)
            .put(Self::INTENT, self.intent)
            .put(Self::OPERATION_REFERENCE, self.operation_reference)
            .begin::<Self>(out, var_len(&self.value) + var_len(&self.authorization));
        put_var(out, &self.value);
        put_var(out, &self.authorization);
    }

    fn decode(input: &Bytes) -> Result<Self, DecodeError> {
        let mut body = Body::open_any_schema::<Self>(input)?;
        Ok(Self {
            partition: body.get(Self::PARTITION)?,
            key: body.get(Self::KEY)?,
            value_type: body.get(Self::VALUE_TYPE)?,
            intent: body.get(Self::INTENT)?,
            operation_reference: body.get(Self::OPERATION_REFERENCE)?,
            value: body.var("value")?,
            authorization: if body.has_var(Self::AUTHORIZATION_SINCE) {
                body.var("authorization")?
            } else {
                NO_AUTHORIZATION
            },
        })
    }
}

/// A broker's answer to a command it processed: an event, or a rejection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecuteCommandResponse {
    /// Partition that processed the command.
    pub partition: u16,
    /// Key of the event, -1 possible.
    pub key: i64,
    /// Event or rejection.
    pub record_type: RecordType,
    /// Normally the request's.
    pub value_type: ValueType,
    /// Intent of the event, or of the rejected command.
    pub intent: u8,
    /// Why it was rejected; [`RejectionType::NullVal`] for events.
    pub rejection_type: RejectionType,
    /// The record.
    pub value: Bytes,
    /// Why it was rejected, for humans.
    pub rejection_reason: String,
}

impl ExecuteCommandResponse {
    const PARTITION: Field<u16> = Field::at(0);
    const KEY: Field<i64> = Field::at(2);
    const RECORD_TYPE: Field<u8> = Field::at(10);
    const VALUE_TYPE: Field<u8> = Field::at(11);
    const INTENT: Field<u8> = Field::at(12);
    const REJECTION_TYPE: Field<u8> = Field::at(13);
}

impl Message for ExecuteCommandResponse {
    const SCHEMA: u16 = SCHEMA;
    const VERSION: u16 = VERSION;
    const TEMPLATE: u16 = 21;
    const BLOCK_LENGTH: u16 = 14;
    const NAME: &'static str = "ExecuteCommandResponse";

    fn encode(&self, out: &mut BytesMut) {
        let reason = self.rejection_reason.as_bytes();
        Block::<14>::new()
            .put(Self::PARTITION, self.partition)
            .put(Self::KEY, self.key)
            .put(Self::RECORD_TYPE, self.record_type.to_wire())
            .put(Self::VALUE_TYPE, self.value_type.to_wire())
            .put(Self::INTENT, self.intent)
            .put(Self::REJECTION_TYPE, self.rejection_type.to_wire())
            .begin::<Self>(out, var_len(&self.value) + var_len(reason));
        put_var(out, &self.value);
        put_var(out, reason);
    }

    fn decode(input: &Bytes) -> Result<Self, DecodeError> {
        let mut body = Body::open::<Self>(input)?;
        Ok(Self {
            partition: body.get(Self::PARTITION)?,
            key: body.get(Self::KEY)?,
            record_type: RecordType::from_wire(body.get(Self::RECORD_TYPE)?),
            value_type: ValueType::from_wire(body.get(Self::VALUE_TYPE)?),
            intent: body.get(Self::INTENT)?,
            rejection_type: RejectionType::from_wire(body.get(Self::REJECTION_TYPE)?),
            value: body.var("value")?,
            rejection_reason: body.text("rejection reason")?,
        })
    }
}

/// A broker's answer to a request it could not process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorResponse {
    /// What kind of failure.
    pub code: ErrorCode,
    /// The same for humans.
    pub message: String,
}

impl ErrorResponse {
    const CODE: Field<u8> = Field::at(0);
}

impl Message for ErrorResponse {
    const SCHEMA: u16 = SCHEMA;
    const VERSION: u16 = VERSION;
    const TEMPLATE: u16 = 10;
    const BLOCK_LENGTH: u16 = 1;
    const NAME: &'static str = "ErrorResponse";

    fn encode(&self, out: &mut BytesMut) {
        let message = self.message.as_bytes();
        let block = Block::<1>::new().put(Self::CODE, self.code.to_wire());
        block.begin::<Self>(out, var_len(message));
        put_var(out, message);
    }

    fn decode(input: &Bytes) -> Result<Self, DecodeError> {
        let mut body = Body::open::<Self>(input)?;
        Ok(Self {
            code: ErrorCode::from_wire(body.get(Self::CODE)?),
            message: body.text("error message")?,
        })
    }
}

/// Asks a partition for the process id of an entity, topic `query-api-<partition>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecuteQueryRequest {
    /// Target partition.
    pub partition: u16,
    /// Key of the entity.
    pub key: i64,
    /// PROCESS, PROCESS_INSTANCE or JOB, as a number.
    pub value_type: u8,
}

impl ExecuteQueryRequest {
    const PARTITION: Field<u16> = Field::at(0);
    const KEY: Field<i64> = Field::at(2);
    const VALUE_TYPE: Field<u8> = Field::at(10);
}

impl Message for ExecuteQueryRequest {
    const SCHEMA: u16 = SCHEMA;
    const VERSION: u16 = VERSION;
    const TEMPLATE: u16 = 30;
    const BLOCK_LENGTH: u16 = 11;
    const NAME: &'static str = "ExecuteQueryRequest";

    fn encode(&self, out: &mut BytesMut) {
        Block::<11>::new()
            .put(Self::PARTITION, self.partition)
            .put(Self::KEY, self.key)
            .put(Self::VALUE_TYPE, self.value_type)
            .begin::<Self>(out, 0);
    }

    fn decode(input: &Bytes) -> Result<Self, DecodeError> {
        let body = Body::open_any_schema::<Self>(input)?;
        Ok(Self {
            partition: body.get(Self::PARTITION)?,
            key: body.get(Self::KEY)?,
            value_type: body.get(Self::VALUE_TYPE)?,
        })
    }
}

/// Answer to [`ExecuteQueryRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecuteQueryResponse {
    /// Id of the process the entity belongs to.
    pub bpmn_process_id: String,
}

impl ExecuteQueryResponse {}

impl Message for ExecuteQueryResponse {
    const SCHEMA: u16 = SCHEMA;
    const VERSION: u16 = VERSION;
    const TEMPLATE: u16 = 31;
    const BLOCK_LENGTH: u16 = 0;
    const NAME: &'static str = "ExecuteQueryResponse";

    fn encode(&self, out: &mut BytesMut) {
        let id = self.bpmn_process_id.as_bytes();
        Block::<0>::new().begin::<Self>(out, var_len(id));
        put_var(out, id);
    }

    fn decode(input: &Bytes) -> Result<Self, DecodeError> {
        let mut body = Body::open::<Self>(input)?;
        Ok(Self { bpmn_process_id: body.text("process id")? })
    }
}
