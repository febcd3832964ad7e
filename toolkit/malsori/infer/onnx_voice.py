"""A voice that ONNX Runtime speaks with; nothing here imports PyTorch.

Axes: N tokens, T frames, S = T · hop samples, H harmonics. Graphs take batches; here every
utterance is spoken alone, which costs a CPU no more and needs no masks.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from malsori.core.config import from_dict
from malsori.core.errors import ConfigError, MalsoriError
from malsori.core.extras import EXTRAS
from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.noise import normal
from malsori.dsp.windowing import Window, frame_windows
from malsori.infer.reading import ReadingVoice
from malsori.packs.format import OnnxFiles, read_onnx
from malsori.packs.settings import value_of
from malsori.text.tokenizer import Tokenizer, TokenizerConfig
from malsori.text.tokens import TokenList

Named = dict[str, NDArray[Any]]

PART_CONTEXTS = 2
"""A thread makes at least so many times as many frames as are read on one side of them."""


class Graph:
    """A graph that ONNX Runtime runs, fed by the names of its inputs.

    Args:
        content: ONNX file; it may not name other files.
        origin: Named in errors.
        threads: Of the processor; 0 for as many as it has cores.

    Raises:
        MalsoriError: ONNX Runtime is not installed, or refuses the graph.
    """

    def __init__(self, content: bytes, origin: str, threads: int = 0) -> None:
        runtime = _runtime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3  # errors
        # threads that wait for each other take no processor from those that work, here or elsewhere
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        with tempfile.TemporaryDirectory() as nothing:  # where other files would be looked for
            options.add_session_config_entry(
                "session.model_external_initializers_file_folder_path", nothing
            )
            try:
                self.session = runtime.InferenceSession(
                    content, options, providers=["CPUExecutionProvider"]
                )
            except Exception as error:  # its errors have no common class
                raise MalsoriError(f"{origin}: not a graph: {_told(error)}") from error
        self.origin = origin
        self.inputs = [each.name for each in self.session.get_inputs()]
        self.outputs = [each.name for each in self.session.get_outputs()]

    def __call__(self, given: Mapping[str, NDArray[Any]]) -> Named:
        """Return what the graph makes of ``given``, which may hold more than it reads.

        Raises:
            MalsoriError: Something is missing, or the graph fails.
        """
        missing = [name for name in self.inputs if name not in given]
        if missing:
            raise MalsoriError(f"{self.origin}: asks for {missing[0]!r}, which nothing makes")
        try:
            made = self.session.run(None, {name: given[name] for name in self.inputs})
        except Exception as error:  # its errors have no common class
            raise MalsoriError(f"{self.origin}: {_told(error)}") from error
        return dict(zip(self.outputs, made, strict=True))

    def size(self, name: str) -> int:
        """Return the last axis of an input; 0 if there is no such input or it may have any size."""
        shapes = [each.shape for each in self.session.get_inputs() if each.name == name]
        return shapes[0][-1] if shapes and isinstance(shapes[0][-1], int) else 0


@dataclass(frozen=True, kw_only=True)
class OnnxVoice(ReadingVoice):
    """The graphs of a voice, and what it reads text with."""

    graphs: Mapping[str, Graph]
    """``acoustic``, ``latent`` for a voice that draws, and ``generator``, in this order."""
    context: int
    """Frames on either side that a frame's samples hang on."""
    noise_seed: int
    """Of what is drawn."""
    threads: int
    """Of the processor, that make the parts of a waveform."""

    @property
    def speaks(self) -> bool:
        """Whether it makes waveforms: always."""
        return True

    @property
    def is_provisional(self) -> bool:
        """Whether Griffin-Lim speaks: never."""
        return False

    def changes(self, control: str) -> bool:
        """Return whether the voice can be told a control, by its name in ``Controls``."""
        return any(control in graph.inputs for graph in self.graphs.values())

    def plan(self, ids: list[int], given: Named) -> Named:
        """Return durations, (1, N), and all that the generator reads of an utterance.

        Args:
            ids: Of its tokens.
            given: Controls, (1, N) each, and who speaks.
        """
        count = len(ids)
        known: Named = {
            **given,
            "tokens": np.array([ids], dtype=np.int64),
            "token_lengths": np.array([count], dtype=np.int64),
            "duration_noise": normal(2 * count, self.noise_seed).reshape(1, count, 2),
        }
        for name, graph in self.graphs.items():
            if name == "generator":
                break
            if "noise" in graph.inputs:
                shape = known["mean"].shape
                known["noise"] = normal(int(np.prod(shape)), self.noise_seed).reshape(shape)
            known |= graph(known)
        return known

    def sound(self, plan: Named, start: int, end: int) -> NDArray[np.float32]:
        """Return the samples of frames ``start`` to ``end`` of a plan, (S,), made of these alone.

        What the decoder's last block finds in all frames is beside them in the plan, if it is late.

        Those near the ends are as in the whole where ``context`` frames more are given than are
        wanted; ``dsp/windowing.py`` does that. Every thread makes a part of them from its first
        layer to its last: threads that shared each layer would wait for each other behind it.
        """
        frames, hop = end - start, self.audio.hop
        parts = max(1, min(self.threads, frames // max(1, PART_CONTEXTS * self.context)))

        def part(window: Window) -> NDArray[np.float32]:
            wav = self._samples(plan, start + window.start, start + window.end)
            return wav[(window.first - window.start) * hop : (window.last - window.start) * hop]

        windows = frame_windows(frames, self.context, repeat(-(-frames // parts)))
        if parts == 1:
            return part(*windows)
        with ThreadPoolExecutor(parts) as pool:
            return np.concatenate(list(pool.map(part, windows)))

    def _samples(self, plan: Named, start: int, end: int) -> NDArray[np.float32]:
        """Return the samples of frames ``start`` to ``end`` of a plan, on one thread."""
        hop, given = self.audio.hop, {**plan, "frames": plan["frames"][:, start:end]}
        if "source" in plan:
            given["source"] = plan["source"][..., start * hop : end * hop]
        wav: NDArray[np.float32] = self.graphs["generator"](given)["wav"][0]
        return wav


def open_onnx(path: Path, threads: int | None = None) -> OnnxVoice:
    """Return the voice in a file of ``malsori export --to onnx``.

    Args:
        path: ``voice.onnx.zip``.
        threads: Of the processor; by default OMP_NUM_THREADS, or as many as it has cores.

    Raises:
        MalsoriError: It is no such file, or damaged, or ONNX Runtime is not installed.
    """
    _runtime()  # before anything long is read
    return assemble(read_onnx(path), threads)


def assemble(read: OnnxFiles, threads: int | None = None) -> OnnxVoice:
    """Return the voice of what was read; see ``open_onnx``."""
    if threads is None:
        told = os.environ.get("OMP_NUM_THREADS", "")
        threads = int(told) if told.isdecimal() else 0
    graphs = {
        name: Graph(content, f"{read.origin}: {name}.onnx", 1 if name == "generator" else threads)
        for name, content in read.graphs.items()
    }
    for name, made in (("acoustic", "durations"), ("generator", "wav")):
        if made not in graphs[name].outputs:
            raise MalsoriError(f"{graphs[name].origin}: makes no {made!r}; damaged")
    try:
        audio = from_dict(AudioConfig, read.description["audio"], "audio")
        settings = from_dict(TokenizerConfig, read.description["tokenizer"], "tokenizer")
    except ConfigError as error:
        raise ConfigError(f"{read.origin}: {error}") from error
    with tempfile.TemporaryDirectory() as folder:
        for name, content in read.files.items():
            (Path(folder) / name).write_bytes(content)
        tokenizer = Tokenizer(settings, Path(folder))
        tokens = TokenList.load(Path(folder) / "tokens.txt")
    context, seed = (value_of(read.meta, name, Path(read.origin)) for name in ("context", "seed"))
    if not all(isinstance(number, int) and 0 <= number < 1 << 32 for number in (context, seed)):
        raise MalsoriError(f"{read.origin}: meta.yaml: context and seed are no numbers; damaged")
    return OnnxVoice(
        tokenizer=tokenizer,
        tokens=tokens,
        audio=audio,
        statistics=read.statistics,
        speakers=tuple(read.description["speakers"]),
        languages=tuple(read.description["languages"]),
        origin=read.origin,
        embedding_size=graphs["acoustic"].size("embedding"),
        speaker_encoder=read.description.get("speaker_encoder"),
        graphs=graphs,
        context=context,
        noise_seed=seed,
        threads=threads or _cores(),
    )


def _cores() -> int:
    """Return the processor's cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _runtime() -> Any:
    """Return ONNX Runtime's module.

    Raises:
        MalsoriError: It is not installed.
    """
    try:
        import onnxruntime  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except ImportError:
        raise MalsoriError(f"ONNX Runtime is not installed: {EXTRAS['onnx'].install}") from None
    return onnxruntime


def _told(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
