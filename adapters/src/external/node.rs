//! A node whose protocol is a program: inputs become lines, lines become effects.

use super::process::Program;
use super::rules::ProgramFact;
use super::wire::{self, Answer, Wire};
use super::{Config, TIMERS};
use serde_json::{Value as Json, json};
use sim_core::{
    Completion, Duration, Effect, Effects, Node, NodeId, Replay, Role, StateMachine, Ticket, Timer, Unreadable,
    WriteId, node_ids,
};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use systems::shared::kv::{Kv, KvCommand, KvResponse};
use systems::shared::replication::pop_if;

/// What programs call what drives them.
const HOST: &str = "splitbrain";
/// Lines that a program may say for one input.
const MOST_LINES: usize = 100_000;

type Fx<'e> = Effects<'e, Programmed>;

/// One append to the disk, and the one before it, so that a hole shows.
#[derive(Clone, Debug, Hash)]
pub struct Record {
    before: u64,
    text: Rc<str>,
}

impl sim_core::Record for Record {
    fn describe(&self, out: &mut dyn std::fmt::Write) -> std::fmt::Result {
        out.write_str(&self.text)
    }
}

/// A participant.
pub struct Programmed {
    config: Config,
    me: NodeId,
    program: Option<Program>,
    /// Clients that wait, by the number of what they have asked.
    asked: BTreeMap<u64, (Ticket, KvCommand)>,
    questions: u64,
    /// The newest record, and the programs' own numbers of writes that are not durable yet.
    last: WriteId,
    writes: VecDeque<(WriteId, Json)>,
    role: Role,
}

impl Programmed {
    /// One turn: the program is told something, and all that it answers is carried out.
    fn turn(&mut self, from: &str, body: Json, fx: &mut Fx<'_>) {
        if let Err(why) = self.take_turn(from, body, fx) {
            self.program = None;
            fx.note(ProgramFact::Failed { why: wire::kept(&[why])[0] });
            fx.halt("its program failed");
        }
    }

    fn take_turn(&mut self, from: &str, body: Json, fx: &mut Fx<'_>) -> Result<(), String> {
        let patience = std::time::Duration::from_nanos(self.config.patience.0);
        let Some(program) = &mut self.program else { return Ok(()) };
        program.tell(json!({ "src": from, "dest": self.me.to_string(), "at": fx.now().0, "body": body }).to_string());
        for _ in 0..MOST_LINES {
            let Some(program) = &mut self.program else { return Ok(()) };
            let line = program.hear(patience)?;
            let shown: String = line.chars().take(120).collect();
            let envelope: Json = serde_json::from_str(&line)
                .map_err(|_| format!("what its program wrote to its standard output is no JSON: `{shown}`"))?;
            let said = self.carry_out(&envelope, fx);
            if said.map_err(|what| format!("its program said what makes no sense: {what}: `{shown}`"))? {
                return Ok(());
            }
        }
        Err(format!("its program has said {MOST_LINES} lines and is not done"))
    }

    /// Carries out what the program said. Returns whether it is done with its turn.
    fn carry_out(&mut self, envelope: &Json, fx: &mut Fx<'_>) -> Result<bool, String> {
        let (to, body) = (envelope["dest"].as_str().ok_or("there is no `dest`")?, &envelope["body"]);
        let kind = body["type"].as_str().ok_or("`body` has no `type`")?;
        // What rests on what was written goes out with it, if the program wants that.
        let durable = envelope["durable"].as_bool().unwrap_or(false);
        let last = self.last;
        let mut say = |effect| if durable { fx.after(last, effect) } else { fx.forward(effect) };
        if to == HOST {
            return self.order(kind, body, fx);
        }
        if let Some(to) = wire::node(to, self.config.nodes) {
            say(Effect::Send { to, message: Wire::new(body, &self.config.kinds) });
            return Ok(false);
        }
        let number = body["in_reply_to"].as_u64().ok_or("`dest` is no node, and there is no `in_reply_to`")?;
        // A client that was answered is gone.
        let Some((ticket, asked)) = self.asked.remove(&number) else { return Ok(false) };
        match wire::answer(body, &asked, self.config.nodes)? {
            Answer::Ok(response) => say(Effect::Reply { ticket, response }),
            Answer::No(hint) => say(Effect::Redirect { ticket, hint }),
            Answer::Unknown => {}
        }
        Ok(false)
    }

