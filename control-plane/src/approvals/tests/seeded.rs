//! Seeded runs of proxies, control planes on one store, people, and links that lose what is under way: whatever happens, an
//! approval lets one call through, and each call that waits learns what became of its approval.

use std::collections::{BTreeMap, VecDeque};

use super::*;

const RUNS: u64 = 120;
const STEPS: usize = 120;
const PROXIES: usize = 3;
const HOLDS_MAX: usize = 5;
/// Different calls of one run: those that are the same share an approval.
const CALLS: usize = 2;
/// Longer than an approval lives, decided or not.
const DAY_SECONDS: u64 = 24 * 3600;

/// What chance decides, and the same in every run of a seed.
struct Chance(u64);

/// One run of everything.
struct World {
    chance: Chance,
    seed: u64,
    now: UnixMillis,
    store: Store,
    ada: Approver,
    planes: Vec<Approvals>,
    proxies: Vec<Gate>,
    /// Ends of links that their control plane has not noticed yet.
    unnoticed: Vec<(usize, LinkId)>,
}

/// A proxy: what its holds do is what `proxy/src/hold/wait.rs` does.
struct Gate {
    name: String,
    boot: u64,
    link: Option<Wire>,
    holds: BTreeMap<u64, Held>,
}

/// A link that is up, and what is under way on it.
struct Wire {
    plane: usize,
    id: LinkId,
    to_control: VecDeque<ProxyMessage>,
    to_proxy: mpsc::Receiver<ControlMessage>,
}

/// A held call.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    call: usize,
    reference: Option<Reference>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Opening,
    Waiting,
    /// It was told that people said yes, and asks to go on.
    Using,
    WentOn,
    /// It was too late: another went on, or its time was over.
    TooLate,
    Told(Outcome),
    /// No approval, and its caller may try again.
    Unavailable,
    CallerLeft,
}

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

impl Stage {
    const fn is_over(self) -> bool {
        !matches!(self, Self::Opening | Self::Waiting | Self::Using)
    }
}

impl Gate {
    fn request(&self, seed: u64, hold: u64) -> ProxyMessage {
        let held = &self.holds[&hold];
        let arguments = format!(r#"{{"run": {seed}, "call": {}}}"#, held.call);
        ProxyMessage::ApprovalRequest(Box::new(ApprovalRequest {
            proxy: self.name.clone(),
            joined: held.reference.clone(),
            ..request(hold, &arguments)
        }))
    }

    fn say(&mut self, message: ProxyMessage) {
        if let Some(wire) = &mut self.link {
            wire.to_control.push_back(message);
        }
    }

    /// Says again what every hold waits for.
    fn announce(&mut self, seed: u64) {
        let open: Vec<u64> = self.open().collect();
        for hold in open {
            self.say(self.request(seed, hold));
            let held = &self.holds[&hold];
            if let (Stage::Using, Some(reference)) = (held.stage, held.reference.clone()) {
                self.say(ProxyMessage::ApprovalConsume { hold: HoldId(hold), reference });
            }
        }
    }

    fn open(&self) -> impl Iterator<Item = u64> {
        self.holds.iter().filter(|(_, held)| !held.stage.is_over()).map(|(hold, _)| *hold)
    }

    fn hear(&mut self, message: ControlMessage) {
        let (ControlMessage::ApprovalCreated { hold, .. }
        | ControlMessage::ApprovalRefused { hold, .. }
        | ControlMessage::ApprovalDecided { hold, .. }
        | ControlMessage::ApprovalConsumed { hold, .. }) = &message;
        let hold = *hold;
        let held = self.holds.get_mut(&hold.0).expect("a hold of another proxy");
        match (held.stage, message) {
            (Stage::Opening, ControlMessage::ApprovalCreated { reference, .. }) => {
                (held.stage, held.reference) = (Stage::Waiting, Some(reference));
            }
            (Stage::Waiting, ControlMessage::ApprovalCreated { reference, .. }) => {
                held.reference = Some(reference);
            }
            (Stage::Waiting, ControlMessage::ApprovalDecided { reference, outcome, .. }) => {
                held.reference = Some(reference.clone());
                if outcome == Outcome::Approved {
                    held.stage = Stage::Using;
                    self.say(ProxyMessage::ApprovalConsume { hold, reference });
                } else {
                    held.stage = Stage::Told(outcome);
                }
            }
            (Stage::Using, ControlMessage::ApprovalDecided { outcome, .. })
                if outcome != Outcome::Approved =>
            {
                held.stage = Stage::Told(outcome);
            }
            (Stage::Using, ControlMessage::ApprovalConsumed { granted, .. }) => {
                held.stage = if granted { Stage::WentOn } else { Stage::TooLate };
            }
            (Stage::Opening, ControlMessage::ApprovalDecided { .. })
            | (Stage::Opening | Stage::Waiting | Stage::Using, ControlMessage::ApprovalRefused { .. }) => {
                held.stage = Stage::Unavailable;
            }
            // It is over, or this was said twice.
            _ => {}
        }
    }
}

impl World {
    async fn new(store: &Store, ada: &Approver, seed: u64) -> Self {
        let proxies = (0..PROXIES).map(|number| Gate {
            name: format!("gate-{number}"),
            boot: seed << 8 | number as u64,
            link: None,
            holds: BTreeMap::new(),
        });
        let plane = || Approvals::new(store.clone(), ApprovalRules::default(), Metrics::new().unwrap());
        let mut world = Self {
            chance: Chance(seed),
            seed,
            now: T0.plus_seconds(seed * 3 * DAY_SECONDS),
            store: store.clone(),
            ada: ada.clone(),
            planes: vec![plane(), plane()],
            proxies: proxies.collect(),
            unnoticed: Vec::new(),
        };
        world.look().await;
        for proxy in 0..PROXIES {
            world.relink(proxy).await;
        }
        world
    }

