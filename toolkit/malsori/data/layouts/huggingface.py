"""Hugging Face ``datasets`` on disk: ``save_to_disk`` folders (Arrow) and Parquet files.

Needs pyarrow, not the package ``datasets``. Sound that is stored inside of the tables is written
into files, once; sound that is named is read where it is. The sets are those in the names of tables
and folders (``train``, ``validation``, ``test``).
"""

from __future__ import annotations

import hashlib
import importlib.util
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from malsori.core.errors import MalsoriError
from malsori.core.files import atomic_write
from malsori.core.log import get_logger
from malsori.data.layouts.metadata import COLUMNS
from malsori.data.layouts.rows import as_id, as_speaker
from malsori.data.prepare import Utterance
from malsori.data.splits import SETS, own_sets

log = get_logger(__name__)

SUMMARY = "Hugging Face datasets on disk: Arrow (save_to_disk) or Parquet; needs pyarrow"
INSTALL = "pip install 'malsori[huggingface]'"
MARKS = ("dataset_info.json", "dataset_dict.json", "state.json")
ROWS = 64
MAGIC = {b"RIFF": ".wav", b"fLaC": ".flac", b"OggS": ".ogg", b"ID3": ".mp3"}


def recognise(corpus: Path) -> str | None:
    """Return why the corpus is such a data set, None if it is not."""
    files = _files(corpus)
    if not files:
        return None
    arrow = sum(path.suffix == ".arrow" for path in files)
    told = (
        f"{arrow or len(files)} {'Arrow' if arrow else 'Parquet'} files, {files[0].name} the first"
    )
    sets = sorted(set(_sets(corpus, files).values()) & set(SETS), key=SETS.index)
    return f"{told}, with sets {', '.join(sets)}, which are kept" if sets else told


def read_corpus(corpus: Path, *, speaker: str, language: str, extract_to: Path) -> list[Utterance]:
    """Return the utterances of all tables, those with a ``problem`` included.

    Args:
        corpus: The folder.
        speaker: Who speaks where no column says it.
        language: What is spoken where no column says it.
        extract_to: Folder for sound that is stored in the tables.

    Raises:
        MalsoriError: pyarrow is not installed, there are no tables, or they have no columns of
            audio and text.
    """
    found = []
    tables = _tables(corpus)
    sets = _sets(corpus, tables)
    for path in tables:
        for number, row in enumerate(_rows(path)):
            columns = _columns(path, row)
            name = f"{as_id(str(path.relative_to(corpus).with_suffix('')))}_{number:07d}"
            wav, problem = _sound(row[columns["audio"]], corpus, extract_to, name)
            found.append(
                Utterance(
                    id=name,
                    wav=wav,
                    text=str(row[columns["text"]] or ""),
                    speaker=as_speaker(_value(row, columns.get("speaker")), speaker),
                    language=_value(row, columns.get("language")) or language,
                    problem=problem,
                    set=sets[path],
                )
            )
    return found


def first_texts(corpus: Path, count: int) -> list[str]:
    """Return the first texts of the data set, without a look at its sound.

    Raises:
        MalsoriError: As for ``read_corpus``.
    """
    path = _tables(corpus)[0]
    rows = itertools.islice(_rows(path), count)
    return [str(row[_columns(path, row)["text"]] or "") for row in rows]


def _tables(corpus: Path) -> list[Path]:
    """Return the tables of the data set; raise if there are none, or nothing to read them with."""
    if importlib.util.find_spec("pyarrow") is None:
        raise MalsoriError(f"{corpus}: reading Arrow and Parquet needs pyarrow: {INSTALL}")
    files = _files(corpus)
    if not files:
        raise MalsoriError(f"{corpus}: no Arrow or Parquet files in it")
    return files


def _files(corpus: Path) -> list[Path]:
    if not corpus.is_dir():
        return []
    parquet = sorted(corpus.rglob("*.parquet"))
    if parquet:
        return parquet
    if not any((corpus / mark).is_file() for mark in MARKS):
        return []
    return sorted(path for path in corpus.rglob("*.arrow") if not path.name.startswith("cache-"))


def _sets(corpus: Path, tables: Sequence[Path]) -> dict[Path, str]:
    """Return the set of each table."""
    names = {path: str(path.relative_to(corpus)) for path in tables}
    sets = own_sets(names.values())
    return {path: sets[name] for path, name in names.items()}


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table, few of them in memory at a time."""
    import pyarrow
    import pyarrow.parquet

    try:
        if path.suffix == ".parquet":
            with pyarrow.parquet.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=ROWS):
                    yield from batch.to_pylist()
            return
        with pyarrow.memory_map(str(path)) as mapped, pyarrow.ipc.open_stream(mapped) as stream:
            for batch in stream:
                for first in range(0, len(batch), ROWS):
                    yield from batch.slice(first, ROWS).to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise MalsoriError(f"{path}: damaged: {error}") from None


def _columns(path: Path, row: dict[str, Any]) -> dict[str, str]:
    """Return which column is what, by their names."""
    names = {name.lower(): name for name in row}
    found = {
        what: names[known]
        for what, listed in COLUMNS.items()
        for known in [next((name for name in listed if name in names), None)]
        if known is not None
    }
    if "audio" in names:
        found["audio"] = names["audio"]
    if not {"audio", "text"} <= found.keys():
        raise MalsoriError(f"{path}: no columns of audio and text among {', '.join(row)}")
    return found


def _value(row: dict[str, Any], column: str | None) -> str:
    return "" if column is None or row[column] is None else str(row[column])


def _sound(value: Any, corpus: Path, extract_to: Path, name: str) -> tuple[Path, str]:
    """Return the file of a row's sound, written if the row holds it, or why there is none."""
    missing = corpus / "missing"
    if isinstance(value, str):
        return corpus / value, ""
    if not isinstance(value, dict):
        return missing, "no sound in it"
    content, place = value.get("bytes"), value.get("path")
    if not content:
        return (corpus / str(place), "") if place else (missing, "no sound in it")
    suffix = next((s for magic, s in MAGIC.items() if content.startswith(magic)), ".wav")
    path = extract_to / f"{name}{suffix}"
    if not path.is_file() or _hash(path.read_bytes()) != _hash(content):
        with atomic_write(path, "wb") as file:
            file.write(content)
    return path, ""


def _hash(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()
