//! A trace as Chrome trace events (JSON), which ui.perfetto.dev and chrome://tracing open: a track for each node, with
//! what it took itself to be, its steps, and arrows for messages; a track for each fault.
//!
//! Slices of one track must nest, and an arrow needs a slice at either end. So all that a node does at one instant is
//! one short slice, which lies within the slice of its role.

use super::mail::Mail;
use super::text::Text;
use super::{Filter, Line};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// A step takes no simulated time, but something must be there to click on.
const STEP_NS: u64 = 1_000;
/// The process of the faults; nodes come after it.
const FAULTS: u64 = 1;

#[derive(Debug, Default)]
struct Track {
    role: Option<(String, u64)>,
    down: bool,
    paused: bool,
    /// What it is shown as, since when.
    state: Option<(String, u64)>,
    step: Option<Step>,
}

#[derive(Debug)]
struct Step {
    at_ns: u64,
    name: String,
    told: Vec<String>,
}

/// The state of the file.
#[derive(Debug)]
pub(super) struct Perfetto {
    tracks: BTreeMap<u64, Track>,
    /// Faults in force: since when, kind, text.
    faults: BTreeMap<u64, (u64, String, String)>,
    /// Whether the sending was shown, so that an arrow may end.
    mail: Mail<bool>,
    text: Text,
    first: bool,
    last_ns: u64,
    from_ns: u64,
}

fn micros(ns: u64) -> f64 {
    ns as f64 / 1e3
}

/// The number in `n3`.
fn node_number(name: &str) -> Option<u64> {
    name.strip_prefix('n')?.parse().ok()
}

impl Perfetto {
    pub fn begin(out: &mut impl Write) -> io::Result<Self> {
        out.write_all(b"{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n")?;
        let mut this = Self {
            tracks: BTreeMap::new(),
            faults: BTreeMap::new(),
            mail: Mail::new(),
            text: Text::new(false),
            first: true,
            last_ns: 0,
            from_ns: 0,
        };
        this.name(out, "process_name", FAULTS, 0, "faults")?;
        Ok(this)
    }

    fn put(&mut self, out: &mut impl Write, event: &Value) -> io::Result<()> {
        if !std::mem::take(&mut self.first) {
            out.write_all(b",\n")?;
        }
        serde_json::to_writer(out, event).map_err(io::Error::from)
    }

    fn name(&mut self, out: &mut impl Write, what: &str, pid: u64, tid: u64, name: &str) -> io::Result<()> {
        self.put(out, &json!({"ph": "M", "name": what, "pid": pid, "tid": tid, "args": {"name": name}}))
    }

    pub fn line(&mut self, out: &mut impl Write, line: &Line, shown: bool, filter: &Filter) -> io::Result<()> {
        let told = self.text.line(line);
        if line.at_ns > filter.to_ns {
            return Ok(());
        }
        self.from_ns = filter.from_ns;
        self.last_ns = self.last_ns.max(line.at_ns);
        let kind = line.kind.clone().unwrap_or_default();
        if line.event.starts_with("fault_") {
            return self.fault(out, line, kind);
        }
        let Some(place) = line.place() else { return Ok(()) };
        let Some(node) = node_number(place).filter(|_| filter.names(place)) else { return Ok(()) };
        let pid = FAULTS + node;
        if let std::collections::btree_map::Entry::Vacant(entry) = self.tracks.entry(pid) {
            entry.insert(Track::default());
            self.name(out, "process_name", pid, 0, place)?;
            self.name(out, "thread_name", pid, 1, place)?;
        }
        if self.tracks[&pid].step.as_ref().is_some_and(|step| step.at_ns != line.at_ns) {
            self.end_step(out, pid, line.at_ns)?;
        }
        let event = line.event.as_str();
        if matches!(event, "role" | "crashed" | "booted" | "paused" | "resumed") {
            let track = self.tracks.get_mut(&pid).expect("the track was made above");
            match event {
                "role" => track.role = Some((kind, line.rank.unwrap_or(0))),
                "crashed" => (track.down, track.role) = (true, None),
                "booted" => track.down = false,
                _ => track.paused = event == "paused",
            }
            return self.state(out, pid, line.at_ns);
        }
        if event == "sent" {
            self.mail.send(line, shown);
        }
        if !shown {
            return Ok(());
        }
        self.state(out, pid, line.at_ns)?;
        let (ts, arrow) =
            (micros(line.at_ns), format!("{}#{}", line.from.as_deref().unwrap_or(""), line.id.unwrap_or(0)));
        match event {
            "fact" | "dropped" => {
                let name =
                    if event == "fact" { kind } else { format!("dropped: {}", line.why.as_deref().unwrap_or("")) };
                let args = json!({"what": what(&told)});
                let event = json!({
                    "ph": "i", "s": "t", "name": name, "cat": event, "pid": pid, "tid": 1, "ts": ts, "args": args
                });
                self.put(out, &event)
            }
            _ => {
                let name = match event {
                    "sent" | "delivered" => kind.clone(),
                    "timer" if line.detail.as_ref().is_some_and(|d| !d.is_empty()) => {
                        line.detail.clone().unwrap_or_default()
                    }
                    _ => event.to_owned(),
                };
                let track = self.tracks.get_mut(&pid).expect("the track was made above");
                let new = || Step { at_ns: line.at_ns, name, told: Vec::new() };
                track.step.get_or_insert_with(new).told.push(format!("{event} {}", what(&told)));
                let arrow = json!({"name": kind, "cat": "message", "id": arrow, "pid": pid, "tid": 1, "ts": ts});
                match event {
                    "sent" => self.arrow(out, arrow, "s"),
                    "delivered" if self.mail.of(line).is_some_and(|sent| sent.more) => self.arrow(out, arrow, "f"),
                    _ => Ok(()),
                }
            }
        }
    }

