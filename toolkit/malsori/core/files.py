"""Files that are either whole or not there: written aside, flushed to disk, then renamed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from malsori.core.errors import MalsoriError


@contextlib.contextmanager
def atomic_write(path: str | Path, mode: str = "w") -> Iterator[IO[Any]]:
    r"""Give an open file that becomes ``path`` when the block ends well, and vanishes otherwise.

    Args:
        path: Where the file shall stand; missing folders are made.
        mode: ``"w"`` (UTF-8, ``\n`` line ends) or ``"wb"``.

    Raises:
        MalsoriError: The disk refused (full, read-only); the file before it is untouched.
    """
    if mode not in ("w", "wb"):
        raise ValueError(f"mode is 'w' or 'wb', not {mode!r}")
    path = Path(path)
    text = {} if mode == "wb" else {"encoding": "utf-8", "newline": "\n"}
    aside: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, aside = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        with os.fdopen(handle, mode, **text) as file:  # type: ignore[call-overload]
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(aside, 0o666 & ~_umask())
        os.replace(aside, path)
        aside = None
        sync_folder(path.parent)
    except OSError as error:
        raise MalsoriError(f"{path}: cannot be written: {_reason(error)}") from error
    finally:
        if aside is not None:
            with contextlib.suppress(OSError):
                os.unlink(aside)


@contextlib.contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Give an empty folder that replaces ``path`` when the block ends well.

    A folder that stood at ``path`` before is moved aside first and deleted last, so that a kill
    at any moment leaves a whole one, either at ``path`` or at ``.NAME.old``.

    Raises:
        MalsoriError: The disk refused; the folder before it is untouched.
    """
    path = Path(path)
    aside: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
        yield aside
        for file in sorted(aside.rglob("*")):
            if file.is_file():
                sync_file(file)
        os.chmod(aside, 0o777 & ~_umask())
        old = path.with_name(f".{path.name}.old")
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)
            os.replace(path, old)
        try:
            os.replace(aside, path)
        except OSError:
            if old.exists():
                os.replace(old, path)
            raise
        aside = None
        sync_folder(path.parent)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise MalsoriError(f"{path}: cannot be written: {_reason(error)}") from error
    finally:
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8, whole or not at all."""
    with atomic_write(path) as file:
        file.write(text)


def write_json(path: str | Path, value: object) -> None:
    """Write ``value`` as indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def read_json(path: str | Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        MalsoriError: The file is missing or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MalsoriError(f"{path}: no such file") from None
    except OSError as error:
        raise MalsoriError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise MalsoriError(f"{path}: not a JSON file: {error}") from error


def sha256(path: str | Path) -> str:
    """Return the hexadecimal SHA-256 of a file's bytes."""
    total = hashlib.sha256()
    add_content(total, path)
    return total.hexdigest()


def add_content(total: hashlib._Hash, path: str | Path) -> None:
    """Put a file's bytes into a hash, not all at once into memory."""
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            total.update(block)


def sync_file(path: Path) -> None:
    """Wait until the file's content is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(path: Path) -> None:
    """Wait until the folder's list of names is on the disk, where the system can do that."""
    with contextlib.suppress(OSError):
        sync_file(path)


def _reason(error: OSError) -> str:
    """Return what the system said, and of which file: it may be one that was read meanwhile."""
    named = f": {error.filename}" if error.filename else ""
    return f"{error.strerror or error}{named}"


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
