//! The SPIFFE id in a certificate (X509-SVID), whichever end of a connection showed it.

use rustls_pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

pub(crate) use config::{NotSpiffeId, SpiffeId};

/// The type of a URI among a certificate's names (RFC 5280, section 4.2.1.6).
const URI_TAG: u32 = 6;

/// A certificate that names no workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotSvid {
    #[error("it can't be read")]
    Unreadable,
    #[error("it may sign others, so it is not a workload's")]
    Signs,
    #[error("it must name exactly one URI, a SPIFFE id")]
    NotOneUri,
    #[error("{0}")]
    Id(#[from] NotSpiffeId),
}

/// The id of a workload's certificate, whose chain somebody has verified: its only URI (X509-SVID, sections 2 and 4).
pub(crate) fn spiffe_id(certificate: &CertificateDer<'_>) -> Result<SpiffeId, NotSvid> {
    let (_, certificate) = X509Certificate::from_der(certificate).map_err(|_| NotSvid::Unreadable)?;
    let constraints = certificate.basic_constraints().map_err(|_| NotSvid::Unreadable)?;
    let usage = certificate.key_usage().map_err(|_| NotSvid::Unreadable)?;
    let is_authority = constraints.is_some_and(|constraints| constraints.value.ca);
    let signs = usage.is_some_and(|usage| usage.value.key_cert_sign() || usage.value.crl_sign());
    if is_authority || signs {
        return Err(NotSvid::Signs);
    }
    let names = certificate.subject_alternative_name().map_err(|_| NotSvid::Unreadable)?;
    let mut uris = names.iter().flat_map(|names| &names.value.general_names).filter_map(|name| match name {
        GeneralName::URI(uri) => Some(*uri),
        // It counts as one; no SPIFFE id is empty.
        GeneralName::Invalid(tag, _) if tag.0 == URI_TAG => Some(""),
        _ => None,
    });
    match (uris.next(), uris.next()) {
        (Some(uri), None) => Ok(SpiffeId::parse(uri)?),
        _ => Err(NotSvid::NotOneUri),
    }
}
