//! The other end of a connection: what is known of it before its first request.

use std::sync::Arc;
use std::time::Duration;

use config::Auth;
use policy::UnixMillis;

use crate::caller::{Identities, Identity};
use crate::clock;
use crate::refusal::Refusal;
use crate::state::Shared;
use crate::tls::{ByListener, CertificateRefused, PeerCertificate};

/// A certificate is looked at this often, however long it is good: clocks are set.
const LOOK_INTERVAL_MAX_SECONDS: u64 = 3600;

/// The other end of a connection.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    /// Whether it came over TLS.
    pub(crate) is_secure: bool,
    certificate: Option<Arc<PeerCertificate>>,
    /// Who it is by its certificate; `None` where that is not asked.
    caller: Option<Result<Arc<Identity>, CertificateRefused>>,
}

impl Peer {
    /// A client that came over TLS, with or without a certificate.
    pub(crate) fn over_tls(
        certificate: Option<PeerCertificate>,
        auth: &Auth,
        identities: &Identities,
    ) -> Self {
        let certificate = certificate.map(Arc::new);
        let caller = certificate.as_ref().zip(auth.mtls.as_ref());
        let caller = caller.map(|(certificate, mtls)| identities.by_certificate(certificate, mtls));
        Self { is_secure: true, certificate, caller }
    }

    /// Whether its certificate, if it has one, is good now.
    pub(crate) fn check(&self, tls: &ByListener, now: UnixMillis) -> Result<(), Refusal> {
        match &self.certificate {
            Some(certificate) => Ok(certificate.check(tls, now)?),
            None => Ok(()),
        }
    }

    /// The caller that its certificate names, if it has one and that is asked.
    pub(crate) fn caller(&self) -> Result<Option<&Arc<Identity>>, Refusal> {
        match &self.caller {
            None => Ok(None),
            Some(Ok(identity)) => Ok(Some(identity)),
            Some(Err(refused)) => Err((*refused).into()),
        }
    }

    /// Over when its certificate is not good any more.
    pub(super) async fn refused(&self, shared: &Shared) {
        let Some(certificate) = &self.certificate else { return std::future::pending().await };
        let mut changes = shared.changes.subscribe();
        loop {
            let now = clock::now();
            if certificate.check(&shared.in_force.load().tls, now).is_err() {
                return;
            }
            // It is good for the whole of its last second.
            let until = u64::try_from(certificate.verified_until()).unwrap_or(0).saturating_add(1);
            let wait = until.saturating_sub(now.seconds()).clamp(1, LOOK_INTERVAL_MAX_SECONDS);
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return std::future::pending().await },
                () = tokio::time::sleep(Duration::from_secs(wait)) => {}
            }
        }
    }
}
