//! The world of one run: it moves everything from one moment to the next, and looks whether what must hold does.

use std::collections::{BTreeMap, BTreeSet};

use policy_sync::{
    AuditBatch, Closed, ControlAction, ControlEvent, ControlSync, DialFailed, Document, PolicyKey,
    ProxyAction, ProxyEvent, Subject, TrustedKeys,
};

use crate::control_plane::ControlPlane;
use crate::network::{Link, Packet, Pipe};
use crate::proxy::{MISTAKE, Proxy};
use crate::random::Random;

const CONTROL_PLANES: usize = 2;
const PROXIES: usize = 4;
/// Trouble lasts so long.
const TROUBLE_MS: u64 = 10 * 60 * 1000;
/// From then on everything works; this is enough for the longest silence, the longest backoff and a change.
const HEAL_MS: u64 = 3 * 60 * 1000;

/// What goes wrong in a run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) cuts: bool,
    pub(crate) kills: bool,
    pub(crate) lies: bool,
    pub(crate) mistakes: bool,
    pub(crate) full_disks: bool,
}

/// What happened in a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) links: usize,
    pub(crate) in_force: usize,
    pub(crate) refused: usize,
    pub(crate) records: usize,
}

pub(crate) struct World {
    seed: u64,
    plan: Plan,
    random: Random,
    now_ms: u64,
    key: PolicyKey,
    trusted: TrustedKeys,
    /// What control planes share: every revision ever made, and the audit records.
    store: Vec<Document>,
    stored: BTreeMap<(usize, u64), String>,
    control_planes: Vec<ControlPlane>,
    proxies: Vec<Proxy>,
    links: BTreeMap<usize, Link>,
    next_link: usize,
    told: Told,
}

impl World {
    pub(crate) fn new(seed: u64, plan: Plan) -> Self {
        let key = PolicyKey::generate(&[7; 32]);
        let trusted = TrustedKeys::new(vec![key.public()]);
        let mut world = Self {
            seed,
            plan,
            random: Random::new(seed),
            now_ms: 0,
            proxies: (0..PROXIES).map(|_| Proxy::new(&trusted)).collect(),
            control_planes: (0..CONTROL_PLANES).map(|_| ControlPlane::new()).collect(),
            key,
            trusted,
            store: Vec::new(),
            stored: BTreeMap::new(),
            links: BTreeMap::new(),
            next_link: 0,
            told: Told::default(),
        };
        for subject in Subject::ALL {
            world.save(subject);
        }
        world
    }

    pub(crate) const fn told(&self) -> Told {
        self.told
    }

    /// Everything that the plan says goes wrong.
    pub(crate) fn trouble(&mut self) {
        while self.now_ms < TROUBLE_MS {
            self.step();
            if self.random.once_in(40) {
                let subject = Subject::ALL[self.random.place(Subject::ALL.len())];
                self.save(subject);
            }
            if self.plan.cuts && self.random.once_in(60) {
                self.cut();
            }
            if self.plan.kills && self.random.once_in(150) {
                self.kill();
            }
            if self.random.once_in(10) {
                self.record();
            }
        }
    }

    /// Everything works again, and the newest revision of each subject is one that compiles.
    pub(crate) fn heal(&mut self) {
        self.plan = Plan::default();
        for subject in Subject::ALL {
            self.save(subject);
        }
        let end_ms = self.now_ms + HEAL_MS;
        while self.now_ms < end_ms {
            self.step();
        }
    }

    /// Once the network has healed, nobody keeps an older document, and every record is stored, once.
    pub(crate) fn check_the_end(&self) {
        for (number, proxy) in self.proxies.iter().enumerate() {
            for subject in Subject::ALL {
                let newest = self.store.iter().rev().find(|document| document.header().subject == subject);
                assert_eq!(
                    proxy.in_force.get(&subject),
                    newest,
                    "seed {}: proxy {number}, {subject:?}",
                    self.seed
                );
                let kept = Document::from_bundle(&proxy.disk[&subject], &self.trusted);
                assert_eq!(kept.ok().as_ref(), newest, "seed {}: disk of proxy {number}", self.seed);
            }
            let stored: BTreeSet<u64> =
                self.stored.keys().filter(|(of, _)| *of == number).map(|(_, sequence)| *sequence).collect();
            let all: BTreeSet<u64> = (1..proxy.next_record).collect();
            if self.told.records > 0 {
                assert_eq!(stored, all, "seed {}: records of proxy {number}", self.seed);
            }
        }
    }

