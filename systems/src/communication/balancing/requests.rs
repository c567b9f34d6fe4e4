//! A balancer's book: requests that are not answered, and which servers have them.

use super::message::{RequestNumber, TryNumber};
use sim_core::{LocalInstant, Ticket};

/// A request of a client.
#[derive(Clone, Debug)]
pub(super) struct Request {
    number: RequestNumber,
    pub ticket: Ticket,
    pub key: u64,
    /// Tries made, hedges too.
    pub tries: u32,
    pub came: LocalInstant,
    /// When nobody waits for it any more.
    pub expires: Option<LocalInstant>,
    /// Tries under way.
    under_way: [Option<TryNumber>; 2],
}

impl Request {
    /// Whether a server has it.
    pub const fn is_under_way(&self) -> bool {
        self.under_way[0].is_some() || self.under_way[1].is_some()
    }

    /// Its tries under way, without `but`.
    pub fn others(&self, but: Option<TryNumber>) -> impl Iterator<Item = TryNumber> + use<> {
        self.under_way.into_iter().filter(move |id| *id != but).flatten()
    }

    /// The only one under way, if it is one.
    pub const fn only_try(&self) -> Option<TryNumber> {
        match self.under_way {
            [id, None] | [None, id] => id,
            _ => None,
        }
    }

    /// A try has ended.
    pub fn forget(&mut self, id: TryNumber) {
        self.under_way.iter_mut().filter(|place| **place == Some(id)).for_each(|place| *place = None);
    }
}

/// A try of a request: some server has it.
#[derive(Clone, Debug)]
pub(super) struct Try {
    id: TryNumber,
    pub request: RequestNumber,
    pub server: u32,
    pub sent: LocalInstant,
}

/// Requests and tries, each found by its number: the place in the lower half, a count in the upper half that tells it
/// from whoever had the place before.
#[derive(Clone, Debug)]
pub(super) struct Requests {
    requests: Vec<Option<Request>>,
    free_requests: Vec<u32>,
    tries: Vec<Option<Try>>,
    free_tries: Vec<u32>,
    newest: u32,
}

impl Requests {
    /// None yet; they will be counted from behind `newest`, which is random, so that no answer to a try before a crash
    /// is taken for that to another.
    pub const fn new(newest: u32) -> Self {
        Self { requests: Vec::new(), free_requests: Vec::new(), tries: Vec::new(), free_tries: Vec::new(), newest }
    }

    fn number(&mut self, place: u32) -> u64 {
        self.newest = self.newest.wrapping_add(1);
        u64::from(self.newest) << 32 | u64::from(place)
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.requests.len() - self.free_requests.len()
    }

    /// How many tries servers have.
    pub const fn tries(&self) -> usize {
        self.tries.len() - self.free_tries.len()
    }

    /// A new one. Gives its number.
    pub fn begin(
        &mut self,
        ticket: Ticket,
        key: u64,
        came: LocalInstant,
        expires: Option<LocalInstant>,
    ) -> RequestNumber {
        let place = self.free_requests.pop().unwrap_or(self.requests.len() as u32);
        let number = RequestNumber(self.number(place));
        let request = Some(Request { number, ticket, key, tries: 0, came, expires, under_way: [None; 2] });
        match self.requests.get_mut(place as usize) {
            Some(free) => *free = request,
            None => self.requests.push(request),
        }
        number
    }

    pub fn get(&self, number: RequestNumber) -> Option<&Request> {
        self.requests.get(number.0 as u32 as usize)?.as_ref().filter(|request| request.number == number)
    }

    pub fn get_mut(&mut self, number: RequestNumber) -> Option<&mut Request> {
        self.requests.get_mut(number.0 as u32 as usize)?.as_mut().filter(|request| request.number == number)
    }

    /// It is answered, one way or another. Its tries stay.
    pub fn end(&mut self, number: RequestNumber) -> Option<Request> {
        let ended = self.requests.get_mut(number.0 as u32 as usize)?.take_if(|request| request.number == number)?;
        self.free_requests.push(number.0 as u32);
        Some(ended)
    }

    /// `server` gets this request. Gives the number of the try.
    pub fn tried(&mut self, request: RequestNumber, server: u32, sent: LocalInstant) -> TryNumber {
        let place = self.free_tries.pop().unwrap_or(self.tries.len() as u32);
        let id = TryNumber(self.number(place));
        let this = Some(Try { id, request, server, sent });
        match self.tries.get_mut(place as usize) {
            Some(free) => *free = this,
            None => self.tries.push(this),
        }
        let request = self.get_mut(request).expect("a request that is tried is there");
        request.tries += 1;
        let free = request.under_way.iter_mut().find(|place| place.is_none());
        *free.expect("there is never a third try at the same time") = Some(id);
        id
    }

    /// The try with this number, if it is still under way.
    pub fn get_try(&self, id: TryNumber) -> Option<&Try> {
        self.tries.get(id.0 as u32 as usize)?.as_ref().filter(|this| this.id == id)
    }

    /// The try with this number, if it is still under way; it is not any more.
    pub fn take(&mut self, id: TryNumber) -> Option<Try> {
        let found = self.tries.get_mut(id.0 as u32 as usize)?.take_if(|this| this.id == id)?;
        self.free_tries.push(id.0 as u32);
        Some(found)
    }
}
