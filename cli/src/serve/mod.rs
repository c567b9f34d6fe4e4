//! `splitbrain serve`: all runs and sweeps of a folder in a browser, on this machine alone, or as files to publish.
//!
//! Nothing is written where the runs are, and nothing outside of their folder is read.

mod paths;

use crate::args::ServeArgs;
use crate::exit::Exit;
use crate::run::say;
use reports::shelf::{self, Entry};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use tiny_http::{Header, Method, Request, Response, Server, StatusCode};

/// Folders below each other in which runs are looked for: `DIR/name/sweep/failures/cell/seed/`, and one for good measure.
const DEPTH: usize = 6;
/// More entries than this are not listed.
const ENTRIES: usize = 5_000;

/// Runs the command.
pub fn serve(args: &ServeArgs) -> Exit {
    let root = match fs::canonicalize(&args.dir) {
        Ok(root) if root.is_dir() => root,
        Ok(_) => return refuse(&args.dir, "it is a file; name the folder that holds the runs"),
        Err(error) => return refuse(&args.dir, &reports::reason(&error)),
    };
    match &args.export {
        Some(target) => export(&args.dir, &root, target),
        None => listen(args, &root),
    }
}

fn refuse(path: &Path, why: &str) -> Exit {
    complain!("{}: {why}", path.display());
    Exit::Usage
}

/// What is on the shelf, in the order of the folders' names, and what was left out.
fn look(root: &Path) -> (Vec<Entry>, String) {
    let mut entries = Vec::new();
    walk(root, &mut Vec::new(), &mut entries);
    let left_out = if entries.len() > ENTRIES {
        format!("Only the first {ENTRIES} are listed: serve a folder below this one for the others.")
    } else {
        String::new()
    };
    entries.truncate(ENTRIES);
    (entries, left_out)
}

fn walk(dir: &Path, below: &mut Vec<String>, entries: &mut Vec<Entry>) {
    if entries.len() > ENTRIES {
        return;
    }
    entries.extend(Entry::read(dir, below));
    if below.len() == DEPTH {
        return;
    }
    let Ok(list) = fs::read_dir(dir) else { return };
    // A link is another name for what is listed already, or leads out of the folder.
    let folders = list.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let names = folders.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| !name.starts_with('.') && name != "charts").collect();
    names.sort_by(|a, b| reports::natural(a).cmp(&reports::natural(b)));
    for name in names {
        let next = dir.join(&name);
        below.push(name);
        walk(&next, below, entries);
        below.pop();
    }
}

fn page(shown: &Path, root: &Path) -> String {
    let (entries, left_out) = look(root);
    shelf::page(&shown.display().to_string(), &entries, &left_out)
}

fn listen(args: &ServeArgs, root: &Path) -> Exit {
    let server = match Server::http(("127.0.0.1", args.port)) {
        Ok(server) => server,
        Err(error) => {
            let why = error.downcast_ref::<io::Error>().map_or_else(|| error.to_string(), reports::reason);
            complain!("port {} can not be listened on: {why}; --port 0 takes a free one", args.port);
            return Exit::Environment;
        }
    };
    let port = server.server_addr().to_ip().map_or(args.port, |address| address.port());
    say(&format!("http://127.0.0.1:{port}/ shows {}; Ctrl-C ends it\n", args.dir.display()));
    for request in server.incoming_requests() {
        // Whoever asked has gone away: that is his business.
        let _ = answer(request, port, &args.dir, root);
    }
    Exit::Held
}

fn header(name: &str, value: &str) -> Header {
    Header::from_bytes(name.as_bytes(), value.as_bytes()).expect("a header of ours is one")
}

