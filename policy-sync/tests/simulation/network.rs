//! The network: links whose messages arrive late, in order, twice, changed, or not at all.

use std::collections::VecDeque;

use crate::random::Random;

/// What travels.
#[derive(Clone, Debug)]
pub(crate) enum Packet {
    Text(String),
    /// The other end closed it with this code.
    Close(u16),
}

/// One direction of a link: what is on its way, each with the time it arrives.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    packets: VecDeque<(u64, Packet)>,
    /// Nothing comes through any more, and nobody is told.
    pub(crate) silent: bool,
}

/// A link between one proxy and one control plane.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) proxy: usize,
    pub(crate) control_plane: usize,
    pub(crate) to_proxy: Pipe,
    pub(crate) to_control: Pipe,
}

impl Pipe {
    pub(crate) fn send(&mut self, now_ms: u64, packet: Packet, random: &mut Random, lies: bool) {
        if self.silent {
            return;
        }
        let last = self.packets.back().map_or(now_ms, |(at, _)| *at);
        let delay_ms = if random.once_in(20) { random.below(5_000) } else { random.below(50) };
        let at = last.max(now_ms + delay_ms);
        let packet = if lies && random.once_in(15) { lie(packet, random) } else { packet };
        if lies && random.once_in(30) {
            self.packets.push_back((at, packet.clone()));
        }
        self.packets.push_back((at, packet));
    }

    /// What has arrived by now.
    pub(crate) fn arrived(&mut self, now_ms: u64) -> Option<Packet> {
        self.packets.pop_front_if(|(at, _)| *at <= now_ms).map(|(_, packet)| packet)
    }

    /// When the next one arrives.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.packets.front().map(|(at, _)| *at)
    }

    /// What is on its way is lost.
    pub(crate) fn lose(&mut self) {
        self.packets.clear();
    }
}

/// Something like it, but not it.
fn lie(packet: Packet, random: &mut Random) -> Packet {
    let Packet::Text(text) = packet else { return packet };
    // What is not signed is as good as TLS: a forged receipt for records can't be told from a real one.
    if text.contains("audit.ack") {
        return Packet::Text(text);
    }
    let changed = match random.below(5) {
        0 => {
            let mut bytes = text.into_bytes();
            let place = random.place(bytes.len());
            bytes[place] = b'0' + u8::try_from(random.below(10)).unwrap();
            String::from_utf8_lossy(&bytes).into_owned()
        }
        1 => text.chars().take(random.place(text.len()) + 1).collect(),
        2 => text.replace("revision\\\":", "revision\\\":1"),
        3 => text.replace("\"insert\":\"", "\"insert\":\"tool: forged"),
        _ => text.replace("globex", "acme"),
    };
    Packet::Text(changed)
}
