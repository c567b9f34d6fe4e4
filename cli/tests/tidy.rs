//! The tree is as ARCHITECTURE.md says: rooms, arrows, lengths, and words that are not left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const LONGEST_FILE: usize = 600;
const LONGEST_LINE: usize = 120;
/// Words of ARCHITECTURE.md: one page.
const ONE_PAGE: usize = 1200;

/// Every system has these, and may have more.
const ROOMS: &[&str] =
    &["mod.rs", "node.rs", "message.rs", "client.rs", "checks.rs", "bugs.rs", "options.rs", "system.rs"];

/// Systems with no known bug to switch on: owners of keys tell each other nothing, and the Synod is a law, not a product.
const WITHOUT_BUGS: &[&str] = &["consensus/synod", "storage/placement"];

/// Protocols that replicate a service: the clients are the service's.
const REPLICATE: &[&str] = &["consensus/paxos", "consensus/raft"];

/// The groups of `systems/src`, and the floor under them.
const GROUPS: &[&str] = &["communication", "computing", "consensus", "control", "storage"];
const FLOOR: &str = "shared";
/// What systems of one group share, beside them.
const SHARED_IN_GROUPS: &[&str] = &["computing/tasks"];

/// Each crate, and what it may know.
const ARROWS: &[(&str, &[&str])] = &[
    ("sim-core", &[]),
    ("systems", &["sim-core"]),
    ("scenarios", &["sim-core"]),
    ("reports", &["sim-core"]),
    ("cli", &["sim-core", "systems", "scenarios", "reports"]),
];

/// Types whose hash is no derived one, each with a test that no part is missing in it. All others derive it, so that a
/// field more is a field more in a run's digest.
const HASHED_BY_HAND: &[&str] = &[
    "sim-core/src/hash.rs: impl<T> Hash for Hashed<T> {",
    "sim-core/src/sorted/map.rs: impl<K: Hash, V: Hash> Hash for SortedMap<K, V> {",
    "systems/src/consensus/paxos/log.rs: impl<C> Hash for Entry<C> {",
    "systems/src/consensus/raft/log.rs: impl<C> Hash for Entry<C> {",
    "systems/src/control/cluster/slots.rs: impl Hash for SlotMap {",
    "systems/src/shared/kv/mod.rs: impl Hash for Kv {",
    "systems/src/shared/kv/spec.rs: impl Hash for Held {",
    "systems/src/shared/kv/value.rs: impl Hash for Value {",
    "systems/src/shared/replication/slice.rs: impl<E> Hash for Slice<E> {",
];

