"""What is mounted: ourselves and every peer that is installed, each as a foreground process."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

from data import BUCKET

MOUNT_SECONDS = 120
UNMOUNT_SECONDS = 30


def base_environment(home):
    """Dummy credentials, and nothing of the caller's AWS or TLS settings."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return kept | {
        "HOME": str(home),
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


class Ours:
    def __init__(self, name, program, *options):
        self.name = name
        self.program = program
        self.options = options

    def version(self):
        return first_line([self.program, "--version"])

    def command(self, source, endpoint, mount_point, cache):
        store = ["--store", f"s3://{BUCKET}/job", "--endpoint-url", endpoint, "--cache-dir", cache]
        return [self.program, "mount", source.manifest, mount_point, "--foreground", *store, *self.options]


class Mountpoint:
    def __init__(self, name, cached):
        self.name = name
        self.cached = cached

    def version(self):
        return first_line(["mount-s3", "--version"])

    def command(self, source, endpoint, mount_point, cache):
        options = ["--endpoint-url", endpoint, "--force-path-style", "--read-only", "-f"]
        if self.cached:
            options += ["--cache", cache]
        return ["mount-s3", BUCKET, mount_point, "--prefix", f"{source.prefix}/", *options]


class Rclone:
    def __init__(self, name, *options):
        self.name = name
        self.options = options

    def version(self):
        return first_line(["rclone", "version"])

    def command(self, source, endpoint, mount_point, cache):
        remote = f':s3,provider=Other,endpoint="{endpoint}",env_auth=true,force_path_style=true'
        remote = f"{remote},region=us-east-1:{BUCKET}/{source.prefix}"
        options = ["--read-only", "--config", os.devnull, "--cache-dir", cache, *self.options]
        return ["rclone", "mount", remote, mount_point, *options]


class S3fs:
    def __init__(self, name, cached):
        self.name = name
        self.cached = cached

    def version(self):
        return first_line(["s3fs", "--version"])

    def command(self, source, endpoint, mount_point, cache):
        options = f"url={endpoint},use_path_request_style,ro,parallel_count=8"
        if self.cached:
            options += f",use_cache={cache}"
        return ["s3fs", f"{BUCKET}:/{source.prefix}", mount_point, "-f", "-o", options]


def first_line(command):
    return subprocess.run(command, capture_output=True, text=True).stdout.split("\n")[0].strip()


def installed(program, wanted):
    """Ourselves first, then the peers that this machine has."""
    known = [
        (program, Ours("ours", program)),
        ("mount-s3", Mountpoint("mount-s3", cached=False)),
        ("mount-s3", Mountpoint("mount-s3 + cache", cached=True)),
        ("rclone", Rclone("rclone")),
        ("rclone", Rclone("rclone, full cache", "--vfs-cache-mode", "full")),
        ("s3fs", S3fs("s3fs", cached=False)),
        ("s3fs", S3fs("s3fs + cache", cached=True)),
    ]
    found = [subject for needs, subject in known if shutil.which(str(needs))]
    return [subject for subject in found if not wanted or subject.name in wanted]


class Mount:
    """A mounted subject. `remount` keeps its cache, so what follows is what a second job meets."""

    def __init__(self, subject, source, endpoint, scratch):
        self.subject = subject
        self.source = source
        self.endpoint = endpoint
        self.scratch = scratch
        self.path = scratch / "mount"
        self.path.mkdir()
        (scratch / "cache").mkdir(mode=0o700)
        self.process = None
        self.seconds_to_mount = None
        self.start()

    def start(self):
        command = self.subject.command(self.source, self.endpoint, self.path, self.scratch / "cache")
        log = open(self.scratch / "log", "ab")
        started = time.perf_counter()
        self.process = subprocess.Popen(
            [str(word) for word in command],
            env=base_environment(self.scratch),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        log.close()
        while not os.path.ismount(self.path):
            if self.process.poll() is not None or time.perf_counter() - started > MOUNT_SECONDS:
                self.stop()
                text = (self.scratch / "log").read_text(errors="replace")
                raise RuntimeError(f"{self.subject.name} did not mount: {text[-2000:]}")
            time.sleep(0.001)
        os.listdir(self.path)
        self.seconds_to_mount = time.perf_counter() - started

    def stop(self):
        if os.path.ismount(self.path):
            subprocess.run(["fusermount3", "-u", "-z", self.path], check=False)
        try:
            self.process.wait(UNMOUNT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def remount(self):
        self.stop()
        self.start()

    def memory(self, field):
        """VmRSS or VmHWM in MiB."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) / 1024
        return None


@contextlib.contextmanager
def mounted(subject, source, endpoint):
    """A fresh mount with an empty cache: no page of it is in the kernel, no byte on disk."""
    # Bytes that the run before still has to write would slow this one.
    os.sync()
    with tempfile.TemporaryDirectory(prefix="mount-bench-", dir=source.scratch) as scratch:
        mount = Mount(subject, source, endpoint, pathlib.Path(scratch))
        try:
            yield mount
        finally:
            mount.stop()
