//! From options, environment and AWS configuration files to a client.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::identity::IdentityCache;
use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::interceptors::InterceptorContext;
use aws_sdk_s3::config::retry::{ClassifyRetry, RetryAction};
use aws_sdk_s3::config::{
    Credentials, RequestChecksumCalculation, ResponseChecksumValidation, SharedHttpClient,
};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, ConnectorBuilder};
use aws_types::os_shim_internal::{Env, Fs};
use aws_types::service_config::ServiceConfigKey;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::error::StorageError;
use crate::s3::S3Options;

/// The longest wait between two tries of a request.
const BACKOFF_MAX: Duration = Duration::from_secs(20);

/// Time for a `credential_process`: a Python program on a busy worker takes many seconds.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_secs(30);

/// How long before they expire credentials are renewed. The worker agent rewrites what its
/// `credential_process` prints well before that (`deadline.md` 6).
const CREDENTIALS_BUFFER: Duration = Duration::from_secs(60);

/// The region that servers other than AWS usually take any request to be for.
const REGION_OF_ENDPOINTS: &str = "us-east-1";

/// Makes a client for the options.
pub(super) async fn client(options: &S3Options) -> Result<Client, StorageError> {
    check(options)?;
    if let Some(profile) = &options.profile {
        check_profile(profile).await?;
    }
    let http = http_client(options).await?;
    // Every provider needs our HTTP client: the SDK is built without one of its own.
    let provider = ProviderConfig::without_region().with_http_client(http.clone());
    let sdk = load(options, http, &provider).await;
    let has_endpoint = configured_endpoint(&sdk).is_some();
    let region = match sdk.region().cloned() {
        Some(region) => region,
        None if has_endpoint => Region::new(REGION_OF_ENDPOINTS),
        None => match ImdsRegionProvider::builder().configure(&provider).build().region().await {
            Some(region) => region,
            None => {
                let reason =
                    "no region for S3; give one, or set AWS_REGION or the profile's region";
                return Err(StorageError::Config { reason: reason.into() });
            }
        },
    };
    let config = aws_sdk_s3::config::Builder::from(&sdk)
        .region(region)
        .force_path_style(options.path_style.unwrap_or(has_endpoint))
        .retry_classifier(TooManyRequests)
        .build();
    Ok(Client::from_conf(config))
}

fn check(options: &S3Options) -> Result<(), StorageError> {
    let refuse = |reason: String| Err(StorageError::Config { reason });
    let bucket = &options.bucket;
    if bucket.is_empty() || bucket.contains(['/', '\0']) {
        return refuse(format!("'{bucket}' is not a bucket's name"));
    }
    match options.endpoint.as_deref() {
        Some(url) if !url.starts_with("http://") && !url.starts_with("https://") => {
            refuse(format!("the endpoint '{url}' must start with http:// or https://"))
        }
        _ => Ok(()),
    }
}

/// Looks the profile up, because a misspelt one shows only as missing credentials later.
async fn check_profile(name: &str) -> Result<(), StorageError> {
    let refuse = |problem: String| {
        let reason = format!("the AWS profile '{name}' cannot be used: {problem}");
        Err(StorageError::Config { reason })
    };
    let files = Default::default();
    match aws_config::profile::load(&Fs::real(), &Env::real(), &files, None).await {
        Ok(profiles) if profiles.get_profile(name).is_some() => Ok(()),
        Ok(_) => refuse("it is not in the AWS configuration files".to_owned()),
        Err(error) => refuse(error.to_string()),
    }
}

/// Has status 429 retried, which other servers than AWS send and the SDK takes for final.
#[derive(Debug)]
struct TooManyRequests;

impl ClassifyRetry for TooManyRequests {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        match context.response() {
            Some(response) if response.status().as_u16() == 429 => RetryAction::throttling_error(),
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "too many requests"
    }
}

/// Reads everything that the environment and the configuration files say.
async fn load(options: &S3Options, http: SharedHttpClient, provider: &ProviderConfig) -> SdkConfig {
    let region = region_chain(options);
    let provider = provider.clone().with_region(region.region().await);
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(options.connect_timeout)
        .read_timeout(options.read_timeout)
        .build();
    let retries = RetryConfig::standard()
        .with_max_attempts(options.max_attempts.max(1))
        .with_initial_backoff(options.retry_backoff)
        .with_max_backoff(BACKOFF_MAX.max(options.retry_backoff));
    let stalls = StalledStreamProtectionConfig::enabled().grace_period(options.read_timeout);
    let identities = IdentityCache::lazy()
        .load_timeout(CREDENTIALS_TIMEOUT)
        .buffer_time(CREDENTIALS_BUFFER)
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .region(region)
        .timeout_config(timeouts)
        .retry_config(retries)
        .stalled_stream_protection(stalls.build())
        .identity_cache(identities)
        // Anything more uses trailers, which older S3 servers refuse.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    if let Ok(name) = AppName::new("rusty-attachments") {
        loader = loader.app_name(name);
    }
    if let Some(endpoint) = &options.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    with_credentials(loader, options, &provider).load().await
}