    async fn step(&mut self) {
        let proxy = self.chance.below(PROXIES);
        match self.chance.below(20) {
            0..3 => self.ask(proxy),
            3..7 => drop(self.arrives_at_control(proxy).await),
            7..11 => drop(self.arrives_at_proxy(proxy)),
            11..14 => self.decide().await,
            14 => self.relink(proxy).await,
            15 => self.cut(proxy),
            16 => self.notice().await,
            17 => self.leave(proxy),
            18 => self.pass_time().await,
            _ => self.restart().await,
        }
    }

    fn ask(&mut self, proxy: usize) {
        let (call, seed) = (self.chance.below(CALLS), self.seed);
        let gate = &mut self.proxies[proxy];
        let hold = gate.holds.len() as u64 + 1;
        // Without a link no call waits: it is refused at once.
        if gate.link.is_some() && gate.open().count() < HOLDS_MAX {
            gate.holds.insert(hold, Held { call, reference: None, stage: Stage::Opening });
            gate.say(gate.request(seed, hold));
        }
    }

    /// The oldest message of a proxy arrives.
    async fn arrives_at_control(&mut self, proxy: usize) -> bool {
        let Some(wire) = &mut self.proxies[proxy].link else { return false };
        let Some(message) = wire.to_control.pop_front() else { return false };
        self.planes[wire.plane].take(wire.id, FromProxy::Said(message), self.now).await;
        true
    }

    /// The oldest message for a proxy arrives.
    fn arrives_at_proxy(&mut self, proxy: usize) -> bool {
        let gate = &mut self.proxies[proxy];
        let Some(Ok(message)) = gate.link.as_mut().map(|wire| wire.to_proxy.try_recv()) else { return false };
        gate.hear(message);
        true
    }

    /// A person decides about any of the approvals, at either control plane.
    async fn decide(&mut self) {
        let holds = self.proxies.iter().flat_map(|gate| gate.holds.values());
        let references: Vec<_> = holds.filter_map(|held| held.reference.clone()).collect();
        if references.is_empty() {
            return;
        }
        let reference = &references[self.chance.below(references.len())];
        let answer = if self.chance.below(3) == 0 { Answer::Deny } else { Answer::Approve };
        let plane = self.chance.below(self.planes.len());
        // It may have ended, which is said.
        let _refused = self.planes[plane].decide(&decision(reference, &self.ada, answer), self.now).await;
    }

    fn cut(&mut self, proxy: usize) {
        if let Some(wire) = self.proxies[proxy].link.take() {
            self.unnoticed.push((wire.plane, wire.id));
        }
    }

    /// The proxy comes back, perhaps before it was noticed that it was gone, and perhaps elsewhere.
    async fn relink(&mut self, proxy: usize) {
        self.cut(proxy);
        let plane = self.chance.below(self.planes.len());
        let gate = &mut self.proxies[proxy];
        let run = Run { peer: peer(&gate.name), boot: gate.boot };
        let (outbox, to_proxy) = mpsc::channel(1024);
        let id = LinkId::next();
        self.planes[plane].take(id, FromProxy::Joined { run, outbox }, self.now).await;
        gate.link = Some(Wire { plane, id, to_control: VecDeque::new(), to_proxy });
        gate.announce(self.seed);
    }

    /// A control plane notices the end of a link.
    async fn notice(&mut self) {
        if !self.unnoticed.is_empty() {
            let (plane, id) = self.unnoticed.swap_remove(self.chance.below(self.unnoticed.len()));
            self.planes[plane].take(id, FromProxy::Gone, self.now).await;
        }
    }

