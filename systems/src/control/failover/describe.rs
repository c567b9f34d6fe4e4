//! What a trace tells of fail-over: messages, records and facts, short enough for one line.

use super::detector::{SwimMessage, Update};
use super::message::{FailoverFact, FailoverMessage, Record};
use crate::consensus::raft::RaftFact;
use core::fmt::{self, Write};
use sim_core::Fact;

/// "entries 5..9", "entry 5", "no entries".
fn span(first: u64, len: usize, out: &mut dyn Write) -> fmt::Result {
    match len as u64 {
        0 => out.write_str("no entries"),
        1 => write!(out, "entry {first}"),
        n => write!(out, "entries {first}..{}", first + n - 1),
    }
}

/// What else a probe tells.
fn gossip(news: &[Update], out: &mut dyn Write) -> fmt::Result {
    if news.is_empty() {
        return out.write_str("no news");
    }
    news.iter().enumerate().try_for_each(|(i, Update { node, incarnation, standing })| {
        let comma = if i > 0 { ", " } else { "" };
        write!(out, "{comma}{node} is {standing:?} ({incarnation})")
    })
}

pub(super) fn message(message: &FailoverMessage, out: &mut dyn Write) -> fmt::Result {
    match message {
        FailoverMessage::Heartbeat { epoch, committed, .. } => {
            write!(out, "epoch {epoch}, committed up to {committed}")
        }
        FailoverMessage::Alive { epoch, last: Some(last), durable, .. } => {
            write!(out, "epoch {epoch}, has all up to {last}, on disk up to {durable}")
        }
        FailoverMessage::Alive { epoch, .. } => write!(out, "epoch {epoch}"),
        FailoverMessage::Replicate { epoch, previous, committed, entries } => {
            write!(out, "epoch {epoch}, ")?;
            span(previous + 1, entries.len(), out)?;
            write!(out, ", committed up to {committed}")
        }
        FailoverMessage::Stored { epoch, durable, last } => {
            write!(out, "epoch {epoch}, has all up to {last}, on disk up to {durable}")
        }
        FailoverMessage::Join { epoch, last } => {
            write!(out, "epoch {epoch}, its log ends at {} of epoch {}: where do we part?", last.offset, last.epoch)
        }
        FailoverMessage::Joined { epoch, asked, end } => {
            write!(out, "epoch {epoch}, up to epoch {}: epoch {} ends at {}", asked.epoch, end.epoch, end.offset)
        }
        FailoverMessage::Install { epoch, snapshot } => {
            write!(out, "epoch {epoch}, the state at {}, {} bytes", snapshot.offset, snapshot.bytes)
        }
        FailoverMessage::Ask { epoch, last, transfer, .. } => {
            let asked = if *transfer { ", at its primary's wish" } else { "" };
            write!(out, "epoch {epoch}, its log ends at {} of epoch {}{asked}", last.offset, last.epoch)
        }
        FailoverMessage::Voice { epoch, granted, .. } => {
            write!(out, "epoch {epoch}, {}", if *granted { "granted" } else { "refused" })
        }
        FailoverMessage::Newer { epoch } => write!(out, "epoch {epoch} has begun"),
        FailoverMessage::TakeOver { epoch } => write!(out, "epoch {epoch} is over: lead now"),
        FailoverMessage::SetInSync { in_sync } => {
            write!(out, "epoch {}, change {}: in sync are {}", in_sync.epoch, in_sync.version, in_sync.nodes)
        }
        FailoverMessage::Petition { petition, .. } => write!(out, "{petition:?}"),
        FailoverMessage::Ruled { ruling, .. } => {
            let seat = ruling.seat;
            write!(out, "{}, epoch {}", if ruling.granted { "granted" } else { "refused" }, seat.epoch)
        }
        FailoverMessage::NotHere { .. } => out.write_str("it does not lead the arbiters"),
        FailoverMessage::Mount { epoch } => write!(out, "epoch {epoch}: what is on the storage?"),
        FailoverMessage::Mounted { epoch, entries } => {
            write!(out, "epoch {epoch}, ")?;
            span(1, entries.len(), out)
        }
        FailoverMessage::Swim(SwimMessage::PingReq { target, .. }) => write!(out, "ping {target} for me"),
        FailoverMessage::Swim(SwimMessage::Ping { news, .. } | SwimMessage::Ack { news, .. }) => gossip(news, out),
        FailoverMessage::Raft(inner) => sim_core::Message::describe(inner.as_ref(), out),
        FailoverMessage::InSyncSet { epoch, version } => write!(out, "epoch {epoch}, change {version} is written down"),
    }
}

