//! One store of the cluster driven by hand: nothing is durable unless a test says so, and nobody else answers.

use super::message::{Behalf, HashingMessage, HintNumber, LEAVES, Leaf, OpNumber};
use super::node::{EXCHANGE, HINTS, Machine};
use super::{HashingOptions, HashingSystem, Held, Setup, Version, View, What};
use crate::shared::kv::{KvCommand, Value};
use sim_core::hand::Hand;
use sim_core::{ClientId, Duration, Effect, LocalInstant, NodeId, NodeSet, Shape, System, Ticket, WriteId};
use std::rc::Rc;

const fn n(number: u32) -> NodeId {
    NodeId(number - 1)
}

/// Five stores of which four are members; three hold each key, and a quorum is two. The first keeps the directory.
fn setup(compact_every: u32) -> Rc<Setup> {
    let shape = Shape { spares: 1, ..Shape::plain(5) };
    let options = HashingOptions {
        replicas: 3,
        read_quorum: 2,
        write_quorum: 2,
        directory: 1,
        compact_every,
        tombstone_grace: sim_core::units::DurationText(Duration::secs(60)),
        ..HashingOptions::default()
    };
    HashingSystem::configure(options, &shape).expect("sound options")
}

fn view(epoch: u64, past: &[u32], next: Option<u32>) -> View {
    let first = |members: &u32| NodeSet::first(*members as usize);
    View { epoch, past: past.iter().map(first).collect(), next: next.as_ref().map(first), fenced: Rc::default() }
}

fn held(counter: u64, what: What) -> Held {
    Held { version: Version { counter, client: 0, op: counter }, what }
}

fn value(counter: u64) -> Held {
    held(counter, What::Value(Value::number(counter, 10)))
}

/// One store, and the operations that were answered.
struct Store {
    hand: Hand<Machine>,
    replied: Vec<u64>,
}

impl Store {
    fn new(me: NodeId, compact_every: u32) -> Self {
        Self::of(Hand::down(&setup(compact_every), me, 1))
    }

    fn of(mut hand: Hand<Machine>) -> Self {
        hand.boot();
        Self { hand, replied: Vec::new() }
    }

    fn node(&self) -> &Machine {
        self.hand.node()
    }

    /// What is sent of all that it gave off.
    fn sent(&mut self, out: Vec<Effect<Machine>>) -> Vec<(NodeId, HashingMessage)> {
        let reply = |effect: &Effect<Machine>| match effect {
            Effect::Reply { ticket, .. } => Some(ticket.op),
            _ => None,
        };
        self.replied.extend(out.iter().filter_map(reply));
        sim_core::hand::sent(out)
    }

    /// A client asks it; gives what it sends then.
    fn ask(&mut self, ticket: Ticket, command: KvCommand) -> Vec<(NodeId, HashingMessage)> {
        let out = self.hand.ask(ticket, command);
        self.sent(out)
    }

    /// Gives it a message; gives what it sends then.
    fn tell(&mut self, from: NodeId, message: HashingMessage) -> Vec<(NodeId, HashingMessage)> {
        let out = self.hand.tell(from, message);
        self.sent(out)
    }

    /// Its disk catches up.
    fn sync(&mut self) -> Vec<(NodeId, HashingMessage)> {
        let out = self.hand.sync();
        self.sent(out)
    }

    /// It looks after what it takes over.
    fn exchange(&mut self) -> Vec<(NodeId, HashingMessage)> {
        self.hand.pass(Duration(1));
        let out = self.hand.ring(EXCHANGE);
        self.sent(out)
    }

    /// It loses power, and starts again.
    fn restart(&mut self) {
        self.hand.restart();
        self.sync();
    }

    fn goes_by(&mut self, view: View) {
        self.tell(n(1), HashingMessage::View(view));
        self.sync();
    }

    /// It stores what a coordinator sends it; gives whether it says so.
    fn stores(&mut self, key: u64, held: Held) -> bool {
        let epoch = self.node().view().epoch;
        self.tell(n(1), HashingMessage::Store { behalf: Behalf::Op(OpNumber(1)), epoch, key, held, hint: false });
        self.sync().iter().any(|(_, message)| matches!(message, HashingMessage::Stored { .. }))
    }

