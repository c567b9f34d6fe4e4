//! Transcripts: a text that drives the cluster, and what happened, told so that anybody can follow.
//!
//! A line is a command or, behind `#`, a sentence for the reader. See the match in [`Script::run_line`] for the
//! commands.

use super::{Cluster, Flight, Raft, Subject, n};
use sim_core::fault::OnCrash;
use sim_core::hand::Told;
use sim_core::{ClientId, Duration, NodeId, Order, Ticket};
use std::fmt::Write as _;
use systems::consensus::raft::HEARTBEAT;
use systems::shared::kv::{KvCommand, Value};

/// A protocol whose doings can be told.
pub trait Story: Subject {
    /// The configuration of so many nodes, without snapshots.
    fn small(nodes: u32) -> Self::Config;
    /// Sets an option.
    fn set(config: &mut Self::Config, key: &str, value: &str);
    fn message(message: &Self::Message) -> String;
    /// Nothing for what is not worth telling.
    fn fact(fact: &Self::Fact) -> Option<String>;
    fn record(record: &Self::Record) -> String;
    /// What a restarted node knows.
    fn knows(&self) -> String;
    /// Its log in one row; what is committed is in brackets.
    fn row(&self) -> String;
    /// Everything in one line.
    fn status(&self) -> String;
}

/// One transcript under way.
pub struct Script<N: Story = Raft> {
    cluster: Cluster<N>,
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

/// Runs a whole transcript of Raft.
pub fn run(text: &str) -> String {
    tell::<Raft>(text)
}

/// Runs a whole transcript.
pub fn tell<N: Story>(text: &str) -> String {
    let mut script: Option<Script<N>> = None;
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

impl<N: Story> Script<N> {
    fn new(words: &[&str]) -> Self {
        let nodes: u32 = words[0].parse().expect("`cluster` takes the number of nodes");
        let mut config = N::small(nodes);
        for word in &words[1..] {
            let (key, value) = word.split_once('=').expect("options are key=value");
            N::set(&mut config, key, value);
        }
        Self {
            cluster: Cluster::new(config, 1),
            out: String::new(),
            ops: Vec::new(),
            isolated: Vec::new(),
            answers: 0,
            written: vec![0; N::nodes(&config) as usize],
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
            if let Some(words) = N::fact(what) {
                self.say(&format!("{who} {words}"));
            }
        }
        for id in self.cluster.ids() {
            let hand = &self.cluster.hands[id.index()];
            let known = self.written[id.index()];
            let new: Vec<String> = hand
                .records()
                .filter(|(write, .., durable)| write.0 >= known && !durable)
                .filter_map(|(.., record, _)| record.map(N::record))
                .collect();
            self.written[id.index()] = hand.writes().next().0;
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
        let on = |f: &Flight<N>| f.from == from && f.to == to;
        self.cluster.wire.iter().enumerate().filter(|(_, f)| on(f)).map(|(i, _)| i).collect()
    }

    fn deliver(&mut self, at: usize) {
        let flight = &self.cluster.wire[at];
        let down = if self.cluster.is_up(flight.to) { "" } else { " (but it is down)" };
        let words = format!("{} -> {}: {}{down}", flight.from, flight.to, N::message(&flight.message));
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
                let timeout = N::election_max(&self.cluster.config);
                for id in self.cluster.ids() {
                    self.cluster.pass(id, timeout);
                }
                self.cluster.campaign(who);
            }
            ["timeout", who] => self.cluster.campaign(node(who)?),
            ["pass", who @ .., time] => {
                let time = time.strip_suffix("ms").and_then(|ms| ms.parse().ok()).ok_or("pass takes milliseconds")?;
                for id in self.cluster.ids() {
                    // Without a name for everybody.
                    if who.is_empty() || who.contains(&id.to_string().as_str()) {
                        self.cluster.pass(id, Duration::millis(time));
                    }
                }
            }
            ["heartbeat", who] => {
                let who = node(who)?;
                let heartbeat = N::heartbeat(&self.cluster.config);
                self.cluster.pass(who, heartbeat);
                self.cluster.fire(who, HEARTBEAT);
            }
            ["order", to, "members", set @ ..] => {
                let set = set.iter().map(|word| node(word)).collect::<Result<_, _>>()?;
                self.cluster.order(node(to)?, Order::Members(set));
            }
            ["order", to, "lead", whom] => self.cluster.order(node(to)?, Order::Lead(node(whom)?)),
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
                    self.say(&format!("lost: {} -> {}: {}", flight.from, flight.to, N::message(&flight.message)));
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
                let lost = match how {
                    [] | ["lose_unsynced"] => self.cluster.crash(who, OnCrash::LoseUnsynced),
                    ["keep"] => self.cluster.crash(who, OnCrash::Keep),
                    ["torn", n] => self.cluster.tear(who, n.parse().map_err(|_| "torn takes a number")?),
                    other => return Err(format!("{other:?} is no way to crash")),
                };
                self.say(&format!("{who} is down; {lost} writes were not on its disk yet and are lost"));
            }
            ["wipe", who] => {
                let who = node(who)?;
                self.cluster.wipe(who);
                self.say(&format!("{who}'s disk is replaced by an empty one"));
            }
            ["rot", who, record] => {
                let (who, at) = (node(who)?, record.parse::<usize>().map_err(|_| "rot takes a number")?);
                let hand = &mut self.cluster.hands[who.index()];
                if at >= hand.records().count() {
                    return Err("no such record".to_owned());
                }
                let id = hand.rot(at);
                self.say(&format!("record {} on {who}'s disk can not be read any more", id.0));
            }
            ["restart", who] => {
                let who = node(who)?;
                self.cluster.restart(who);
                let words = format!(
                    "{who} is up: {}",
                    self.cluster.hands[who.index()].running().map_or("no, it stopped".to_owned(), N::knows)
                );
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

    fn log(&mut self) {
        self.tell_of_each(|id, node| format!("{id} {}", node.row()));
    }

    fn status(&mut self) {
        self.tell_of_each(|id, node| format!("{id} {}", node.status()));
    }

    fn tell_of_each(&mut self, words: impl Fn(NodeId, &N) -> String) {
        for id in self.cluster.ids() {
            let words = match self.cluster.hands[id.index()].running() {
                Some(node) => words(id, node),
                None => format!("{id} is down"),
            };
            self.say(&words);
        }
    }
}
