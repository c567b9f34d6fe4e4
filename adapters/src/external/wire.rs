//! What programs say, as JSON: envelopes, messages between nodes, and the operations of clients in the words of
//! Maelstrom's `lin-kv`.

use serde_json::{Value as Json, json};
use sim_core::{Kind, Message, NodeId, Ticket};
use std::collections::BTreeSet;
use std::fmt;
use std::rc::Rc;
use std::sync::Mutex;
use systems::shared::kv::{KvCommand, KvResponse, Value};

/// Kinds of messages that may be named.
pub const MOST_KINDS: usize = Kind::LIMIT - 1;

/// Names that are kept for the rest of the process: each once.
pub fn kept(names: &[String]) -> Vec<&'static str> {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut all = NAMES.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut keep = |name: &String| match all.get(name.as_str()) {
        Some(known) => *known,
        None => {
            let name: &'static str = name.clone().leak();
            all.insert(name);
            name
        }
    };
    names.iter().map(&mut keep).collect()
}

/// A message between nodes: the body, as text.
#[derive(Clone, Debug, Hash)]
pub struct Wire {
    kind: u8,
    name: &'static str,
    /// The body.
    pub body: Rc<str>,
}

impl Wire {
    /// A message with this body; its kind is its type, if that is among `kinds`.
    pub fn new(body: &Json, kinds: &[&'static str]) -> Self {
        let at = kinds.iter().position(|kind| body["type"] == **kind);
        let (kind, name) = at.map_or((0, "message"), |at| (at as u8 + 1, kinds[at]));
        Self { kind, name, body: body.to_string().into() }
    }
}

impl Message for Wire {
    fn kind(&self) -> Kind {
        Kind::new(self.kind, self.name)
    }
    fn bytes(&self) -> u32 {
        40 + self.body.len() as u32
    }
    fn describe(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str(&self.body)
    }
}

/// The node that a program calls so.
pub fn node(name: &str, nodes: u32) -> Option<NodeId> {
    (0..nodes).map(NodeId).find(|node| node.to_string() == name)
}

/// A value in JSON: its text, and the size on the wire where that is another.
fn told(value: &Value) -> Json {
    let (text, bytes) = (value.text(), value.bytes());
    if text.len() as u32 == bytes { json!(text) } else { json!(format!("{text}/{bytes}")) }
}

fn read(value: &Json) -> Option<Value> {
    let text = value.as_str()?;
    match text.rsplit_once('/') {
        Some((text, bytes)) => Some(Value::padded(text, bytes.parse().ok()?)),
        None => Some(Value::new(text)),
    }
}

/// What a program is asked; `None` for what `lin-kv` has no word for.
pub fn request(command: &KvCommand, ticket: Ticket, number: u64) -> Option<Json> {
    let mut body = match command {
        KvCommand::Get { key } => json!({ "type": "read", "key": key }),
        KvCommand::Put { key, value } => json!({ "type": "write", "key": key, "value": told(value) }),
        KvCommand::Cas { key, expect, value } => json!({
            "type": "cas", "key": key, "from": expect.as_ref().map(told), "to": told(value),
        }),
        KvCommand::Append { .. } | KvCommand::Delete { .. } => return None,
    };
    body["msg_id"] = json!(number);
    body["op"] = json!(ticket.op);
    body["floor"] = json!(ticket.floor);
    Some(body)
}

/// What a program's answer comes to.
pub enum Answer {
    /// Done.
    Ok(KvResponse),
    /// Not done and never will be; perhaps this one can.
    No(Option<NodeId>),
    /// Nobody knows.
    Unknown,
}

/// Reads an answer.
///
/// # Errors
/// What is wrong with it.
pub fn answer(body: &Json, asked: &KvCommand, nodes: u32) -> Result<Answer, String> {
    let done = match (body["type"].as_str().unwrap_or_default(), asked) {
        ("read_ok", KvCommand::Get { .. }) => match &body["value"] {
            Json::Null => KvResponse::Value(None),
            value => KvResponse::Value(Some(read(value).ok_or("`value` is no value that was written")?)),
        },
        ("write_ok", KvCommand::Put { .. }) => KvResponse::Done,
        ("cas_ok", KvCommand::Cas { .. }) => KvResponse::Swapped(true),
        ("error", asked) => match (body["code"].as_u64(), asked) {
            (Some(20), KvCommand::Get { .. }) => KvResponse::Value(None),
            (Some(20 | 22), KvCommand::Cas { .. }) => KvResponse::Swapped(false),
            // Timeout, and a crash in the middle.
            (Some(0 | 13), _) => return Ok(Answer::Unknown),
            (Some(_), _) => {
                let leader = body["leader"].as_str().and_then(|name| node(name, nodes));
                return Ok(Answer::No(leader));
            }
            (None, _) => return Err("an error without a code".into()),
        },
        (other, _) => return Err(format!("`{other}` answers another question")),
    };
    Ok(Answer::Ok(done))
}
