//! ZooKeeper's protocol: sessions, a few questions, and its words of four letters.

use super::{Deadline, connect};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub enum Ask<'a> {
    /// Makes a node; one that goes with its session, or one that stays.
    Create(&'a str, bool),
    /// Writes to a node, whatever its version.
    Set(&'a str),
    /// Whether there is a node.
    Exists(&'a str),
    /// Still here.
    Ping,
    /// The session ends.
    Close,
}

/// There is such a node already.
pub const NODE_EXISTS: i32 = -110;
/// There is none.
pub const NO_NODE: i32 = -101;
/// The longest answer that is read.
const LONGEST: usize = 1 << 20;

/// A session with one server; it does not move to another.
pub struct Session {
    stream: TcpStream,
    asked: i32,
}

impl Session {
    /// Opens one.
    ///
    /// # Errors
    /// Nobody is there, or nobody who serves.
    pub fn open(address: &str, session: Duration, timeout: Duration) -> io::Result<Self> {
        let deadline = Deadline::after(timeout);
        let mut stream = connect(address, deadline)?;
        let mut body = Vec::new();
        // The protocol's version, the newest transaction seen, the time-out, no session yet and no password.
        body.extend(0_i32.to_be_bytes());
        body.extend(0_i64.to_be_bytes());
        body.extend((session.as_millis() as i32).to_be_bytes());
        body.extend(0_i64.to_be_bytes());
        put(&mut body, &[0; 16]);
        body.push(0);
        send(&mut stream, &body)?;
        let answer = receive(&mut stream, deadline)?;
        match answer.get(4..8).map(|bytes| i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])) {
            Some(granted) if granted > 0 => Ok(Self { stream, asked: 0 }),
            _ => Err(io::Error::other("no session was granted")),
        }
    }

    /// Asks one thing; 0, or the number of what went wrong.
    ///
    /// # Errors
    /// Nobody answers in time.
    pub fn ask(&mut self, what: Ask<'_>, timeout: Duration) -> io::Result<i32> {
        let deadline = Deadline::after(timeout);
        self.stream.set_write_timeout(Some(deadline.left()?))?;
        self.asked += 1;
        let (kind, xid) = match what {
            Ask::Create(..) => (1, self.asked),
            Ask::Exists(_) => (3, self.asked),
            Ask::Set(_) => (5, self.asked),
            Ask::Ping => (11, -2),
            Ask::Close => (-11, self.asked),
        };
        send(&mut self.stream, &request(xid, kind, what))?;
        loop {
            let answer = receive(&mut self.stream, deadline)?;
            let Some(head) = answer.get(..16) else { return Err(io::Error::other("an answer without a head")) };
            let int = |at: usize| i32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
            if int(0) == xid {
                return Ok(int(12));
            }
        }
    }
}

fn request(xid: i32, kind: i32, what: Ask<'_>) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(xid.to_be_bytes());
    body.extend(kind.to_be_bytes());
    match what {
        Ask::Create(path, goes) => {
            put(&mut body, path.as_bytes());
            put(&mut body, b"1");
            // Everybody may do everything.
            body.extend(1_i32.to_be_bytes());
            body.extend(31_i32.to_be_bytes());
            put(&mut body, b"world");
            put(&mut body, b"anyone");
            body.extend(i32::from(goes).to_be_bytes());
        }
        Ask::Set(path) => {
            put(&mut body, path.as_bytes());
            put(&mut body, b"2");
            body.extend((-1_i32).to_be_bytes());
        }
        Ask::Exists(path) => {
            put(&mut body, path.as_bytes());
            body.push(0);
        }
        Ask::Ping | Ask::Close => {}
    }
    body
}

fn put(body: &mut Vec<u8>, bytes: &[u8]) {
    body.extend((bytes.len() as i32).to_be_bytes());
    body.extend(bytes);
}

fn send(stream: &mut TcpStream, body: &[u8]) -> io::Result<()> {
    let mut whole = Vec::new();
    put(&mut whole, body);
    stream.write_all(&whole)
}

fn receive(stream: &mut TcpStream, deadline: Deadline) -> io::Result<Vec<u8>> {
    let mut head = [0; 4];
    fill(stream, &mut head, deadline)?;
    let length = usize::try_from(i32::from_be_bytes(head)).unwrap_or(usize::MAX);
    if length > LONGEST {
        return Err(io::Error::other("an answer without end"));
    }
    let mut body = vec![0; length];
    fill(stream, &mut body, deadline)?;
    Ok(body)
}

fn fill(stream: &mut TcpStream, to: &mut [u8], deadline: Deadline) -> io::Result<()> {
    let mut filled = 0;
    while filled < to.len() {
        stream.set_read_timeout(Some(deadline.left()?))?;
        match stream.read(&mut to[filled..])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => filled += read,
        }
    }
    Ok(())
}

/// Asks a server a word of four letters, such as `srvr`.
///
/// # Errors
/// Nobody answers in time.
pub fn word(address: &str, word: &str, timeout: Duration) -> io::Result<String> {
    let mut stream = connect(address, Deadline::after(timeout))?;
    stream.write_all(word.as_bytes())?;
    let mut said = String::new();
    stream.take(LONGEST as u64).read_to_string(&mut said)?;
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_as_jute_has_them() {
        let create = request(1, 1, Ask::Create("/a", true));
        let wanted =
            b"\0\0\0\x01\0\0\0\x01\0\0\0\x02/a\0\0\0\x011\0\0\0\x01\0\0\0\x1f\0\0\0\x05world\0\0\0\x06anyone\0\0\0\x01";
        assert_eq!(create, wanted);
        assert_eq!(request(-2, 11, Ask::Ping), b"\xff\xff\xff\xfe\0\0\0\x0b");
    }
}
