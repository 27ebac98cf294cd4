//! How requests leave this machine: TLS, proxies, and the certificates to trust.

use std::io;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::AccessError;

/// A client that honours `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY` and `AWS_CA_BUNDLE`.
pub(super) fn client() -> Result<SharedHttpClient, AccessError> {
    let trusted = match std::env::var("AWS_CA_BUNDLE") {
        Ok(path) if !path.is_empty() => bundle(&path)?,
        _ => TrustStore::default(),
    };
    let context = TlsContext::builder().with_trust_store(trusted);
    let context = context
        .build()
        .expect("a trust store is all there is in it");
    Ok(
        Builder::new().build_with_connector_fn(move |settings, components| {
            // Ring, as in the functions: one TLS library in the whole workspace.
            let mut connector = Connector::builder()
                .tls_provider(Provider::Rustls(CryptoMode::Ring))
                .tls_context(context.clone())
                .proxy_config(ProxyConfig::from_env());
            connector.set_connector_settings(settings.cloned());
            if let Some(components) = components {
                connector.set_sleep_impl(components.sleep_impl());
            }
            connector.build()
        }),
    )
}

/// The certificates of a file, in place of the machine's own, as the AWS CLI takes it.
fn bundle(path: &str) -> Result<TrustStore, AccessError> {
    let refused = |source| AccessError::CaBundle {
        path: path.to_owned(),
        source,
    };
    let pem = std::fs::read(path).map_err(refused)?;
    // The SDK takes a bundle for granted, and would panic.
    let wrong = |error: &dyn std::fmt::Display| {
        refused(io::Error::new(
            io::ErrorKind::InvalidData,
            error.to_string(),
        ))
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| wrong(&error))?;
        roots.add(certificate).map_err(|error| wrong(&error))?;
    }
    if roots.is_empty() {
        return Err(wrong(&"there is no CERTIFICATE in it"));
    }
    Ok(TrustStore::empty().with_pem_certificate(pem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_bundle_of_certificates_is_refused_by_its_path() {
        let path = std::env::temp_dir().join(format!("ebbtide-bundle-{}", std::process::id()));
        let path = path.display().to_string();
        let begin = "-----BEGIN CERTIFICATE-----";
        for text in [
            "",
            "text",
            &format!("{begin}\n%%\n-----END CERTIFICATE-----\n"),
            &format!("{begin}\nAAAA\n-----END CERTIFICATE-----\n"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = bundle(&path).unwrap_err().to_string();
            assert!(error.contains(&path), "{text}: {error}");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(bundle(&path).is_err());
    }
}
