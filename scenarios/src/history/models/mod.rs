//! The sequential objects that a recorded history can be judged against.

mod lock;
mod queue;
mod store;

pub use lock::Lock;
pub use queue::Queue;
pub use store::{Kv, Register};

use super::{Answer, Event};
use core::fmt;
use sim_core::linearize::Spec;

/// A sequential object that knows how people write down what is asked of it.
pub trait Model: Spec<Request: fmt::Display + PartialEq + Clone, Response: fmt::Display + Clone> + 'static {
    /// Its name on the command line.
    const NAME: ModelName;
    /// Which functions it knows, for messages.
    const FORMS: &'static str;

    /// What an invocation asks.
    ///
    /// # Errors
    /// What is wrong with it.
    fn request(event: &Event) -> Result<Self::Request, String>;

    /// What the `:ok` or `:fail` of an operation says.
    ///
    /// # Errors
    /// What is wrong with it.
    fn answer(request: &Self::Request, event: &Event) -> Result<Answer<Self::Response>, String>;
}

/// The models by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelName {
    /// Read, write, compare-and-set; initially nil.
    Register,
    /// Get, put, append, compare-and-set on keys that are initially empty.
    Kv,
    /// First in, first out; initially empty.
    Queue,
    /// Held by at most one process; initially free.
    Lock,
}

impl ModelName {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Register, Self::Kv, Self::Queue, Self::Lock];

    /// The name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Kv => "kv",
            Self::Queue => "queue",
            Self::Lock => "lock",
        }
    }
}

/// The object of a history that names none, or the one it names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Object(pub(super) Option<std::sync::Arc<str>>);

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(key) => write!(f, "key {key}"),
            None => f.write_str("the object"),
        }
    }
}