    /// Somebody saves another revision.
    fn save(&mut self, subject: Subject) {
        let last = self.store.iter().rev().find(|document| document.header().subject == subject);
        let revision = last.map_or(0, |document| document.header().revision) + 1 + self.random.below(2);
        let mut text: String =
            (0..self.random.below(40)).map(|line| format!("rule: {}\n", line % 23)).collect();
        text.push_str(&format!("revision: {revision}\n"));
        if self.plan.mistakes && self.random.once_in(5) {
            text.push_str(MISTAKE);
        }
        let document = Document::sign(&self.key, (subject, "acme"), (revision, self.now_ms), text);
        self.store.push(document);
    }

    /// A link breaks: both ends learn of it, or one, or none.
    fn cut(&mut self) {
        let Some(link) = self.any_link() else { return };
        match self.random.below(3) {
            0 => self.drop_link(link, true),
            1 => {
                let Some(link) = self.links.get_mut(&link) else { return };
                link.to_proxy.silent = true;
                link.to_proxy.lose();
            }
            _ => {
                let Some(link) = self.links.get_mut(&link) else { return };
                (link.to_proxy.silent, link.to_control.silent) = (true, true);
                link.to_proxy.lose();
                link.to_control.lose();
            }
        }
    }

    /// A program is killed, and starts again some time later.
    fn kill(&mut self) {
        let until_ms = self.now_ms + self.random.below(60_000);
        let victim = self.random.place(CONTROL_PLANES + PROXIES);
        let of_victim = |link: &Link| match victim.checked_sub(CONTROL_PLANES) {
            None => link.control_plane == victim,
            Some(proxy) => link.proxy == proxy,
        };
        let gone: Vec<usize> =
            self.links.iter().filter(|(_, link)| of_victim(link)).map(|(number, _)| *number).collect();
        for link in gone {
            self.drop_link(link, true);
        }
        if let Some(number) = victim.checked_sub(CONTROL_PLANES) {
            let proxy = &mut self.proxies[number];
            proxy.down_until_ms = until_ms;
            // The records that were not stored are in its spool still.
            let unstored =
                (1..proxy.next_record).find(|sequence| !self.stored.contains_key(&(number, *sequence)));
            proxy.start(&self.trusted);
            if let Some(first) = unstored {
                let records = (first..proxy.next_record).map(record_text).collect();
                proxy.sync.audit(AuditBatch { first, records }).unwrap();
            }
        } else {
            self.control_planes[victim] = ControlPlane::new();
            self.control_planes[victim].down_until_ms = until_ms;
        }
    }

    /// A proxy has decided calls.
    fn record(&mut self) {
        let number = self.random.place(PROXIES);
        let proxy = &mut self.proxies[number];
        let first = proxy.next_record;
        let count = 1 + self.random.below(3);
        let records = (first..first + count).map(record_text).collect();
        if proxy.sync.audit(AuditBatch { first, records }).is_ok() {
            proxy.next_record += count;
            self.told.records += 1;
        }
    }

    /// Moves to the next moment at which something happens.
    fn step(&mut self) {
        let mut next_ms = self.now_ms + 250;
        for link in self.links.values() {
            let packets = [link.to_proxy.next_ms(), link.to_control.next_ms()];
            next_ms = packets.into_iter().flatten().fold(next_ms, u64::min);
        }
        self.now_ms = next_ms.max(self.now_ms + 1);
        self.look_at_the_store();
        let links: Vec<usize> = self.links.keys().copied().collect();
        for link in links {
            self.deliver(link);
        }
        for number in 0..PROXIES {
            self.move_proxy(number);
        }
        for number in 0..CONTROL_PLANES {
            let ends: Vec<usize> = self.control_planes[number].ends.keys().copied().collect();
            for link in ends {
                self.at_control(number, link, ControlEvent::Tick);
            }
        }
    }