    fn arrow(&mut self, out: &mut impl Write, mut arrow: Value, end: &str) -> io::Result<()> {
        arrow["ph"] = json!(end);
        // Both ends belong to the slice they lie in.
        arrow["bp"] = json!("e");
        self.put(out, &arrow)
    }

    fn end_step(&mut self, out: &mut impl Write, pid: u64, now: u64) -> io::Result<()> {
        let Some(step) = self.tracks.get_mut(&pid).and_then(|track| track.step.take()) else { return Ok(()) };
        let took = STEP_NS.min(now.saturating_sub(step.at_ns));
        let args = json!({"what": step.told});
        self.put(
            out,
            &json!({"ph": "X", "name": step.name, "cat": "step", "pid": pid, "tid": 1,
                "ts": micros(step.at_ns), "dur": micros(took), "args": args}),
        )
    }

    /// What the node is shown as may have changed.
    fn state(&mut self, out: &mut impl Write, pid: u64, now: u64) -> io::Result<()> {
        let from_ns = self.from_ns;
        let track = self.tracks.get_mut(&pid).expect("states are of tracks that are there");
        let name = match (&track.role, track.down, track.paused) {
            (_, true, _) => "down".to_owned(),
            (_, _, true) => "paused".to_owned(),
            (Some((role, _)), ..) if role.is_empty() => "up".to_owned(),
            (Some((role, rank)), ..) => format!("{role} {rank}"),
            (None, ..) => "up".to_owned(),
        };
        if track.state.as_ref().is_some_and(|(state, _)| *state == name) {
            return Ok(());
        }
        match track.state.replace((name, now)) {
            Some((was, since)) => self.slice(out, pid, &was, since.max(from_ns), now),
            None => Ok(()),
        }
    }

    fn slice(&mut self, out: &mut impl Write, pid: u64, name: &str, from: u64, to: u64) -> io::Result<()> {
        if to <= from {
            return Ok(());
        }
        let (ts, dur) = (micros(from), micros(to - from));
        self.put(out, &json!({"ph": "X", "name": name, "cat": "state", "pid": pid, "tid": 1, "ts": ts, "dur": dur}))
    }

    fn fault(&mut self, out: &mut impl Write, line: &Line, kind: String) -> io::Result<()> {
        let (id, detail) = (line.id.unwrap_or(0), line.detail.clone().unwrap_or_default());
        if line.event == "fault_started" {
            self.faults.insert(id, (line.at_ns, kind, detail));
            return Ok(());
        }
        match self.faults.remove(&id) {
            Some(fault) => self.fault_slice(out, id, &fault, line.at_ns, &detail),
            None => Ok(()),
        }
    }

    fn fault_slice(
        &mut self,
        out: &mut impl Write,
        id: u64,
        fault: &(u64, String, String),
        to: u64,
        ended: &str,
    ) -> io::Result<()> {
        let (since, kind, began) = fault;
        let from = (*since).max(self.from_ns);
        if to < from {
            return Ok(());
        }
        self.name(out, "thread_name", FAULTS, id + 1, &format!("fault {id}: {kind}"))?;
        let (ts, dur) = (micros(from), micros(to - from));
        let args = json!({"began": began, "ended": ended});
        self.put(
            out,
            &json!({
                "ph": "X", "name": began, "cat": "fault", "pid": FAULTS, "tid": id + 1, "ts": ts, "dur": dur,
                "args": args
            }),
        )
    }

    pub fn end(mut self, out: &mut impl Write) -> io::Result<()> {
        let now = self.last_ns;
        for pid in self.tracks.keys().copied().collect::<Vec<_>>() {
            self.end_step(out, pid, now)?;
            if let Some((state, since)) = self.tracks.get_mut(&pid).and_then(|track| track.state.take()) {
                self.slice(out, pid, &state, since.max(self.from_ns), now)?;
            }
        }
        for (id, fault) in std::mem::take(&mut self.faults) {
            self.fault_slice(out, id, &fault, now, "")?;
        }
        out.write_all(b"\n]}\n")
    }
}

/// The part of a line's text that says what happened.
fn what(told: &str) -> String {
    told.split_whitespace().skip(3).collect::<Vec<_>>().join(" ")
}
