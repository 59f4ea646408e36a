//! Reading membership payloads: fields in any order, unknown ones skipped, any chunk cuts.

use super::{MEMBERS_MAX, Member, MemberState, PROPERTIES_MAX, Properties, Version};
use crate::model::{MemberId, Millis};
use crate::wire::kryo::{Collection, Reader, class};
use crate::wire::{Address, DecodeError};

/// Field names by class, as the payload itself lists them.
#[derive(Default)]
pub(super) struct Decoder {
    described: Vec<(u32, Vec<String>)>,
}

pub(super) fn pair(payload: &[u8]) -> Result<(Member, Member), DecodeError> {
    whole(payload, |decoder, reader| {
        reader.expect_class(class::PAIR, "an object that is not a pair")?;
        decoder.pair(reader)
    })
}

pub(super) fn member(payload: &[u8]) -> Result<Member, DecodeError> {
    whole(payload, |decoder, reader| decoder.member_object(reader))
}

pub(super) fn members(payload: &[u8]) -> Result<Vec<Member>, DecodeError> {
    whole(payload, |decoder, reader| decoder.members(reader))
}

pub(super) fn boolean(payload: &[u8]) -> Result<bool, DecodeError> {
    whole(payload, |_, reader| {
        reader.expect_class(class::BOOLEAN, "an object that is not a boolean")?;
        reader.bool()
    })
}

