//! A state machine together with its sessions: the whole of what a replica's log builds up.

use super::{Sessions, Stamp, Standing};
use sim_core::hash::Hashed;
use sim_core::{ClientId, StateMachine, hash};

/// What a session answer costs in a snapshot beside the response itself, in bytes.
const SESSION_BYTES: u64 = 16;

/// The replicated state.
#[derive(Clone, Debug)]
pub struct Sessioned<M: StateMachine> {
    machine: M,
    sessions: Sessions<M::Response>,
    /// Commands executed since the beginning, so that executing one twice shows in the digest whatever it does.
    executed: u64,
    /// What was executed since somebody asked; `None` as long as nobody has asked about this state.
    told: Option<Vec<Decided<M>>>,
}

/// A command that was executed.
#[derive(Clone, Debug)]
pub struct Decided<M: StateMachine> {
    /// How many were executed since the beginning, this one included.
    pub number: u64,
    /// Whose operation it is.
    pub stamp: Stamp,
    /// The command.
    pub command: M::Command,
    /// What it came to.
    pub response: M::Response,
}

/// The whole replicated state at one point of the log, sessions included. It never changes, so its hash is worked out
/// once.
#[derive(Clone, Debug, Hash)]
pub struct Image<M: StateMachine>(Hashed<Whole<M>>);

#[derive(Clone, Debug, Hash)]
struct Whole<M: StateMachine> {
    machine: M::Snapshot,
    sessions: Sessions<M::Response>,
    executed: u64,
}

impl<M: StateMachine> Image<M> {
    /// Size on the wire and on disk, in bytes; never 0.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        M::snapshot_bytes(&self.0.machine) + self.0.sessions.remembered() as u64 * SESSION_BYTES + SESSION_BYTES
    }
}

impl<M: StateMachine> Default for Sessioned<M> {
    fn default() -> Self {
        Self { machine: M::start(), sessions: Sessions::default(), executed: 0, told: None }
    }
}

impl<M: StateMachine> Sessioned<M> {
    /// Applies a command from the log: executes it, unless its session says that this has happened. Returns the answer
    /// for the client (`None` if the client has long stopped asking) and whether it was executed now.
    ///
    /// `filter` is true in every correct protocol; without it retries are executed again.
    pub fn apply(&mut self, stamp: Stamp, command: &M::Command, filter: bool) -> (Option<M::Response>, bool) {
        if filter {
            match self.sessions.standing(stamp.client, stamp.op) {
                Standing::New => {}
                Standing::Done(response) => return (Some(response), false),
                Standing::Expired => return (None, false),
            }
        }
        let response = self.machine.apply(command);
        self.executed += 1;
        if let Some(told) = &mut self.told {
            let (command, response) = (command.clone(), response.clone());
            told.push(Decided { number: self.executed, stamp, command, response });
        }
        self.sessions.record(stamp, response.clone());
        (Some(response), true)
    }

    /// What was executed since this was asked last, in order; `None` if the whole state is another one than then.
    pub fn tell(&mut self) -> Option<Vec<Decided<M>>> {
        self.told.replace(Vec::new())
    }

    /// What is known about an operation.
    pub fn standing(&self, stamp: Stamp) -> Standing<M::Response> {
        self.sessions.standing(stamp.client, stamp.op)
    }

    /// Whether it is known that an operation was carried out.
    pub(crate) fn remembers(&self, client: ClientId, op: u64) -> bool {
        matches!(self.sessions.standing(client, op), Standing::Done(_))
    }

    /// The state machine.
    pub const fn machine(&self) -> &M {
        &self.machine
    }

    /// The whole state. `with_sessions` is true in every correct protocol.
    pub fn snapshot(&self, with_sessions: bool) -> Image<M> {
        let sessions = if with_sessions { self.sessions.clone() } else { Sessions::default() };
        Image(Hashed::new(Whole { machine: self.machine.snapshot(), sessions, executed: self.executed }))
    }

    /// The state that `image` holds.
    pub fn restore(image: &Image<M>) -> Self {
        let Whole { machine, sessions, executed } = &*image.0;
        Self { machine: M::restore(machine), sessions: sessions.clone(), executed: *executed, told: None }
    }

    /// Equal for equal states reached by the same number of executions.
    pub fn digest(&self) -> u64 {
        hash::of(&[self.machine.digest(), self.executed])
    }
}
