# SPDX-License-Identifier: Apache-2.0
"""The examples, run as a reader runs them: real input, known answers."""

import re
import shlex
import subprocess
import sys

from server import ROOT

LIMIT = 120  # seconds for one example

C_PROGRAM = """#include <stdio.h>
#include <stdlib.h>

/* Prints the sum of its arguments. */
int main(int argc, char **argv) {
    long total = 0;
    for (int i = 1; i < argc; i++) {
        total += strtol(argv[i], NULL, 10);
    }
    printf("%ld\\n", total);
    return EXIT_SUCCESS;
}
"""


def run(*command):
    done = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_magika_tells_a_swift_file_from_a_c_file(server, tmp_path):
    program = tmp_path / "sum"
    program.write_text(C_PROGRAM)
    source = sorted(path for path in (ROOT / "Sources/StraitTensor").glob("*.swift"))[0]
    output = run(sys.executable, "examples/magika.py", source, program, "--url", server.url)
    kinds = dict(re.findall(r"^(.*): (\w+) \(", output, re.MULTILINE))
    assert kinds == {str(source): "swift", str(program): "c"}


def test_the_recogniser_reads_a_drawn_line(server):
    assert run(sys.executable, "examples/read_text.py", "--url", server.url) == "Deadline 42 ms\n"


def test_it_reads_what_was_drawn_and_no_fixed_text(server):
    output = run(sys.executable, "examples/read_text.py", "--text", "Strait 2026", "--url", server.url)
    assert output == "Strait 2026\n"


def test_the_readme_runs_as_it_is_written(server):
    commands = re.findall(r"^\.strait/venv/bin/python (examples/.*?)(?: +#.*)?$", (ROOT / "README.md").read_text(),
                          re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        run(sys.executable, *shlex.split(command), "--url", server.url)


def test_curl_alone_gets_a_vector_and_a_refusal(server):
    output = run("sh", "examples/curl.sh", server.url)
    assert output.splitlines()[1] == "200"
    assert re.search(r"^server-timing:.*compute", output, re.MULTILINE | re.IGNORECASE)
    assert re.search(r'"id": ?"sentence-1"', output)
    assert output.rstrip().endswith("504"), output
