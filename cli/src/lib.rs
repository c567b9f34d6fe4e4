//! The systems the program knows, compiled once for all that need them: the command line, the examples, the tests.

use scenarios::Registry;

/// Every system the program knows. A program for somebody else's protocol has another line here.
#[must_use]
pub fn registry() -> Registry {
    let mut registry = Registry::new();
    systems::collect(&mut registry);
    registry
}
