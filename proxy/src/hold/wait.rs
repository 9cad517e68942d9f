//! The wait of a held call: for its approval to be opened, for people, and for the approval to be used up for it.
//!
//! A link that is cut ends no wait before its time. Once it is up again the hold announces itself, hears what it missed, and
//! asks again for what was not answered. Whatever is lost, each wait has its limit.

use std::time::Duration;

use policy::approval::Reference;
use policy_sync::{ControlMessage, LinkDown, Outcome, ProxyMessage, Refusal as Refused, Room};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use crate::approvals::{News, Place};
use crate::refusal::Refusal;
use crate::state::Phase;

/// How often a waiting caller hears that it still waits.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);
/// The control plane opens an approval, or answers a hold that goes on, within this.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// What a wait needs to know of its call.
pub(super) struct Wait<'a> {
    /// The request for its approval, or for the one that it has joined already.
    pub(super) request: &'a dyn Fn(Option<&Reference>) -> ProxyMessage,
    /// Tells the caller that it still waits; the number counts how often.
    pub(super) tell: &'a dyn Fn(&Reference, u64),
    pub(super) deadline: Instant,
    pub(super) phase: watch::Receiver<Phase>,
}

/// What a hold that goes on has to say, once there is room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owed {
    Nothing,
    Consume,
    /// The control plane may have forgotten the hold, and would not know who asks.
    RequestAndConsume,
}

