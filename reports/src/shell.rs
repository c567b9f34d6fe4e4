//! Commands as a shell takes them.

use std::sync::OnceLock;

static PROGRAM: OnceLock<String> = OnceLock::new();

/// Says under which name people started the program: `splitbrain`, unless somebody's own program has its verbs. The
/// first call counts.
pub fn set_program(name: &str) {
    let _ = PROGRAM.set(name.to_owned());
}

/// The program that commands begin with which people are told to use.
#[must_use]
pub fn program() -> &'static str {
    PROGRAM.get().map_or("splitbrain", String::as_str)
}

/// A word of a command, in quotes if a shell would take it apart.
#[must_use]
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,@%+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_can_be_pasted() {
        assert_eq!(quoted("a/b.toml"), "a/b.toml");
        assert_eq!(quoted("x=[1, 2]"), "'x=[1, 2]'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted(""), "''");
    }
}
