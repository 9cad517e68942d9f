use super::*;

/// Opens a link which answers, or does not, and breaks after so long; how long the proxy waits then if it draws this.
fn waits_ms(proxy: &mut ProxySync, now_ms: &mut u64, (lasts_ms, answers): (u64, bool), entropy: u64) -> u64 {
    proxy.handle(ProxyEvent::Tick, *now_ms, || 0);
    proxy.handle(ProxyEvent::Dialled(Ok(())), *now_ms, || 0);
    if answers {
        let pong = ControlFrame::Pong(Current::default()).to_text();
        proxy.handle(ProxyEvent::Received(&pong), *now_ms, || 0);
    }
    *now_ms += lasts_ms;
    proxy.handle(ProxyEvent::Received("garbage"), *now_ms, || entropy);
    let wait_ms = proxy.wake_at_ms() - *now_ms;
    *now_ms += wait_ms;
    wait_ms
}

#[test]
fn only_a_link_that_lasted_makes_the_next_wait_short() {
    let identity = Identity { version: "1".to_owned(), boot: 1, org: None };
    let limits = Limits { document_max_bytes: 1024 };
    let mut proxy = ProxySync::new(identity, TrustedKeys::new(Vec::new()), limits, Vec::new());
    let mut now_ms = 0;
    let (short, good, silent) = ((100, true), (GOOD_AFTER_MS, true), (GOOD_AFTER_MS - 1, false));
    for (link, longest_ms) in [
        (short, 500),
        (short, 1000),
        (short, 2000),
        (silent, 4000),
        (short, 8000),
        (short, 16_000),
        (short, 30_000),
        (short, 30_000),
        (good, 500),
        (short, 1000),
        (good, 500),
    ] {
        // What is drawn is the longest wait itself.
        assert_eq!(waits_ms(&mut proxy, &mut now_ms, link, longest_ms), longest_ms, "{link:?}");
    }
}
