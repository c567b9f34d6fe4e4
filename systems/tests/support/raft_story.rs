//! How transcripts tell of Raft.

use super::Raft;
use super::script::Story;
use sim_core::Node;
use std::fmt::Write as _;
use systems::consensus::raft::{Append, Config, Entry, Payload, RaftBug, RaftFact, RaftMessage, Record};
use systems::shared::kv::{Kv, KvCommand};

fn payload(entry: &Entry<KvCommand>) -> String {
    match &entry.payload {
        Payload::Noop => "the leader's first".to_owned(),
        Payload::Configuration(c) => format!("members {c}"),
        Payload::Command { command, .. } => command.to_string(),
    }
}

fn entries(first: u64, entries: &[Entry<KvCommand>]) -> String {
    let one = |(i, e): (usize, &Entry<KvCommand>)| format!("{} ({}, term {})", first + i as u64, payload(e), e.term);
    entries.iter().enumerate().map(one).collect::<Vec<_>>().join(", ")
}

/// A message in plain words.
fn describe(message: &RaftMessage<Kv>) -> String {
    match message {
        RaftMessage::RequestVote { term, last_index, last_term, pre, transfer } => {
            let ask = match (pre, transfer) {
                (true, _) => "would you vote for me",
                (false, true) => "my leader wants me to take over; vote for me",
                (false, false) => "vote for me",
            };
            format!("{ask} in term {term}? my log ends with entry {last_index} of term {last_term}")
        }
        RaftMessage::Vote { term, granted, pre } => match (granted, pre) {
            (true, true) => format!("yes, I would in term {term}"),
            (true, false) => format!("yes, you have my vote in term {term}"),
            (false, _) => format!("no; I am in term {term}"),
        },
        RaftMessage::Append(Append { term, prev_index, prev_term, commit, entries: new, .. }) => {
            let what = if new.is_empty() { "nothing".to_owned() } else { entries(prev_index + 1, new.entries()) };
            format!("term {term}: behind entry {prev_index} of term {prev_term} comes {what}; committed up to {commit}")
        }
        RaftMessage::Appended { match_index, .. } => {
            format!("I have safely stored everything up to entry {match_index}")
        }
        RaftMessage::Rejected { prev_index, conflict_term: 0, conflict_index, .. } => {
            format!("I have no entry {prev_index}; go on from {conflict_index}")
        }
        RaftMessage::Rejected { prev_index, conflict_term, conflict_index, .. } => format!(
            "my entry {prev_index} is of term {conflict_term}, and so are those before it from {conflict_index} on"
        ),
        RaftMessage::Heartbeat { term, commit, .. } => {
            format!("I lead term {term}; you know entries up to {commit} to be committed")
        }
        RaftMessage::Alive { term, .. } => format!("I am here, in term {term}"),
        RaftMessage::InstallSnapshot { offset, length, snapshot, .. } => format!(
            "snapshot up to entry {}: bytes {offset} to {} of {}",
            snapshot.index,
            offset + u64::from(*length),
            snapshot.bytes
        ),
        RaftMessage::ReadIndex { .. } => "how far must I have got to answer a read?".to_owned(),
        RaftMessage::ReadIndexReply { index, .. } => format!("as far as entry {index}"),
        RaftMessage::TimeoutNow { term } => {
            format!("you have all of my log; take over from me, the leader of term {term}")
        }
        RaftMessage::SnapshotReceived { index, received, .. } => {
            format!("of the snapshot up to entry {index} I have {received} bytes")
        }
    }
}