/// Marks of unfinished work. They are put together here, so that this file has none of them.
fn unfinished() -> Vec<String> {
    [("TO", "DO"), ("FIX", "ME"), ("XX", "X"), ("HA", "CK"), ("WI", "P"), ("/wo", "rk/"), ("/ho", "me/")]
        .map(|(a, b)| format!("{a}{b}"))
        .to_vec()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// Files under `dir` whose names end in one of `endings`, in order.
fn files(dir: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "target" && !name.starts_with('.') && name != "runs" {
                    folders.push(path);
                }
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<(String, String)> {
    let all = ARROWS.iter().flat_map(|(folder, _)| files(&root().join(folder), &[".rs"]));
    let named = all.map(|path| {
        let name = path.strip_prefix(root()).expect("below").display().to_string();
        (name, fs::read_to_string(path).expect("UTF-8"))
    });
    let named: Vec<_> = named.collect();
    assert!(named.len() > 300, "only {} source files: where is the tree?", named.len());
    named
}

fn nothing(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

/// Here lines are still longer.
const NOT_YET: &[&str] = &["cli/"];

/// Lines of a source file that are its author's choice: not rows of tables in comments, nor what is quoted raw.
fn own_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut raw = false;
    text.lines().enumerate().filter_map(move |(number, line)| {
        let was = raw;
        raw = if raw { !line.contains("\"#") } else { line.split_once("r#").is_some_and(|(_, rest)| opens(rest)) };
        let table = line.trim_start().starts_with("//! |") || line.trim_start().starts_with("/// |");
        (!was && !raw && !table).then_some((number + 1, line))
    })
}

/// Whether a raw string that begins here is open at the end of its line.
fn opens(rest: &str) -> bool {
    rest.trim_start_matches('#').strip_prefix('"').is_some_and(|text| !text.contains("\"#"))
}

#[test]
fn files_and_lines_are_short() {
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        let lines = text.lines().count();
        if lines > LONGEST_FILE {
            wrong.push(format!("{name}: {lines} lines; at most {LONGEST_FILE}"));
        }
        for (number, line) in own_lines(&text).filter(|_| !NOT_YET.iter().any(|folder| name.starts_with(folder))) {
            let columns = line.chars().count();
            if columns > LONGEST_LINE {
                wrong.push(format!("{name}:{number}: {columns} columns; at most {LONGEST_LINE}"));
            }
        }
    }
    nothing(&wrong);
}

/// A file that nobody names is a test that nobody runs.
#[test]
fn every_test_file_is_part_of_its_binary() {
    let mut wrong = Vec::new();
    for (folder, _) in ARROWS {
        let tests = root().join(folder).join("tests");
        let Ok(main) = fs::read_to_string(tests.join("main.rs")) else { continue };
        for entry in fs::read_dir(&tests).expect("a folder").flatten() {
            let name = entry.file_name().display().to_string();
            let Some(name) = name.strip_suffix(".rs").filter(|name| *name != "main") else { continue };
            if !main.contains(&format!("mod {name};")) {
                wrong.push(format!("{folder}/tests/{name}.rs: main.rs has no `mod {name};`"));
            }
        }
    }
    nothing(&wrong);
}

#[test]
fn hashes_are_derived() {
    let by_hand = |name: &str, line: &str| {
        let line = line.trim();
        let by_hand = line.starts_with("impl") && line.contains("Hash for ");
        by_hand.then(|| format!("{name}: {line}"))
    };
    let all = sources();
    let found: Vec<_> =
        all.iter().flat_map(|(name, text)| text.lines().filter_map(move |line| by_hand(name, line))).collect();
    assert_eq!(found, HASHED_BY_HAND, "derive it, or add the type and its test");
}

#[test]
fn nothing_is_left_behind() {
    let mut wrong = Vec::new();
    let mut others = files(&root().join("docs"), &[".md"]);
    others.extend(files(&root().join("scenarios/library"), &[".toml"]));
    others.extend(
        ["README.md", "README.zh.md", "ARCHITECTURE.md", "Makefile", "Cargo.toml"].map(|name| root().join(name)),
    );
    let others = others.into_iter().map(|path| {
        let text = fs::read_to_string(&path).expect("UTF-8");
        (path.strip_prefix(root()).expect("below").display().to_string(), text)
    });
    for (name, text) in sources().into_iter().chain(others) {
        for (number, line) in text.lines().enumerate() {
            for word in unfinished() {
                let at = line.find(&word);
                let alone = |at: usize| {
                    let letter = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
                    word.starts_with('/')
                        || !letter(line[..at].chars().next_back()) && !letter(line[at + word.len()..].chars().next())
                };
                if at.is_some_and(alone) {
                    wrong.push(format!("{name}:{}: says {word}", number + 1));
                }
            }
        }
    }
    nothing(&wrong);
}

#[test]
fn what_pages_name_is_there() {
    let mut pages = files(&root().join("docs"), &[".md"]);
    pages.extend(["README.md", "README.zh.md", "ARCHITECTURE.md"].map(|name| root().join(name)));
    let folders = ARROWS.iter().map(|(name, _)| *name).chain(["fixtures", "docs", "examples"]);
    let folders: Vec<String> = folders.map(|name| format!("{name}/")).collect();
    let (mut named, mut wrong) = (0, Vec::new());
    for page in pages {
        let text = fs::read_to_string(&page).expect("UTF-8");
        for (number, line) in text.lines().enumerate() {
            for word in line.split(|c: char| c.is_whitespace() || "`()[]\"',;|".contains(c)) {
                // `FILE:2:1` is a place in a file.
                let word = word.split_once(':').map_or(word, |(file, _)| file).trim_end_matches('.');
                let is_pattern = word.contains(['*', '{', '<', '$', '\u{2026}']) || word.contains("FILE");
                if is_pattern || !folders.iter().any(|folder| word.starts_with(folder.as_str())) {
                    continue;
                }
                named += 1;
                // The walk through the example stands in its folder.
                let there = [root(), root().join("examples/counter")].iter().any(|at| at.join(word).exists());
                let is_written_there = page.ends_with("docs/5-your-protocol.md") && word.starts_with("scenarios/");
                if !there && !is_written_there {
                    wrong.push(format!("{}:{}: there is no {word}", page.display(), number + 1));
                }
            }
        }
    }
    assert!(named > 100, "only {named} names: where are the pages?");
    nothing(&wrong);
}

#[test]
fn the_architecture_is_one_page() {
    let words = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("UTF-8").split_whitespace().count();
    assert!(words <= ONE_PAGE, "ARCHITECTURE.md has {words} words; at most {ONE_PAGE}");
}

#[test]
fn every_scenario_says_what_it_shows() {
    let library = files(&root().join("scenarios/library"), &[".toml"]);
    assert!(library.len() > 100, "only {} scenarios", library.len());
    let mut wrong = Vec::new();
    for path in library {
        let text = fs::read_to_string(&path).expect("UTF-8");
        let opening: Vec<_> = text.lines().take_while(|line| line.starts_with('#')).collect();
        if !opening.iter().any(|line| line.strip_prefix("# Shows: ").is_some_and(|shows| !shows.trim().is_empty())) {
            wrong.push(format!("{}: its opening comment has no line `# Shows: ...`", path.display()));
        }
    }
    nothing(&wrong);
}

#[test]
fn crates_know_only_what_is_below_them() {
    let mut wrong = Vec::new();
    let crates: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("a manifest");
    for (name, may) in &crates {
        assert!(manifest.contains(&format!("\"{name}\"")), "{name} is no member of the workspace");
        let text = fs::read_to_string(root().join(name).join("Cargo.toml")).expect("a manifest");
        let known =
            text.lines().filter_map(|line| line.split([' ', '=', '.']).next()).filter(|n| crates.contains_key(n));
        for known in known.filter(|known| !may.contains(known)) {
            wrong.push(format!("{name}/Cargo.toml: knows {known}; it may know {may:?}"));
        }
    }
    for (name, text) in sources() {
        let own = name.split('/').next().expect("a folder");
        for (number, line) in text.lines().enumerate() {
            for other in crates.keys().filter(|other| **other != own && !crates[own].contains(other)) {
                let module = format!("use {}::", other.replace('-', "_"));
                if line.trim_start().trim_start_matches("pub ").starts_with(&module) {
                    wrong.push(format!("{name}:{}: uses {other}; {own} may know {:?}", number + 1, crates[own]));
                }
            }
        }
    }
    nothing(&wrong);
}

/// The systems, as `consensus/raft`.
fn systems() -> Vec<String> {
    let at = root().join("systems/src");
    let folders = |path: &Path| {
        let entries = fs::read_dir(path).expect("a folder").flatten().filter(|entry| entry.path().is_dir());
        let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    let groups = folders(&at);
    let mut known: Vec<_> = GROUPS.iter().copied().chain([FLOOR]).collect();
    known.sort_unstable();
    assert_eq!(groups, known, "systems/src has these groups");
    let in_group = |group: &&str| folders(&at.join(group)).into_iter().map(|name| format!("{group}/{name}")).collect();
    let all = GROUPS.iter().flat_map(|group| -> Vec<String> { in_group(group) });
    all.filter(|name| !SHARED_IN_GROUPS.contains(&name.as_str())).collect()
}

#[test]
fn every_system_has_the_same_rooms() {
    let at = root().join("systems/src");
    let systems = systems();
    let mut wrong = Vec::new();
    for system in &systems {
        for room in ROOMS {
            let is = at.join(system).join(room).is_file();
            let system = system.as_str();
            let may_lack = *room == "bugs.rs" && WITHOUT_BUGS.contains(&system)
                || *room == "client.rs" && REPLICATE.contains(&system);
            if !is && !may_lack {
                wrong.push(format!("systems/src/{system} has no {room}; every system has {ROOMS:?}"));
            }
            if is && may_lack {
                wrong.push(format!("systems/src/{system} has {room}: take it out of the list of those that have none"));
            }
        }
    }
    for door in GROUPS.iter().copied().chain([FLOOR]) {
        let text = fs::read_to_string(at.join(door).join("mod.rs")).unwrap_or_default();
        if !text.starts_with("//! ") {
            wrong
                .push(format!("systems/src/{door}/mod.rs: its first line says what the folder is about, after `//! `"));
        }
    }
    let lib = fs::read_to_string(at.join("lib.rs")).expect("a crate");
    let registered = lib.matches("registry.add::<").count();
    if registered != systems.len() {
        wrong
            .push(format!("systems/src/lib.rs registers {registered} systems; there are folders of {}", systems.len()));
    }
    nothing(&wrong);
}

/// Who uses whom: `use crate::consensus::raft` in `control/failover` is an arrow from there to here.
/// Every pair of types that a tree of `std` maps compiles the whole tree anew (`sim-core/src/sorted/`). What a file of a
/// scenario says is a tree, since it is read as one.
#[test]
fn systems_keep_sorted_maps() {
    let kept = ["systems/src/consensus/raft/options.rs", "systems/src/consensus/raft/priorities.rs"];
    let trees = |text: &str| own_lines(text).any(|(_, line)| line.contains("BTree"));
    let wrong: Vec<String> = sources()
        .into_iter()
        .filter(|(name, text)| name.starts_with("systems/src/") && !kept.contains(&name.as_str()) && trees(text))
        .map(|(name, _)| format!("{name}: keep a SortedMap or SortedSet, not a tree"))
        .collect();
    nothing(&wrong);
}

#[test]
fn systems_stand_on_each_other_without_circles() {
    let names: Vec<String> = systems();
    let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let Some(inner) = file.strip_prefix("systems/src/") else { continue };
        let own = inner.split('/').take(2).collect::<Vec<_>>().join("/");
        // What tests put under a rule may be any system.
        let code = text.split("\nmod tests {").next().unwrap_or_default();
        for line in code.lines() {
            for (at, _) in line.match_indices("crate::").filter(|_| !line.trim_start().starts_with("//")) {
                let other = line[at + 7..].split("::").take(2).collect::<Vec<_>>().join("/");
                let other = other.split(|c: char| c != '/' && c != '_' && !c.is_alphanumeric()).next().unwrap_or("");
                if !names.iter().any(|name| name == other) || other == own {
                    continue;
                }
                if inner.starts_with(FLOOR) {
                    wrong.push(format!("{file}: the floor knows no system, and uses {other}"));
                }
                arrows.entry(own.clone()).or_default().insert(other.to_owned());
            }
        }
    }
    for start in arrows.keys() {
        let mut reached = BTreeSet::new();
        let mut next: Vec<_> = arrows[start].iter().collect();
        while let Some(at) = next.pop() {
            if reached.insert(at) {
                next.extend(arrows.get(at).into_iter().flatten());
            }
        }
        if reached.contains(start) {
            wrong.push(format!("{start} stands on itself, by way of {reached:?}"));
        }
    }
    assert!(arrows.values().any(|uses| uses.contains("consensus/raft")), "Raft is built on: {arrows:?}");
    nothing(&wrong);
}
