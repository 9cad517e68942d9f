//! Many changes of a policy: one after the other, held against a model, and at once, from two control planes.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::policy::JSON;
use super::*;

/// A change, as the model knows it.
#[derive(Clone, Debug)]
enum Edit {
    Put { id: u8, body: u8, before: Option<u8> },
    Delete(u8),
    Rollback(u8),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        6 => (0..9_u8, 0..3_u8, proptest::option::of(0..9_u8))
            .prop_map(|(id, body, before)| Edit::Put { id, body, before }),
        2 => (0..9_u8).prop_map(Edit::Delete),
        1 => (1..60_u8).prop_map(Edit::Rollback),
    ]
}

/// What a change does to a list of rules, and the status that it is answered with.
fn model(rules: &[(u8, u8)], edit: &Edit, revisions: &[Vec<(u8, u8)>]) -> (Vec<(u8, u8)>, u16) {
    let mut changed = rules.to_vec();
    let place = |rules: &[(u8, u8)], id| rules.iter().position(|(found, _)| *found == id);
    match *edit {
        Edit::Put { id, body, before } => {
            let stood = place(rules, id);
            let status = if stood.is_some() { 200 } else { 201 };
            let Some(before) = before.filter(|before| *before != id) else {
                match stood {
                    Some(stood) => changed[stood].1 = body,
                    None => changed.push((id, body)),
                }
                return (changed, status);
            };
            changed.retain(|(found, _)| *found != id);
            let Some(at) = place(&changed, before) else { return (rules.to_vec(), 422) };
            changed.insert(at, (id, body));
            (changed, status)
        }
        Edit::Delete(id) => {
            changed.retain(|(found, _)| *found != id);
            let status = if changed.len() == rules.len() { 404 } else { 204 };
            (changed, status)
        }
        Edit::Rollback(revision) => match revisions.get(usize::from(revision)) {
            Some(older) => (older.clone(), 200),
            None => (changed, 404),
        },
    }
}

#[test]
fn after_any_changes_every_revision_reads_as_it_was() {
    let mut runner = TestRunner::deterministic();
    let edits = proptest::collection::vec(edit(), 60).new_tree(&mut runner).unwrap().current();
    on_both(async |database| {
        let running = Running::start(&database, &[]).await;
        let key = running.key(ORG, "ops", Tier::Management).await;
        let json = format!("{key}{JSON}");
        // By their numbers: revision 0 has nothing, and cannot be asked for.
        let mut revisions: Vec<Vec<(u8, u8)>> = vec![Vec::new()];
        for edit in &edits {
            let newest = revisions.last().unwrap().clone();
            let (rules, status) = model(&newest, edit, &revisions);
            let answer = match edit {
                Edit::Put { id, body, before } => {
                    let before = before.map_or(String::new(), |before| format!("?before=r{before}"));
                    let body = json!({"tool": format!("t{id}"), "permission": "disabled",
                        "reason": body.to_string()});
                    running.put(&key, &format!("/v1/rules/r{id}{before}"), &body.to_string()).await
                }
                Edit::Delete(id) => running.ask("DELETE", &format!("/v1/rules/r{id}"), &key, "").await,
                Edit::Rollback(revision) => {
                    let body = json!({"revision": revision}).to_string();
                    running.ask("POST", "/v1/policy/rollback", &json, &body).await
                }
            };
            assert_eq!(answer.status, status, "{edit:?} on {newest:?}: {}", answer.body);
            if rules != newest {
                revisions.push(rules);
            }
        }
        assert!(revisions.len() > 25, "{}", revisions.len());
        for (rules, revision) in revisions.iter().zip(0..).skip(1) {
            let document = running.ask("GET", &format!("/v1/policy?revision={revision}"), &key, "").await;
            let found = document.json(200);
            let found = found["rules"].as_array().unwrap().iter().map(|rule| {
                let id = rule["id"].as_str().unwrap().trim_start_matches('r').parse().unwrap();
                (id, rule["reason"].as_str().unwrap().parse().unwrap())
            });
            assert_eq!(found.collect::<Vec<(u8, u8)>>(), *rules, "revision {revision}");
        }
    });
}

#[test]
fn two_control_planes_lose_no_change() {
    on_both(async |database| {
        let one = Running::start(&database, &[]).await;
        let two = Running::start(&database, &[]).await;
        let key = one.key(ORG, "ops", Tier::Management).await;
        let tasks: Vec<_> = (0..24)
            .map(|number| {
                let (address, key) = (if number % 2 == 0 { one.address } else { two.address }, key.clone());
                tokio::spawn(async move {
                    let body = json!({"tool": format!("t{number}"), "permission": "disabled"}).to_string();
                    let fields = format!("{key}{JSON}Idempotency-Key: {number}\r\n");
                    // Busy is an answer too: whoever gets it comes again.
                    for _ in 0..50 {
                        let path = format!("/v1/rules/r{number}");
                        let answer = send(address, "PUT", &path, &fields, &body).await;
                        if answer.status == 201 {
                            return;
                        }
                        answer.problem(503, "busy");
                    }
                    panic!("rule {number} found no end of being busy");
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let rules = two.all(&key, "/v1/rules?limit=10").await;
        assert_eq!(rules.len(), 24);
        assert_eq!(one.store.newest_revision(ORG).await.unwrap(), 24);
        let revisions = one.all(&key, "/v1/policy/revisions?limit=10").await;
        assert_eq!(revisions.len(), 24);
    });
}
