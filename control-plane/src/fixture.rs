//! What the tests of this crate share: a folder of their own, people, and held calls.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use policy::approval::{Approver, Fingerprint, PersonId};
use policy::{Call, Caller, CallerKind, Definition};
use policy_sync::{ApprovalRequest, HoldId};

use crate::actor::Actor;
use crate::clock;
use crate::key::Key;
use crate::people::NewPerson;
use crate::store::{Begun, Holder, HolderAdded, Kept, Record, Store, StoreUrl, Tier};

pub(crate) const ORG: &str = "acme";
pub(crate) const AGENT: &str = "agent-7";

/// A folder that goes away with its test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("oakgate-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self) -> StoreUrl {
        StoreUrl::file(&self.0.join("oakgate.db"))
    }

    pub(crate) async fn store(&self) -> Store {
        Store::open(&self.file()).await.unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A new key of an org, which is made if it is missing.
pub(crate) async fn key(store: &Store, org: &str, id: &str, tier: Tier) -> Key {
    let now = clock::now();
    let Begun::New(mut edit) =
        store.begin_edit(Actor::host(org), "here".to_owned(), None, now).await.unwrap()
    else {
        panic!("nothing to repeat");
    };
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
    let kept = Kept { status: 201, etag: None, location: None, body: String::new() };
    edit.commit(&Record::of("key.create", id), &kept).await.unwrap();
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
    }
}
