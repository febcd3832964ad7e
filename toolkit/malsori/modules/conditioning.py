"""What an utterance is spoken with: speaker, language, style.

Axes: B utterances, T frames, M mel bands, D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from malsori.core.errors import ConfigError
from malsori.core.ranges import COUNT, SIZE, within
from malsori.modules.lengths import valid_positions


@dataclass(frozen=True, kw_only=True)
class StyleConfig:
    """Global style tokens; off by default."""

    tokens: int = 0
    """Number of style tokens; 0 turns style off."""
    heads: int = 4
    """Attention heads over the tokens; must divide the model's width."""
    channels: tuple[int, ...] = (32, 32, 64, 64, 128, 128)
    """Channels of the reference encoder's convolutions, each of which halves time and bands."""
    gru_units: int = 128
    """Width of the reference encoder's recurrent layer."""
    norm: Literal["layer", "batch"] = "layer"
    """After each convolution: layer looks at one recording alone, batch (the paper's, ESPnet's) at
    all of the batch, padding included."""

    def __post_init__(self) -> None:
        within(self, "[0, 65536]", "tokens")
        within(self, COUNT, "heads")
        within(self, SIZE, "channels", "gru_units")


@dataclass(frozen=True, kw_only=True)
class SpeakerEmbeddingConfig:
    """Vectors that another model found for a speaker (x-vectors); off by default."""

    size: int = 0
    """Numbers of a vector; 0 for none."""
    join: Literal["add", "concat"] = "add"
    """add: a linear layer's image of the vector is added to every token; concat: a linear layer
    reads token and vector side by side."""

    def __post_init__(self) -> None:
        within(self, "[0, 65536]", "size")


class Told(NamedTuple):
    """What an utterance is spoken with, as vectors."""

    added: Tensor | None
    """Sum of what is added to every token, (B, D), or (1, D) for all; None for nothing."""
    beside: Tensor | None
    """Unit speaker vector that is read beside every token, (B, E) or (1, E); None for none."""


class Conditioning(nn.Module):
    """Tell encoded tokens the speaker, the language, an external speaker vector and a style.

    Args:
        width: D.
        speakers: Known speakers; an embedding is made for more than one.
        languages: Known languages; likewise.
        embedding: External speaker vectors; None for none.
        style: Global style tokens.
        mel_bands: M, read by the style encoder.
        masked: Keep padding out of the style encoder.
    """

    def __init__(
        self,
        width: int,
        *,
        speakers: int = 1,
        languages: int = 1,
        embedding: SpeakerEmbeddingConfig | None = None,
        style: StyleConfig | None = None,
        mel_bands: int = 80,
        masked: bool = True,
    ) -> None:
        super().__init__()
        embedding = embedding or SpeakerEmbeddingConfig()
        self.joined = embedding.join
        self.speaker = nn.Embedding(speakers, width) if speakers > 1 else None
        self.language = nn.Embedding(languages, width) if languages > 1 else None
        inputs = embedding.size + (width if embedding.join == "concat" else 0)
        self.embedding = nn.Linear(inputs, width) if embedding.size else None
        self.style = (
            StyleTokens(style, width, mel_bands, masked) if style and style.tokens else None
        )

    @property
    def present(self) -> bool:
        """Whether there is anything to tell."""
        parts = (self.style, self.speaker, self.language, self.embedding)
        return any(part is not None for part in parts)

    def forward(
        self,
        hidden: Tensor,
        *,
        speaker: Tensor | None = None,
        language: Tensor | None = None,
        embedding: Tensor | None = None,
        mel: Tensor | None = None,
        mel_lengths: Tensor | None = None,
    ) -> Tensor:
        """Return the encoded tokens with all that conditions them, (B, N, D).

        Args:
            hidden: Encoder output, (B, N, D).
            speaker: As for ``read``; so is what follows.
            language: Index of the language.
            embedding: External speaker vector.
            mel: Reference recording.
            mel_lengths: Its length.
        """
        told = self.read(
            speaker=speaker,
            language=language,
            embedding=embedding,
            mel=mel,
            mel_lengths=mel_lengths,
        )
        return self.tell(hidden, told)

    def read(
        self,
        *,
        speaker: Tensor | None = None,
        language: Tensor | None = None,
        embedding: Tensor | None = None,
        mel: Tensor | None = None,
        mel_lengths: Tensor | None = None,
    ) -> Told:
        """Return the vectors of what is given.

        Args:
            speaker: Index of the speaker, (B,).
            language: Index of the language, (B,).
            embedding: External speaker vector, (B, E) or (1, E) for all.
            mel: Normalised mel of a reference recording, (B, T, M) or (1, T, M) for all. Without
                one the style tokens are weighted evenly.
            mel_lengths: (B,) or (1,).

        Raises:
            ConfigError: The model was trained with a condition that is not given.
        """
        parts: list[Tensor] = []
        beside = None
        if self.style is not None:
            known = mel is not None and mel_lengths is not None
            parts.append(self.style(mel, mel_lengths) if known else self.style.neutral()[None])
        if self.speaker is not None:
            parts.append(self.speaker(_given(speaker, "speaker")))
        if self.language is not None:
            parts.append(self.language(_given(language, "language")))
        if self.embedding is not None:
            unit = F.normalize(_given(embedding, "speaker embedding"))
            if self.joined == "add":
                parts.append(self.embedding(unit))
            else:
                beside = unit
        return Told(_sum(parts), beside)

    def tell(self, hidden: Tensor, told: Told) -> Tensor:
        """Return encoded tokens, (B, N, D), that know what ``read`` returned."""
        if told.added is not None:
            hidden = hidden + told.added[:, None]
        if told.beside is not None and self.embedding is not None:
            beside = told.beside[:, None].expand(*hidden.shape[:2], -1)
            hidden = self.embedding(torch.cat([hidden, beside], dim=2))
        return hidden

    def summary(self, told: Told) -> Tensor | None:
        """Return what ``read`` returned as one sum, (B, D) or (1, D); None for nothing.

        Of a speaker vector that is read beside the tokens it is the share that the layer makes of
        the vector alone.
        """
        parts = [] if told.added is None else [told.added]
        if told.beside is not None and self.embedding is not None:
            weight = self.embedding.weight[:, -told.beside.shape[1] :]
            parts.append(F.linear(told.beside, weight))
        return _sum(parts)


