//! A short part of `make published`: the figures of every section, with fewer runs and the room that so few runs need.

#[path = "../examples/published/suite/mod.rs"]
#[allow(dead_code, reason = "pages are for the program")]
mod suite;

use suite::lab::Lab;
use suite::row::{self, Place};

#[test]
fn published_figures_are_reproduced() {
    let lab = Lab::new(50).unwrap_or_else(|error| panic!("{error}"));
    for (number, name, section) in suite::SECTIONS {
        let rows = section(&lab).unwrap_or_else(|error| panic!("{number}. {name}: {error}")).rows;
        let text = row::text(&rows);
        assert!(rows.iter().all(|row| row.place != Place::Outside), "{number}. {name}\n{text}");
        let held = rows.iter().filter(|row| row.place == Place::Inside).count();
        assert!(held >= 4, "{number}. {name}: only {held} figures were compared\n{text}");
    }
}
