"""What is measured of one recording: level, clipping, silence, noise, bandwidth, a hash of it.

A measurement is one row of a numpy table, so that a million of them are 90 MB.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from malsori.data.audio_files import AudioSource
from malsori.dsp import audio
from malsori.dsp.audio import AudioError
from malsori.dsp.silence import SILENT_PEAK_DB, silences, speech_bounds

if TYPE_CHECKING:
    from numpy.typing import NDArray

MEASUREMENT = np.dtype(
    [
        ("key", "V16"),  # of the cache
        ("hash", "u8"),  # of the samples
        ("rate", "i4"),  # Hz
        ("channels", "i2"),
        ("misnamed", "?"),  # whether its suffix says another format
        ("format", "S21"),  # "WAV PCM_16"
        ("seconds", "f4"),
        ("level_db", "f4"),  # of the speech, dB of full scale
        ("peak_db", "f4"),
        ("clipped", "f4"),  # samples in flat tops
        ("lead", "f4"),  # silence before the speech, seconds
        ("tail", "f4"),  # silence after it
        ("pause", "f4"),  # longest silence inside of it
        ("floor_db", "f4"),  # the quietest windows
        ("offset", "f4"),  # mean of the samples
        ("bandwidth", "f4"),  # Hz
    ]
)
CONTAINERS = {
    "wav": ("WAV", "WAVEX", "RF64"),
    "flac": ("FLAC",),
    "mp3": ("MP3", "MPEG"),
    "ogg": ("OGG",),
    "opus": ("OGG",),
}
"""What libsndfile calls the formats that a suffix stands for."""
ARCHIVED = "archive"
LONGEST_SECONDS = 600.0
"""Longer ones are no utterances, and would need gigabytes to be measured."""
LOWEST_DB = -120.0
WINDOW_SECONDS, HOP_SECONDS = 0.025, 0.010
SPEECH_RANGE_DB = 30.0
QUIETEST = 0.02
"""Share of the windows that are taken for the noise between sounds."""
BAND_RANGE_DB = 75.0
"""The band ends where the mean spectrum of the loud windows falls this far below its peak."""
BAND_WINDOWS, BAND_SECONDS, BAND_SMOOTHING_HZ = 200, 0.04, 150.0
FLATTEST = 1 / 65536
LEAST_CLIPPED_PEAK, FULL_SCALE = 0.25, 0.99
CLIPPED_RUN, CLIPPED_RUN_RATE = 3, 48000


def measure_source(source: AudioSource) -> NDArray[Any]:
    """Return the measurement of one utterance, a scalar of ``MEASUREMENT`` without its key.

    Args:
        source: Where its sound is.

    Raises:
        AudioError: It cannot be read, or is longer than ten minutes.
    """
    about = audio.info(source.path)
    end = about.seconds if source.end is None else source.end
    if end - source.start > LONGEST_SECONDS:
        raise AudioError(
            source.path,
            f"{end - source.start:.0f} s long, more than {LONGEST_SECONDS:.0f} s: no utterance; "
            "cut it into sentences (segments)",
        )
    wav, rate = audio.read(source.path, None, source.start, source.end)
    found = measure(wav, rate)
    found["channels"] = about.channels
    found["format"] = _format(source.path)
    suffix = Path(source.path).suffix.lower().removeprefix(".")
    container = found["format"].item().decode().split(" ")[0]
    found["misnamed"] = container not in (*CONTAINERS.get(suffix, (container,)), ARCHIVED)
    return found


def measure(wav: NDArray[np.float32], rate: int) -> NDArray[Any]:
    """Return the measurement of a waveform, a scalar of ``MEASUREMENT``.

    Args:
        wav: Finite samples, (S,), at least one.
        rate: Samples a second.
    """
    found = np.zeros((), MEASUREMENT)
    found["hash"] = sound_hash(wav)
    found["rate"], found["channels"], found["seconds"] = rate, 1, len(wav) / rate
    peak = float(np.abs(wav).max())
    found["offset"] = wav.mean(dtype=np.float64)
    found["peak_db"] = _decibels(peak**2)
    found["clipped"] = clipped_samples(wav, rate)
    powers, starts, window = _window_powers(wav, rate)
    loud = powers >= powers.max() * 10 ** (-SPEECH_RANGE_DB / 10)
    found["level_db"] = _decibels(float(powers[loud].mean()))
    found["floor_db"] = _decibels(float(np.quantile(powers, QUIETEST)))
    found["bandwidth"] = _bandwidth(wav, rate, starts[loud] + window // 2)
    try:
        begin, end = speech_bounds(wav, rate, threshold_db=SPEECH_RANGE_DB, pad_seconds=0.0)
    except AudioError:  # silent
        found["lead"], found["level_db"] = found["seconds"], LOWEST_DB
        return found
    inside = [
        last - first
        for first, last in silences(wav, rate, threshold_db=SPEECH_RANGE_DB)
        if first > begin and last < end
    ]
    found["lead"], found["tail"] = begin, len(wav) / rate - end
    found["pause"] = max(inside, default=0.0)
    return found


def is_silent(found: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which measurements are of silence, (N,)."""
    silent: NDArray[np.bool_] = found["level_db"] <= SILENT_PEAK_DB
    return silent


