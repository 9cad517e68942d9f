//! Two control planes on one PostgreSQL: what one has answered holds at the other, at once.

use test_postgres::{Collation, Server};

use super::plane::{Place, Plane};
use super::writer::{Writer, Wrote, assert_whole};

/// Writes of each writer.
const WRITES: usize = 40;

#[test]
fn two_control_planes_write_one_policy_and_lose_no_revision() {
    let database = Server::shared().database(Collation::People);
    let place = Place::postgres(&database);
    let planes = [place.start_with_org(), place.start()];
    let mut writers: Vec<Writer> = (0..4).map(Writer::new).collect();
    std::thread::scope(|scope| {
        for (number, writer) in writers.iter_mut().enumerate() {
            let [here, there] =
                if number % 2 == 0 { [&planes[0], &planes[1]] } else { [&planes[1], &planes[0]] };
            scope.spawn(move || write(writer, here, there));
        }
    });
    assert_whole(&place, &writers);
    let newest = writers.iter().map(Writer::revision).max().unwrap();
    assert_eq!(newest, 1 + 4 * WRITES as u64 / 4, "the first, and every fourth write");
    assert_eq!(planes.map(|plane| plane.revision()), [newest, newest]);
}

fn write(writer: &mut Writer, here: &Plane, there: &Plane) {
    while writer.done() < WRITES {
        match writer.write(&here.url) {
            Wrote::Done => assert!(there.revision() >= writer.revision(), "the other one knows it already"),
            failed => assert_eq!(failed, Wrote::Refused(503, "busy".to_owned())),
        }
    }
}
