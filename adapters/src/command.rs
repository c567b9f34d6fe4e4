//! What stands in a library's log: an operation of the shared key-value store, and whose it is.

use sim_core::ClientId;
use std::fmt;
use systems::shared::kv::{Kv, KvCommand, Value};
use systems::shared::replication::Stamp;

/// An operation, recognisable however often it is tried.
#[derive(Clone, Debug, PartialEq, Hash)]
pub struct Command {
    /// Whose.
    pub stamp: Stamp,
    /// Which.
    pub asked: KvCommand,
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}: {}", self.stamp.op, self.stamp.client, self.asked)
    }
}

impl Command {
    /// Size on the wire and on disk, in bytes.
    pub fn bytes(&self) -> u32 {
        24 + <Kv as sim_core::StateMachine>::command_bytes(&self.asked)
    }

    /// As bytes, for libraries that know nothing else.
    pub fn encode(&self) -> Vec<u8> {
        let (tag, key, values) = match &self.asked {
            KvCommand::Get { key } => (0_u8, key, [None, None]),
            KvCommand::Put { key, value } => (1, key, [Some(value), None]),
            KvCommand::Append { key, value } => (2, key, [Some(value), None]),
            KvCommand::Cas { key, expect, value } => (3, key, [Some(value), expect.as_ref()]),
            KvCommand::Delete { key } => (4, key, [None, None]),
        };
        let mut bytes = vec![tag];
        for word in [u64::from(self.stamp.client.0), self.stamp.op, self.stamp.floor, *key] {
            bytes.extend(word.to_le_bytes());
        }
        for value in values.into_iter().flatten() {
            bytes.extend(value.bytes().to_le_bytes());
            bytes.extend((value.text().len() as u32).to_le_bytes());
            bytes.extend(value.text().as_bytes());
        }
        bytes
    }

    /// What [`Command::encode`] has made bytes of; `None` for other bytes.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (&tag, mut rest) = bytes.split_first()?;
        let mut words = [0_u64; 4];
        for word in &mut words {
            *word = u64::from_le_bytes(take(&mut rest, 8)?.try_into().ok()?);
        }
        let [client, op, floor, key] = words;
        let mut value = || {
            let size = u32::from_le_bytes(take(&mut rest, 4)?.try_into().ok()?);
            let length = u32::from_le_bytes(take(&mut rest, 4)?.try_into().ok()?);
            Some(Value::padded(std::str::from_utf8(take(&mut rest, length as usize)?).ok()?, size))
        };
        let asked = match tag {
            0 => KvCommand::Get { key },
            1 => KvCommand::Put { key, value: value()? },
            2 => KvCommand::Append { key, value: value()? },
            3 => KvCommand::Cas { key, value: value()?, expect: value() },
            4 => KvCommand::Delete { key },
            _ => return None,
        };
        Some(Self { stamp: Stamp { client: ClientId(client as u32), op, floor }, asked })
    }
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_comes_back_from_its_bytes_and_a_cut_one_does_not() {
        let value = |text| Value::padded(text, 40);
        let key = 7;
        for asked in [
            KvCommand::Get { key },
            KvCommand::Put { key, value: value("a") },
            KvCommand::Append { key, value: value("b") },
            KvCommand::Cas { key, value: value("c"), expect: None },
            KvCommand::Cas { key, value: value("c"), expect: Some(value("d")) },
            KvCommand::Delete { key },
        ] {
            let command = Command { stamp: Stamp { client: ClientId(3), op: 9, floor: 2 }, asked };
            let bytes = command.encode();
            assert_eq!(Command::decode(&bytes), Some(command));
            assert_eq!(Command::decode(&bytes[..30]), None);
        }
    }
}
