//! `protocol`: from the bytes of a body to the call that policy decides on.

use std::hint::black_box;

use benches::CALL;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use protocol::message::Message;
use protocol::pointer::{Pointer, text_at};

criterion_group!(benches, recognise);
criterion_main!(benches);

fn recognise(criterion: &mut Criterion) {
    let message = Message::read(CALL).expect("the call is good");
    let arguments = message.params().expect("a call has parameters").arguments;
    let pointer = Pointer::parse("/space").expect("the pointer is good");
    assert_eq!(text_at(arguments, &pointer).expect("the argument is text").as_deref(), Some("space-0"));

    let mut group = criterion.benchmark_group("recognise");
    group.throughput(Throughput::Bytes(CALL.len() as u64));
    group.bench_function("tools/call, 760 bytes", |bencher| bencher.iter(|| Message::read(black_box(CALL))));
    group.throughput(Throughput::Bytes(arguments.len() as u64));
    group.bench_function("resource from an argument", |bencher| {
        bencher.iter(|| text_at(black_box(arguments), &pointer).map(|text| text.map(|text| text.len())));
    });
    group.finish();
}
