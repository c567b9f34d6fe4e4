//! `run --manifest`: a manifest as people write it, without a scenario file.

use crate::support::{Ran, Scratch, root, splitbrain};

const FOLDER: &str = "fixtures/kubernetes/manifests";

fn run(manifest: &str, more: &[&str], out: &Scratch) -> Ran {
    let out = out.path().to_str().expect("UTF-8");
    splitbrain(&[&["run", "--manifest", manifest, "--out", out], more].concat())
}

#[test]
fn a_manifest_runs_alone_and_its_folder_needs_no_other_file() {
    let scratch = Scratch::new();
    let copy = scratch.path().join("mine.yaml");
    std::fs::copy(root().join(FOLDER).join("service-and-deployment.yaml"), &copy).expect("it can be copied");
    let more = ["--nodes", "3", "--fault", "crash node at 30s for 60s"];
    let ran = run(copy.to_str().expect("UTF-8"), &more, &scratch);
    assert_eq!(ran.status.code(), Some(0), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("--nodes 3 --fault 'crash node at 30s for 60s'"), "{}", ran.stdout);
    // The text has travelled: the manifest can go.
    std::fs::remove_file(&copy).expect("it is there");
    let dir = scratch.path().join("mine/1");
    let dir = dir.to_str().expect("UTF-8");
    let again = splitbrain(&["replay", dir]);
    assert_eq!(again.status.code(), Some(0), "{}{}", again.stdout, again.stderr);
    let checked = splitbrain(&["check", &format!("{dir}/scenario.toml")]);
    assert_eq!(checked.status.code(), Some(0), "{}{}", checked.stdout, checked.stderr);
}

#[test]
fn mistakes_in_a_manifest_have_its_lines_and_exit_code_2() {
    let scratch = Scratch::new();
    let ran = run(&format!("{FOLDER}/mistakes.yaml"), &[], &scratch);
    assert_eq!(ran.status.code(), Some(2), "{}{}", ran.stdout, ran.stderr);
    for said in [
        "mistakes.yaml:7:13",
        "Deployment/m01-selector: selector app=a does not match the template labels app=b",
        "unknown kind Deployement; Deployment meant?",
        "warning: Pod/m05-milli-bytes: 400m of memory is 0.4 bytes; 400Mi meant?",
        "key app twice in labels",
    ] {
        assert!(ran.stderr.contains(said), "{said}\n{}", ran.stderr);
    }
    let broken = run(&format!("{FOLDER}/broken-syntax.yaml"), &[], &scratch);
    assert_eq!(broken.status.code(), Some(2), "{}", broken.stderr);
    assert!(broken.stderr.contains("broken-syntax.yaml:17:27"), "{}", broken.stderr);
    assert!(broken.stderr.contains("alias l is not defined in this document"), "{}", broken.stderr);
    assert_eq!(std::fs::read_dir(scratch.path()).expect("scratch").count(), 0, "nothing is left");
}

#[test]
fn flags_that_say_nothing_are_refused() {
    let scratch = Scratch::new();
    let good = format!("{FOLDER}/service-and-deployment.yaml");
    for (more, said) in [
        (&["--fault", "crash node"][..], "crash node at 30s for 60s"),
        (&["--fault", "crash nobody at 3s"][..], "`nobody` is not a target"),
        (&["--fault", "crush node at 3s"][..], "crush"),
        (&["--nodes", "many"][..], "many"),
    ] {
        let ran = run(&good, more, &scratch);
        assert_eq!(ran.status.code(), Some(2), "{more:?}\n{}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains(said), "{more:?}\n{}", ran.stderr);
    }
    let missing = run("no/such.yaml", &[], &scratch);
    assert_eq!(missing.status.code(), Some(2), "{}", missing.stderr);
    assert!(missing.stderr.contains("no/such.yaml") && missing.stderr.contains("no such file"), "{}", missing.stderr);
    let both = run(&good, &["scenarios/library/raft/steady.toml"], &scratch);
    assert_eq!(both.status.code(), Some(2), "{}", both.stderr);
}
