//! Scopes: whom an outage is an outage of. A class (reads or writes) asked from a zone, of a shard where keys lie in
//! shards.
//!
//! Probes decide, as they do not depend on the load. A run without probes has its workload's operations instead.

use super::counts::in_time;
use sim_core::record::{OpRecord, RunRecord};
use sim_core::{Class, Fate};

/// The scopes of a run.
pub(crate) struct Scopes<'a> {
    record: &'a RunRecord,
    zones: usize,
    shards: usize,
    /// Whether probes decide.
    pub by_probes: bool,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    pub class: Class,
    /// Index of the zone.
    pub zone: usize,
    /// 0 where keys lie in no shards.
    pub shard: usize,
}

/// What an operation says about its scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// It was served.
    Served,
    /// It was not.
    NotServed,
    /// Nothing: the run ended before it was due.
    Nothing,
}

impl<'a> Scopes<'a> {
    pub(crate) fn of(record: &'a RunRecord) -> Self {
        Self {
            record,
            zones: record.zones.len().max(1),
            shards: usize::from(record.shards).max(1),
            by_probes: record.probe_every_ns > 0,
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        2 * self.zones * self.shards
    }

    /// How many zones and shards there are, at least 1 of each.
    pub(crate) const fn extent(&self) -> (usize, usize) {
        (self.zones, self.shards)
    }

    /// The number of the operation's scope.
    #[inline]
    pub(crate) fn index(&self, op: &OpRecord) -> usize {
        let (zone, shard) = (usize::from(op.zone).min(self.zones - 1), usize::from(op.shard).min(self.shards - 1));
        (usize::from(op.class == Class::Write) * self.zones + zone) * self.shards + shard
    }

    /// The scope of that number.
    pub(crate) const fn scope(&self, index: usize) -> Scope {
        let (class, zone) = (index / self.shards / self.zones, index / self.shards % self.zones);
        Scope { class: if class == 0 { Class::Read } else { Class::Write }, zone, shard: index % self.shards }
    }

    /// Whether the operation is one of those that decide: a probe, or any where there are no probes.
    #[inline]
    pub(crate) const fn decides(&self, op: &OpRecord) -> bool {
        op.probe == self.by_probes
    }

    /// What the operation says about its scope.
    #[inline]
    pub(crate) fn said(&self, op: &OpRecord) -> Said {
        if op.outcome == Fate::Ok && in_time(op, scope_timeout(self.record)) {
            return Said::Served;
        }
        // Nobody knows what became of an operation that was young when the run stopped.
        let cut_short = op.outcome == Fate::Unknown
            && op.return_ns >= self.record.simulated_ns
            && in_time(op, scope_timeout(self.record).saturating_sub(1));
        if cut_short { Said::Nothing } else { Said::NotServed }
    }

    /// What people call these scopes together: `everything`, `writes`, `zone b`, `writes of 1 of 3 shards in zone b`.
    /// `asked` says of which scopes anything is known.
    pub(crate) fn name(&self, down: &[bool], asked: &[bool]) -> String {
        if down.iter().zip(asked).all(|(down, asked)| *down || !*asked) {
            return "everything".into();
        }
        let half = self.zones * self.shards;
        let (reads, writes) = (&down[..half], &down[half..]);
        let classes = [("reads", &asked[..half], reads), ("writes", &asked[half..], writes)];
        let asked_both = classes.iter().all(|(_, asked, _)| asked.contains(&true));
        if asked_both && reads == writes {
            return self.part("", reads, &asked[..half]);
        }
        let parts: Vec<String> = classes
            .iter()
            .filter(|(_, _, down)| down.contains(&true))
            .map(|(class, asked, down)| self.part(if asked_both { class } else { "" }, down, asked))
            .collect();
        parts.join(" and ")
    }

    /// One class, or both where it has no name.
    fn part(&self, class: &str, down: &[bool], asked: &[bool]) -> String {
        let has = |of: &[bool], zone: usize, shard: usize| of[zone * self.shards + shard];
        let zones = |of: &[bool]| -> Vec<usize> {
            (0..self.zones).filter(|z| (0..self.shards).any(|s| has(of, *z, s))).collect()
        };
        let shards = |of: &[bool]| (0..self.shards).filter(|s| (0..self.zones).any(|z| has(of, z, *s))).count();
        let (hit, all) = (zones(down), zones(asked));
        let mut words: Vec<String> = Vec::new();
        if !class.is_empty() {
            words.push(class.into());
        }
        let (hit_shards, all_shards) = (shards(down), shards(asked));
        if hit_shards < all_shards {
            let of = if words.is_empty() { "" } else { "of " };
            let name = if self.record.shards_name.is_empty() { "shards" } else { &self.record.shards_name };
            words.push(format!("{of}{hit_shards} of {all_shards} {name}"));
        }
        if hit.len() < all.len() {
            let names: Vec<&str> = hit.iter().map(|z| self.zone(*z)).collect();
            let (last, others) = names.split_last().expect("whoever is named was hit");
            let list = if others.is_empty() { (*last).to_owned() } else { format!("{} and {last}", others.join(", ")) };
            let plural = if others.is_empty() { "zone" } else { "zones" };
            words.push(format!("{}{plural} {list}", if words.is_empty() { "" } else { "in " }));
        }
        if words.is_empty() { "everything".into() } else { words.join(" ") }
    }

    /// A zone's name.
    pub(crate) fn zone(&self, index: usize) -> &'a str {
        self.record.zones.get(index).map_or("", String::as_str)
    }
}

/// How slow an operation may be and still count as served where outages are found.
pub(crate) const fn scope_timeout(record: &RunRecord) -> u64 {
    if record.probe_timeout_ns == 0 { record.timeout_ns } else { record.probe_timeout_ns }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outages_are_named_by_their_scope() {
        let record = RunRecord {
            zones: ["a", "b", "c"].map(str::to_owned).into(),
            shards: 3,
            probe_every_ns: 1,
            ..RunRecord::default()
        };
        let scopes = Scopes::of(&record);
        assert_eq!(scopes.count(), 18);
        let all = vec![true; 18];
        let named = |which: &dyn Fn(Scope) -> bool| {
            let down: Vec<bool> = (0..18).map(|i| which(scopes.scope(i))).collect();
            scopes.name(&down, &all)
        };
        assert_eq!(named(&|_| true), "everything");
        assert_eq!(named(&|s| s.class == Class::Write), "writes");
        assert_eq!(named(&|s| s.zone == 1), "zone b");
        assert_eq!(named(&|s| s.zone != 1), "zones a and c");
        assert_eq!(named(&|s| s.shard == 2), "1 of 3 shards");
        assert_eq!(named(&|s| s.shard == 2 && s.class == Class::Write), "writes of 1 of 3 shards");
        assert_eq!(
            named(&|s| s.shard == 2 && s.class == Class::Read && s.zone == 0),
            "reads of 1 of 3 shards in zone a"
        );
        assert_eq!(named(&|s| s.class == Class::Write || s.zone == 2), "reads in zone c and writes");
        // A class nobody asks for is not missing.
        let writes: Vec<bool> = (0..18).map(|i| scopes.scope(i).class == Class::Write).collect();
        let in_b: Vec<bool> = (0..18).map(|i| writes[i] && scopes.scope(i).zone == 1).collect();
        assert_eq!(
            (scopes.name(&writes, &writes), scopes.name(&in_b, &writes)),
            ("everything".into(), "zone b".into())
        );
    }
}
