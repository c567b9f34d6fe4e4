//! Messages in space and time: the lines of a trace around the moments of a run, as data for the page.

use crate::measure::moments::Moment;
use crate::trace::Line;
use serde::Serialize;
use sim_core::record::RunRecord;
use std::collections::BTreeMap;

/// More rows than this are not all drawn.
pub(super) const ROWS: usize = 24;
/// Nor kept.
pub(super) const MOST_ROWS: usize = 60;
/// Letters of what a message says.
const LETTERS: usize = 160;
/// States of a message: it arrived, or it was under way when the moment ended; above, one more than the place of why it
/// was lost.
const ARRIVED: i64 = 0;
const UNDER_WAY: i64 = -1;

/// The moments as the page has them. Times are nanoseconds since a moment's start, names are places in the tables.
#[derive(Debug, Default, Serialize)]
pub(super) struct Messages {
    /// Nodes, then clients, zone by zone.
    pub rows: Vec<String>,
    /// Of messages.
    pub kinds: Vec<String>,
    /// Of events.
    pub words: Vec<String>,
    pub texts: Vec<String>,
    pub whys: Vec<String>,
    pub list: Vec<Shown>,
    /// The most lines that one of them was made of.
    #[serde(skip)]
    pub longest: usize,
}

/// One moment.
#[derive(Debug, Default, Serialize)]
pub(super) struct Shown {
    pub from: u64,
    pub to: u64,
    pub focus: u64,
    pub about: String,
    /// From when on lines are kept.
    pub begins: u64,
    /// From when on they are missing.
    pub cut: Option<u64>,
    /// Sent and arrived or lost (-1 where it is not known), from, to, kind, text, state.
    pub m: Vec<(i64, i64, usize, usize, usize, usize, i64)>,
    /// When, where (-1 for everywhere), kind, text.
    pub e: Vec<(u64, i64, usize, usize)>,
    /// Where, from, to.
    pub down: Vec<(usize, u64, u64)>,
}

/// Who was what from when until when: roles and what became of nodes, over the whole run.
#[derive(Debug, Default, Serialize)]
pub(super) struct Roles {
    pub names: Vec<String>,
    pub rows: Vec<(String, Vec<RoleSpan>)>,
}

/// From, to, role (-1 down, -2 paused), rank.
pub(super) type RoleSpan = (u64, u64, i64, u64);

const DOWN: i64 = -1;
const PAUSED: i64 = -2;

/// A name's place in a table, which it gets if it has none.
#[derive(Default)]
struct Names(BTreeMap<String, usize>, Vec<String>);

impl Names {
    fn place(&mut self, name: &str) -> usize {
        if let Some(place) = self.0.get(name) {
            return *place;
        }
        self.0.insert(name.to_owned(), self.1.len());
        self.1.push(name.to_owned());
        self.1.len() - 1
    }
}

/// The roles of all nodes, told by the lines of the whole run.
pub(super) fn roles(record: &RunRecord, lines: &[Line]) -> Roles {
    let mut names = Names::default();
    let mut of: BTreeMap<&str, Vec<RoleSpan>> = BTreeMap::new();
    // What a node is when it goes on.
    let mut last: BTreeMap<&str, (i64, u64)> = BTreeMap::new();
    for line in lines {
        let Some(node) = line.node.as_deref() else { continue };
        let now = match line.event.as_str() {
            "role" => {
                let role = names.place(line.kind.as_deref().unwrap_or_default()) as i64;
                last.insert(node, (role, line.rank.unwrap_or(0)));
                Some((role, line.rank.unwrap_or(0)))
            }
            "crashed" => {
                last.remove(node);
                Some((DOWN, 0))
            }
            "paused" => Some((PAUSED, 0)),
            "resumed" => last.get(node).copied(),
            "booted" => None,
            _ => continue,
        };
        let spans = of.entry(node).or_default();
        if let Some(open) = spans.last_mut().filter(|span| span.1 == u64::MAX) {
            open.1 = line.at_ns;
        }
        spans.extend(now.map(|(role, rank)| (line.at_ns, u64::MAX, role, rank)));
    }
    let mut rows = Vec::new();
    for node in &record.nodes {
        let mut spans = of.remove(node.name.as_str()).unwrap_or_default();
        spans.iter_mut().for_each(|span| span.1 = span.1.min(record.simulated_ns));
        spans.retain(|span| span.1 > span.0);
        rows.push((node.name.clone(), spans));
    }
    // Of many nodes those are shown to which something happened.
    if rows.len() > ROWS {
        rows.retain(|(_, spans)| spans.len() > 1);
        rows.truncate(MOST_ROWS);
    }
    if rows.iter().all(|(_, spans)| spans.is_empty()) {
        rows.clear();
    }
    // The usual role is the first, which looks quiet.
    let mut time = vec![0_u64; names.1.len()];
    for span in rows.iter().flat_map(|(_, spans)| spans).filter(|span| span.2 >= 0) {
        time[span.2 as usize] += span.1 - span.0;
    }
    let mut order: Vec<usize> = (0..time.len()).collect();
    order.sort_by_key(|role| std::cmp::Reverse(time[*role]));
    for span in rows.iter_mut().flat_map(|(_, spans)| spans).filter(|span| span.2 >= 0) {
        span.2 = order.iter().position(|role| *role as i64 == span.2).unwrap_or(0) as i64;
    }
    Roles { names: order.into_iter().map(|role| names.1[role].clone()).collect(), rows }
}

