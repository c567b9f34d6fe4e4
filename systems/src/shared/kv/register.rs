//! The memory of what clients wrote, key by key: whether a read may have seen what it saw (a regular register, Lamport
//! 1986).

use super::{KvCommand, KvResponse};
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::{ClientId, Instant, Outcome, Ticket};

/// The writes of one key.
#[derive(Clone, Debug, Default)]
struct Writes {
    /// Acknowledged ones, in the order of their ends: the end, and the latest of any up to it.
    acknowledged: Vec<(Instant, Newest)>,
    /// When the write of each value was acknowledged, by the value's hash.
    ended: SortedMap<u64, Instant>,
    /// Of those that several tries were made of.
    again: SortedSet<u64>,
    /// Deletes that may take effect at any time: they have not ended, or several tries were made of them.
    deleting: SortedSet<(ClientId, u64)>,
    /// When the last of the others was acknowledged.
    deleted: Option<Instant>,
}

/// A write that was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Newest {
    begun: Instant,
    /// Whether it was a delete.
    delete: bool,
}

impl Writes {
    /// The one that began last of all that were acknowledged before `at`.
    fn newest_before(&self, at: Instant) -> Option<Newest> {
        let behind = self.acknowledged.partition_point(|(end, _)| *end < at);
        self.acknowledged[..behind].last().map(|(_, newest)| *newest)
    }

    fn acknowledge(&mut self, begun: Instant, end: Instant, delete: bool) {
        let this = Newest { begun, delete };
        let newest = self.acknowledged.last().map_or(this, |(_, newest)| this.max(*newest));
        self.acknowledged.push((end, newest));
    }
}

/// What is wrong with what a read saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It saw less than was acknowledged before it began.
    Stale(String),
    /// It saw what was deleted.
    Deleted(String),
}

