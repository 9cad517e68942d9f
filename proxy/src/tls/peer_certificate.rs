//! The certificate that a client showed. It was verified when the connection began, or an earlier one whose session it
//! resumed; whether it is good is asked again whenever the answer may be another one.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use policy::UnixMillis;
use rustls::{CertificateError, Error};
use rustls_pki_types::CertificateDer;
use watched_files::end;

use super::{Authorities, ListenerTls};
use crate::spiffe::NotSvid;

/// The chain of a client, its own certificate first.
#[derive(Debug)]
pub(crate) struct PeerCertificate {
    chain: Vec<CertificateDer<'static>>,
    /// The ends of the certificates in it, in seconds since 1970.
    ends: Vec<i64>,
    /// The listener's place in the settings.
    listener: usize,
    /// The version of the authorities that it was verified with last; 0: none.
    verified_with: AtomicU64,
    /// That holds until then, in seconds since 1970.
    verified_until: AtomicI64,
}

/// Why a certificate is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CertificateRefused {
    #[error("it has expired")]
    Expired,
    #[error("its authority is not trusted here")]
    Authority,
    #[error("workloads of its trust domain may not call here")]
    TrustDomain,
    #[error("{0}")]
    NotSvid(#[from] NotSvid),
}

impl PeerCertificate {
    /// A chain that was just verified with `verified_with`; `None`: not in this connection.
    pub(crate) fn new(
        chain: Vec<CertificateDer<'static>>,
        listener: usize,
        verified_with: Option<&Authorities>,
        now: UnixMillis,
    ) -> Result<Self, CertificateRefused> {
        let ends = chain
            .iter()
            .map(|certificate| end(certificate).ok_or(NotSvid::Unreadable))
            .collect::<Result<Vec<i64>, NotSvid>>()?;
        let certificate = Self {
            verified_until: AtomicI64::new(next_end(&ends, seconds(now))),
            verified_with: AtomicU64::new(verified_with.map_or(0, Authorities::generation)),
            chain,
            ends,
            listener,
        };
        Ok(certificate)
    }

    /// Its own certificate.
    pub(crate) fn own(&self) -> Option<&CertificateDer<'static>> {
        self.chain.first()
    }

    /// Whether it is good now. That is a comparison, unless the authorities have changed since the last time or one of
    /// its certificates has ended.
    pub(crate) fn check(
        &self,
        in_force: &[Option<Arc<ListenerTls>>],
        now: UnixMillis,
    ) -> Result<(), CertificateRefused> {
        let tls = in_force.get(self.listener).and_then(Option::as_ref);
        let authorities =
            tls.and_then(|tls| tls.authorities.as_ref()).ok_or(CertificateRefused::Authority)?;
        let now_seconds = seconds(now);
        if self.verified_with.load(Ordering::Relaxed) == authorities.generation()
            && now_seconds <= self.verified_until.load(Ordering::Relaxed)
        {
            return Ok(());
        }
        authorities.verify(&self.chain, now).map_err(|error| match error {
            Error::InvalidCertificate(
                CertificateError::Expired | CertificateError::ExpiredContext { .. },
            ) => CertificateRefused::Expired,
            _ => CertificateRefused::Authority,
        })?;
        self.verified_until.store(next_end(&self.ends, now_seconds), Ordering::Relaxed);
        self.verified_with.store(authorities.generation(), Ordering::Relaxed);
        Ok(())
    }

    /// The second after which it is to be checked again although nothing has changed.
    pub(crate) fn verified_until(&self) -> i64 {
        self.verified_until.load(Ordering::Relaxed)
    }
}

/// The next of these ends that is to come.
fn next_end(ends: &[i64], now_seconds: i64) -> i64 {
    ends.iter().copied().filter(|end| *end >= now_seconds).min().unwrap_or(i64::MAX)
}

fn seconds(now: UnixMillis) -> i64 {
    i64::try_from(now.seconds()).unwrap_or(i64::MAX)
}
