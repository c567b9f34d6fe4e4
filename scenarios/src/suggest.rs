//! "Did you mean": the nearest of the words that would have been right.

/// The word of `known` that `word` was probably meant to be.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase().replace('-', "_");
    let scored = known.into_iter().map(|k| (strsim::damerau_levenshtein(&lower, &k.to_lowercase()), k));
    // About one slip in three letters: `heartbeat` does not become `seed`.
    scored
        .filter(|(distance, k)| *distance <= (k.len().max(lower.len()) / 3).max(1))
        .min_by_key(|(d, _)| *d)
        .map(|n| n.1)
}

/// The help text for a word that is none of `known`: the nearest, or all of them if they are few.
#[must_use]
pub fn help(word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None if known.is_empty() => String::new(),
        None => format!("one of: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let known = ["heartbeat_interval", "election_timeout", "seed"];
        assert_eq!(nearest("heartbeat_intervall", known), Some("heartbeat_interval"));
        assert_eq!(nearest("Heartbeat-Interval", known), Some("heartbeat_interval"));
        assert_eq!(nearest("sede", known), Some("seed"));
        assert_eq!(nearest("membership", known), None);
        assert_eq!(help("x", &["a_long_one"]), "one of: a_long_one");
    }
}
