//! Which faults met what: a node of which role handled or announced what while which kind of fault had hit it.

use sim_core::Kind;
use sim_core::hash::Mixer;
use sim_core::sorted::SortedSet;

/// A fault met something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Meeting {
    /// The kind of fault; empty for none.
    pub fault: &'static str,
    /// The role of the node that it had hit.
    pub role: &'static str,
    /// Whether it is a fact that the node announced, rather than a message that it handled.
    pub fact: bool,
    /// The kind of that message, or of that fact.
    pub what: &'static str,
}

/// All meetings of a run, and the numbers that names have in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Meetings {
    faults: Vec<(&'static str, u64)>,
    roles: Vec<(&'static str, u64)>,
    /// Faults (a bit each), role, sort and kind: nothing is looked at twice.
    seen: SortedSet<(u16, u8, bool, u8)>,
    met: SortedSet<Meeting>,
}

impl Meetings {
    /// The bit of a kind of fault.
    pub fn fault(&mut self, name: &'static str) -> u16 {
        let index = number(&mut self.faults, name);
        // There are eight kinds.
        1 << index.min(15)
    }

    /// The number of a role.
    pub fn role(&mut self, name: &'static str) -> u8 {
        number(&mut self.roles, name).min(255) as u8
    }

    /// The same for every run: numbers depend on which role came first.
    pub fn word(&self, role: u8) -> u64 {
        self.roles.get(usize::from(role)).map_or(0, |(_, word)| *word)
    }

    /// The same for a set of faults.
    pub fn words(&self, faults: u16) -> u64 {
        self.hit(faults).fold(0, |all, (_, word)| all ^ word)
    }

    fn hit(&self, faults: u16) -> impl Iterator<Item = (&'static str, u64)> {
        (0..).zip(&self.faults).filter(move |(bit, _)| faults & 1 << bit != 0).map(|(_, named)| *named)
    }

    /// A node of this role, hit by these faults, handled or announced something.
    pub fn meet(&mut self, faults: u16, role: u8, fact: bool, kind: Kind) {
        if self.seen.insert((faults, role, fact, kind.index)) {
            self.add(faults, role, fact, kind.name);
        }
    }

    #[cold]
    fn add(&mut self, faults: u16, role: u8, fact: bool, what: &'static str) {
        let role = self.roles.get(usize::from(role)).map_or("", |(name, _)| *name);
        let none = (faults == 0).then_some("");
        let hit: Vec<&'static str> = self.hit(faults).map(|(name, _)| name).chain(none).collect();
        self.met.extend(hit.into_iter().map(|fault| Meeting { fault, role, fact, what }));
    }

    pub fn iter(&self) -> impl Iterator<Item = Meeting> {
        self.met.iter().copied()
    }
}

/// The place of a name among those that are known, with its hash.
fn number(known: &mut Vec<(&'static str, u64)>, name: &'static str) -> usize {
    known.iter().position(|(other, _)| *other == name).unwrap_or_else(|| {
        let mut mixer = Mixer::default();
        mixer.bytes(name.as_bytes());
        known.push((name, mixer.finish()));
        known.len() - 1
    })
}
