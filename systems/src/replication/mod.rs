//! What every consensus protocol here shares: a state machine behind exactly-once client sessions.

mod replicated;
mod sessions;

pub use replicated::{Image, Replicated};
pub use sessions::{Sessions, Stamp, Standing};
