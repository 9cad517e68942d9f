//! PostgreSQL's programs: where they are, and as whom they run.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;

/// Where Debian keeps each version's programs.
const DEBIAN: &str = "/usr/lib/postgresql";

/// One of PostgreSQL's programs, to be run by a user that it agrees to: the server refuses root.
pub(crate) fn program(name: &str) -> Command {
    as_owner(folder().join(name).as_os_str())
}

/// A program, to be run by whoever owns the servers.
pub(crate) fn as_owner(program: &OsStr) -> Command {
    let is_root =
        std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let mut command = if is_root {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.current_dir("/").env("LC_ALL", "C.UTF-8");
    command
}

pub(crate) fn succeed(command: &mut Command) {
    let _printed = output_of(command);
}

pub(crate) fn output_of(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The newest version's folder, or the first in `PATH` that has a server.
pub(crate) fn folder() -> PathBuf {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            Some((path.file_name()?.to_str()?.parse().ok()?, path.join("bin")))
        })
        .filter(|(_, folder)| folder.join("postgres").exists())
        .collect();
    versions.sort_unstable();
    let newest = versions.pop().map(|(_, folder)| folder);
    let path = std::env::var_os("PATH").unwrap_or_default();
    newest
        .or_else(|| std::env::split_paths(&path).find(|folder| folder.join("postgres").exists()))
        .unwrap_or_else(|| panic!("there is no PostgreSQL here: run tests/install"))
}
