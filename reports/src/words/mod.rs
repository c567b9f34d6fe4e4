//! The report in words, for pages and for the terminal.

pub(crate) mod losses;
pub(crate) mod measured;
pub(crate) mod setup;
pub(crate) mod sheet;
pub(crate) mod summary;
pub(crate) mod view;

pub use measured::harm_sentence;
pub use summary::summary;
