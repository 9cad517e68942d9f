//! `oakgate policy test`: does a policy give the verdicts that it is meant to give?

use std::path::{Path, PathBuf};

use policy::cases::{CaseResult, Cases};
use serde::Serialize;

use super::{json, load, now, parse};
use crate::exit::{Done, Failure};
use crate::terminal::say;

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    passed: usize,
    failed: usize,
    files: Vec<FileReport>,
}

#[derive(Serialize)]
struct FileReport {
    file: PathBuf,
    cases: Vec<CaseResult>,
}

pub(super) fn run(policy: &Path, files: &[PathBuf], as_json: bool) -> Done {
    let (snapshot, read) = read(policy, files)?;
    let now = now();
    let mut report = Report { passed: 0, failed: 0, files: Vec::new() };
    for (file, cases) in files.iter().zip(read) {
        let cases: Vec<CaseResult> = cases.as_slice().iter().map(|case| case.run(&snapshot, now)).collect();
        let passed = cases.iter().filter(|case| case.passed).count();
        report.passed += passed;
        report.failed += cases.len() - passed;
        report.files.push(FileReport { file: file.clone(), cases });
    }
    if as_json {
        say(json(&report)?);
    } else {
        print(&report);
    }
    if report.failed == 0 { Ok(()) } else { Err(Failure::No) }
}

/// Reads everything before anything is run, so that all mistakes are said at once.
fn read(policy: &Path, files: &[PathBuf]) -> Result<(policy::Snapshot, Vec<Cases>), Failure> {
    let mut mistakes = Vec::new();
    let snapshot = load(policy);
    let cases: Vec<_> = files.iter().map(|file| parse(file, Cases::parse)).collect();
    let mut read = Vec::with_capacity(cases.len());
    for cases in cases {
        match cases {
            Ok(cases) => read.push(cases),
            Err(Failure::Input(text)) => mistakes.push(text),
            Err(other) => return Err(other),
        }
    }
    match snapshot {
        Ok(snapshot) if mistakes.is_empty() => return Ok((snapshot, read)),
        Ok(_) => {}
        Err(Failure::Input(text)) => mistakes.insert(0, text),
        Err(other) => return Err(other),
    }
    Err(Failure::Input(mistakes.join("\n")))
}

fn print(report: &Report) {
    for FileReport { file, cases } in &report.files {
        if report.files.len() > 1 {
            say(format!("{}:", file.display()));
        }
        cases.iter().for_each(say);
    }
    say(format!("{} passed, {} failed", report.passed, report.failed));
}
