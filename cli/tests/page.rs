//! The page of a run in a real browser: it draws, zooms, filters, is worked by keys, fits a phone, is dark, is printed.

use crate::support::browser::Browser;
use crate::support::{Scratch, splitbrain};
use serde_json::json;

/// A run with outages and faults; the address of its page.
fn page(scratch: &Scratch) -> (String, u64) {
    let out = scratch.path().join("runs");
    let out = out.to_str().expect("UTF-8");
    let ran = splitbrain(&["run", "scenarios/library/raft/leader-crash.toml", "--out", out]);
    assert!(ran.status.success(), "{}", ran.stderr);
    let file = format!("{out}/raft-leader-crash/42/report.html");
    let bytes = std::fs::metadata(&file).expect("a page").len();
    (format!("file://{file}"), bytes)
}

/// The span that the address says is shown, in seconds.
fn span(browser: &mut Browser) -> (f64, f64) {
    let hash = browser.text("location.hash");
    let (from, to) = hash.strip_prefix("#t=").and_then(|span| span.split_once('-')).unwrap_or_else(|| panic!("{hash}"));
    (from.parse().expect("a number"), to.parse().expect("a number"))
}

/// How many messages the diagram shows.
fn shown(browser: &mut Browser) -> u64 {
    let label = browser.text("document.getElementById('space').getAttribute('aria-label')");
    label.rsplit(": ").next().and_then(|told| told.split(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("{label}"))
}

#[test]
fn a_run_is_explored_in_a_browser() {
    let scratch = Scratch::new();
    let Some(mut browser) = Browser::start(&scratch.path().join("profile")) else { return };
    let (url, bytes) = page(&scratch);
    assert!(bytes < 3_000_000, "{bytes} bytes");
    browser.width(1280);
    browser.open(&url);
    let lanes = browser.text("[...document.querySelectorAll('#lanes .lane')].map(lane => lane.textContent).join()");
    for lane in ["Faults", "Nodes and their roles", "Who led", "Outages", "Operations per second", "Latency"] {
        assert!(lanes.contains(lane), "{lane}: {lanes}");
    }
    assert!(browser.number("document.querySelectorAll('#setup .map .node').length") == 5.0);

    // By keys: in, along, back to everything.
    browser.value("document.getElementById('lanes').focus()");
    browser.press("+");
    let (from, to) = span(&mut browser);
    assert!((to - from - 32.5).abs() < 0.01, "half of 65 s: {from} to {to}");
    browser.press("ArrowRight");
    let (moved, _) = span(&mut browser);
    assert!((moved - from - 6.5).abs() < 0.01, "a fifth of what is shown: {from}, {moved}");
    browser.press("0");
    assert_eq!(browser.text("location.hash"), "");
    browser.press("n");
    let told = browser.text("document.getElementById('lanes-told').textContent");
    assert!(told.contains("crash of leader (n3)"), "{told}");
    browser.press("Enter");
    let (from, to) = span(&mut browser);
    assert!(from < 10.0 && to > 10.0 && to - from < 20.0, "{from} to {to}");

    // By mouse: what is dragged over is shown.
    browser.press("0");
    let middle = "(() => { const r = document.getElementById('lanes').getBoundingClientRect(); return [r.left, r.top, r.width]; })()";
    browser.value("document.getElementById('lanes').scrollIntoView()");
    let place = browser.value(middle);
    let (left, top, wide) = (place[0].as_f64(), place[1].as_f64(), place[2].as_f64());
    let (left, top, wide) = (left.expect("left"), top.expect("top"), wide.expect("width"));
    for (kind, share) in [("mousePressed", 0.4), ("mouseMoved", 0.5), ("mouseMoved", 0.6), ("mouseReleased", 0.6)] {
        let at = json!({ "type": kind, "x": left + wide * share, "y": top + 100.0, "button": "left", "buttons": 1, "clickCount": 1 });
        browser.call("Input.dispatchMouseEvent", at);
    }
    browser.drawn();
    browser.drawn();
    let (from, to) = span(&mut browser);
    assert!(to - from > 8.0 && to - from < 20.0, "a fifth of the width: {from} to {to}");

    // A link to a moment leads there.
    browser.open(&format!("{url}#t=24.9-25.4"));
    assert_eq!(span(&mut browser), (24.9, 25.4));
    let ticks = browser.text("[...document.querySelectorAll('#lanes .tick')].map(tick => tick.textContent).join()");
    assert!(ticks.contains("25.1 s"), "{ticks}");

    messages(&mut browser);
    assert!(browser.errors().is_empty(), "{:?}", browser.errors());
    assert!(browser.asked_for(&url).is_empty(), "{:?}", browser.asked_for(&url));
    phone_dark_print(&mut browser, &url);
    assert!(browser.errors().is_empty(), "{:?}", browser.errors());
}

/// Who said what: filtered by kind and by node, clicked for its content.
fn messages(browser: &mut Browser) {
    browser.value("document.getElementById('space').focus()");
    browser.press("0");
    let few = shown(browser);
    let tick = "document.querySelectorAll('#filter .kinds input').forEach(box => box.checked || box.click())";
    browser.value(tick);
    browser.drawn();
    let all = shown(browser);
    assert!(all > 100 && few < all, "what is said all the time is not shown at first: {few} of {all}");
    assert!(browser.number("document.querySelectorAll('#space .message.lost').length") > 0.0, "a crash loses messages");
    browser.value("document.querySelector('#filter .kinds input').click()");
    browser.drawn();
    let fewer = shown(browser);
    assert!(fewer < all, "{fewer} of {all}");
    browser.value("document.querySelector('#filter .rows input').click()");
    browser.drawn();
    assert!(shown(browser) < fewer);
    browser.press("n");
    let told = browser.text("document.getElementById('space-told').textContent");
    assert!(told.contains(" s") && told.contains('n'), "{told}");
    browser.press("]");
    let about = browser.text("document.getElementById('moment-about').textContent");
    assert_eq!(browser.number("document.getElementById('moment').selectedIndex"), 1.0, "{about}");
}

fn phone_dark_print(browser: &mut Browser, url: &str) {
    browser.width(390);
    browser.open(url);
    assert!(browser.number("document.documentElement.scrollWidth") <= 390.0, "nothing is wider than a phone");
    let small = browser.text(
        "[...document.querySelectorAll('figure svg text, .plot svg text')].filter(text => { const r = text.getBoundingClientRect(); \
         return r.height > 0 && r.height < 8; }).map(text => text.textContent).join()",
    );
    assert_eq!(small, "", "texts below 8 pixels");

    browser.width(1280);
    let ground = "getComputedStyle(document.body).backgroundColor";
    let letters = "getComputedStyle(document.querySelector('#lanes .lane')).fill";
    let light = (browser.text(ground), browser.text(letters));
    let dark = json!({ "features": [{ "name": "prefers-color-scheme", "value": "dark" }] });
    browser.call("Emulation.setEmulatedMedia", dark);
    browser.open(url);
    let dark = (browser.text(ground), browser.text(letters));
    assert!(light.0 != dark.0 && light.1 != dark.1, "{light:?} {dark:?}");
    // What charts are made of is dark letters on white: on a dark page no white is left behind them.
    let white = browser.number(
        "[...document.querySelectorAll('figure svg rect')].filter(r => getComputedStyle(r).fill === 'rgb(255, 255, 255)').length",
    );
    assert_eq!(white, 0.0, "white rectangles on a dark page");

    // Whoever prints from a dark screen has white paper.
    browser.call(
        "Emulation.setEmulatedMedia",
        json!({ "media": "print", "features": [{ "name": "prefers-color-scheme", "value": "dark" }] }),
    );
    browser.drawn();
    assert_eq!(browser.text(ground), "rgb(255, 255, 255)");
    assert_eq!(browser.text("getComputedStyle(document.querySelector('.controls')).display"), "none");
    let printed = browser.call("Page.printToPDF", json!({}));
    assert!(printed["data"].as_str().is_some_and(|pdf| pdf.len() > 50_000));
    browser.call("Emulation.setEmulatedMedia", json!({ "media": "", "features": [] }));
}
