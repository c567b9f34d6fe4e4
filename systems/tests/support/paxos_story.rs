//! How transcripts tell of Paxos.

use super::Paxos;
use super::script::Story;
use sim_core::{Fact, Message, Node, Record as _};
use std::fmt::Write as _;
use systems::consensus::paxos::{Ballot, Config, Entry, PaxosBug, PaxosFact, PaxosMessage, Payload, Record, Run};
use systems::shared::kv::{Kv, KvCommand};

fn payload(entry: &Entry<KvCommand>) -> String {
    match entry.payload() {
        Payload::Noop => "nothing".to_owned(),
        Payload::Members(set) => format!("acceptors {set}"),
        Payload::Command { command, .. } => command.to_string(),
    }
}

fn values(first: u64, entries: &[Entry<KvCommand>]) -> String {
    let one = |(i, e): (usize, &Entry<KvCommand>)| format!("{} ({})", first + i as u64, payload(e));
    entries.iter().enumerate().map(one).collect::<Vec<_>>().join(", ")
}

fn accepted(run: &Run<KvCommand>) -> String {
    let since = match run.ballot {
        Ballot::CHOSEN => "known to be chosen".to_owned(),
        ballot => format!("in ballot {ballot}"),
    };
    format!("{} {since}", values(run.first, run.entries.entries()))
}

fn report(commit: u64, runs: &[Run<KvCommand>]) -> String {
    let runs = runs.iter().map(accepted).collect::<Vec<_>>().join(", ");
    let runs = if runs.is_empty() { "nothing".to_owned() } else { runs };
    format!("I know slots up to {commit} to be chosen, and have accepted {runs}")
}

fn told(write: impl Fn(&mut String) -> std::fmt::Result) -> String {
    let mut out = String::new();
    write(&mut out).expect("a string takes everything");
    out
}

impl Story for Paxos {
    fn small(nodes: u32) -> Config {
        Config { snapshot_every: 0, ..Config::new(nodes) }
    }

    fn set(config: &mut Config, key: &str, value: &str) {
        let number = || value.parse::<u64>().expect("a number");
        match key {
            "spares" => config.spares = number() as u32,
            "alpha" => config.alpha = number() as u32,
            "q1" => config.q1 = number() as u32,
            "q2" => config.q2 = number() as u32,
            "check_quorum" => config.check_quorum = value == "true",
            "leases" => config.leases = value == "true",
            "max_batch" => config.max_batch = number() as u32,
            "pipeline" => config.pipeline = number() as u32,
            "snapshot_every" => config.snapshot_every = number(),
            "snapshot_keep" => config.snapshot_keep = number(),
            "snapshot_chunk" => config.snapshot_chunk = number() as u32,
            "bug" => config.bug = *PaxosBug::ALL.iter().find(|b| b.name() == value).expect("a known bug"),
            other => panic!("no option {other}"),
        }
    }

    fn message(message: &PaxosMessage<Kv>) -> String {
        match message {
            PaxosMessage::Prepare { ballot, after, .. } => {
                format!("promise me ballot {ballot} for all slots; what have you accepted after slot {after}?")
            }
            PaxosMessage::Promise { ballot, report: r, .. } => {
                format!("ballot {ballot} has my promise; {}", report(r.commit, &r.runs))
            }
            PaxosMessage::Outbid { ballot, promised } => {
                format!("not in ballot {ballot}: ballot {promised} has my promise")
            }
            PaxosMessage::Accept { run, commit } => {
                format!("accept {}; slots up to {commit} are chosen", accepted(run))
            }
            PaxosMessage::Accepted { ballot, first, .. } => {
                format!("I have safely accepted your batch from slot {first} on, in ballot {ballot}")
            }
            PaxosMessage::Heartbeat { ballot, commit, .. } => {
                format!("I lead ballot {ballot}; slots up to {commit} are chosen")
            }
            PaxosMessage::Alive { ballot, .. } => format!("I am here, and have promised nothing above ballot {ballot}"),
            PaxosMessage::Learned { first, entries, commit } => {
                format!("chosen are {}; I know all up to {commit}", values(*first, entries.entries()))
            }
            other => format!("{}: {}", other.kind().name, told(|out| other.describe(out))),
        }
    }

    fn fact(fact: &PaxosFact) -> Option<String> {
        Some(match fact {
            PaxosFact::Executed { .. } | PaxosFact::FirstCommit { .. } | PaxosFact::Accepted { .. } => return None,
            PaxosFact::Elected { ballot, first, .. } => {
                format!("IS LEADER of ballot {ballot}; slot {first} is the first free one")
            }
            PaxosFact::Chosen { first, last, .. } if first == last => format!("finds slot {first} chosen"),
            PaxosFact::Chosen { first, last, .. } => format!("finds slots {first} to {last} chosen"),
            PaxosFact::Applied { slot, .. } => format!("has applied everything up to slot {slot}"),
            other => format!("{}: {}", other.kind().name.replace('_', " "), told(|out| other.describe(out))),
        })
    }

    fn record(record: &Record<Kv>) -> String {
        match record {
            Record::Run { run, .. } => accepted(run),
            other => told(|out| other.describe(out)),
        }
    }

    fn knows(&self) -> String {
        let role = if self.role().name == "rejoining" { "it has lost its memory; " } else { "" };
        format!(
            "{role}promised to {}, chosen up to {}, slots up to {}",
            self.promised(),
            self.commit(),
            self.log().last()
        )
    }

    /// A row of ballots; a dot is a gap.
    fn row(&self) -> String {
        let (base, commit) = (self.log().base(), self.commit());
        let mut row = if base > 0 { format!("(up to {base} in a snapshot) [") } else { "[".to_owned() };
        for slot in base + 1..=self.log().last() {
            if slot == commit + 1 {
                row.push_str(" ]");
            }
            match self.log().slot(slot) {
                Some((Ballot::CHOSEN, _)) => row.push_str(" chosen"),
                Some((ballot, _)) => {
                    let _ = write!(row, " {ballot}");
                }
                None => row.push_str(" ."),
            }
        }
        if commit >= self.log().last() {
            row.push_str(" ]");
        }
        row
    }

    fn status(&self) -> String {
        format!(
            "is {}, promised to {}; slots up to {}, chosen {}, applied {}",
            self.role().name,
            self.promised(),
            self.log().last(),
            self.commit(),
            self.applied()
        )
    }
}
