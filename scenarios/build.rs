//! Puts the library into the program, so that its files can be listed, shown and run anywhere.

use std::fmt::Write;
use std::path::{Path, PathBuf};

fn main() {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").expect("cargo says where")).join("library");
    let mut files = Vec::new();
    walk(&root, &mut files);
    let name = |file: &PathBuf| {
        let name = file.strip_prefix(&root).expect("below the library").to_str().expect("a name in UTF-8");
        name.replace('\\', "/")
    };
    files.sort_by_key(name);
    let mut table = String::from("&[\n");
    for file in &files {
        let _ = writeln!(table, "    ({:?}, include_str!({file:?})),", name(file));
    }
    table.push_str("]\n");
    let out = PathBuf::from(std::env::var("OUT_DIR").expect("cargo says where")).join("library.rs");
    std::fs::write(out, table).expect("cargo's own folder can be written");
}

fn walk(dir: &Path, files: &mut Vec<PathBuf>) {
    // A file that is added or goes changes its folder.
    println!("cargo:rerun-if-changed={}", dir.display());
    for entry in std::fs::read_dir(dir).expect("the library is there").flatten() {
        let path = entry.path();
        if path.is_dir() { walk(&path, files) } else { files.push(path) }
    }
}
