//! Certificates made on the spot: an authority, and what it issues.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

/// How long certificates are good, unless a test says otherwise; and how long they have been already.
const VALID: Duration = Duration::from_secs(3600);

/// A certificate authority.
pub(crate) struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate, if another authority issued that: it belongs into chains.
    chain: String,
}

/// A certificate with its chain, and its private key, both in PEM.
#[derive(Clone, Debug)]
pub(crate) struct Issued {
    pub(crate) chain: String,
    pub(crate) key: String,
}

impl Authority {
    /// A root with a name of its own.
    pub(crate) fn new(name: &str) -> Self {
        let (params, key) = (authority(name), KeyPair::generate().unwrap());
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(params, key), chain: String::new() }
    }

    /// An authority below this one.
    pub(crate) fn intermediate(&self, name: &str) -> Self {
        let (params, key) = (authority(name), KeyPair::generate().unwrap());
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let chain = certificate.pem() + &self.chain;
        Self { certificate, issuer: Issuer::new(params, key), chain }
    }

    /// Its certificate, in PEM.
    pub(crate) fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// Writes its certificate into a folder, as `NAME.pem`.
    pub(crate) fn write(&self, folder: &Path, name: &str) -> PathBuf {
        written(folder, &format!("{name}.pem"), &self.pem())
    }

    /// A certificate for either end of a connection. What a name is, its form says: an IP address, a URI
    /// (`spiffe://example.org/agent`), a host name.
    pub(crate) fn issue(&self, names: &[&str]) -> Issued {
        self.issue_with(names, |_| {})
    }

    /// The same, good until then; for one that has expired, that is in the past.
    pub(crate) fn issue_until(&self, names: &[&str], not_after: SystemTime) -> Issued {
        self.issue_with(names, |params| {
            params.not_before = (not_after.min(SystemTime::now()) - VALID).into();
            params.not_after = not_after.into();
        })
    }

    /// The same, with what is changed in it before it is signed.
    pub(crate) fn issue_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Issued {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "leaf");
        params.subject_alt_names = names.iter().map(|name| alternative_name(name)).collect();
        let now = SystemTime::now();
        (params.not_before, params.not_after) = ((now - VALID).into(), (now + VALID).into());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Issued { chain: certificate.pem() + &self.chain, key: key.serialize_pem() }
    }
}

impl Issued {
    /// Writes it into a folder, as `NAME.pem` and `NAME.key`.
    pub(crate) fn write(&self, folder: &Path, name: &str) -> (PathBuf, PathBuf) {
        (
            written(folder, &format!("{name}.pem"), &self.chain),
            written(folder, &format!("{name}.key"), &self.key),
        )
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn alternative_name(name: &str) -> SanType {
    match (name.parse::<IpAddr>(), name.contains("://")) {
        (Ok(ip), _) => SanType::IpAddress(ip),
        (Err(_), true) => SanType::URI(name.try_into().unwrap()),
        (Err(_), false) => SanType::DnsName(name.try_into().unwrap()),
    }
}

/// Written beside its place and moved there: nobody sees half of it.
fn written(folder: &Path, name: &str, text: &str) -> PathBuf {
    let (file, beside) = (folder.join(name), folder.join(format!("{name}.new")));
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(&beside, &file).unwrap();
    file
}
