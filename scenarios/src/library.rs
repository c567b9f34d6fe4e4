//! The library, as it travels in the program: `raft/leader-crash` names a scenario wherever one is.

use std::path::{Component, Path};

/// By path within the library, sorted.
static FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/library.rs"));

/// The names of all scenarios, sorted: `raft/leader-crash`.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().filter_map(|(path, _)| path.strip_suffix(".toml"))
}

/// The text of a scenario or of a file beside it, by its path within the library; the ending `.toml` may be left out,
/// and the folder of a checkout may stand before it.
#[must_use]
pub fn text(path: &Path) -> Option<&'static str> {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::CurDir => {}
            Component::ParentDir => drop(parts.pop()?),
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    let path = parts.join("/");
    let path = path.strip_prefix("scenarios/library/").unwrap_or(&path);
    let find = |path: &str| FILES.binary_search_by_key(&path, |(known, _)| known).ok().map(|at| FILES[at].1);
    find(path).or_else(|| find(&format!("{path}.toml")))
}

/// The name that was probably meant.
#[must_use]
pub fn nearest(name: &str) -> Option<&'static str> {
    crate::suggest::nearest(name, names())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_are_found_by_their_names_and_nothing_else_is() {
        let text = |path: &str| text(Path::new(path));
        assert!(FILES.is_sorted());
        assert!(names().any(|name| name == "raft/leader-crash"));
        let file = text("raft/leader-crash").expect("it is in the library");
        for path in
            ["raft/leader-crash.toml", "./raft/../raft/leader-crash", "scenarios/library/raft/leader-crash.toml"]
        {
            assert_eq!(text(path), Some(file), "{path}");
        }
        for path in ["raft", "leader-crash", "/raft/leader-crash", "../raft/leader-crash", ""] {
            assert_eq!(text(path), None, "{path}");
        }
        assert_eq!(nearest("raft/leadr-crash"), Some("raft/leader-crash"));
    }
}
