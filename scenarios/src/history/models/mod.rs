//! The sequential objects that a recorded history can be judged against.

mod bag;
mod counter;
mod elements;
mod lock;
mod multi_register;
mod queue;
mod set;
mod store;

pub use bag::Bag;
pub use counter::Counter;
pub use lock::{Lock, Mutex};
pub use multi_register::MultiRegister;
pub use queue::Queue;
pub use set::Members;
pub use store::{Kv, Register};

use super::{Answer, Datum, Event, Operation, Piece, Reading};
use core::fmt;
use sim_core::linearize::Spec;
use std::sync::Arc;

/// What is wrong, and what would be right.
pub type Wrong = (String, &'static str);

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
    fn request(event: &Event, how: &Reading) -> Result<Self::Request, String>;

    /// What the `:ok` of an operation says. It may complete what was asked: which element came out, say.
    ///
    /// # Errors
    /// What is wrong with it.
    fn answer(request: &mut Self::Request, event: &Event, how: &Reading) -> Result<Answer<Self::Response>, String>;

    /// What an operation that failed has seen all the same, if that is how a history is read.
    fn refused(request: &Self::Request, event: &Event, how: &Reading) -> Option<Self::Response> {
        let _ = (request, event, how);
        None
    }

    /// The operations that one operation was besides itself, as its end tells: what a drain took out.
    fn pieces(request: &Self::Request, event: &Event) -> Vec<Piece<Self>>
    where
        Self: Sized,
    {
        let _ = (request, event);
        Vec::new()
    }

    /// A few operations of one object that already contradict each other, if the model knows a way to find them that is
    /// better than leaving out others: as indices, the last straw at the end.
    fn narrow(operations: &[&Operation<Self>]) -> Option<Vec<usize>>
    where
        Self: Sized,
    {
        let _ = operations;
        None
    }

    /// Whether objects may begin like this.
    ///
    /// # Errors
    /// What is wrong with it, and what would be right.
    fn initial(value: &Datum) -> Result<(), Wrong> {
        let what = format!("a {} begins empty, not with {value}", Self::NAME.name());
        Err((what, "--initial is for register, multi-register, kv and counter"))
    }
}

/// The models by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelName {
    /// Read, write, compare-and-set; initially nil.
    Register,
    /// Transactions that read and write registers.
    MultiRegister,
    /// Get, put, append, compare-and-set on keys that are initially empty.
    Kv,
    /// Add, remove, read; initially empty.
    Set,
    /// Add, read; initially 0.
    Counter,
    /// First in, first out; initially empty.
    Queue,
    /// What is in comes out once, in any order; initially empty.
    UnorderedQueue,
    /// Held by at most one process, which alone gives it back; initially free.
    Lock,
    /// Held at most once, given back by anybody; initially free.
    Mutex,
}

impl ModelName {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Register,
        Self::MultiRegister,
        Self::Kv,
        Self::Set,
        Self::Counter,
        Self::Queue,
        Self::UnorderedQueue,
        Self::Lock,
        Self::Mutex,
    ];

    /// The name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::MultiRegister => "multi-register",
            Self::Kv => "kv",
            Self::Set => "set",
            Self::Counter => "counter",
            Self::Queue => "queue",
            Self::UnorderedQueue => "unordered-queue",
            Self::Lock => "lock",
            Self::Mutex => "mutex",
        }
    }
}

/// The object of a history that names none, or the one it names, and what it holds at the beginning.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Object {
    name: Option<Arc<str>>,
    initial: Option<Arc<Datum>>,
}

impl Object {
    fn of(event: &Event, how: &Reading) -> Self {
        Self { name: event.key.clone(), initial: how.initial.clone().map(Arc::new) }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(key) => write!(f, "key {key}"),
            None => f.write_str("the object"),
        }
    }
}

fn unknown<T>(f: &str) -> Result<T, String> {
    Err(format!("{f:?} is nothing that this model knows"))
}