    fn look_at_the_store(&mut self) {
        for number in 0..CONTROL_PLANES {
            let control_plane = &mut self.control_planes[number];
            if self.now_ms < control_plane.looks_at_ms.max(control_plane.down_until_ms) {
                continue;
            }
            control_plane.looks_at_ms = self.now_ms + 200 + self.random.below(100);
            if control_plane.look(&self.store) {
                let ends: Vec<usize> = control_plane.ends.keys().copied().collect();
                for link in ends {
                    self.at_control(number, link, ControlEvent::Published);
                }
            }
        }
    }

    fn deliver(&mut self, number: usize) {
        while let Some(link) = self.links.get_mut(&number) {
            let control_plane = link.control_plane;
            let Some(packet) = link.to_control.arrived(self.now_ms) else { break };
            match packet {
                Packet::Text(text) => self.at_control(control_plane, number, ControlEvent::Received(&text)),
                Packet::Close(_) => {
                    self.control_planes[control_plane].ends.remove(&number);
                }
            }
        }
        while let Some(link) = self.links.get_mut(&number) {
            let proxy = link.proxy;
            let Some(packet) = link.to_proxy.arrived(self.now_ms) else { break };
            let event = match &packet {
                Packet::Text(text) => ProxyEvent::Received(text),
                Packet::Close(code) => ProxyEvent::Closed(Closed::Code(*code)),
            };
            if self.proxies[proxy].link == Some(number) {
                let is_close = matches!(packet, Packet::Close(_));
                if is_close {
                    self.proxies[proxy].link = None;
                }
                self.at_proxy(proxy, event);
                if is_close {
                    self.drop_link(number, false);
                }
            }
        }
    }

    fn move_proxy(&mut self, number: usize) {
        if self.now_ms < self.proxies[number].down_until_ms {
            return;
        }
        while let Some(place) =
            self.proxies[number].trying.iter().position(|(until_ms, _)| *until_ms <= self.now_ms)
        {
            let (_, document) = self.proxies[number].trying.remove(place);
            self.tried(number, &document);
        }
        if self.now_ms >= self.proxies[number].sync.wake_at_ms() {
            self.at_proxy(number, ProxyEvent::Tick);
        }
    }

    /// A document was compiled: it is in force, then on the disk, unless it has mistakes.
    fn tried(&mut self, number: usize, document: &Document) {
        let subject = document.header().subject;
        let result = if document.text().contains(MISTAKE) { Err("line 1".to_owned()) } else { Ok(()) };
        if result.is_ok() {
            self.told.in_force += 1;
            self.check_before(number, document);
            let proxy = &mut self.proxies[number];
            proxy.in_force.insert(subject, document.clone());
            if !(self.plan.full_disks && self.random.once_in(4)) {
                proxy.disk.insert(subject, document.to_bundle());
            }
        }
        self.at_proxy(number, ProxyEvent::Tried(subject, result));
    }

    /// What must hold of everything that a proxy ever puts in force.
    fn check_before(&self, number: usize, document: &Document) {
        let what = format!("seed {}: proxy {number} at {} ms: {document:?}", self.seed, self.now_ms);
        assert!(self.store.contains(document), "not one that was signed: {what}");
        if let Some(before) = self.proxies[number].in_force.get(&document.header().subject) {
            assert!(before.header().revision < document.header().revision, "back from {before:?}: {what}");
        }
    }

    fn at_proxy(&mut self, number: usize, event: ProxyEvent<'_>) {
        let (now_ms, random) = (self.now_ms, &mut self.random);
        let sync = &mut self.proxies[number].sync;
        sync.handle(event, now_ms, || random.next());
        while let Some(action) = self.proxies[number].sync.action() {
            match action {
                ProxyAction::Dial => self.dial(number),
                ProxyAction::Send(text) => self.send_from_proxy(number, Packet::Text(text)),
                ProxyAction::HangUp(_) => {
                    self.send_from_proxy(number, Packet::Close(1000));
                    self.proxies[number].link = None;
                }
                ProxyAction::Try(document) => {
                    let until_ms = now_ms + self.random.below(3_000);
                    self.proxies[number].trying.push((until_ms, document));
                }
                ProxyAction::Refused(..) => self.told.refused += 1,
                ProxyAction::Confirmed(subject) => {
                    let bundle = self.proxies[number].in_force[&subject].to_bundle();
                    self.proxies[number].disk.insert(subject, bundle);
                }
                ProxyAction::Linked
                | ProxyAction::Unlinked(_)
                | ProxyAction::Deliver(_)
                | ProxyAction::AuditStored(_) => {}
            }
        }
    }

