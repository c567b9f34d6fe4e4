//! How workers and whoever hands out tasks talk: a worker says what it does, what has ended and what it holds, and is
//! answered with what is new. Each answer names the question, and only the answer to the newest question counts: an
//! order that is late is never carried out, and whatever was lost is said again.

use super::attempt::Attempt;

/// What a worker says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ping<R> {
    /// Which of its lives this is: it grows with every start.
    pub life: u64,
    /// Which of its pings in this life.
    pub number: u64,
    /// The master's life that it knows.
    pub master: u64,
    /// What it executes.
    pub running: Vec<Attempt>,
    /// What has ended, until that is acknowledged.
    pub ended: Vec<(Attempt, R)>,
    /// The outputs that it has and what it reported of them, where the master may not know them.
    pub held: Option<Vec<(Attempt, R)>>,
    /// How much news of which run it has heard.
    pub known: (u64, u32),
}

/// What it is answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pong<S, N> {
    /// The master's life.
    pub life: u64,
    /// To which life of the worker.
    pub to: u64,
    /// To which of its pings.
    pub number: u64,
    /// Whether the worker has joined: otherwise it shall say what it holds.
    pub joined: bool,
    /// The run that is going on; 0 for none. Whatever is of another may go.
    pub run: u64,
    /// Reports that were heard.
    pub heard: Vec<Attempt>,
    /// What shall begin.
    pub start: Vec<(Attempt, S)>,
    /// What shall stop.
    pub stop: Vec<Attempt>,
    /// News from this number on.
    pub from: u32,
    /// The news.
    pub news: Vec<N>,
}

/// Bytes that a ping takes beside a header.
#[must_use]
pub fn ping_bytes<R>(ping: &Ping<R>, report: u32) -> u32 {
    let held = ping.held.as_ref().map_or(0, Vec::len);
    12 * (ping.running.len() + held) as u32 + report * ping.ended.len() as u32 + 40
}

/// Bytes that a pong takes beside a header.
#[must_use]
pub fn pong_bytes<S, N>(pong: &Pong<S, N>) -> u32 {
    64 * pong.start.len() as u32 + 12 * (pong.stop.len() + pong.heard.len() + pong.news.len()) as u32 + 40
}
