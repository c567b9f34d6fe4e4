//! What a trace tells of Paxos: messages, records and facts in the words of the papers, short enough for one line.

use super::ballot::Ballot;
use super::log::Run;
use super::message::{Life, PaxosFact, PaxosMessage, Record, Report};
use core::fmt::{self, Write};
use sim_core::StateMachine;

/// "slots 5..9", "slot 5", "no slots".
fn span(first: u64, last: u64, out: &mut dyn Write) -> fmt::Result {
    match (last + 1).saturating_sub(first) {
        0 => out.write_str("no slots"),
        1 => write!(out, "slot {first}"),
        _ => write!(out, "slots {first}..{last}"),
    }
}

fn run<C>(run: &Run<C>, out: &mut dyn Write) -> fmt::Result {
    span(run.first, run.last(), out)?;
    match run.ballot {
        Ballot::CHOSEN => out.write_str(" known to be chosen"),
        ballot => write!(out, " in ballot {ballot}"),
    }
}

fn report<C>(report: &Report<C>, out: &mut dyn Write) -> fmt::Result {
    write!(out, ", chosen up to {}", report.commit)?;
    for accepted in report.runs.iter() {
        out.write_str(", ")?;
        run(accepted, out)?;
    }
    Ok(())
}

pub(super) fn message<M: StateMachine>(message: &PaxosMessage<M>, out: &mut dyn Write) -> fmt::Result {
    match message {
        PaxosMessage::Prepare { ballot, after, handed } => {
            write!(out, "ballot {ballot}, all slots after {after}")?;
            if *handed == Ballot::ZERO { Ok(()) } else { write!(out, ", taking over from ballot {handed}") }
        }
        PaxosMessage::Promise { ballot, report: r, .. } => {
            write!(out, "ballot {ballot}")?;
            report(r, out)
        }
        PaxosMessage::Outbid { ballot, promised } => write!(out, "ballot {ballot}, by {promised}"),
        PaxosMessage::Accept { run: r, commit } => {
            run(r, out)?;
            write!(out, ", chosen up to {commit}")
        }
        PaxosMessage::Accepted { ballot, first, .. } => write!(out, "ballot {ballot}, from slot {first}"),
        PaxosMessage::Heartbeat { ballot, commit, round } => {
            write!(out, "ballot {ballot}, chosen up to {commit}, round {round}")
        }
        PaxosMessage::Alive { ballot, round, .. } => write!(out, "ballot {ballot}, round {round}"),
        PaxosMessage::Learn { after, snapshot: (_, 0) } => write!(out, "what was chosen after {after}?"),
        PaxosMessage::Learn { after, snapshot: (slot, bytes) } => {
            write!(out, "what was chosen after {after}? has {bytes} bytes of the snapshot up to {slot}")
        }
        PaxosMessage::Learned { first, entries, commit } => {
            span(*first, first + entries.len() as u64 - 1, out)?;
            write!(out, ", chosen up to {commit}")
        }
        PaxosMessage::Piece { offset, length, snapshot } => {
            write!(out, "snapshot up to {}, {length} bytes of {} from {offset}", snapshot.slot, snapshot.bytes)
        }
        PaxosMessage::Rejoin { life } => write!(out, "my disk was wiped; I begin life {life}"),
        PaxosMessage::TakeOver { ballot } => write!(out, "I lead ballot {ballot} no more"),
        PaxosMessage::Welcome(w) if w.blank => write!(out, "life {}; so was mine", w.life),
        PaxosMessage::Welcome(w) => {
            write!(out, "life {}, promised to {}", w.life, w.promised)?;
            report(&w.report, out)
        }
    }
}

pub(super) fn record<M: StateMachine>(record: &Record<M>, out: &mut dyn Write) -> fmt::Result {
    match record {
        Record::Blank => out.write_str("nothing is known yet"),
        Record::Hard { promised, life: Life(0), .. } => write!(out, "promised to {promised}"),
        Record::Hard { promised, life, .. } => write!(out, "promised to {promised}, in life {life}"),
        Record::Run { run: r, .. } => run(r, out),
        Record::Snapshot { snapshot, base, .. } => {
            write!(out, "snapshot up to {}, the log begins after {base}", snapshot.slot)
        }
    }
}

pub(super) fn fact(fact: &PaxosFact, out: &mut dyn Write) -> fmt::Result {
    match *fact {
        PaxosFact::Campaign { ballot } => write!(out, "prepares ballot {ballot}"),
        PaxosFact::Elected { ballot, chosen, first } => {
            write!(out, "leader of ballot {ballot}, chosen up to {chosen}, open up to {}", first - 1)
        }
        PaxosFact::LeaseExpired { ballot } => write!(out, "nobody has renewed the lease of ballot {ballot}"),
        PaxosFact::DiskTimedOut { ballot } => write!(out, "its disk hangs: it leads ballot {ballot} no longer"),
        PaxosFact::SteppedDown { ballot } => write!(out, "no longer leader of ballot {ballot}"),
        PaxosFact::FirstCommit { ballot, slot } => write!(out, "up to {slot}, as leader of ballot {ballot}"),
        PaxosFact::Promised { ballot, candidate } => write!(out, "ballot {ballot} of {candidate}"),
        PaxosFact::Accepted { ballot, first } => write!(out, "from slot {first} in ballot {ballot}"),
        PaxosFact::Chosen { ballot, first, last } => {
            span(first, last, out)?;
            write!(out, " in ballot {ballot}")
        }
        PaxosFact::Executed { slot, client, op, fresh, .. } => {
            let again = if fresh { "" } else { " again: answered from its session" };
            write!(out, "slot {slot}: {client} op {op}{again}")
        }
        PaxosFact::Applied { slot, .. } | PaxosFact::SnapshotTaken { slot } => write!(out, "up to {slot}"),
        PaxosFact::SnapshotInstalled { slot, .. } => write!(out, "up to {slot}"),
        PaxosFact::ReadServed { slot, client, op } => write!(out, "{client} op {op}, from the state at {slot}"),
        PaxosFact::Wiped { life } => write!(out, "begins life {life}"),
        PaxosFact::Rebuilt { life } => write!(out, "takes part again, in life {life}"),
        PaxosFact::Unreadable { record } => write!(out, "record {record}"),
        PaxosFact::Configured { from, members } => write!(out, "from slot {from} on the acceptors are {members}"),
    }
}
