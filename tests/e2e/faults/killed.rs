//! The control plane killed in the middle of writes, again and again.

use std::sync::mpsc;
use std::time::Duration;

use test_postgres::{Collation, Server};

use super::plane::Place;
use super::writer::{Writer, Wrote, assert_whole};

const WRITERS: usize = 4;

fn killed(place: &Place, times: u64) {
    place.start_with_org().kill();
    let mut writers: Vec<Writer> = (0..WRITERS).map(Writer::new).collect();
    for time in 0..times {
        let plane = place.start();
        assert_whole(place, &writers);
        let (url, (done, each_done)) = (plane.url.clone(), mpsc::sync_channel(1024));
        std::thread::scope(|scope| {
            for writer in &mut writers {
                let (url, done) = (&url, done.clone());
                scope.spawn(move || {
                    assert_eq!(
                        writer.write_on(url, || done.try_send(()).unwrap_or_default()),
                        Wrote::NoAnswer
                    );
                });
            }
            // A different moment each time: so many writes later, and some way into the next ones.
            for _ in 0..=time % 11 {
                each_done.recv().unwrap();
            }
            std::thread::sleep(Duration::from_micros(time * 370 % 5000));
            plane.kill();
        });
    }
    let _plane = place.start();
    assert_whole(place, &writers);
    let done: usize = writers.iter().map(Writer::done).sum();
    assert!(done as u64 > 4 * times, "{done} writes in {times} lives");
}

#[test]
fn a_control_plane_killed_a_hundred_times_on_sqlite_loses_nothing() {
    let place = Place::sqlite();
    killed(&place, 100);
    assert_eq!(place.rows("PRAGMA integrity_check"), ["ok"]);
    assert_eq!(place.rows("PRAGMA foreign_key_check"), [""; 0]);
}

#[test]
fn a_control_plane_killed_on_postgresql_loses_nothing() {
    let database = Server::shared().database(Collation::People);
    killed(&Place::postgres(&database), 20);
}
