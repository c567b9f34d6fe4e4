//! A seal on a JSON file: its last field is a hash of all the others, so that an edit shows.

use crate::hash::Mixer;

const FIELD: &str = ",\n  \"seal\": \"";

/// What a sealed text turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal {
    /// As it was written.
    Whole,
    /// Changed since.
    Broken,
    /// Written by something that does not seal.
    None,
}

fn hash(text: &str, beside: u64) -> u64 {
    let mut mixer = Mixer::default();
    mixer.bytes(text.as_bytes());
    mixer.word(beside);
    mixer.finish()
}

/// The text of a JSON object, pretty-printed with two spaces, with a seal as its last field. `beside` is a hash of what
/// belongs to the file and lies elsewhere, or 0.
///
/// # Panics
/// If the text is not such an object.
#[must_use]
pub fn seal(object: &str, beside: u64) -> String {
    let body = object.trim_end().strip_suffix("\n}").expect("a pretty-printed object ends in a brace of its own");
    format!("{body}{FIELD}{:016x}\"\n}}\n", hash(body, beside))
}

/// Whether a text still is what [`seal`] made of it.
#[must_use]
pub fn check(text: &str, beside: u64) -> Seal {
    let Some((body, rest)) = text.rsplit_once(FIELD) else { return Seal::None };
    match rest.trim_end().strip_suffix("\"\n}") {
        Some(found) if found == format!("{:016x}", hash(body, beside)) => Seal::Whole,
        _ => Seal::Broken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_breaks_it() {
        let sealed = seal("{\n  \"a\": 1\n}\n", 7);
        assert_eq!(check(&sealed, 7), Seal::Whole);
        assert_eq!(check(&sealed.replace('1', "2"), 7), Seal::Broken);
        assert_eq!(check(&sealed, 8), Seal::Broken);
        assert_eq!(check(&sealed.replace("\"\n}", "0\"\n}"), 7), Seal::Broken);
        assert_eq!(check("{\n  \"a\": 1\n}\n", 7), Seal::None);
    }
}
