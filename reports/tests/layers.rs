//! What is below knows nothing of what is above it: data, then what measures it, then words and charts, then pages.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each part of the crate, from below, and what it may use.
const LAYERS: &[(&str, &[&str])] = &[
    ("units", &[]),
    ("shell", &[]),
    ("trace", &["units"]),
    ("report", &["units"]),
    ("measure", &["units", "report"]),
    ("sweeps", &["units"]),
    ("comparison", &["units", "measure", "sweeps"]),
    ("words", &["units", "shell", "report", "measure"]),
    ("charts", &["units", "report", "measure", "comparison", "sweeps"]),
    ("pages", &["units", "shell", "trace", "report", "measure", "comparison", "sweeps", "words", "charts"]),
];

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("a folder").flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(files(&path)),
            path => found.push(path),
        }
    }
    found.sort();
    found
}

/// Every source file but the crate's own: its place in the crate, as `measure/load`, and its code without comments and
/// tests.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let sources = files(&root).into_iter().map(|path| {
        let place = path.strip_prefix(&root).expect("below").with_extension("");
        let text = fs::read_to_string(&path).expect("UTF-8");
        let code = text.split("\n#[cfg(test)]").next().unwrap_or_default();
        let code: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        (place.display().to_string(), code.join("\n"))
    });
    sources.filter(|(place, _)| place != "lib").collect()
}

/// The names that follow `prefix` in the code: of `use super::{a, b::c};` those are `a` and `b`.
fn named<'a>(code: &'a str, prefix: &str) -> BTreeSet<&'a str> {
    let word = |text: &'a str| text.split(|c: char| c != '_' && !c.is_alphanumeric()).next().unwrap_or_default();
    let mut names = BTreeSet::new();
    for (at, _) in code.match_indices(prefix) {
        let rest = &code[at + prefix.len()..];
        let Some(list) = rest.strip_prefix('{') else {
            names.insert(word(rest));
            continue;
        };
        let mut depth = 1;
        let end = list.find(|c: char| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            depth == 0
        });
        let list = &list[..end.expect("it is closed")];
        let mut inner = 0;
        let parts = list.split(|c: char| {
            inner += i32::from(c == '{') - i32::from(c == '}');
            c == ',' && inner == 0
        });
        names.extend(parts.map(|part| word(part.trim())).filter(|name| !name.is_empty()));
    }
    names
}

#[test]
fn every_part_uses_only_what_is_below_it() {
    let layers: BTreeMap<_, _> = LAYERS.iter().copied().collect();
    let mut wrong = Vec::new();
    for (place, code) in sources() {
        let own = place.split('/').next().expect("a name");
        let Some(may) = layers.get(own) else {
            wrong.push(format!("src/{place}.rs is in no layer"));
            continue;
        };
        for used in named(&code, "crate::").into_iter().filter(|used| *used != own && !may.contains(used)) {
            wrong.push(format!("src/{place}.rs uses {used}; {own} may use {may:?}"));
        }
    }
    for (i, (layer, may)) in LAYERS.iter().enumerate() {
        let below = |name: &&&str| LAYERS[..i].iter().any(|(other, _)| other == *name);
        wrong.extend(may.iter().filter(|name| !below(name)).map(|name| format!("{layer} stands on {name}, above it")));
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn files_of_a_part_do_not_use_each_other_in_circles() {
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (place, code) in sources().into_iter().filter(|(place, _)| !place.ends_with("/mod")) {
        let Some((folder, _)) = place.rsplit_once('/') else { continue };
        uses.insert(
            place.clone(),
            named(&code, "super::").into_iter().map(|name| format!("{folder}/{name}")).collect(),
        );
    }
    let files: BTreeSet<String> = uses.keys().cloned().collect();
    for used in uses.values_mut() {
        used.retain(|name| files.contains(name));
    }
    assert!(uses["measure/outages"].contains("measure/scopes"), "outages are of scopes: {uses:?}");
    // Whoever uses nobody that is left, goes; who is left in the end stands in a circle.
    while let Some(free) = uses.iter().find(|(_, used)| used.is_empty()).map(|(name, _)| name.clone()) {
        uses.remove(&free);
        for used in uses.values_mut() {
            used.remove(&free);
        }
    }
    assert!(uses.is_empty(), "in a circle, or above one: {uses:#?}");
}
