//! News that are still to be gossiped: what was sent least often goes first, each is sent so many times, and newer news
//! about a member take the place of older ones.

use super::message::Rumour;
use sim_core::NodeId;
use sim_core::sorted::SortedMap;

/// Bytes of a packet that there is room for.
pub const PACKET: u32 = 1400;

/// How often it was sent, and then the newest first.
type Key = (u32, u64);

/// The queue.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    news: SortedMap<Key, Rumour>,
    /// Where the news about each member stand.
    about: SortedMap<NodeId, Key>,
    next: u64,
}

impl Queue {
    /// Something new.
    pub fn push(&mut self, rumour: Rumour) {
        self.next += 1;
        let key = (0, u64::MAX - self.next);
        if let Some(subject) = rumour.subject()
            && let Some(older) = self.about.insert(subject, key)
        {
            self.news.remove(&older);
        }
        self.news.insert(key, rumour);
    }

    /// Whether nothing is to be said.
    pub fn is_empty(&self) -> bool {
        self.news.is_empty()
    }

    /// Whether this is still to be said.
    pub fn has(&self, rumour: &Rumour) -> bool {
        self.news.values().any(|news| news == rumour)
    }

    /// What goes with a packet that has so much room; each is sent `limit` times in all.
    pub fn take(&mut self, mut room: u32, limit: u32) -> Vec<Rumour> {
        let mut chosen = Vec::new();
        for (key, rumour) in &self.news {
            if rumour.bytes() <= room {
                room -= rumour.bytes();
                chosen.push(*key);
            }
        }
        let mut taken = Vec::with_capacity(chosen.len());
        for (sent, number) in chosen {
            let Some(rumour) = self.news.remove(&(sent, number)) else { continue };
            taken.push(rumour);
            let again = (sent + 1, number);
            let is_over = again.0 >= limit;
            if !is_over {
                self.news.insert(again, rumour);
            }
            match rumour.subject() {
                Some(subject) if is_over => _ = self.about.remove(&subject),
                Some(subject) => _ = self.about.insert(subject, again),
                None => {}
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Incarnation;
    use super::*;

    fn alive(node: u32, incarnation: u64) -> Rumour {
        Rumour::Alive { node: NodeId(node), incarnation: Incarnation(incarnation) }
    }

    #[test]
    fn least_sent_first_newest_first_and_so_many_times() {
        let mut queue = Queue::default();
        let room = alive(1, 1).bytes();
        queue.push(alive(1, 1));
        queue.push(alive(2, 1));
        let mut order = Vec::new();
        while !queue.is_empty() {
            order.extend(queue.take(room, 2));
        }
        assert_eq!(order, [alive(2, 1), alive(1, 1), alive(2, 1), alive(1, 1)]);
        assert!(queue.about.is_empty());
        queue.push(alive(1, 1));
        queue.push(alive(1, 2));
        assert_eq!(queue.take(PACKET, 3), [alive(1, 2)], "newer news take the place of older ones");
        queue.push(alive(3, 1));
        assert_eq!(queue.take(PACKET, 3), [alive(3, 1), alive(1, 2)]);
    }
}
