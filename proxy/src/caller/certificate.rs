//! Callers that are known by the SPIFFE id in their certificate.

use std::sync::Arc;

use config::Mtls;
use policy::{Caller, CallerKind};
use serde_json::{Map, Value};

use super::{Credential, Identities, Identity};
use crate::spiffe::{NotSvid, spiffe_id};
use crate::tls::{CertificateRefused, PeerCertificate};

impl Identities {
    /// The caller of a verified certificate, by the settings of its listener.
    pub(crate) fn by_certificate(
        &self,
        certificate: &Arc<PeerCertificate>,
        mtls: &Mtls,
    ) -> Result<Arc<Identity>, CertificateRefused> {
        let id = spiffe_id(certificate.own().ok_or(NotSvid::Unreadable)?)?;
        if !mtls.trust_domains.contains(id.trust_domain()) {
            return Err(CertificateRefused::TrustDomain);
        }
        let claims = [("spiffe_id", id.as_str()), ("trust_domain", id.trust_domain().as_str())];
        let claims = claims.map(|(name, value)| (name.to_owned(), Value::from(value)));
        Ok(Arc::new(Identity {
            caller: Caller {
                id: id.as_str().to_owned(),
                kind: CallerKind::Agent,
                claims: Map::from_iter(claims),
            },
            tenant: mtls.tenant.clone(),
            may_name_tenant: false,
            // Its own end, and those of its authorities, are part of what the certificate is checked for.
            expires_unix_seconds: None,
            load: self.loads.of(id.as_str()),
            credential: Credential::Certificate(Arc::clone(certificate)),
        }))
    }
}
