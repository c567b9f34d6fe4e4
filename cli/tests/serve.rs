//! `serve`: all runs of a folder, on this machine alone or as files to publish; nothing else is reachable.

use crate::support::browser::Browser;
use crate::support::{Scratch, command, splitbrain};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};

/// A server that goes away with the value.
struct Served {
    child: Child,
    port: u16,
}

impl Served {
    fn start(dir: &Path) -> Self {
        let mut child = command(&["serve", dir.to_str().expect("UTF-8"), "--port", "0"]);
        let mut child = child.stdout(Stdio::piped()).spawn().expect("the binary runs");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("a pipe")).read_line(&mut line).expect("a line");
        let port = line.strip_prefix("http://127.0.0.1:").and_then(|rest| rest.split('/').next()?.parse().ok());
        Self { child, port: port.unwrap_or_else(|| panic!("{line}")) }
    }

    /// The answer to a request, as it comes.
    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        stream.write_all(request.replace("PORT", &self.port.to_string()).as_bytes()).expect("it reads");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn get(&self, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nConnection: close\r\n\r\n"))
    }

    /// The code of the answer.
    fn code(&self, path: &str) -> u16 {
        let answer = self.get(path);
        answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("{path}: {answer}"))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Two runs, one of them in a folder with a name that is markup, one that can not be read, and a file outside.
fn shelf(scratch: &Scratch) -> std::path::PathBuf {
    let runs = scratch.path().join("runs");
    let out = runs.to_str().expect("UTF-8");
    for seed in ["1", "2"] {
        let ran = splitbrain(&[
            "run",
            "scenarios/library/raft/steady.toml",
            "--seed",
            seed,
            "--set",
            "scenario.duration=5s",
            "--out",
            out,
        ]);
        assert!(matches!(ran.status.code(), Some(0 | 1 | 3)), "{}", ran.stderr);
    }
    fs::rename(runs.join("raft-steady/2"), runs.join("raft-steady/<img src=x onerror=alert(1)>")).expect("it is there");
    fs::create_dir_all(runs.join("broken")).expect("a folder");
    fs::write(runs.join("broken/report.json"), "{\"seed\": \"</script>").expect("it is written");
    fs::write(scratch.path().join("secret.txt"), "nobody may read this").expect("it is written");
    runs
}

/// Every file below a folder, with when it was last changed.
fn tree(dir: &Path) -> Vec<(std::path::PathBuf, std::time::SystemTime)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).expect("a folder").flatten() {
        let meta = fs::symlink_metadata(entry.path()).expect("it is there");
        all.push((entry.path(), meta.modified().expect("a time")));
        if meta.is_dir() {
            all.extend(tree(&entry.path()));
        }
    }
    all.sort();
    all
}

#[test]
fn nothing_outside_of_the_folder_is_reachable_and_nothing_is_written() {
    let scratch = Scratch::new();
    let runs = shelf(&scratch);
    let before = tree(&runs);
    let served = Served::start(&runs);
    let index = served.get("/");
    assert!(
        index.starts_with("HTTP/1.1 200") && index.contains("Content-Security-Policy: default-src 'none'"),
        "{index}"
    );
    assert!(index.contains("href=\"raft-steady/1/report.html\"") && index.contains("unreadable"), "{index}");
    assert!(
        !index.contains("<img")
            && index.contains("raft-steady/%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E/report.html")
    );
    assert_eq!(served.code("/raft-steady/1/report.html"), 200);
    assert_eq!(served.code("/raft-steady/%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E/report.html"), 200);
    assert_eq!(served.code("/raft-steady/1/charts/availability.png"), 200);
    for path in [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/raft-steady/../../secret.txt",
        "/..%2fsecret.txt",
        "/nothing.html",
        "/raft-steady",
        "/raft-steady/1/",
        "/%",
        "/%zz",
        "//etc/passwd",
        "/raft-steady/1/report.html/x",
    ] {
        assert_eq!(served.code(path), 404, "{path}");
    }
    // Writing, a page from elsewhere that has taken this machine's address, and what is no HTTP at all.
    assert!(served.ask("DELETE / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nConnection: close\r\n\r\n").contains(" 405 "));
    assert!(served.ask("GET / HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n").contains(" 403 "));
    assert!(served.ask("GET / HTTP/1.0\r\n\r\n").contains(" 403 "));
    assert!(!served.ask("no such thing\r\n\r\n").contains(" 200 "));
    assert_eq!(served.code("/"), 200, "and it goes on");
    assert_eq!(tree(&runs), before, "nothing is written");
}

