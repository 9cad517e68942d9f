//! Stores that can't be opened: what is said, and that it is a mistake in the settings.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use test_postgres::{Collation, GUARDED, PASSWORD, Server};

use super::plane::{Place, Plane, write_settings};
use crate::harness::{oakgate, oakgate_command};

/// Longest that it may take to say so.
const SAID_WITHIN: Duration = Duration::from_secs(20);

#[test]
fn a_store_that_cannot_be_opened_is_named_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("text.db"), "this is no database, however long it goes on ".repeat(100)).unwrap();
    std::fs::create_dir(path("folder.db")).unwrap();
    std::fs::write(path("wrong"), "wrong\n").unwrap();
    let newer = Place { folder: tempfile::tempdir().unwrap(), url: format!("sqlite://{}", path("newer.db")) };
    newer.start().kill();
    newer.rows(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         SELECT 1000, 'later', success, checksum, 1 FROM _sqlx_migrations WHERE version = 1",
    );
    let database = Server::shared().database(Collation::Bytes);
    let sqlite = |name: &str| json!({"store": format!("sqlite://{}", path(name))});
    let guarded = database.url_for(GUARDED);
    let cases: [(Value, &str); 9] = [
        (sqlite("text.db"), "file is not a database"),
        (sqlite("folder.db"), "the store's file can't be used: Is a directory"),
        (sqlite("no/such/folder.db"), "the store's file can't be used: No such file or directory"),
        (sqlite("newer.db"), "a newer version of oakgate has changed the store's tables (step 1000)"),
        (json!({"store": guarded, "store_password_file": path("wrong")}), "password authentication failed"),
        (json!({"store": guarded, "store_password_file": path("none")}), "can't be read"),
        (json!({"store": guarded}), "password authentication failed"),
        (json!({"store": database.url().replace("/test", "/none")}), "does not exist"),
        (
            json!({"store": "postgres://ada:secret@127.0.0.1:1/oak"}),
            "postgres://127.0.0.1:1/oak: can't be opened",
        ),
    ];
    for (settings, expected) in cases {
        let file = write_settings(folder.path(), &settings);
        let since = Instant::now();
        let (status, _, errors) = oakgate(&["control-plane", "--config", &file], "");
        assert_eq!(status, 64, "{settings}: {errors}");
        assert!(errors.contains(expected), "{settings}: {errors}");
        assert!(!errors.contains("secret"), "{errors}");
        assert!(since.elapsed() < SAID_WITHIN, "{settings} took {:?}", since.elapsed());
    }
}

/// As somebody who may only read it: for root nothing is read-only.
#[test]
fn a_store_that_may_only_be_read_is_refused() {
    let place = Place::sqlite();
    place.start().kill();
    let file = place.folder.path().join("oakgate.db");
    let read_only =
        |path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    read_only(file.as_path(), 0o444);
    read_only(place.folder.path(), 0o755);
    let program = oakgate_command();
    let mut command = std::process::Command::new("unshare");
    command.args(["--map-user=65534", "--map-group=65534", "--user"]).arg("setpriv");
    command.args(["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]).arg(program.get_program());
    let output = command.args(["control-plane", "--config", &place.settings()]).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64), "{errors}");
    assert!(errors.contains("the store's file can't be used: Permission denied"), "{errors}");
}

#[test]
fn a_password_comes_from_its_file() {
    let database = Server::shared().database(Collation::Bytes);
    let _granted = database.sql(&format!("GRANT ALL ON SCHEMA public TO {GUARDED}"));
    let place = Place { folder: tempfile::tempdir().unwrap(), url: database.url_for(GUARDED) };
    std::fs::write(place.folder.path().join("password"), format!("{PASSWORD}\n")).unwrap();
    let settings = json!({"store": place.url, "store_password_file": "password"});
    let file = write_settings(place.folder.path(), &settings);
    let plane = Plane::start(oakgate_command().args(["control-plane", "--config", &file]));
    assert_eq!(plane.get("/readyz").0, 200);
    let owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'approvals'";
    assert_eq!(database.sql(owner).trim(), GUARDED);
}
