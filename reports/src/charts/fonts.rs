//! The bundled font: registered once, measured for layout. A fresh machine has none of its own.
//!
//! Roboto by Christian Robertson, Apache License 2.0 (`fonts/LICENSE-Roboto.txt`).

use plotters::style::{FontFamily, FontStyle, IntoFont, register_font};
use std::sync::Once;

/// What SVG viewers are asked for; the bundled font is registered under this name too.
pub(crate) const FAMILY: &str = "Roboto, 'Helvetica Neue', Arial, 'Liberation Sans', sans-serif";

/// The font's line height over its em. The bitmap renderer sizes fonts by line height, browsers by em.
pub(crate) const LINE_OVER_EM: f64 = 2400.0 / 2048.0;

static REGULAR: &[u8] = include_bytes!("../../fonts/Roboto-Regular.ttf");
static MEDIUM: &[u8] = include_bytes!("../../fonts/Roboto-Medium.ttf");
static REGISTERED: Once = Once::new();

/// Makes the font known to the renderer.
pub(crate) fn register() {
    REGISTERED.call_once(|| {
        for (style, bytes) in [(FontStyle::Normal, REGULAR), (FontStyle::Bold, MEDIUM)] {
            assert!(register_font(FAMILY, style, bytes).is_ok(), "the bundled font is a font");
        }
    });
}

/// The style for a text.
pub(crate) fn style(bold: bool) -> FontStyle {
    if bold { FontStyle::Bold } else { FontStyle::Normal }
}

/// Width of `text` in pixels at an em of `size` pixels, with a little to spare for viewers that have a wider font.
pub(crate) fn width(text: &str, size: f64, bold: bool) -> f64 {
    register();
    // Measured large: the answer is in whole pixels.
    const LARGE: f64 = 20.0;
    let font = (FontFamily::Name(FAMILY), size * LARGE * LINE_OVER_EM, style(bold)).into_font();
    let (width, _) = font.box_size(text).unwrap_or((0, 0));
    f64::from(width) / LARGE * 1.03
}
