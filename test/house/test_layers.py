"""The layers of doc/architecture.md hold, and what is not placed in them is noticed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on the package under ``root``, with the project's own contracts."""
    call = "import sys; from importlinter.cli import lint_imports_command as c; sys.exit(c())"
    return subprocess.run(
        [sys.executable, "-c", call, "--no-cache"],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root / "toolkit"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("house")
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "toolkit", root / "toolkit", ignore=ignore)
    shutil.copyfile(ROOT / "pyproject.toml", root / "pyproject.toml")
    assert lint(root).returncode == 0
    return root


def test_the_house_stands() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("path", "line", "told"),
    [
        ("attic/__init__.py", '"""A folder that no layer names."""', "attic"),
        ("data/upwards.py", "import malsori.train.config", "malsori.data.upwards"),
        ("infer/sideways.py", "import malsori.train.config", "malsori.infer.sideways"),
        ("core/heavy.py", "import torch", "torch"),
    ],
)
def test_what_breaks_a_rule_is_noticed(copied: Path, path: str, line: str, told: str) -> None:
    file = copied / "toolkit" / "malsori" / path
    file.parent.mkdir(exist_ok=True)
    file.write_text(line + "\n")
    try:
        done = lint(copied)
    finally:
        file.unlink()
        if file.name == "__init__.py":
            shutil.rmtree(file.parent)
    assert done.returncode != 0 and told in done.stdout, done.stdout


def test_only_one_file_imports_torch_distributed() -> None:
    found = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "toolkit").rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.strip().startswith(("import torch.distributed", "from torch.distributed"))
    ]
    assert set(found) == {"toolkit/malsori/train/distributed.py"}


def test_only_one_file_knows_of_other_processes() -> None:
    package = ROOT / "toolkit" / "malsori"
    knowing = [
        p for p in package.rglob("*.py") if "import torch.distributed" in p.read_text("utf-8")
    ]
    assert knowing == [package / "train" / "distributed.py"]