fn answer(request: Request, port: u16, shown: &Path, root: &Path) -> io::Result<()> {
    let say = |request: Request, code: u16, text: &str| {
        let response = Response::from_string(format!("{text}\n")).with_status_code(StatusCode(code));
        request.respond(response.with_header(header("X-Content-Type-Options", "nosniff")))
    };
    if !matches!(request.method(), Method::Get | Method::Head) {
        return say(request, 405, "Here is only something to read.");
    }
    // A page from elsewhere that has made its own name mean this machine must not read what is here.
    let host = request.headers().iter().find(|h| h.field.equiv("Host")).map(|h| h.value.as_str().to_owned());
    // A browser leaves the usual port out.
    let is_ours = |host: &str| {
        let (name, of) = host.rsplit_once(':').unwrap_or((host, "80"));
        matches!(name, "127.0.0.1" | "localhost") && of.parse() == Ok(port)
    };
    if !host.as_deref().is_some_and(is_ours) {
        return say(request, 403, "This server is for this machine alone.");
    }
    let asked = request.url().split(['?', '#']).next().unwrap_or_default().to_owned();
    if asked == "/" {
        let html =
            Response::from_string(page(shown, root)).with_header(header("Content-Type", "text/html; charset=utf-8"));
        return request.respond(safe(html));
    }
    let Some(found) = paths::find(root, &asked) else {
        return say(request, 404, "There is no such report.");
    };
    match File::open(&found.path) {
        Ok(file) => request.respond(safe(Response::from_file(file).with_header(header("Content-Type", found.kind)))),
        Err(error) => say(request, 404, &reports::reason(&error)),
    }
}

/// The same, with what keeps a browser from doing more than showing it.
fn safe<R: io::Read>(response: Response<R>) -> Response<R> {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src 'self' data:; \
                  base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    response
        .with_header(header("Content-Security-Policy", policy))
        .with_header(header("X-Content-Type-Options", "nosniff"))
        .with_header(header("Referrer-Policy", "no-referrer"))
        .with_header(header("Cache-Control", "no-store"))
}

/// Writes the page, and beside it the report of each entry, which is one file.
fn export(shown: &Path, root: &Path, target: &Path) -> Exit {
    let (entries, left_out) = look(root);
    let inside = absolute(target).is_some_and(|target| target.starts_with(root));
    if inside {
        return refuse(target, "it lies within the folder of the runs; nothing is written there");
    }
    if !free_for_export(target) {
        return refuse(
            target,
            "it holds what is no earlier export, and that stays; name a folder that is new or empty",
        );
    }
    let written = (|| {
        for entry in entries.iter().filter(|entry| !entry.link.is_empty()) {
            let name = match entry.kind {
                "run" => "report.html",
                "sweep" => "summary.html",
                _ if entry.link.ends_with("ranking.html") => "ranking.html",
                _ => "compare.html",
            };
            // Its own name may be anything, but not a way out of the folder.
            let from = root.join(&entry.path).join(name);
            let folder = target.join(&entry.path);
            let to = folder.join(name);
            let read = fs::read(&from).map_err(|error| (from, error))?;
            fs::create_dir_all(&folder).map_err(|error| (folder.clone(), error))?;
            put(&to, &read)?;
        }
        fs::create_dir_all(target).map_err(|error| (target.to_owned(), error))?;
        let index = target.join("index.html");
        let name = shown.file_name().unwrap_or(shown.as_os_str()).to_string_lossy();
        put(&index, shelf::page(&name, &entries, &left_out).as_bytes())?;
        Ok(index)
    })();
    match written {
        Ok(index) => {
            say(&format!("{} with {} entries\n", index.display(), entries.len()));
            Exit::Held
        }
        Err((path, error)) => {
            let (path, error): (PathBuf, io::Error) = (path, error);
            complain!("{}: {}", path.display(), reports::reason(&error));
            Exit::Environment
        }
    }
}

/// Whether a folder is new, empty, or what an earlier export has made: nothing else is written over.
fn free_for_export(target: &Path) -> bool {
    let empty = fs::read_dir(target).map_or(true, |mut entries| entries.next().is_none());
    empty || fs::read_to_string(target.join("index.html")).is_ok_and(|page| shelf::is_page(&page))
}

/// Writes a file whole or not at all.
fn put(path: &Path, bytes: &[u8]) -> Result<(), (PathBuf, io::Error)> {
    reports::write_whole(path, |file| file.write_all(bytes)).map_err(|error| (error.path, error.source))
}

/// Where a folder is or will be.
fn absolute(path: &Path) -> Option<PathBuf> {
    let mut missing = Vec::new();
    let mut known = std::path::absolute(path).ok()?;
    loop {
        if let Ok(real) = fs::canonicalize(&known) {
            return Some(missing.iter().rev().fold(real, |path, part| path.join(part)));
        }
        missing.push(known.file_name()?.to_owned());
        known = known.parent()?.to_owned();
    }
}
