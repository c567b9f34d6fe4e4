//! Transcripts: a text that drives the cluster, and what happened, told so that anybody can follow.
//!
//! A line is a command or, behind `#`, a sentence for the reader. See the match in [`Script::run_line`] for the commands.

use super::{Cluster, Flight, Leaves, Message, Told, n};
use sim_core::{ClientId, Node, NodeId, Ticket};
use std::fmt::Write as _;
use systems::kv::{KvCommand, Value};
use systems::raft::{Append, Config, Entry, HEARTBEAT, Payload, RaftBug, RaftFact, RaftMessage, Record};

/// One transcript under way.
pub struct Script {
    cluster: Cluster,
    out: String,
    /// Operations of each client so far, and the tries of each.
    ops: Vec<Vec<(KvCommand, u32)>>,
    /// Nodes nobody reaches.
    isolated: Vec<NodeId>,
    /// How many answers, and records of each node, have been told.
    answers: usize,
    written: Vec<u64>,
    violated: bool,
}

/// Runs a whole transcript.
pub fn run(text: &str) -> String {
    let mut script: Option<Script> = None;
    let mut head = String::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        let words: Vec<&str> = line.split_whitespace().collect();
        match (&mut script, words.first()) {
            (None, Some(&"cluster")) => {
                let mut new = Script::new(&words[1..]);
                new.out = core::mem::take(&mut head);
                let _ = writeln!(new.out, "> {line}");
                script = Some(new);
            }
            (None, _) => {
                let _ = writeln!(head, "{line}");
            }
            (Some(script), None) => script.out.push('\n'),
            (Some(script), Some(word)) if word.starts_with('#') => {
                let _ = writeln!(script.out, "{line}");
            }
            (Some(script), _) => {
                let _ = writeln!(script.out, "> {line}");
                script.run_line(&words).unwrap_or_else(|what| panic!("line {}: `{line}`: {what}", number + 1));
            }
        }
    }
    script.expect("a transcript begins with `cluster`").out
}

fn node(word: &str) -> Result<NodeId, String> {
    let number = word.strip_prefix('n').and_then(|d| d.parse::<u32>().ok());
    number.filter(|d| *d > 0).map(n).ok_or_else(|| format!("`{word}` is not a node"))
}

fn link(word: &str) -> Result<(NodeId, NodeId), String> {
    let (from, to) = word.split_once("->").ok_or_else(|| format!("`{word}` is not a link such as n1->n2"))?;
    Ok((node(from)?, node(to)?))
}

fn key(word: &str) -> Result<u64, String> {
    word.strip_prefix('k').and_then(|d| d.parse().ok()).ok_or_else(|| format!("`{word}` is not a key"))
}

fn command(words: &[&str]) -> Result<KvCommand, String> {
    Ok(match words {
        ["get", k] => KvCommand::Get { key: key(k)? },
        ["put", k, v] => KvCommand::Put { key: key(k)?, value: Value::new(v) },
        ["append", k, v] => KvCommand::Append { key: key(k)?, value: Value::new(v) },
        other => return Err(format!("{other:?} is not a command of the store")),
    })
}

fn payload(entry: &Entry<KvCommand>) -> String {
    match &entry.payload {
        Payload::Noop => "the leader's first".to_owned(),
        Payload::Command { command, .. } => command.to_string(),
    }
}

fn entries(first: u64, entries: &[Entry<KvCommand>]) -> String {
    let one = |(i, e): (usize, &Entry<KvCommand>)| format!("{} ({}, term {})", first + i as u64, payload(e), e.term);
    entries.iter().enumerate().map(one).collect::<Vec<_>>().join(", ")
}

/// A message in plain words.
fn describe(message: &Message) -> String {
    match message {
        RaftMessage::RequestVote { term, last_index, last_term, pre } => {
            let ask = if *pre { "would you vote for me" } else { "vote for me" };
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
        RaftFact::ReadServed { index, .. } => format!("answers a read from its state at entry {index}"),
    })
}

