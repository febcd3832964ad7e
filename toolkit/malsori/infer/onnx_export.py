"""Voices for ONNX Runtime: written from packs and runs, and compared with what they come from.

How one is read: packs/format.py; how it speaks: infer/onnx_voice.py.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from malsori.core.config import to_dict
from malsori.core.errors import MalsoriError
from malsori.core.extras import EXTRAS, missing
from malsori.core.log import progress
from malsori.core.version import VERSION
from malsori.infer.licences import Licences
from malsori.infer.onnx_graphs import OPSET, ExportError, Graph, graphs, in_whole_numbers
from malsori.infer.onnx_voice import Named, OnnxVoice, assemble
from malsori.infer.pack import assembled, with_vocoder
from malsori.infer.synthesizer import SILENT
from malsori.infer.voice import WORDLESS, Voice
from malsori.models.controls import Controls
from malsori.models.voice import Conditions
from malsori.packs.format import FORMAT_VERSION, ONNX, OnnxFiles, VoiceFiles, read_onnx
from malsori.packs.settings import refuse_foreign_code
from malsori.packs.writer import write_members

LIKE = 1e-2
"""Largest difference from PyTorch's samples that is taken for rounding; full scale is 1. It is
1e-5 or less; where harmonics are sung, their phases add up what is rounded of the pitch."""
COMPARED_TOKENS = 16


def write_onnx(
    read: VoiceFiles, out: Path, vocoder: Path | None = None, int8: bool = False
) -> float:
    """Write a voice for ONNX Runtime, and return how far it is from PyTorch at most.

    Args:
        read: A pack or the voice of a run folder.
        out: Zip to write.
        vocoder: Pack or run folder of what makes the mels of ``read`` audible.
        int8: Calculate with whole numbers, which is faster and less exact; what is returned is then
            told of the graphs before that.

    Raises:
        ExportError: The voice does not speak or cannot be exported, or packages are missing.
        MalsoriError: The vocoder does not fit, or the file cannot be written.
    """
    absent = missing(EXTRAS["onnx"])
    if absent:
        raise ExportError(f"{', '.join(absent)} is not installed: {EXTRAS['onnx'].install}")
    refuse_foreign_code(Path(read.origin), read.description["model"])
    voice = _speaking(read, vocoder)
    made: dict[str, bytes] = {}
    try:
        for graph in _shown(voice, int8):
            made[graph.name] = graph.to_onnx()
    except ExportError as error:
        raise ExportError(f"{read.origin}: {error}") from error
    exported = OnnxFiles(
        origin=str(out),
        description={
            "audio": to_dict(voice.audio),
            **{key: read.description[key] for key in ("task", "model") if key in read.description},
            "tokenizer": to_dict(voice.tokenizer.config),
            "speakers": list(voice.speakers),
            "languages": list(voice.languages),
            **({"speaker_encoder": voice.speaker_encoder} if voice.speaker_encoder else {}),
        },
        graphs=made,
        statistics=voice.statistics,
        files=read.files,
        meta=_meta(read, voice),
    )
    apart = _compared(voice, assemble(exported))
    if int8:
        smaller = {name: in_whole_numbers(content) for name, content in made.items()}
        meta = {**exported.meta, "int8": True}
        exported = dataclasses.replace(exported, graphs=smaller, meta=meta)
    _write(exported, out)
    return apart


def _meta(read: VoiceFiles, voice: Voice) -> dict[str, Any]:
    """Return what is told of the voice, but the hashes."""
    model: Any = voice.model
    config = vars(vars(model).get("config", model))
    return {
        "format_version": FORMAT_VERSION,
        "format": ONNX,
        "opset": OPSET,
        "malsori": VERSION,
        "model": read.description["model"]["name"],
        "language": voice.tokenizer.language,
        "sample_rate": voice.audio.sample_rate,
        "speakers": list(voice.speakers),
        **({"languages": list(voice.languages)} if len(voice.languages) > 1 else {}),
        **({"speaker_encoder": voice.speaker_encoder} if voice.speaker_encoder else {}),
        "context": model.context,
        "seed": int(config.get("noise_seed", 0)),
        "licences": read.meta.get("licences")
        or {"code": "Apache-2.0", **dataclasses.asdict(Licences())},
        "training": read.meta.get("training", {}),
    }


def _write(exported: OnnxFiles, out: Path) -> None:
    """Write the zip, and read it once as everybody else will."""
    config = yaml.safe_dump(exported.description, sort_keys=False, allow_unicode=True)
    statistics = json.dumps(dataclasses.asdict(exported.statistics), ensure_ascii=False, indent=2)
    members = {
        "config.yaml": config.encode(),
        "stats.json": f"{statistics}\n".encode(),
        **exported.files,
        **{f"{name}.onnx": content for name, content in exported.graphs.items()},
    }
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in members.items()}
    write_members(out, {**exported.meta, "sha256": hashes}, members)
    read_onnx(out)


def _speaking(read: VoiceFiles, vocoder: Path | None) -> Voice:
    """Return the voice, with what makes it audible."""
    if not read.reads_text:
        raise ExportError(f"{read.origin}: {WORDLESS}; export a voice with it (--vocoder)")
    voice = assembled(read)
    if not voice.speaks:
        raise ExportError(f"{read.origin}: {SILENT}")
    if vocoder is not None:
        voice = with_vocoder(voice, vocoder)
    if voice.is_provisional:
        raise ExportError(
            f"{read.origin}: makes mels, and Griffin-Lim cannot be exported to ONNX; give what "
            "makes them audible (--vocoder)"
        )
    return voice


def _shown(voice: Voice, matrices: bool) -> Iterator[Graph]:
    model: Any = voice.model
    return progress(graphs(model, matrices), 3, f"export {Path(voice.origin).name}")


@torch.inference_mode()
def _compared(voice: Voice, exported: OnnxVoice) -> float:
    """Return the largest difference between what both say of the same tokens.

    Raises:
        MalsoriError: It is more than rounding.
    """
    ids = [i % len(voice.tokens) for i in range(2, 2 + COMPARED_TOKENS)]
    vector = np.ones((1, voice.embedding_size), dtype=np.float32)
    first = np.zeros(1, dtype=np.int64)
    given: Named = {"speaker": first, "language": first}
    if voice.embedding_size:
        given["embedding"] = vector
    for name, usual in vars(Controls()).items():
        given[name] = np.full((1, len(ids)), usual, np.float32)
    plan = exported.plan(ids, given)
    made = exported.sound(plan, 0, plan["frames"].shape[1])
    conditions = Conditions(
        speaker=torch.zeros(1, dtype=torch.long),
        language=torch.zeros(1, dtype=torch.long),
        embedding=torch.from_numpy(vector) if voice.embedding_size else None,
    )
    speech = voice.model.synthesize(torch.tensor([ids]), torch.tensor([len(ids)]), conditions)
    wanted = speech.wav[0].numpy()
    apart = float(abs(made - wanted).max()) if len(made) == len(wanted) else float("inf")
    if not apart <= LIKE:
        raise MalsoriError(f"{exported.origin}: speaks otherwise than PyTorch does, by {apart:.1e}")
    return apart
