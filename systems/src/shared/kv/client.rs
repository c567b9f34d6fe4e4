//! The store's clients: generated load, and what a client has seen, which its compare-and-sets expect.

use super::{KvCommand, KvResponse, Value, request};
use sim_core::workload::{Generated, Load};
use sim_core::{Client, Instant, Move, Node, Outcome, Rng};
use std::collections::VecDeque;

/// A client of the store. A compare-and-set is what a program makes of what it has just read: it goes to the key this
/// client saw last and expects the value it saw there, so it fails only where somebody else has written meanwhile.
#[derive(Clone, Debug)]
pub struct KvClient<N: Node> {
    load: Generated<N>,
    /// Only for a load with compare-and-sets: nobody else asks.
    memory: Option<Box<Memory>>,
}

impl<N: Node<Request = KvCommand, Response = KvResponse>> KvClient<N> {
    /// A client with this load.
    #[must_use]
    pub fn new(load: Load) -> Self {
        let memory = load.mix.compares().then(Box::default);
        Self { load: Generated::new(load, request), memory }
    }
}

impl<N: Node<Request = KvCommand, Response = KvResponse>> Client<N> for KvClient<N> {
    fn next(&mut self, now: Instant, rng: &mut Rng) -> Move<KvCommand> {
        match (self.load.next(now, rng), &mut self.memory) {
            (Move::Issue(command), Some(memory)) => Move::Issue(memory.begin(command)),
            (other, _) => other,
        }
    }

    fn done(&mut self, now: Instant, op: u64, outcome: &Outcome<KvResponse>) {
        self.load.done(now, op, outcome);
        if let Some(memory) = &mut self.memory {
            memory.end(op, outcome);
        }
    }
}

/// What one client remembers.
#[derive(Clone, Debug, Default)]
struct Memory {
    /// Operations that have not ended, from number `base` on; `None` where one has ended before an older one.
    under_way: VecDeque<Option<KvCommand>>,
    base: u64,
    /// A key, and what it held when this client last learned of it.
    seen: Option<(u64, Option<Value>)>,
}

impl Memory {
    /// The command as it is sent.
    fn begin(&mut self, mut command: KvCommand) -> KvCommand {
        if let (KvCommand::Cas { key, expect, .. }, Some((known, value))) = (&mut command, &self.seen) {
            (*key, *expect) = (*known, value.clone());
        }
        self.under_way.push_back(Some(command.clone()));
        command
    }

    /// Operation `op` has ended.
    fn end(&mut self, op: u64, outcome: &Outcome<KvResponse>) {
        let place = op.checked_sub(self.base).and_then(|place| usize::try_from(place).ok());
        let command = place.and_then(|place| self.under_way.get_mut(place)).and_then(Option::take);
        while matches!(self.under_way.front(), Some(None)) {
            self.under_way.pop_front();
            self.base += 1;
        }
        let (Some(command), Outcome::Ok(response)) = (command, outcome) else { return };
        let key = command.key();
        match (command, response) {
            (KvCommand::Get { .. }, KvResponse::Value(value)) => self.seen = Some((key, value.clone())),
            (KvCommand::Put { value, .. }, KvResponse::Done)
            | (KvCommand::Cas { value, .. }, KvResponse::Swapped(true)) => {
                self.seen = Some((key, Some(value)));
            }
            (KvCommand::Delete { .. }, KvResponse::Done) => self.seen = Some((key, None)),
            // What it knew of the key is out of date.
            _ if self.seen.as_ref().is_some_and(|(known, _)| *known == key) => self.seen = None,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(number: u64) -> Value {
        Value::number(number, 8)
    }

    fn cas() -> KvCommand {
        KvCommand::Cas { key: 99, expect: None, value: value(7) }
    }

    #[test]
    fn a_compare_and_set_expects_what_was_seen_last() {
        let mut memory = Memory::default();
        // Nothing is known: the key that was drawn, as if nobody had written it.
        assert_eq!(memory.begin(cas()), cas());
        let expects = |memory: &mut Memory, key, expect| {
            assert_eq!(memory.begin(cas()), KvCommand::Cas { key, expect, value: value(7) });
        };
        memory.begin(KvCommand::Get { key: 1 });
        memory.begin(KvCommand::Put { key: 2, value: value(5) });
        // Answers come in any order; what has failed says nothing.
        memory.end(2, &Outcome::Ok(KvResponse::Done));
        expects(&mut memory, 2, Some(value(5)));
        memory.end(1, &Outcome::Ok(KvResponse::Value(None)));
        expects(&mut memory, 1, None);
        memory.end(0, &Outcome::Unknown);
        expects(&mut memory, 1, None);
        // Of three compare-and-sets on k2 and k1 one has worked, one not, and nobody knows about the last.
        memory.end(3, &Outcome::Ok(KvResponse::Swapped(true)));
        expects(&mut memory, 2, Some(value(7)));
        memory.end(4, &Outcome::Ok(KvResponse::Swapped(false)));
        expects(&mut memory, 2, Some(value(7)));
        memory.end(6, &Outcome::Ok(KvResponse::Swapped(false)));
        assert_eq!(memory.begin(cas()), cas(), "what it knew is out of date");
        memory.end(5, &Outcome::Unknown);
        assert_eq!((memory.base, memory.under_way.len()), (7, 2));
    }
}
