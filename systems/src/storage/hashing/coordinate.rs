//! Coordinating one operation: ask the holders of a key, or have them store, until a quorum has answered (Dynamo, 4.5;
//! the two rounds of a write are those of Lynch and Shvartsman 1997).

use super::message::{Behalf, HashingFact, HashingMessage, OpNumber};
use super::node::{COORDINATE, Fx, Machine};
use super::rule::Rule;
use super::version::{Held, Version, What, newer};
use super::{HashingBug, Versions};
use crate::shared::kv::{KvCommand, KvResponse};
use crate::shared::number::Counts;
use sim_core::sorted::SortedMap;
use sim_core::{Duration, LocalInstant, NodeId, Ticket};

/// Who must answer under one set of members.
#[derive(Clone, Debug)]
struct Group {
    holders: Vec<NodeId>,
    /// Who stands in for them, in a sloppy quorum.
    fallbacks: Vec<NodeId>,
}

/// What it does at the moment.
#[derive(Clone, Debug)]
enum Stage {
    /// It asks what the key holds.
    Ask,
    /// It has this stored, and then answers.
    Store { held: Held, then: KvResponse },
}

/// An operation of a client.
#[derive(Clone, Debug)]
pub(super) struct Op {
    ticket: Ticket,
    key: u64,
    /// What is to be written; a read writes nothing of its own.
    write: Option<What>,
    began: LocalInstant,
    sent: LocalInstant,
    epoch: u64,
    stage: Stage,
    /// One, or two while the members change.
    groups: Vec<Group>,
    /// Who has answered in this stage, and what they hold.
    heard: SortedMap<NodeId, Option<Held>>,
    /// The largest counter of a tombstone that one of them has forgotten.
    floor: u64,
    /// Whether those who stand in are asked too.
    widened: bool,
}

impl Op {
    /// Whether `need` of every group have answered. A holder that stands there twice counts twice, which is a matter of
    /// the placement.
    fn has(&self, need: u32) -> bool {
        self.groups.iter().all(|group| {
            let heard = |nodes: &[NodeId]| nodes.iter().filter(|node| self.heard.contains_key(node)).count();
            let need = (need as usize).min(group.holders.len());
            heard(&group.holders) + heard(&group.fallbacks) >= need
        })
    }

    /// Who is asked and has not answered, and whether only as one who stands in.
    fn silent(&self) -> Vec<(NodeId, bool)> {
        let mut silent: Vec<(NodeId, bool)> = Vec::new();
        let mut add = |node: NodeId, stands_in: bool| {
            if !self.heard.contains_key(&node) && silent.iter().all(|(other, _)| *other != node) {
                silent.push((node, stands_in));
            }
        };
        for group in &self.groups {
            group.holders.iter().for_each(|node| add(*node, false));
        }
        for group in self.groups.iter().filter(|_| self.widened) {
            group.fallbacks.iter().for_each(|node| add(*node, true));
        }
        silent
    }

    fn message(&self, op: OpNumber, stands_in: bool) -> HashingMessage {
        let (epoch, key) = (self.epoch, self.key);
        match &self.stage {
            Stage::Ask => HashingMessage::Ask { op, epoch, key, bare: self.write.is_some() },
            Stage::Store { held, .. } => {
                let behalf = Behalf::Op(op);
                HashingMessage::Store { behalf, epoch, key, held: held.clone(), hint: stands_in }
            }
        }
    }
}

impl Machine {
    /// A key for which somebody stands in who should hold it anyway: what it says would count twice.
    pub(super) fn counted_twice(&self) -> Option<(u64, NodeId)> {
        self.ops.values().find_map(|op| {
            let twice = |group: &Group| group.fallbacks.iter().copied().find(|node| group.holders.contains(node));
            Some((op.key, op.groups.iter().find_map(twice)?))
        })
    }

