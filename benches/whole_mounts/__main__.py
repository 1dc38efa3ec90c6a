"""Compares whole mounts: ours against every installed peer, on one job behind one store server.

    cargo build --release -p rusty-attachments -p rusty-attachments-benches
    python3 benches/whole_mounts --work /var/tmp/mount-bench --output table.md

See benches/README.md.
"""

import argparse
import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import time

import data
import limits
import report
from lines import Bench
from subjects import installed

# A line that took this long in all is not repeated.
LINE_SECONDS = 90


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder for the job and mounts")
    parser.add_argument("--programs", type=pathlib.Path, help="folder of the built programs")
    parser.add_argument("--scale", type=float, default=1, help="size of the job; 1 is about 3 GiB")
    parser.add_argument("--entries", type=int, default=1_000_000, help="entries of the big manifest")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--latency-ms", type=int, default=0, help="of the store server")
    parser.add_argument("--megabytes-per-second", type=int, default=0, help="per connection; 0: no limit")
    parser.add_argument("--only", action="append", default=[], help="names of subjects; repeatable")
    parser.add_argument("--output", type=pathlib.Path, help="append the table to this file")
    return parser.parse_args()


@contextlib.contextmanager
def store_server(program, job, options):
    pace = ["--latency-ms", str(options.latency_ms)]
    pace += ["--megabytes-per-second", str(options.megabytes_per_second)]
    server = subprocess.Popen([program, job.store, *pace], stdout=subprocess.PIPE, text=True)
    try:
        yield server.stdout.readline().strip()
    finally:
        server.kill()
        server.wait()


def run(bench, subject, repeat):
    """line -> values. A line that fails or takes too long is told and left out."""
    values = {}
    for scenario in bench.scenarios():
        started = time.monotonic()
        for _ in range(repeat):
            try:
                for line, value in scenario(subject):
                    values.setdefault(line, []).append(value)
                    print(f"{subject.name}: {line}: {report.number(value)}", file=sys.stderr)
            except (subprocess.SubprocessError, OSError, RuntimeError) as error:
                print(f"{subject.name}: {error}", file=sys.stderr)
                break
            if time.monotonic() - started > LINE_SECONDS:
                break
    return values


def main():
    options = arguments()
    root = pathlib.Path(__file__).resolve().parent.parent.parent
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", root / "target"))
    programs = (options.programs or target / "release").resolve()
    program = programs / "rusty-attachments"
    subjects = installed(program, options.only)
    if not subjects:
        sys.exit(f"no such subject, or {program} is not built")
    options.work.mkdir(parents=True, exist_ok=True)
    options.work = options.work.resolve()
    job = data.make(options.work, program, options.scale, options.entries)
    with store_server(programs / "null-store", job, options) as endpoint:
        bench = Bench(job, endpoint, programs / "reader", options.work)
        results = {subject.name: run(bench, subject, options.repeat) for subject in subjects}
        found = dict(limits.plain_get(bench, programs / "plain-get", job.manifest))
        found |= dict(limits.local_disk(bench))
        big = None
        if subjects[0].name == "ours" and options.latency_ms == 0:
            parse = programs / "parse-only"
            big = limits.million(bench, subjects[0], parse, options.entries)
    pace = f"{options.latency_ms} ms latency" if options.latency_ms else "no latency"
    if options.megabytes_per_second:
        pace += f", {options.megabytes_per_second} MB/s a connection"
    text = f"## Store with {pace}\n\n{report.facts(subjects, options)}\n\n"
    text += report.table(results, found) + "\n"
    if big:
        rows = "\n".join(f"| {line} | {report.number(value)} |" for line, value in big.items())
        text += f"\n## A large manifest\n\n| line | ours |\n| --- | ---: |\n{rows}\n"
    print(text)
    if options.output:
        with open(options.output, "a", encoding="utf-8") as file:
            file.write(text + "\n")
    shutil.rmtree(options.work / "scratch", ignore_errors=True)


if __name__ == "__main__":
    main()
