"""Speaker encoders: what a recording tells of who speaks, as one vector.

Axes: S samples, W windows, T frames, M mel bands, E numbers of a vector.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from malsori.core.errors import ConfigError, MalsoriError
from malsori.core.extras import EXTRAS
from malsori.core.files import sha256
from malsori.core.registry import Entry
from malsori.dsp.audio import AudioError
from malsori.dsp.mel import mel_filters, power_spectrum
from malsori.dsp.silence import shorten_silences

SHORTEST = 0.4
"""Seconds of speech that a vector is made of at least: of pieces of sentences as short as this, 94
of 100 were nearest to the mean of their own of five speakers; of 0.3 s, 84."""
LONGEST_SILENCE = 0.3
"""Seconds that are left of a pause."""
WINDOWS = 64
"""Windows read at a time, so that an hour of speech takes no more memory than a minute."""


class SpeakerEncoder(Protocol):
    """Makes a vector of a recording: near to another of the same voice, far from others'."""

    sample_rate: int
    """Hz of the waveforms that it is given."""
    size: int
    """E."""

    def embed(self, wav: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a recording's vector, (E,), of length 1.

        Args:
            wav: (S,), at any level.

        Raises:
            AudioError: There is too little speech in it.
        """
        ...


class SpeakerNetwork(nn.Module):
    """Windows of a mel spectrogram to unit vectors, by a recurrent network's last state.

    Args:
        bands: M.
        width: Of the recurrent layers.
        size: E.
        layers: Recurrent layers.

    Source: Wan et al. 2018, "Generalized End-to-End Loss", arXiv:1710.10467, section 2.1; with
    the rectifier before the normalisation that the published weights were trained with.
    """

    def __init__(self, bands: int = 40, width: int = 256, size: int = 256, layers: int = 3) -> None:
        super().__init__()
        self.lstm = nn.LSTM(bands, width, layers, batch_first=True)
        self.linear = nn.Linear(width, size)

    def forward(self, mel: Tensor) -> Tensor:
        """Return a vector of length 1 for each window, (W, E).

        Args:
            mel: Mel power, (W, T, M); all windows are as long.
        """
        _, (states, _) = self.lstm(mel)
        return F.normalize(F.relu(self.linear(states[-1])))


@dataclass(frozen=True, kw_only=True)
class ResemblyzerConfig:
    """The encoder of the package resemblyzer has nothing to set: its weights fix everything."""


class Resemblyzer(nn.Module):
    """The weights that the package resemblyzer brings; of its code and needs nothing is used.

    The network reads mel *power*, so it hears the level: every recording is brought to the same.
    Pauses are cut short; what is shorter than a window is repeated until it fills one (with silence
    behind it, as in the package, 77 instead of 94 of 100 pieces of 0.4 s were nearest to their own
    speaker's mean); windows are spread evenly, so that none reaches beyond the end. For one whole
    window the vector is the package's (1e-7).

    Args:
        network: With its weights.

    Source: Jemine 2019, github.com/resemble-ai/Resemblyzer, 0.1.4, Apache-2.0.
    """

    sample_rate = 16000
    size = 256
    bands = 40
    window = 400
    hop = 160
    frames = 160
    """T: windows of 1.6 s."""
    step = 77
    """Frames between two windows, at most."""
    level_db = -20.0
    """Root mean square of the speech, dB of full scale: what most corpora have."""
    file = "pretrained.pt"
    hash = "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"
    """SHA-256 of the weights: vectors of others would not be comparable."""

    filters: Tensor
    hann: Tensor

    def __init__(self, network: SpeakerNetwork) -> None:
        super().__init__()
        self.network = network.eval().requires_grad_(False)
        filters = mel_filters(self.sample_rate, self.window, self.bands, 0.0, self.sample_rate / 2)
        self.register_buffer("filters", torch.from_numpy(filters.T.copy()), persistent=False)
        self.register_buffer("hann", torch.hann_window(self.window), persistent=False)

    @classmethod
    def load(cls, config: ResemblyzerConfig, device: str = "cpu") -> Resemblyzer:
        """Return the encoder with the weights of the installed package, which is not imported.

        Args:
            config: Nothing.
            device: Where it works.

        Raises:
            MalsoriError: The package is not there, or has other weights.
            ConfigError: There is no such device.
        """
        install = EXTRAS["speakers"].install
        found = importlib.util.find_spec("resemblyzer")
        if found is None or not found.submodule_search_locations:
            raise MalsoriError(
                "speaker encoder 'resemblyzer': the package resemblyzer, which has its weights, is "
                f"not installed: {install}"
            )
        path = Path(next(iter(found.submodule_search_locations))) / cls.file
        if not path.is_file() or sha256(path) != cls.hash:
            raise MalsoriError(f"{path}: not the weights of resemblyzer 0.1.4: {install}")
        weights = torch.load(path, map_location="cpu", weights_only=True)["model_state"]
        network = SpeakerNetwork(cls.bands)
        network.load_state_dict({name: weights[name] for name in network.state_dict()})
        try:
            return cls(network).to(torch.device(device))
        except (RuntimeError, AssertionError) as error:
            raise ConfigError(
                f"device: {device!r} cannot be used here: {str(error).splitlines()[0]}"
            ) from error

    def embed(self, wav: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a recording's vector, (256,), of length 1 and without negative numbers.

        Args:
            wav: (S,) at 16 kHz, at any level.

        Raises:
            AudioError: It is silent, or has less than ``SHORTEST`` seconds of speech.
        """
        speech = shorten_silences(wav, self.sample_rate, longest_seconds=LONGEST_SILENCE)
        seconds = len(speech) / self.sample_rate
        if seconds < SHORTEST:
            raise AudioError("", f"{seconds:.2f} s of speech; a vector needs {SHORTEST:g} s")
        windows = self._windows(torch.from_numpy(speech).to(self.filters.device))
        with torch.inference_mode():
            vectors = torch.cat([self.network(some) for some in windows.split(WINDOWS)])
        vector: NDArray[np.float32] = F.normalize(vectors.mean(0), dim=0).cpu().numpy()
        return vector

    def _windows(self, speech: Tensor) -> Tensor:
        """Return mel power of windows that begin every ``step`` frames or sooner, (W, T, M)."""
        level = speech.double().square().mean().sqrt().float()
        speech = speech * (10 ** (self.level_db / 20) / level)
        fewest = self.frames * self.hop
        if len(speech) < fewest:
            speech = speech.repeat(-(-fewest // len(speech)))[:fewest]
        padded = F.pad(speech[None], (self.window // 2, self.window // 2))
        mel = (power_spectrum(padded, self.window, self.hop, self.hann) @ self.filters)[0]
        last = len(speech) // self.hop - self.frames
        count = -(-last // self.step) + 1
        starts = np.linspace(0, last, count).round().astype(int)
        return torch.stack([mel[start : start + self.frames] for start in starts])


RESEMBLYZER = Entry(
    config=ResemblyzerConfig,
    build=Resemblyzer.load,
    summary="256 numbers by three recurrent layers, English and others; Apache-2.0",
    source="Wan et al. 2018, arXiv:1710.10467; Jemine 2019",
    extra="speakers",
)