    fn leave(&mut self, proxy: usize) {
        let gate = &mut self.proxies[proxy];
        let open: Vec<u64> = gate.open().collect();
        if !open.is_empty() {
            let hold = open[self.chance.below(open.len())];
            gate.say(ProxyMessage::ApprovalWithdraw { hold: HoldId(hold) });
            gate.holds.get_mut(&hold).unwrap().stage = Stage::CallerLeft;
        }
    }

    async fn pass_time(&mut self) {
        let seconds = [1, 5, 5, 20, 20, 59, 61, 600][self.chance.below(8)];
        self.now = self.now.plus_seconds(seconds);
        self.look().await;
    }

    async fn look(&mut self) {
        for plane in &mut self.planes {
            plane.tick(self.now).await.unwrap();
            plane.look(self.now).await.unwrap();
        }
    }

    /// A control plane dies, and is started again with the same store.
    async fn restart(&mut self) {
        let number = self.chance.below(self.planes.len());
        self.planes[number] =
            Approvals::new(self.store.clone(), ApprovalRules::default(), Metrics::new().unwrap());
        for proxy in 0..PROXIES {
            if self.proxies[proxy].link.as_ref().is_some_and(|wire| wire.plane == number) {
                self.cut(proxy);
            }
        }
        self.unnoticed.retain(|(plane, _)| *plane != number);
        self.look().await;
    }

    /// Everything that is said arrives, until nobody has anything more to say.
    async fn calm(&mut self) {
        loop {
            let mut moved = false;
            for proxy in 0..PROXIES {
                moved |= self.arrives_at_control(proxy).await;
                moved |= self.arrives_at_proxy(proxy);
            }
            if !moved {
                self.look().await;
                if self
                    .proxies
                    .iter()
                    .all(|gate| gate.link.as_ref().is_some_and(|wire| wire.to_proxy.is_empty()))
                {
                    return;
                }
            }
        }
    }

    /// One approval lets one call through, and nobody waits for what is decided.
    async fn check(&self) {
        let mut went_on: BTreeMap<String, usize> = BTreeMap::new();
        for held in self.proxies.iter().flat_map(|gate| gate.holds.values()) {
            let Some(reference) = &held.reference else { continue };
            let (approval, _) = self.store.approval(ORG, reference).await.unwrap().unwrap();
            let state = approval.state.as_str();
            let expected: &[&str] = match held.stage {
                Stage::Waiting => &["pending"],
                Stage::Opening | Stage::Using | Stage::Told(Outcome::Approved) => &[],
                Stage::WentOn => {
                    *went_on.entry(reference.to_string()).or_default() += 1;
                    &["consumed"]
                }
                Stage::TooLate => &["consumed", "lapsed"],
                Stage::Told(Outcome::Denied) => &["denied"],
                Stage::Told(Outcome::Expired) => &["expired", "lapsed"],
                Stage::Told(Outcome::Withdrawn) => &["withdrawn"],
                Stage::Unavailable | Stage::CallerLeft => continue,
            };
            assert!(expected.contains(&state), "run {}: {held:?}, and it is {state}", self.seed);
        }
        assert!(went_on.values().all(|count| *count == 1), "run {}: {went_on:?}", self.seed);
    }
}

#[tokio::test]
async fn an_approval_lets_one_call_through_and_everybody_hears_what_became_of_theirs() {
    let database = Database::sqlite();
    let store = database.store().await;
    let ada = approver("ada", true, false);
    People::new(store.clone()).create(person(ada.clone())).await.unwrap();
    let mut stages: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 1..=RUNS {
        let mut world = World::new(&store, &ada, seed).await;
        for _ in 0..STEPS {
            world.step().await;
        }
        for proxy in 0..PROXIES {
            world.relink(proxy).await;
        }
        world.calm().await;
        world.check().await;
        // Whoever still waits hears in the end that nobody decided.
        world.now = world.now.plus_seconds(DAY_SECONDS);
        world.look().await;
        world.calm().await;
        world.check().await;
        for held in world.proxies.iter().flat_map(|gate| gate.holds.values()) {
            assert!(held.stage.is_over(), "run {seed}: {held:?} waits for ever");
            *stages.entry(format!("{:?}", held.stage)).or_default() += 1;
        }
    }
    // Else these runs would show nothing.
    for stage in ["WentOn", "TooLate", "Told(Denied)", "Told(Expired)", "CallerLeft"] {
        assert!(stages.get(stage).is_some_and(|count| *count >= 20), "{stage}: {stages:?}");
    }
}