    /// What it says that a key holds, and what it has forgotten; nothing if it does not answer.
    fn says(&mut self, key: u64) -> Option<(Option<Held>, u64)> {
        let epoch = self.node().view().epoch;
        let answers = self.tell(n(1), HashingMessage::Ask { op: OpNumber(1), epoch, key, bare: false });
        answers.into_iter().find_map(|(_, message)| match message {
            HashingMessage::Told { held, floor, .. } => Some((held, floor)),
            _ => None,
        })
    }

    /// Whom it compares with now, if it begins to.
    fn compares(&mut self) -> Option<NodeId> {
        let sent = self.exchange();
        sent.iter().find(|(_, message)| matches!(message, HashingMessage::Compare { .. })).map(|(to, _)| *to)
    }

    /// Answers a comparison: all is the same.
    fn same(&mut self, from: NodeId) {
        let epoch = self.node().view().epoch;
        self.tell(from, HashingMessage::Tree { epoch, leaves: None, floor: 0 });
    }
}

fn is_copied((_, message): &(NodeId, HashingMessage)) -> bool {
    matches!(message, HashingMessage::Copied { .. })
}

#[test]
fn keys_are_shared_only_under_a_view_that_is_durable() {
    let mut store = Store::new(n(2), 0);
    store.tell(n(1), HashingMessage::View(view(1, &[], Some(5))));
    let compare = HashingMessage::Compare { epoch: 1, digest: 0 };
    assert!(store.tell(n(3), compare.clone()).is_empty(), "a crash could make it take writes under the view before");
    store.sync();
    assert!(matches!(store.tell(n(3), compare)[..], [(to, HashingMessage::Tree { .. })] if to == n(3)));
}

#[test]
fn a_piece_counts_once_it_is_durable() {
    let mut store = Store::new(n(5), 0);
    store.goes_by(view(1, &[], Some(5)));
    let from = store.compares().expect("it takes over keys");
    let mut leaves = [Leaf(0); LEAVES];
    (leaves[3], leaves[9]) = (Leaf(1), Leaf(1));
    let asked = |sent: &[(NodeId, HashingMessage)]| match sent {
        [(_, HashingMessage::Fetch { leaf, .. })] => Some(*leaf),
        _ => None,
    };
    let tree = HashingMessage::Tree { epoch: 1, leaves: Some(Rc::new(leaves)), floor: 0 };
    assert_eq!(asked(&store.tell(from, tree)), Some(3));
    let piece = |leaf, key| {
        let entries = [(key, value(1))].into();
        HashingMessage::Piece { epoch: 1, leaf, after: None, entries, more: false }
    };
    assert_eq!(asked(&store.tell(from, piece(3, 1))), None, "the piece is not on its disk");
    assert_eq!(asked(&store.sync()), Some(9));
    store.tell(from, piece(9, 2));
    assert_eq!(store.compares(), None, "the last piece is not on its disk");
    store.sync();
    assert!(store.compares().is_some_and(|next| next != from), "it goes on with another");
}

#[test]
fn who_joins_hears_every_quorum_there_may_have_been() {
    // Of any three holders two have a write: all but one of the four must be heard.
    let mut store = Store::new(n(5), 0);
    store.goes_by(view(1, &[], Some(5)));
    for heard in 1..=3 {
        assert!(!store.node().has_copied(), "it has heard {} of 4", heard - 1);
        let from = store.compares().expect("it takes over keys");
        store.same(from);
    }
    assert!(store.node().has_copied() && store.exchange().iter().any(is_copied));
}

#[test]
fn what_others_have_forgotten_is_known_for_good() {
    for compact_every in [0, 3] {
        let mut store = Store::new(n(5), compact_every);
        store.goes_by(view(1, &[], Some(5)));
        let from = store.compares().expect("it takes over keys");
        store.tell(from, HashingMessage::Tree { epoch: 1, leaves: None, floor: 9 });
        assert_eq!(store.compares(), None, "what was forgotten is not on its disk");
        store.sync();
        assert!(store.compares().is_some());
        for key in 0..4 {
            store.stores(key, value(1));
        }
        store.sync();
        assert_eq!(store.says(1).map(|(_, floor)| floor), Some(9));
        store.restart();
        assert_eq!(store.says(1).map(|(_, floor)| floor), Some(9), "compacted after {compact_every} records");
    }
}

