//! What pages show is what the program does: `support/pages.rs` runs the commands of the chapters, of both READMEs and of the
//! pages about histories, and pictures must be those that come of them, byte for byte. With `SPLITBRAIN_UPDATE=1` blocks and
//! pictures are made anew, so that what reads oddly in the text around them can be seen in the difference.

use crate::support::pages::{self, checkout, hold, same_picture, words};
use crate::support::{root, splitbrain};
use std::fs;
use std::path::{Path, PathBuf};

/// The last run of a scenario in a folder of runs.
fn latest(runs: &Path, name: &str) -> PathBuf {
    runs.join("runs").join(name).join("latest").canonicalize().expect("latest points at the run")
}

#[test]
fn the_first_chapter_is_what_happens() {
    let scratch = checkout();
    hold("docs/1-first-scenario.md", &scratch, 4);
    let latest = latest(scratch.path(), "raft-leader-crash");
    let first = latest.parent().expect("a folder").join("42");
    same_picture(&root().join("docs/leader-crash.png"), &first.join("charts/availability.png"));
}

#[test]
fn the_second_chapter_is_what_happens() {
    let scratch = checkout();
    hold("docs/2-reading-the-report.md", &scratch, 4);
    let dir = latest(scratch.path(), "failover-two-nodes");
    same_picture(&root().join("docs/two-primaries.png"), &dir.join("charts/track-leaders.png"));
    // What the page says of that picture is what was measured.
    let page = fs::read_to_string(root().join("docs/2-reading-the-report.md")).expect("it is there");
    let text = fs::read_to_string(dir.join("report.md")).expect("a report");
    let caption = page.lines().find(|line| line.contains("(two-primaries.png)")).expect("a caption");
    let between =
        |from: &str, to: &str| caption.split_once(from).and_then(|(_, rest)| rest.split_once(to)).expect("a figure").0;
    let (apart, lost) = (between("accept writes for ", ","), between(", and ", " are lost"));
    assert!(text.contains(&format!("two primaries for {apart}")), "two primaries for {apart}?\n{text}");
    assert!(text.contains(&format!("{lost} of ")), "{lost} lost?\n{text}");
}

#[test]
fn the_third_chapter_is_what_happens() {
    hold("docs/3-writing-one.md", &checkout(), 6);
}

#[test]
fn the_fourth_chapter_is_what_happens() {
    let scratch = checkout();
    hold("docs/4-find-a-bug.md", &scratch, 5);
    let failures = scratch.path().join("runs/raft-chaos/sweep/failures");
    let bisected =
        fs::read_dir(failures).expect("failures").flatten().map(|e| e.path().join("charts/bug-probability.png"));
    same_picture(
        &root().join("docs/bug-probability.png"),
        &bisected.filter(|png| png.exists()).min().expect("a chart"),
    );
}

#[test]
fn the_pages_about_availability_and_ci_are_what_happens() {
    hold("docs/availability.md", &checkout(), 2);
    hold("docs/ci.md", &checkout(), 3);
}

#[test]
fn the_gallery_is_what_happens() {
    let scratch = checkout();
    hold("docs/gallery/README.md", &scratch, 5);
    let runs = scratch.path().join("runs");
    for (shown, compared) in
        [("zones", "raft-zone-loss-3-zones-vs-raft-zone-loss-2-zones"), ("storm", "raft-chaos-vs-paxos-chaos")]
    {
        let drawn = runs.join(compared).join("charts/total-outage.png");
        same_picture(&root().join(format!("docs/gallery/{shown}.png")), &drawn);
    }
}

#[test]
fn the_pages_about_histories_print_what_is_printed() {
    hold("docs/histories.md", &checkout(), 10);
    hold("docs/consistency.md", &checkout(), 14);
}

#[test]
fn the_readmes_show_what_comes_of_it() {
    for page in ["README.md", "README.zh.md"] {
        hold(page, &checkout(), 1);
        let lines = fs::read_to_string(root().join(page)).expect("it is there").lines().count();
        assert!(lines <= ONE_SCREEN, "{page} has {lines} lines; at most {ONE_SCREEN}");
    }
}

/// Lines of a README.
const ONE_SCREEN: usize = 90;

