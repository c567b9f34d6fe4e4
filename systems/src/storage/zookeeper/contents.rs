//! All that messages, records and facts hold is in the run's digest.

use super::message::{Doing, Vote, ZkFact, ZkMessage, ZkRecord};
use super::tree::{Change, Tree};
use super::txn::{Answer, Call, Entry, Path, Place, Session, Txn, Xid, Zxid};
use crate::shared::contents::{Told, vary};
use crate::shared::fenced::Write;
use sim_core::NodeId;
use sim_core::hash::Hashed;
use std::rc::Rc;

type M = ZkMessage;
type F = ZkFact;

const A: Zxid = Zxid { epoch: 1, counter: 1 };
const B: Zxid = Zxid { epoch: 1, counter: 2 };
const KEY: Path = Path::of(Place::Key(1));
const CONFIG: Path = Path::of(Place::Config);

fn entry(xid: u64, data: u64) -> Rc<Entry> {
    let txn = Txn::Set { path: KEY, data, version: 1 };
    Rc::new(Entry { zxid: A, session: Session(7), xid: Xid(xid), txn })
}

fn tree(data: u64) -> Rc<Hashed<Tree>> {
    let mut tree = Tree::default();
    tree.apply(&entry(1, data));
    Rc::new(Hashed::new(tree))
}

#[test]
fn messages() {
    let mut told = Told::<M>::new();
    let vote = |epoch| Vote { epoch, zxid: A, leader: NodeId(1) };
    vary!(told, M::Notification { vote: vote(1) => vote(2), round: 3 => 4, doing: Doing::Looking => Doing::Leading });
    vary!(told, M::FollowerInfo { accepted: 1 => 2, attempt: 3 => 4 });
    vary!(told, M::LeaderInfo { epoch: 1 => 2, attempt: 3 => 4 });
    vary!(told, M::AckEpoch {
        current: 1 => 2, last: A => B, floor: Zxid::ZERO => B, fresh: true => false, attempt: 1 => 2,
    });
    vary!(told, M::Trunc { last: A => B });
    vary!(told, M::NewLeader { epoch: 1 => 2 });
    vary!(told, M::UpToDate { committed: A => B });
    vary!(told, M::Ack { zxid: A => B });
    vary!(told, M::Commit { zxid: A => B });
    vary!(told, M::Pong { touched: vec![Session(1)] => vec![Session(2)] });
    vary!(told, M::Forward {
        session: Session(1) => Session(2), xid: Xid(1) => Xid(2), call: Call::Sync => Call::Close,
    });
    vary!(told, M::OpenSession { session: Session(1) => Session(2), timeout: 1 => 2 });
    vary!(told, M::Revalidate { session: Session(1) => Session(2) });
    vary!(told, M::Revalidated { session: Session(1) => Session(2), alive: true => false });
    vary!(told, M::SyncDone { session: Session(1) => Session(2), xid: Xid(1) => Xid(2) });
    vary!(told, M::Connect { session: None => Some(Session(1)), seen: A => B, timeout: 1 => 2 });
    vary!(told, M::Connected { session: Session(1) => Session(2) });
    vary!(told, M::Call { xid: Xid(1) => Xid(2), call: Call::Sync => Call::Close });
    vary!(told, M::Reply { xid: Xid(1) => Xid(2), zxid: A => B, answer: Answer::Done => Answer::Synced });
    vary!(told, M::Event { path: KEY => CONFIG, change: Change::Data => Change::Deleted, zxid: A => B });
    vary!(told, M::SetWatches {
        seen: A => B, data: vec![(KEY, true)] => vec![(KEY, false)], children: vec![] => vec![KEY],
    });
    vary!(told, M::Wrote { number: 1 => 2, accepted: true => false });
    vary!(told, M::Write, Write { lock: 1 => 2, token: 3 => 4, number: 5 => 6 });
    vary!(told, M::ClientPong { zxid: A => B });
    for (what, message) in [
        ("a proposal", M::Propose(entry(1, 1))),
        ("of another call", M::Propose(entry(2, 1))),
        ("of other data", M::Propose(entry(1, 2))),
        ("to an observer", M::Inform(entry(1, 1))),
        ("a tree", M::Snap(tree(1))),
        ("another one", M::Snap(tree(2))),
        ("diff", M::Diff),
        ("ping", M::Ping),
        ("bye", M::Bye),
    ] {
        told.add(what, &message);
    }
}

#[test]
fn records() {
    let mut told = Told::<ZkRecord>::new();
    vary!(told, ZkRecord::Accepted { epoch: 1 => 2 });
    vary!(told, ZkRecord::Current { epoch: 1 => 2 });
    vary!(told, ZkRecord::Truncated { last: A => B });
    told.add("a write", &ZkRecord::Wrote(Write { lock: 1, token: 2, number: 3 }));
    told.add("a transaction", &ZkRecord::Txn(entry(1, 1)));
    told.add("another one", &ZkRecord::Txn(entry(1, 2)));
    told.add("a snapshot", &ZkRecord::Snapshot(tree(1)));
    told.add("another snapshot", &ZkRecord::Snapshot(tree(2)));
}

#[test]
fn facts() {
    let mut told = Told::<F>::new();
    vary!(told, F::Established { epoch: 1 => 2, last: A => B });
    vary!(told, F::Applied { zxid: A => B, chain: 1 => 2 });
    vary!(told, F::WentBack { seen: A => B, zxid: A => B });
    vary!(told, F::Holds { lock: 1 => 2, token: 3 => 4, session: Session(1) => Session(2) });
    vary!(told, F::LetsGo { lock: 1 => 2, token: 3 => 4 });
    vary!(told, F::Expires { session: Session(1) => Session(2), silent: 1 => 2 });
    vary!(told, F::Leads { number: 1 => 2, session: Session(1) => Session(2) });
    vary!(told, F::Resigns { number: 1 => 2 });
    vary!(told, F::Enters { barrier: 1 => 2, number: 1 => 2, mark: 3 => 4, session: Session(1) => Session(2) });
    vary!(told, F::Finishes { barrier: 1 => 2, number: 1 => 2 });
    vary!(told, F::Leaves { barrier: 1 => 2, number: 1 => 2, mark: 3 => 4 });
    vary!(told, F::Configured { data: 1 => 2 });
}