#[test]
fn what_was_let_go_is_not_there_when_it_comes_back() {
    let mut store = Store::new(n(2), 0);
    for key in 0..100 {
        store.stores(key, value(1));
    }
    let keys = |store: &Store| store.node().held().map(|(key, _)| key).collect::<Vec<_>>();
    let before = keys(&store);
    store.goes_by(view(1, &[], Some(5)));
    store.goes_by(view(2, &[5], None));
    let after = keys(&store);
    let gone = before.into_iter().find(|key| !after.contains(key)).expect("the fifth has taken some over");
    // Others may have deleted it meanwhile, and forgotten that.
    store.goes_by(view(3, &[5], Some(4)));
    store.goes_by(view(4, &[5, 4], None));
    assert!(store.node().holders(gone).0.contains(&n(2)), "it is its own again");
    assert_eq!(store.says(gone), Some((None, 0)));
    store.restart();
    assert_eq!(store.says(gone), Some((None, 0)));
    assert!(after.iter().all(|key| store.says(*key).is_some_and(|(held, _)| held.is_some())));
}

#[test]
fn tombstones_are_forgotten_in_time_by_one_that_has_restarted_too() {
    let mut store = Store::new(n(2), 0);
    let own = (0..).find(|key| store.node().holders(*key).0.contains(&n(2))).expect("it holds some");
    assert!(store.stores(own, held(7, What::Tombstone { at: LocalInstant(0) })));
    store.restart();
    store.hand.now = LocalInstant(Duration::secs(59).0);
    assert!(store.says(own).is_some_and(|(held, floor)| held.is_some() && floor == 0));
    store.hand.now = LocalInstant(Duration::secs(60).0);
    assert_eq!(store.says(own), Some((None, 7)));
}

#[test]
fn a_write_wins_against_tombstones_that_were_forgotten() {
    let mut store = Store::new(n(2), 0);
    let asked = store.ask(ticket(0, 1), put(1));
    let mut stored = Vec::new();
    for (holder, message) in asked {
        let HashingMessage::Ask { op, epoch, bare, .. } = message else { continue };
        let floor = u64::from(holder.0) + 50;
        stored.extend(store.tell(holder, HashingMessage::Told { op, epoch, held: None, bare, floor }));
    }
    let floors = store.node().holders(1).0.into_iter().map(|holder| u64::from(holder.0) + 50);
    let heard = floors.take(2).max().expect("a quorum");
    let versions: Vec<u64> = stored
        .iter()
        .filter_map(|(_, message)| match message {
            HashingMessage::Store { held, .. } => Some(held.version.counter),
            _ => None,
        })
        .collect();
    assert_eq!(versions, [heard + 1; 3]);
}

/// A store whose disk was wiped, in the epoch that began after.
fn wiped() -> Store {
    let mut hand = Hand::down(&setup(0), n(2), 1);
    hand.was_used(WriteId(100));
    let mut store = Store::of(hand);
    store.sync();
    let told = store.exchange();
    let [(to, HashingMessage::Wiped { life })] = told[..] else { panic!("{told:?}") };
    assert_eq!(to, n(1));
    store.goes_by(View { fenced: [(n(2), life)].into(), ..view(2, &[], None) });
    store
}

#[test]
fn a_store_that_was_wiped_is_full_when_it_has_heard_all_others() {
    // A write that it has acknowledged itself may be with one other holder only.
    let mut store = wiped();
    for heard in 0..3 {
        assert_eq!(store.says(1), None, "it has heard {heard} of 3");
        let compare = HashingMessage::Compare { epoch: 2, digest: 0 };
        assert!(matches!(store.tell(n(3), compare)[..], [(_, HashingMessage::Blank { .. })]));
        let from = store.compares().expect("it is to be filled again");
        store.same(from);
    }
    store.exchange();
    assert_eq!(store.says(1), Some((None, 0)));
    store.sync();
    store.restart();
    assert_eq!(store.says(1), Some((None, 0)), "that it is full again is on its disk");
}

#[test]
fn others_that_were_wiped_too_need_not_be_heard() {
    let mut store = wiped();
    for heard in 0..3 {
        assert_eq!(store.says(1), None, "it has heard {heard} of 3");
        let from = store.compares().expect("it is to be filled again");
        if from == n(4) {
            store.tell(from, HashingMessage::Blank { epoch: 2 });
        } else {
            store.same(from);
        }
    }
    store.exchange();
    assert_eq!(store.says(1), Some((None, 0)));
}

