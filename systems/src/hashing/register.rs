//! The memory of what clients wrote, key by key: whether a read may have seen what it saw (a regular register, Lamport 1986).

use crate::kv::{KvCommand, KvResponse};
use sim_core::{ClientId, Instant, Outcome, Ticket};
use std::collections::{BTreeMap, BTreeSet};

/// The writes of one key.
#[derive(Clone, Debug, Default)]
struct Writes {
    /// Acknowledged ones, in the order of their ends: the end, and the latest beginning of any up to it.
    acknowledged: Vec<(Instant, Instant)>,
    /// When the write of each value was acknowledged, by the value's hash.
    ended: BTreeMap<u64, Instant>,
    /// Of those that several tries were made of.
    again: BTreeSet<u64>,
}

impl Writes {
    /// The latest beginning of a write that was acknowledged before `at`.
    fn newest_before(&self, at: Instant) -> Option<Instant> {
        let behind = self.acknowledged.partition_point(|(end, _)| *end < at);
        self.acknowledged[..behind].last().map(|(_, begun)| *begun)
    }
}

/// All keys.
#[derive(Clone, Debug, Default)]
pub(super) struct Registers {
    /// Writes that clients have begun: the key, the value's hash, and whether a node was asked.
    asked: BTreeMap<(ClientId, u64), (u64, u64, bool)>,
    keys: BTreeMap<u64, Writes>,
    /// Reads that were looked at.
    pub reads: u64,
    /// Those of them that had to see a write.
    pub bound: u64,
}

impl Registers {
    /// A client begins an operation.
    pub fn invoked(&mut self, ticket: Ticket, request: &KvCommand) {
        if let KvCommand::Put { key, value } | KvCommand::Append { key, value } | KvCommand::Cas { key, value, .. } =
            request
        {
            self.asked.insert((ticket.client, ticket.op), (*key, value.hash(), false));
        }
    }

    /// A node is asked. One that is asked for the same again may carry it out late, when it has long been acknowledged: nothing
    /// tells it that it is. Such a write counts as one that has not ended.
    pub fn requested(&mut self, ticket: Ticket) {
        let Some((key, value, before)) = self.asked.get_mut(&(ticket.client, ticket.op)) else { return };
        if core::mem::replace(before, true) {
            let writes = self.keys.entry(*key).or_default();
            writes.ended.remove(value);
            writes.again.insert(*value);
        }
    }

    /// An operation ended. Says what is wrong with what it saw.
    pub fn returned(
        &mut self,
        (invoked, now): (Instant, Instant),
        request: &KvCommand,
        outcome: &Outcome<KvResponse>,
    ) -> Option<String> {
        match (request, outcome) {
            (KvCommand::Get { key }, Outcome::Ok(KvResponse::Value(seen))) => {
                self.reads += 1;
                let writes = self.keys.get(key)?;
                let newest = writes.newest_before(invoked)?;
                self.bound += 1;
                let told = |what: &str| {
                    format!(
                        "a read of k{key} begun at {invoked} saw {what}, but a write begun at {newest} was acknowledged before"
                    )
                };
                match seen {
                    None => Some(told("nothing")),
                    // One that has not ended, or nobody knows how, may take effect at any time.
                    Some(value) => match writes.ended.get(&value.hash()) {
                        Some(end) if *end < newest => Some(told(&format!("{value}, written until {end}"))),
                        _ => None,
                    },
                }
            }
            (
                KvCommand::Put { key, value } | KvCommand::Append { key, value } | KvCommand::Cas { key, value, .. },
                Outcome::Ok(_),
            ) => {
                let writes = self.keys.entry(*key).or_default();
                let begun = writes.acknowledged.last().map_or(invoked, |(_, begun)| invoked.max(*begun));
                writes.acknowledged.push((now, begun));
                if !writes.again.contains(&value.hash()) {
                    writes.ended.insert(value.hash(), now);
                }
                None
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::Value;

    #[test]
    fn a_read_must_see_what_was_acknowledged_before_it_began() {
        let mut registers = Registers::default();
        let put = |v: &str| KvCommand::Put { key: 1, value: Value::new(v) };
        let saw = |v: Option<&str>| Outcome::Ok(KvResponse::Value(v.map(Value::new)));
        let get = KvCommand::Get { key: 1 };
        let mut end = |from, to, request: &KvCommand, outcome: &Outcome<KvResponse>| {
            registers.returned((Instant(from), Instant(to)), request, outcome).is_some()
        };
        let done = Outcome::Ok(KvResponse::Done);
        assert!(!end(0, 5, &get, &saw(None)));
        assert!(!end(1, 10, &put("a"), &done));
        assert!(!end(9, 12, &get, &saw(None)), "it began before the write had ended");
        assert!(end(11, 13, &get, &saw(None)));
        assert!(!end(11, 20, &put("b"), &done));
        assert!(!end(15, 21, &get, &saw(Some("a"))));
        assert!(end(21, 22, &get, &saw(Some("a"))));
        assert!(!end(21, 22, &get, &saw(Some("of a write that never ended"))));
        // Two at the same time may have come in either order.
        assert!(!end(30, 40, &put("c"), &done));
        assert!(!end(35, 45, &put("d"), &done));
        assert!(!end(50, 51, &get, &saw(Some("c"))));
        assert!(end(50, 51, &get, &saw(Some("b"))));
        // What was tried twice may come back.
        let ticket = Ticket { client: ClientId(0), op: 7, floor: 0, attempt: 0 };
        registers.invoked(ticket, &put("b"));
        registers.requested(ticket);
        assert!(registers.returned((Instant(50), Instant(51)), &get, &saw(Some("b"))).is_some());
        registers.requested(Ticket { attempt: 1, ..ticket });
        assert!(registers.returned((Instant(50), Instant(51)), &get, &saw(Some("b"))).is_none());
    }
}
