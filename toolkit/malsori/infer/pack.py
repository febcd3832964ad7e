"""Packed voices: written from run folders or from parts, opened to speak.

How one is read: packs/format.py.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from malsori.core.config import read_tree, to_dict
from malsori.core.errors import MalsoriError
from malsori.core.files import read_json
from malsori.core.log import get_logger
from malsori.core.version import VERSION
from malsori.infer.licences import Licences
from malsori.infer.synthesizer import SILENT, Synthesizer
from malsori.infer.vocoder import (
    MelVoice,
    load_vocoder,
    try_vocoder,
    voice_through,
    write_trained_vocoder,
)
from malsori.infer.voice import Voice, assemble, load_run, refuse_foreign_model
from malsori.models.composed import ComposedModel
from malsori.packs.format import FORMAT_VERSION, TEXT_FILES, TRAINING, VoiceFiles, read_pack
from malsori.packs.run_folder import provenance, read_run, trained_on, training_weights
from malsori.packs.settings import refuse_foreign_code, value_of
from malsori.packs.writer import write_members
from malsori.text.frontend import TextError

log = get_logger(__name__)

SENTENCES = {"ko": "안녕하세요. 만나서 반갑습니다.", "en": "Hello. Nice to meet you."}
"""What a fresh pack is made to say, by the language of its front end."""
SPOKEN_TOKENS = 16
"""What it is made to say where it cannot read that: so many tokens of its list."""


def write_pack(
    folder: Path,
    out: Path,
    checkpoint: str = "best",
    licences: Licences | None = None,
    with_training: bool = False,
) -> None:
    """Pack the voice of a run folder.

    Args:
        folder: ``exp/NAME``.
        out: Zip to write.
        checkpoint: best, last, average, step-N.
        licences: Of weights and data.
        with_training: Add the discriminator, so that others can go on training.

    Raises:
        MalsoriError: Nothing was trained there, or a file cannot be written.
    """
    from safetensors.torch import save

    path = folder / "config.yaml"
    if path.exists():  # of a folder that is no run, load_run says more
        read = read_tree(path)
        refuse_foreign_code(folder, value_of(read, "model", path))
        refuse_foreign_model(value_of(value_of(read, "model", path), "name", path), str(folder))
        if trained_on(read, path) == "recordings":
            write_trained_vocoder(folder, out, checkpoint, licences, with_training)
            return
    voice = load_run(folder, checkpoint)
    refuse_foreign_code(folder, voice.speaker_encoder)
    model = voice.network
    tree, names = read_tree(folder / "config.yaml"), read_json(folder / "names.json")
    task = value_of(tree.get("task"), "name", folder / "config.yaml")
    config = {
        "audio": to_dict(voice.audio),
        "task": tree["task"] if with_training else {"name": task},
        "model": tree["model"],
        "tokenizer": to_dict(voice.tokenizer.config),
        **names,
    }
    members = {
        "config.yaml": yaml.safe_dump(config, sort_keys=False, allow_unicode=True).encode(),
        "stats.json": (folder / "stats.json").read_bytes(),
        "model.safetensors": save({n: t.contiguous() for n, t in model.state_dict().items()}),
    }
    for name in TEXT_FILES:
        if (folder / name).exists():
            members[name] = (folder / name).read_bytes()
    if with_training:
        members[TRAINING] = save(training_weights(folder, checkpoint))
    meta = _meta(voice, tree, folder, checkpoint, licences or Licences(), members)
    write_members(out, meta, members)


def write_voice(read: VoiceFiles, out: Path, licences: Licences | None = None) -> None:
    """Pack a voice that comes in parts, such as an imported one.

    Args:
        read: The parts; the weight norm may still be there.
        out: Zip to write.
        licences: Of weights and data.

    Raises:
        MalsoriError: The parts do not make a voice, or the file cannot be written.
    """
    from safetensors.torch import save

    voice = assembled(read)
    model = voice.network
    statistics = json.dumps(dataclasses.asdict(read.statistics), ensure_ascii=False, indent=2)
    members = {
        "config.yaml": yaml.safe_dump(
            read.description, sort_keys=False, allow_unicode=True
        ).encode(),
        "stats.json": f"{statistics}\n".encode(),
        "model.safetensors": save({n: t.contiguous() for n, t in model.state_dict().items()}),
        **read.files,
    }
    if read.training:
        members[TRAINING] = save({n: t.contiguous() for n, t in read.training.items()})
    rights = licences or Licences()
    meta = {
        "format_version": FORMAT_VERSION,
        "malsori": VERSION,
        "task": read.description["task"]["name"],
        "model": read.description["model"]["name"],
        "language": voice.tokenizer.language,
        "sample_rate": voice.audio.sample_rate,
        "speakers": list(voice.speakers),
        **({"languages": list(voice.languages)} if len(voice.languages) > 1 else {}),
        **({"speaker_encoder": voice.speaker_encoder} if voice.speaker_encoder else {}),
        "licences": {"code": "Apache-2.0", "data": rights.data, "weights": rights.weights},
        "training": dict(read.meta),
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in members.items()},
    }
    write_members(out, meta, members)


def load_pack(path: Path, device: str = "cpu") -> Voice:
    """Return the voice of a pack.

    Raises:
        MalsoriError: It is no pack, damaged, or holds what a pack may not hold.
    """
    return assembled(read_pack(path), device)


def open_voice(path: str | Path, device: str = "cpu", checkpoint: str = "best") -> Voice:
    """Return the voice of a pack or a run folder.

    Args:
        path: ``voice.malsori.zip``, ``exp/NAME``, or a Hugging Face repository id if the package
            huggingface_hub is there.
        device: Where it works.
        checkpoint: Of a run folder: best, last, average, step-N.

    Raises:
        MalsoriError: There is no such voice, or it is damaged.
    """
    found = Path(path)
    if found.is_dir():
        return load_run(found, checkpoint, device)
    return load_pack(found if found.exists() else download(str(path)), device)


def open_run(folder: Path, checkpoint: str = "best", device: str = "cpu") -> Voice | MelVoice:
    """Return what is in a run folder: a voice that reads text, or a vocoder.

    Raises:
        MalsoriError: Nothing was trained there, or a file is missing or damaged.
    """
    read = read_run(folder, checkpoint)
    if not read.reads_text:
        return load_vocoder(read, device, trusted=True)
    return assemble(read.description, read.weights, read.statistics, folder, read.origin, device)


def open_model(path: str | Path, device: str = "cpu", checkpoint: str = "best") -> Voice | MelVoice:
    """Return what is in a pack or a run folder: a voice that reads text, or a vocoder.

    Args:
        path: As for ``open_voice``.
        device: Where it works.
        checkpoint: Of a run folder.

    Raises:
        MalsoriError: There is no such model, or it is damaged.
    """
    found = Path(path)
    if found.is_dir():
        return open_run(found, checkpoint, device)
    read = read_pack(found if found.exists() else download(str(path)))
    return assembled(read, device) if read.reads_text else load_vocoder(read, device)


def with_vocoder(
    voice: Voice, path: str | Path, checkpoint: str = "best", device: str = "cpu"
) -> Voice:
    """Return a voice that speaks through a vocoder, in place of Griffin-Lim.

    Args:
        voice: Its model makes mels.
        path: Of the vocoder: a pack, a run folder or a repository id, as for ``open_voice``.
        checkpoint: Of a run folder.
        device: Where the vocoder works.

    Raises:
        MalsoriError: The voice makes waveforms itself, there is no vocoder at ``path``, or its
            audio settings are others.
    """
    if not isinstance(voice.model, ComposedModel):
        raise MalsoriError(
            f"{voice.origin}: makes waveforms itself; leave the vocoder ({path}) out"
        )
    vocoder = open_model(path, device, checkpoint)
    if not isinstance(vocoder, MelVoice):
        raise MalsoriError(f"{vocoder.origin}: no vocoder, but a voice that reads text")
    return voice_through(voice, vocoder)


def assembled(read: VoiceFiles, device: str = "cpu") -> Voice:
    """Return the voice that a pack's parts make; nothing of them is trusted.

    Raises:
        MalsoriError: They make none.
    """
    with tempfile.TemporaryDirectory() as folder:
        for name, content in read.files.items():
            (Path(folder) / name).write_bytes(content)
        return assemble(
            read.description,
            read.weights,
            read.statistics,
            Path(folder),
            read.origin,
            device,
            trusted=False,
        )


def try_pack(path: Path, sentence: str | None, out: Path) -> str:
    """Open a pack in an empty folder, let it do what it is for, and return what that was.

    Args:
        path: The pack.
        sentence: What to say; one of ``SENTENCES`` by default.
        out: Wav file to write, if it speaks.

    Raises:
        MalsoriError: The pack does not work.
    """
    read = read_pack(path)
    if not read.reads_text:
        return try_vocoder(read, sentence, out)
    if assembled(read).speaks:
        return f"it said {speak_from_pack(path, sentence, out)!r}: {out}"
    if sentence is not None:
        raise MalsoriError(f"--sentence: {path} {SILENT}")
    return f"it {SILENT}"


def speak_from_pack(
    path: Path, sentence: str | None, out: Path, tokens_will_do: bool = False
) -> str:
    """Open a pack in an empty folder, speak one sentence with it into ``out``, return the sentence.

    Args:
        path: The pack.
        sentence: What to say; one of ``SENTENCES`` by default.
        out: Wav file to write.
        tokens_will_do: Where no sentence is given and the voice cannot read ours, speak the first
            tokens of its list instead.

    Raises:
        MalsoriError: The pack does not speak.
    """
    from malsori.dsp import audio

    voice = load_pack(path)
    speaker = Synthesizer(voice)
    embedding = np.ones(voice.embedding_size) if voice.embedding_size else None
    reader = voice.tokenizer.reader(voice.language)
    text = sentence or SENTENCES.get(reader.language, SENTENCES["en"])
    try:
        spoken = speaker(text, embedding=embedding)
    except TextError as error:
        if sentence is not None or not tokens_will_do:
            raise
        if voice.tokenizer.config.missing is None:
            log.warning("%s: cannot read %r: %s", path, text, error)
        tokens = [s for s in voice.tokens.symbols if not (s[0] == "<" and s[-1] == ">")]
        text = " ".join(tokens[:SPOKEN_TOKENS])
        spoken = speaker.speak_tokens(tokens[:SPOKEN_TOKENS], embedding=embedding)
    if not spoken.seconds or not abs(spoken.audio).max() > 0:
        raise MalsoriError(f"{path}: the packed voice is silent")
    audio.write(out, spoken.audio, spoken.sample_rate)
    return text


def download(name: str) -> Path:
    """Return the pack of a Hugging Face repository, fetched by huggingface_hub if it is there.

    Raises:
        MalsoriError: No such file, and it cannot be fetched.
    """
    if name.count("/") != 1 or name.endswith(".zip") or name.startswith((".", "/")):
        raise MalsoriError(f"{name}: no such file")
    try:
        from huggingface_hub import hf_hub_download  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise MalsoriError(
            f"{name}: no such file; to fetch voices by repository id: pip install huggingface_hub"
        ) from None
    try:
        return Path(hf_hub_download(name, "voice.malsori.zip"))
    except Exception as error:  # its errors have no common class
        raise MalsoriError(f"{name}: cannot be fetched: {error}") from error


def _meta(
    voice: Voice,
    tree: Mapping[str, Any],
    folder: Path,
    checkpoint: str,
    licences: Licences,
    members: Mapping[str, bytes],
) -> dict[str, Any]:
    return {
        "format_version": FORMAT_VERSION,
        "malsori": VERSION,
        "task": value_of(tree["task"], "name", folder / "config.yaml"),
        "model": value_of(tree["model"], "name", folder / "config.yaml"),
        "language": voice.tokenizer.language,
        "sample_rate": voice.audio.sample_rate,
        "speakers": list(voice.speakers),
        **({"languages": list(voice.languages)} if len(voice.languages) > 1 else {}),
        **({"speaker_encoder": voice.speaker_encoder} if voice.speaker_encoder else {}),
        **({} if voice.speaks else {"purpose": SILENT}),
        "licences": {"code": "Apache-2.0", "data": licences.data, "weights": licences.weights},
        "training": provenance(folder, checkpoint),
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in members.items()},
    }
