//! "Did you mean": the nearest of the words that would have been right.

/// A list of up to this many is told in full.
const FEW: usize = 16;
/// Of a longer one, so many near words.
const NEAR: usize = 5;

/// What people call things that have another name here: their word, ours, and what to say besides.
const ALIASES: &[(&str, &str, &str)] = &[
    ("restart", "crash", "with a `duration`, after which the node starts again"),
    ("reboot", "crash", "with a `duration`, after which the node starts again"),
    ("kill", "crash", "without a `duration` it lasts until everything is healed"),
    ("stop", "crash", "without a `duration` it lasts until everything is healed"),
    ("down", "crash", ""),
    ("power_loss", "crash", "of target `all`; `on_crash` says what is left on the disks"),
    ("freeze", "pause", ""),
    ("hang", "pause", ""),
    ("gc", "pause", ""),
    ("stw", "pause", ""),
    ("gray", "slow", ""),
    ("cpu", "slow", ""),
    ("netsplit", "partition", ""),
    ("split", "partition", ""),
    ("cut", "partition", ""),
    ("isolate", "partition", "with `shape = \"isolate\"`"),
    ("network", "packet", ""),
    ("latency", "packet", "with `delay`"),
    ("delay", "packet", "with `delay`"),
    ("loss", "packet", "with `loss`"),
    ("io", "disk", ""),
    ("fsync", "disk", ""),
    ("time", "clock", ""),
    ("skew", "clock", "with `step` or `drift`"),
    ("scale", "membership", "with `change`"),
    ("add", "membership", "with `change = \"add\"`"),
    ("remove", "membership", "with `change = \"remove\"`"),
    ("etcd", "raft", ""),
    ("redis", "failover-cluster", ""),
    ("replicas", "nodes", ""),
    ("size", "nodes", ""),
    ("regions", "zones", ""),
    ("qps", "rate", ""),
    ("rps", "rate", ""),
    ("throughput", "rate", "in a [[workload]]"),
    ("uptime", "time_availability", ""),
    ("downtime", "total_outage", ""),
    ("data_loss", "rpo", ""),
    ("lost_writes", "rpo", ""),
    ("jain", "requests_jain", ""),
    ("cov", "requests_cov", ""),
    ("gini", "requests_gini", ""),
];

fn plain(word: &str) -> String {
    word.to_lowercase().replace('-', "_")
}

/// The word of `known` that `word` was probably meant to be.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = plain(word);
    let scored = known.into_iter().map(|k| (strsim::damerau_levenshtein(&lower, &k.to_lowercase()), k));
    // About one slip in three letters: `heartbeat` does not become `seed`.
    scored
        .filter(|(distance, k)| *distance <= (k.len().max(lower.len()) / 3).max(1))
        .min_by_key(|(d, _)| *d)
        .map(|n| n.1)
}

/// The help text for a word that is none of `known`: what it was probably meant to be, or all of them if they are few,
/// or those that are like it.
#[must_use]
pub fn help(word: &str, known: &[&str]) -> String {
    let lower = plain(word);
    let alias = ALIASES.iter().find(|(theirs, ours, _)| *theirs == lower && known.contains(ours));
    if let Some((_, ours, besides)) = alias {
        let besides = if besides.is_empty() { String::new() } else { format!(" {besides}") };
        return format!("did you mean `{ours}`?{besides}");
    }
    if let Some(nearest) = nearest(word, known.iter().copied()) {
        return format!("did you mean `{nearest}`?");
    }
    let parts = |k: &&&str| !lower.is_empty() && k.split(['_', '-']).any(|part| part == lower);
    let mut holding: Vec<&str> = known.iter().filter(parts).copied().collect();
    // Of reads, of writes and of all: all is what somebody means who says neither.
    holding.sort_by_key(|k| !k.starts_with("all_"));
    holding.truncate(NEAR);
    match (holding.as_slice(), known) {
        (_, []) => String::new(),
        ([], known) if known.len() <= FEW => format!("one of: {}", known.join(", ")),
        ([], known) => {
            let mut near: Vec<&str> = known.to_vec();
            let likeness = |k: &str| (strsim::jaro_winkler(&lower, k) * 1e6) as u64;
            near.sort_by_key(|k| core::cmp::Reverse(likeness(k)));
            near.truncate(NEAR);
            format!("the nearest are {}; there are {} in all", near.join(", "), known.len())
        }
        (holding, _) => {
            let quoted: Vec<String> = holding.iter().map(|k| format!("`{k}`")).collect();
            format!("did you mean {}?", either(&quoted))
        }
    }
}

/// `a, b or c`.
fn either(words: &[String]) -> String {
    match words {
        [all @ .., last] if !all.is_empty() => format!("{} or {last}", all.join(", ")),
        words => words.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{EXPECT, KINDS};

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let known = ["heartbeat_interval", "election_timeout", "seed"];
        assert_eq!(nearest("heartbeat_intervall", known), Some("heartbeat_interval"));
        assert_eq!(nearest("Heartbeat-Interval", known), Some("heartbeat_interval"));
        assert_eq!(nearest("sede", known), Some("seed"));
        assert_eq!(nearest("membership", known), None);
        assert_eq!(help("x", &["a_long_one"]), "one of: a_long_one");
    }

    #[test]
    fn what_others_call_it_is_known() {
        assert_eq!(
            help("restart", KINDS),
            "did you mean `crash`? with a `duration`, after which the node starts again"
        );
        assert_eq!(help("Power-Loss", KINDS).split('?').next(), Some("did you mean `crash`"));
        let metrics: Vec<&str> = EXPECT.names().collect();
        assert_eq!(help("p99", &metrics), "did you mean `all_p99`, `read_p99` or `write_p99`?");
        let far = help("quorum", &metrics);
        assert!(far.starts_with("the nearest are ") && far.len() < 120, "{far}");
    }
}
