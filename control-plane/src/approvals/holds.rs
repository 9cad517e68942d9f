//! Which held calls of which links wait for which approval.

use std::collections::{BTreeSet, HashMap};

use policy::UnixMillis;
use policy::approval::Reference;
use policy_sync::HoldId;

use crate::link::LinkId;

/// One held call of one link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Waiter {
    pub(crate) link: LinkId,
    pub(crate) hold: HoldId,
}

/// Both ways round; the two maps always agree.
#[derive(Debug, Default)]
pub(super) struct Holds {
    of_link: HashMap<LinkId, HashMap<HoldId, Waiting>>,
    of_approval: HashMap<Reference, BTreeSet<Waiter>>,
    count: usize,
    unannounced: usize,
}

#[derive(Debug)]
struct Waiting {
    reference: Reference,
    /// Whether it was told of a yes.
    told: bool,
    /// Its link was cut: by then it must have been announced again.
    announced_by: Option<UnixMillis>,
}

impl Holds {
    /// Lets a hold wait for an approval, and for no other. True if it does already and was told of a yes.
    pub(super) fn join(&mut self, waiter: Waiter, reference: &Reference) -> bool {
        let before = self.remove(waiter);
        let told = before.is_some_and(|before| {
            before.reference == *reference && before.told && before.announced_by.is_none()
        });
        self.insert(waiter, Waiting { reference: reference.clone(), told, announced_by: None });
        told
    }

    /// Notes that a hold was told of a yes.
    pub(super) fn told(&mut self, waiter: Waiter) {
        if let Some(waiting) = self.of_link.get_mut(&waiter.link).and_then(|of| of.get_mut(&waiter.hold)) {
            waiting.told = true;
        }
    }

    /// Forgets a hold; says what it waited for.
    pub(super) fn leave(&mut self, waiter: Waiter) -> Option<Reference> {
        self.remove(waiter).map(|waiting| waiting.reference)
    }

    /// What a hold waits for.
    pub(super) fn reference(&self, waiter: Waiter) -> Option<&Reference> {
        self.waiting(waiter).map(|waiting| &waiting.reference)
    }

    /// Who hears that an approval was given: whoever is announced and has not heard.
    pub(super) fn untold(&self, reference: &Reference) -> Vec<Waiter> {
        self.of(reference, |waiting| waiting.announced_by.is_none() && !waiting.told)
    }

    /// Forgets everybody who waits for an approval; says who of them is announced.
    pub(super) fn take(&mut self, reference: &Reference) -> Vec<Waiter> {
        let announced = self.of(reference, |waiting| waiting.announced_by.is_none());
        for waiter in self.of(reference, |_| true) {
            self.remove(waiter);
        }
        announced
    }

    /// Forgets whoever was told of a yes.
    pub(super) fn forget_told(&mut self, reference: &Reference) {
        for waiter in self.of(reference, |waiting| waiting.told) {
            self.remove(waiter);
        }
    }

    /// Whether anybody waits for an approval.
    pub(super) fn wait_for(&self, reference: &Reference) -> bool {
        self.of_approval.contains_key(reference)
    }

    /// How many holds wait.
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// How many holds of a link wait.
    pub(super) fn count_of(&self, link: LinkId) -> usize {
        self.of_link.get(&link).map_or(0, HashMap::len)
    }

    /// A link was cut: its holds are to be announced again by then.
    pub(super) fn cut(&mut self, link: LinkId, by: UnixMillis) {
        for waiting in self.of_link.get_mut(&link).into_iter().flat_map(HashMap::values_mut) {
            self.unannounced += usize::from(waiting.announced_by.is_none());
            waiting.announced_by.get_or_insert(by);
            waiting.told = false;
        }
    }

    /// Another link takes the place of one that was cut.
    pub(super) fn hand_over(&mut self, from: LinkId, to: LinkId) {
        let holds: Vec<_> = self.of_link.get(&from).into_iter().flat_map(HashMap::keys).copied().collect();
        for hold in holds {
            if let Some(waiting) = self.remove(Waiter { link: from, hold }) {
                self.insert(Waiter { link: to, hold }, waiting);
            }
        }
    }

    /// Forgets holds that were not announced again in time: they have ended, and could not say so.
    pub(super) fn forget_unannounced(&mut self, now: UnixMillis) {
        if self.unannounced == 0 {
            return;
        }
        let is_over = |waiting: &Waiting| waiting.announced_by.is_some_and(|by| now >= by);
        let of_link = self.of_link.iter();
        let all =
            of_link.flat_map(|(&link, of)| of.iter().map(move |(&hold, waiting)| (link, hold, waiting)));
        let over = all.filter(|(_, _, waiting)| is_over(waiting));
        let over: Vec<_> = over.map(|(link, hold, _)| Waiter { link, hold }).collect();
        for waiter in over {
            self.remove(waiter);
        }
    }

    fn of(&self, reference: &Reference, which: impl Fn(&Waiting) -> bool) -> Vec<Waiter> {
        let waiters = self.of_approval.get(reference).into_iter().flatten().copied();
        waiters.filter(|waiter| self.waiting(*waiter).is_some_and(&which)).collect()
    }

    fn waiting(&self, waiter: Waiter) -> Option<&Waiting> {
        self.of_link.get(&waiter.link)?.get(&waiter.hold)
    }

    fn insert(&mut self, waiter: Waiter, waiting: Waiting) {
        self.count += 1;
        self.unannounced += usize::from(waiting.announced_by.is_some());
        self.of_approval.entry(waiting.reference.clone()).or_default().insert(waiter);
        self.of_link.entry(waiter.link).or_default().insert(waiter.hold, waiting);
    }

    fn remove(&mut self, waiter: Waiter) -> Option<Waiting> {
        let of_link = self.of_link.get_mut(&waiter.link)?;
        let waiting = of_link.remove(&waiter.hold)?;
        if of_link.is_empty() {
            self.of_link.remove(&waiter.link);
        }
        if let Some(waiters) = self.of_approval.get_mut(&waiting.reference) {
            waiters.remove(&waiter);
            if waiters.is_empty() {
                self.of_approval.remove(&waiting.reference);
            }
        }
        self.count -= 1;
        self.unannounced -= usize::from(waiting.announced_by.is_some());
        Some(waiting)
    }
}
