//! What a program for somebody else's protocol has: the verbs of the library, over a registry of its own.

mod support;

use support::splitbrain;

#[test]
fn bugs_are_looked_for_in_the_files_that_are_named() {
    let file = "scenarios/library/raft/chaos.toml";
    let ran = splitbrain(&["bugs", file, "--bug", "no_up_to_date_check", "--seeds", "1..2", "--jobs", "2"]);
    assert_eq!(ran.status.code(), Some(0), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("1 of 1 bugs caught"), "{}", ran.stdout);
    assert!(ran.stdout.contains("clean without a bug"), "{}", ran.stdout);
}

#[test]
fn a_bug_that_no_file_can_show_is_bad_usage() {
    let placement = "scenarios/library/placement";
    for (args, says) in [
        (&["bugs", "scenarios/library/raft", "--bug", "no_such_bug"][..], "no system has a bug \"no_such_bug\""),
        (&["bugs", placement], "none of these files is of a system that has such a bug"),
        (&["bugs", "no/such/file.toml"], "no/such/file.toml"),
    ] {
        let ran = splitbrain(args);
        assert_eq!(ran.status.code(), Some(2), "{args:?}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains(says), "{args:?}: {}", ran.stderr);
    }
}
