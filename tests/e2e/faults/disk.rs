//! A disk that is full, and then is not: a real file system of a few megabytes.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::plane::{Place, Plane, write_settings};
use super::writer::{Writer, Wrote, assert_whole};
use crate::harness::{oakgate_command, wait_for};

/// The size of the file system. A new store and its log take less than half of it.
const MOUNT: &str = "size=4m";

/// A control plane on a file system that it alone sees.
struct Disk {
    folder: PathBuf,
    settings: String,
    plane: Plane,
}

impl Disk {
    /// Mounts it in that folder, with a copy of a store and its log.
    fn start(folder: &Path, store: &Path) -> Self {
        let disk = folder.join("disk");
        std::fs::create_dir(&disk).unwrap();
        let settings =
            write_settings(folder, &json!({"store": format!("sqlite://{}/oakgate.db", disk.display())}));
        let script = "mount -t tmpfs -o $1 tmpfs $2 && cp \"$3\"* $2/ && shift 3 && exec \"$@\"";
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", script, "sh", MOUNT]).arg(&disk).arg(store);
        command.arg(oakgate_command().get_program()).args(["control-plane", "--config", &settings]);
        Self { plane: Plane::start(&mut command), folder: disk, settings }
    }

    /// Takes all the room there is, with the file that is returned.
    fn fill(&self) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.plane.program.child.id()));
        let ballast = root.join(self.folder.strip_prefix("/").unwrap()).join("ballast");
        let mut file = std::fs::File::create_new(&ballast).unwrap();
        let error = std::iter::repeat_with(|| file.write_all(&[0; 4096])).find_map(Result::err).unwrap();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        ballast
    }

    /// A copy of the store, elsewhere.
    fn copy(&self) -> Place {
        let copy = Place::sqlite();
        let mut command = Command::new("nsenter");
        let id = self.plane.program.child.id().to_string();
        command.args(["--target", &id, "--user", "--preserve-credentials", "--mount"]);
        command.arg(oakgate_command().get_program()).args(["backup", "--config", &self.settings, "--to"]);
        let output = command.arg(copy.folder.path().join("oakgate.db")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        copy
    }
}

#[test]
fn a_full_disk_stops_writing_by_name_and_nothing_else() {
    let place = Place::sqlite();
    place.start_with_org().kill();
    let disk = Disk::start(place.folder.path(), &place.folder.path().join("oakgate.db"));
    let plane = &disk.plane;
    let mut writers: Vec<Writer> = (0..3).map(Writer::new).collect();
    for _ in 0..3 {
        for writer in &mut writers {
            assert_eq!(writer.write(&plane.url), Wrote::Done);
        }
        let ballast = disk.fill();
        let full = || Wrote::Refused(507, "store_full".to_owned());
        std::thread::scope(|scope| {
            for writer in &mut writers {
                scope.spawn(|| assert_eq!(writer.write_on(&plane.url, || ()), full()));
            }
        });
        for writer in &mut writers {
            assert_eq!(writer.write(&plane.url), full());
        }
        wait_for("the answer that it is not ready", || {
            (plane.get("/readyz") == (507, "store_full".to_owned())).then_some(())
        });
        assert_eq!(plane.get("/healthz").0, 200);
        assert_eq!(plane.get("/v1/tenants").0, 200, "reading goes on");
        assert_whole(&disk.copy(), &writers);

        std::fs::remove_file(&ballast).unwrap();
        for writer in &mut writers {
            assert_eq!(writer.write(&plane.url), Wrote::Done);
        }
        assert_eq!(plane.get("/readyz").0, 200);
        assert_whole(&disk.copy(), &writers);
    }
}
