//! A balancer's book: requests that are not answered, and which servers have them.

use sim_core::{LocalInstant, Ticket};

/// A request of a client.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// Its number.
    number: u64,
    pub ticket: Ticket,
    pub key: u64,
    /// Tries made, hedges too.
    pub tries: u32,
    pub came: LocalInstant,
    /// Tries under way; 0 is none.
    under_way: [u64; 2],
}

impl Request {
    /// Whether a server has it.
    pub const fn is_under_way(&self) -> bool {
        self.under_way[0] | self.under_way[1] != 0
    }

    /// Its tries under way without `but`.
    pub fn others(&self, but: u64) -> impl Iterator<Item = u64> + use<> {
        self.under_way.into_iter().filter(move |id| *id != 0 && *id != but)
    }

    /// The only one under way, if it is one.
    pub const fn only_try(&self) -> Option<u64> {
        match self.under_way {
            [0, 0] => None,
            [id, 0] | [0, id] => Some(id),
            _ => None,
        }
    }

    /// A try has ended.
    pub fn forget(&mut self, id: u64) {
        self.under_way.iter_mut().filter(|place| **place == id).for_each(|place| *place = 0);
    }
}

/// A try of a request: some server has it.
#[derive(Clone, Debug)]
pub(super) struct Try {
    id: u64,
    pub request: u64,
    pub server: u32,
    pub sent: LocalInstant,
}

/// Requests and tries, each found by its number: the place in the lower half, a count in the upper half that tells it from
/// whoever had the place before.
#[derive(Clone, Debug, Default)]
pub(super) struct Requests {
    requests: Vec<Option<Request>>,
    free_requests: Vec<u32>,
    tries: Vec<Option<Try>>,
    free_tries: Vec<u32>,
    newest: u32,
}

impl Requests {
    fn number(&mut self, place: u32) -> u64 {
        self.newest = self.newest.wrapping_add(1).max(1);
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
    pub fn begin(&mut self, ticket: Ticket, key: u64, came: LocalInstant) -> u64 {
        let place = self.free_requests.pop().unwrap_or(self.requests.len() as u32);
        let number = self.number(place);
        let request = Some(Request { number, ticket, key, tries: 0, came, under_way: [0; 2] });
        match self.requests.get_mut(place as usize) {
            Some(free) => *free = request,
            None => self.requests.push(request),
        }
        number
    }

    pub fn get(&self, number: u64) -> Option<&Request> {
        self.requests.get(number as u32 as usize)?.as_ref().filter(|request| request.number == number)
    }

    pub fn get_mut(&mut self, number: u64) -> Option<&mut Request> {
        self.requests.get_mut(number as u32 as usize)?.as_mut().filter(|request| request.number == number)
    }

    /// It is answered, one way or another. Its tries stay.
    pub fn end(&mut self, number: u64) -> Option<Request> {
        let ended = self.requests.get_mut(number as u32 as usize)?.take_if(|request| request.number == number)?;
        self.free_requests.push(number as u32);
        Some(ended)
    }

    /// `server` gets this request. Gives the number of the try.
    pub fn tried(&mut self, request: u64, server: u32, sent: LocalInstant) -> u64 {
        let place = self.free_tries.pop().unwrap_or(self.tries.len() as u32);
        let id = self.number(place);
        let this = Some(Try { id, request, server, sent });
        match self.tries.get_mut(place as usize) {
            Some(free) => *free = this,
            None => self.tries.push(this),
        }
        let request = self.get_mut(request).expect("a request that is tried is there");
        request.tries += 1;
        let free = request.under_way.iter_mut().find(|place| **place == 0);
        *free.expect("there is never a third try at the same time") = id;
        id
    }

    pub fn has_try(&self, id: u64) -> bool {
        self.server(id).is_some()
    }

    /// Who has this try.
    pub fn server(&self, id: u64) -> Option<u32> {
        self.tries.get(id as u32 as usize)?.as_ref().filter(|this| this.id == id).map(|this| this.server)
    }

    /// The try with this number, if it is still under way; it is not any more.
    pub fn take(&mut self, id: u64) -> Option<Try> {
        let found = self.tries.get_mut(id as u32 as usize)?.take_if(|this| this.id == id)?;
        self.free_tries.push(id as u32);
        Some(found)
    }
}
