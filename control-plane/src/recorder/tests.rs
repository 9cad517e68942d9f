//! Nothing is answered that is not recorded.

use policy::UnixMillis;
use tokio::task::JoinSet;

use super::*;
use crate::actor::Actor;
use crate::fixture::{Database, ORG, on_both};
use crate::store::{ActivityFilter, Record};

fn activity(number: usize) -> Activity {
    Activity {
        at: UnixMillis(1_767_225_600_000),
        actor: Actor::host(ORG),
        origin: "here".to_owned(),
        record: Record::of("permission.check", &format!("tool-{number:04}")),
    }
}

async fn objects(store: &Store) -> Vec<String> {
    let mut filter = ActivityFilter { org: ORG.to_owned(), limit: 200, ..ActivityFilter::default() };
    let mut objects = Vec::new();
    loop {
        let page = store.activity_page(&filter).await.unwrap();
        objects.extend(page.items.into_iter().map(|kept| kept.object));
        match page.next {
            Some(next) => filter.before = Some(next),
            None => return objects,
        }
    }
}

#[test]
fn what_waits_is_written_in_groups_and_before_the_end() {
    on_both(async |database: Database| {
        let store = database.store().await;
        let (recorder, task) = start(store.clone(), Metrics::new().unwrap());
        let mut waiting = JoinSet::new();
        for number in 0..500 {
            let recorder = recorder.clone();
            waiting.spawn(async move { (number, recorder.record(activity(number)).await) });
        }
        let mut answered = Vec::new();
        while let Some(done) = waiting.join_next().await {
            let (number, written) = done.unwrap();
            assert_eq!(written, Ok(()));
            answered.push(format!("tool-{number:04}"));
        }
        let groups = recorder.metrics.groups();
        assert!((8..500).contains(&groups), "{groups} groups");

        // Those that still wait when nobody asks any more are written all the same.
        let (last, answer) = oneshot::channel();
        recorder.queue.try_send(Waiting { activity: activity(500), written: last }).unwrap();
        answered.push("tool-0500".to_owned());
        drop(recorder);
        task.await.unwrap();
        assert_eq!(answer.await.unwrap(), Ok(()));
        let mut found = objects(&store).await;
        answered.sort();
        found.sort();
        assert_eq!(found, answered);
    });
}

#[test]
fn a_store_that_fails_or_a_full_queue_refuses() {
    on_both(async |database: Database| {
        let store = database.store().await;
        let metrics = Metrics::new().unwrap();
        let (recorder, task) = start(store.clone(), metrics.clone());
        recorder.record(activity(1)).await.unwrap();
        store.close().await;
        assert_eq!(recorder.record(activity(2)).await, Err(NotRecorded::StoreFailed));
        assert!(recorder.is_running());
        drop(recorder);
        task.await.unwrap();
        assert_eq!(objects(&database.store().await).await, ["tool-0001"]);

        // A queue that nobody empties.
        let (queue, _waiting) = mpsc::channel(2);
        let recorder = Recorder { queue, metrics };
        let stuck = recorder.clone();
        let waits: Vec<_> = (0..2)
            .map(|number| {
                let stuck = stuck.clone();
                tokio::spawn(async move { stuck.record(activity(number)).await })
            })
            .collect();
        while recorder.queued() < 2 {
            tokio::task::yield_now().await;
        }
        assert_eq!(recorder.record(activity(3)).await, Err(NotRecorded::Busy));
        drop(_waiting);
        for wait in waits {
            assert_eq!(wait.await.unwrap(), Err(NotRecorded::Stopped));
        }
        assert_eq!(recorder.record(activity(4)).await, Err(NotRecorded::Stopped));
        assert!(!recorder.is_running());
        assert_eq!(recorder.metrics.failures(), 5);
    });
}
