"""Zip archives from strangers: opened by rules, read piece by piece, never unpacked to names.

Nothing is written and nothing is executed. What an archive may hold is said by the caller; what
none may hold is refused here: absolute or climbing names, links, a name given twice, members that
lie about their size or unpack to far more than they take.
"""

from __future__ import annotations

import hashlib
import struct
import zipfile
import zlib
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from malsori.core.errors import MalsoriError

MEGABYTE = 1 << 20
UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError),
    *(NotImplementedError, RuntimeError, ValueError),  # zipfile's for what it does not support
)
PLAIN_COMPRESSION = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What an archive may hold."""

    largest: Callable[[str], int | None]
    """Bytes that the member of a name may have unpacked; None for a name that may not be there.
    A mapping's ``get`` will do."""
    total: int = 16384 * MEGABYTE
    """Bytes that all members may have unpacked."""
    members: int = 10_000
    """How many there may be."""
    ratio: int = 200
    """How many times as large as packed a member may become. Deflate reaches 1032; text 20."""
    small: int = MEGABYTE
    """Members up to this size unpacked may have any ratio."""
    required: tuple[str, ...] = ()
    """Names that must be there."""
    folders: bool = False
    """Whether there may be entries for folders; they are left out of what is given."""
    kind: str = "pack"
    """What such an archive is called in messages: pack, ESPnet pack."""


class Archive:
    """The members of an open archive that keeps the rules.

    Args:
        path: Named in errors.
        file: The open zip.
        infos: Its checked members by name.
        kind: What it is called in messages.
    """

    def __init__(
        self, path: Path, file: zipfile.ZipFile, infos: Mapping[str, zipfile.ZipInfo], kind: str
    ) -> None:
        self.path, self.file, self.infos, self.kind = path, file, infos, kind

    def sizes(self) -> dict[str, int]:
        """Return the size of every member in bytes, unpacked."""
        return {name: info.file_size for name, info in self.infos.items()}

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield a member's content piece by piece, never more of it than its header says.

        Raises:
            MalsoriError: It is damaged, or not as long as it claims.
        """
        info = self.infos[name]
        left = info.file_size
        with _readable(self.path, self.kind), self.file.open(info) as member:
            while chunk := member.read(min(left + 1, MEGABYTE)):
                left -= len(chunk)
                if left < 0:
                    break
                yield chunk
        if left:
            raise MalsoriError(f"{self.path}: {name} is not as long as it claims; refused")

    def read(self, name: str) -> bytes:
        """Return a member's content; see ``chunks``."""
        return b"".join(self.chunks(name))

    def sha256(self, name: str) -> str:
        """Return the hexadecimal SHA-256 of a member, which is not kept in memory."""
        total = hashlib.sha256()
        for chunk in self.chunks(name):
            total.update(chunk)
        return total.hexdigest()


@contextmanager
def open_archive(path: Path, rules: Rules) -> Iterator[Archive]:
    """Open a zip and check its table of contents; nothing is unpacked yet.

    Raises:
        MalsoriError: No such file, not a zip, cut off, or against the rules; one line each.
    """
    with _readable(path, rules.kind):
        file = zipfile.ZipFile(path)
    with file:
        infos: dict[str, zipfile.ZipInfo] = {}
        for info in file.infolist():
            _check_member(path, info, infos, rules)
            if not info.is_dir():
                infos[info.filename] = info
        _check_whole(path, infos, rules)
        yield Archive(path, file, infos, rules.kind)


@contextmanager
def _readable(path: Path, kind: str) -> Iterator[None]:
    """Turn what zipfile raises into one line."""
    try:
        yield
    except FileNotFoundError:
        raise MalsoriError(f"{path}: no such file") from None
    except UNREADABLE as error:
        told = " ".join(str(error).split())
        raise MalsoriError(f"{path}: not a readable {kind}: {told}") from error


def _check_member(path: Path, info: zipfile.ZipInfo, found: Container[str], rules: Rules) -> None:
    name = info.filename
    largest = rules.largest(name)
    if name.endswith("/") and rules.folders:
        largest = 0
    if largest is None:
        raise MalsoriError(
            f"{path}: holds {name!r}, which is no part of {_one(rules.kind)}; refused"
        )
    if _leaves_its_folder(name) or info.orig_filename != name:  # zipfile cuts names at a NUL
        raise MalsoriError(f"{path}: {info.orig_filename!r} names a place outside; refused")
    if name in found:
        raise MalsoriError(f"{path}: holds {name!r} twice; refused")
    kind = (info.external_attr >> 16) & 0o170000
    if kind not in (0, 0o040000 if name.endswith("/") else 0o100000):
        raise MalsoriError(f"{path}: {name!r} is a link or no plain file; refused")
    if info.compress_type not in PLAIN_COMPRESSION:
        raise MalsoriError(
            f"{path}: {name!r} is compressed in a way that no {rules.kind} is; refused"
        )
    if info.file_size > largest:
        raise MalsoriError(
            f"{path}: {name} would be {info.file_size / MEGABYTE:.0f} MB, more than "
            f"{largest // MEGABYTE} MB; refused"
        )
    if info.file_size > max(rules.small, rules.ratio * info.compress_size):
        raise MalsoriError(
            f"{path}: {name} would become {info.file_size / max(1, info.compress_size):.0f} times "
            f"as large as it is packed, more than {rules.ratio}; refused"
        )


def _leaves_its_folder(name: str) -> bool:
    """Return whether a name is absolute, climbs, or could be read so by another system."""
    return (
        name.startswith("/")
        or not name
        or "\\" in name
        or ":" in name.partition("/")[0]
        or ".." in name.split("/")
    )


def _check_whole(path: Path, infos: Mapping[str, zipfile.ZipInfo], rules: Rules) -> None:
    if len(infos) > rules.members:
        raise MalsoriError(f"{path}: holds {len(infos)} files, more than {rules.members}; refused")
    unpacked = sum(info.file_size for info in infos.values())
    if unpacked > rules.total:
        raise MalsoriError(
            f"{path}: its files would be {unpacked / MEGABYTE:.0f} MB together, more than "
            f"{rules.total // MEGABYTE} MB; refused"
        )
    if sum(info.compress_size for info in infos.values()) > path.stat().st_size:
        raise MalsoriError(f"{path}: its files lie within each other; refused")
    for name in rules.required:
        if name not in infos:
            raise MalsoriError(f"{path}: not a whole {rules.kind}: {name} is missing")


def _one(kind: str) -> str:
    return f"an {kind}" if kind[0] in "AEIOU" else f"a {kind}"
