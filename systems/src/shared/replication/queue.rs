//! One helper for queues whose front is consumed as far as some condition holds.

use std::collections::VecDeque;

/// Takes the front element if `condition` holds for it.
#[inline]
pub fn pop_if<T>(queue: &mut VecDeque<T>, condition: impl FnOnce(&T) -> bool) -> Option<T> {
    if queue.front().is_some_and(condition) { queue.pop_front() } else { None }
}
