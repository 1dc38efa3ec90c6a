"""Lets the official `deadline` packages upload to, and download from, the S3 that the environment names.

    official.py upload   ROOT BUCKET PREFIX MANIFEST    every file below ROOT; writes the manifest here
    official.py download MANIFEST BUCKET PREFIX FOLDER  what MANIFEST lists, into FOLDER
    official.py outputs  BUCKET PREFIX FARM QUEUE JOB ROOT FOLDER
                                                        the outputs of JOB, of the asset root ROOT, into FOLDER

The environment holds the endpoint, the profile and a HOME of its own.
"""

import os
import sys
import tempfile

import boto3
from deadline.job_attachments.asset_manifests.decode import decode_manifest
from deadline.job_attachments.download import OutputDownloader, download_files_from_manifests
from deadline.job_attachments.models import JobAttachmentS3Settings
from deadline.job_attachments.upload import S3AssetManager


def files_below(root):
    return [os.path.join(folder, name) for folder, _, names in os.walk(root) for name in names]


def upload(root, bucket, prefix, manifest_path):
    session = boto3.Session()
    s3 = session.client("s3")
    s3.create_bucket(
        Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": session.region_name}
    )
    manager = S3AssetManager(
        farm_id="farm-" + "1" * 32,
        queue_id="queue-" + "2" * 32,
        job_attachment_settings=JobAttachmentS3Settings(bucket, prefix),
        session=session,
    )
    group = manager.prepare_paths_for_upload(files_below(root), [], [])
    with tempfile.TemporaryDirectory() as caches:
        _, manifests = manager.hash_assets_and_create_manifest(
            group.asset_groups, group.total_input_files, group.total_input_bytes, caches
        )
        _, attachments = manager.upload_assets(manifests, s3_check_cache_dir=caches)
    (only,) = attachments.manifests
    if only.rootPath != root:
        sys.exit(f"the official package took {only.rootPath} for the root, not {root}")
    key = f"{prefix}/Manifests/{only.inputManifestPath}"
    with open(manifest_path, "wb") as file:
        file.write(s3.get_object(Bucket=bucket, Key=key)["Body"].read())


def download(manifest_path, bucket, prefix, folder):
    with open(manifest_path, encoding="utf-8") as file:
        manifest = decode_manifest(file.read())
    download_files_from_manifests(
        bucket, {folder: manifest}, f"{prefix}/Data", session=boto3.Session()
    )


def outputs(bucket, prefix, farm, queue, job, root, folder):
    downloader = OutputDownloader(
        JobAttachmentS3Settings(bucket, prefix), farm, queue, job, session=boto3.Session()
    )
    roots = list(downloader.get_paths_by_root())
    if roots != [root]:
        sys.exit(f"the official package found outputs of {roots}, not of {root}")
    downloader.set_root_path(root, folder)
    downloader.download()


if __name__ == "__main__":
    {"upload": upload, "download": download, "outputs": outputs}[sys.argv[1]](*sys.argv[2:])