/// What was said in each moment, of at most so many lines each.
pub(super) fn messages(record: &RunRecord, moments: &[Moment], lines: &[Line], roles: &Roles, most: usize) -> Messages {
    let mut all = Reader::new(record);
    let mut list = Vec::new();
    let (mut rest, mut longest) = (lines, 0);
    for moment in moments {
        let first = rest.iter().position(|line| line.at_ns >= moment.from_ns).unwrap_or(rest.len());
        let past = first + rest[first..].iter().take_while(|line| line.at_ns <= moment.to_ns).count();
        let of = &rest[first..past];
        let focus = of.partition_point(|line| line.at_ns < moment.focus_ns);
        let from = focus.saturating_sub(most / 3).min(of.len().saturating_sub(most));
        let kept = &of[from..of.len().min(from + most)];
        longest = longest.max(kept.len());
        let mut shown = all.read(moment, kept, roles);
        let begins = kept.first().filter(|_| from > 0).map_or(moment.from_ns, |line| line.at_ns);
        shown.begins = begins.saturating_sub(moment.from_ns);
        if let Some(next) = of.get(from + kept.len()) {
            shown.cut = shown.cut.or(Some(next.at_ns.saturating_sub(moment.from_ns)));
        }
        list.push(shown);
        rest = &rest[past..];
    }
    list.retain(|shown| !shown.m.is_empty() || !shown.e.is_empty());
    Messages {
        rows: all.rows.1,
        kinds: all.kinds.1,
        words: all.words.1,
        texts: all.texts.1,
        whys: all.whys.1,
        list,
        longest,
    }
}

/// What a moment is about, in a line.
fn about(all: &[String]) -> String {
    const TOLD: usize = 4;
    let told = all[..all.len().min(TOLD)].join("; ");
    if all.len() > TOLD { format!("{told}; and {} more", all.len() - TOLD) } else { told }
}

struct Reader {
    rows: Names,
    kinds: Names,
    words: Names,
    texts: Names,
    whys: Names,
    /// The row of each client.
    seats: BTreeMap<u32, String>,
}

/// What is under way in a moment, and its place among the messages.
#[derive(Default)]
struct Mail {
    letters: BTreeMap<(String, u64), usize>,
    asks: BTreeMap<(String, u64, u64), usize>,
    answers: BTreeMap<(String, u64, u64), usize>,
    /// What a client's operation is.
    invoked: BTreeMap<(String, u64), String>,
}

impl Reader {
    fn new(record: &RunRecord) -> Self {
        let mut rows = Names::default();
        record.nodes.iter().for_each(|node| {
            rows.place(&node.name);
        });
        let several = record.zones.len() > 1;
        let seat = |zone: u16| match record.zones.get(usize::from(zone)) {
            Some(name) if several => format!("clients {name}"),
            _ => "clients".to_owned(),
        };
        let mut seats = BTreeMap::new();
        for op in &record.ops {
            seats.entry(op.client).or_insert_with(|| seat(op.zone));
        }
        let mut named: Vec<&String> = seats.values().collect();
        named.sort_unstable();
        named.into_iter().for_each(|name| {
            rows.place(name);
        });
        Self {
            rows,
            kinds: Names::default(),
            words: Names::default(),
            texts: Names::default(),
            whys: Names::default(),
            seats,
        }
    }