/// Both say the same in their own words: the same commands, links and systems.
#[test]
fn the_readmes_name_the_same_things() {
    let [english, chinese] = ["README.md", "README.zh.md"].map(|page| {
        let text = fs::read_to_string(root().join(page)).expect("it is there");
        let quoted = text.split('`').skip(1).step_by(2).map(str::trim).filter(|word| word.ends_with('/'));
        let linked = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let linked = linked.filter(|link| !link.starts_with("README"));
        let mut named: Vec<String> = quoted.chain(linked).map(str::to_owned).collect();
        named.sort();
        named.dedup();
        named
    });
    let only = |a: &[String], b: &[String]| a.iter().filter(|name| !b.contains(name)).cloned().collect::<Vec<_>>();
    assert_eq!((only(&english, &chinese), only(&chinese, &english)), (Vec::new(), Vec::new()));
}

/// Pages in `docs/`, and the READMEs.
fn all_pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("README.md"), root().join("README.zh.md"), root().join("ARCHITECTURE.md")];
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(&folder).expect("a folder").flatten().map(|entry| entry.path()) {
            match path.extension().and_then(|ending| ending.to_str()) {
                Some("md") => pages.push(path),
                _ if path.is_dir() => folders.push(path),
                _ => {}
            }
        }
    }
    pages.sort();
    pages
}

#[test]
fn links_lead_somewhere() {
    let (mut followed, mut wrong) = (0, Vec::new());
    for page in all_pages() {
        let text = fs::read_to_string(&page).expect("UTF-8");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") || file.contains(char::is_whitespace) {
                continue;
            }
            followed += 1;
            if !page.parent().expect("a folder").join(file).exists() {
                wrong.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(followed > 50, "{followed} links");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Commands that no test runs are at least commands: `--help` at their end has their flags looked at, and nothing run.
#[test]
fn commands_that_are_only_named_are_commands() {
    let (mut named, mut wrong) = (0, Vec::new());
    for page in all_pages() {
        let text = fs::read_to_string(&page).expect("UTF-8");
        let blocks = text.split("\n```").skip(1).step_by(2);
        // In `text` are the examples at the end of a verb's help.
        let blocks = blocks.filter(|block| ["sh\n", "yaml\n", "text\n"].iter().any(|kind| block.starts_with(kind)));
        let lines = blocks.flat_map(str::lines).map(|line| line.split("run: ").last().unwrap_or_default());
        let inline = text.split('`').skip(1).step_by(2);
        for line in lines.chain(inline) {
            let line = line.split(" #").next().unwrap_or_default().split(" >").next().unwrap_or_default();
            let Some(rest) = line.trim().strip_prefix("splitbrain ") else { continue };
            if rest.contains(['|', '[', '{', '\n', '\\', '$'])
                || rest.starts_with("--")
                || rest.starts_with("help")
                || rest.starts_with("VERB")
            {
                continue;
            }
            named += 1;
            let mut args: Vec<String> = words(rest).into_iter().filter(|word| word != "...").collect();
            // `--model MODEL` stands for any.
            while let Some(at) = args.windows(2).position(|pair| pair[0].starts_with("--") && is_placeholder(&pair[1]))
            {
                args.drain(at..at + 2);
            }
            let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
            args.push("--help");
            let ran = splitbrain(&args);
            if ran.status.code() != Some(0) {
                wrong.push(format!("{}: {line}: {}", page.display(), ran.stderr.lines().next().unwrap_or_default()));
            }
            // Names of the library are there.
            let names = args
                .iter()
                .filter(|arg| arg.contains('/') && !arg.starts_with(['-', '/', '.']) && !arg.contains("FILE"));
            for name in names.filter(|name| LIBRARY.iter().any(|part| name.starts_with(part))) {
                if splitbrain(&["show", name]).status.code() != Some(0) {
                    wrong.push(format!("{}: {line}: no {name}", page.display()));
                }
            }
        }
    }
    assert!(named > 40, "{named} commands");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn is_placeholder(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_uppercase() || "_=".contains(c))
}

/// How names of the library begin where pages name one in a command.
const LIBRARY: &[&str] = &["scenarios/library/", "raft/", "paxos/", "failover/", "balancing/", "queue/", "scheduling/"];

#[test]
fn what_is_left_out_is_said_so() {
    assert_eq!(words("history x --initial '{:x 0}'"), ["history", "x", "--initial", "{:x 0}"]);
    pages::holds_what_it_should();
}
