//! HTTP, one request a connection.

use super::{Deadline, connect};
use std::io::{self, Read, Write};
use std::time::Duration;

/// The longest answer that is read.
const LONGEST: usize = 1 << 20;

/// Posts `body` (or gets, where there is none) and gives the status and the body of the answer.
///
/// # Errors
/// Nobody answers in time, or not as HTTP.
pub fn ask(address: &str, path: &str, body: Option<&str>, timeout: Duration) -> io::Result<(u16, String)> {
    let deadline = Deadline::after(timeout);
    let mut stream = connect(address, deadline)?;
    let method = if body.is_some() { "POST" } else { "GET" };
    let body = body.unwrap_or("");
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    loop {
        stream.set_read_timeout(Some(deadline.left()?))?;
        match stream.read(&mut part)? {
            0 => break,
            read => answer.extend_from_slice(&part[..read]),
        }
        if answer.len() > LONGEST {
            return Err(io::Error::other("an answer without end"));
        }
    }
    parse(&String::from_utf8_lossy(&answer)).ok_or_else(|| io::Error::other("no answer in HTTP"))
}

fn parse(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    Some((status, if chunked { chunks(body)? } else { body.to_owned() }))
}

fn chunks(mut body: &str) -> Option<String> {
    let mut whole = String::new();
    loop {
        let (size, rest) = body.split_once("\r\n")?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        if size == 0 {
            return Some(whole);
        }
        whole.push_str(rest.get(..size)?);
        body = rest.get(size..)?.strip_prefix("\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let plain = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(parse(plain), Some((200, "{}".to_owned())));
        let chunked = "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        assert_eq!(parse(chunked), Some((503, "abcde".to_owned())));
        for bad in ["", "HTTP/1.1 200 OK\r\n", "SSH-2.0\r\n\r\n", "HTTP/1.1 x\r\n\r\n"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
        assert_eq!(parse(&chunked.replace("3\r\nabc", "ff\r\nabc")), None);
    }
}