def sound_hash(wav: NDArray[np.float32]) -> int:
    """Return 64 bits that are the same for the same samples at 16 bits, whatever the format."""
    samples = np.clip(np.round(wav * 32768.0), -32768, 32767).astype("<i2")
    return int.from_bytes(hashlib.blake2b(samples.tobytes(), digest_size=8).digest(), "little")


def clipped_samples(wav: NDArray[np.float32], rate: int) -> int:
    """Return how many samples stand in flat tops: three or more in a row at the waveform's peak.

    Below full scale, where somebody turned clipped audio down, one flat top may be chance, two are
    counted. Above 48 kHz a top must be flat for as long as three samples are at 48 kHz.

    Args:
        wav: Samples, (S,).
        rate: Samples a second.
    """
    total = runs = 0
    run = max(CLIPPED_RUN, round(CLIPPED_RUN * rate / CLIPPED_RUN_RATE))
    for signed in (wav, -wav):
        peak = float(signed.max())
        if peak < LEAST_CLIPPED_PEAK:
            continue
        flat = np.concatenate([[False], signed >= peak - FLATTEST, [False]])
        edges = np.flatnonzero(np.diff(flat.astype(np.int8)))
        lengths = edges[1::2] - edges[::2]
        long = lengths[lengths >= run]
        if peak >= FULL_SCALE or len(long) > 1:
            total, runs = total + int(long.sum()), runs + len(long)
    return total


def _window_powers(
    wav: NDArray[np.float32], rate: int
) -> tuple[NDArray[np.float64], NDArray[np.int64], int]:
    """Return the mean square of each window without the waveform's mean, where it starts, size."""
    centred = wav.astype(np.float64)
    centred -= centred.mean()
    window = min(max(round(WINDOW_SECONDS * rate), 1), len(wav))
    starts = np.arange(0, len(wav) - window + 1, max(round(HOP_SECONDS * rate), 1))
    summed = np.concatenate([[0.0], np.cumsum(np.square(centred))])
    powers = np.maximum(summed[starts + window] - summed[starts], 0.0) / window
    return powers, starts, window


def _bandwidth(wav: NDArray[np.float32], rate: int, centres: NDArray[np.int64]) -> float:
    """Return where the mean spectrum of some loud windows ends, in Hz."""
    size = 1 << round(np.log2(max(BAND_SECONDS * rate, 16)))
    if len(wav) < size:
        return rate / 2
    chosen = centres[:: max(len(centres) // BAND_WINDOWS, 1)]
    starts = np.clip(chosen - size // 2, 0, len(wav) - size)
    frames = np.lib.stride_tricks.sliding_window_view(wav, size)[starts]
    shape = np.blackman(size).astype(np.float32)  # its side lobes lie below what is looked for
    power = np.square(np.abs(np.fft.rfft(frames * shape))).mean(axis=0)
    reach = max(round(BAND_SMOOTHING_HZ * size / rate), 1)
    smooth = np.convolve(power, np.ones(reach) / reach, mode="same")
    heard = np.flatnonzero(smooth > smooth.max() * 10 ** (-BAND_RANGE_DB / 10))
    return float((heard[-1] if len(heard) else 0) * rate / size)


def _decibels(power: float) -> float:
    return max(10 * float(np.log10(max(power, 1e-12))), LOWEST_DB)


def _format(path: str) -> bytes:
    """Return container and sample format of a file; of audio in an archive only that."""
    import soundfile

    if not Path(path).is_file():
        return ARCHIVED.encode()
    about = soundfile.info(path)
    return f"{about.format} {about.subtype}".encode()[:21]
