//! All that messages, records and facts hold is in the run's digest.

use super::bugs::ChubbyBug;
use super::database::{Answer, CallNumber, Change, Command, Epoch, Looks, Mode, Path, Session};
use super::message::{Ask, ChubbyFact, ChubbyMessage, ChubbyRecord, Event, Told as Said};
use crate::shared::contents::{Told, vary};
use crate::shared::fenced::Write;
use sim_core::NodeId;

type M = ChubbyMessage;
type F = ChubbyFact;

const A: Epoch = Epoch(1);
const B: Epoch = Epoch(2);
const S: Session = Session(1 << 40);
const T: Session = Session(2 << 40);
const KEY: Path = Path::Key(1);
const LOCK: Path = Path::Lock(1);
const WRITE: Write = Write { lock: 1, token: 2, number: 3 };

#[test]
fn messages() {
    let mut told = Told::<M>::new();
    let n = CallNumber;
    vary!(told, M::Found { epoch: A => B });
    vary!(told, M::NotMaster { hint: None => Some(NodeId(1)) });
    vary!(told, M::Open { epoch: A => B, session: S => T, number: 1 => 2 });
    vary!(told, M::Opened { epoch: A => B, session: S => T, number: 1 => 2, granted: 1 => 2 });
    vary!(told, M::KeepAlive { epoch: A => B, session: S => T, number: 1 => 2, heard: 1 => 2 });
    vary!(told, M::KeptAlive {
        epoch: A => B, session: S => T, number: 1 => 2, granted: 1 => 2, first: 1 => 2,
        events: vec![Event::FailOver] => vec![Event::Changed(KEY)],
    });
    vary!(told, M::Gone { epoch: A => B, session: S => T });
    vary!(told, M::Call {
        epoch: A => B, session: S => T, number: n(1) => n(2), floor: n(1) => n(2),
        ask: Ask::Read(KEY) => Ask::Close(KEY),
    });
    vary!(told, M::Reply {
        epoch: A => B, session: S => T, number: n(1) => n(2),
        told: Said::Answer(Answer::Done) => Said::Value { value: 1, version: 2, cachable: true },
    });
    vary!(told, M::Wrote { number: 1 => 2, accepted: true => false });
    told.add("a write", &M::Write(WRITE));
    told.add("of another token", &M::Write(Write { token: 3, ..WRITE }));
    told.add("find", &M::Find);
}

#[test]
fn records() {
    let mut told = Told::<ChubbyRecord>::new();
    vary!(told, ChubbyRecord::Wrote, Write { lock: 1 => 2, token: 2 => 3, number: 3 => 4 });
}

#[test]
fn facts() {
    let mut told = Told::<F>::new();
    let end = Command::EndDelay { epoch: A, path: LOCK };
    vary!(told, F::Claimed { epoch: A => B });
    vary!(told, F::TakesOver { epoch: A => B, sessions: 1 => 2 });
    vary!(told, F::Decided {
        number: 1 => 2, command: end => Command::Renew { epoch: A }, answer: Answer::Done => Answer::Busy,
    });
    vary!(told, F::Leased { session: S => T, lasts: 1 => 2 });
    vary!(told, F::Heard { session: S => T, epoch: A => B, number: 1 => 2 });
    vary!(told, F::Holds {
        lock: 1 => 2, session: S => T, mode: Mode::Shared => Mode::Exclusive, generation: 1 => 2,
    });
    vary!(told, F::LetsGo { lock: 1 => 2 });
    vary!(told, F::Written { write: WRITE => Write { lock: 2, ..WRITE }, accepted: true => false });
}

#[test]
fn commands() {
    let mut told = Told::<Command>::new();
    let (n, set) = (CallNumber, Change::Set { path: KEY, value: 1 });
    let take = |mode| Change::Acquire { path: LOCK, mode };
    vary!(told, Command::Master {
        node: NodeId(1) => NodeId(2), looks: Looks::with(ChubbyBug::None) => Looks::with(ChubbyBug::OldEpoch),
    });
    vary!(told, Command::Open { epoch: A => B, session: S => T });
    vary!(told, Command::Call {
        epoch: A => B, session: S => T, number: n(1) => n(2), floor: n(1) => n(2), change: set => take(Mode::Shared),
    });
    vary!(told, Command::Expire { epoch: A => B, session: S => T, delay: true => false });
    vary!(told, Command::EndDelay { epoch: A => B, path: KEY => LOCK });
    vary!(told, Command::Delete { epoch: A => B, path: KEY => LOCK });
}
