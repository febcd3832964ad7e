"""Vectors and matrices in Kaldi archives: x-vectors of speakers, mel spectrograms."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from malsori.core.errors import MalsoriError
from malsori.core.files import read_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

MARKS = (b"\0BFV ", b"\0BDV ")
"""What binary vectors of float32 and float64 begin with; kaldiio would unpickle others."""


MATRIX_MARKS: dict[bytes, np.dtype[Any]] = {b"\0BFM ": np.dtype("<f4"), b"\0BDM ": np.dtype("<f8")}
"""What binary matrices begin with."""

RECORD = "xvector.json"
"""In a data dir: which encoder its speaker vectors are of, and of what they were made."""


class VectorError(MalsoriError):
    """A vector or matrix cannot be read; the line says which and why."""


def read_vector(place: str) -> NDArray[np.float32]:
    """Return a vector, (E,), all of whose numbers are finite.

    Args:
        place: ``file.ark:offset``, the path absolute or relative to the folder in which the
            command runs.

    Raises:
        VectorError: There is no such file, no vector at that place, or a number is not finite.
    """
    import kaldiio

    path, _, offset = place.rpartition(":")
    if not path or not offset.isdecimal():
        raise VectorError(f"{place!r} is not 'file.ark:offset'")
    try:
        with open(path, "rb") as ark:
            ark.seek(int(offset))
            mark, length = ark.read(len(MARKS[0])), ark.read(5)  # a 4, then the length
            if mark not in MARKS:
                raise ValueError("no vector begins there")
        vector = np.array(kaldiio.load_mat(place), dtype=np.float32)
        if len(vector) != struct.unpack("<xi", length)[0]:  # kaldiio takes what is left of a file
            raise ValueError("cut off")
    except OSError as error:
        raise VectorError(f"{place}: {error.strerror or error}") from error
    except (ValueError, EOFError, AssertionError, OverflowError, struct.error) as error:
        raise VectorError(f"{place}: damaged or no vector ({error})") from error
    if vector.ndim != 1 or not len(vector):
        raise VectorError(f"{place}: not a vector with numbers in it")
    if not np.isfinite(vector).all():
        raise VectorError(f"{place}: {np.sum(~np.isfinite(vector))} of its numbers are not finite")
    return vector


def read_matrix(place: str) -> NDArray[np.float32]:
    """Return a matrix, (rows, columns), all of whose numbers are finite.

    Args:
        place: ``file.ark:offset``, as for ``read_vector``.

    Raises:
        VectorError: There is no such file, no matrix at that place, or a number is not finite.
    """
    path, _, offset = place.rpartition(":")
    if not path or not offset.isdecimal():
        raise VectorError(f"{place!r} is not 'file.ark:offset'")
    try:
        with open(path, "rb") as ark:
            ark.seek(int(offset))
            kind = MATRIX_MARKS.get(ark.read(len(MARKS[0])))
            if kind is None:
                raise ValueError("no matrix of floats begins there")
            rows, columns = struct.unpack("<xixi", ark.read(10))  # a 4 before each
            content = ark.read(max(0, rows * columns) * kind.itemsize)
        matrix = np.frombuffer(content, kind).reshape(rows, columns).astype(np.float32)
    except OSError as error:
        raise VectorError(f"{place}: {error.strerror or error}") from error
    except (ValueError, OverflowError, MemoryError, struct.error) as error:
        raise VectorError(f"{place}: damaged or no matrix ({error})") from error
    if not matrix.size:
        raise VectorError(f"{place}: not a matrix with numbers in it")
    if not np.isfinite(matrix).all():
        raise VectorError(f"{place}: {np.sum(~np.isfinite(matrix))} of its numbers are not finite")
    return matrix


def read_record(folder: Path) -> dict[str, Any]:
    """Return what a data dir says of its speaker vectors; empty if it says nothing.

    Raises:
        MalsoriError: The record is damaged.
    """
    path = folder / RECORD
    if not path.exists():
        return {}
    record = read_json(path)
    if not isinstance(record, dict) or not isinstance(record.get("encoder"), str):
        raise MalsoriError(f"{path}: does not say whose vectors these are; embed them again")
    return record
