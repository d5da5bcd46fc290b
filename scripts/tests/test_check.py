# SPDX-License-Identifier: Apache-2.0
"""scripts/check finds what it is for: violations planted in a small repository of its own."""

import hashlib
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LICENCE = "// SPDX-License-Identifier: Apache-2.0\n"

MANIFEST = """// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "house",
    targets: [
        .target(name: "StraitTensor"),
        .target(name: "StraitCore"),
        .target(name: "StraitWire"),
        .target(name: "StraitProtocol", dependencies: ["StraitTensor"]),
        .testTarget(name: "StraitProtocolTests", dependencies: ["StraitProtocol"]),
    ]
)
"""

CLEAN = {
    "Package.swift": MANIFEST,
    "Sources/StraitTensor/Tensor.swift": LICENCE + "\npackage let rank = 2\n",
    "Sources/StraitCore/Core.swift": LICENCE + "\ninternal import Synchronization\n",
    "Sources/StraitWire/Wire.swift": LICENCE + "\npackage let wire = 1\n",
    "Sources/StraitProtocol/Protocol.swift": LICENCE + "\ninternal import StraitTensor\n",
    "Tests/StraitProtocolTests/Tests.swift": LICENCE + "\n@testable import StraitProtocol\n",
    "proto/model.proto": LICENCE + 'syntax = "proto3";\n',
}
CLEAN["Sources/StraitWire/GENERATED.sha256"] = (
    hashlib.sha256(CLEAN["proto/model.proto"].encode()).hexdigest() + "  proto/model.proto\n")


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def repository(tmp_path):
    shutil.copy(ROOT / ".swift-format", tmp_path)
    write(tmp_path, CLEAN)
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    return tmp_path


def check(root):
    answer = subprocess.run([sys.executable, ROOT / "scripts/check", root], capture_output=True, text=True, check=False)
    return answer.returncode, answer.stdout + answer.stderr


def test_a_clean_repository_passes(repository):
    code, output = check(repository)
    assert (code, "no violation" in output) == (0, True), output


# What is planted, and the beginning of the line that must name it, with a word of what to do.
PLANTED = {
    "no licence line": (
        {"Sources/StraitCore/Bare.swift": "package let bare = 1\n"},
        "Sources/StraitCore/Bare.swift:1: no licence line", "SPDX"),
    "licence line not first": (
        {"proto/model.proto": "// a schema\n" + LICENCE},
        "proto/model.proto:1: no licence line", "SPDX"),
    "import without access level": (
        {"Sources/StraitCore/Core.swift": LICENCE + "\nimport Synchronization\n"},
        "Sources/StraitCore/Core.swift:3: `import Synchronization` has no access level", "internal import"),
    "plain import in a test": (
        {"Tests/StraitProtocolTests/Tests.swift": LICENCE + "\nimport StraitProtocol\n"},
        "Tests/StraitProtocolTests/Tests.swift:3: `import StraitProtocol` has no access level", "internal import"),
    "@testable does not excuse sources": (
        {"Sources/StraitProtocol/Protocol.swift": LICENCE + "\n@testable import StraitTensor\n"},
        "Sources/StraitProtocol/Protocol.swift:3: `import StraitTensor` has no access level", "internal import"),
    "Foundation": (
        {"Sources/StraitCore/Core.swift": LICENCE + "\ninternal import Foundation\n"},
        "Sources/StraitCore/Core.swift:3: Foundation adds", "FoundationEssentials"),
    "Foundation in part": (
        {"Sources/StraitCore/Core.swift": LICENCE + "\ninternal import struct Foundation.Date\n"},
        "Sources/StraitCore/Core.swift:3: Foundation adds", "FoundationEssentials"),
    "upward import": (
        {"Sources/StraitTensor/Tensor.swift": LICENCE + "\ninternal import StraitProtocol\n"},
        "Sources/StraitTensor/Tensor.swift:3: StraitTensor may not import StraitProtocol", "downward"),
    "sideways import": (
        {"Sources/StraitProtocol/Protocol.swift": LICENCE + "\npackage import StraitCore\n"},
        "Sources/StraitProtocol/Protocol.swift:3: StraitProtocol may not import StraitCore", "downward"),
    "import that the manifest does not know of": (
        {"Sources/StraitProtocol/Protocol.swift": LICENCE + "\ninternal import StraitWire\n"},
        "Sources/StraitProtocol/Protocol.swift:3: StraitProtocol imports StraitWire but", "Package.swift"),
    "test import that the manifest does not know of": (
        {"Tests/StraitProtocolTests/Tests.swift": LICENCE + "\n@testable import StraitTensor\n"},
        "Tests/StraitProtocolTests/Tests.swift:3: StraitProtocolTests imports StraitTensor but", "Package.swift"),
    "dependency that goes up": (
        {"Package.swift": MANIFEST.replace('"StraitTensor")', '"StraitTensor", dependencies: ["StraitCore"])')},
        "Package.swift:7: StraitTensor may not depend on StraitCore", "MAY_IMPORT"),
    "target without a place": (
        {"Package.swift": MANIFEST.replace('.target(name: "StraitCore"),',
                                           '.target(name: "StraitCore"), .target(name: "Attic"),')},
        "Package.swift:8: target Attic has no place", "MAY_IMPORT"),
    "schema changed, code not": (
        {"proto/model.proto": CLEAN["proto/model.proto"] + "// one more line\n"},
        "proto/model.proto:1: is not what the Swift code was generated from", "generate-proto"),
    "a folder of one machine": (
        {"notes.md": "one\nsee /" + "home/someone/strait\n"},
        "notes.md:2: names a folder of one machine", "relative"),
    "bad format": (
        {"Sources/StraitCore/Core.swift": LICENCE + "\nfunc   f( ) {\n  return\n}\n"},
        "Sources/StraitCore/Core.swift:3: [", "make format"),
}


@pytest.mark.parametrize("case", PLANTED)
def test_finds(case, repository):
    files, expected, advice = PLANTED[case]
    write(repository, files)
    code, output = check(repository)
    named = [line for line in output.splitlines() if line.startswith(expected)]
    assert code == 1, output
    assert named and advice in named[0], output


def test_finds_a_committed_product(repository):
    write(repository, {"Package.resolved": "{}\n"})
    subprocess.run(["git", "-C", repository, "add", "-f", "Package.resolved"], check=True)
    code, output = check(repository)
    assert code == 1
    assert "Package.resolved:1: is a product" in output


def test_ignored_files_and_generated_code_are_left_alone(repository):
    write(repository, {
        ".gitignore": ".build/\n",
        ".build/x.swift": "import Foundation\n",
        "Sources/StraitWire/model.pb.swift": "// DO NOT EDIT.\n" + LICENCE + "func   f( ) {}\n",
    })
    assert check(repository) == (0, "check: 11 files, no violation\n")


def test_all_violations_are_listed_at_once(repository):
    write(repository, PLANTED["no licence line"][0] | PLANTED["Foundation"][0])
    _, output = check(repository)
    assert "Bare.swift:1" in output and "Core.swift:3" in output and "check: 2 violations" in output
