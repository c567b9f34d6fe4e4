//! How transcripts tell of fail-over.

use super::script::Story;
use sim_core::Node;
use std::fmt::Write as _;
use systems::control::failover::Failover;
use systems::control::failover::{
    Arbiter, Config, Entry, FailoverBug, FailoverFact, FailoverMessage, Mode, Payload, Record, Storage,
};

fn entries(first: u64, entries: &[Entry]) -> String {
    let what = |entry: &Entry| match &entry.payload {
        Payload::Start => "the primary's first".to_owned(),
        Payload::Write { command, .. } => command.to_string(),
    };
    let one = |(i, e): (usize, &Entry)| format!("{} ({}, epoch {})", first + i as u64, what(e), e.epoch);
    entries.iter().enumerate().map(one).collect::<Vec<_>>().join(", ")
}

impl Story for Failover {
    fn small(nodes: u32) -> Config {
        Config { snapshot_every: 0, ..Config::new(nodes) }
    }

    fn set(config: &mut Config, key: &str, value: &str) {
        match key {
            "mode" if value == "async" => config.mode = Mode::Async,
            "mode" if value == "sync" => config.mode = Mode::Sync,
            "arbiter" if value == "none" => config.arbiter = Arbiter::None,
            "arbiter" if value == "peers" => config.arbiter = Arbiter::Peers,
            "storage" if value == "shared" => config.storage = Storage::Shared,
            "max_batch" => config.max_batch = value.parse().expect("a number"),
            "fencing" => config.fencing = value == "true",
            "bug" => config.bug = *FailoverBug::ALL.iter().find(|b| b.name() == value).expect("a known bug"),
            other => panic!("no option {other}={value}"),
        }
    }

    fn message(message: &FailoverMessage) -> String {
        match message {
            FailoverMessage::Heartbeat { epoch, committed, .. } => {
                format!("I lead epoch {epoch}; everything up to entry {committed} is committed")
            }
            FailoverMessage::Alive { epoch, last: Some(last), .. } => {
                format!("I hear you, in epoch {epoch}, and have everything up to entry {last}")
            }
            FailoverMessage::Alive { epoch, .. } => format!("I hear you, in epoch {epoch}"),
            FailoverMessage::Replicate { epoch, previous, entries: new, .. } => {
                format!("epoch {epoch}: behind entry {previous} comes {}", entries(previous + 1, new))
            }
            FailoverMessage::Stored { durable, .. } => format!("I have safely stored everything up to entry {durable}"),
            FailoverMessage::Join { last, .. } => {
                format!("my log ends with entry {} of epoch {}: where do we part?", last.offset, last.epoch)
            }
            FailoverMessage::Joined { asked, end, .. } => {
                format!(
                    "of the epochs up to {} I know {} last, which ends with entry {}",
                    asked.epoch, end.epoch, end.offset
                )
            }
            FailoverMessage::Ask { epoch, last, poll, .. } => {
                let ask = if *poll { "would you vote for me" } else { "vote for me" };
                format!("{ask} in epoch {epoch}? my log ends with entry {} of epoch {}", last.offset, last.epoch)
            }
            FailoverMessage::Voice { epoch, granted: true, poll: true, .. } => format!("yes, I would in epoch {epoch}"),
            FailoverMessage::Voice { epoch, granted: true, .. } => format!("yes, you have my vote in epoch {epoch}"),
            FailoverMessage::Voice { epoch, .. } => format!("no; I am in epoch {epoch}"),
            FailoverMessage::Newer { epoch } => format!("your time is over: epoch {epoch} has begun"),
            FailoverMessage::Mount { epoch } => format!("I lead epoch {epoch}: what is on the storage?"),
            FailoverMessage::Mounted { entries: all, .. } => format!("the storage holds {}", entries(1, all)),
            other => format!("{other:?}"),
        }
    }

    fn fact(what: &FailoverFact) -> Option<String> {
        Some(match what {
            FailoverFact::Suspected { primary: Some(primary), .. } => format!("takes {primary} for dead"),
            FailoverFact::Suspected { primary: None, .. } => "finds that nobody leads".to_owned(),
            FailoverFact::Decided { epoch, supporters, .. } => {
                format!("IS PRIMARY of epoch {epoch}, with {supporters}")
            }
            FailoverFact::Promoted { epoch } => format!("serves as primary of epoch {epoch}"),
            FailoverFact::SteppedDown { epoch, why } => format!("leads epoch {epoch} no longer: {why}"),
            FailoverFact::Voted { epoch, candidate } => format!("votes for {candidate} in epoch {epoch}"),
            FailoverFact::Joined { last, .. } => format!("has the primary's log up to entry {last}, and nothing else"),
            FailoverFact::Truncated { from, last } => format!("cuts entries {from} to {last} from its log"),
            FailoverFact::Applied { entry, .. } => format!("has applied everything up to entry {}", entry.offset),
            _ => return None,
        })
    }

    fn record(written: &Record) -> String {
        match written {
            Record::Promise { epoch, vote: Some(vote) } => format!("epoch {epoch}, for {vote}"),
            Record::Promise { epoch, vote: None } => format!("epoch {epoch}"),
            Record::Entries { first, entries: new, .. } => format!("entries {}", entries(*first, new)),
            Record::Truncate { from } => format!("the log ends before entry {from}"),
            other => format!("{other:?}"),
        }
    }

    fn knows(&self) -> String {
        format!("epoch {}, log up to {}", self.epoch(), self.log().last())
    }

    /// A row of epochs.
    fn row(&self) -> String {
        let mut row = "[".to_owned();
        for offset in self.log().base() + 1..=self.log().last() {
            if offset == self.committed() + 1 {
                row.push_str(" ]");
            }
            let _ = write!(row, " {}", self.log().epoch_at(offset).expect("in the log"));
        }
        if self.committed() >= self.log().last() {
            row.push_str(" ]");
        }
        row
    }

    fn status(&self) -> String {
        format!(
            "is a {} in epoch {}; log up to {}, on disk {}, committed {}, applied {}",
            self.role().name,
            self.epoch(),
            self.log().last(),
            self.durable(),
            self.committed(),
            self.applied()
        )
    }
}
