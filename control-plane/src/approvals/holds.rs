//! Which held calls wait for which approval.

use std::collections::HashMap;

use policy::approval::Reference;
use policy_sync::HoldId;

/// Both ways round; the two maps always agree.
#[derive(Debug, Default)]
pub(super) struct Holds {
    reference_of: HashMap<HoldId, Reference>,
    holds_of: HashMap<Reference, Vec<HoldId>>,
}

impl Holds {
    /// Lets a hold wait for an approval, and for no other.
    pub(super) fn join(&mut self, hold: HoldId, reference: Reference) {
        self.leave(hold);
        self.holds_of.entry(reference.clone()).or_default().push(hold);
        self.reference_of.insert(hold, reference);
    }

    /// Forgets a hold; says what it waited for.
    pub(super) fn leave(&mut self, hold: HoldId) -> Option<Reference> {
        let reference = self.reference_of.remove(&hold)?;
        if let Some(holds) = self.holds_of.get_mut(&reference) {
            holds.retain(|other| *other != hold);
            if holds.is_empty() {
                self.holds_of.remove(&reference);
            }
        }
        Some(reference)
    }

    /// Who waits for an approval.
    pub(super) fn of(&self, reference: &Reference) -> Vec<HoldId> {
        self.holds_of.get(reference).cloned().unwrap_or_default()
    }

    /// Forgets everybody who waits for an approval; says who did.
    pub(super) fn take(&mut self, reference: &Reference) -> Vec<HoldId> {
        let holds = self.holds_of.remove(reference).unwrap_or_default();
        for hold in &holds {
            self.reference_of.remove(hold);
        }
        holds
    }

    /// Whether anybody waits for an approval.
    pub(super) fn wait_for(&self, reference: &Reference) -> bool {
        self.holds_of.contains_key(reference)
    }

    /// How many holds wait.
    pub(super) fn count(&self) -> usize {
        self.reference_of.len()
    }
}