fn record(record: &Record<systems::kv::Kv>) -> String {
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

impl Script {
    fn new(words: &[&str]) -> Self {
        let nodes: u32 = words[0].parse().expect("`cluster` takes the number of nodes");
        let mut config = Config { snapshot_every: 0, ..Config::new(nodes) };
        for word in &words[1..] {
            let (key, value) = word.split_once('=').expect("options are key=value");
            let number = || value.parse::<u64>().expect("a number");
            match key {
                "pre_vote" => config.pre_vote = value == "true",
                "check_quorum" => config.check_quorum = value == "true",
                "max_batch" => config.max_batch = number() as u32,
                "pipeline" => config.pipeline = number() as u32,
                "snapshot_every" => config.snapshot_every = number(),
                "snapshot_keep" => config.snapshot_keep = number(),
                "snapshot_chunk" => config.snapshot_chunk = number() as u32,
                "bug" => {
                    config.bug = *RaftBug::ALL.iter().find(|b| b.name() == value).expect("a known bug");
                }
                other => panic!("no option {other}"),
            }
        }
        Self {
            cluster: Cluster::new(config, 1),
            out: String::new(),
            ops: Vec::new(),
            isolated: Vec::new(),
            answers: 0,
            written: vec![0; nodes as usize],
            violated: false,
        }
    }

    fn say(&mut self, what: &str) {
        let _ = writeln!(self.out, "  {what}");
    }

    /// Tells what the nodes have announced, written and answered since the last time.
    fn tell(&mut self) {
        let facts = core::mem::take(&mut self.cluster.facts);
        let ops = |script: &Self, ticket: &Ticket| {
            format!("{}'s {}", ticket.client, script.ops[ticket.client.index()][ticket.op as usize].0)
        };
        for (who, what) in &facts {
            if let Some(words) = fact(what) {
                self.say(&format!("{who} {words}"));
            }
        }
        for id in self.cluster.ids() {
            let disk = &self.cluster.disks[id.index()];
            let known = self.written[id.index()];
            let new: Vec<String> = disk
                .records
                .iter()
                .filter(|(w, ..)| w.0 >= known && *w >= disk.durable)
                .filter_map(|(.., r)| r.as_ref().map(record))
                .collect();
            self.written[id.index()] = disk.next.0;
            for words in new {
                self.say(&format!("{id} begins to write: {words}"));
            }
        }
        let told: Vec<_> = self.cluster.answers[self.answers..].to_vec();
        self.answers = self.cluster.answers.len();
        for (ticket, from, told) in told {
            let what = ops(self, &ticket);
            match told {
                Told::Done(response) => self.say(&format!("{from} answers {what}: {response}")),
                Told::Elsewhere(Some(hint)) => self.say(&format!("{from} refuses {what}: ask {hint}")),
                Told::Elsewhere(None) => self.say(&format!("{from} refuses {what}: no leader known")),
            }
        }
        if let Some(violation) = &self.cluster.violation
            && !self.violated
        {
            let words = format!("RULE BROKEN: {}: {}", violation.rule, violation.detail);
            self.violated = true;
            self.say(&words);
        }
    }

    fn flights(&self, (from, to): (NodeId, NodeId)) -> Vec<usize> {
        let on = |f: &Flight| f.from == from && f.to == to;
        self.cluster.wire.iter().enumerate().filter(|(_, f)| on(f)).map(|(i, _)| i).collect()
    }

    fn deliver(&mut self, at: usize) {
        let flight = &self.cluster.wire[at];
        let down = if self.cluster.is_up(flight.to) { "" } else { " (but it is down)" };
        let words = format!("{} -> {}: {}{down}", flight.from, flight.to, describe(&flight.message));
        self.say(&words);
        self.cluster.deliver(at);
        self.tell();
    }

    fn ask(&mut self, to: NodeId, client: u32, op: usize) {
        let (command, attempt) = &mut self.ops[client as usize][op];
        let ticket = Ticket { client: ClientId(client), op: op as u64, floor: 0, attempt: *attempt };
        *attempt += 1;
        let command = command.clone();
        self.cluster.request(to, ticket, command);
        self.tell();
    }

    fn run_line(&mut self, words: &[&str]) -> Result<(), String> {
        let client = |word: &str| {
            let number = word.strip_prefix('c').and_then(|d| d.parse::<u32>().ok()).filter(|d| *d > 0);
            number.map(|d| d - 1).ok_or_else(|| format!("`{word}` is not a client"))
        };
        match words {
            ["campaign", who] => {
                let who = node(who)?;
                // A timeout has passed for everybody, or the others would be loyal to their leader.
                for id in self.cluster.ids() {
                    self.cluster.pass(id, self.cluster.config.election_max);
                }
                self.cluster.campaign(who);
            }
            ["timeout", who] => self.cluster.campaign(node(who)?),
            ["heartbeat", who] => {
                let who = node(who)?;
                self.cluster.pass(who, self.cluster.config.heartbeat);
                self.cluster.fire(who, HEARTBEAT);
            }
            ["ask", to, who, rest @ ..] => {
                let (to, who, command) = (node(to)?, client(who)?, command(rest)?);
                if self.ops.len() <= who as usize {
                    self.ops.resize_with(who as usize + 1, Vec::new);
                }
                self.ops[who as usize].push((command, 0));
                self.ask(to, who, self.ops[who as usize].len() - 1);
            }
            ["retry", to, who] => {
                let (to, who) = (node(to)?, client(who)?);
                self.ask(to, who, self.ops[who as usize].len() - 1);
            }
            ["deliver", on] => {
                for at in
                    self.flights(link(on)?).into_iter().enumerate().map(|(gone, at)| at - gone).collect::<Vec<_>>()
                {
                    self.deliver(at);
                }
            }
            ["deliver", on, "oldest"] => {
                let at = *self.flights(link(on)?).first().ok_or("nothing is on its way there")?;
                self.deliver(at);
            }
            ["deliver", on, "newest"] => {
                let at = *self.flights(link(on)?).last().ok_or("nothing is on its way there")?;
                self.deliver(at);
            }
            ["drop", "all"] => {
                let lost = self.cluster.wire.len();
                self.cluster.wire.clear();
                self.say(&format!("{lost} messages are lost"));
            }
            ["drop", on] => {
                for (gone, at) in self.flights(link(on)?).into_iter().enumerate() {
                    let flight = self.cluster.wire.remove(at - gone);
                    self.say(&format!("lost: {} -> {}: {}", flight.from, flight.to, describe(&flight.message)));
                }
            }
            ["duplicate", on] => {
                let at = *self.flights(link(on)?).last().ok_or("nothing is on its way there")?;
                let twin = self.cluster.wire[at].clone();
                self.cluster.wire.push(twin);
            }
            ["sync", who] => {
                let who = node(who)?;
                if self.cluster.sync(who) {
                    self.say(&format!("{who}'s disk has everything"));
                }
            }
            ["crash", who, how @ ..] => {
                let who = node(who)?;
                let leaves = match how {
                    [] | ["lose_unsynced"] => Leaves::Nothing,
                    ["keep"] => Leaves::Everything,
                    ["torn", n] => Leaves::Some(n.parse().map_err(|_| "torn takes a number")?),
                    other => return Err(format!("{other:?} is no way to crash")),
                };
                let lost = self.cluster.crash(who, leaves);
                self.say(&format!("{who} is down; {lost} writes were not on its disk yet and are lost"));
            }
            ["restart", who] => {
                let who = node(who)?;
                self.cluster.restart(who);
                let node = self.cluster.node(who);
                let vote = node.vote().map_or("no vote".to_owned(), |v| format!("vote for {v}"));
                let words = format!("{who} is up: term {}, {vote}, log up to {}", node.term(), node.log().last());
                self.say(&words);
            }
            ["isolate", who @ ..] => self.isolated = who.iter().map(|w| node(w)).collect::<Result<_, _>>()?,
            ["heal"] => self.isolated.clear(),
            ["stabilize"] => {
                let isolated = self.isolated.clone();
                self.cluster.stabilize_but(|f| isolated.contains(&f.from) || isolated.contains(&f.to));
            }
            ["stabilize", "aloud"] => self.stabilize_aloud(),
            ["log"] => self.log(),
            ["status"] => self.status(),
            _ => return Err("no such command".to_owned()),
        }
        self.tell();
        Ok(())
    }

    fn stabilize_aloud(&mut self) {
        loop {
            let mut idle = true;
            for id in self.cluster.ids() {
                if self.cluster.sync(id) {
                    idle = false;
                    self.tell();
                }
            }
            if self.cluster.wire.is_empty() {
                if idle {
                    return;
                }
                continue;
            }
            let flight = &self.cluster.wire[0];
            if self.isolated.contains(&flight.from) || self.isolated.contains(&flight.to) {
                self.cluster.wire.remove(0);
            } else {
                self.deliver(0);
            }
        }
    }

    /// Every log as a row of terms; what is committed is in brackets.
    fn log(&mut self) {
        for id in self.cluster.ids() {
            if !self.cluster.is_up(id) {
                self.say(&format!("{id} is down"));
                continue;
            }
            let node = self.cluster.node(id);
            let (base, commit) = (node.log().base(), node.commit());
            let mut row = format!("{id} ");
            if base > 0 {
                let _ = write!(row, "(up to {base} in a snapshot) ");
            }
            row.push('[');
            for index in base + 1..=node.log().last() {
                if index == commit + 1 {
                    row.push_str(" ]");
                }
                let entry = node.log().entry(index).expect("in the log");
                let _ = write!(row, " {}", entry.term);
            }
            if commit >= node.log().last() {
                row.push_str(" ]");
            }
            self.say(&row);
        }
    }

    fn status(&mut self) {
        for id in self.cluster.ids() {
            if !self.cluster.is_up(id) {
                self.say(&format!("{id} is down"));
                continue;
            }
            let node = self.cluster.node(id);
            let vote = node.vote().map_or("nobody".to_owned(), |v| v.to_string());
            let words = format!(
                "{id} is a {} in term {}, voted for {vote}; log up to {}, on disk {}, committed {}, applied {}",
                node.role().name.replace('_', "-"),
                node.term(),
                node.log().last(),
                node.durable(),
                node.commit(),
                node.applied()
            );
            self.say(&words);
        }
    }
}