fn with_credentials(
    loader: ConfigLoader,
    options: &S3Options,
    provider: &ProviderConfig,
) -> ConfigLoader {
    let loader = match &options.profile {
        // The default chain would prefer keys in the environment to the profile asked for.
        Some(profile) => loader.profile_name(profile).credentials_provider(
            ProfileFileCredentialsProvider::builder()
                .configure(provider)
                .profile_name(profile)
                .build(),
        ),
        None => loader,
    };
    match &options.credentials {
        Some(keys) => loader.credentials_provider(Credentials::new(
            &keys.access_key_id,
            &keys.secret_access_key,
            keys.session_token.clone(),
            None,
            "options",
        )),
        None => loader,
    }
}

/// Option, then profile, then environment (`deadline.md` 6); the SDK's own order is another.
fn region_chain(options: &S3Options) -> RegionProviderChain {
    let mut profile = ProfileFileRegionProvider::builder();
    if let Some(name) = &options.profile {
        profile = profile.profile_name(name);
    }
    RegionProviderChain::first_try(options.region.clone().map(Region::new))
        .or_else(profile.build())
        .or_else(EnvironmentVariableRegionProvider::new())
}

/// The endpoint that requests will go to, if one is set anywhere.
fn configured_endpoint(sdk: &SdkConfig) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id("S3")
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build();
    let for_s3 = key.ok().and_then(|key| sdk.service_config()?.load_config(key));
    for_s3.or_else(|| sdk.endpoint_url().map(str::to_owned))
}

/// HTTP with rustls, the system's roots, `AWS_CA_BUNDLE`, and the environment's proxy.
async fn http_client(options: &S3Options) -> Result<SharedHttpClient, StorageError> {
    let mut trust = TrustStore::default();
    if let Some(path) = std::env::var_os("AWS_CA_BUNDLE").filter(|path| !path.is_empty()) {
        trust = trust.with_pem_certificate(read_ca_bundle(path.into()).await?);
    }
    let tls = TlsContext::builder().with_trust_store(trust).build();
    let tls = tls.map_err(|error| StorageError::Config { reason: error.to_string() })?;
    let proxy = match options.endpoint.as_deref().is_some_and(is_loopback) {
        // No proxy can reach a server on this machine.
        true => ProxyConfig::disabled(),
        false => ProxyConfig::from_env(),
    };
    Ok(Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = ConnectorBuilder::default()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .tls_context(tls.clone());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.set_proxy_config(Some(proxy.clone()));
        connector.build()
    }))
}

fn is_loopback(url: &str) -> bool {
    let host = url.split("://").nth(1).unwrap_or(url).split('/').next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _port)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Reads and tries every certificate, because the HTTP client panics on a bad one.
async fn read_ca_bundle(path: PathBuf) -> Result<Vec<u8>, StorageError> {
    let failed = |problem: String| StorageError::Config {
        reason: format!("AWS_CA_BUNDLE names '{}', which {problem}", path.display()),
    };
    let pem = tokio::fs::read(&path).await;
    let pem = pem.map_err(|error| failed(format!("cannot be read: {error}")))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| failed(format!("is not PEM: {error}")))?;
        let added = roots.add(certificate);
        added.map_err(|error| failed(format!("has an unusable certificate: {error}")))?;
    }
    if roots.is_empty() {
        return Err(failed("holds no certificate".to_owned()));
    }
    Ok(pem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_endpoints_are_told_from_others() {
        for url in ["http://127.0.0.1:9000", "http://localhost/", "https://[::1]:1/x"] {
            assert!(is_loopback(url), "{url}");
        }
        for url in ["https://s3.example.com", "http://10.0.0.1:9000", "http://localhost.example"] {
            assert!(!is_loopback(url), "{url}");
        }
    }

    #[tokio::test]
    async fn a_bad_ca_bundle_is_refused_before_any_request() {
        let folder = tempfile::tempdir().unwrap();
        let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (name, text) in [("empty", ""), ("text", "no certificates"), ("torn", pem)] {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            let error = read_ca_bundle(path).await.unwrap_err();
            assert!(error.to_string().contains("AWS_CA_BUNDLE"), "{error}");
        }
        assert!(read_ca_bundle(folder.path().join("missing")).await.is_err());
    }
}