    /// A client asks.
    pub(super) fn coordinate(&mut self, ticket: Ticket, request: KvCommand, fx: &mut Fx<'_>) {
        let (key, now) = (request.key(), fx.now());
        let write = match request {
            KvCommand::Get { .. } => None,
            // What is added depends on what was there, which two who write at once do not agree on: everything is a
            // put.
            KvCommand::Put { value, .. } | KvCommand::Append { value, .. } | KvCommand::Cas { value, .. } => {
                Some(What::Value(value))
            }
            KvCommand::Delete { .. } => Some(What::Tombstone { at: now }),
        };
        let stage = match &write {
            Some(what) if self.config.versions == Versions::Clock => {
                // A hybrid clock: never behind what this node has given out before.
                self.clock = (now.0 / 1000).max(self.clock + 1);
                let held = Held { version: Version::above(self.clock, ticket), what: what.clone() };
                Stage::Store { held, then: KvResponse::Done }
            }
            _ => Stage::Ask,
        };
        let op = Op {
            ticket,
            key,
            write,
            began: now,
            sent: now,
            epoch: 0,
            stage,
            groups: Vec::new(),
            heard: SortedMap::new(),
            floor: 0,
            widened: false,
        };
        let number = self.newest_op.advance();
        self.ops.insert(number, op);
        self.send_stage(number, fx);
        if self.ops.len() == 1 {
            fx.arm(COORDINATE, self.config.resend);
        }
    }

    /// Begins a stage under the present view, or begins it again.
    fn send_stage(&mut self, number: OpNumber, fx: &mut Fx<'_>) {
        let hash = super::key::of_number(self.ops[&number].key);
        let rules = || core::iter::once(&self.rule).chain(&self.next_rule);
        let holders: Vec<Vec<NodeId>> = rules().map(|rule| rule.holders(&self.config, hash)).collect();
        // Who holds it under one set of members stores it as its own, and lets go of it with the other set: it keeps
        // nothing for others.
        let fallbacks = |rule: &Rule| rule.fallbacks(&self.config, hash, &holders.concat());
        let sloppy = self.config.sloppy;
        let groups: Vec<Group> = rules()
            .zip(&holders)
            .map(|(rule, holders)| Group {
                holders: holders.clone(),
                fallbacks: if sloppy { fallbacks(rule) } else { Vec::new() },
            })
            .collect();
        let op = self.ops.get_mut(&number).expect("it is under way");
        op.groups = groups;
        op.epoch = self.view.epoch;
        op.heard.clear();
        op.sent = fx.now();
        for (node, stands_in) in op.silent() {
            fx.send(node, op.message(number, stands_in));
        }
    }

    /// The view is another one: every operation asks anew under it.
    pub(super) fn restart_ops(&mut self, fx: &mut Fx<'_>) {
        let numbers: Vec<OpNumber> = self.ops.keys().copied().collect();
        numbers.into_iter().for_each(|number| self.send_stage(number, fx));
    }

    /// A holder says what it has.
    pub(super) fn on_told(
        &mut self,
        from: NodeId,
        (number, epoch): (OpNumber, u64),
        (held, floor): (Option<Held>, u64),
        fx: &mut Fx<'_>,
    ) {
        let need = self.config.read_quorum;
        let Some(op) = self.ops.get_mut(&number) else { return };
        if op.epoch != epoch || !matches!(op.stage, Stage::Ask) {
            return;
        }
        op.heard.insert(from, held);
        op.floor = op.floor.max(floor);
        if !op.has(need) {
            return;
        }
        let best = op.heard.values().cloned().reduce(newer).flatten();
        let version = best.as_ref().map(|best| best.version);
        let (ticket, key) = (op.ticket, op.key);
        if let Some(what) = &op.write {
            // One that this operation has already is that of an earlier try.
            let version = version.filter(|version| version.is_of(ticket));
            let counter = best.as_ref().map_or(0, |best| best.version.counter).max(op.floor);
            let version = version.unwrap_or_else(|| Version::above(counter, ticket));
            op.stage = Stage::Store { held: Held { version, what: what.clone() }, then: KvResponse::Done };
            return self.send_stage(number, fx);
        }
        let agree = op.heard.values().all(|held| held.as_ref().map(|held| held.version) == version);
        let then = KvResponse::Value(best.as_ref().and_then(Held::value).cloned());
        match best {
            Some(held) if !agree && self.config.read_repair => {
                op.stage = Stage::Store { held, then };
                fx.note(HashingFact::ReadRepaired { key });
                self.send_stage(number, fx);
            }
            _ => {
                self.ops.remove(&number);
                fx.reply(ticket, then);
            }
        }
    }

