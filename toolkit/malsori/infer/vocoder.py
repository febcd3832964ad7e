"""Vocoders from run folders and packs, and what they do alone: recordings made again from mels.

Axes: B recordings, S samples, T frames, M mel bands.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from torch import Tensor

from malsori.core.config import from_dict, read_choice
from malsori.core.errors import MalsoriError
from malsori.core.files import write_json
from malsori.core.log import get_logger, progress
from malsori.core.version import VERSION
from malsori.data.recordings import Recordings, given_mel
from malsori.dsp import audio
from malsori.dsp.audio_config import AudioConfig
from malsori.infer.decode import Timer, remove_stale, speed_record
from malsori.infer.licences import Licences
from malsori.infer.utterances import batches
from malsori.infer.voice import Voice, blaming, built_model
from malsori.models import MODELS
from malsori.models.composed import ComposedModel
from malsori.models.vocoder import VocodingModel, vocode
from malsori.models.voice import VoiceContext
from malsori.packs.format import FORMAT_VERSION, TRAINING, VoiceFiles
from malsori.packs.run_folder import provenance, read_run
from malsori.packs.writer import write_members

log = get_logger(__name__)

LONGEST = 600.0
"""Seconds of one recording: memory grows with it."""
MEL_SETTINGS = (
    *("sample_rate", "n_fft", "window", "hop"),
    *("mel_bands", "mel_low_hz", "mel_high_hz"),
)
"""Audio settings that decide what a mel means."""
PURPOSE = "makes waveforms of mel spectrograms; it reads no text"


@dataclass(frozen=True, kw_only=True)
class MelVoice:
    """A vocoder ready to be used: on its device, in evaluation mode, weight norm folded."""

    model: VocodingModel
    audio: AudioConfig
    origin: str
    """Where it was loaded from, for messages."""

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        module: Any = self.model
        return next(itertools.chain(module.parameters(), module.buffers())).device  # type: ignore[no-any-return]

    @torch.inference_mode()
    def copy(self, wavs: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Return recordings made again from their mel spectrograms, (S,) each or a bit shorter.

        Args:
            wavs: (S,) each, full scale 1, at ``audio.sample_rate``, with at least one sample.
        """
        padded = torch.zeros(len(wavs), max(map(len, wavs)))
        for row, wav in zip(padded, wavs, strict=True):
            row[: len(wav)] = torch.from_numpy(wav)
        lengths = torch.tensor([len(wav) for wav in wavs], device=self.device)
        found = self.model.analyse(padded.to(self.device), lengths)
        made = vocode(self.model, *found)
        ends = torch.minimum(made.wav_lengths, lengths).tolist()
        return [wav[:end].cpu().numpy() for wav, end in zip(made.wav, ends, strict=True)]

    @torch.inference_mode()
    def sound(self, mels: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Return the waveforms of mel spectrograms, (T · hop,) each.

        Args:
            mels: Log10 mel amplitudes, (T, M) each, not normalised, at least one frame.
        """
        rows = [torch.from_numpy(mel) for mel in mels]
        padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True).to(self.device)
        lengths = torch.tensor([len(mel) for mel in mels], device=self.device)
        made = vocode(self.model, padded, lengths)
        ends = made.wav_lengths.tolist()
        return [wav[:end].cpu().numpy() for wav, end in zip(made.wav, ends, strict=True)]


def load_vocoder(read: VoiceFiles, device: str = "cpu", trusted: bool = False) -> MelVoice:
    """Return the vocoder in what was read of a run folder or pack.

    Args:
        read: Its parts.
        device: Where it shall work.
        trusted: As for ``infer.voice.assemble``.

    Raises:
        MalsoriError: It is none, or its settings and weights differ; one line.
    """
    with blaming(read.origin):
        settings = from_dict(AudioConfig, read.description["audio"], "audio")
        choice = read_choice(MODELS, read.description["model"], "model")
    context = VoiceContext(audio=settings, tokens=len(read.tokens()))
    model = built_model(choice, context, read.weights, read.origin, device, trusted)
    if not isinstance(model, VocodingModel):
        raise MalsoriError(f"{read.origin}: {choice.name} is no vocoder, and has no tokenizer")
    return MelVoice(model=model, audio=settings, origin=read.origin)


def voice_through(voice: Voice, vocoder: MelVoice) -> Voice:
    """Return a voice whose mels this vocoder makes audible.

    Args:
        voice: Its model is a ``ComposedModel``.
        vocoder: With the same audio settings.

    Raises:
        MalsoriError: An audio setting differs; the line names it.
    """
    for name in MEL_SETTINGS:
        ours, theirs = getattr(voice.audio, name), getattr(vocoder.audio, name)
        if ours != theirs:
            raise MalsoriError(
                f"{vocoder.origin}: audio.{name} is {theirs}, but {voice.origin} speaks with "
                f"{ours}; take a vocoder with the same audio settings"
            )
    model: Any = voice.model
    composed = ComposedModel(model.acoustic, vocoder.model, voice.statistics)
    return dataclasses.replace(voice, model=composed.to(voice.device))


def copy_synthesis(
    vocoder: MelVoice, recordings: Recordings, out: Path, batch_seconds: float = 60.0
) -> None:
    """Make all recordings again from their mel spectrograms, or from those given in ``mel.scp``.

    Writes ``wav/`` and ``rtf.json``.

    Args:
        vocoder: Makes them.
        recordings: What is made again.
        out: Folder to write into.
        batch_seconds: Audio made at a time.

    Raises:
        MalsoriError: A recording cannot be read or is longer than ``LONGEST``, or a file cannot be
            written.
    """
    rate, seconds = vocoder.audio.sample_rate, recordings.seconds
    longest = int(seconds.argmax())
    if seconds[longest] > LONGEST:
        raise MalsoriError(
            f"{recordings.path}: {recordings.key(longest)} has {seconds[longest]:.0f} s; cut "
            f"recordings to at most {LONGEST:g} s"
        )
    chosen = list(batches([round(s * rate) for s in seconds.tolist()], batch_seconds * rate))
    timer, length = Timer(vocoder.device), 0.0
    keys = {recordings.key(i) for i in range(len(recordings))}
    for indices in progress(chosen, len(chosen), f"vocode {recordings.path.name}"):
        wavs = [recordings.wav(i, rate) for i in indices]
        mels = [given_mel(recordings, i, vocoder.audio, len(wav)) for i, wav in zip(indices, wavs)]
        with timer:
            made = _made(vocoder, wavs, [mel for mel in mels if mel is not None])
        for i, wav in zip(indices, made, strict=True):
            audio.write(out / "wav" / f"{recordings.key(i)}.wav", wav, rate)
            length += len(wav) / rate
    remove_stale(out / "wav", keys)
    write_json(out / "rtf.json", speed_record(timer, length, len(keys)))
    log.info(
        "%s: %d recordings, %.1f s of audio in %.1f s (real-time factor %.3f)",
        *(out, len(keys), length, timer.seconds, timer.seconds / max(length, 1e-9)),
    )


def write_trained_vocoder(
    folder: Path,
    out: Path,
    checkpoint: str = "best",
    licences: Licences | None = None,
    with_training: bool = False,
) -> None:
    """Pack the vocoder of a run folder; see ``infer.pack.write_pack``."""
    read = read_run(folder, checkpoint, training=with_training)
    description = dict(read.description)
    if not with_training:
        description["task"] = {"name": description["task"]["name"]}
    meta = provenance(folder, checkpoint)
    write_vocoder(
        dataclasses.replace(read, description=description, meta=meta), out, licences, trusted=True
    )


def write_vocoder(
    read: VoiceFiles, out: Path, licences: Licences | None = None, trusted: bool = False
) -> None:
    """Pack a vocoder that comes in parts, such as an imported one.

    Args:
        read: The parts; the weight norm may still be there.
        out: Zip to write.
        licences: Of weights and data.
        trusted: As for ``infer.voice.assemble``.

    Raises:
        MalsoriError: The parts do not make a vocoder, or the file cannot be written.
    """
    model: Any = load_vocoder(read, trusted=trusted).model
    description = {key: read.description[key] for key in ("audio", "task", "model")}
    rights = licences or Licences()
    members = {
        "config.yaml": yaml.safe_dump(description, sort_keys=False, allow_unicode=True).encode(),
        "model.safetensors": _saved(model.state_dict()),
    }
    if read.training:
        members[TRAINING] = _saved(read.training)
    meta = {
        "format_version": FORMAT_VERSION,
        "malsori": VERSION,
        "task": description["task"]["name"],
        "model": description["model"]["name"],
        "purpose": PURPOSE,
        "sample_rate": description["audio"]["sample_rate"],
        "licences": {"code": "Apache-2.0", "data": rights.data, "weights": rights.weights},
        "training": dict(read.meta),
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in members.items()},
    }
    write_members(out, meta, members)


def try_vocoder(read: VoiceFiles, sentence: str | None, out: Path) -> str:
    """Let a vocoder make a second of a hummed tone again, and return what was done.

    Args:
        read: The parts of its pack.
        sentence: Refused: there is nothing to read it with.
        out: Wav file to write.

    Raises:
        MalsoriError: It makes silence or no numbers.
    """
    if sentence is not None:
        raise MalsoriError(f"--sentence: {read.origin} {PURPOSE}")
    vocoder = load_vocoder(read)
    rate = vocoder.audio.sample_rate
    time = np.arange(rate) / rate
    tone = np.sum([np.sin(2 * np.pi * 150 * k * time) / k for k in range(1, 20)], axis=0)
    (made,) = vocoder.copy([(0.1 * tone).astype(np.float32)])
    if not np.isfinite(made).all() or not abs(made).max() > 0:
        raise MalsoriError(f"{read.origin}: the packed vocoder is silent")
    audio.write(out, made, rate)
    return f"it made a second of a hummed tone again: {out}"


def _made(
    vocoder: MelVoice, wavs: list[NDArray[np.float32]], mels: list[NDArray[np.float32]]
) -> list[NDArray[np.float32]]:
    """Return waveforms from the given mels, cut to the recordings, or from the recordings' own."""
    if not mels:
        return vocoder.copy(wavs)
    return [made[: len(wav)] for made, wav in zip(vocoder.sound(mels), wavs, strict=True)]


def _saved(tensors: dict[str, Tensor]) -> bytes:
    from safetensors.torch import save

    return save({name: tensor.contiguous() for name, tensor in tensors.items()})
