//! Who led when, as a track of the report.

use sim_core::track::Track;

/// The track with no leader yet. Its rows are nodes.
pub fn leaders() -> Track {
    let about = "when each node led; who is cut off leads in vain";
    Track::new("leaders", "Who led", about, "leads").exclusive()
}
