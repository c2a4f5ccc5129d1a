"""Facts about the tree itself: what the house rules promise, checked instead of remembered.

Owns layers, exports, sizes, names, the mirror of the tests, the locks and the links between documents.
Reads files only; nothing of `gateway` or `resolvers` is imported here.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__: list[str] = []

ROOT = Path(__file__).resolve().parent.parent
MADE = {".git", *(line.rstrip("/") for line in (ROOT / ".gitignore").read_text().splitlines() if line.endswith("/"))}
"""Directories that tools make and git ignores."""
LONGEST_FILE = 400
VAGUE_NAMES = {"utils", "helpers", "common", "manager", "service", "core", "base", "misc"}


def files(*tops: str, suffix: str) -> Iterator[Path]:
    """Every file of ours with this suffix below the given directories, as paths relative to the top of the checkout."""
    for top in tops:
        for folder, folders, names in os.walk(ROOT / top):
            folders[:] = sorted(set(folders) - MADE)
            yield from (Path(folder, name).relative_to(ROOT) for name in sorted(names) if name.endswith(suffix))


MODULES = [*files("gateway", "resolvers", suffix=".py")]
TESTS = [*files("tests", suffix=".py")]
LOCKS = [*files(".", suffix=".lock")]
NODE_LOCKS = [*files(".", suffix="package-lock.json")]
DOCUMENTS = [*files(".", suffix=".md")]


def pyproject() -> dict[str, Any]:
    """pyproject.toml, parsed."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def pins(lock: Path) -> dict[str, str]:
    """Canonical name → version of everything a lock installs."""
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==([^\s;]+)", (ROOT / lock).read_text(), re.MULTILINE))


def exports(tree: ast.Module) -> bool:
    """Whether the module assigns `__all__` at its top level."""
    targets = [
        target
        for node in tree.body
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else [])
    ]
    return any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets)


def test_layers_point_one_way() -> None:
    """Every import contract of pyproject.toml is kept."""
    command = [Path(sys.executable).with_name("lint-imports"), "--no-logo"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_each_package_has_a_layer() -> None:
    """Every module directly below gateway stands in the layers contract, so none escapes it."""
    contract = next(contract for contract in pyproject()["tool"]["importlinter"]["contracts"] if contract["id"] == "layers")
    layered = {name.strip(" ()") for layer in contract["layers"] for name in layer.split("|")}
    found = {".".join(path.with_suffix("").parts[:2]) for path in MODULES if path.parts[0] == "gateway"}

    assert found - {"gateway.__init__", "gateway.__main__"} <= layered


def test_the_model_is_standard_library_only() -> None:
    """No module of gateway.model imports anything beyond the standard library, the model itself and the errors below it."""
    foreign = set()
    for path in files("gateway/model", suffix=".py"):
        for node in ast.walk(ast.parse((ROOT / path).read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            foreign |= {
                f"{path}: {name}"
                for name in names
                if name.split(".")[0] not in sys.stdlib_module_names and not f"{name}.".startswith(("gateway.model.", "gateway.errors."))
            }

    assert foreign == set()


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_each_module_introduces_itself(path: Path) -> None:
    """A module opens with a docstring and says in `__all__` what it offers."""
    tree = ast.parse((ROOT / path).read_text())

    assert ast.get_docstring(tree), f"{path} has no docstring"
    assert exports(tree), f"{path} has no __all__"


@pytest.mark.parametrize("path", [*MODULES, *TESTS], ids=str)
def test_no_file_outgrows_its_reader(path: Path) -> None:
    """No Python file has more than 400 lines."""
    assert len((ROOT / path).read_text().splitlines()) <= LONGEST_FILE


def test_no_name_is_vague() -> None:
    """No module, package or test is called utils, helpers, common or the like."""
    vague = [path for path in [*MODULES, *TESTS] if VAGUE_NAMES & {part.removeprefix("test_") for part in path.with_suffix("").parts}]

    assert vague == []


@pytest.mark.parametrize("path", [*files("tests/unit", "tests/integration", suffix=".py")], ids=str)
def test_tests_mirror_the_tree(path: Path) -> None:
    """`tests/unit/<path>/test_<module>[_<aspect>].py` stands for a module or package at that path, in gateway unless it says resolvers or bench.

    `test_cap_<area>.py` holds tests of numbered capabilities, which no single module fulfils.
    """
    where = path.parent.parts[2:]
    words = [] if path.name == "conftest.py" else path.stem.removeprefix("test_").split("_")
    top = ROOT if where[:1] in {("gateway",), ("resolvers",), ("bench",)} else ROOT / "gateway"
    home = top.joinpath(*where)
    subjects = [home / "_".join(words[:count]) for count in range(1, len(words) + 1)]

    assert home.is_dir() or home.with_suffix(".py").is_file(), f"nothing of ours lies at {home.relative_to(ROOT)}"
    if words and words[0] != "cap" and home.is_dir():
        assert any(subject.is_dir() or subject.with_suffix(".py").is_file() for subject in subjects), (
            f"{path} is named after no module there"
        )


@pytest.mark.parametrize("lock", LOCKS, ids=str)
def test_python_locks_name_no_place(lock: Path) -> None:
    """A Python lock holds names, versions and hashes: no address and no path, of an index or of a machine."""
    strange = [
        line
        for line in (ROOT / lock).read_text().splitlines()
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*==\S+( ; .+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?|    # .*", line)
        or "/" in line.partition("#")[0]
    ]

    assert strange == []
    assert "://" not in (ROOT / lock).read_text()


@pytest.mark.parametrize("lock", NODE_LOCKS, ids=str)
def test_npm_locks_name_no_place(lock: Path) -> None:
    """An npm lock holds integrities and no download addresses, so any registry may serve it."""
    packages: dict[str, dict[str, Any]] = json.loads((ROOT / lock).read_text())["packages"]

    assert [name for name, entry in packages.items() if "resolved" in entry] == []
    assert [name for name, entry in packages.items() if name and "integrity" not in entry] == []


def test_the_lock_answers_pyproject() -> None:
    """Every requirement of pyproject.toml, groups and extras included, is pinned in requirements.lock within its range."""
    project = pyproject()
    named = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    named += [text for group in project["dependency-groups"].values() for text in group]
    named += [text for extra in project["project"]["optional-dependencies"].values() for text in extra]
    locked = pins(Path("requirements.lock"))
    wrong = [
        text
        for requirement, text in ((Requirement(text), text) for text in named)
        if (version := locked.get(canonicalize_name(requirement.name))) is None or version not in requirement.specifier
    ]

    assert wrong == [], "run make lock"


@pytest.mark.parametrize("lock", [*files("docker", suffix=".lock")], ids=str)
def test_the_image_runs_what_the_suite_tests(lock: Path) -> None:
    """The locks of the container image pin the very versions of requirements.lock."""
    assert pins(lock).items() <= pins(Path("requirements.lock")).items()


def test_one_version() -> None:
    """`gateway.__version__` is the version of the distribution."""
    tree = ast.parse((ROOT / "gateway/__init__.py").read_text())
    stated = [
        ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__"
    ]

    assert stated == [pyproject()["project"]["version"]]


@pytest.mark.parametrize("path", DOCUMENTS, ids=str)
def test_documents_lead_somewhere(path: Path) -> None:
    """Every relative link of a document leads to a file or directory of the checkout."""
    text = re.sub(r"```.*?```", "", (ROOT / path).read_text(), flags=re.DOTALL)
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text) if not re.match(r"[a-z]+:|#", target)]

    assert [target for target in targets if not (ROOT / path.parent / target).exists()] == []
