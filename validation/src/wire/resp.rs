//! RESP, as Redis and its Sentinels speak it.

use super::{Deadline, connect};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A word or some bytes.
    Text(String),
    /// What went wrong.
    Error(String),
    /// A number.
    Number(i64),
    /// Nothing.
    Nil,
    /// Several.
    List(Vec<Answer>),
}

impl Answer {
    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

/// The longest answer that is read, and how deep lists may lie in each other.
const LONGEST: usize = 1 << 20;
const DEEPEST: usize = 8;

/// A connection that comes back when it is gone.
pub struct Client {
    address: String,
    stream: Option<TcpStream>,
    /// What has come and is not read yet.
    buffer: Vec<u8>,
}

impl Client {
    /// To this address; nothing is opened yet.
    pub fn new(address: &str) -> Self {
        Self { address: address.to_owned(), stream: None, buffer: Vec::new() }
    }

    /// Asks one thing.
    ///
    /// # Errors
    /// Nobody answers in time, or not in RESP. The connection is given up then.
    pub fn ask(&mut self, words: &[&str], timeout: Duration) -> io::Result<Answer> {
        let answer = self.try_ask(words, Deadline::after(timeout));
        if answer.is_err() {
            self.stream = None;
            self.buffer.clear();
        }
        answer
    }

    fn try_ask(&mut self, words: &[&str], deadline: Deadline) -> io::Result<Answer> {
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(&self.address, deadline)?,
        };
        stream.write_all(request.as_bytes())?;
        let mut part = [0; 4096];
        loop {
            if let Some((answer, used)) = parse(&self.buffer, DEEPEST)? {
                self.buffer.drain(..used);
                self.stream = Some(stream);
                return Ok(answer);
            }
            stream.set_read_timeout(Some(deadline.left()?))?;
            match stream.read(&mut part)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => self.buffer.extend_from_slice(&part[..read]),
            }
            if self.buffer.len() > LONGEST {
                return Err(io::Error::other("an answer without end"));
            }
        }
    }

    /// Whether the answer is `OK`.
    pub fn ok(&mut self, words: &[&str], timeout: Duration) -> bool {
        self.ask(words, timeout).is_ok_and(|answer| answer == Answer::Text("OK".to_owned()))
    }
}

/// An answer and how many bytes it takes; `None` where there is more to come.
fn parse(bytes: &[u8], deep: usize) -> io::Result<Option<(Answer, usize)>> {
    let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") else { return Ok(None) };
    let line = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let (kind, rest) = line.split_at_checked(1).ok_or_else(|| io::Error::other("an empty line is no answer"))?;
    let number = || rest.parse::<i64>().map_err(|_| io::Error::other(format!("{line:?} is no answer")));
    let after = end + 2;
    Ok(Some(match kind {
        "+" => (Answer::Text(rest.to_owned()), after),
        "-" => (Answer::Error(rest.to_owned()), after),
        ":" => (Answer::Number(number()?), after),
        "$" | "*" if number()? < 0 => (Answer::Nil, after),
        "$" => {
            let size = usize::try_from(number()?).unwrap_or(usize::MAX).min(LONGEST);
            let Some(text) = bytes.get(after..after + size + 2) else { return Ok(None) };
            (Answer::Text(String::from_utf8_lossy(&text[..size]).into_owned()), after + size + 2)
        }
        "*" if deep > 0 => {
            let (mut list, mut at) = (Vec::new(), after);
            for _ in 0..number()? {
                let Some((answer, used)) = parse(&bytes[at..], deep - 1)? else { return Ok(None) };
                list.push(answer);
                at += used;
            }
            (Answer::List(list), at)
        }
        _ => return Err(io::Error::other(format!("{line:?} is no answer"))),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_whole_or_not_at_all() {
        let bytes = b"*4\r\n+OK\r\n:-3\r\n$5\r\na\r\nbc\r\n*1\r\n$-1\r\nrest";
        let list = vec![
            Answer::Text("OK".to_owned()),
            Answer::Number(-3),
            Answer::Text("a\r\nbc".to_owned()),
            Answer::List(vec![Answer::Nil]),
        ];
        assert_eq!(parse(bytes, DEEPEST).expect("it is RESP"), Some((Answer::List(list), bytes.len() - 4)));
        for short in 0..bytes.len() - 4 {
            assert_eq!(parse(&bytes[..short], DEEPEST).expect("so far it is"), None, "{short}");
        }
        let error = parse(b"-MOVED 1 a:1\r\n", DEEPEST).expect("it is RESP");
        assert_eq!(error, Some((Answer::Error("MOVED 1 a:1".to_owned()), 14)));
    }

    #[test]
    fn what_is_no_resp_is_refused() {
        for bad in ["HTTP/1.1 400\r\n", "\r\n", ":x\r\n", "$x\r\n"] {
            assert!(parse(bad.as_bytes(), DEEPEST).is_err(), "{bad:?}");
        }
        assert!(parse("*1\r\n".repeat(100).as_bytes(), DEEPEST).is_err());
    }
}