/// All keys.
#[derive(Clone, Debug, Default)]
pub struct Registers {
    /// Writes that clients have begun: the key, the value's hash unless it is a delete, and how often a node was asked.
    asked: SortedMap<(ClientId, u64), (u64, Option<u64>, bool)>,
    /// Deletes that several tries were made of.
    again: SortedSet<(ClientId, u64)>,
    keys: SortedMap<u64, Writes>,
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
            self.asked.insert((ticket.client, ticket.op), (*key, Some(value.hash()), false));
        }
        if let KvCommand::Delete { key } = request {
            self.asked.insert((ticket.client, ticket.op), (*key, None, false));
            self.keys.entry(*key).or_default().deleting.insert((ticket.client, ticket.op));
        }
    }

    /// A node is asked. One that is asked for the same again may carry it out late, when it has long been acknowledged:
    /// nothing tells it that it is. Such a write counts as one that has not ended.
    pub fn requested(&mut self, ticket: Ticket) {
        let Some((key, value, before)) = self.asked.get_mut(&(ticket.client, ticket.op)) else { return };
        if core::mem::replace(before, true) {
            let writes = self.keys.entry(*key).or_default();
            match value {
                Some(value) => {
                    writes.ended.remove(value);
                    writes.again.insert(*value);
                }
                None => {
                    writes.deleting.insert((ticket.client, ticket.op));
                    self.again.insert((ticket.client, ticket.op));
                }
            }
        }
    }

    /// An operation ended. Says what is wrong with what it saw.
    pub fn returned(
        &mut self,
        ticket: Ticket,
        (invoked, now): (Instant, Instant),
        request: &KvCommand,
        outcome: &Outcome<KvResponse>,
    ) -> Option<Wrong> {
        match (request, outcome) {
            (KvCommand::Get { key }, Outcome::Ok(KvResponse::Value(seen))) => {
                self.reads += 1;
                let writes = self.keys.get(key)?;
                let newest = writes.newest_before(invoked)?;
                self.bound += 1;
                let Newest { begun, delete } = newest;
                let told = |what: &str| {
                    let write = if delete { "delete" } else { "write" };
                    let told = format!(
                        "a read of k{key} begun at {invoked} saw {what}, but a {write} begun at {begun} was \
                         acknowledged before"
                    );
                    Some(if delete { Wrong::Deleted(told) } else { Wrong::Stale(told) })
                };
                // One that has not ended, or nobody knows how, may take effect at any time.
                match seen {
                    None if !writes.deleting.is_empty() || writes.deleted.is_some_and(|end| end >= begun) => None,
                    None => told("nothing"),
                    Some(value) => match writes.ended.get(&value.hash()) {
                        Some(end) if *end < begun => told(&format!("{value}, written until {end}")),
                        _ => None,
                    },
                }
            }
            (KvCommand::Delete { key }, Outcome::Ok(_)) => {
                let this = (ticket.client, ticket.op);
                let writes = self.keys.entry(*key).or_default();
                writes.acknowledge(invoked, now, true);
                if !self.again.contains(&this) && writes.deleting.remove(&this) {
                    writes.deleted = Some(now);
                }
                None
            }
            (
                KvCommand::Put { key, value } | KvCommand::Append { key, value } | KvCommand::Cas { key, value, .. },
                Outcome::Ok(KvResponse::Done | KvResponse::Swapped(true)),
            ) => {
                let writes = self.keys.entry(*key).or_default();
                writes.acknowledge(invoked, now, false);
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
    use crate::shared::kv::Value;

    #[test]
    fn a_read_must_see_what_was_acknowledged_before_it_began() {
        let mut registers = Registers::default();
        let put = |v: &str| KvCommand::Put { key: 1, value: Value::new(v) };
        let saw = |v: Option<&str>| Outcome::Ok(KvResponse::Value(v.map(Value::new)));
        let get = KvCommand::Get { key: 1 };
        let ticket = Ticket { client: ClientId(0), op: 7, floor: 0, attempt: 0 };
        let mut end = |from, to, request: &KvCommand, outcome: &Outcome<KvResponse>| {
            registers.returned(ticket, (Instant(from), Instant(to)), request, outcome).is_some()
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
        let times = (Instant(50), Instant(51));
        registers.invoked(ticket, &put("b"));
        registers.requested(ticket);
        assert!(registers.returned(ticket, times, &get, &saw(Some("b"))).is_some());
        registers.requested(Ticket { attempt: 1, ..ticket });
        assert!(registers.returned(ticket, times, &get, &saw(Some("b"))).is_none());
    }

    #[test]
    fn what_was_deleted_is_not_seen_again() {
        let mut registers = Registers::default();
        let (get, delete) = (KvCommand::Get { key: 1 }, KvCommand::Delete { key: 1 });
        let put = |v: &str| KvCommand::Put { key: 1, value: Value::new(v) };
        let ticket = |op| Ticket { client: ClientId(0), op, floor: 0, attempt: 0 };
        let mut end = |op, from, to, request: &KvCommand, outcome: Option<KvResponse>| {
            if !matches!(request, KvCommand::Get { .. }) {
                registers.invoked(ticket(op), request);
                registers.requested(ticket(op));
            }
            let outcome = outcome.map_or(Outcome::Unknown, Outcome::Ok);
            registers.returned(ticket(op), (Instant(from), Instant(to)), request, &outcome)
        };
        let (done, saw) = (Some(KvResponse::Done), |v: Option<&str>| Some(KvResponse::Value(v.map(Value::new))));
        assert_eq!(end(1, 1, 10, &put("a"), done.clone()), None);
        assert!(matches!(end(0, 11, 12, &get, saw(None)), Some(Wrong::Stale(_))), "nobody has deleted it");
        assert_eq!(end(2, 20, 30, &delete, done.clone()), None);
        assert_eq!(end(0, 25, 35, &get, saw(Some("a"))), None, "it began before the delete had ended");
        assert_eq!(end(0, 31, 35, &get, saw(None)), None);
        assert!(matches!(end(0, 31, 35, &get, saw(Some("a"))), Some(Wrong::Deleted(_))));
        assert_eq!(end(3, 40, 50, &put("b"), done), None);
        assert!(matches!(end(0, 51, 55, &get, saw(None)), Some(Wrong::Stale(_))), "it is there again");
        assert_eq!(end(4, 60, 70, &delete, None), None);
        assert_eq!(end(0, 80, 81, &get, saw(None)), None, "nobody knows of this delete");
    }
}
