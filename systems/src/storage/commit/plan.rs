//! From what a client wants to what is done where: drawn from the operation's own number, so that whoever judges the
//! history knows it, too.

use super::message::{CommitRequest, What};
use super::options::Config;
use super::txn::{Act, Key, Mark, Shards, Space, TxnId};
use std::rc::Rc;

/// The acts of a transaction that go to one shard in one message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Leg {
    /// Which shard.
    pub shard: u32,
    /// The acts.
    pub acts: Rc<[Act]>,
}

/// The acts of a request at this try, in order.
#[must_use]
pub fn acts(config: &Config, request: &CommitRequest, txn: TxnId) -> Vec<Act> {
    let draws = Draws { config, request };
    let mark = Mark { unique: request.unique, txn };
    let reads = |k| draws.number(2 * k + 1) % 100 < config.reads_percent;
    let lists = |steps| draws.keys(steps).into_iter().map(|id| draws.list(id)).enumerate();
    let mut acts = match request.what {
        What::Audit => (0..config.accounts).map(|id| Act::Read(Key { space: Space::Account, id }, false)).collect(),
        What::Transfer => {
            let from = request.key % config.accounts;
            let to = (from + 1 + draws.number(0) % (config.accounts - 1)) % config.accounts;
            let amount = 1 + (draws.number(1) % 10) as i64;
            let add = |id, amount| Act::Add(Key { space: Space::Account, id }, amount);
            vec![add(from, -amount), add(to, amount)]
        }
        What::Lists => lists(config.steps).map(|(_, key)| Act::Read(key, false)).collect(),
        What::Append | What::Long => {
            let steps = if request.what == What::Long { config.long_steps } else { config.steps };
            // Who appends nothing is no writer.
            let act = |(k, key)| if k > 0 && reads(k as u64) { Act::Read(key, false) } else { Act::Append(key, mark) };
            lists(steps).map(act).collect()
        }
        What::Skew => {
            let pair = request.key % (config.keys / 2) * 2;
            let keys = [draws.list(pair), draws.list(pair + 1)];
            let to = keys[(draws.number(0) % 2) as usize];
            vec![Act::Read(keys[0], false), Act::Read(keys[1], false), Act::Append(to, mark)]
        }
        What::Get | What::Put => {
            let key = draws.list(request.key % config.keys);
            vec![if request.what == What::Get { Act::Read(key, false) } else { Act::Append(key, mark) }]
        }
        What::Registers | What::Write => {
            let keys = draws.keys(config.steps).into_iter().map(|id| Key { space: Space::Register, id });
            let act = |(k, key): (usize, Key)| match (request.what, reads(k as u64) && k > 0) {
                (What::Registers, _) => vec![Act::Read(key, false)],
                (_, true) => vec![Act::Read(key, false)],
                // Who has read a version and writes one shows their order.
                (_, false) => vec![Act::Read(key, false), Act::Write(key, mark)],
            };
            keys.enumerate().flat_map(act).collect()
        }
    };
    // Locks are taken once, as strong as they will have to be.
    let written: Vec<Key> = acts.iter().filter(|act| act.writes()).map(Act::key).collect();
    for act in &mut acts {
        if let Act::Read(key, changes) = act {
            *changes = written.contains(key);
        }
    }
    // What lies in one shard goes there at once; shards come in the order in which they are first touched.
    let mut order: Vec<u32> = Vec::new();
    acts.iter().map(|act| config.shard_of(act.key())).for_each(|of| order.extend((!order.contains(&of)).then_some(of)));
    acts.sort_by_key(|act| order.iter().position(|of| *of == config.shard_of(act.key())));
    acts
}

/// The same, as what goes where: neighbours that lie in one shard go together.
#[must_use]
pub fn legs(config: &Config, acts: &[Act]) -> Vec<Leg> {
    let mut legs: Vec<(u32, Vec<Act>)> = Vec::new();
    for act in acts {
        let shard = config.shard_of(act.key());
        match legs.last_mut() {
            Some((of, acts)) if *of == shard => acts.push(*act),
            _ => legs.push((shard, vec![*act])),
        }
    }
    legs.into_iter().map(|(shard, acts)| Leg { shard, acts: acts.into() }).collect()
}

/// The shards of a transaction, and those of them that it changes.
#[must_use]
pub fn shards(config: &Config, acts: &[Act], keeps_key: bool) -> (Shards, Shards) {
    let (mut all, mut changed) = (Shards::default(), Shards::default());
    for (k, act) in acts.iter().enumerate() {
        let shard = config.shard_of(act.key());
        all.insert(shard);
        if act.writes() || (k == 0 && keeps_key) {
            changed.insert(shard);
        }
    }
    (all, changed)
}

/// Numbers drawn from an operation.
struct Draws<'a> {
    config: &'a Config,
    request: &'a CommitRequest,
}

impl Draws<'_> {
    /// The `k`-th (splitmix64).
    fn number(&self, k: u64) -> u64 {
        let mut z = self.request.unique.wrapping_add((k + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// So many different keys, the request's own first, as many as there are at most.
    fn keys(&self, steps: u32) -> Vec<u64> {
        let Config { keys, hot, hot_percent, spread, .. } = *self.config;
        let shards = u64::from(self.config.shards());
        let mut all: Vec<u64> = Vec::new();
        let mut draw = 100;
        while (all.len() as u64) < u64::from(steps).min(keys) {
            draw += 1;
            let number = self.number(draw);
            let mut key = match all.len() {
                0 => self.request.key % keys,
                _ if hot > 0 && self.number(draw << 8) % 100 < hot_percent => number % hot,
                _ => number % keys,
            };
            // The first `spread` keys lie in as many shards, those behind them in the same.
            if spread > 0 && !all.is_empty() && draw < 10_000 {
                let at = (all[0] + all.len() as u64 % u64::from(spread)) % shards;
                key = key - key % shards + at;
                if key >= keys {
                    continue;
                }
            }
            if !all.contains(&key) {
                all.push(key);
            }
        }
        all
    }

    /// The list of this number: after a while there are new ones, or they would grow for ever.
    fn list(&self, id: u64) -> Key {
        let issued = self.request.unique & 0xff_ffff_ffff;
        let (shards, round) = (u64::from(self.config.shards()), issued / self.config.per_list);
        let stride = self.config.keys.div_ceil(shards) * shards;
        Key { space: Space::List, id: id + round * stride }
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::CommitOptions;
    use super::*;
    use sim_core::Shape;

    #[test]
    fn keys_lie_in_as_many_shards_as_is_asked_for() {
        let options = CommitOptions { spread: 3, steps: 5, ..CommitOptions::default() };
        let config = options.validate(&Shape::plain(6)).unwrap();
        for unique in 0..500 {
            let request = CommitRequest { what: What::Append, key: unique % 7, unique };
            let acts = acts(&config, &request, TxnId::default());
            assert_eq!((acts.len(), shards(&config, &acts, false).0.len()), (5, 3), "{acts:?}");
        }
    }
}
