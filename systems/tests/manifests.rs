//! Whatever a manifest says, reading it ends with objects or with remarks that have a place.

use proptest::prelude::*;
use std::path::Path;
use systems::control::kubernetes::manifests::read;

/// So many inputs; `make fuzz` asks for more.
fn cases(few: u32) -> ProptestConfig {
    let asked = std::env::var("FUZZ_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(asked.unwrap_or(few)) }
}

fn corpus() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/kubernetes/manifests");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).expect("it is there").flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.into_iter().filter_map(|path| std::fs::read_to_string(path).ok()).collect()
}

/// What stands for something in YAML, or in a manifest.
const WORDS: &[&str] = &[
    "&a ",
    "*a",
    "*b",
    "<<: ",
    "- ",
    "? ",
    "|",
    ">-",
    "---",
    "{",
    "}",
    "[",
    "]",
    ": ",
    "\"",
    "'",
    "!!int ",
    "~",
    "-1",
    "1e999",
    "99999999999999999999",
    "100m",
    "1Gi",
    "%",
    "0x",
    "\t",
    "\u{feff}",
    "null",
    "kind: Pod",
    "replicas: ",
    "é",
];

fn holds(text: &str) {
    match read(text) {
        Ok(manifest) => assert!(manifest.warnings.iter().all(|remark| remark.warning), "{text}"),
        Err(remarks) => assert!(remarks.iter().any(|remark| !remark.warning && !remark.what.is_empty()), "{text}"),
    }
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn scrambled_manifests(
        which in any::<usize>(),
        edits in proptest::collection::vec((any::<usize>(), any::<usize>(), any::<u8>()), 1..8),
    ) {
        let all = corpus();
        let mut lines: Vec<String> = all[which % all.len()].lines().map(str::to_owned).collect();
        for (at, other, how) in edits {
            let at = at % lines.len().max(1);
            let word = WORDS[other % WORDS.len()];
            match how % 6 {
                _ if lines.is_empty() => lines.push(word.to_owned()),
                0 => drop(lines.remove(at)),
                1 => lines.insert(at, lines[other % lines.len()].clone()),
                2 => lines[at].insert_str(0, "  "),
                3 => lines[at].push_str(word),
                4 => lines[at] = format!("{}: {word}", lines[at].split(':').next().unwrap_or_default()),
                _ => lines[at] = lines[at].trim_start().to_owned(),
            }
        }
        holds(&lines.join("\n"));
    }

    #[test]
    fn arbitrary_yaml(text in "([\\[\\]{}:,&*\\-#|>\n \"']|kind|metadata|a|1){0,80}") {
        holds(&text);
    }
}