fn fact(fact: &RaftFact) -> Option<String> {
    Some(match fact {
        RaftFact::Campaign { term, pre: true } => format!("asks around whether it could win term {term}"),
        RaftFact::Campaign { term, pre: false } => format!("campaigns for term {term}"),
        RaftFact::Elected { term, .. } => format!("IS LEADER of term {term}"),
        RaftFact::SteppedDown { term } => format!("leads term {term} no longer"),
        RaftFact::DiskTimedOut { .. } => "waits no longer for its disk".to_owned(),
        RaftFact::LeaseExpired { .. } => "has a lease no longer".to_owned(),
        RaftFact::FirstCommit { .. } | RaftFact::Executed { .. } => return None,
        RaftFact::Voted { term, candidate } => format!("votes for {candidate} in term {term}"),
        RaftFact::Appended { first, last, .. } if first == last => format!("adds entry {first} to its log"),
        RaftFact::Appended { first, last, .. } => format!("adds entries {first} to {last} to its log"),
        RaftFact::Truncated { from } => format!("removes entry {from} and all behind it from its log"),
        RaftFact::Committed { index, .. } => format!("knows that everything up to entry {index} is committed"),
        RaftFact::Applied { index, .. } => format!("has applied everything up to entry {index}"),
        RaftFact::SnapshotTaken { index } => format!("takes a snapshot up to entry {index}"),
        RaftFact::SnapshotInstalled { index, .. } => format!("starts over from the snapshot up to entry {index}"),
        RaftFact::Unreadable { record } => format!("can not read record {record} of its disk, and does not start"),
        RaftFact::Configured { index: 0, voters, .. } => format!("acts under the first configuration: {voters}"),
        RaftFact::Configured { index, voters, joint: false } => format!("acts under entry {index}: members {voters}"),
        RaftFact::Configured { index, voters, joint: true } => {
            format!("acts under entry {index}: members {voters}, and a majority of those before too")
        }
        RaftFact::Learning { learners, .. } => format!("counts as learning, without a vote: {learners}"),
        RaftFact::CatchUpRound { node, round, upto, .. } => {
            format!("sees round {round} of {node} over: it has everything up to entry {upto}")
        }
        RaftFact::GaveUp { node } => format!("finds {node} too slow to get a vote"),
        RaftFact::Left { index } => format!("leaves: entry {index} has removed it"),
        RaftFact::HandingOver { to, .. } => format!("begins to hand over to {to}, and lets new requests wait"),
        RaftFact::HandOverFailed { to, .. } => format!("gives up on {to} and leads on"),
        RaftFact::ReadServed { index, .. } => format!("answers a read from its state at entry {index}"),
    })
}

fn record(record: &Record<Kv>) -> String {
    match record {
        Record::Hard { term, vote: Some(vote) } => format!("term {term}, vote for {vote}"),
        Record::Hard { term, vote: None } => format!("term {term}, no vote"),
        Record::Entries { first, entries: new, .. } => {
            format!("{} {}", if new.len() == 1 { "entry" } else { "entries" }, entries(*first, new.entries()))
        }
        Record::Truncate { from } => format!("the log ends before entry {from}"),
        Record::Snapshot(snapshot) => format!("snapshot up to entry {}", snapshot.index),
    }
}

impl Story for Raft {
    fn small(nodes: u32) -> Config {
        Config { snapshot_every: 0, ..Config::new(nodes) }
    }

    fn set(config: &mut Config, key: &str, value: &str) {
        let number = || value.parse::<u64>().expect("a number");
        match key {
            "members" => config.members = number() as u32,
            "membership" => config.joint = value == "joint",
            "catch_up_rounds" => config.catch_up_rounds = number() as u32,
            "pre_vote" => config.pre_vote = value == "true",
            "check_quorum" => config.check_quorum = value == "true",
            "follower_reads" => config.follower_reads = value == "true",
            "leases" => config.leases = value == "true",
            "max_batch" => config.max_batch = number() as u32,
            "pipeline" => config.pipeline = number() as u32,
            "snapshot_every" => config.snapshot_every = number(),
            "snapshot_keep" => config.snapshot_keep = number(),
            "snapshot_chunk" => config.snapshot_chunk = number() as u32,
            "bug" => config.bug = *RaftBug::ALL.iter().find(|b| b.name() == value).expect("a known bug"),
            other => panic!("no option {other}"),
        }
    }

    fn message(message: &RaftMessage<Kv>) -> String {
        describe(message)
    }

    fn fact(what: &RaftFact) -> Option<String> {
        fact(what)
    }

    fn record(written: &Record<Kv>) -> String {
        record(written)
    }

    fn knows(&self) -> String {
        let vote = self.vote().map_or("no vote".to_owned(), |v| format!("vote for {v}"));
        format!("term {}, {vote}, log up to {}", self.term(), self.log().last())
    }

    /// A row of terms.
    fn row(&self) -> String {
        let (base, commit) = (self.log().base(), self.commit());
        let mut row = if base > 0 { format!("(up to {base} in a snapshot) [") } else { "[".to_owned() };
        for index in base + 1..=self.log().last() {
            if index == commit + 1 {
                row.push_str(" ]");
            }
            let entry = self.log().entry(index).expect("in the log");
            let _ = write!(row, " {}", entry.term);
        }
        if commit >= self.log().last() {
            row.push_str(" ]");
        }
        row
    }

    fn status(&self) -> String {
        let vote = self.vote().map_or("nobody".to_owned(), |v| v.to_string());
        format!(
            "is a {} in term {}, voted for {vote}; log up to {}, on disk {}, committed {}, applied {}",
            self.role().name.replace('_', "-"),
            self.term(),
            self.log().last(),
            self.durable(),
            self.commit(),
            self.applied()
        )
    }
}
