//! What a trace tells of Raft: messages, records and facts in the words of the paper, short enough for one line.

use super::message::{RaftFact, RaftMessage, Record};
use core::fmt::{self, Write};
use sim_core::StateMachine;

/// "entries 5..9", "entry 5", "no entries".
fn span(first: u64, len: usize, out: &mut dyn Write) -> fmt::Result {
    match len as u64 {
        0 => out.write_str("no entries"),
        1 => write!(out, "entry {first}"),
        n => write!(out, "entries {first}..{}", first + n - 1),
    }
}

pub(super) fn message<M: StateMachine>(message: &RaftMessage<M>, out: &mut dyn Write) -> fmt::Result {
    write!(out, "term {}", message.term())?;
    match message {
        RaftMessage::RequestVote { last_index, last_term, transfer, .. } => {
            let asked = if *transfer { ", at its leader's wish" } else { "" };
            write!(out, ", its log ends at {last_index} of term {last_term}{asked}")
        }
        RaftMessage::Vote { granted, .. } => out.write_str(if *granted { ", granted" } else { ", refused" }),
        RaftMessage::Append(a) => {
            out.write_str(", ")?;
            span(a.prev_index + 1, a.entries.len(), out)?;
            write!(out, " after {} of term {}, commit {}", a.prev_index, a.prev_term, a.commit)
        }
        RaftMessage::Appended { match_index, .. } => write!(out, ", has all up to {match_index}"),
        RaftMessage::Rejected { prev_index, conflict_term, conflict_index, .. } => {
            write!(out, ", no match at {prev_index}, try {conflict_index} of term {conflict_term}")
        }
        RaftMessage::Heartbeat { commit, round, .. } => write!(out, ", commit {commit}, round {round}"),
        RaftMessage::Alive { round, .. } => write!(out, ", round {round}"),
        RaftMessage::InstallSnapshot { offset, length, snapshot, .. } => {
            write!(out, ", snapshot up to {}, {length} bytes of {} from {offset}", snapshot.index, snapshot.bytes)
        }
        RaftMessage::SnapshotReceived { index, received, .. } => {
            write!(out, ", snapshot up to {index}, {received} bytes have arrived")
        }
        RaftMessage::ReadIndex { .. } => out.write_str(", how far must reads have got?"),
        RaftMessage::ReadIndexReply { index, .. } => write!(out, ", reads must see all up to {index}"),
        RaftMessage::TimeoutNow { .. } => out.write_str(", take over now"),
    }
}

pub(super) fn record<M: StateMachine>(record: &Record<M>, out: &mut dyn Write) -> fmt::Result {
    match record {
        Record::Hard { term, vote: None } => write!(out, "term {term}, no vote"),
        Record::Hard { term, vote: Some(vote) } => write!(out, "term {term}, vote for {vote}"),
        Record::Entries { first, entries, .. } => span(*first, entries.len(), out),
        Record::Truncate { from } => write!(out, "the log ends before {from}"),
        Record::Snapshot(snapshot) => write!(out, "snapshot up to {} of term {}", snapshot.index, snapshot.term),
    }
}

pub(super) fn fact(fact: &RaftFact, out: &mut dyn Write) -> fmt::Result {
    match *fact {
        RaftFact::Campaign { term, pre: false } => write!(out, "asks for votes in term {term}"),
        RaftFact::Campaign { term, pre: true } => write!(out, "asks whether it would get votes in term {term}"),
        RaftFact::Elected { term, last_index } => write!(out, "leader of term {term}, its log ends at {last_index}"),
        RaftFact::SteppedDown { term } => write!(out, "no longer leader of term {term}"),
        RaftFact::FirstCommit { term, index } => write!(out, "entry {index} of term {term}"),
        RaftFact::Voted { term, candidate } => write!(out, "for {candidate} in term {term}"),
        RaftFact::Appended { first, last, term, .. } => {
            span(first, (last + 1).saturating_sub(first) as usize, out)?;
            write!(out, " of term {term}")
        }
        RaftFact::Truncated { from } => write!(out, "its log ends before {from}"),
        RaftFact::Committed { index, term } => write!(out, "up to {index}, as leader of term {term}"),
        RaftFact::Executed { index, client, op, fresh, .. } => {
            let again = if fresh { "" } else { " again: answered from its session" };
            write!(out, "entry {index}: {client} op {op}{again}")
        }
        RaftFact::Applied { index, .. } => write!(out, "up to {index}"),
        RaftFact::SnapshotTaken { index } => write!(out, "up to {index}"),
        RaftFact::SnapshotInstalled { index, .. } => write!(out, "up to {index}"),
        RaftFact::ReadServed { index, client, op } => write!(out, "{client} op {op}, from the state at {index}"),
        RaftFact::HandingOver { term, to } => write!(out, "term {term}, to {to}"),
        RaftFact::HandOverFailed { term, to } => write!(out, "{to} did not take over term {term}"),
        RaftFact::LeaseExpired { term } => write!(out, "nobody has renewed the lease of term {term}"),
        RaftFact::DiskTimedOut { term } => write!(out, "its disk hangs: it leads term {term} no longer"),
        RaftFact::Unreadable { record } => write!(out, "record {record}"),
        RaftFact::Configured { index, voters, joint } => {
            let with = if joint { ", jointly with those before" } else { "" };
            write!(out, "entry {index}: {voters}{with}")
        }
        RaftFact::Learning { index, learners } => write!(out, "entry {index}: {learners}"),
        RaftFact::CatchUpRound { node, round, upto, took } => {
            write!(out, "round {round}: {node} has all up to {upto}, after {took}")
        }
        RaftFact::GaveUp { node } => write!(out, "{node} is too slow to get a vote now"),
        RaftFact::Left { index } => write!(out, "removed by entry {index}"),
    }
}