class StyleTokens(nn.Module):
    """Attend from a recording's summary to a bank of learnt styles.

    Args:
        config: Sizes.
        width: D.
        mel_bands: M.
        masked: Keep what lies behind a recording's end out; False reads it, as ESPnet does.

    Source: Wang et al. 2018, "Style Tokens", arXiv:1803.09017, section 3.
    """

    def __init__(
        self, config: StyleConfig, width: int, mel_bands: int, masked: bool = True
    ) -> None:
        super().__init__()
        self.masked = masked
        if width % config.heads:
            raise ConfigError(f"style.heads: {config.heads} does not divide the width {width}")
        self.convs = nn.ModuleList()
        before = 1
        for channels in config.channels:
            self.convs.append(nn.Conv2d(before, channels, 3, 2, 1, bias=False))
            mel_bands = (mel_bands + 1) // 2
            before = channels
        self.norms = nn.ModuleList(
            nn.GroupNorm(1, channels) if config.norm == "layer" else nn.BatchNorm2d(channels)
            for channels in config.channels
        )
        self.gru = nn.GRU(before * mel_bands, config.gru_units, batch_first=True)
        self.tokens = nn.Parameter(torch.randn(config.tokens, width // config.heads))
        self.query = nn.Linear(config.gru_units, width)
        self.key = nn.Linear(width // config.heads, width)
        self.value = nn.Linear(width // config.heads, width)
        self.out = nn.Linear(width, width)
        self.heads = config.heads

    def forward(self, mel: Tensor, mel_lengths: Tensor) -> Tensor:
        """Return a style vector per utterance, (B, D), for ``mel`` of (B, T, M)."""
        x, lengths = mel[:, None], mel_lengths  # (B, 1, T, M)
        if not self.masked:
            lengths = torch.full_like(lengths, x.shape[2])
        for conv, norm in zip(self.convs, self.norms, strict=True):
            valid = valid_positions(lengths, x.shape[2])[:, None, :, None]
            x = conv(x * valid)
            lengths = (lengths + 1) // 2
            batched = isinstance(norm, nn.BatchNorm2d)
            x = F.relu(norm(x) if batched else _norm_valid(norm, x, lengths))
        sequence = x.transpose(1, 2).flatten(2)  # (B, C, T', M') -> (B, T', C · M')
        states, _ = self.gru(sequence)
        return self._attend(states[torch.arange(len(states), device=states.device), lengths - 1])

    def _attend(self, summary: Tensor) -> Tensor:
        """Return the mixture of style tokens, (B, D), that summaries, (B, G), ask for."""
        bank = torch.tanh(self.tokens)
        query = self.query(summary).unflatten(1, (self.heads, 1, -1))  # (B, H, 1, D/H)
        key, value = (
            part(bank).unflatten(1, (self.heads, -1)).transpose(0, 1)[None]
            for part in (self.key, self.value)
        )
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.out(mixed.flatten(1))  # type: ignore[no-any-return]

    def neutral(self) -> Tensor:
        """Return the style that weights every token alike, (D,)."""
        return self.out(self.value(torch.tanh(self.tokens)).mean(0))  # type: ignore[no-any-return]


def _norm_valid(norm: nn.Module, x: Tensor, lengths: Tensor) -> Tensor:
    """Apply a one-group norm over the valid frames only, so that padding changes nothing."""
    valid = valid_positions(lengths, x.shape[2])[:, None, :, None]
    count = (valid.sum((1, 2, 3), keepdim=True) * x.shape[1] * x.shape[3]).clamp_min(1)
    mean = (x * valid).sum((1, 2, 3), keepdim=True) / count
    variance = ((x - mean).square() * valid).sum((1, 2, 3), keepdim=True) / count
    weight, bias = norm.weight[:, None, None], norm.bias[:, None, None]  # type: ignore[index]
    return (x - mean) * (variance + 1e-5).rsqrt() * weight + bias  # type: ignore[operator]


def _sum(parts: list[Tensor]) -> Tensor | None:
    """Return the sum of vectors, some of them for each utterance, some for all; None for none."""
    return sum(parts[1:], parts[0]) if parts else None


def _given(value: Tensor | None, name: str) -> Tensor:
    if value is None:
        raise ConfigError(f"{name}: this voice was trained with one, and none is given")
    return value