    fn dial(&mut self, proxy: usize) {
        let control_plane = self.random.place(CONTROL_PLANES);
        let is_down = self.now_ms < self.control_planes[control_plane].down_until_ms;
        if is_down || (self.plan.cuts && self.random.once_in(4)) {
            return self.at_proxy(proxy, ProxyEvent::Dialled(Err(DialFailed::NoAnswer)));
        }
        let number = self.next_link;
        self.next_link += 1;
        self.told.links += 1;
        let link = Link { proxy, control_plane, to_proxy: Pipe::default(), to_control: Pipe::default() };
        self.links.insert(number, link);
        self.control_planes[control_plane].ends.insert(number, ControlSync::new(self.now_ms));
        self.proxies[proxy].link = Some(number);
        self.at_proxy(proxy, ProxyEvent::Dialled(Ok(())));
    }

    fn at_control(&mut self, number: usize, link: usize, event: ControlEvent<'_>) {
        let mut actions: Vec<ControlAction> = self.control_planes[number].handle(link, event, self.now_ms);
        actions.reverse();
        while let Some(action) = actions.pop() {
            let Some(Link { proxy, to_proxy, .. }) = self.links.get_mut(&link) else { return };
            match action {
                ControlAction::Send(bytes) => {
                    let text = String::from_utf8(bytes.to_vec()).unwrap();
                    to_proxy.send(self.now_ms, Packet::Text(text), &mut self.random, self.plan.lies);
                }
                ControlAction::Close(code, _) => {
                    to_proxy.send(self.now_ms, Packet::Close(code), &mut self.random, false);
                    self.control_planes[number].ends.remove(&link);
                }
                ControlAction::Audit(batch) => {
                    let proxy = *proxy;
                    let through = self.store_records(proxy, &batch);
                    let said = ControlEvent::AuditStored(through);
                    let answers = self.control_planes[number].handle(link, said, self.now_ms);
                    actions.extend(answers.into_iter().rev());
                }
                ControlAction::Sending(..)
                | ControlAction::Greeted(_)
                | ControlAction::Acked(_)
                | ControlAction::IsAhead(..)
                | ControlAction::Deliver(_) => {}
            }
        }
    }

    /// As a control plane does: what it has already is dropped. Says up to where it has all.
    fn store_records(&mut self, proxy: usize, batch: &AuditBatch) -> u64 {
        for (sequence, record) in (batch.first..).zip(&batch.records) {
            self.stored.entry((proxy, sequence)).or_insert_with(|| record.clone());
        }
        (1..).take_while(|sequence| self.stored.contains_key(&(proxy, *sequence))).last().unwrap_or(0)
    }

    fn send_from_proxy(&mut self, proxy: usize, packet: Packet) {
        let link = self.proxies[proxy].link.and_then(|link| self.links.get_mut(&link));
        if let Some(link) = link {
            link.to_control.send(self.now_ms, packet, &mut self.random, false);
        }
    }

    fn any_link(&mut self) -> Option<usize> {
        let links: Vec<usize> = self.links.keys().copied().collect();
        (!links.is_empty()).then(|| links[self.random.place(links.len())])
    }

    /// Ends a link at once, with all that is on its way.
    fn drop_link(&mut self, number: usize, tell_proxy: bool) {
        let Some(link) = self.links.remove(&number) else { return };
        self.control_planes[link.control_plane].ends.remove(&number);
        if tell_proxy && self.proxies[link.proxy].link == Some(number) {
            self.proxies[link.proxy].link = None;
            self.at_proxy(link.proxy, ProxyEvent::Closed(Closed::Broken));
        }
    }
}

fn record_text(sequence: u64) -> String {
    format!("record {sequence}")
}