/// Reads a payload that is exactly one object.
fn whole<T>(
    payload: &[u8],
    read: impl FnOnce(&mut Decoder, &mut Reader<'_>) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    let mut reader = Reader::new(payload);
    let value = read(&mut Decoder::default(), &mut reader)?;
    reader.finish()?;
    Ok(value)
}

/// Fields of a member collected while they come in any order.
#[derive(Default)]
struct MemberFields {
    address: Option<Address>,
    id: Option<MemberId>,
    incarnation: i64,
    properties: Properties,
    state: Option<MemberState>,
    timestamp: i64,
    version: Option<Version>,
}

impl Decoder {
    /// Reads an object's fields: `read` gets each field's name and bytes.
    pub(super) fn fields(
        &mut self,
        class: u32,
        reader: &mut Reader<'_>,
        mut read: impl FnMut(&mut Self, &str, &mut Reader<'_>) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let known = self.described.iter().find(|(described, _)| *described == class);
        let names = match known {
            Some((_, names)) => names.clone(),
            None => {
                let names = reader.field_names()?;
                self.described.push((class, names.clone()));
                names
            }
        };
        for name in &names {
            let bytes = reader.chunked()?;
            read(self, name, &mut Reader::new(&bytes))?;
        }
        Ok(())
    }

    fn pair(&mut self, reader: &mut Reader<'_>) -> Result<(Member, Member), DecodeError> {
        let (mut left, mut right) = (None, None);
        self.fields(class::PAIR, reader, |decoder, name, field| {
            match name {
                "left" => left = Some(decoder.member_object(field)?),
                "right" => right = Some(decoder.member_object(field)?),
                _ => {}
            }
            Ok(())
        })?;
        let missing = |property| DecodeError::MissingProperty { property };
        Ok((left.ok_or(missing("left"))?, right.ok_or(missing("right"))?))
    }

    fn members(&mut self, reader: &mut Reader<'_>) -> Result<Vec<Member>, DecodeError> {
        let list = match reader.class()? {
            Some(class::ARRAY_LIST | class::LINKED_LIST) => reader.collection()?,
            _ => return Err(reader.invalid("an object that is not a list")),
        };
        let Some(Collection { len, class, nullable }) = list else { return Ok(Vec::new()) };
        if len > MEMBERS_MAX {
            return Err(reader.invalid("a list with too many members"));
        }
        let mut members = Vec::new();
        for _ in 0..len {
            if nullable && !reader.bool()? {
                continue;
            }
            members.push(match class {
                None => self.member_object(reader)?,
                Some(class::MEMBER) => self.member(reader)?,
                Some(_) => return Err(reader.invalid("a list of something else than members")),
            });
        }
        Ok(members)
    }

    fn member_object(&mut self, reader: &mut Reader<'_>) -> Result<Member, DecodeError> {
        reader.expect_class(class::MEMBER, "an object that is not a member")?;
        self.member(reader)
    }

    fn member(&mut self, reader: &mut Reader<'_>) -> Result<Member, DecodeError> {
        let mut fields = MemberFields::default();
        self.fields(class::MEMBER, reader, |decoder, name, field| {
            decoder.member_field(&mut fields, name, field)
        })?;
        let missing = |property| DecodeError::MissingProperty { property };
        Ok(Member {
            id: fields.id.ok_or(missing("id"))?,
            address: fields.address.ok_or(missing("address"))?,
            version: fields.version,
            timestamp: Millis(fields.timestamp),
            incarnation: fields.incarnation,
            state: fields.state,
            properties: fields.properties,
        })
    }

    fn member_field(
        &mut self,
        fields: &mut MemberFields,
        name: &str,
        reader: &mut Reader<'_>,
    ) -> Result<(), DecodeError> {
        match name {
            "address" => fields.address = read_address(reader)?,
            "id" => {
                // Listed twice; in a member that was passed on, the second one is null.
                let id = self.member_id(reader)?;
                fields.id = fields.id.take().or(id);
            }
            "incarnationNumber" => fields.incarnation = reader.zigzag64("an incarnation")?,
            "properties" => fields.properties = read_properties(reader)?,
            "state" => fields.state = read_state(reader)?,
            "timestamp" => fields.timestamp = reader.zigzag64("a timestamp")?,
            "version" => fields.version = self.version(reader)?,
            _ => {}
        }
        Ok(())
    }

    fn member_id(&mut self, reader: &mut Reader<'_>) -> Result<Option<MemberId>, DecodeError> {
        match reader.class()? {
            None => return Ok(None),
            Some(class::MEMBER_ID) => {}
            Some(_) => return Err(reader.invalid("an id of another class")),
        }
        let mut id = None;
        self.fields(class::MEMBER_ID, reader, |_, name, field| {
            if name == "identifier" {
                field.expect_class(class::STRING, "an identifier that is not a string")?;
                id = field.string()?;
            }
            Ok(())
        })?;
        Ok(id.map(MemberId::new))
    }

    fn version(&mut self, reader: &mut Reader<'_>) -> Result<Option<Version>, DecodeError> {
        if !reader.bool()? {
            return Ok(None);
        }
        let mut version = Version::new(0, 0, 0);
        self.fields(class::VERSION, reader, |_, name, field| {
            match name {
                "build" => version.pre_release = field.string()?,
                "major" => version.major = field.zigzag32("a major version")?,
                "minor" => version.minor = field.zigzag32("a minor version")?,
                "patch" => version.patch = field.zigzag32("a patch version")?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(Some(version))
    }
}

pub(super) fn read_address(reader: &mut Reader<'_>) -> Result<Option<Address>, DecodeError> {
    if !reader.bool()? {
        return Ok(None);
    }
    let host = reader.text("an address without host")?;
    let offset = reader.position();
    let port = u16::try_from(reader.i32_le("a port")?)
        .map_err(|_| DecodeError::OutOfRange { offset, what: "a port" })?;
    Ok(Some(Address::new(host, port)))
}

fn read_state(reader: &mut Reader<'_>) -> Result<Option<MemberState>, DecodeError> {
    Ok(match reader.varint("a state")? {
        0 => None,
        1 => Some(MemberState::Alive),
        2 => Some(MemberState::Suspect),
        3 => Some(MemberState::Dead),
        _ => return Err(reader.invalid("an unknown member state")),
    })
}

fn read_properties(reader: &mut Reader<'_>) -> Result<Properties, DecodeError> {
    match reader.class()? {
        None => return Ok(Properties::new()),
        Some(class::PROPERTIES) => {}
        Some(_) => return Err(reader.invalid("properties of another class")),
    }
    let count = reader.varint("a property count")?.saturating_sub(1);
    if count > PROPERTIES_MAX {
        return Err(reader.invalid("a member with too many properties"));
    }
    let mut properties = Properties::new();
    for _ in 0..count {
        let (name, value) = (string_object(reader)?, string_object(reader)?);
        if let (Some(name), Some(value)) = (name, value) {
            properties.insert(name, value);
        }
    }
    Ok(properties)
}

fn string_object(reader: &mut Reader<'_>) -> Result<Option<String>, DecodeError> {
    match reader.class()? {
        None => Ok(None),
        Some(class::STRING) => reader.string(),
        Some(_) => Err(reader.invalid("a property that is not a string")),
    }
}
