//! Writing membership payloads.

use super::{Member, MemberState, Version};
use crate::wire::Address;
use crate::wire::kryo::{Writer, class};

/// Fields of a member, in the order they are written. The id is a field of the class and of its
/// parent, so it occurs twice.
pub(super) const MEMBER_FIELDS: [&str; 11] = [
    "address",
    "host",
    "id",
    "id",
    "incarnationNumber",
    "properties",
    "rack",
    "state",
    "timestamp",
    "version",
    "zone",
];
pub(super) const MEMBER_ID_FIELDS: [&str; 1] = ["identifier"];
pub(super) const VERSION_FIELDS: [&str; 5] = ["build", "major", "metadata", "minor", "patch"];
pub(super) const PAIR_FIELDS: [&str; 2] = ["left", "right"];

/// Marks a value of a known type as present.
const PRESENT: u8 = 1;
const ABSENT: u8 = 0;

pub(super) fn pair(left: &Member, right: &Member) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.class(class::PAIR);
    writer.begin_object(class::PAIR, &PAIR_FIELDS);
    for member in [left, right] {
        writer.field(|writer| {
            writer.class(class::MEMBER);
            write_member(writer, member);
        });
    }
    writer.end_object();
    writer.into_bytes()
}

pub(super) fn member(member: &Member) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.class(class::MEMBER);
    write_member(&mut writer, member);
    writer.into_bytes()
}

pub(super) fn members(members: &[Member]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.class(class::ARRAY_LIST);
    writer.collection(members.len(), class::MEMBER);
    for member in members {
        write_member(&mut writer, member);
    }
    writer.into_bytes()
}

pub(super) fn boolean(value: bool) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.class(class::BOOLEAN);
    writer.bool(value);
    writer.into_bytes()
}

fn write_member(writer: &mut Writer, member: &Member) {
    writer.begin_object(class::MEMBER, &MEMBER_FIELDS);
    writer.field(|writer| write_address(writer, &member.address));
    writer.field(Writer::null_string);
    for _ in 0..2 {
        writer.field(|writer| write_member_id(writer, member.id.as_str()));
    }
    writer.field(|writer| writer.zigzag64(member.incarnation));
    writer.field(|writer| write_properties(writer, member));
    writer.field(Writer::null_string);
    writer.field(|writer| writer.varint(state_number(member.state)));
    writer.field(|writer| writer.zigzag64(member.timestamp.0));
    writer.field(|writer| write_version(writer, member.version.as_ref()));
    writer.field(Writer::null_string);
    writer.end_object();
}

pub(super) fn write_address(writer: &mut Writer, address: &Address) {
    writer.u8(PRESENT);
    writer.string(&address.host);
    writer.i32_le(address.port.into());
}

fn write_member_id(writer: &mut Writer, id: &str) {
    writer.class(class::MEMBER_ID);
    writer.begin_object(class::MEMBER_ID, &MEMBER_ID_FIELDS);
    writer.field(|writer| writer.string_object(id));
    writer.end_object();
}

fn write_properties(writer: &mut Writer, member: &Member) {
    writer.class(class::PROPERTIES);
    writer.varint(member.properties.len() as u32 + 1);
    for (name, value) in &member.properties {
        writer.string_object(name);
        writer.string_object(value);
    }
}

const fn state_number(state: Option<MemberState>) -> u32 {
    match state {
        None => 0,
        Some(MemberState::Alive) => 1,
        Some(MemberState::Suspect) => 2,
        Some(MemberState::Dead) => 3,
    }
}

fn write_version(writer: &mut Writer, version: Option<&Version>) {
    let Some(version) = version else {
        writer.u8(ABSENT);
        return;
    };
    writer.u8(PRESENT);
    writer.begin_object(class::VERSION, &VERSION_FIELDS);
    writer.field(|writer| writer.optional_string(version.pre_release.as_deref()));
    writer.field(|writer| writer.zigzag32(version.major));
    writer.field(Writer::null_string);
    writer.field(|writer| writer.zigzag32(version.minor));
    writer.field(|writer| writer.zigzag32(version.patch));
    writer.end_object();
}