    /// Carries out what the program asked of its host.
    fn order(&mut self, kind: &str, body: &Json, fx: &mut Fx<'_>) -> Result<bool, String> {
        let timer = || {
            let number = body["timer"].as_u64().filter(|number| *number < u64::from(TIMERS));
            number.map(|number| Timer(number as u16)).ok_or(format!("`timer` is no number below {TIMERS}"))
        };
        match kind {
            "done" => return Ok(true),
            "init_ok" => {}
            "set_timer" => {
                let after = body["after_ms"].as_f64().filter(|ms| (0.0..1e12).contains(ms));
                fx.arm(timer()?, Duration((after.ok_or("`after_ms` is no number of milliseconds")? * 1e6) as u64));
            }
            "clear_timer" => fx.disarm(timer()?),
            "write" => {
                self.last = fx.append(Record { before: self.last.0, text: body["record"].to_string().into() });
                fx.sync();
                if !body["msg_id"].is_null() {
                    self.writes.push_back((self.last, body["msg_id"].clone()));
                }
            }
            "forget" => {
                // All before the newest record, which holds everything.
                let before = self.last;
                fx.after(before, Effect::Forget { before, lane: 0 });
            }
            "role" => {
                let (name, term) =
                    (body["role"].as_str().ok_or("there is no `role`")?, body["term"].as_u64().unwrap_or(0));
                let role = Role::new(wire::kept(&[name.to_owned()])[0], term);
                let was = std::mem::replace(&mut self.role, role);
                if was.name == "leader" && (was.name, was.rank) != (role.name, role.rank) {
                    fx.note(ProgramFact::SteppedDown { term });
                }
                match role.name {
                    "leader" => fx.note(ProgramFact::Elected { term }),
                    "candidate" => fx.note(ProgramFact::Campaign { term }),
                    _ => {}
                }
            }
            other => return Err(format!("`{other}` is nothing that {HOST} can do")),
        }
        Ok(false)
    }
}

impl Node for Programmed {
    type Config = Config;
    type Message = Wire;
    type Request = KvCommand;
    type Response = KvResponse;
    type Record = Record;
    type Fact = ProgramFact;

    fn boot(config: &Config, me: NodeId, disk: Replay<'_, Record>, fx: &mut Fx<'_>) -> Self {
        let program = Program::start(&config.command);
        let last = disk.iter().next_back().map_or(WriteId(0), |(id, _)| id);
        let mut node = Self {
            config: config.clone(),
            me,
            program: None,
            asked: BTreeMap::new(),
            questions: 0,
            last,
            writes: VecDeque::new(),
            role: Role::NONE,
        };
        let mut before = None;
        let read: Result<Vec<Json>, Unreadable> = disk
            .iter()
            .map(|(id, record)| {
                let Record { before: link, text } = record?;
                let follows = before.replace(id.0).is_none_or(|before| before == *link);
                if follows { Ok(serde_json::from_str(text).unwrap_or_default()) } else { Err(Unreadable) }
            })
            .collect();
        let Ok(records) = read else {
            fx.halt("its disk can not be read: what it has promised is unknown");
            return node;
        };
        if last > WriteId(0) {
            // What the page cache alone holds is made durable before anything rests on it.
            fx.sync();
        }
        let names: Vec<String> = node_ids(config.nodes as usize).map(|id| id.to_string()).collect();
        let seed = fx.rng().next_u64() >> 11;
        let init = json!({
            "type": "init", "msg_id": 1, "node_id": me.to_string(), "node_ids": names, "seed": seed, "records": records,
        });
        match program {
            Ok(program) => {
                node.program = Some(program);
                node.turn(HOST, init, fx);
            }
            Err(why) => {
                fx.note(ProgramFact::Failed { why: wire::kept(&[why])[0] });
                fx.halt("its program can not be started");
            }
        }
        node
    }

    fn on_message(&mut self, from: NodeId, message: Wire, fx: &mut Fx<'_>) {
        let body = serde_json::from_str(&message.body).unwrap_or_default();
        self.turn(&from.to_string(), body, fx);
    }

    fn on_timer(&mut self, timer: Timer, fx: &mut Fx<'_>) {
        self.turn(HOST, json!({ "type": "timer", "timer": timer.0 }), fx);
    }

    fn on_request(&mut self, ticket: Ticket, request: KvCommand, fx: &mut Fx<'_>) {
        self.questions += 1;
        let number = self.questions;
        let Some(body) = wire::request(&request, ticket, number) else { return fx.refuse(ticket) };
        self.asked.insert(number, (ticket, request));
        self.turn(&ticket.client.to_string(), body, fx);
    }

    fn on_disk(&mut self, done: Completion<Record>, fx: &mut Fx<'_>) {
        match done {
            Completion::SyncFailed { .. } => fx.halt("a sync of its disk failed"),
            Completion::Read { .. } => {}
            Completion::Synced { upto } => {
                while let Some((_, number)) = pop_if(&mut self.writes, |(write, _)| *write <= upto) {
                    self.turn(HOST, json!({ "type": "write_ok", "in_reply_to": number }), fx);
                }
            }
        }
    }

    fn is_read(request: &KvCommand) -> bool {
        Kv::is_read(request)
    }
    fn request_bytes(request: &KvCommand) -> u32 {
        16 + Kv::command_bytes(request)
    }
    fn response_bytes(response: &KvResponse) -> u32 {
        16 + Kv::response_bytes(response)
    }
    fn role(&self) -> Role {
        self.role
    }
    fn progress(&self) -> u64 {
        self.last.0
    }
}