    fn row(&mut self, who: Option<&str>) -> usize {
        let who = who.unwrap_or("?");
        let client = who.strip_prefix('c').and_then(|n| n.parse().ok()).and_then(|n: u32| self.seats.get(&n).cloned());
        let known = self.rows.0.contains_key(who);
        match client {
            _ if known => self.rows.place(who),
            Some(seat) => self.rows.place(&seat),
            None if who.starts_with('c') => self.rows.place("clients"),
            None => self.rows.place(who),
        }
    }

    fn text(&mut self, text: &str) -> usize {
        let short: String = text.chars().take(LETTERS).collect();
        let cut = if short.len() < text.len() { "\u{2026}" } else { "" };
        self.texts.place(&(short + cut))
    }

    fn read(&mut self, moment: &Moment, lines: &[Line], roles: &Roles) -> Shown {
        let mut shown = Shown {
            from: moment.from_ns,
            to: moment.to_ns,
            focus: moment.focus_ns,
            about: about(&moment.about),
            ..Shown::default()
        };
        let mut mail = Mail::default();
        for line in lines {
            self.line(&mut shown, &mut mail, line);
        }
        for (name, spans) in &roles.rows {
            let Some(row) = self.rows.0.get(name).copied() else { continue };
            let down = spans.iter().filter(|s| s.2 < 0 && s.1 > moment.from_ns && s.0 < moment.to_ns);
            let clip = |ns: u64| ns.clamp(moment.from_ns, moment.to_ns) - moment.from_ns;
            shown.down.extend(down.map(|s| (row, clip(s.0), clip(s.1))));
        }
        shown
    }

