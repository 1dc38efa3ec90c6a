"""The job that is read: plain files for the peers, the same as manifest and CAS for us.

Kept between runs under the work folder, because making it costs more than reading it.
"""

import dataclasses
import json
import os
import pathlib
import random
import subprocess

BUCKET = "bench"
MIB = 1 << 20
SPARSE_BYTES = 40 << 30


@dataclasses.dataclass
class Job:
    """Where the job's parts are. Paths in lists are relative to `tree`."""

    store: pathlib.Path  # what the store server serves: store/BUCKET/...
    tree: pathlib.Path  # the job as plain files
    manifest: pathlib.Path
    sparse_manifest: pathlib.Path
    many_manifest: pathlib.Path
    medium: pathlib.Path  # list of the 4 MiB files
    small: pathlib.Path  # list of the 4 KiB files
    twentieth: pathlib.Path  # list of every 20th of both
    large: str = "large.bin"
    sparse: str = "sparse.bin"


def write_random(path, size, source):
    with open(path, "wb") as file:
        for start in range(0, size, 16 * MIB):
            file.write(source.randbytes(min(16 * MIB, size - start)))


def make_tree(tree, large_bytes, medium_count, small_count):
    """One large file, and medium and small ones in folders of 20 and 100."""
    source = random.Random(1)
    names = {"medium": [], "small": []}
    tree.mkdir(parents=True)
    write_random(tree / "large.bin", large_bytes, source)
    for kind, count, size, folder_files in (
        ("medium", medium_count, 4 * MIB, 20),
        ("small", small_count, 4096, 100),
    ):
        for number in range(count):
            name = f"{kind}/{number // folder_files:03}/{number:05}.bin"
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            write_random(tree / name, size, source)
            names[kind].append(name)
    return names


def write_manifest(path, entries):
    """`entries` yields (path, size, hash)."""
    total = 0
    with open(path, "w", encoding="ascii") as file:
        file.write('{"hashAlg":"xxh128","manifestVersion":"2023-03-03","paths":[')
        for index, (name, size, digest) in enumerate(entries):
            total += size
            comma = "," if index else ""
            file.write(
                f'{comma}{{"hash":"{digest}","mtime":1700000000000000,'
                f'"path":"{name}","size":{size}}}'
            )
        file.write(f'],"totalSize":{total}}}')


def numbered(count):
    """A farm's worth of frames: folders of 1,000 files, every hash another."""
    for number in range(count):
        name = f"shots/seq{number // 100000:03}/{number // 1000:04}/beauty.{number:07}.exr"
        yield name, 4096, f"{number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % (1 << 128):032x}"


def make(work, program, scale, entries):
    """The job at `scale` (1 is 2 GiB + 200 x 4 MiB + 20,000 x 4 KiB), made where it is missing."""
    store = work / "store"
    bucket = store / BUCKET
    job = Job(
        store=store,
        tree=bucket / "tree",
        manifest=work / "job.manifest",
        sparse_manifest=work / "sparse.manifest",
        many_manifest=work / "many.manifest",
        medium=work / "medium.txt",
        small=work / "small.txt",
        twentieth=work / "twentieth.txt",
    )
    stamp = work / "made.json"
    wanted = {"scale": scale, "entries": entries, "layout": 1}
    if stamp.exists() and json.loads(stamp.read_text()) == wanted:
        return job
    if work.exists() and any(work.iterdir()):
        raise SystemExit(f"{work} holds another job; remove it or name another --work")
    large = max(64 * MIB, int(2048 * scale) * MIB)
    names = make_tree(job.tree, large, max(20, int(200 * scale)), max(1000, int(20000 * scale)))
    job.medium.write_text("\n".join(names["medium"]))
    job.small.write_text("\n".join(names["small"]))
    job.twentieth.write_text("\n".join(names["medium"][::20] + names["small"][::20]))
    subprocess.run(
        [program, "snapshot", job.tree, "--store", bucket / "job", "-o", job.manifest, "--quiet"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    # The peers find the sparse object in the tree, we by its (made up) hash; nobody reads all of it.
    digest = "0" * 31 + "1"
    for path in (bucket / "sparse" / job.sparse, bucket / "job" / "Data" / f"{digest}.xxh128"):
        path.parent.mkdir(exist_ok=True)
        with open(path, "wb") as file:
            file.truncate(SPARSE_BYTES)
    write_manifest(job.sparse_manifest, [(job.sparse, SPARSE_BYTES, digest)])
    write_manifest(job.many_manifest, numbered(entries))
    many = bucket / "many"
    for number in range(int(100_000 * scale)):
        path = many / f"{number // 1000:03}" / f"{number:06}.exr"
        if number % 1000 == 0:
            path.parent.mkdir(parents=True)
        path.write_bytes(b"x")
    digest = "0" * 31 + "2"
    (bucket / "job" / "Data" / f"{digest}.xxh128").write_bytes(b"x")
    listing = (
        (f"{number // 1000:03}/{number:06}.exr", 1, digest) for number in range(int(100_000 * scale))
    )
    write_manifest(work / "listing.manifest", listing)
    stamp.write_text(json.dumps(wanted))
    os.sync()
    return job
