//! The S3 store against real S3 servers, and against one that misbehaves on purpose.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use rusty_attachments_storage::{
    Payload, RetryPolicy, RetryingStore, S3Credentials, S3Options, S3Store, StorageClient,
    StorageError,
};
use rusty_attachments_testkit::{RawReply, RawRequest, RawServer, S3Server, store_conformance};

/// Options that reach `endpoint` quickly, or fail quickly.
fn options(endpoint: impl Into<String>) -> S3Options {
    let mut options = S3Options::new("bucket");
    options.endpoint = Some(endpoint.into());
    options.region = Some("us-west-2".to_owned());
    options.credentials = Some(S3Credentials {
        access_key_id: S3Server::ACCESS_KEY_ID.to_owned(),
        secret_access_key: S3Server::SECRET_ACCESS_KEY.to_owned(),
        session_token: None,
    });
    options.retry_backoff = Duration::from_millis(1);
    options.max_attempts = 3;
    options
}

async fn connect(options: S3Options) -> S3Store {
    S3Store::connect(options).await.unwrap()
}

async fn read(store: &S3Store, key: &str) -> Result<Bytes, StorageError> {
    store.get(key, None).await?.bytes(key, u64::MAX).await
}

#[tokio::test(flavor = "multi_thread")]
async fn conforms_on_an_s3s_server() {
    let server = S3Server::start(&["bucket"]);
    let mut options = options(server.endpoint());
    let store = connect(options.clone()).await;
    store_conformance(&store, "suite").await;

    options.root_prefix = "Deadline Cloud/\u{e9}".to_owned();
    let below = connect(options).await;
    below.put("Data/x", Payload::Bytes(Bytes::from_static(b"x"))).await.unwrap();
    assert_eq!(read(&store, "Deadline Cloud/\u{e9}/Data/x").await.unwrap(), "x");
    assert_eq!(below.list("Data").await.unwrap()[0].key, "Data/x");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn conforms_on_a_moto_server() {
    use rusty_attachments_testkit::python::{MotoServer, OfficialPython, run};
    let server = tokio::task::spawn_blocking(|| {
        let python = OfficialPython::install().unwrap();
        let server = MotoServer::start(&python).unwrap();
        let mut create = Command::new(python.program("python"));
        create.args([
            "-c",
            "import boto3; boto3.client('s3').create_bucket(Bucket='bucket', \
            CreateBucketConfiguration={'LocationConstraint': 'us-west-2'})",
        ]);
        server.configure(&mut create);
        run(&mut create).unwrap();
        server
    });
    let server = server.await.unwrap();
    let mut options = options(server.endpoint());
    options.root_prefix = "DeadlineCloud".to_owned();
    options.expected_bucket_owner = Some("123456789012".to_owned());
    store_conformance(&connect(options.clone()).await, "suite").await;

    options.expected_bucket_owner = None;
    options.bucket = "elsewhere".to_owned();
    let error = read(&connect(options).await, "Data/x").await.unwrap_err();
    assert!(matches!(error, StorageError::Config { .. }), "{error:?}");
    assert!(error.to_string().contains("'elsewhere'"), "{error}");
}

#[tokio::test]
async fn metadata_is_sent_with_whole_objects_and_with_parts() {
    let server = RawServer::start(|request| {
        let begins = request.method == "PUT" || request.target.contains("uploads");
        let sent = request.header("x-amz-meta-asset-root");
        assert_eq!(sent, begins.then_some("/mnt/a job"), "{} {}", request.method, request.target);
        match begins && request.method == "POST" {
            true => RawReply::s3_error(403, "AccessDenied", "enough seen"),
            false => RawReply::object(request, b""),
        }
    });
    let store = connect(options(server.endpoint())).await;
    let metadata = [("asset-root".to_owned(), "/mnt/a job".to_owned())];
    let small = Payload::Bytes(Bytes::from_static(b"x"));
    store.put_with_metadata("small", small, &metadata).await.unwrap();
    let large = Payload::Bytes(vec![0; 9 << 20].into());
    let error = store.put_with_metadata("large", large, &metadata).await.unwrap_err();
    assert!(matches!(error, StorageError::AccessDenied { .. }), "{error:?}");
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn wrong_keys_are_denied() {
    let server = S3Server::start(&["bucket"]);
    let mut options = options(server.endpoint());
    options.credentials.as_mut().unwrap().secret_access_key = "wrong".to_owned();
    let error = read(&connect(options).await, "Data/x").await.unwrap_err();
    assert!(matches!(error, StorageError::AccessDenied { .. }), "{error:?}");
}

#[tokio::test]
async fn a_changed_bucket_owner_or_region_option_is_sent() {
    let server = RawServer::start(|request| {
        assert_eq!(request.header("x-amz-expected-bucket-owner"), Some("111122223333"));
        assert!(request.header("authorization").unwrap().contains("/eu-north-1/s3/"));
        assert!(request.header("user-agent").unwrap().contains("app/rusty-attachments"));
        assert!(request.header("x-amz-checksum-mode").is_none());
        if request.method == "PUT" {
            let trailer = request.header("x-amz-trailer");
            assert_eq!((trailer, request.header("content-encoding")), (None, None));
        }
        RawReply::object(request, b"x")
    });
    let mut options = options(server.endpoint());
    options.expected_bucket_owner = Some("111122223333".to_owned());
    options.region = Some("eu-north-1".to_owned());
    let store = connect(options).await;
    assert_eq!(read(&store, "x").await.unwrap(), "x");
    store.put("x", Payload::Bytes(Bytes::from_static(b"x"))).await.unwrap();
    assert_eq!(server.requests(), 2);
}

/// Asks a server that always gives `reply` for an object, and counts its requests.
async fn answer_to(reply: RawReply) -> (StorageError, u64) {
    let server = RawServer::start(move |_| reply.clone());
    let store = connect(options(server.endpoint())).await;
    let error = read(&store, "Data/x").await.unwrap_err();
    (error, server.requests())
}

#[tokio::test]
async fn refusals_have_their_kinds_and_are_not_repeated() {
    let (error, requests) =
        answer_to(RawReply::s3_error(403, "AccessDenied", "User is not authorized")).await;
    assert!(matches!(error, StorageError::AccessDenied { .. }), "{error:?}");
    assert!(error.to_string().contains("not authorized"), "{error}");
    assert_eq!(requests, 1);

    let kms = "The ciphertext refers to a customer master key; kms:Decrypt is not allowed";
    let (error, _) = answer_to(RawReply::s3_error(403, "AccessDenied", kms)).await;
    assert!(matches!(error, StorageError::AccessDenied { .. }), "{error:?}");
    assert!(error.to_string().contains("KMS key"), "{error}");

    let (error, _) = answer_to(RawReply::s3_error(404, "NoSuchKey", "gone")).await;
    assert!(matches!(error, StorageError::NotFound { .. }), "{error:?}");

    let region = vec![("x-amz-bucket-region", "ap-south-1".to_owned())];
    let (error, requests) = answer_to(RawReply::Answer(301, region, Vec::new())).await;
    assert!(matches!(error, StorageError::Config { .. }), "{error:?}");
    assert!(error.to_string().contains("ap-south-1"), "{error}");
    assert_eq!(requests, 1);
}

#[tokio::test]
async fn busy_and_broken_servers_are_asked_again() {
    for (reply, throttles) in [
        (RawReply::s3_error(503, "SlowDown", "Please reduce your request rate."), true),
        (RawReply::s3_error(429, "TooManyRequests", ""), true),
        (RawReply::s3_error(500, "InternalError", "We encountered an internal error."), false),
        (RawReply::Answer(502, Vec::new(), b"<html>".to_vec()), false),
        (RawReply::Close, false),
    ] {
        let said = format!("{reply:?}");
        let (error, requests) = answer_to(reply).await;
        let is_throttled = matches!(error, StorageError::Throttled { .. });
        let is_offline = matches!(error, StorageError::Offline { .. });
        assert_eq!((is_throttled, is_offline), (throttles, !throttles), "{said}: {error:?}");
        assert!(error.is_transient());
        assert_eq!(requests, 3, "{said}");
    }
}

#[tokio::test]
async fn a_short_outage_is_not_noticed() {
    let server = RawServer::start(|request| match request.index {
        0 => RawReply::s3_error(503, "SlowDown", ""),
        1 => RawReply::Close,
        _ => RawReply::object(request, b"content"),
    });
    let store = connect(options(server.endpoint())).await;
    assert_eq!(read(&store, "Data/x").await.unwrap(), "content");
}

#[tokio::test]
async fn servers_that_refuse_or_keep_silent_are_offline() {
    let store = connect(options(RawServer::refusing_endpoint())).await;
    let error = read(&store, "Data/x").await.unwrap_err();
    assert!(matches!(error, StorageError::Offline { .. }), "{error:?}");

    let server = RawServer::start(|_| RawReply::Silence);
    let mut options = options(server.endpoint());
    options.read_timeout = Duration::from_millis(200);
    options.max_attempts = 2;
    let start = Instant::now();
    let error = read(&connect(options).await, "Data/x").await.unwrap_err();
    assert!(matches!(error, StorageError::Offline { .. }), "{error:?}");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn bodies_that_break_or_stall_are_offline_after_what_came() {
    let object = vec![7; 1 << 20];
    let stalled: fn(&RawRequest, &[u8]) -> RawReply =
        |_, object| RawReply::Stall(200, Vec::new(), object.len() as u64, object[..1000].to_vec());
    let cut: fn(&RawRequest, &[u8]) -> RawReply =
        |request, object| RawReply::object_cut(request, object, 1000);
    for reply in [cut, stalled] {
        let object = object.clone();
        let server = RawServer::start(move |request| reply(request, &object));
        let mut options = options(server.endpoint());
        options.read_timeout = Duration::from_secs(1);
        let mut answer = connect(options).await.get("Data/x", None).await.unwrap();
        assert_eq!(answer.size, 1 << 20);
        let mut got = 0;
        let error = loop {
            match answer.body.next().await.expect("the body does not just end") {
                Ok(piece) => got += piece.len(),
                Err(error) => break error,
            }
        };
        assert_eq!(got, 1000);
        assert!(matches!(error, StorageError::Offline { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn broken_bodies_are_resumed_with_a_range() {
    let object: Vec<u8> = (0..1 << 20).map(|i: u32| (i % 251) as u8).collect();
    let served = object.clone();
    let server = RawServer::start(move |request| match request.index {
        0 => RawReply::object_cut(request, &served, 1000),
        1 => RawReply::s3_error(503, "SlowDown", ""),
        _ => RawReply::object(request, &served),
    });
    let store = Arc::new(connect(options(server.endpoint())).await);
    let store = RetryingStore::resuming(store, RetryPolicy::default());
    let got = store.get("x", None).await.unwrap().bytes("x", u64::MAX).await.unwrap();
    assert!(got == object);
    assert_eq!(server.requests(), 3);
}

#[tokio::test]
async fn odd_answers_to_ranges_are_noticed() {
    let ignores = RawServer::start(|_| RawReply::Answer(200, Vec::new(), b"0123456789".to_vec()));
    let store = connect(options(ignores.endpoint())).await;
    let error = store.get("x", Some(2..5)).await.unwrap_err();
    assert!(error.to_string().contains("ignored the requested range"), "{error}");

    let server = RawServer::start(|request| match request.method.as_str() {
        "HEAD" => RawReply::Answer(200, Vec::new(), b"0123456789".to_vec()),
        _ => RawReply::s3_error(416, "InvalidRange", "not satisfiable"),
    });
    let store = connect(options(server.endpoint())).await;
    let object = store.get("x", Some(20..25)).await.unwrap();
    assert_eq!(object.size, 10);
    assert_eq!(object.bytes("x", 10).await.unwrap().len(), 0);
}

#[tokio::test]
async fn large_files_go_in_parts_and_failures_clean_up() {
    const UPLOAD: &str =
        "<InitiateMultipartUploadResult><UploadId>id-1</UploadId></InitiateMultipartUploadResult>";
    let parts = Arc::new(AtomicU64::new(0));
    let aborts = Arc::new(AtomicU64::new(0));
    let (counted, aborted) = (Arc::clone(&parts), Arc::clone(&aborts));
    let server = RawServer::start(move |request| match request.method.as_str() {
        "POST" => RawReply::Answer(200, Vec::new(), UPLOAD.as_bytes().to_vec()),
        "DELETE" => {
            aborted.fetch_add(1, Ordering::SeqCst);
            RawReply::Answer(204, Vec::new(), Vec::new())
        }
        _ if request.target.contains("partNumber=2") => RawReply::s3_error(403, "AccessDenied", ""),
        _ => {
            counted.fetch_add(1, Ordering::SeqCst);
            RawReply::Answer(200, vec![("ETag", "\"e\"".to_owned())], Vec::new())
        }
    });
    let store = connect(options(server.endpoint())).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(20 << 20).unwrap();
    let error = store.put("x", Payload::File(file.path().to_owned())).await.unwrap_err();
    assert!(matches!(error, StorageError::AccessDenied { .. }), "{error:?}");
    assert_eq!(aborts.load(Ordering::SeqCst), 1);
    assert!(parts.load(Ordering::SeqCst) <= 2);
}

#[tokio::test]
async fn dropped_calls_close_their_connections() {
    let server = RawServer::start(|request| match request.target.contains("silent") {
        true => RawReply::Silence,
        false => RawReply::object(request, b"content"),
    });
    let store = connect(options(server.endpoint())).await;
    let silent = store.get("silent", None);
    assert!(tokio::time::timeout(Duration::from_millis(300), silent).await.is_err());
    assert_eq!(server.requests(), 1);
    let deadline = Instant::now() + Duration::from_secs(20);
    while server.connections() > 0 {
        assert!(Instant::now() < deadline, "the connection stays open");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(read(&store, "Data/x").await.unwrap(), "content");
}

#[tokio::test]
async fn wrong_options_are_named() {
    for (change, named) in [
        ((|options| options.bucket = String::new()) as fn(&mut S3Options), "bucket"),
        (|options| options.bucket = "a/b".to_owned(), "'a/b'"),
        (|options| options.endpoint = Some("s3.example.com".to_owned()), "s3.example.com"),
    ] {
        let mut options = options("http://127.0.0.1:1");
        change(&mut options);
        let error = S3Store::connect(options).await.unwrap_err();
        assert!(matches!(error, StorageError::Config { .. }), "{error:?}");
        assert!(error.to_string().contains(named), "{error}");
    }
}

/// Runs one test of this file in a process of its own, because the environment is the
/// process's; `configure` says what the environment is.
fn in_own_process(test: &str, configure: impl FnOnce(&mut Command)) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env("TEST_IN_OWN_PROCESS", test);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") {
            command.env_remove(name);
        }
    }
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    configure(&mut command);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let also = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}{also}");
}

fn is_own_process(test: &str) -> bool {
    std::env::var_os("TEST_IN_OWN_PROCESS").is_some_and(|name| name == test)
}

#[cfg(unix)]
#[tokio::test]
async fn credential_process_is_asked_again_before_its_keys_expire() {
    const TEST: &str = "credential_process_is_asked_again_before_its_keys_expire";
    if !is_own_process(TEST) {
        let folder = tempfile::tempdir().unwrap();
        let server = RawServer::start(|request| {
            let token = request.header("x-amz-security-token").unwrap_or_default();
            RawReply::object(request, token.as_bytes())
        });
        let path = |name: &str| folder.path().join(name).display().to_string();
        // The keys are good for a minute and a few seconds, and are renewed a minute before that
        // ends, or as little as half a minute: the SDK spreads renewals by chance.
        let script = format!(
            "#!/bin/sh\nn=$(($(cat {count} || echo 0) + 1))\necho $n > {count}\n\
             echo '{{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\",\
             \"SessionToken\":\"token-'$n'\",\"Expiration\":\"'$(date -u -d '+64 seconds' \
             +%Y-%m-%dT%H:%M:%SZ)'\"}}'\n",
            count = path("count"),
        );
        std::fs::write(path("process.sh"), script).unwrap();
        let profile = format!(
            "[profile queue]\nregion = eu-west-3\nendpoint_url = {}\n\
             credential_process = sh {}\n",
            server.endpoint(),
            path("process.sh"),
        );
        std::fs::write(path("config"), profile).unwrap();
        in_own_process(TEST, |command| {
            command.env("AWS_PROFILE", "queue").env("AWS_CONFIG_FILE", path("config"));
            command.env("AWS_SHARED_CREDENTIALS_FILE", path("none"));
        });
        return;
    }
    let store = connect(S3Options::new("bucket")).await;
    assert_eq!(read(&store, "x").await.unwrap(), "token-1");
    assert_eq!(read(&store, "x").await.unwrap(), "token-1", "keys are kept while they are good");
    let expiry = Instant::now() + Duration::from_secs(60);
    while read(&store, "x").await.unwrap() == "token-1" {
        assert!(Instant::now() < expiry, "the keys are not renewed before they expire");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_named_profile_goes_before_keys_in_the_environment() {
    const TEST: &str = "a_named_profile_goes_before_keys_in_the_environment";
    if !is_own_process(TEST) {
        let folder = tempfile::tempdir().unwrap();
        let server = RawServer::start(|request| {
            let authorization = request.header("authorization").unwrap_or_default();
            RawReply::object(request, format!("{} {authorization}", request.target).as_bytes())
        });
        let config = folder.path().join("config");
        let text = "[profile p]\nregion = eu-west-3\naws_access_key_id = FROMPROFILE\n\
                    aws_secret_access_key = x\n";
        std::fs::write(&config, text).unwrap();
        in_own_process(TEST, |command| {
            command.env("AWS_CONFIG_FILE", &config).env("AWS_ENDPOINT_URL_S3", server.endpoint());
            command.env("AWS_SHARED_CREDENTIALS_FILE", folder.path().join("none"));
            command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:1").env("AWS_REGION", "us-east-2");
            command.env("AWS_ACCESS_KEY_ID", "FROMENV").env("AWS_SECRET_ACCESS_KEY", "y");
        });
        return;
    }
    let mut options = S3Options::new("bucket");
    let sent = read(&connect(options.clone()).await, "x").await.unwrap();
    let sent = String::from_utf8_lossy(&sent).into_owned();
    assert!(sent.contains("FROMENV") && sent.contains("/us-east-2/"), "{sent}");
    assert!(sent.starts_with("/bucket/x"), "endpoints get the bucket in the path: {sent}");

    options.profile = Some("p".to_owned());
    let sent = read(&connect(options.clone()).await, "x").await.unwrap();
    let sent = String::from_utf8_lossy(&sent).into_owned();
    assert!(sent.contains("FROMPROFILE") && sent.contains("/eu-west-3/"), "{sent}");

    options.region = Some("af-south-1".to_owned());
    let sent = read(&connect(options).await, "x").await.unwrap();
    assert!(String::from_utf8_lossy(&sent).contains("/af-south-1/"));
}

#[tokio::test]
async fn missing_credentials_and_regions_are_named() {
    const TEST: &str = "missing_credentials_and_regions_are_named";
    if !is_own_process(TEST) {
        let folder = tempfile::tempdir().unwrap();
        in_own_process(TEST, |command| {
            command.env("AWS_CONFIG_FILE", folder.path().join("none"));
            command.env("AWS_SHARED_CREDENTIALS_FILE", folder.path().join("none"));
        });
        return;
    }
    let mut options = S3Options::new("bucket");
    let error = S3Store::connect(options.clone()).await.unwrap_err();
    assert!(error.to_string().contains("AWS_REGION"), "{error}");

    options.endpoint = Some(RawServer::refusing_endpoint());
    let error = read(&connect(options.clone()).await, "x").await.unwrap_err();
    assert!(matches!(error, StorageError::Config { .. }), "{error:?}");
    assert!(error.to_string().contains("no AWS credentials"), "{error}");

    options.profile = Some("nobody".to_owned());
    let error = S3Store::connect(options).await.unwrap_err();
    assert!(matches!(error, StorageError::Config { .. }), "{error:?}");
    assert!(error.to_string().contains("'nobody'"), "{error}");
}
