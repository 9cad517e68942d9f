//! What the tests of this crate share: both databases, people, and held calls.

use std::panic::AssertUnwindSafe;

use policy::approval::{Approver, Fingerprint, PersonId};
use policy::{Call, Caller, CallerKind, Definition};
use policy_sync::{ApprovalRequest, HoldId};
use sqlx::{AnyConnection, Connection};
use tempfile::TempDir;
use test_postgres::{Collation, Server};

use crate::actor::Actor;
use crate::clock;
use crate::key::Key;
use crate::people::NewPerson;
use crate::store::{Begun, Edit, Holder, HolderAdded, Kept, Record, Store, StoreUrl, Tier};

pub(crate) const ORG: &str = "acme";
pub(crate) const AGENT: &str = "agent-7";

/// An empty place for a store, which goes away with its test.
pub(crate) enum Database {
    Sqlite(TempDir),
    Postgres(test_postgres::Database),
}

/// Runs a test on SQLite, and again on a real PostgreSQL that sorts text as people do.
pub(crate) fn on_both(test: impl AsyncFn(Database)) {
    let databases = [Database::sqlite(), Database::postgres()];
    let failed: Vec<_> = databases
        .into_iter()
        .filter_map(|database| {
            let name = database.name();
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
            let run = || runtime.unwrap().block_on(test(database));
            std::panic::catch_unwind(AssertUnwindSafe(run)).err().map(|_| name)
        })
        .collect();
    assert!(failed.is_empty(), "it failed on {}: see above", failed.join(" and on "));
}

impl Database {
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    pub(crate) fn postgres() -> Self {
        Self::Postgres(Server::shared().database(Collation::People))
    }

    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        }
    }

    pub(crate) fn url(&self) -> StoreUrl {
        match self {
            Self::Sqlite(folder) => StoreUrl::file(&folder.path().join("oakgate.db")),
            Self::Postgres(database) => StoreUrl::parse(&database.url()).unwrap(),
        }
    }

    pub(crate) async fn store(&self) -> Store {
        Store::open(&self.url()).await.unwrap()
    }

    /// Does something to it behind the back of the control planes that have it open.
    pub(crate) async fn sql(&self, statement: &'static str) {
        match self {
            Self::Sqlite(folder) => {
                let url = format!("sqlite://{}", folder.path().join("oakgate.db").display());
                let mut connection = AnyConnection::connect(&url).await.unwrap();
                sqlx::query(statement).execute(&mut connection).await.unwrap();
            }
            Self::Postgres(database) => {
                let mut connection = AnyConnection::connect(&database.url()).await.unwrap();
                sqlx::query(statement).execute(&mut connection).await.unwrap();
            }
        }
    }

    /// Every byte that it keeps.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Sqlite(folder) => {
                let files = std::fs::read_dir(folder.path()).unwrap();
                files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
            }
            Self::Postgres(database) => database.dump().into_bytes(),
        }
    }
}

/// A write of the host's own operator.
pub(crate) async fn edit(store: &Store, org: &str) -> Edit {
    match store.begin_edit(Actor::host(org), "here".to_owned(), None, clock::now()).await.unwrap() {
        Begun::New(edit) => edit,
        Begun::Repeated(_) | Begun::KeyReused => panic!("nothing to repeat"),
    }
}

/// Makes it durable.
pub(crate) async fn commit(edit: Edit, action: &'static str, object: &str) {
    let kept = Kept { status: 200, etag: None, location: None, body: String::new() };
    edit.commit(&Record::of(action, object), &kept).await.unwrap();
}

/// A new key of an org, which is made if it is missing.
pub(crate) async fn key(store: &Store, org: &str, id: &str, tier: Tier) -> Key {
    let mut edit = edit(store, org).await;
    let now = edit.now;
    edit.add_org().await.unwrap();
    let key = Key::mint(tier).unwrap();
    let holder = Holder {
        org: org.to_owned(),
        id: id.to_owned(),
        tier,
        description: None,
        tenant: None,
        may_name_tenant: false,
        version: 1,
        created_at: now,
        expires_at: None,
        revoked_at: None,
    };
    assert_eq!(edit.add_holder(&holder, &key).await.unwrap(), HolderAdded::Done);
    commit(edit, "key.create", id).await;
    key
}

pub(crate) fn approver(id: &str, level1: bool, level2: bool) -> Approver {
    Approver { id: PersonId::parse(id).unwrap(), level1, level2 }
}

pub(crate) fn person(approver: Approver) -> NewPerson {
    NewPerson { org: ORG.to_owned(), name: approver.id.to_string(), approver, session_seconds: 3600 }
}

/// A held call of [`AGENT`], whose arguments tell it from others.
pub(crate) fn request(hold: u64, arguments: &str) -> ApprovalRequest {
    request_of(AGENT, hold, arguments)
}

pub(crate) fn request_of(agent: &str, hold: u64, arguments: &str) -> ApprovalRequest {
    let caller = Caller { id: agent.to_owned(), kind: CallerKind::Agent, claims: serde_json::Map::new() };
    let call = Call {
        backend: "payments",
        tool: "refund",
        tenant: None,
        resource: Some("ledger"),
        method: None,
        arguments,
        caller: &caller,
        unread: policy::Unread::Nothing,
        reasoning: None,
        definition: Definition::Accepted,
    };
    ApprovalRequest {
        hold: HoldId(hold),
        proxy: "gate-1".to_owned(),
        fingerprint: Fingerprint::of(ORG, &call).unwrap(),
        org: ORG.to_owned(),
        caller: agent.to_owned(),
        backend: call.backend.to_owned(),
        tool: call.tool.to_owned(),
        tenant: None,
        resource: call.resource.map(str::to_owned),
        method: None,
        arguments: policy::mask::mask_arguments(arguments),
        reasoning: Some("the customer asked".to_owned()),
        level: "org/tool".to_owned(),
        rule: Some("refunds".to_owned()),
        reason: None,
        policy: 3,
        definition_changed: false,
        second_approval: false,
        timeout_seconds: None,
        joined: None,
    }
}
