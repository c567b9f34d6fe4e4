//! Reads one value: EDN as Clojure programs print it, or JSON.
//!
//! Histories hold more of Clojure than data formats do: records with a tag in front, big numbers, regular expressions
//! and objects within errors. All of that becomes a [`Datum`]; what is of no interest to a history becomes a text.

use super::Datum;

/// Values within values, at most.
const DEEPEST: usize = 128;

/// Which of the two notations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notation {
    Edn,
    Json,
}

/// What can not be read, and where, as bytes of the text.
pub(super) struct Bad {
    pub at: usize,
    pub what: String,
}

/// A text, and how far it has been read.
pub(super) struct Reader<'t> {
    text: &'t str,
    pub at: usize,
    notation: Notation,
}

const fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b',' | 0x0b)
}

const fn ends_an_atom(byte: u8) -> bool {
    is_blank(byte) || matches!(byte, b'"' | b';' | b'(' | b')' | b'[' | b']' | b'{' | b'}')
}

impl<'t> Reader<'t> {
    pub const fn new(text: &'t str, at: usize, notation: Notation) -> Self {
        Self { text, at, notation }
    }

    /// The next byte; `None` at the end.
    pub fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn bad<T>(&self, at: usize, what: impl Into<String>) -> Result<T, Bad> {
        Err(Bad { at, what: what.into() })
    }