    fn line(&mut self, shown: &mut Shown, mail: &mut Mail, line: &Line) {
        let at = line.at_ns.saturating_sub(shown.from);
        let text_of = |line: &Line| line.detail.clone().unwrap_or_default();
        let ends = (line.from.as_deref(), line.to.as_deref());
        let letter = || (line.from.clone().unwrap_or_default(), line.id.unwrap_or(0));
        let tried = |client: Option<&str>| {
            (client.unwrap_or_default().to_owned(), line.op.unwrap_or(0), line.r#try.unwrap_or(0))
        };
        match line.event.as_str() {
            "cut" => shown.cut = Some(at),
            "sent" => {
                let due = line.due_ns.map(|due| due.saturating_sub(shown.from));
                let place = self.begin(shown, line, at, due, &text_of(line));
                mail.letters.insert(letter(), place);
            }
            "delivered" => self.end(shown, line, at, mail.letters.get(&letter()).copied()),
            "dropped" => {
                let found = if line.id.is_some() {
                    mail.letters.get(&letter()).copied()
                } else if line.kind.as_deref() == Some("request") {
                    mail.asks.get(&tried(ends.0)).copied()
                } else {
                    mail.answers.get(&tried(ends.1)).copied()
                };
                self.lost(shown, line, at, found);
            }
            "invoked" => {
                let (client, op, _) = tried(ends.0);
                mail.invoked.insert((client, op), text_of(line));
            }
            "asked" => {
                let (client, op, attempt) = tried(ends.0);
                // Whoever asks again because he was told to has been told.
                let told = mail.answers.remove(&(client.clone(), op, attempt.saturating_sub(1)));
                if let Some(told) = told.filter(|place| shown.m[*place].1 < 0) {
                    (shown.m[told].1, shown.m[told].6) = (at as i64, ARRIVED);
                }
                let what = mail.invoked.get(&(client.clone(), op)).map_or("", String::as_str);
                let text = format!("{client}, operation {op}, try {attempt}: {what}");
                let place = self.begin_as(shown, line, "request", at, &text);
                mail.asks.insert((client, op, attempt), place);
            }
            "requested" => self.end(shown, line, at, mail.asks.get(&tried(ends.0)).copied()),
            "answered" | "redirected" => {
                let (client, op, attempt) = tried(ends.1);
                let kind = if line.event == "answered" { "answer" } else { "redirect" };
                let what = mail.invoked.get(&(client.clone(), op)).map_or("", String::as_str);
                let text = format!("to {client}, operation {op}, try {attempt}: {what}");
                let place = self.begin_as(shown, line, kind, at, &text);
                mail.answers.insert((client, op, attempt), place);
            }
            "returned" => {
                let (client, op, attempt) = tried(ends.1);
                let text = text_of(line);
                let why = line.why.as_deref().unwrap_or_default();
                match mail.answers.remove(&(client.clone(), op, attempt)) {
                    Some(place) => {
                        (shown.m[place].1, shown.m[place].6) = (at as i64, ARRIVED);
                        let said = format!("{}: {why} {text}", self.texts.1[shown.m[place].5]);
                        shown.m[place].5 = self.text(said.trim_end());
                    }
                    None if why == "ok" => {}
                    None => self.event(shown, ends.1, at, why, &format!("{client}, operation {op} {text}")),
                }
            }
            "fault_started" | "fault_ended" => {
                let kind =
                    self.words.place(if line.event == "fault_started" { "fault begins:" } else { "fault ends:" });
                let text = self.text(&text_of(line));
                shown.e.push((at, -1, kind, text));
            }
            "fact" => {
                self.event(shown, line.node.as_deref(), at, line.kind.as_deref().unwrap_or("fact"), &text_of(line))
            }
            "role" => {
                let rank = line.rank.map_or_else(String::new, |rank| format!(" {rank}"));
                let now = format!("{}{rank}", line.kind.as_deref().unwrap_or_default());
                self.event(shown, line.node.as_deref(), at, "becomes", &now);
            }
            "crashed" | "booted" | "paused" | "resumed" | "ordered" | "closed" => {
                let why = line.why.as_deref().map_or_else(String::new, |why| format!("{why}, "));
                self.event(shown, line.node.as_deref(), at, &line.event, &format!("{why}{}", text_of(line)));
            }
            _ => {}
        }
    }

    fn event(&mut self, shown: &mut Shown, who: Option<&str>, at: u64, kind: &str, text: &str) {
        let (row, kind, text) = (self.row(who), self.words.place(kind), self.text(text));
        shown.e.push((at, row as i64, kind, text));
    }

    /// A message sets out, due at this time if that is known; where it is among the others.
    fn begin(&mut self, shown: &mut Shown, line: &Line, at: u64, due: Option<u64>, text: &str) -> usize {
        let kind = self.kinds.place(line.kind.as_deref().unwrap_or_default());
        let (from, to) = (self.row(line.from.as_deref()), self.row(line.to.as_deref()));
        let text = self.text(text);
        shown.m.push((at as i64, due.map_or(-1, |due| due as i64), from, to, kind, text, UNDER_WAY));
        shown.m.len() - 1
    }

    /// The same of what has no time at which it is due.
    fn begin_as(&mut self, shown: &mut Shown, line: &Line, kind: &str, at: u64, text: &str) -> usize {
        let named =
            Line { kind: Some(kind.to_owned()), from: line.from.clone(), to: line.to.clone(), ..Line::default() };
        self.begin(shown, &named, at, None, text)
    }

    /// It arrives. One that arrived already does so twice; of one whose beginning is not known there is the end.
    fn end(&mut self, shown: &mut Shown, line: &Line, at: u64, place: Option<usize>) {
        match place {
            Some(place) if shown.m[place].6 == UNDER_WAY => (shown.m[place].1, shown.m[place].6) = (at as i64, ARRIVED),
            Some(place) => {
                let copy = shown.m[place];
                shown.m.push((copy.0, at as i64, copy.2, copy.3, copy.4, copy.5, ARRIVED));
            }
            None => {
                let place = self.unknown(shown, line, at);
                shown.m[place].6 = ARRIVED;
            }
        }
    }

    fn lost(&mut self, shown: &mut Shown, line: &Line, at: u64, place: Option<usize>) {
        let why = self.whys.place(line.why.as_deref().unwrap_or_default()) as i64 + 1;
        let place = place.unwrap_or_else(|| self.unknown(shown, line, at));
        // One that is lost at once would be an upright arrow: it is drawn to where it was due.
        let due = shown.m[place].1;
        let end = if at as i64 == shown.m[place].0 && due > 0 { due } else { at as i64 };
        (shown.m[place].1, shown.m[place].6) = (end, why);
    }

    fn unknown(&mut self, shown: &mut Shown, line: &Line, at: u64) -> usize {
        let kind = line.kind.as_deref().unwrap_or("request");
        let place = self.begin_as(shown, line, kind, at, "");
        (shown.m[place].0, shown.m[place].1) = (-1, at as i64);
        place
    }
}
