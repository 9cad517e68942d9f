//! Each step on data as the version before it wrote them, and what stands in the way of a step.

use std::collections::BTreeMap;

use policy::UnixMillis;
use policy::approval::{Level, PersonId, Reference, State};
use sqlx::any::AnyRow;
use sqlx::{AnyPool, AssertSqlSafe, Column as _, Executor as _, Row as _};

use super::*;
use crate::fixture::{Database, ORG, on_both};
use crate::store::{Filter, Store, StoreError};

/// What a program of each version writes: it stays, as the step does, and the next version's program meets it.
const DATA: [&str; MIGRATIONS.len()] = [
    include_str!("../../../migrations/data/0001_approvals.sql"),
    include_str!("../../../migrations/data/0002_definition_changed.sql"),
    include_str!("../../../migrations/data/0003_policy.sql"),
    include_str!("../../../migrations/data/0004_proxies.sql"),
    include_str!("../../../migrations/data/0005_audit.sql"),
];

/// A table's columns, and its rows in some order.
type Table = (Vec<String>, Vec<Vec<String>>);

async fn pool(database: &Database) -> AnyPool {
    sqlx::any::install_default_drivers();
    let url = match database {
        Database::Sqlite(folder) => format!("sqlite://{}/oakgate.db?mode=rwc", folder.path().display()),
        Database::Postgres(database) => database.url(),
    };
    AnyPool::connect(&url).await.unwrap()
}

/// The tables there are after so many steps.
fn tables(steps: usize) -> impl Iterator<Item = &'static str> {
    let lines = MIGRATIONS[..steps].iter().flat_map(|(_, _, sql)| sql.lines());
    lines.filter_map(|line| line.strip_prefix("CREATE TABLE ")?.strip_suffix(" ("))
}

async fn read(pool: &AnyPool, table: &str, columns: &[String]) -> Table {
    let columns = if columns.is_empty() { "*".to_owned() } else { columns.join(", ") };
    let sql = AssertSqlSafe(format!("SELECT {columns} FROM {table}"));
    let rows = sqlx::query(sql).persistent(false).fetch_all(pool).await.unwrap();
    assert!(!rows.is_empty(), "no version writes anything into {table}");
    let columns = rows[0].columns().iter().map(|column| column.name().to_owned()).collect();
    let mut rows: Vec<Vec<String>> =
        rows.iter().map(|row| (0..row.len()).map(|column| value(row, column)).collect()).collect();
    rows.sort_unstable();
    (columns, rows)
}

fn value(row: &AnyRow, column: usize) -> String {
    let number = row.try_get::<Option<i64>, _>(column).map(|number| format!("{number:?}"));
    number.unwrap_or_else(|_| format!("{:?}", row.get::<Option<String>, _>(column)))
}

#[test]
fn each_step_keeps_what_the_versions_before_it_wrote() {
    on_both(async |database| {
        let pool = pool(&database).await;
        let mut kept: BTreeMap<&str, Table> = BTreeMap::new();
        for (step, data) in (1..).zip(DATA) {
            migrator().run_to(MIGRATIONS[step - 1].0, &pool).await.unwrap();
            for (table, (columns, rows)) in &kept {
                assert_eq!(&read(&pool, table, columns).await.1, rows, "{table}, step {step}");
            }
            pool.execute(data).await.unwrap();
            for table in tables(step) {
                kept.insert(table, read(&pool, table, &[]).await);
            }
        }
        pool.close().await;
        read_by_this_program(&database.store().await).await;
    });
}

async fn read_by_this_program(store: &Store) {
    let filter = Filter { org: ORG.to_owned(), state: None, before: None, limit: 200 };
    let approvals = store.approvals(&filter).await.unwrap();
    let states: Vec<_> = approvals.iter().rev().map(|approval| approval.state.as_str()).collect();
    let expected = [
        "pending",
        "pending",
        "approved",
        "denied",
        "denied",
        "expired",
        "withdrawn",
        "consumed",
        "lapsed",
        "pending",
        "consumed",
    ];
    assert_eq!(states, expected);
    let changed: Vec<_> = approvals.iter().map(|approval| approval.definition_changed).collect();
    assert_eq!(changed, [false, true, false, false, false, false, false, false, false, false, false]);
    let consumed_by: Vec<_> =
        approvals.iter().filter_map(|approval| approval.consumed_by.as_deref()).collect();
    assert_eq!(consumed_by, ["00000000000000ff/7/gate-1"]);
    let reference = Reference::try_from("REF-00000002-0000".to_owned()).unwrap();
    let (second, decisions) = store.approval(ORG, &reference).await.unwrap().unwrap();
    let first_by = PersonId::parse("ada").unwrap();
    assert_eq!(second.state, State::Pending { level: Level::Second { first_by } });
    assert_eq!((decisions.len(), second.note.as_deref()), (1, Some("first yes")));
    assert_eq!(store.live().await.unwrap().pending, 3);

    let names: Vec<_> = store.people(ORG).await.unwrap().into_iter().map(|person| person.name).collect();
    assert_eq!(names, ["Ada", "Bób O'Hara"]);
    assert_eq!(store.session_owner(&"1".repeat(64)).await.unwrap().unwrap().0.name, "Ada");
    for (secret, holder) in [("3", Some("deploy")), ("4", None), ("5", Some("runtime")), ("6", None)] {
        let found = store.holder_of_key(&secret.repeat(64), UnixMillis(6000)).await.unwrap();
        assert_eq!(found.as_ref().map(|holder| holder.id.as_str()), holder, "{secret}");
    }
    let proxy = store.proxy_of_token(&"7".repeat(64), UnixMillis(6000)).await.unwrap();
    assert_eq!(proxy.unwrap().id, "gate-1");
    assert_eq!(store.proxies_seen(ORG, "gate-1", "gate-2").await.unwrap()["gate-2"].keys_revision, None);
    let (revision, text) = store.keys_document(ORG).await.unwrap().unwrap();
    // Both of the holder that is rotated, and none of the one that is revoked.
    assert_eq!((revision, text.matches(r#""id":"runtime""#).count(), text.lines().count()), (7, 2, 4));
}

#[test]
fn a_store_of_a_newer_version_is_refused() {
    on_both(async |database| {
        database.store().await.close().await;
        let pool = pool(&database).await;
        let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                     SELECT 1000, 'later', success, checksum, 1 FROM _sqlx_migrations WHERE version = 1";
        pool.execute(newer).await.unwrap();
        let refused = Store::open(&database.url()).await.unwrap_err();
        assert!(matches!(refused, StoreError::Newer(1000)), "{refused}");
    });
}

#[test]
fn control_planes_that_start_at_once_all_come_up() {
    on_both(async |database| {
        let mut opened = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let url = database.url();
            opened
                .spawn(async move { Store::open(&url).await.unwrap().answers(UnixMillis(1)).await.unwrap() });
        }
        assert_eq!(opened.join_all().await.len(), 4);
    });
}
