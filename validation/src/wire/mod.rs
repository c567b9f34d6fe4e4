//! What clients of real systems say, by hand: as much of each protocol as a probe needs.

pub mod http;
pub mod jute;
pub mod resp;

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// When something must be over.
#[derive(Clone, Copy)]
pub struct Deadline(Instant);

impl Deadline {
    /// So long from now.
    pub fn after(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    /// What is left.
    ///
    /// # Errors
    /// Nothing is.
    pub fn left(self) -> io::Result<Duration> {
        let left = self.0.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

/// Connects in time; reads and writes are late from then on, too.
///
/// # Errors
/// Nobody is there, or nobody answers.
pub fn connect(address: &str, deadline: Deadline) -> io::Result<TcpStream> {
    let address: SocketAddr = address.parse().map_err(io::Error::other)?;
    let stream = TcpStream::connect_timeout(&address, deadline.left()?)?;
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(deadline.left()?))?;
    stream.set_read_timeout(Some(deadline.left()?))?;
    Ok(stream)
}