pub(super) fn record(record: &Record, out: &mut dyn Write) -> fmt::Result {
    match record {
        Record::Promise { epoch, vote: None } => write!(out, "epoch {epoch}"),
        Record::Promise { epoch, vote: Some(vote) } => write!(out, "epoch {epoch}, for {vote}"),
        Record::InSync(in_sync) => write!(out, "epoch {}, in sync are {}", in_sync.epoch, in_sync.nodes),
        Record::Entries { first, entries, .. } => span(*first, entries.len(), out),
        Record::Truncate { from } => write!(out, "the log ends before {from}"),
        Record::Snapshot(snapshot) => write!(out, "snapshot up to {}", snapshot.offset),
        Record::Raft(inner) => write!(out, "{inner:?}"),
    }
}

pub(super) fn fact(fact: &FailoverFact, out: &mut dyn Write) -> fmt::Result {
    match fact {
        FailoverFact::Suspected { primary: Some(primary), epoch } => {
            write!(out, "{primary}, the primary of epoch {epoch}")
        }
        FailoverFact::Suspected { primary: None, epoch } => write!(out, "nobody leads after epoch {epoch}"),
        FailoverFact::Decided { epoch, supporters, planned } => {
            let planned = if *planned { ", as planned" } else { "" };
            write!(out, "primary of epoch {epoch}, with {supporters}{planned}")
        }
        FailoverFact::Promoted { epoch } => write!(out, "serves as primary of epoch {epoch}"),
        FailoverFact::FirstAck { epoch } => write!(out, "epoch {epoch}"),
        FailoverFact::SteppedDown { epoch, why } => write!(out, "no longer primary of epoch {epoch}: {why}"),
        FailoverFact::Voted { epoch, candidate } => write!(out, "for {candidate} in epoch {epoch}"),
        FailoverFact::Joined { epoch, last } => write!(out, "epoch {epoch}, its log is the primary's up to {last}"),
        FailoverFact::Truncated { from, last } => span(*from, (last + 1).saturating_sub(*from) as usize, out),
        FailoverFact::Executed { entry, client, op, fresh } => {
            let again = if *fresh { "" } else { " again: answered from its session" };
            write!(out, "entry {}: {client} op {op}{again}", entry.offset)
        }
        FailoverFact::Acknowledged { entry, client, op, .. } => write!(out, "entry {}: {client} op {op}", entry.offset),
        FailoverFact::ReadServed { entry, client, op, .. } => {
            write!(out, "{client} op {op}, from the state at {}", entry.offset)
        }
        FailoverFact::Applied { entry, .. } => write!(out, "up to {}", entry.offset),
        FailoverFact::SnapshotTaken { offset } => write!(out, "up to {offset}"),
        FailoverFact::SnapshotInstalled { entry, .. } => write!(out, "up to {}", entry.offset),
        FailoverFact::InSyncChanged { epoch, nodes } => write!(out, "epoch {epoch}: {nodes}"),
        FailoverFact::HandingOver { epoch, to, back } => {
            let back = if *back { ", which is preferred" } else { "" };
            write!(out, "epoch {epoch}, to {to}{back}")
        }
        FailoverFact::Arbiter(RaftFact::Elected { term, .. }) => write!(out, "leads the arbiters in term {term}"),
        FailoverFact::Arbiter(inner) => {
            write!(out, "{} ", inner.kind().name)?;
            inner.describe(out)
        }
        FailoverFact::Unreadable { record } => write!(out, "record {record}"),
    }
}
