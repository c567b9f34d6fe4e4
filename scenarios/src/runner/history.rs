//! Writes `history.jsonl`: a line for each operation that has ended, made and written beside the run, on a thread of
//! its own.
//!
//! A run is one thread, and its lines are a fifth of its work. They decide nothing in it: the thread gets the
//! operations in order and tells the run nothing before its end, so neither the run nor the bytes depend on how fast it
//! is.

use super::line::Line;
use serde::Serialize;
use sim_core::record::OpRecord;
use sim_core::{Class, Fate, Operation};
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

/// Operations that are handed on together.
const BATCH: usize = 512;
/// Batches that wait to be written; a run that is further ahead waits for its file.
const AHEAD: usize = 128;
/// Lines are written in pieces of about this size.
const CHUNK: usize = 1 << 16;
/// Bytes that a request and its response take, mostly.
const SAID: usize = 64;

/// Operations that have ended, and what they said: JSON that only the run's own thread can make, because what clients
/// ask and are answered is shared with its nodes.
struct Batch {
    ended: Vec<Ended>,
    said: Vec<u8>,
}

struct Ended {
    record: OpRecord,
    name: &'static str,
    key: Option<u64>,
    /// Where in what was said the request ends, and the response.
    ends: [usize; 2],
}

/// The end at which a run puts its operations in.
pub(super) struct HistoryWriter<'scope> {
    batch: Batch,
    batches: SyncSender<Batch>,
    /// Batches that are written, to be filled again.
    written: Receiver<Batch>,
    thread: ScopedJoinHandle<'scope, io::Result<()>>,
}

impl<'scope> HistoryWriter<'scope> {
    /// Starts to write into `sink`.
    pub fn start(scope: &'scope Scope<'scope, '_>, sink: &'scope mut (dyn Write + Send)) -> Self {
        let (batches, ended) = sync_channel(AHEAD);
        let (back, written) = sync_channel(AHEAD);
        #[expect(clippy::disallowed_methods, reason = "it writes what the run says, and tells it nothing")]
        let thread = scope.spawn(move || write(&ended, &back, sink));
        Self { batch: Batch::new(), batches, written, thread }
    }

    /// An operation has ended.
    pub fn add(
        &mut self,
        record: OpRecord,
        operation: &Operation,
        request: &impl Serialize,
        response: Option<&impl Serialize>,
    ) {
        let said = &mut self.batch.said;
        let ends = [json(said, request), json(said, &response)];
        self.batch.ended.push(Ended { record, name: operation.name, key: operation.key, ends });
        if self.batch.ended.len() == BATCH {
            self.hand_on();
        }
    }

    fn hand_on(&mut self) {
        let empty = self.written.try_recv().unwrap_or_else(|_| Batch::new());
        let batch = std::mem::replace(&mut self.batch, empty);
        // Nobody takes it when the file can not be written; the end of the run tells why.
        self.batches.send(batch).ok();
    }

    /// Waits until everything is written.
    pub fn finish(mut self) -> io::Result<()> {
        self.hand_on();
        drop(self.batches);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// Puts a value at the end of `said`, and tells where that is.
fn json(said: &mut Vec<u8>, value: &impl Serialize) -> usize {
    serde_json::to_writer(&mut *said, value).expect("plain data becomes JSON");
    said.len()
}

impl Batch {
    fn new() -> Self {
        Self { ended: Vec::with_capacity(BATCH), said: Vec::with_capacity(BATCH * SAID) }
    }
}

fn write(batches: &Receiver<Batch>, back: &SyncSender<Batch>, sink: &mut dyn Write) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(2 * CHUNK);
    for mut batch in batches {
        let mut from = 0;
        for operation in &batch.ended {
            let [request, response] = operation.ends;
            line(&mut buffer, operation, &batch.said[from..request], &batch.said[request..response]);
            from = response;
        }
        batch.ended.clear();
        batch.said.clear();
        // Too many of them are let go, and so are the last ones of a run.
        back.try_send(batch).ok();
        if buffer.len() >= CHUNK {
            sink.write_all(&buffer)?;
            buffer.clear();
        }
    }
    sink.write_all(&buffer)
}

/// The line of an operation, with the fields of its record as that serializes them.
fn line(buffer: &mut Vec<u8>, Ended { record, name, key, .. }: &Ended, request: &[u8], response: &[u8]) {
    let mut line = Line::with(buffer, "client", u64::from(record.client));
    line.number("op", record.op);
    line.word("class", if record.class == Class::Read { "read" } else { "write" });
    line.flag("probe", record.probe);
    line.number("zone", u64::from(record.zone) + 1);
    if record.shard > 0 {
        line.number("shard", u64::from(record.shard));
    }
    line.number("invoke_ns", record.invoke_ns);
    line.number("return_ns", record.return_ns);
    line.word("outcome", fate(record.outcome));
    line.number_or_null("node", record.node.map(|node| u64::from(node) + 1));
    line.number("attempts", u64::from(record.attempts));
    line.word("f", name);
    line.number_or_null("key", *key);
    line.raw("request", request);
    line.raw("response", response);
    line.end();
}

/// An outcome's name in files, as its serializer has it.
const fn fate(fate: Fate) -> &'static str {
    match fate {
        Fate::Ok => "ok",
        Fate::Failed => "failed",
        Fate::Unknown => "unknown",
    }
}
