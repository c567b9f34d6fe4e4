//! Reads text files, with a message for every way that can go wrong.

use crate::{library, limits};
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// The text of a file, or what is wrong and what would help.
pub fn text(path: &Path) -> Result<String, (String, String)> {
    let cannot = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => ("there is no such file".to_owned(), nearby(path)),
        ErrorKind::PermissionDenied => ("the file may not be read".to_owned(), "check its permissions".to_owned()),
        _ => (format!("the file can not be read: {error}"), String::new()),
    };
    let data = match fs::metadata(path) {
        Ok(data) => data,
        // What is not on the disk may be in the library.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return library::text(path).map(str::to_owned).ok_or_else(|| cannot(error));
        }
        Err(error) => return Err(cannot(error)),
    };
    if data.is_dir() {
        return Err(("this is a folder, not a file".to_owned(), "name a .toml or .json file".to_owned()));
    }
    let mut bytes = Vec::new();
    // One byte more than allowed, so that a pipe or a growing file is noticed too.
    fs::File::open(path).map_err(cannot)?.take(limits::FILE + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > limits::FILE {
        return Err(("the file is larger than 16 MiB".to_owned(), "is this the right file?".to_owned()));
    }
    decoded(bytes)
}

/// The text that comes through a pipe, or what is wrong with it.
pub fn standard_input() -> Result<String, (String, String)> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(limits::FILE + 1).read_to_end(&mut bytes);
    match read {
        Err(error) => Err((format!("it can not be read: {error}"), String::new())),
        Ok(_) if bytes.len() as u64 > limits::FILE => Err(("it is larger than 16 MiB".to_owned(), String::new())),
        Ok(_) => decoded(bytes),
    }
}

fn decoded(bytes: Vec<u8>) -> Result<String, (String, String)> {
    // What Windows programs put before UTF-8 says nothing.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").map(<[u8]>::to_vec).unwrap_or(bytes);
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..good].iter().filter(|b| **b == b'\n').count() + 1;
        let what = format!("line {line} is not UTF-8 text");
        (what, "save the file as UTF-8; UTF-16 and Latin-1 are not read".to_owned())
    })
}

/// The file in the same folder that was probably meant.
fn nearby(path: &Path) -> String {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let Some(wanted) = path.file_name().and_then(|n| n.to_str()) else { return String::new() };
    let Ok(entries) = fs::read_dir(folder) else {
        let named = path.to_str().and_then(library::nearest);
        if let Some(name) = named {
            return format!("did you mean `{name}` of the library?");
        }
        return format!("there is no folder `{}` either", folder.display());
    };
    let mut names: Vec<String> = entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect();
    names.sort();
    match crate::suggest::nearest(wanted, names.iter().map(String::as_str)) {
        Some(name) => format!("did you mean `{}`?", folder.join(name).display()),
        None => String::new(),
    }
}
