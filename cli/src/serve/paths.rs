//! From what a browser asks for to a file below a folder, or to nothing.

use std::fs;
use std::path::{Path, PathBuf};

/// What is served: what runs, sweeps and comparisons leave, by the ends of names.
const KINDS: [(&str, &str); 9] = [
    ("html", "text/html; charset=utf-8"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("json", "application/json"),
    ("jsonl", "text/plain; charset=utf-8"),
    ("md", "text/plain; charset=utf-8"),
    ("toml", "text/plain; charset=utf-8"),
    ("txt", "text/plain; charset=utf-8"),
    ("css", "text/css"),
];

/// A file that may be served.
pub struct Found {
    /// Where it really is.
    pub path: PathBuf,
    /// What it is.
    pub kind: &'static str,
}

/// The file below `root` that a path of a URL names; `root` is canonical. Nothing for what does not exist, is no file of a
/// kind that runs leave, is hidden, or lies elsewhere, also by way of a link.
pub fn find(root: &Path, url: &str) -> Option<Found> {
    let mut path = root.to_owned();
    for part in url.strip_prefix('/')?.split('/') {
        let part = decoded(part)?;
        let plain = !part.is_empty() && !part.starts_with('.') && !part.contains(['/', '\\', ':', '\0']);
        if !plain {
            return None;
        }
        path.push(part);
    }
    let real = fs::canonicalize(path).ok()?;
    let ending = real.extension()?.to_str()?.to_owned();
    let (_, kind) = KINDS.into_iter().find(|(known, _)| *known == ending)?;
    (real.starts_with(root) && real.is_file()).then_some(Found { path: real, kind })
}

/// A part of a URL without its percent signs; nothing if they are not followed by two digits, or it is not UTF-8.
fn decoded(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |b: u8| char::from(b).to_digit(16);
        let value = digit(rest.next()?)? * 16 + digit(rest.next()?)?;
        bytes.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_below_is_found() {
        let dir = std::env::temp_dir().join(format!("splitbrain-paths-{}", std::process::id()));
        let root = dir.join("runs");
        fs::create_dir_all(root.join("a b")).expect("a folder");
        let root = fs::canonicalize(&root).expect("it is there");
        for (name, text) in
            [("runs/a b/report.html", "x"), ("secret.html", "s"), ("runs/.hidden.html", "h"), ("runs/k", "")]
        {
            fs::write(dir.join(name), text).expect("it is written");
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(dir.join("secret.html"), root.join("link.html")).expect("a link");
            std::os::unix::fs::symlink(root.join("a b"), root.join("latest")).expect("a link");
        }
        let found = |url: &str| find(&root, url).is_some();
        assert!(found("/a%20b/report.html"));
        #[cfg(unix)]
        assert!(found("/latest/report.html"), "a link that stays below is as good as a folder");
        for url in [
            "/../secret.html",
            "/%2e%2e/secret.html",
            "/..%2fsecret.html",
            "/a%20b/../../secret.html",
            "//etc/passwd",
            "/link.html",
            "/.hidden.html",
            "/k",
            "/a%20b",
            "/a%20b/",
            "/a%2",
            "/a%zz",
            "/%ff.html",
            "/%00.html",
            "",
            "a%20b/report.html",
        ] {
            assert!(!found(url), "{url}");
        }
        fs::remove_dir_all(dir).expect("it is there");
    }
}
