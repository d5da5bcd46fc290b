#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts instructions of the scheduler's step and of the codecs, and compares them with those on record.

    Benchmarks/instructions.py            counts, compares with instructions.json, exits 1 where a case differs (`make count`)
    Benchmarks/instructions.py --record   counts, and writes instructions.json (`make count-record`)

Instructions do not depend on what else the machine does, as times do. Each case runs twice under callgrind, with two
numbers of repetitions; the difference, by operation, is what counts, so that start and preparation fall out. Words after
the options name the cases wanted, by how they begin. Skipped, with a message, where there is no valgrind, and where the
toolchain or the processor's kind is another than on record: then the numbers mean something else.
"""

import concurrent.futures
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
RECORD = ROOT / "Benchmarks/instructions.json"
SCRATCH = ".build-count"
# Two counts of one build differ by less than a thousandth of it.
TOLERANCE = 0.01
ENVIRONMENT = {
    "PATH": os.environ.get("PATH", ""),
    # The order of dictionaries and sets would be another in each run.
    "SWIFT_DETERMINISTIC_HASHING": "1",
    # The C library chooses how to copy and compare by processor; here it always takes what every processor has.
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX,-AVX512F,-AVX512VL,-AVX512BW,-ERMS,-FSRM,-BMI2"
                      ":glibc.cpu.x86_non_temporal_threshold=0xc0000",
}


def toolchain():
    """What the numbers depend on besides the source."""
    answer = subprocess.run(["swift", "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"Swift version (\S+)", answer.stdout + answer.stderr)
    return {"machine": platform.machine(), "swift": found[1] if found else "unknown"}


def build():
    environment = dict(os.environ, STRAIT_PURE="1", STRAIT_BENCHMARKS="1")
    command = ["swift", "build", "-c", "release", "--product", "InstructionCounts", "--scratch-path", SCRATCH]
    if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode != 0:
        sys.exit("count: the benchmark does not build")
    return ROOT / SCRATCH / "release/InstructionCounts"


def collect(binary, name, repetitions):
    """(operations, instructions) of one run."""
    answer = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", binary, name, str(repetitions)],
        env=ENVIRONMENT, capture_output=True, text=True, check=False)
    found = re.search(r"Collected : (\d+)", answer.stderr)
    if answer.returncode != 0 or not found:
        sys.exit(f"count: {name} did not run:\n{answer.stderr[-2000:]}")
    return int(answer.stdout), int(found[1])


def count(binary, case):
    name, few, many = case
    (operations, instructions), (more_operations, more_instructions) = (
        collect(binary, name, repetitions) for repetitions in (few, many))
    return name, (more_instructions - instructions) / (more_operations - operations)


def main():
    arguments = [word for word in sys.argv[1:] if word != "--record"]
    recording = "--record" in sys.argv
    if not shutil.which("valgrind"):
        print("count: skipped, valgrind is not installed (apt-get install valgrind)")
        return
    here = toolchain()
    record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    if not recording and {key: record.get(key) for key in here} != here:
        print(f"count: skipped, the counts on record are of {record.get('swift')} on {record.get('machine')}, and this is "
              f"{here['swift']} on {here['machine']}; `make count-record` writes those of here")
        return
    binary = build()
    listed = subprocess.run([binary, "list"], capture_output=True, text=True, check=True).stdout
    cases = [line.split() for line in listed.splitlines()]
    if arguments:
        cases = [case for case in cases if case[0].startswith(tuple(arguments))]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        counts = dict(pool.map(lambda case: count(binary, case), cases))

    before = record.get("instructions", {})
    different = []
    print(f"{'instructions by operation':<40}{'on record':>12}{'now':>12}{'change':>10}")
    for name, now in counts.items():
        then = before.get(name)
        change = f"{now / then - 1:+.2%}" if then else "new"
        if not then or abs(now / then - 1) > TOLERANCE:
            different.append(name)
        print(f"{name:<40}{then or '–':>12}{now:>12.0f}{change:>10}")
    if recording:
        kept = {**before, **counts} if arguments else counts
        text = {**here, "instructions": {name: round(value) for name, value in kept.items()}}
        RECORD.write_text(json.dumps(text, indent=2) + "\n")
        print(f"count: {len(counts)} cases recorded in {RECORD.relative_to(ROOT)}")
        return
    gone = [] if arguments else sorted(set(before) - set(counts))
    if different or gone:
        sys.exit(f"count: {len(different)} of {len(counts)} cases differ by more than {TOLERANCE:.0%}"
                 + (f", and {', '.join(gone)} is no longer there" if gone else "")
                 + ". Find out why; if it is worth it, or better, `make count-record` and say so in the commit")
    print(f"count: {len(counts)} cases passed, all within {TOLERANCE:.0%}")


if __name__ == "__main__":
    main()
