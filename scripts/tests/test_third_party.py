# SPDX-License-Identifier: Apache-2.0
"""scripts/third-party names what the program is linked of, and nothing else that a build may have resolved."""

import importlib.machinery
import importlib.util
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOADER = importlib.machinery.SourceFileLoader("third_party", str(ROOT / "scripts/third-party"))
SPEC = importlib.util.spec_from_loader(LOADER.name, LOADER)
third_party = importlib.util.module_from_spec(SPEC)
LOADER.exec_module(third_party)


def package(targets, products=(), dependencies=()):
    """A manifest in the words of `swift package dump-package`."""
    return {
        "dependencies": [{"sourceControl": [{"identity": identity}]} for identity in dependencies],
        "products": [{"name": name, "targets": names} for name, names in products],
        "targets": [{"name": name, "type": kind, "dependencies": needs} for name, kind, needs in targets],
    }


def product(name, identity, platforms=None):
    return {"product": [name, identity, None, {"platformNames": platforms} if platforms else None]}


def by_name(name):
    return {"byName": [name, None]}


HOUSE = {
    "": package(
        [("strait", "executable", [by_name("Lib"), product("Net", "net")]),
         ("Lib", "regular", [product("Log", "log"), product("Mac", "mac", ["macos"])]),
         ("LibTests", "test", [product("Testing", "testing")]),
         ("Benchmark", "executable", [product("Call", "call")])],
        dependencies=["net", "log", "mac", "testing", "call"]),
    # Its second product is not used, so neither is what that needs; `Deep` is a product of another package, by name alone.
    "net": package(
        [("NetCore", "regular", [by_name("Deep"), {"target": ["NetC", None]}]), ("NetC", "regular", []),
         ("NetFiles", "regular", [product("Files", "files")]),
         ("NetPlugin", "plugin", [product("Docs", "docs")])],
        products=[("Net", ["NetCore"]), ("NetFiles", ["NetFiles"])], dependencies=["deep", "files", "docs"]),
    "deep": package([("DeepTarget", "regular", [])], products=[("Deep", ["DeepTarget"])]),
    "log": package([("LogTarget", "regular", [by_name("Macro")]), ("Macro", "macro", [product("Syntax", "syntax")])],
                   products=[("Log", ["LogTarget"])], dependencies=["syntax"]),
    # Read while a name is sought, though nothing of it is linked.
    "files": package([], products=[]),
    "docs": package([], products=[]),
}


def test_follows_the_program_alone():
    assert third_party.linked("strait", HOUSE.__getitem__) == {"net", "log", "deep"}


def test_another_program_is_linked_of_something_else():
    others = {**HOUSE, "call": package([("CallTarget", "regular", [product("Net", "net")])], [("Call", ["CallTarget"])])}
    assert third_party.linked("Benchmark", others.__getitem__) == {"call", "net", "deep"}


def test_notices_name_what_this_build_is_linked_of():
    """Against the build of `make test-server`: whatever it was resolved for, the committed file has no more and no less."""
    rows = [f"| {name} |" for name, *_ in third_party.packages()]
    text = (ROOT / "THIRD-PARTY-NOTICES.md").read_text()
    section = text[text.index("## In the binary"):text.index("Parts of these")]
    named = [line[:line.index("|", 2) + 1] for line in section.splitlines() if line.startswith("| ") and "https" in line]
    assert named == rows