    /// Goes to where the next value begins: behind blanks, comments, and values that are commented out.
    pub fn skip(&mut self) -> Result<(), Bad> {
        loop {
            let rest = &self.text[self.at..];
            let blanks = rest.bytes().take_while(|byte| is_blank(*byte)).count();
            self.at += blanks;
            let rest = &rest[blanks..];
            // A line that begins with `# ` is no EDN, but people write it above what they have recorded.
            if rest.starts_with([';']) || rest.starts_with("# ") || rest.starts_with("#!") || rest.starts_with("//") {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else if rest.starts_with("#_") {
                self.at += 2;
                self.skip()?;
                self.value(0)?;
            } else {
                return Ok(());
            }
        }
    }

    /// Reads a value, which begins here.
    pub fn value(&mut self, depth: usize) -> Result<Datum, Bad> {
        let start = self.at;
        if depth > DEEPEST {
            return self.bad(start, format!("there are more than {DEEPEST} values within each other"));
        }
        match self.peek() {
            None => self.bad(start, "a value is missing"),
            Some(b'"') => self.string().map(Datum::text),
            Some(b'[') => Ok(Datum::List(self.until(b']', depth)?)),
            Some(b'(') => Ok(Datum::List(self.until(b')', depth)?)),
            Some(b'{') => self.map(depth),
            Some(b'#') => self.tagged(depth),
            Some(b'^') => {
                self.at += 1;
                self.inner(depth)?;
                self.inner(depth)
            }
            Some(b'\'' | b'`' | b'~' | b'@') => {
                self.at += 1;
                self.inner(depth)
            }
            Some(b'\\') => Ok(self.character()),
            Some(b']' | b')' | b'}') => self.bad(start, "this closes what was never opened"),
            Some(_) => Ok(self.atom()),
        }
    }

    fn inner(&mut self, depth: usize) -> Result<Datum, Bad> {
        self.skip()?;
        self.value(depth + 1)
    }

    fn until(&mut self, close: u8, depth: usize) -> Result<Vec<Datum>, Bad> {
        let start = self.at;
        self.at += 1;
        let mut list = Vec::new();
        loop {
            self.skip()?;
            match self.peek() {
                None => return self.bad(start, "what begins here is never closed"),
                Some(byte) if byte == close => {
                    self.at += 1;
                    return Ok(list);
                }
                Some(_) => list.push(self.value(depth + 1)?),
            }
            if self.notation == Notation::Json && close == b'}' {
                self.skip()?;
                self.at += usize::from(self.peek() == Some(b':'));
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Datum, Bad> {
        let start = self.at;
        let mut entries = Vec::new();
        let mut all = self.until(b'}', depth)?.into_iter();
        while let Some(key) = all.next() {
            let Some(value) = all.next() else { return self.bad(start, format!("{key} has no value in this map")) };
            entries.push((key, value));
        }
        Ok(Datum::Map(entries))
    }

    fn tagged(&mut self, depth: usize) -> Result<Datum, Bad> {
        self.at += 1;
        match self.peek() {
            Some(b'{') => {
                let mut members = self.until(b'}', depth)?;
                members.sort();
                Ok(Datum::Set(members))
            }
            // A regular expression.
            Some(b'"') => self.string().map(Datum::text),
            // An infinity, or what is no number.
            Some(b'#') => {
                self.at += 1;
                Ok(self.atom())
            }
            _ => {
                // What the tag says of the value makes no difference here.
                self.atom();
                self.inner(depth)
            }
        }
    }

    fn string(&mut self) -> Result<String, Bad> {
        let start = self.at;
        let mut out = String::new();
        let mut chars = self.text[start + 1..].char_indices();
        while let Some((i, c)) = chars.next() {
            match c {
                '"' => {
                    self.at = start + 1 + i + 1;
                    return Ok(out);
                }
                '\\' => match chars.next().map(|(_, c)| c) {
                    Some('n') => out.push('\n'),
                    Some('t') => out.push('\t'),
                    Some('r') => out.push('\r'),
                    Some('b') => out.push('\u{8}'),
                    Some('f') => out.push('\u{c}'),
                    Some('u') => {
                        let digits: String = chars.by_ref().take(4).map(|(_, c)| c).collect();
                        let code = u32::from_str_radix(&digits, 16).ok();
                        // Half of a pair stands for no letter: any mark will do to tell texts apart.
                        out.push(code.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER));
                    }
                    Some(other) => out.push(other),
                    None => break,
                },
                c => out.push(c),
            }
        }
        self.bad(start, "the text that begins here is never closed")
    }

    fn character(&mut self) -> Datum {
        self.at += 1;
        let rest = &self.text[self.at..];
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let more = rest[first..].bytes().take_while(|byte| !ends_an_atom(*byte)).count();
        self.at += first + more;
        Datum::text(&rest[..first + more])
    }

    fn atom(&mut self) -> Datum {
        let rest = &self.text[self.at..];
        let ends = |byte: u8| ends_an_atom(byte) || (self.notation == Notation::Json && byte == b':');
        let length = rest.bytes().take_while(|byte| !ends(*byte)).count();
        // A byte that ends atoms and begins nothing is one by itself.
        let length = if length == 0 { rest.chars().next().map_or(0, char::len_utf8) } else { length };
        self.at += length;
        let atom = &rest[..length];
        match atom {
            "nil" => Datum::Nil,
            "null" if self.notation == Notation::Json => Datum::Nil,
            "true" => Datum::Bool(true),
            "false" => Datum::Bool(false),
            _ => match atom.strip_prefix(':') {
                Some(word) if self.notation == Notation::Edn => Datum::Word(word.into()),
                _ => Datum::text(number(atom).unwrap_or(atom)),
            },
        }
    }
}

/// A number without what says only how it is kept: `+1`, `1N`, `1.5M`.
fn number(atom: &str) -> Option<&str> {
    let plain = atom.strip_prefix('+').unwrap_or(atom);
    let digits = plain.strip_suffix(['N', 'M']).unwrap_or(plain);
    let body = digits.strip_prefix('-').unwrap_or(digits);
    let is_number = body.starts_with(|c: char| c.is_ascii_digit())
        && body.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-' | b'/'));
    is_number.then_some(digits)
}

/// The one value of a text, in EDN.
pub(super) fn one(text: &str) -> Result<Datum, Bad> {
    let mut reader = Reader::new(text, 0, Notation::Edn);
    reader.skip()?;
    let value = reader.value(0)?;
    reader.skip()?;
    if reader.at < text.len() {
        return Err(Bad { at: reader.at, what: "something follows the value".to_owned() });
    }
    Ok(value)
}
