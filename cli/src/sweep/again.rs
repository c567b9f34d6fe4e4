//! Reads the folder of a finished sweep back, and makes its summary and its pages again.

use super::folder::{Folder, FolderError, MANIFEST, RESULTS, tell};
use super::kept;
use super::pages::Pages;
use scenarios::sweep::{Manifest, Plan, Summary};
use std::fs;
use std::path::Path;

/// What the folder says about itself.
pub fn manifest(dir: &Path) -> Result<Manifest, FolderError> {
    let path = dir.join(MANIFEST);
    let text = tell(fs::read_to_string(&path), &path, "read the file")?;
    let refuse = |why| FolderError::Refused(format!("{}: {why}", path.display()));
    let manifest = Manifest::from_json(&text).map_err(refuse)?;
    // Another version seals in another way; that it is another one is told by whoever wants to use the results.
    if manifest.version == env!("CARGO_PKG_VERSION") {
        Manifest::check_seal(&text).map_err(refuse)?;
    }
    Ok(manifest)
}

/// The plan that the manifest of `dir` describes. Its grid is the manifest's; the scenarios behind it are not needed.
pub fn plan(manifest: &Manifest, dir: &Path) -> Result<Plan, FolderError> {
    let (was, is) = (&manifest.version, env!("CARGO_PKG_VERSION"));
    if was != is {
        let why = format!("{}: these results were made by version {was}; this is {is}: use that one", dir.display());
        return Err(FolderError::Refused(why));
    }
    let plan = || {
        let plan = Plan::new(manifest.seeds.parse()?, manifest.vary.clone(), manifest.shard)?;
        if plan.jobs() == manifest.jobs {
            Ok(plan)
        } else {
            Err(format!("it has {} runs, not {}", plan.jobs(), manifest.jobs))
        }
    };
    plan()
        .map_err(|why: String| FolderError::Refused(format!("{} makes no sense: {why}", dir.join(MANIFEST).display())))
}

/// What to say of a sweep that has no results yet.
pub fn unfinished(dir: &Path) -> String {
    format!("{} is not finished: run its sweep command again, which resumes it", dir.display())
}

/// Makes `summary.json` and the pages of a finished sweep again from its results.
pub fn again(dir: &Path) -> Result<Summary, FolderError> {
    let manifest = manifest(dir)?;
    let plan = plan(&manifest, dir)?;
    if !dir.join(RESULTS).exists() {
        return Err(FolderError::Refused(unfinished(dir)));
    }
    let charts = manifest.charts;
    let mut folder = Folder::open(dir.to_owned(), &plan, manifest, &mut |note| complain!("{note}"))?;
    if folder.done() < plan.share() {
        return Err(FolderError::Refused(unfinished(dir)));
    }
    let mut pages = Pages::new(&plan);
    let (summary, _) = folder.finish(kept::MOST, &mut |result| pages.add(result))?;
    pages.write(dir, &summary, charts)?;
    Ok(summary)
}
