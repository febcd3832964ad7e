"""What an utterance is spoken with: speaker, language, style.

Axes: B utterances, T frames, M mel bands, D width.
"""

from __future__ import annotations

from dataclasses import dataclass

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

    def __post_init__(self) -> None:
        within(self, "[0, 65536]", "tokens")
        within(self, COUNT, "heads")
        within(self, SIZE, "channels", "gru_units")


class Conditioning(nn.Module):
    """The sum of a speaker's, a language's, an external speaker's and a style's vector.

    Args:
        width: D.
        speakers: Known speakers; an embedding is made for more than one.
        languages: Known languages; likewise.
        embedding: Size of external speaker embeddings (x-vectors); 0 for none.
        style: Global style tokens.
        mel_bands: M, read by the style encoder.
    """

    def __init__(
        self,
        width: int,
        *,
        speakers: int = 1,
        languages: int = 1,
        embedding: int = 0,
        style: StyleConfig | None = None,
        mel_bands: int = 80,
    ) -> None:
        super().__init__()
        self.speaker = nn.Embedding(speakers, width) if speakers > 1 else None
        self.language = nn.Embedding(languages, width) if languages > 1 else None
        self.embedding = nn.Linear(embedding, width) if embedding else None
        self.style = StyleTokens(style, width, mel_bands) if style and style.tokens else None

    @property
    def used(self) -> bool:
        """Whether anything conditions this model."""
        return any(part is not None for part in self.children())

    def forward(
        self,
        *,
        speaker: Tensor | None = None,
        language: Tensor | None = None,
        embedding: Tensor | None = None,
        mel: Tensor | None = None,
        mel_lengths: Tensor | None = None,
    ) -> Tensor | None:
        """Return one vector per utterance, (B, D); None if the model is not conditioned.

        Args:
            speaker: Index of the speaker, (B,).
            language: Index of the language, (B,).
            embedding: External speaker embedding, (B, E).
            mel: Normalised mel of a reference recording, (B, T, M). Without one the style tokens
                are weighted evenly.
            mel_lengths: (B,).

        Raises:
            ConfigError: The model was trained with a condition that is not given.
        """
        parts = []
        if self.speaker is not None:
            parts.append(self.speaker(_given(speaker, "speaker")))
        if self.language is not None:
            parts.append(self.language(_given(language, "language")))
        if self.embedding is not None:
            parts.append(self.embedding(F.normalize(_given(embedding, "speaker embedding"))))
        if self.style is not None:
            if mel is not None and mel_lengths is not None:
                parts.append(self.style(mel, mel_lengths))
            else:
                parts.append(self.style.neutral()[None])
        return torch.stack(torch.broadcast_tensors(*parts)).sum(0) if parts else None


class StyleTokens(nn.Module):
    """Attend from a recording's summary to a bank of learnt styles.

    Source: Wang et al. 2018, "Style Tokens", arXiv:1803.09017, section 3.
    """

    def __init__(self, config: StyleConfig, width: int, mel_bands: int) -> None:
        super().__init__()
        if width % config.heads:
            raise ConfigError(f"style.heads: {config.heads} does not divide the width {width}")
        self.convs = nn.ModuleList()
        before = 1
        for channels in config.channels:
            self.convs.append(nn.Conv2d(before, channels, 3, 2, 1, bias=False))
            mel_bands = (mel_bands + 1) // 2
            before = channels
        self.norms = nn.ModuleList(nn.GroupNorm(1, channels) for channels in config.channels)
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
        for conv, norm in zip(self.convs, self.norms, strict=True):
            valid = valid_positions(lengths, x.shape[2])[:, None, :, None]
            x = conv(x * valid)
            lengths = (lengths + 1) // 2
            x = F.relu(_norm_valid(norm, x, lengths))
        sequence = x.transpose(1, 2).flatten(2)  # (B, C, T', M') -> (B, T', C · M')
        states, _ = self.gru(sequence)
        last = states[torch.arange(len(states), device=states.device), lengths - 1]
        bank = torch.tanh(self.tokens)
        query = self.query(last).unflatten(1, (self.heads, 1, -1))  # (B, H, 1, D/H)
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


def _given(value: Tensor | None, name: str) -> Tensor:
    if value is None:
        raise ConfigError(f"{name}: this voice was trained with one, and none is given")
    return value
