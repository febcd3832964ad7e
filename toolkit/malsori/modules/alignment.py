"""Learning which frames belong to which token, without a dictionary.

Axes: B utterances, N tokens, T mel frames, D width, M mel bands.

Source: Badlani et al. 2021, "One TTS Alignment To Rule Them All", arXiv:2108.10447.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from malsori.modules.lengths import is_traced, valid_positions

Prior = Literal["proper", "published"]


class Aligner(nn.Module):
    """Score every frame against every token by the distance of their encodings.

    Args:
        width: D.
        mel_bands: M.
        prior: Which diagonal prior is added.
        masked: Keep padding out of the convolutions; False lets them read it, as ESPnet's do.

    Source: arXiv:2108.10447, section 3.1 and 3.2 (the static prior).
    """

    def __init__(
        self, width: int, mel_bands: int, prior: Prior = "proper", masked: bool = True
    ) -> None:
        super().__init__()
        self.prior: Prior = prior
        self.masked = masked
        self.text_conv1 = nn.Conv1d(width, width, 3, padding=1)
        self.text_conv2 = nn.Conv1d(width, width, 1)
        self.mel_conv1 = nn.Conv1d(mel_bands, width, 3, padding=1)
        self.mel_conv2 = nn.Conv1d(width, width, 3, padding=1)
        self.mel_conv3 = nn.Conv1d(width, width, 1)

    def forward(
        self, hidden: Tensor, token_lengths: Tensor, mel: Tensor, mel_lengths: Tensor
    ) -> Tensor:
        """Return log-probabilities of tokens given frames, plus the log prior, (B, T, N) in fp32.

        Padded tokens have −inf. The sum with the prior is not normalised again.

        Args:
            hidden: Encoder output, (B, N, D).
            token_lengths: (B,).
            mel: Normalised log-mel, (B, T, M).
            mel_lengths: (B,).
        """
        valid_tokens = valid_positions(token_lengths, hidden.shape[1])
        valid_frames = valid_positions(mel_lengths, mel.shape[1])
        with torch.autocast(hidden.device.type, enabled=False):
            keys = self._encode_text(hidden.float(), valid_tokens)
            queries = self._encode_mel(mel.float(), valid_frames)
            score = -pairwise_distance(queries, keys)
            score = score.masked_fill(~valid_tokens[:, None], -torch.inf)
            prior = beta_binomial_log_prior(
                token_lengths, mel_lengths, hidden.shape[1], mel.shape[1], self.prior
            )
            return score.log_softmax(-1) + prior

    def _encode_text(self, hidden: Tensor, valid: Tensor) -> Tensor:
        if self.masked:
            hidden = hidden * valid[..., None]
        x = hidden.transpose(1, 2)  # (B, N, D) -> (B, D, N)
        return self.text_conv2(F.relu(self.text_conv1(x))).transpose(1, 2)  # type: ignore[no-any-return]

    def _encode_mel(self, mel: Tensor, valid: Tensor) -> Tensor:
        mask = valid[:, None]
        x = F.relu(self.mel_conv1(mel.transpose(1, 2) * mask))  # (B, T, M) -> (B, D, T)
        x = F.relu(self.mel_conv2(x * mask if self.masked else x))
        return self.mel_conv3(x).transpose(1, 2)  # type: ignore[no-any-return]


def pairwise_distance(x: Tensor, y: Tensor) -> Tensor:
    """Return Euclidean distances, (B, T, N), of ``x`` (B, T, D) and ``y`` (B, N, D).

    Computed as ‖x‖² + ‖y‖² − 2x·y, which never holds a (B, T, N, D) tensor; the square root is
    kept off zero, where its gradient is infinite.
    """
    squares = x.square().sum(-1)[:, :, None] + y.square().sum(-1)[:, None]
    return (squares - 2 * x @ y.transpose(1, 2)).clamp_min(1e-12).sqrt()


def beta_binomial_log_prior(
    token_lengths: Tensor, mel_lengths: Tensor, tokens: int, frames: int, prior: Prior = "proper"
) -> Tensor:
    """Return a log prior that favours the diagonal, (B, T, N) fp32; 0 at padding.

    Frame t (counted from 1) of T expects token n (counted from 0) by a beta-binomial law with
    α = t, β = T − t + 1. ``proper`` takes N − 1 trials, whose outcomes are exactly the N tokens:
    rows sum to 1. ``published`` takes N trials, as the paper's and ESPnet's code do, so that each
    row loses the share of an outcome that no token stands for.

    Args:
        token_lengths: (B,).
        mel_lengths: (B,).
        tokens: N of the padded batch.
        frames: T of the padded batch.
        prior: Which of the two.

    Source: arXiv:2108.10447, section 3.2.
    """
    device = token_lengths.device
    trials = token_lengths.double()[:, None, None] - (1 if prior == "proper" else 0)
    total = mel_lengths.double()[:, None, None]
    n = torch.arange(tokens, device=device, dtype=torch.float64)[None, None]
    t = torch.arange(1, frames + 1, device=device, dtype=torch.float64)[None, :, None]
    inside = (n < token_lengths[:, None, None]) & (t <= total)
    n = torch.minimum(n, trials)  # keeps lgamma finite at padding, which is masked below
    t = torch.minimum(t, total)
    alpha, beta = t, total - t + 1
    log_prior = (
        torch.lgamma(trials + 1)
        - torch.lgamma(n + 1)
        - torch.lgamma(trials - n + 1)
        + torch.lgamma(n + alpha)
        + torch.lgamma(trials - n + beta)
        - torch.lgamma(trials + total + 1)
        + torch.lgamma(total + 1)
        - torch.lgamma(alpha)
        - torch.lgamma(beta)
    )
    return log_prior.masked_fill(~inside, 0.0).float()


@torch.no_grad()
def search_durations(log_p: Tensor, token_lengths: Tensor, mel_lengths: Tensor) -> Tensor:
    """Return the frames of each token on the best monotonic path, (B, N) int64.

    The path starts at the first token, ends at the last, and moves by at most one token a frame;
    ties go to the earlier token. Each row sums to its utterance's number of frames. The recursion
    runs over frames, for all utterances at once, where the scores are.

    Args:
        log_p: (B, T, N).
        token_lengths: (B,), each at most its ``mel_lengths``.
        mel_lengths: (B,).

    Source: arXiv:2108.10447, section 3.3; Kim et al. 2020 (Glow-TTS), arXiv:2005.11129.
    """
    if log_p.device.type != "cpu":
        return search_on_device(log_p.float(), token_lengths, mel_lengths)
    durations = _search_on_host(log_p.float().numpy(), token_lengths.numpy(), mel_lengths.numpy())
    return torch.from_numpy(durations)


def _search_on_host(
    log_p: NDArray[np.float32], tokens: NDArray[np.int64], frames: NDArray[np.int64]
) -> NDArray[np.int64]:
    batch, total, width = log_p.shape
    best = np.full((batch, width + 1), -np.inf, dtype=np.float32)  # column 0 stands before token 0
    best[:, 1] = log_p[:, 0, 0]
    moved = np.zeros((total, batch, width), dtype=bool)  # the best path entered the token here
    for t in range(1, total):
        moved[t] = best[:, :-1] >= best[:, 1:]
        best[:, 1:] = np.maximum(best[:, :-1], best[:, 1:]) + log_p[:, t]
    rows = np.arange(batch)
    token = tokens - 1
    durations = np.zeros((batch, width), dtype=np.int64)
    for t in range(total - 1, -1, -1):
        inside = t < frames
        durations[rows, token] += inside
        token = token - (inside & (token > 0) & moved[t, rows, token])
    return durations


def search_on_device(log_p: Tensor, token_lengths: Tensor, mel_lengths: Tensor) -> Tensor:
    """Return what ``_search_on_host`` does, reading nothing back, in few operations a frame.

    The way back is not walked: which token a frame's token came from is a map, and maps of
    neighbouring frames are put together, of 1, 2, 4 … frames.
    """
    batch, total, width = log_p.shape
    best = log_p.new_full((total, batch, width + 1), -torch.inf)  # column 0 stands before token 0
    best[0, :, 1] = log_p[:, 0, 0]
    before, here = best[..., :-1].unbind(), best[..., 1:].unbind()
    for t, scores in enumerate(log_p.unbind(1)[1:], 1):
        torch.maximum(before[t - 1], here[t - 1], out=here[t]).add_(scores)
    token = torch.arange(width, device=log_p.device)
    inside = valid_positions(mel_lengths, total).T  # (B, T) -> (T, B)
    moved = (best[:-1, :, :-1] >= best[:-1, :, 1:]) & (token > 0) & inside[1:, :, None]
    came_from = token - moved.long()  # (T - 1, B, N): at t, for each token of t + 1
    step = 1
    while step < total - 1:
        nearer, further = came_from[:-step], came_from[step:]
        came_from = torch.cat([nearer.gather(2, further), came_from[-step:]])
        step *= 2
    last = (token_lengths - 1).expand(total, -1)[..., None]
    path = torch.cat([came_from.gather(2, last[1:]), last[:1]]).squeeze(2)  # (T, B)
    durations = torch.zeros(batch, width, dtype=torch.int64, device=log_p.device)
    return durations.scatter_add_(1, path.T, inside.T.long())


def average_by_token(values: Tensor, durations: Tensor) -> Tensor:
    """Return the mean of ``values`` over each token's frames, (B, N); 0 for tokens without frames.

    Args:
        values: One value per frame, (B, T).
        durations: Frames per token, (B, N).
    """
    sums = F.pad(values.double().cumsum(1), (1, 0))  # double: differences of long sums
    ends = durations.cumsum(1).clamp(max=values.shape[1])
    starts = F.pad(ends[:, :-1], (1, 0))
    spans = sums.gather(1, ends) - sums.gather(1, starts)
    return (spans / durations.clamp_min(1)).to(values.dtype)


def path_log_probability(log_p: Tensor, durations: Tensor, mel_lengths: Tensor) -> Tensor:
    """Return each utterance's mean of ``log_p`` along its path, (B,).

    Args:
        log_p: (B, T, N).
        durations: Frames per token, (B, N); rows sum to ``mel_lengths``.
        mel_lengths: (B,).
    """
    tokens = token_of_frame(durations, log_p.shape[1])
    on_path = log_p.gather(2, tokens[..., None]).squeeze(-1)
    valid = valid_positions(mel_lengths, log_p.shape[1])
    return on_path.masked_fill(~valid, 0.0).sum(1) / mel_lengths


def token_of_frame(durations: Tensor, frames: int) -> Tensor:
    """Return the index of the token each frame belongs to, (B, T); padding belongs to the last."""
    ends = durations.cumsum(1)
    at = torch.arange(frames, device=durations.device).expand(durations.shape[0], -1).contiguous()
    if is_traced():  # ONNX knows no search
        return (at[..., None] >= ends[:, None, :-1]).sum(2)
    return torch.searchsorted(ends, at, right=True).clamp(max=durations.shape[1] - 1)


def path_probability(log_p: Tensor, durations: Tensor) -> Tensor:
    """Return each frame's probability of its token on the path, (B, T), 0 to 1.

    Args:
        log_p: Log-probabilities of tokens given frames, with prior, (B, T, N).
        durations: Frames per token, (B, N).
    """
    tokens = token_of_frame(durations, log_p.shape[1])
    return log_p.softmax(-1).gather(2, tokens[..., None]).squeeze(-1)


def diagonality(
    log_p: Tensor,
    token_lengths: Tensor,
    mel_lengths: Tensor,
    durations: Tensor | None = None,
) -> Tensor:
    """Return how much an alignment is one sharp line from corner to corner, (B,), 0 to 1.

    The product of two parts: how certain frames are of the token on the best path (its mean
    probability; a blur is near 0), and how straight the path is (1 − 2 · mean distance from the
    diagonal, both axes scaled to 1; a path that rushes through the tokens and then stays is
    near 0). Speech that is well aligned reaches 0.8 to 0.95: real durations are not all equal.

    Args:
        log_p: Log-probabilities of tokens given frames, with prior, (B, T, N).
        token_lengths: (B,).
        mel_lengths: (B,).
        durations: Frames per token on the best path, (B, N), if they are known already.
    """
    if durations is None:
        durations = search_durations(log_p, token_lengths, mel_lengths)
    tokens = token_of_frame(durations, log_p.shape[1])
    valid = valid_positions(mel_lengths, log_p.shape[1])
    certainty = path_probability(log_p, durations)
    frames = torch.arange(log_p.shape[1], device=log_p.device)
    along = (frames + 0.5) / mel_lengths[:, None]
    up = (tokens + 0.5) / token_lengths[:, None]
    off = ((along - up).abs() - 0.5 / token_lengths[:, None]).clamp_min(0)  # off the own token's
    distance = (off * valid).sum(1) / mel_lengths
    sharp = (certainty * valid).sum(1) / mel_lengths
    return sharp * (1 - 2 * distance).clamp_min(0)
