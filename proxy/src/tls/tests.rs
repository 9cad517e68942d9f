use std::time::{Duration, SystemTime};

use policy::UnixMillis;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType};
use rustls::crypto::ring;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::*;
use crate::spiffe::{NotSvid, spiffe_id};

const AGENT: &str = "spiffe://example.org/agent";
/// The moment of these tests, in seconds since 1970.
const NOW: u64 = 1_800_000_000;

struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

fn params(name: &str, good_for_seconds: u64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = moment(NOW - 1000).into();
    params.not_after = moment(NOW + good_for_seconds).into();
    params
}

fn moment(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn at(seconds: u64) -> UnixMillis {
    UnixMillis(seconds * 1000)
}

impl Authority {
    fn new(name: &str) -> Self {
        Self::below(None, name, 1000)
    }

    fn below(parent: Option<&Self>, name: &str, good_for_seconds: u64) -> Self {
        let (mut params, key) = (params(name, good_for_seconds), KeyPair::generate().unwrap());
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = match parent {
            None => params.self_signed(&key),
            Some(parent) => params.signed_by(&key, &parent.issuer),
        };
        Self { certificate: certificate.unwrap().der().clone(), issuer: Issuer::new(params, key) }
    }

    fn issue(&self, params: &CertificateParams) -> CertificateDer<'static> {
        params.signed_by(&KeyPair::generate().unwrap(), &self.issuer).unwrap().der().clone()
    }

    fn agent(&self, good_for_seconds: u64) -> CertificateDer<'static> {
        let mut params = params("agent", good_for_seconds);
        params.subject_alt_names = vec![SanType::URI(AGENT.try_into().unwrap())];
        self.issue(&params)
    }
}

/// TLS of one listener with these authorities of clients.
fn with(authorities: &[&Authority], before: Option<&ByListener>) -> ByListener {
    let provider = Arc::new(ring::default_provider());
    let certificates = authorities.iter().map(|authority| authority.certificate.clone()).collect();
    let before = before.and_then(|before| before[0].as_ref()?.authorities.as_ref());
    let authorities = Authorities::new(certificates, true, &provider, before).unwrap();
    let key = KeyPair::generate().unwrap();
    let own = params("server", 1000).self_signed(&key).unwrap();
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(authorities.verifier())
        .with_single_cert(
            vec![own.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        );
    let tls = ListenerTls {
        server: Arc::new(server.unwrap()),
        authorities: Some(authorities),
        expires_unix_seconds: 0,
    };
    Arc::new([Some(Arc::new(tls))])
}

fn peer(chain: &[&CertificateDer<'static>], verified_with: Option<&ByListener>) -> PeerCertificate {
    let verified_with = verified_with.and_then(|tls| tls[0].as_ref()?.authorities.as_deref());
    let chain = chain.iter().copied().cloned().collect();
    PeerCertificate::new(chain, 0, verified_with, at(NOW)).unwrap()
}

#[test]
fn the_certificate_of_a_resumed_session_is_verified_again() {
    let (trusted, other) = (Authority::new("trusted"), Authority::new("other"));
    let tls = with(&[&trusted], None);
    let plain: ByListener = Arc::new([None]);
    for (authority, in_force, expected) in [
        (&trusted, &tls, Ok(())),
        (&other, &tls, Err(CertificateRefused::Authority)),
        (&trusted, &plain, Err(CertificateRefused::Authority)),
    ] {
        assert_eq!(peer(&[&authority.agent(100)], None).check(in_force, at(NOW)), expected);
    }
}

#[test]
fn a_certificate_is_verified_again_when_the_authorities_change() {
    let (first, second) = (Authority::new("first"), Authority::new("second"));
    let tls = with(&[&first], None);
    let certificate = peer(&[&first.agent(100)], Some(&tls));
    let both = with(&[&first, &second], Some(&tls));
    let only_second = with(&[&second], Some(&both));
    let back = with(&[&first], Some(&only_second));
    for (in_force, expected) in [
        (&tls, Ok(())),
        (&both, Ok(())),
        (&only_second, Err(CertificateRefused::Authority)),
        (&only_second, Err(CertificateRefused::Authority)),
        (&back, Ok(())),
    ] {
        assert_eq!(certificate.check(in_force, at(NOW)), expected);
    }
}

#[test]
fn the_same_authorities_are_the_same_version() {
    let (first, second) = (Authority::new("first"), Authority::new("second"));
    let authorities = |tls: &ByListener| Arc::clone(tls[0].as_ref().unwrap().authorities.as_ref().unwrap());
    let tls = with(&[&first], None);
    let same = with(&[&first], Some(&tls));
    assert!(Arc::ptr_eq(&authorities(&tls), &authorities(&same)));
    let next = with(&[&second], Some(&same));
    assert_eq!(authorities(&next).generation(), authorities(&tls).generation() + 1);
}

#[test]
fn a_certificate_is_good_until_it_or_its_authority_ends() {
    let root = Authority::new("root");
    let below = Authority::below(Some(&root), "below", 50);
    let tls = with(&[&root], None);
    let (long, short) = (below.agent(100), root.agent(20));
    for (chain, last_second) in [(vec![&long, &below.certificate], 50), (vec![&short], 20)] {
        for verified_with in [Some(&tls), None] {
            let certificate = peer(&chain, verified_with);
            assert_eq!(certificate.verified_until(), i64::try_from(NOW + last_second).unwrap());
            for (seconds, expected) in [
                (0, Ok(())),
                (last_second, Ok(())),
                (last_second + 1, Err(CertificateRefused::Expired)),
                (last_second + 2, Err(CertificateRefused::Expired)),
            ] {
                assert_eq!(certificate.check(&tls, at(NOW + seconds)), expected, "{seconds}");
            }
        }
    }
}

#[test]
fn a_workload_has_exactly_one_uri_and_signs_nothing() {
    let root = Authority::new("root");
    let uri = |text: &str| SanType::URI(text.try_into().unwrap());
    let dns = SanType::DnsName("agent.internal".try_into().unwrap());
    let certificate = |names: Vec<SanType>, usages: Vec<KeyUsagePurpose>| {
        let mut params = params("agent", 100);
        (params.subject_alt_names, params.key_usages) = (names, usages);
        root.issue(&params)
    };
    let signs = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
    for (certificate, expected) in [
        (certificate(vec![uri(AGENT)], vec![]), Ok(AGENT)),
        (certificate(vec![dns.clone(), uri(AGENT)], vec![KeyUsagePurpose::DigitalSignature]), Ok(AGENT)),
        (certificate(vec![], vec![]), Err(NotSvid::NotOneUri)),
        (certificate(vec![dns], vec![]), Err(NotSvid::NotOneUri)),
        (certificate(vec![uri(AGENT), uri(AGENT)], vec![]), Err(NotSvid::NotOneUri)),
        (certificate(vec![uri(AGENT), uri("https://example.org")], vec![]), Err(NotSvid::NotOneUri)),
        (
            certificate(vec![uri("https://example.org")], vec![]),
            Err(NotSvid::Id(crate::spiffe::NotSpiffeId::Scheme)),
        ),
        (certificate(vec![uri(AGENT)], signs), Err(NotSvid::Signs)),
        (root.certificate.clone(), Err(NotSvid::Signs)),
        (CertificateDer::from(vec![0x30, 0]), Err(NotSvid::Unreadable)),
    ] {
        let id = spiffe_id(&certificate);
        assert_eq!(id.as_ref().map(config::SpiffeId::as_str).map_err(|error| *error), expected);
    }
}
