//! Certificates, keys and authorities from files (PEM, RFC 7468), read in one way wherever they are used.

use std::path::Path;

use rustls::RootCertStore;
use rustls_pki_types::pem::{Error as PemError, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{FileError, read_at_most};

/// Longest of these files; longer ones are refused.
const FILE_MAX_BYTES: u64 = 1024 * 1024;

/// A file as it was read. There may be a key in it, so it is not shown, and wiped after use.
pub struct PemFile<'a> {
    file: &'a Path,
    text: Zeroizing<String>,
}

impl<'a> PemFile<'a> {
    /// Reads a file, whatever is in it.
    ///
    /// # Errors
    /// [`FileError`]
    pub fn read(file: &'a Path) -> Result<Self, FileError> {
        Ok(Self { file, text: Zeroizing::new(read_at_most(file, FILE_MAX_BYTES)?) })
    }

    /// Its certificates, in their order; at least one.
    ///
    /// # Errors
    /// [`FileError`]
    pub fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, FileError> {
        let certificates =
            CertificateDer::pem_slice_iter(self.text.as_bytes()).collect::<Result<Vec<_>, _>>();
        match certificates {
            Ok(certificates) if certificates.is_empty() => {
                Err(self.fail("has no certificate in PEM".to_owned()))
            }
            Ok(certificates) => Ok(certificates),
            Err(error) => Err(self.fail(format!("is not PEM: {error}"))),
        }
    }

    /// Its certificates as authorities. One that can't be used is a mistake: it was put there to be trusted.
    ///
    /// # Errors
    /// [`FileError`]
    pub fn authorities(&self) -> Result<RootCertStore, FileError> {
        let mut roots = RootCertStore::empty();
        for (place, certificate) in self.certificates()?.into_iter().enumerate() {
            roots
                .add(certificate)
                .map_err(|error| self.fail(format!("certificate {} can't be used: {error}", place + 1)))?;
        }
        Ok(roots)
    }

    /// Its private key.
    ///
    /// # Errors
    /// [`FileError`]
    pub fn key(&self) -> Result<PrivateKeyDer<'static>, FileError> {
        PrivateKeyDer::from_pem_slice(self.text.as_bytes()).map_err(|error| match error {
            PemError::NoItemsFound => self.fail("has no private key in PEM".to_owned()),
            // What it says of a line could be of the key.
            _ => self.fail("is not PEM".to_owned()),
        })
    }

    /// Of the whole text.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.text.as_bytes()).into()
    }

    /// A mistake in this file.
    #[must_use]
    pub fn fail(&self, mistake: String) -> FileError {
        FileError::one(self.file, mistake)
    }
}

/// The authorities of the system, or those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name; at least one.
///
/// # Errors
/// [`FileError`]
pub fn system_authorities() -> Result<RootCertStore, FileError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // A store of many authorities always has some that nothing could use.
    let (added, _ignored) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map_or_else(String::new, |error| format!(" ({error})"));
        let mistake = format!("this system has no certificate authorities{why}; name a `ca_file`");
        return Err(FileError::one(Path::new("the system's certificate authorities"), mistake));
    }
    Ok(roots)
}

impl std::fmt::Debug for PemFile<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PemFile").field("file", &self.file).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_a_file_is_used_as_a_whole_or_not_at_all() {
        let key = rcgen::KeyPair::generate().unwrap();
        let own = rcgen::CertificateParams::default().self_signed(&key).unwrap().pem();
        let (both, twice) = (own.clone() + &key.serialize_pem(), own.clone() + &own);
        let unusable = own.clone() + "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
        let torn = own.replace("-----END", "");
        let long = " ".repeat(1024 * 1024 - own.len());
        let no_certificate = Err("has no certificate in PEM");
        let no_key = Err("has no private key in PEM");
        for (text, certificates, authorities, has_key) in [
            (own.clone(), Ok(1), Ok(1), no_key),
            (twice, Ok(2), Ok(2), no_key),
            (both, Ok(1), Ok(1), Ok(())),
            (key.serialize_pem(), no_certificate, no_certificate, Ok(())),
            (String::new(), no_certificate, no_certificate, no_key),
            (unusable, Ok(2), Err("certificate 2 can't be used"), no_key),
            (torn, Err("is not PEM"), Err("is not PEM"), Err("is not PEM")),
            (format!("{long}\n{own}").split_off(1), Ok(1), Ok(1), no_key),
        ] {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(&file, &text).unwrap();
            let pem = PemFile::read(file.path()).unwrap();
            expect(pem.certificates().map(|found| found.len()), certificates);
            expect(pem.authorities().map(|found| found.len()), authorities);
            expect(pem.key().map(|_| ()), has_key);
            std::fs::write(&file, " ".repeat(1024 * 1024) + &text + " ").unwrap();
            expect(PemFile::read(file.path()).map(|_| ()), Err("is longer than 1048576 bytes"));
        }
    }

    fn expect<T: PartialEq + std::fmt::Debug>(found: Result<T, FileError>, expected: Result<T, &str>) {
        match (found, expected) {
            (Err(error), Err(mistake)) => assert!(error.mistakes[0].starts_with(mistake), "{error}"),
            (found, expected) => assert_eq!(found.ok(), expected.ok()),
        }
    }
}
