//! `oakgate backup` beside a control plane that writes, and the copy as a store.

use std::process::Command;

use serde_json::json;
use test_postgres::{Collation, GUARDED, PASSWORD, Server};

use super::plane::{Place, Plane, write_settings};
use super::writer::{Writer, Wrote, assert_whole};
use crate::harness::{oakgate, oakgate_command};

#[test]
fn a_copy_of_a_store_in_use_is_a_store() {
    let place = Place::sqlite();
    let plane = place.start_with_org();
    let mut writers: Vec<Writer> = (0..2).map(Writer::new).collect();
    let copy = Place::sqlite();
    let to = copy.folder.path().join("oakgate.db").to_str().unwrap().to_owned();
    let url = plane.url.clone();
    std::thread::scope(|scope| {
        let mut writers = writers.iter_mut();
        let before = writers.next().unwrap();
        for _ in 0..10 {
            assert_eq!(before.write(&url), Wrote::Done);
        }
        for writer in writers {
            let url = &url;
            scope.spawn(move || assert_eq!(writer.write_on(url, || ()), Wrote::NoAnswer));
        }
        let (status, said, errors) = oakgate(&["backup", "--config", &place.settings(), "--to", &to], "");
        assert_eq!(status, 0, "{errors}");
        assert!(said.starts_with(&format!("{to}: a copy of sqlite://")), "{said}");
        plane.kill();
    });
    assert_whole(&place, &writers);
    // Five of its ten writes; all of that was answered before the copy began.
    assert_eq!(copy.rows("SELECT version, description FROM catalogue WHERE name = 'w0'"), ["5|9"]);
    let restored = copy.start();
    assert_eq!(restored.get("/v1/tenants/w0").0, 200);
    assert_eq!(restored.get("/readyz").0, 200);

    let again = oakgate(&["backup", "--config", &place.settings(), "--to", &to], "");
    assert_eq!((again.0, again.2.contains("there is a file of that name already")), (2, true), "{}", again.2);
}

#[test]
fn the_command_for_postgresql_works_as_it_is_printed() {
    let server = Server::shared();
    let database = server.database(Collation::Bytes);
    let _granted = database.sql(&format!("GRANT ALL ON SCHEMA public TO {GUARDED}"));
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("it's a password");
    std::fs::write(&password, PASSWORD).unwrap();
    let settings = write_settings(
        folder.path(),
        &json!({"store": database.url_for(GUARDED), "store_password_file": password}),
    );
    Plane::start(oakgate_command().args(["control-plane", "--config", &settings])).kill();
    let to = folder.path().join("it's a dump");
    let (status, _, said) = oakgate(&["backup", "--config", &settings, "--to", to.to_str().unwrap()], "");
    assert_eq!(status, 2, "{said}");
    let command = said.lines().find(|line| line.contains("pg_dump ")).unwrap();
    assert!(!command.contains(PASSWORD), "{command}");
    let shell = |command: &str| {
        let output =
            Command::new("sh").args(["-c", command]).env("PATH", test_postgres::path()).output().unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    };
    shell(command);

    let restored = server.database(Collation::People);
    shell(&format!(
        "pg_restore --no-owner --exit-on-error --dbname='{}' \"{}\"",
        restored.url(),
        to.display()
    ));
    assert_eq!(Place::postgres(&restored).start().get("/readyz").0, 200);
}