const fn ticket(client: u32, op: u64) -> Ticket {
    Ticket { client: ClientId(client), op, floor: 0, attempt: 0 }
}

/// A write to key 1.
fn put(number: u64) -> KvCommand {
    KvCommand::Put { key: 1, value: Value::number(number, 10) }
}

/// What is to be stored of key 1, and by whom.
fn stores(sent: &[(NodeId, HashingMessage)]) -> Vec<(NodeId, Behalf, Held)> {
    let store = |(to, message): &(NodeId, HashingMessage)| match message {
        HashingMessage::Store { behalf, key: 1, held, .. } => Some((*to, *behalf, held.clone())),
        _ => None,
    };
    sent.iter().filter_map(store).collect()
}

/// Those asked about key 1 by `asked` say that they hold this; gives what is to be stored then.
fn told(store: &mut Store, asked: Vec<(NodeId, HashingMessage)>, held: Option<&Held>) -> Vec<(NodeId, Behalf, Held)> {
    let mut sent = Vec::new();
    for (holder, message) in asked {
        let HashingMessage::Ask { op, epoch, bare, .. } = message else { continue };
        sent.extend(store.tell(holder, HashingMessage::Told { op, epoch, held: held.cloned(), bare, floor: 0 }));
    }
    stores(&sent)
}

#[test]
fn a_hint_and_an_operation_of_the_same_number_are_two_things() {
    let mut store = Store::new(n(2), 0);
    let epoch = store.node().view().epoch;
    let kept = HashingMessage::Store { behalf: Behalf::Op(OpNumber(1)), epoch, key: 1, held: value(1), hint: true };
    store.tell(n(1), kept);
    store.sync();
    let asked = store.ask(ticket(0, 1), put(2));
    let written = told(&mut store, asked, None);
    let delivered = store.hand.ring(HINTS);
    let delivered = stores(&store.sent(delivered));
    let number = |behalf: Behalf| match behalf {
        Behalf::Op(OpNumber(number)) | Behalf::Hint(HintNumber(number)) => number,
    };
    assert_eq!(number(written[0].1), number(delivered[0].1), "or this shows nothing");
    for (holder, behalf, _) in &written {
        store.tell(*holder, HashingMessage::Stored { behalf: *behalf, epoch });
    }
    store.sync();
    assert_eq!((store.replied.as_slice(), store.node().hinted().count()), (&[1][..], 1), "nobody has the hint");
    for (holder, behalf, _) in &delivered {
        store.tell(*holder, HashingMessage::Stored { behalf: *behalf, epoch });
    }
    store.sync();
    assert_eq!((store.replied.len(), store.node().hinted().count()), (1, 0));
}

/// The price of having no sessions, as `mod.rs` says: a client's first try reaches the holders when its second was
/// acknowledged long ago, and another client has been told that its own write, begun after that, is done. That is lost.
#[test]
fn a_try_that_comes_late_overwrites_what_was_acknowledged_after_another_try_of_it() {
    let mut late = Store::new(n(2), 0);
    let slow = late.ask(ticket(0, 1), put(1));
    let mut other = Store::new(n(3), 0);
    let write = |by: &mut Store, ticket, command, held: Option<&Held>| {
        let asked = by.ask(ticket, command);
        let to = told(by, asked, held);
        let epoch = by.node().view().epoch;
        for (holder, behalf, _) in &to {
            by.tell(*holder, HashingMessage::Stored { behalf: *behalf, epoch });
        }
        to[0].2.clone()
    };
    let first = write(&mut other, ticket(0, 1), put(1), None);
    let second = write(&mut other, ticket(1, 1), put(2), Some(&first));
    assert_eq!(other.replied, [1, 1]);
    assert!(second.version > first.version);
    // A try that finds its own write, and nothing newer, changes nothing.
    let asked = other.ask(ticket(0, 1), put(1));
    assert_eq!(told(&mut other, asked, Some(&first))[0].2, first);
    // One that finds something newer can not know that it took effect before that.
    let again = told(&mut late, slow, Some(&second));
    assert!(again[0].2.version > second.version && again[0].2.what == first.what);
}