#[test]
fn an_export_is_files_alone() {
    let scratch = Scratch::new();
    let runs = shelf(&scratch);
    let (dir, site) = (runs.to_str().expect("UTF-8"), scratch.path().join("site"));
    let before = tree(&runs);
    let ran = splitbrain(&["serve", dir, "--export", site.to_str().expect("UTF-8")]);
    assert!(ran.status.success(), "{}", ran.stderr);
    assert_eq!(tree(&runs), before);
    let report = "raft-steady/1/report.html";
    assert_eq!(fs::read(site.join(report)).expect("a report"), fs::read(runs.join(report)).expect("a report"));
    let index = fs::read_to_string(site.join("index.html")).expect("a page");
    assert!(index.contains(report) && !index.contains("<img"), "{index}");
    // Nothing is written where the runs are.
    let inside = runs.join("site");
    let ran = splitbrain(&["serve", dir, "--export", inside.to_str().expect("UTF-8")]);
    assert_eq!(ran.status.code(), Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("within the folder of the runs") && !inside.exists(), "{}", ran.stderr);
    // What an earlier export has made is made anew; what a person has stays as it is.
    let again = splitbrain(&["serve", dir, "--export", site.to_str().expect("UTF-8")]);
    assert!(again.status.success(), "{}", again.stderr);
    fs::write(site.join("index.html"), "<title>my own page</title>").expect("a page");
    let ran = splitbrain(&["serve", dir, "--export", site.to_str().expect("UTF-8")]);
    assert_eq!(ran.status.code(), Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("no earlier export"), "{}", ran.stderr);
    assert_eq!(fs::read_to_string(site.join("index.html")).expect("a page"), "<title>my own page</title>");
    for (dir, why) in [("no/such/folder", "no such file or folder"), ("Cargo.toml", "it is a file")] {
        let ran = splitbrain(&["serve", dir]);
        assert_eq!(ran.status.code(), Some(2));
        assert!(ran.stderr.contains(why), "{}", ran.stderr);
    }
}

#[test]
fn runs_are_found_and_set_side_by_side_in_a_browser() {
    let scratch = Scratch::new();
    let Some(mut browser) = Browser::start(&scratch.path().join("profile")) else { return };
    let runs = shelf(&scratch);
    let served = Served::start(&runs);
    browser.width(1280);
    let url = format!("http://127.0.0.1:{}/", served.port);
    browser.open(&url);
    assert_eq!(browser.text("document.querySelector('.finder output').textContent"), "3 of 3");
    browser.value("(() => { const s = document.querySelector('.finder input'); s.value = 'unreadable'; s.dispatchEvent(new Event('input')); })()");
    assert_eq!(browser.text("document.querySelector('.finder output').textContent"), "1 of 3");
    browser.value("document.querySelectorAll('#list tbody input').forEach(box => box.click())");
    let beside = browser.text("document.getElementById('figures').innerText");
    assert!(beside.contains("availability") && beside.contains("digest"), "{beside}");
    let ordered = "[...document.querySelectorAll('#list tbody tr')].map(row => row.cells[4].textContent).join()";
    browser.value("document.querySelectorAll('#list th button')[3].click()");
    let up = browser.text(ordered);
    browser.value("document.querySelectorAll('#list th button')[3].click()");
    assert!(up.starts_with("1,2") && browser.text(ordered).starts_with("2,1"), "{up}");
    // What a report does, it does from here, too.
    browser.open(&format!("{url}raft-steady/1/report.html"));
    assert!(browser.number("document.querySelectorAll('#lanes .lane').length") > 2.0);
    assert!(browser.errors().is_empty(), "{:?}", browser.errors());
    assert!(browser.asked_for(&url).is_empty(), "{:?}", browser.asked_for(&url));
}
