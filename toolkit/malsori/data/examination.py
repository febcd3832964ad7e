"""What stage 1 hears in audio: its length and where its speech is, kept from run to run.

``examined.tsv`` has a line for each piece of audio that was heard, found by its place, size and
time of change: a run that was stopped goes on where it stopped, and changed audio is heard again.
A line that is not whole is as good as none. What cannot be used is not kept, since that may be
mended without a change of the file (its permissions, a newer libsndfile).
"""

from __future__ import annotations

import os
import stat
import threading
import zlib
from dataclasses import dataclass
from pathlib import Path

from malsori.core.errors import MalsoriError
from malsori.data.audio_files import AudioSource, state_key
from malsori.dsp import audio, silence
from malsori.dsp.audio import AudioError

VERSION = 1
"""Counts changes of what is heard; those of the numbers in ``HEADER`` show by themselves."""
HEADER = (
    f"malsori examined {VERSION} {silence.WINDOW_SECONDS} {silence.HOP_SECONDS} "
    f"{silence.SILENT_PEAK_DB} {sorted((silence.speech_bounds.__kwdefaults__ or {}).items())}\n"
)
LOUDEST_PEAK = 16.0
"""24 dB above full scale: floating-point samples that were never scaled are far beyond."""
LARGE_BYTES = 4 << 20
"""Larger files are asked for their length before they are decoded: ten minutes at 56 kbit/s."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """What is in a piece of audio."""

    sample_rate: int
    """Of the file, in Hz."""
    samples: int
    """Of the piece, at that rate."""
    start: float
    """Where the speech begins, in seconds from the beginning of the piece."""
    end: float
    """Where the speech ends, in seconds from the beginning of the piece."""

    @property
    def seconds(self) -> float:
        """Length of the piece."""
        return self.samples / self.sample_rate


class Examined:
    """Audio that was heard, in this run and in earlier ones; several threads may ask.

    Args:
        path: The file; made where there is none, made anew where another version wrote it.

    Raises:
        MalsoriError: It cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known = 0
        """Pieces that an earlier run had heard, among those that were asked for."""
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = path.read_bytes().split(b"\n") if path.exists() else []
            if not lines or lines[0] != HEADER.encode()[:-1]:
                lines = []
                path.write_bytes(HEADER.encode())
            elif lines[-1]:  # half a line, of a run that was killed
                os.truncate(path, path.stat().st_size - len(lines[-1]))
            self._heard = dict(filter(None, map(_parsed, lines[1:-1])))
            self._file = open(path, "ab", buffering=0)  # noqa: SIM115  # closed by __exit__
        except OSError as error:
            raise MalsoriError(f"{path}: cannot be written: {error.strerror}") from error

    def __enter__(self) -> Examined:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def hear(self, source: AudioSource, longest: float) -> Heard:
        """Return what is in a piece of audio.

        Args:
            source: Where it is.
            longest: Files that last longer are not decoded as a whole, in seconds.

        Raises:
            AudioError: It cannot be used.
            MalsoriError: What was heard cannot be written down.
        """
        key = state_key(source)  # before it is read: what changes meanwhile is heard again
        if key is not None and (heard := self._heard.get(key)) is not None:
            with self._lock:
                self.known += 1
            return heard
        heard = hear(source, longest)
        if key is not None:
            try:
                with self._lock:
                    self._file.write(_line(key, heard))
            except OSError as error:
                raise MalsoriError(f"{self.path}: cannot be written: {error.strerror}") from error
        return heard


def hear(source: AudioSource, longest: float) -> Heard:
    """Return what is in a piece of audio, decoded now; see ``Examined.hear``."""
    _refuse_unusual(source, longest)
    wav, rate = audio.read(source.path, None, source.start, source.end)
    peak = max(float(wav.max()), -float(wav.min()))
    if peak > LOUDEST_PEAK:
        raise AudioError(
            source.path,
            f"its samples reach {peak:.0f}, where 1 is full scale: divide them by 32768 and "
            "export it again",
        )
    start, end = silence.speech_bounds(wav, rate)
    return Heard(sample_rate=rate, samples=len(wav), start=start, end=end)


def _refuse_unusual(source: AudioSource, longest: float) -> None:
    """Raise if reading it would wait for ever, or take more memory than there may be."""
    try:
        state = os.stat(source.path)
    except OSError:
        return  # a member of an archive, or what reading it will say
    if not stat.S_ISREG(state.st_mode):
        kind = "a folder" if stat.S_ISDIR(state.st_mode) else "a device or a pipe"
        raise AudioError(source.path, f"no audio file but {kind}")
    if source.end is None and state.st_size > LARGE_BYTES:
        seconds = audio.info(source.path).seconds - source.start
        if seconds > longest:
            raise AudioError(
                source.path,
                f"{seconds / 60:.0f} min of audio in one piece: cut it into sentences, or say "
                "where they are (segments)",
            )


def _line(key: bytes, heard: Heard) -> bytes:
    """Return a line with its checksum; numbers are written so that they are read back exactly."""
    numbers = (heard.sample_rate, heard.samples, repr(heard.start), repr(heard.end))
    row = "\t".join([key.hex(), *map(str, numbers)])
    return f"{row}\t{zlib.crc32(row.encode()):08x}\n".encode()


def _parsed(line: bytes) -> tuple[bytes, Heard] | None:
    """Return key and content of a line, None if it is not whole."""
    row, _, checksum = line.rpartition(b"\t")
    if checksum != f"{zlib.crc32(row):08x}".encode():
        return None
    key, rate, samples, start, end = row.decode().split("\t")
    heard = Heard(sample_rate=int(rate), samples=int(samples), start=float(start), end=float(end))
    return bytes.fromhex(key), heard
