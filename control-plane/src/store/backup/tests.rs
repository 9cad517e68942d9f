//! Copies while writers write, and what stands in the way of one.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sqlx::Row as _;

use super::*;
use crate::actor::Actor;
use crate::clock;
use crate::fixture::{Database, ORG};
use crate::store::{Begun, Kept, Record, Store};

const WRITERS: usize = 4;

/// One write as the API does it: its record and its kept answer are one transaction.
async fn write(store: &Store, name: &str) {
    let repeat = crate::store::Repeat { key: name.to_owned(), request_sha256: "0".repeat(64) };
    let begun = store.begin_edit(Actor::host(ORG), "here".to_owned(), Some(repeat), clock::now()).await;
    let Begun::New(edit) = begun.unwrap() else { panic!("{name} was written before") };
    let kept = Kept { status: 204, etag: None, location: None, body: String::new() };
    edit.commit(&Record::of("thing.put", name), &kept).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_is_whole_while_writers_write() {
    let database = Database::sqlite();
    let Database::Sqlite(folder) = &database else { panic!("it is SQLite") };
    let store = database.store().await;
    let is_over = Arc::new(AtomicBool::new(false));
    let written = Arc::new(AtomicU64::new(0));
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let (store, is_over, written) = (store.clone(), Arc::clone(&is_over), Arc::clone(&written));
        writers.spawn(async move {
            for number in 0.. {
                write(&store, &format!("{writer}-{number:06}")).await;
                written.fetch_add(1, Ordering::SeqCst);
                if is_over.load(Ordering::SeqCst) {
                    break;
                }
            }
        });
    }
    let mut copied = 0;
    for number in 0..5 {
        while written.load(Ordering::SeqCst) < copied + 50 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let before = written.load(Ordering::SeqCst);
        let to = folder.path().join(format!("copy-{number}.db"));
        let bytes = backup(&database.url(), &to).await.unwrap();
        let metadata = to.metadata().unwrap();
        assert_eq!((metadata.permissions().mode() & 0o777, metadata.len()), (0o600, bytes));

        let copy = Store::open(&StoreUrl::file(&to)).await.unwrap();
        let sql = "SELECT (SELECT COUNT(*) FROM activity) AS records, (SELECT COUNT(*) FROM repeats) AS answers, \
                   (SELECT COUNT(*) FROM activity JOIN repeats ON idempotency_key = object) AS both";
        let row = sqlx::query(sql).fetch_one(copy.readers()).await.unwrap();
        let [records, answers, both] = ["records", "answers", "both"].map(|name| row.get::<i64, _>(name));
        assert_eq!((records, answers), (both, both), "a write is in the copy whole or not at all");
        copied = u64::try_from(records).unwrap();
        assert!(copied >= before, "{copied} of the {before} writes that were answered");
        copy.close().await;
    }
    is_over.store(true, Ordering::SeqCst);
    assert_eq!(writers.join_all().await.len(), WRITERS, "no write failed");
    let names = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name());
    let names: Vec<_> = names.filter(|name| name.to_string_lossy().starts_with('.')).collect();
    assert_eq!(names, Vec::<std::ffi::OsString>::new(), "nothing half done is left");
}

#[tokio::test]
async fn a_copy_overwrites_nothing_and_is_checked() {
    let database = Database::sqlite();
    let Database::Sqlite(folder) = &database else { panic!("it is SQLite") };
    database.store().await.close().await;
    let taken = folder.path().join("taken");
    std::fs::write(&taken, "mine").unwrap();
    let dangling = folder.path().join("dangling");
    std::os::unix::fs::symlink("nowhere", &dangling).unwrap();
    for to in [&taken, &dangling, &folder.path().to_owned()] {
        assert!(matches!(backup(&database.url(), to).await, Err(BackupError::Exists)), "{to:?}");
    }
    assert_eq!(std::fs::read_to_string(&taken).unwrap(), "mine");

    let to = folder.path().join("copy.db");
    let missing = StoreUrl::file(&folder.path().join("none.db"));
    assert!(matches!(backup(&missing, &to).await, Err(BackupError::Database(_))));
    let elsewhere = folder.path().join("no/folder/copy.db");
    assert!(matches!(backup(&database.url(), &elsewhere).await, Err(BackupError::File(_))));
    assert!(matches!(backup(&database.url(), Path::new("/")).await, Err(BackupError::Exists)));
    let postgres = StoreUrl::parse("postgres://ada@db/oak").unwrap();
    assert!(matches!(backup(&postgres, &to).await, Err(BackupError::NotSqlite)));

    // A row that refers to nothing: only a damaged store has one.
    let mut raw = AnyConnection::connect(&format!("{}?mode=rw", database.url())).await.unwrap();
    sqlx::query("PRAGMA foreign_keys = OFF").execute(&mut raw).await.unwrap();
    let orphan = "INSERT INTO decisions (reference, level, person, decision, at_unix_ms, origin) \
                  VALUES ('REF-0', 1, 'ada', 'approve', 1, 'here')";
    sqlx::query(orphan).execute(&mut raw).await.unwrap();
    raw.close().await.unwrap();
    let damaged = backup(&database.url(), &to).await.unwrap_err();
    assert!(matches!(&damaged, BackupError::Damaged(found) if found.contains("decisions")), "{damaged}");
    assert!(!to.exists());
}
