//! No room to keep what came: a real file system of a few hundred kilobytes.

use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::Command;

use crate::harness::{Database, Follower, Gate, oakgate_command, wait_for};

use super::setup::Setup;

const MOUNT: &str = "size=256k";

/// Takes all the room that its state directory has, with the file that is returned.
fn fill(follower: &Follower) -> PathBuf {
    let root = PathBuf::from(format!("/proc/{}/root", follower.gate.program.child.id()));
    let ballast = root.join(follower.gate.path("state/ballast").strip_prefix("/").unwrap());
    let mut file = std::fs::File::create_new(&ballast).unwrap();
    let error = std::iter::repeat_with(|| file.write_all(&[0; 4096])).find_map(Result::err).unwrap();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    ballast
}

#[test]
fn on_a_full_disk_a_change_is_in_force_and_is_kept_when_there_is_room() {
    let setup = Setup::new(Database::sqlite());
    let token = setup.control.proxy("gate-1");
    let folder = setup.following(&setup.line.address, &token).folder("gate-1");
    let state = folder.path().join("state");
    std::fs::create_dir(&state).unwrap();
    let script = "mount -t tmpfs -o $1 tmpfs $2 && shift 2 && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", script, "sh", MOUNT]).arg(&state);
    command.arg(oakgate_command().get_program()).arg("proxy");
    command.arg("--config").arg(folder.path().join("oakgate.yaml"));
    let follower = Follower::of(Gate::started(&mut command, folder, false), &setup.key);
    follower.wait_until_ready();
    let kept = || follower.report()["control_plane"]["documents"]["policy"]["kept"].clone();
    wait_for("the first policy to be kept", || (kept() == true).then_some(()));
    let failures = || follower.gate.metric("oakgate_last_known_good_failures_total");
    assert_eq!(failures(), 0.0);

    let calls = follower.caller.steadily("read_note");
    let ballast = fill(&follower);
    let revision = setup.control.rule("probe", "allowed");
    follower.caller.wait_for("probe", Ok(()));
    assert_eq!(follower.revision(), revision);
    wait_for("the failure", || (failures() >= 1.0).then_some(()));
    assert_eq!((kept(), follower.gate.admin("/readyz").status), (false.into(), 200));
    let signed = ballast.with_file_name("policy.signed");
    let older = std::fs::read_to_string(&signed).unwrap();
    assert!(!older.contains("probe\\\",\\\"permission"), "the older one is whole: {older}");
    assert!(!ballast.with_file_name("policy.signed.unfinished").exists());

    std::fs::remove_file(&ballast).unwrap();
    wait_for("the policy to be kept", || (kept() == true).then_some(()));
    assert_ne!(std::fs::read_to_string(&signed).unwrap(), older);
    assert!(calls.end() > 0);
}