impl Wait<'_> {
    /// Waits until the control plane has opened an approval for this hold, or let it join one.
    pub(super) async fn opened(&self, place: &mut Place) -> Result<Reference, Refusal> {
        let answer_by = Instant::now() + ANSWER_TIMEOUT;
        loop {
            let news = tokio::time::timeout_at(answer_by, place.next()).await;
            match news.map_err(|_| Refusal::ApprovalsUnavailable)? {
                News::Message(ControlMessage::ApprovalCreated { reference, .. }) => return Ok(reference),
                News::Message(ControlMessage::ApprovalRefused { why, .. }) => {
                    place.settle();
                    return Err(not_opened(why));
                }
                News::Message(
                    ControlMessage::ApprovalDecided { .. } | ControlMessage::ApprovalConsumed { .. },
                ) => return Err(Refusal::ApprovalsUnavailable),
                News::Cancelled => return Err(Refusal::Cancelled),
                News::LinkDown => {}
                News::LinkUp => {
                    place.send((self.request)(None)).map_err(|_| Refusal::ApprovalsUnavailable)?;
                }
            }
        }
    }

    /// Waits for people, and until the approval is used up for this call and no other.
    pub(super) async fn granted(
        &mut self,
        place: &mut Place,
        mut joined: Reference,
    ) -> Result<Reference, Refusal> {
        let to_control = place.to_control();
        let mut sign_of_life = tokio::time::interval(SIGN_OF_LIFE);
        sign_of_life.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut signs, mut owes_request) = (0, false);
        loop {
            tokio::select! {
                news = place.next() => match news {
                    News::Message(ControlMessage::ApprovalDecided { reference, outcome, note, .. }) => {
                        return match refused(&reference, outcome, note) {
                            None => self.used_up(place, reference).await,
                            Some(refusal) => {
                                place.settle();
                                Err(refusal)
                            }
                        };
                    }
                    News::Message(ControlMessage::ApprovalCreated { reference, .. }) => joined = reference,
                    // It is not known any more: the caller's next call joins the same approval.
                    News::Message(ControlMessage::ApprovalRefused { .. }) => {
                        return Err(Refusal::ApprovalPending { reference: joined });
                    }
                    News::Message(ControlMessage::ApprovalConsumed { .. }) => {}
                    News::Cancelled => return Err(Refusal::Cancelled),
                    News::LinkDown => owes_request = false,
                    News::LinkUp => owes_request = true,
                },
                room = to_control.room(), if owes_request => {
                    owes_request = false;
                    // If it is down again, the next link up comes as news.
                    let _down = room.map(|room| room.send((self.request)(Some(&joined))));
                }
                _ = sign_of_life.tick() => {
                    signs += 1;
                    (self.tell)(&joined, signs);
                }
                () = tokio::time::sleep_until(self.deadline) => {
                    return Err(Refusal::ApprovalPending { reference: joined });
                }
                () = draining(&mut self.phase) => return Err(Refusal::ApprovalPending { reference: joined }),
            }
        }
    }

    /// Uses the approval up. The control plane answers soon; while the link is down it is waited for as for people.
    async fn used_up(&mut self, place: &mut Place, reference: Reference) -> Result<Reference, Refusal> {
        let to_control = place.to_control();
        let (mut owed, mut is_down) = (Owed::Consume, false);
        let mut answer_by = Instant::now() + ANSWER_TIMEOUT;
        loop {
            tokio::select! {
                news = place.next() => match news {
                    News::Message(ControlMessage::ApprovalConsumed { granted, .. }) => {
                        place.settle();
                        return if granted { Ok(reference) } else { Err(Refusal::ApprovalUsed { reference }) };
                    }
                    News::Message(ControlMessage::ApprovalDecided { outcome, note, .. }) => {
                        if let Some(refusal) = refused(&reference, outcome, note) {
                            place.settle();
                            return Err(refusal);
                        }
                    }
                    News::Message(ControlMessage::ApprovalRefused { .. }) => {
                        return Err(Refusal::ApprovalsUnavailable);
                    }
                    News::Message(ControlMessage::ApprovalCreated { .. }) => {}
                    News::Cancelled => return Err(Refusal::Cancelled),
                    News::LinkDown => {
                        (owed, is_down) = (Owed::Nothing, true);
                        answer_by = answer_by.max(self.deadline);
                    }
                    News::LinkUp => {
                        (owed, is_down) = (Owed::RequestAndConsume, false);
                        answer_by = Instant::now() + ANSWER_TIMEOUT;
                    }
                },
                room = to_control.room(), if owed != Owed::Nothing => {
                    owed = self.say(place, room, owed, &reference)?;
                }
                () = tokio::time::sleep_until(answer_by) => return Err(Refusal::ApprovalsUnavailable),
                () = draining(&mut self.phase), if is_down => return Err(Refusal::ApprovalsUnavailable),
            }
        }
    }

    /// Says the first thing that is owed, and returns the rest.
    fn say(
        &self,
        place: &Place,
        room: Result<Room<'_>, LinkDown>,
        owed: Owed,
        reference: &Reference,
    ) -> Result<Owed, Refusal> {
        let room = room.map_err(|_| Refusal::ApprovalsUnavailable)?;
        Ok(match owed {
            Owed::RequestAndConsume => {
                room.send((self.request)(Some(reference)));
                Owed::Consume
            }
            Owed::Consume | Owed::Nothing => {
                let (hold, reference) = (place.hold(), reference.clone());
                room.send(ProxyMessage::ApprovalConsume { hold, reference });
                Owed::Nothing
            }
        })
    }
}

async fn draining(phase: &mut watch::Receiver<Phase>) {
    if phase.wait_for(|phase| *phase >= Phase::Drain).await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn not_opened(why: Refused) -> Refusal {
    match why {
        Refused::Foreign => Refusal::ApprovalsForeign,
        Refused::NoApprover => Refusal::NoApprover,
        Refused::TooManyPending => Refusal::TooManyPending,
        Refused::StoreFailed => Refusal::ApprovalStoreFailed,
    }
}

/// Why the call is refused, unless the approval was given.
fn refused(reference: &Reference, outcome: Outcome, note: Option<String>) -> Option<Refusal> {
    let reference = reference.clone();
    match outcome {
        Outcome::Approved => None,
        Outcome::Denied => Some(Refusal::ApprovalDenied { reference, note }),
        Outcome::Expired => Some(Refusal::ApprovalExpired { reference }),
        Outcome::Withdrawn => Some(Refusal::ApprovalWithdrawn { reference }),
    }
}

#[cfg(test)]
mod tests;
