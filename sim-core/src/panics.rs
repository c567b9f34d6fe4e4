//! Panics: one in a node's own code is a broken rule of its run; any other is a bug of whoever makes the run, and goes
//! on.
//!
//! Where a panic happened only the hook of the process is told, so there is one hook for all who want to know: it is
//! silent about a panic that somebody here catches, and leaves every other to the hook that was there before.

use crate::NodeId;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe, Location, PanicHookInfo};
use std::sync::Once;

thread_local! {
    /// Whose code is running; [`NOBODY`] for none's.
    static NODE: Cell<u32> = const { Cell::new(NOBODY) };
    /// Whether somebody waits for what is caught.
    static AWAITED: Cell<bool> = const { Cell::new(false) };
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

const NOBODY: u32 = u32::MAX;

/// Runs the code of node `id`.
#[inline(always)]
pub(crate) fn within<T>(id: NodeId, code: impl FnOnce() -> T) -> T {
    NODE.set(id.0);
    let done = code();
    NODE.set(NOBODY);
    done
}

/// What node `id` asked for makes no sense: as if it had panicked itself.
#[cold]
pub(crate) fn blame(id: NodeId, what: &str) -> ! {
    NODE.set(id.0);
    panic!("{what}")
}

/// What `work` gives; or which node's code panicked in it, and how. Any other panic goes on.
pub(crate) fn of_nodes<T>(work: impl FnOnce() -> T) -> Result<T, (NodeId, String)> {
    watch();
    // Whoever calls this drops the node that was in the middle of something, and ends the run.
    panic::catch_unwind(AssertUnwindSafe(work)).map_err(|payload| match NODE.replace(NOBODY) {
        NOBODY => panic::resume_unwind(payload),
        id => (NodeId(id), last()),
    })
}

/// What `work` gives, or what it said when it panicked, and where.
///
/// # Errors
/// The message of the panic, its file and line.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    watch();
    let outer = AWAITED.replace(true);
    // Nothing outlives the closure but its result: all it shares with others is read only.
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    AWAITED.set(outer);
    outcome.map_err(|_| last())
}

fn last() -> String {
    LAST.take().unwrap_or_else(|| "a panic without a message".to_owned())
}

fn watch() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if NODE.get() == NOBODY && !AWAITED.get() {
                return before(info);
            }
            LAST.set(Some(told(info)));
        }));
    });
}

fn told(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied();
    let message = text.or_else(|| payload.downcast_ref().map(String::as_str)).unwrap_or("a panic without a message");
    let place = info.location().map_or_else(String::new, |place| format!(" ({})", short(place)));
    format!("{message}{place}")
}

/// File and line, the same on every machine: packages lie where each machine keeps them.
fn short(place: &Location<'_>) -> String {
    let file = place.file().replace('\\', "/");
    let package = file.split_once("/registry/src/").and_then(|(_, rest)| rest.split_once('/'));
    let standard = file.strip_prefix("/rustc/").and_then(|rest| rest.split_once('/'));
    let name = package.or(standard).map_or(file.as_str(), |(_, name)| name);
    format!("{name}:{}", place.line())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_panic_it_was_decides_what_becomes_of_it() {
        let (node, told) = of_nodes(|| within(NodeId(3), || panic!("no {}", "luck"))).expect_err("it panics");
        assert_eq!(node, NodeId(3));
        assert!(told.starts_with("no luck (") && told.contains("panics.rs:"), "{told}");
        let told = caught(|| of_nodes(|| panic!("ours")).map(|()| 0)).expect_err("it goes on");
        assert!(told.starts_with("ours ("), "{told}");
        // Nothing is left of either.
        assert_eq!(of_nodes(|| within(NodeId(1), || 5)), Ok(5));
        assert_eq!(caught(|| 6), Ok(6));
        let told = caught(|| of_nodes(|| panic!("again")).map(|()| 0)).expect_err("it is nobody's");
        assert!(told.starts_with("again ("), "{told}");
    }

    #[test]
    fn packages_have_no_machine_in_their_names() {
        let file = Location::caller();
        assert!(short(file).starts_with(file.file()), "{}", short(file));
    }
}
