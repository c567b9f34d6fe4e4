//! The workers as whoever hands out tasks knows them: a lease each, which pings renew.

use super::attempt::Attempt;
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::{Duration, LocalInstant, NodeId};

/// A worker.
#[derive(Clone, Debug)]
pub struct Member {
    /// Which of its lives.
    pub life: u64,
    /// The newest ping of it.
    pub number: u64,
    /// When that came.
    pub heard: LocalInstant,
    /// Whether it may be given tasks: what it holds is known.
    pub joined: bool,
    /// What it was given and has not ended.
    pub doing: SortedSet<Attempt>,
}

/// What a ping comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It has been overtaken.
    Stale,
    /// Nobody knows what the worker holds; these executions are lost if it had any in an earlier life.
    Stranger(Vec<Attempt>),
    /// It says what it holds.
    Joins(Vec<Attempt>),
    /// One like any other.
    Known,
}

/// All that were ever heard of.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    members: SortedMap<NodeId, Member>,
}

impl Roster {
    /// A worker.
    #[must_use]
    pub fn get(&self, worker: NodeId) -> Option<&Member> {
        self.members.get(&worker)
    }

    /// How many may be given tasks.
    #[must_use]
    pub fn joined(&self) -> usize {
        self.members.values().filter(|member| member.joined).count()
    }

    /// A ping has come; `tells` is whether it says what its worker holds.
    pub fn hear(&mut self, from: NodeId, life: u64, number: u64, tells: bool, now: LocalInstant) -> Heard {
        let new = || Member { life, number: 0, heard: now, joined: false, doing: SortedSet::new() };
        let member = self.members.entry(from).or_insert_with(new);
        let is_old = life < member.life || (life == member.life && number <= member.number);
        if is_old {
            return Heard::Stale;
        }
        let mut lost = Vec::new();
        if life > member.life {
            lost = core::mem::take(&mut member.doing).into_iter().collect();
            (member.life, member.joined) = (life, false);
        }
        (member.number, member.heard) = (number, now);
        match (member.joined, tells) {
            (true, _) => Heard::Known,
            (false, false) => Heard::Stranger(lost),
            (false, true) => {
                member.joined = true;
                Heard::Joins(lost)
            }
        }
    }

    /// It was given this.
    pub fn give(&mut self, worker: NodeId, attempt: Attempt) {
        if let Some(member) = self.members.get_mut(&worker) {
            member.doing.insert(attempt);
        }
    }

    /// It does this no more. Whether it did.
    pub fn take(&mut self, worker: NodeId, attempt: Attempt) -> bool {
        self.members.get_mut(&worker).is_some_and(|member| member.doing.remove(&attempt))
    }

    /// Nobody does anything any more: a job is over.
    pub fn clear(&mut self) {
        self.members.values_mut().for_each(|member| member.doing.clear());
    }

    /// Those that have been silent for too long, and what each was doing: they have to join again.
    pub fn silent(&mut self, now: LocalInstant, patience: Duration) -> Vec<(NodeId, Vec<Attempt>)> {
        let late = |member: &Member| member.joined && now.since(member.heard) > patience;
        let late = self.members.iter_mut().filter(|(_, member)| late(member));
        late.map(|(worker, member)| {
            member.joined = false;
            (*worker, core::mem::take(&mut member.doing).into_iter().collect())
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_ends_and_a_new_life_loses_what_the_old_one_did() {
        let (mut roster, one) = (Roster::default(), NodeId(3));
        let at = LocalInstant;
        let attempt = Attempt { run: 1, stage: 0, task: 0, number: 1 };
        assert_eq!(roster.hear(one, 1, 1, false, at(0)), Heard::Stranger(vec![]));
        assert_eq!(roster.hear(one, 1, 2, true, at(1)), Heard::Joins(vec![]));
        roster.give(one, attempt);
        assert_eq!(roster.hear(one, 1, 1, true, at(2)), Heard::Stale);
        assert_eq!(roster.hear(one, 2, 1, true, at(3)), Heard::Joins(vec![attempt]));
        assert!(roster.silent(at(13), Duration(10)).is_empty());
        assert_eq!(roster.silent(at(14), Duration(10)), [(one, vec![])]);
        assert_eq!(roster.hear(one, 2, 2, false, at(15)), Heard::Stranger(vec![]));
    }
}
