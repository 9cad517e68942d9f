//! PostgreSQL gone for a while, and a control plane that stops in the middle of a write.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use test_postgres::{Collation, Database, Durability, Server};

use super::plane::Place;
use super::writer::{Writer, Wrote, assert_whole};
use crate::harness::wait_for;

const WRITERS: usize = 4;

#[test]
fn postgresql_restarted_under_load_loses_nothing_and_the_control_plane_goes_on() {
    let mut server = Server::start(Durability::Full);
    let database = server.database(Collation::Bytes);
    let place = Place::postgres(&database);
    let plane = place.start_with_org();
    let mut writers: Vec<Writer> = (0..WRITERS).map(Writer::new).collect();
    for _ in 0..3 {
        let (is_back, (done, each_done), (failed, each_failed)) =
            (AtomicBool::new(false), mpsc::sync_channel(1024), mpsc::sync_channel(1024));
        std::thread::scope(|scope| {
            for writer in &mut writers {
                let (url, is_back, done, failed) = (&plane.url, &is_back, done.clone(), failed.clone());
                scope.spawn(move || {
                    let outage = writer.write_on(url, || done.try_send(()).unwrap_or_default());
                    assert_eq!(outage, Wrote::Refused(503, "store_failed".to_owned()));
                    failed.send(()).unwrap();
                    wait_for("a write after the outage", || match writer.write(url) {
                        Wrote::Done => is_back.load(Ordering::SeqCst).then_some(()),
                        outage => {
                            assert_eq!(outage, Wrote::Refused(503, "store_failed".to_owned()));
                            None
                        }
                    });
                });
            }
            for _ in 0..20 {
                each_done.recv().unwrap();
            }
            server.cut();
            for _ in 0..WRITERS {
                each_failed.recv().unwrap();
            }
            wait_for("the answer that it is not ready", || {
                (plane.get("/readyz") == (503, "store_failed".to_owned())).then_some(())
            });
            assert_eq!(plane.get("/v1/tenants"), (503, "store_failed".to_owned()));
            assert_eq!(plane.get("/healthz").0, 200);
            server.resume();
            is_back.store(true, Ordering::SeqCst);
        });
        assert_whole(&place, &writers);
        assert_eq!(plane.get("/readyz").0, 200);
    }
}

/// Stops a control plane while it holds the writers' turn.
fn stop_in_the_middle(plane: &super::plane::Plane, database: &Database) {
    wait_for("the middle of a write", || {
        plane.program.signal("-STOP");
        // What it sent before it was stopped may be under way at the server still.
        let idle = "SELECT COUNT(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' \
                    AND granted AND state = 'idle in transaction' AND datname = current_database()";
        let is_in_the_middle = (0..3).all(|_| database.sql(idle).trim() == "1");
        if !is_in_the_middle {
            plane.program.signal("-CONT");
        }
        is_in_the_middle.then_some(())
    });
}

#[test]
fn a_control_plane_that_stops_in_the_middle_of_a_write_keeps_nobody_forever() {
    let database = Server::shared().database(Collation::People);
    let place = Place::postgres(&database);
    let (stuck, other) = (place.start_with_org(), place.start());
    let mut writers: Vec<Writer> = (0..WRITERS).map(Writer::new).collect();
    let stuck_url = stuck.url.clone();
    std::thread::scope(|scope| {
        let mut writers = writers.iter_mut();
        let here = writers.next_back().unwrap();
        for writer in writers {
            let url = &stuck_url;
            scope.spawn(move || assert_eq!(writer.write_on(url, || ()), Wrote::NoAnswer));
        }
        stop_in_the_middle(&stuck, &database);
        assert_eq!(here.write(&other.url), Wrote::Refused(503, "store_failed".to_owned()));
        assert_eq!(other.get("/v1/tenants").0, 200, "reading goes on");
        assert_eq!(other.get("/readyz"), (503, "store_failed".to_owned()));
        stuck.kill();
        assert_eq!(here.write(&other.url), Wrote::Done);
        assert_eq!(other.get("/readyz").0, 200);
    });
    for writer in &mut writers {
        assert_eq!(writer.write(&other.url), Wrote::Done);
    }
    assert_whole(&place, &writers);
}
