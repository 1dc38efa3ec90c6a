//! What the SDK's errors mean to whoever asked for an object.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStreamError;

use crate::error::StorageError;

/// How deep a chain of causes is followed.
const CAUSES_MAX: usize = 16;

/// Codes by which S3 and its imitators ask for fewer requests, whatever the status.
const THROTTLE_CODES: &[&str] = &[
    "SlowDown",
    "SlowDownRead",
    "SlowDownWrite",
    "Throttling",
    "ThrottlingException",
    "RequestLimitExceeded",
    "TooManyRequests",
    "TooManyRequestsException",
    "RequestThrottled",
];

/// Codes that mean: these credentials are no longer, or not yet, or not at all good.
const CREDENTIAL_CODES: &[&str] = &[
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidSecurity",
    "InvalidToken",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
];

/// Codes that mean: not this bucket here.
const REGION_CODES: &[&str] = &[
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "PermanentRedirect",
    "TemporaryRedirect",
];

/// Whether S3 says that a range starts past the end of the object.
pub(super) fn is_past_the_end<E>(error: &SdkError<E>) -> bool {
    error.raw_response().is_some_and(|response| response.status().as_u16() == 416)
}

/// Translates the failure of a request for `key`.
pub(super) fn store_error<E>(bucket: &str, key: &str, error: &SdkError<E>) -> StorageError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    if let Some(credentials) = find_cause::<CredentialsError>(error) {
        return credentials_error(key, credentials);
    }
    match error {
        SdkError::ServiceError(answer) => {
            let raw = answer.raw();
            let status = raw.status().as_u16();
            let region = raw.headers().get("x-amz-bucket-region");
            let refusal = Refusal {
                bucket,
                key,
                status,
                code: answer.err().code().unwrap_or_default(),
                message: answer.err().message().unwrap_or_default(),
                region,
            };
            refusal.into_error()
        }
        SdkError::ConstructionFailure(_) => {
            let reason = format!("no request could be made for '{key}': {}", causes(error));
            StorageError::Config { reason }
        }
        _ => offline(key, error),
    }
}

/// Translates a body that broke.
pub(super) fn body_error(key: &str, error: &ByteStreamError) -> StorageError {
    offline(key, error)
}

fn offline(key: &str, error: &(dyn Error + 'static)) -> StorageError {
    StorageError::Offline { key: key.to_owned(), reason: causes(error) }
}

fn credentials_error(key: &str, error: &CredentialsError) -> StorageError {
    let reason = causes(error);
    match error {
        CredentialsError::ProviderTimedOut(_) => {
            let reason = format!("the credentials did not come in time: {reason}");
            StorageError::Offline { key: key.to_owned(), reason }
        }
        CredentialsError::CredentialsNotLoaded(_) => StorageError::Config {
            reason: format!(
                "no AWS credentials found; set AWS_PROFILE or name a profile, or log in \
                 ({reason})"
            ),
        },
        _ => StorageError::Config {
            reason: format!(
                "the AWS credentials cannot be loaded; check the profile and its \
                 credential_process ({reason})"
            ),
        },
    }
}

/// An answer of S3 that is not a success.
struct Refusal<'a> {
    bucket: &'a str,
    key: &'a str,
    status: u16,
    /// Empty for HEAD, whose answers have no body.
    code: &'a str,
    message: &'a str,
    region: Option<&'a str>,
}

