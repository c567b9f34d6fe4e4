//! Temporary stand-in.
use sim_core::record::RunRecord;
use std::path::Path;
#[derive(Debug)]
pub struct WriteError(String);
impl std::fmt::Display for WriteError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
pub fn write(dir: &Path, report: &reports::Report, _record: &RunRecord) -> Result<(), WriteError> {
    std::fs::write(dir.join("report.json"), report.to_json()).map_err(|e| WriteError(e.to_string()))
}
pub fn summary(report: &reports::Report, _: &str, _: usize, _: bool) -> String {
    let mut s = String::new();
    for v in &report.verdicts {
        s += &format!("{:?} {} {}\n", v.verdict, v.rule, v.detail);
    }
    let a = &report.availability;
    s += &format!(
        "ok {}/{} unknown {} failed {} outages {} longest {}\n",
        a.ok,
        a.operations,
        a.unknown,
        a.failed,
        a.outages.len(),
        a.longest_outage_ns
    );
    for o in &a.outages {
        s += &format!("{o:?}\n");
    }
    s
}
pub fn load(_: &Path) -> Result<RunRecord, WriteError> {
    Err(WriteError("no".into()))
}
