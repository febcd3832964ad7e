"""Audio files in and out: any format that libsndfile decodes, and audio inside Kaldi archives.

A place where audio is stored is named as in ``wav.scp``: a path, or ``archive.ark:offset`` with
the offset in bytes. Waveforms are float32 (S,), one channel, full scale at ±1.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np
import soundfile

from malsori.core.errors import MalsoriError
from malsori.core.files import atomic_write
from malsori.core.log import get_logger

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = get_logger(__name__)

ARCHIVE = re.compile(r"(?P<path>.+):(?P<offset>\d+)")
ARCHIVED_AUDIO = (b"RIFF", b"fLaC", b"AUDIO")
UNKNOWN_SIZES = range(0x7FFFF000, 1 << 32)  # what programs write into a WAV header when streaming
END_TOLERANCE_SECONDS = 0.02
OGG_PAGE_BYTES, OGG_LAST_PAGE = 65307, 4
MP3_LENGTHS = (b"Xing", b"Info", b"VBRI")
MP3_HEAD_BYTES = 256


class AudioError(MalsoriError):
    """Audio that cannot be used; the message is ``path: reason``.

    Args:
        path: The file, as it was asked for; empty for a waveform that is no file.
        reason: What is wrong with it, without the path.
    """

    def __init__(self, path: str | Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}" if str(path) else reason)
        self.path = str(path)
        self.reason = reason

    def __reduce__(self) -> tuple[type[AudioError], tuple[str, str]]:
        return AudioError, (self.path, self.reason)


@dataclass(frozen=True, kw_only=True, slots=True)
class AudioInfo:
    """What the header of an audio file says."""

    sample_rate: int
    """Samples a second."""
    frames: int
    """Samples of each channel."""
    channels: int
    """Channels."""

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.frames / self.sample_rate


def read(
    path: str | Path, sample_rate: int | None = None, start: float = 0.0, end: float | None = None
) -> tuple[NDArray[np.float32], int]:
    """Return a waveform, float32 (S,), and its sample rate.

    Several channels are averaged into one.

    Args:
        path: Audio file or ``archive.ark:offset``.
        sample_rate: Resample to this rate (soxr, high quality); None keeps the file's own.
        start: Where to begin, in seconds.
        end: Where to stop, in seconds; None for the end of the file.

    Raises:
        AudioError: The file is missing, no audio, truncated, without samples or not finite, or
            the piece asked for is not inside of it. Silence is no error here.
    """
    archive = _archive(path)
    if archive is None:
        samples, rate = _read_file(path, start, end)
    else:
        whole, rate = _read_archive(path, *archive)
        samples = whole[slice(*_bounds(path, len(whole), rate, start, end))]
    wav = samples.mean(axis=1, dtype=np.float32) if samples.shape[1] > 1 else samples[:, 0]
    if not np.isfinite(wav).all():
        raise AudioError(path, "has samples that are not finite (NaN or infinity): export it again")
    if sample_rate is not None and sample_rate != rate:
        import soxr

        wav = soxr.resample(wav, rate, sample_rate, quality="HQ")
        rate = sample_rate
    return np.ascontiguousarray(wav, dtype=np.float32), rate


def info(path: str | Path) -> AudioInfo:
    """Return rate, length and channels of an audio file or of ``archive.ark:offset``.

    Raises:
        AudioError: The file is missing, no audio, truncated or without samples.
    """
    archive = _archive(path)
    if archive is not None:
        samples, rate = _read_archive(path, *archive)
        return AudioInfo(sample_rate=rate, frames=len(samples), channels=samples.shape[1])
    with _open(path) as file:
        return AudioInfo(sample_rate=file.samplerate, frames=file.frames, channels=file.channels)


def write(path: str | Path, samples: NDArray[np.float32], sample_rate: int) -> None:
    """Write a 16-bit WAV file, whole or not at all.

    Samples beyond ±1 are clipped, with a warning in the log.

    Args:
        path: The file to make; its folder is made too.
        samples: Waveform, (S,).
        sample_rate: Samples a second.

    Raises:
        AudioError: The waveform has samples that are not finite.
        MalsoriError: The file cannot be written.
    """
    samples = np.asarray(samples, dtype=np.float32)
    if not np.isfinite(samples).all():
        raise AudioError(path, "not written: the waveform has samples that are not finite")
    peak = float(np.abs(samples).max(initial=0.0))
    if peak > 1.0:
        log.warning("%s: clipped, the peak is %.2f", path, peak)
    whole = np.round(np.clip(samples, -1.0, 1.0) * 32767.0).astype(np.int16)
    with atomic_write(path, "wb") as file:
        soundfile.write(file, whole, sample_rate, format="WAV", subtype="PCM_16")


def _read_file(
    path: str | Path, start: float, end: float | None
) -> tuple[NDArray[np.float32], int]:
    """Return the samples of a piece of a file, (S, channels), and the rate."""
    with _open(path) as file:
        first, last = _bounds(path, file.frames, file.samplerate, start, end)
        try:
            file.seek(first)
            samples = file.read(last - first, dtype="float32", always_2d=True)
        except (soundfile.LibsndfileError, RuntimeError) as error:
            raise AudioError(path, f"truncated or corrupt ({_words(error)})") from error
        rate = int(file.samplerate)
    if len(samples) < last - first and (len(samples) == 0 or _knows_its_length(path)):
        raise AudioError(
            path, f"truncated: {len(samples)} samples where its header says {last - first}"
        )
    return cast("NDArray[np.float32]", samples), rate


def _knows_its_length(path: str | Path) -> bool:
    """Return whether a file's header says how long it is; that of an MP3 may leave it to guess."""
    with open(path, "rb") as file:
        head = file.read(10)
        if head[:3] == b"ID3":  # in front of the sound; its size has seven bits in each byte
            size = sum(byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
            file.seek(10 + size)
            head = file.read(10)
        if len(head) < 2 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
            return True  # no MP3
        first_frame = file.read(MP3_HEAD_BYTES)
        return any(mark in first_frame for mark in MP3_LENGTHS)


def _open(path: str | Path) -> soundfile.SoundFile:
    """Return the opened audio file after checks that libsndfile does not do."""
    try:
        with open(path, "rb") as file:
            _refuse_short_wav(path, file)
            _refuse_cut_ogg(path, file)
    except FileNotFoundError:
        raise AudioError(path, "no such audio file") from None
    except OSError as error:
        raise AudioError(path, f"cannot be read ({error.strerror})") from error
    try:
        opened = soundfile.SoundFile(str(path))
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise AudioError(
            path, f"not audio in a format that libsndfile reads ({_words(error)})"
        ) from error
    if opened.frames == 0:
        opened.close()
        raise AudioError(path, "zero-length: the file has no samples")
    return opened


def _refuse_short_wav(path: str | Path, file: BinaryIO, offset: int = 0) -> None:
    """Raise if nothing is at ``offset``, or a WAV with less audio than its header states.

    libsndfile and kaldiio read such a WAV without a word and return what is left of it.
    """
    size = file.seek(0, 2)
    if size == 0:
        raise AudioError(path, "zero-length: the file is empty")
    if size <= offset:
        raise AudioError(path, f"no audio at byte {offset} of {size}")
    file.seek(offset)
    head = file.read(12)
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return
    while len(chunk := file.read(8)) == 8:
        name, length = struct.unpack("<4sI", chunk)
        if name == b"data":
            there = size - file.tell()
            if there < length and length not in UNKNOWN_SIZES:
                raise AudioError(
                    path, f"truncated: {there} bytes of audio where its header says {length}"
                )
            return
        file.seek(length + length % 2, 1)
    raise AudioError(path, "truncated: a WAV header without audio")


def _refuse_cut_ogg(path: str | Path, file: BinaryIO) -> None:
    """Raise for an Ogg file whose last page does not say that it is the last one.

    libsndfile reads such a file without a word as far as it goes.

    Source: RFC 3533, section 6: the bit of header_type, and the size of a page.
    """
    file.seek(0)
    if file.read(4) != b"OggS":
        return
    file.seek(max(file.seek(0, 2) - OGG_PAGE_BYTES, 0))
    end = file.read()
    page = end.rfind(b"OggS")
    if page < 0 or not end[page + 5 : page + 6] or not end[page + 5] & OGG_LAST_PAGE:
        raise AudioError(path, "truncated: the end of the Ogg stream is not in the file")


def _bounds(
    path: str | Path, frames: int, rate: int, start: float, end: float | None
) -> tuple[int, int]:
    """Return first and last sample of the piece; an end just beyond the file is its end."""
    first = round(start * rate)
    last = frames if end is None else round(end * rate)
    if frames < last <= frames + END_TOLERANCE_SECONDS * rate:
        last = frames
    if not 0 <= first < last <= frames:
        until = "its end" if end is None else f"{end:g} s"
        raise AudioError(
            path, f"no piece from {start:g} s to {until} in {frames / rate:g} s of audio"
        )
    return first, last


def _archive(path: str | Path) -> tuple[Path, int] | None:
    """Return archive and byte offset of ``archive.ark:offset``, None for a plain file."""
    found = ARCHIVE.fullmatch(str(path))
    if found is None or Path(path).is_file():
        return None
    return Path(found["path"]), int(found["offset"])


def _read_archive(path: str | Path, archive: Path, offset: int) -> tuple[NDArray[np.float32], int]:
    """Return the samples of one archive member, (S, channels), and the rate.

    Only members that are audio are read: kaldiio would unpickle one that says it is a pickle.
    """
    from kaldiio.matio import read_kaldi

    try:
        with open(archive, "rb") as file:
            _refuse_short_wav(path, file, offset)
            file.seek(offset)
            if not file.read(5).startswith(ARCHIVED_AUDIO):
                raise AudioError(path, "no audio (WAV or FLAC) at this offset of the archive")
            file.seek(offset)
            rate, samples = read_kaldi(file)
    except FileNotFoundError:
        raise AudioError(path, f"no such archive {archive}") from None
    except OSError as error:
        raise AudioError(path, f"cannot be read ({error.strerror or error})") from error
    except AudioError:
        raise
    except Exception as error:  # kaldiio raises whatever its parsers raise on damaged bytes
        raise AudioError(path, f"truncated or corrupt ({_words(error)})") from error
    wav = _full_scale(path, np.asarray(samples))
    if len(wav) == 0:
        raise AudioError(path, "zero-length: the archive member has no samples")
    return wav, int(rate)


def _full_scale(path: str | Path, samples: NDArray[np.generic]) -> NDArray[np.float32]:
    """Return samples as float32 (S, channels) with full scale at ±1."""
    if samples.dtype == np.uint8:
        wav = (samples.astype(np.float32) - 128.0) / 128.0
    elif samples.dtype.kind == "i":
        wav = samples.astype(np.float32) / float(2 ** (8 * samples.dtype.itemsize - 1))
    elif samples.dtype.kind == "f":
        wav = samples.astype(np.float32)
    else:
        raise AudioError(path, f"samples of type {samples.dtype} are not audio")
    return wav[:, None] if wav.ndim == 1 else wav


def _words(error: Exception) -> str:
    """Return the message of a library's error without paths and line ends."""
    if isinstance(error, soundfile.LibsndfileError):
        return str(error.error_string).rstrip(". ")
    return " ".join(str(error).split()).rstrip(". ") or type(error).__name__