impl Refusal<'_> {
    fn into_error(self) -> StorageError {
        let key = self.key.to_owned();
        match (self.status, self.code) {
            (_, "NoSuchBucket") => StorageError::Config {
                reason: format!("there is no bucket '{}' here: {}", self.bucket, self.words()),
            },
            (_, code) if THROTTLE_CODES.contains(&code) => self.throttled(),
            (429, _) => self.throttled(),
            (_, code) if code.starts_with("KMS.") => self.denied("check the KMS key's policy"),
            (_, code) if CREDENTIAL_CODES.contains(&code) => {
                self.denied("the credentials are wrong or expired; renew them")
            }
            (_, "RequestTimeTooSkewed") => StorageError::Config {
                reason: format!("this machine's clock is wrong: {}", self.words()),
            },
            (_, code) if REGION_CODES.contains(&code) => self.elsewhere(),
            (301 | 307, _) => self.elsewhere(),
            (400, "") if self.region.is_some() => self.elsewhere(),
            (401 | 403, _) if self.message.to_ascii_lowercase().contains("kms") => {
                self.denied("check for kms:Decrypt and kms:GenerateDataKey on the bucket's KMS key")
            }
            (401 | 403, _) => self.denied(
                "check for s3:GetObject, s3:PutObject and s3:ListBucket, and the bucket's owner",
            ),
            (404, _) => StorageError::NotFound { key },
            (408 | 500.., _) | (_, "RequestTimeout") => {
                StorageError::Offline { key, reason: self.words() }
            }
            _ => StorageError::Config {
                reason: format!("the server refuses requests for '{key}': {}", self.words()),
            },
        }
    }

    fn throttled(&self) -> StorageError {
        StorageError::Throttled { key: self.key.to_owned(), reason: self.words() }
    }

    fn denied(&self, hint: &str) -> StorageError {
        let reason = format!("{}; {hint}", self.words());
        StorageError::AccessDenied { key: self.key.to_owned(), reason }
    }

    fn elsewhere(&self) -> StorageError {
        let region = self.region.unwrap_or("another region or at another endpoint");
        let reason = format!(
            "the bucket '{}' is in {region}; set the region ({})",
            self.bucket,
            self.words()
        );
        StorageError::Config { reason }
    }

    /// The server's own words.
    fn words(&self) -> String {
        match (self.code, self.message) {
            ("", "") => format!("status {}", self.status),
            (code, "") => format!("{code} (status {})", self.status),
            (code, message) => format!("{code}: {message} (status {})", self.status),
        }
    }
}

/// An error and its causes in one line, without the repetitions.
fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    for cause in chain(error) {
        let words = cause.to_string();
        if text.contains(&words) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&words);
    }
    text
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source()).take(CAUSES_MAX)
}

fn find_cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    chain(error).find_map(|cause| cause.downcast_ref::<T>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, code: &'static str, message: &'static str) -> StorageError {
        Refusal { bucket: "b", key: "k", status, code, message, region: None }.into_error()
    }

    #[test]
    fn kinds_follow_from_status_and_code() {
        type Is = fn(&StorageError) -> bool;
        let denied: Is = |error| matches!(error, StorageError::AccessDenied { .. });
        let throttled: Is = |error| matches!(error, StorageError::Throttled { .. });
        let offline: Is = |error| matches!(error, StorageError::Offline { .. });
        let config: Is = |error| matches!(error, StorageError::Config { .. });
        let not_found: Is = |error| matches!(error, StorageError::NotFound { .. });
        for (status, code, is) in [
            (404, "NoSuchKey", not_found),
            (404, "", not_found),
            (404, "NoSuchBucket", config),
            (403, "AccessDenied", denied),
            (403, "", denied),
            (401, "", denied),
            (400, "ExpiredToken", denied),
            (403, "InvalidAccessKeyId", denied),
            (400, "KMS.DisabledException", denied),
            (403, "RequestTimeTooSkewed", config),
            (301, "PermanentRedirect", config),
            (301, "", config),
            (400, "AuthorizationHeaderMalformed", config),
            (503, "SlowDown", throttled),
            (429, "", throttled),
            (400, "ThrottlingException", throttled),
            (503, "ServiceUnavailable", offline),
            (500, "InternalError", offline),
            (502, "", offline),
            (400, "RequestTimeout", offline),
            (400, "InvalidArgument", config),
            (405, "MethodNotAllowed", config),
        ] {
            let error = refusal(status, code, "");
            assert!(is(&error), "{status} {code}: {error:?}");
        }
    }

    #[test]
    fn messages_say_what_to_do() {
        let kms = refusal(403, "AccessDenied", "not authorized to perform: kms:Decrypt on key");
        assert!(kms.to_string().contains("bucket's KMS key"), "{kms}");
        let bucket = refusal(404, "NoSuchBucket", "gone");
        assert!(bucket.to_string().contains("'b'"), "{bucket}");
        let refusal = Refusal {
            bucket: "b",
            key: "k",
            status: 400,
            code: "",
            message: "",
            region: Some("eu-north-1"),
        };
        let elsewhere = refusal.into_error();
        assert!(elsewhere.to_string().contains("is in eu-north-1"), "{elsewhere}");
    }
}
