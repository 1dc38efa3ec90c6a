"""What bounds us in the same run: the local file system, and the store read without any mount."""

import json
import subprocess
import time

from data import BUCKET
from subjects import base_environment, mounted


def local_disk(bench):
    """The same reads of the same files on the local file system, page cache warm."""
    job = bench.job
    large = job.tree / job.large
    bench.read("parts", large)
    yield "large file, again", bench.bytes_rate("parts", large)
    yield "large file, remounted with its cache", bench.bytes_rate("parts", large)
    yield "4 KiB files, again, 1 thread", bench.reads_rate("files", job.tree, job.small)
    yield "random 4 KiB of the large file, again", bench.reads_rate("random", large)
    yield "stat of the 4 KiB files, again", bench.reads_rate("stat", job.tree, job.small)
    many = job.store / BUCKET / "many"
    bench.seconds("ls", "-lR", many)
    yield "find over the listing folder", bench.seconds("find", many)
    yield "ls -lR over the listing folder", bench.seconds("ls", "-lR", many)


def plain_get(bench, program, manifest):
    """Our own store client without a mount: GETs in parallel, hashed in order, nothing kept."""

    def get(*arguments):
        run = subprocess.run(
            [program, "--endpoint-url", bench.endpoint, f"s3://{BUCKET}/job", manifest, *arguments],
            env=base_environment(bench.tree.scratch),
            stdout=subprocess.PIPE,
            check=True,
        )
        return json.loads(run.stdout)

    def rate(unit, *arguments):
        read = get(*arguments)
        return read[unit] / read["seconds"]

    yield "large file, cold, 1 reader", rate("bytes", "--only", "large.bin") / 1e6
    yield "4 MiB files, cold, 8 threads", rate("bytes", "--only", "medium/") / 1e6
    yield "4 KiB files, cold, 16 threads", rate("reads", "--only", "small/")
    first = get("--only", "medium/", "--first")["seconds"] * 1e3
    yield "first 4 KiB of a cold 4 MiB file", first


def million(bench, subject, program, entries):
    """A manifest with a million entries from file to mount, against only parsing its JSON."""
    source = type(bench.tree)(bench.job.many_manifest, "", bench.tree.scratch)
    empty = type(bench.tree)(bench.job.sparse_manifest, "", bench.tree.scratch)
    with mounted(subject, empty, bench.endpoint) as mount:
        time.sleep(0.5)
        base = mount.memory("VmRSS")
    with mounted(subject, source, bench.endpoint) as mount:
        seconds = mount.seconds_to_mount
        time.sleep(0.5)
        final, peak = mount.memory("VmRSS"), mount.memory("VmHWM")
        listing = bench.seconds("find", mount.path)
    parse = subprocess.run([program, bench.job.many_manifest], stdout=subprocess.PIPE, check=True)
    parsed = json.loads(parse.stdout)
    return {
        "entries": entries,
        "file to mounted, s": seconds,
        "only parsing its JSON, s": parsed["seconds"],
        "memory after mounting, MiB": final,
        "peak memory, MiB": peak,
        "bytes an entry, names included": (final - base) * (1 << 20) / entries,
        "bytes an entry beyond its name": (final - base) * (1 << 20) / entries
        - parsed["name_bytes"] / entries,
        "find over all of it, s": listing,
    }
