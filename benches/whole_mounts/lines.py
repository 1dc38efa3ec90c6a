"""The lines of the table: what is done to a fresh mount, and what is measured of it.

Each scenario gets a fresh mount with an empty cache and yields (line, value). A line's value is a
rate (more is better) or a time or size (less is better), as `LINES` says.
"""

import dataclasses
import json
import pathlib
import subprocess
import time

from subjects import mounted

# Longest that one command may take; a peer that needs longer has no figure in that line.
COMMAND_SECONDS = 300

# Line -> (unit, whether more is better), in the table's order.
LINES = {
    "first 4 KiB of a cold 4 MiB file": ("ms", False),
    "large file, cold, 1 reader": ("MB/s", True),
    "large file, again": ("MB/s", True),
    "large file, remounted with its cache": ("MB/s", True),
    "large file, cold, 16 readers": ("MB/s", True),
    "4 MiB files, cold, 1 thread": ("MB/s", True),
    "4 MiB files, cold, 8 threads": ("MB/s", True),
    "4 KiB files, cold, 1 thread": ("files/s", True),
    "4 KiB files, again, 1 thread": ("files/s", True),
    "4 KiB files, cold, 16 threads": ("files/s", True),
    "random 4 KiB of the large file, cold": ("reads/s", True),
    "random 4 KiB of the large file, again": ("reads/s", True),
    "a twentieth of the job's files, cold": ("s", False),
    "find over the listing folder": ("s", False),
    "ls -lR over the listing folder": ("s", False),
    "stat of the 4 KiB files, again": ("files/s", True),
    "1 MiB in the middle of a 40 GiB file": ("ms", False),
    "peak memory, large file": ("MiB", False),
    "peak memory, 4 KiB files": ("MiB", False),
    "memory when idle": ("MiB", False),
}


@dataclasses.dataclass
class Source:
    """What to mount: a manifest for us, a prefix of the bucket for the peers."""

    manifest: pathlib.Path
    prefix: str
    scratch: pathlib.Path


class Bench:
    """One store, one job, one reader program."""

    def __init__(self, job, endpoint, reader, work):
        self.job = job
        self.endpoint = endpoint
        self.reader = reader
        scratch = work / "scratch"
        scratch.mkdir(exist_ok=True)
        self.tree = Source(job.manifest, "tree", scratch)
        self.listing = Source(work / "listing.manifest", "many", scratch)
        self.sparse = Source(job.sparse_manifest, "sparse", scratch)

    def read(self, *arguments):
        run = subprocess.run(
            [self.reader, *map(str, arguments)],
            stdout=subprocess.PIPE,
            timeout=COMMAND_SECONDS,
            check=True,
        )
        return json.loads(run.stdout)

    def bytes_rate(self, *arguments):
        read = self.read(*arguments)
        return read["bytes"] / read["seconds"] / 1e6

    def reads_rate(self, *arguments):
        read = self.read(*arguments)
        return read["reads"] / read["seconds"]

    def seconds(self, *command):
        started = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, timeout=COMMAND_SECONDS, check=True)
        return time.perf_counter() - started

    def scenarios(self):
        return [
            self.first_byte,
            self.large,
            self.large_in_parallel,
            lambda subject: self.medium(subject, 1),
            lambda subject: self.medium(subject, 8),
            self.small,
            self.small_in_parallel,
            self.random,
            self.twentieth,
            self.find,
            self.list_long,
            self.middle_of_sparse,
        ]

    def first_byte(self, subject):
        with mounted(subject, self.tree, self.endpoint) as mount:
            time.sleep(0.5)
            yield "memory when idle", mount.memory("VmRSS")
            file = mount.path / self.job.medium.read_text().split("\n")[-1]
            yield "first 4 KiB of a cold 4 MiB file", self.read("piece", file)["seconds"] * 1e3

    def large(self, subject):
        with mounted(subject, self.tree, self.endpoint) as mount:
            file = mount.path / self.job.large
            yield "large file, cold, 1 reader", self.bytes_rate("parts", file)
            yield "large file, again", self.bytes_rate("parts", file)
            yield "peak memory, large file", mount.memory("VmHWM")
            mount.remount()
            yield "large file, remounted with its cache", self.bytes_rate("parts", file)

    def large_in_parallel(self, subject):
        with mounted(subject, self.tree, self.endpoint) as mount:
            file = mount.path / self.job.large
            rate = self.bytes_rate("parts", file, "--threads", 16)
            yield "large file, cold, 16 readers", rate

    def medium(self, subject, threads):
        with mounted(subject, self.tree, self.endpoint) as mount:
            rate = self.bytes_rate("files", mount.path, self.job.medium, "--threads", threads)
            plural = "" if threads == 1 else "s"
            yield f"4 MiB files, cold, {threads} thread{plural}", rate

    def small(self, subject):
        with mounted(subject, self.tree, self.endpoint) as mount:
            small = mount.path, self.job.small
            yield "4 KiB files, cold, 1 thread", self.reads_rate("files", *small)
            yield "4 KiB files, again, 1 thread", self.reads_rate("files", *small)
            yield "stat of the 4 KiB files, again", self.reads_rate("stat", *small)
            yield "peak memory, 4 KiB files", mount.memory("VmHWM")

    def small_in_parallel(self, subject):
        with mounted(subject, self.tree, self.endpoint) as mount:
            rate = self.reads_rate("files", mount.path, self.job.small, "--threads", 16)
            yield "4 KiB files, cold, 16 threads", rate

    def random(self, subject):
        with mounted(subject, self.tree, self.endpoint) as mount:
            file = mount.path / self.job.large
            yield "random 4 KiB of the large file, cold", self.reads_rate("random", file)
            yield "random 4 KiB of the large file, again", self.reads_rate("random", file)

    def twentieth(self, subject):
        with mounted(subject, self.tree, self.endpoint) as mount:
            seconds = self.read("files", mount.path, self.job.twentieth)["seconds"]
            yield "a twentieth of the job's files, cold", seconds

    def find(self, subject):
        with mounted(subject, self.listing, self.endpoint) as mount:
            yield "find over the listing folder", self.seconds("find", mount.path)

    def list_long(self, subject):
        with mounted(subject, self.listing, self.endpoint) as mount:
            yield "ls -lR over the listing folder", self.seconds("ls", "-lR", mount.path)

    def middle_of_sparse(self, subject):
        with mounted(subject, self.sparse, self.endpoint) as mount:
            file = mount.path / self.job.sparse
            read = self.read("piece", file, "--offset", 20 << 30, "--bytes", 1 << 20)
            yield "1 MiB in the middle of a 40 GiB file", read["seconds"] * 1e3