    /// A holder has it on its disk.
    pub(super) fn on_stored(&mut self, from: NodeId, number: OpNumber, epoch: u64, fx: &mut Fx<'_>) {
        let need = self.config.write_quorum;
        let Some(op) = self.ops.get_mut(&number) else { return };
        let Stage::Store { held, then } = &op.stage else { return };
        if op.epoch != epoch {
            return;
        }
        let (version, deleted, then) = (held.version, held.value().is_none(), then.clone());
        op.heard.insert(from, None);
        if !op.has(need) {
            return;
        }
        let op = self.ops.remove(&number).expect("looked at");
        if op.write.is_some() {
            fx.note(HashingFact::Acknowledged { key: op.key, version, deleted });
        }
        fx.reply(op.ticket, then);
    }

    /// Somebody who was behind may know the view now: it is asked again.
    pub(super) fn ask_again(&mut self, node: NodeId, number: OpNumber, fx: &mut Fx<'_>) {
        let epoch = self.view.epoch;
        let Some(op) = self.ops.get(&number).filter(|op| op.epoch == epoch) else { return };
        if let Some((_, stands_in)) = op.silent().into_iter().find(|(silent, _)| *silent == node) {
            fx.send(node, op.message(number, stands_in));
        }
    }

    /// Time has passed: asks those again who are silent, others for them, and gives up what takes too long.
    pub(super) fn on_coordinate(&mut self, fx: &mut Fx<'_>) {
        let (now, config) = (fx.now(), self.config.clone());
        self.ops.retain(|_, op| {
            let old = now.since(op.began) >= config.op_timeout;
            // Of a write that somebody may have stored nobody can say that it did not happen.
            if old && (op.write.is_none() || matches!(op.stage, Stage::Ask)) {
                fx.refuse(op.ticket);
            }
            !old
        });
        for (number, op) in &mut self.ops {
            // The clock may have jumped back since.
            if now >= op.sent && now.since(op.sent) < config.resend {
                continue;
            }
            op.sent = now;
            op.widened |= config.sloppy;
            for (node, stands_in) in op.silent() {
                fx.send(node, op.message(*number, stands_in));
            }
        }
        if !self.ops.is_empty() {
            fx.arm(COORDINATE, config.resend.max(Duration::micros(1)));
        }
    }

    /// Whether what was addressed by the view of `epoch` may be served; its sender hears if not.
    pub(super) fn admits(&mut self, from: NodeId, behalf: Behalf, epoch: u64, fx: &mut Fx<'_>) -> bool {
        let here = self.view.epoch;
        if epoch == here || self.config.has(HashingBug::NoEpoch) {
            fx.note(HashingFact::Taken { asked: epoch, epoch: here });
            return true;
        }
        fx.note(HashingFact::Stale { asked: epoch, epoch: here });
        fx.send(from, HashingMessage::Refused { behalf, view: self.view.clone() });
        false
    }
}

#[cfg(test)]
mod tests {
    use super::super::checks::{HashingChecks, STAND_INS_ARE_OTHERS};
    use super::super::{HashingOptions, HashingSystem, Machine};
    use crate::shared::kv::KvCommand;
    use sim_core::hand::Hand;
    use sim_core::{ClientId, Instant, NodeId, Observed, Observer, Shape, System, Ticket};

    #[test]
    fn a_holder_that_stands_in_for_another_is_found() {
        let options = HashingOptions { replicas: 3, sloppy: true, ..HashingOptions::default() };
        let setup = HashingSystem::configure(options, &Shape::plain(5)).expect("sound options");
        let mut store = Hand::<Machine>::down(&setup, NodeId(0), 1);
        store.boot();
        store.sync();
        let ticket = Ticket { client: ClientId(0), op: 1, floor: 0, attempt: 0 };
        store.ask(ticket, KvCommand::Get { key: 5 });
        let look = |store: &Hand<Machine>| {
            let mut checks = HashingChecks::new(&setup);
            checks.observe(Instant(7), &Observed::Requested { ticket, node: NodeId(0) });
            let nodes = [Some(store.node().clone()), None, None, None, None];
            checks.after_step(Instant(7), NodeId(0), &nodes).map_err(|violation| violation.rule)
        };
        assert_eq!(look(&store), Ok(()));
        store.step(|machine, _| {
            let groups = machine.ops.values_mut().flat_map(|op| &mut op.groups);
            groups.for_each(|group| group.fallbacks.push(group.holders[1]));
        });
        assert_eq!(look(&store), Err(STAND_INS_ARE_OTHERS.to_owned()));
    }
}
