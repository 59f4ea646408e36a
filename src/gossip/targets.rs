//! Whom to probe next: contact points and members in turn, suspects out of turn.

use std::collections::VecDeque;

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

use super::members::Members;
use crate::model::{MemberId, MemberState};
use crate::wire::swim::{Address, Member};

/// Bytes of a random member id.
const ID_BYTES: usize = 16;

/// A contact point's address, with the id that stands for the unknown member there.
#[derive(Clone, Debug)]
struct ContactPoint {
    address: Address,
    placeholder: MemberId,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    Contact(Address),
    Member(MemberId),
}

/// The order of probes: rounds over everybody, each in an order of its own, so that nobody waits
/// longer than two rounds.
#[derive(Debug, Default)]
pub(super) struct Targets {
    contacts: Vec<ContactPoint>,
    round: VecDeque<Target>,
    /// Whether the last probe went to a suspect out of turn.
    out_of_turn: bool,
}

impl Targets {
    /// Replaces the contact points; ids of those that stay are kept. Our own address is skipped.
    pub(super) fn set_contacts(
        &mut self,
        addresses: Vec<Address>,
        own: &Address,
        rng: &mut StdRng,
    ) {
        let old = std::mem::take(&mut self.contacts);
        for address in addresses {
            if address == *own || self.contacts.iter().any(|contact| contact.address == address) {
                continue;
            }
            let kept = old.iter().find(|contact| contact.address == address).cloned();
            self.contacts.push(kept.unwrap_or_else(|| {
                let id = uuid::Builder::from_random_bytes(rng.random::<[u8; ID_BYTES]>());
                ContactPoint { address, placeholder: MemberId::new(id.into_uuid().to_string()) }
            }));
        }
        self.round.clear();
    }

    /// A member joined: it takes part in the round under way.
    pub(super) fn added(&mut self, id: &MemberId, rng: &mut StdRng) {
        let target = Target::Member(id.clone());
        if !self.round.is_empty() && !self.round.contains(&target) {
            let place = rng.random_range(0..=self.round.len());
            self.round.insert(place, target);
        }
    }

    /// The next one to probe, as we know it.
    pub(super) fn next(&mut self, members: &Members, rng: &mut StdRng) -> Option<Member> {
        self.out_of_turn = !self.out_of_turn;
        if self.out_of_turn {
            let suspects = members.iter().filter(|known| known.state() == MemberState::Suspect);
            let suspects: Vec<_> = suspects.collect();
            if !suspects.is_empty() {
                let chosen = suspects.get(rng.random_range(0..suspects.len()));
                return chosen.map(|known| known.member.clone());
            }
        }
        if self.round.is_empty() {
            self.begin_round(members, rng);
        }
        while let Some(target) = self.round.pop_front() {
            let found = match &target {
                Target::Contact(address) => self.placeholder(address),
                Target::Member(id) => members.get(id).map(|known| known.member.clone()),
            };
            if found.is_some() {
                return found;
            }
        }
        None
    }

    fn placeholder(&self, address: &Address) -> Option<Member> {
        let contact = self.contacts.iter().find(|contact| contact.address == *address)?;
        Some(Member::placeholder(contact.placeholder.clone(), contact.address.clone()))
    }

    fn begin_round(&mut self, members: &Members, rng: &mut StdRng) {
        let mut shuffled: Vec<_> = members.ids().cloned().map(Target::Member).collect();
        shuffled.shuffle(rng);
        let contacts = self.contacts.iter().map(|contact| Target::Contact(contact.address.clone()));
        self.round.extend(contacts);
        self.round.extend(shuffled);
    }
}
