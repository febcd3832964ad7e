"""A corpus that comes as a zip file: extracted once, and never outside of its folder."""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from malsori.core.errors import MalsoriError
from malsori.core.files import read_json, sync_file, sync_folder, write_json
from malsori.core.log import get_logger, progress

log = get_logger(__name__)

ORIGIN = "extracted_from.json"
SPARE_BYTES = 100 << 20
COPIED_BYTES = 1 << 20


def extract(archive: Path, folder: Path, suffixes: Iterable[str]) -> Path:
    """Return ``folder`` with the members of a zip file that end in one of the suffixes.

    A folder that holds this same zip file's members already is left as it is, and one that was
    not finished is: its whole members are kept. A member that is damaged is left out, with a
    warning.

    Args:
        archive: The zip file.
        folder: Where to extract to; replaced if it holds something else's members.
        suffixes: Which members to take, as ".wav", in lower case.

    Raises:
        MalsoriError: No zip file, an unsafe member, or not enough room on the disk.
    """
    stat_of_archive = archive.stat()
    origin: dict[str, str | int] = {
        "archive": archive.name,
        "bytes": stat_of_archive.st_size,
        "modified": stat_of_archive.st_mtime_ns,
    }
    if (folder / ORIGIN).is_file() and read_json(folder / ORIGIN) == origin:
        log.info("%s holds the members of %s already", folder, archive)
        return folder
    if folder.exists() and not (folder / ORIGIN).is_file():
        raise MalsoriError(
            f"{folder}: not made from a zip file: move it away, {archive} goes there"
        )
    try:
        with zipfile.ZipFile(archive) as opened:
            members = _wanted(archive, opened, set(suffixes))
            left = [m for m in members if not (_aside(folder) / m.filename).is_file()]
            _require_room(archive, folder, sum(member.file_size for member in left))
            log.info("extracting %d files of %s into %s", len(members), archive, folder)
            _extract_all(archive, opened, members, folder, origin)
    except (zipfile.BadZipFile, EOFError) as error:
        raise MalsoriError(
            f"{archive}: not a whole zip file ({error}): download it again"
        ) from error
    return folder


def _wanted(archive: Path, opened: zipfile.ZipFile, suffixes: set[str]) -> list[zipfile.ZipInfo]:
    """Return the members to extract; raise if any member's name leaves the folder or is a link."""
    wanted = []
    for member in opened.infolist():
        path = PurePosixPath(member.filename)
        unsafe = path.is_absolute() or ".." in path.parts or "\\" in member.filename
        if unsafe or ":" in path.parts[:1] or stat.S_ISLNK(member.external_attr >> 16):
            raise MalsoriError(
                f"{archive}: unsafe member {member.filename!r} (absolute, '..' or a link): "
                "nothing was extracted"
            )
        hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
        if not member.is_dir() and not hidden and path.suffix.lower() in suffixes:
            wanted.append(member)
    return wanted


def _require_room(archive: Path, folder: Path, needed: int) -> None:
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if needed + SPARE_BYTES > free:
        raise MalsoriError(
            f"{archive}: extracting it takes {needed >> 20} MB, {place} has {free >> 20} MB free"
        )


def _extract_all(
    archive: Path,
    opened: zipfile.ZipFile,
    members: list[zipfile.ZipInfo],
    folder: Path,
    origin: dict[str, str | int],
) -> None:
    """Write the members beside ``folder`` and put them there when all are written.

    What a run that was killed had written beside it is taken over.
    """
    aside = _aside(folder)
    kept = 0
    try:
        if not (aside / ORIGIN).is_file() or read_json(aside / ORIGIN) != origin:
            shutil.rmtree(aside, ignore_errors=True)
            write_json(aside / ORIGIN, origin)
        for member in progress(members, len(members), "zip"):
            if _is_whole(aside / member.filename, member):
                kept += 1
            else:
                _extract_one(archive, opened, member, aside)
        if kept:
            log.info("%d of them were extracted by an earlier run", kept)
        for path in aside.rglob("*"):
            if path.is_file():
                sync_file(path)
        if folder.exists():
            shutil.rmtree(folder)  # of another zip file, which can be extracted again
        os.replace(aside, folder)
        sync_folder(folder.parent)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise MalsoriError(f"{folder}: cannot be written: {error.strerror or error}") from error


def _aside(folder: Path) -> Path:
    """Return where members are written: always the same place, for a run that goes on."""
    return folder.with_name(f".{folder.name}.unfinished")


def _is_whole(path: Path, member: zipfile.ZipInfo) -> bool:
    """Return whether a file has the content of a member, by its size and checksum."""
    if not path.is_file() or path.stat().st_size != member.file_size:
        return False
    checksum = 0
    with open(path, "rb") as file:
        while block := file.read(COPIED_BYTES):
            checksum = zlib.crc32(block, checksum)
    return checksum == member.CRC


def _extract_one(
    archive: Path, opened: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path
) -> None:
    """Write one member, never more bytes than its header states."""
    target = folder / member.filename
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with opened.open(member) as source, open(target, "wb") as file:
            left = member.file_size
            while left > 0 and (block := source.read(min(left, COPIED_BYTES))):
                file.write(block)
                left -= len(block)
    except (zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError) as error:
        log.warning("%s: member %s left out: %s", archive, member.filename, error)
        target.unlink(missing_ok=True)
