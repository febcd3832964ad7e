"""The aligner and its search, against slow references written with loops."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.modules.alignment import (
    Aligner,
    average_by_token,
    beta_binomial_log_prior,
    diagonality,
    pairwise_distance,
    path_log_probability,
    search_durations,
    search_on_device,
    token_of_frame,
)


def log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def slow_prior(tokens: int, frames: int, trials: int) -> np.ndarray:
    """Return log BetaBinom(n; trials, t, T − t + 1), (T, N), one outcome at a time."""
    out = np.zeros((frames, tokens))
    for t in range(1, frames + 1):
        for n in range(tokens):
            choose = -math.log(trials + 1) - log_beta(trials - n + 1, n + 1)
            law = log_beta(n + t, trials - n + frames - t + 1) - log_beta(t, frames - t + 1)
            out[t - 1, n] = choose + law
    return out


def slow_search(log_p: np.ndarray) -> list[int]:
    """Return the best path's frames per token for one utterance, by the paper's recursion."""
    frames, tokens = log_p.shape
    best = np.full((tokens, frames), -np.inf)
    best[0, 0] = log_p[0, 0]
    for t in range(1, frames):
        for n in range(tokens):
            before = best[n, t - 1]
            if n > 0:
                before = max(before, best[n - 1, t - 1])
            best[n, t] = before + log_p[t, n]
    durations = [0] * tokens
    n = tokens - 1
    for t in range(frames - 1, -1, -1):
        durations[n] += 1
        if t > 0 and n > 0 and best[n - 1, t - 1] >= best[n, t - 1]:
            n -= 1
    return durations


def every_path(tokens: int, frames: int) -> list[list[int]]:
    """Return the frames per token of every monotonic path without gaps."""
    return [
        [after - before for before, after in itertools.pairwise((0, *cuts, frames))]
        for cuts in itertools.combinations(range(1, frames), tokens - 1)
    ]


def score_of(log_p: np.ndarray, durations: list[int]) -> float:
    path = np.repeat(np.arange(len(durations)), durations)
    return float(sum(log_p[t, n] for t, n in enumerate(path)))


def pad(rows: list[np.ndarray], fill: float) -> torch.Tensor:
    """Return the rows padded with ``fill``, (B, T, N)."""
    frames, tokens = (max(row.shape[i] for row in rows) for i in (0, 1))
    out = torch.full((len(rows), frames, tokens), fill)
    for i, row in enumerate(rows):
        out[i, : row.shape[0], : row.shape[1]] = torch.from_numpy(row)
    return out


def lengths(rows: list[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return token and frame lengths."""
    return (
        torch.tensor([row.shape[1] for row in rows]),
        torch.tensor([row.shape[0] for row in rows]),
    )


sizes = st.tuples(st.integers(1, 12), st.integers(0, 20)).map(lambda s: (s[0], s[0] + s[1]))


@given(st.lists(sizes, min_size=1, max_size=3), st.sampled_from(["proper", "published"]))
@settings(max_examples=25, deadline=None)
def test_the_prior_is_the_beta_binomial_law(batch: list[tuple[int, int]], prior: str) -> None:
    tokens, frames = (torch.tensor(side) for side in zip(*batch, strict=True))
    found = beta_binomial_log_prior(
        tokens, frames, int(tokens.max()) + 1, int(frames.max()) + 2, prior
    )
    assert found.dtype == torch.float32 and torch.isfinite(found).all()
    for row, (n, t) in zip(found, batch, strict=True):
        reference = slow_prior(n, t, n - 1 if prior == "proper" else n)
        np.testing.assert_allclose(row[:t, :n].numpy(), reference, rtol=1e-5, atol=1e-5)
        assert (row[t:] == 0).all() and (row[:, n:] == 0).all()
        mass = row[:t, :n].double().exp().sum(1)
        if prior == "proper":
            np.testing.assert_allclose(mass, 1.0, rtol=1e-5)
        else:
            assert (mass < 1 + 1e-6).all() and mass[-1] < 0.95


def test_the_prior_of_a_long_utterance_sums_to_1() -> None:
    found = beta_binomial_log_prior(torch.tensor([400]), torch.tensor([3000]), 400, 3000)
    np.testing.assert_allclose(found[0].double().exp().sum(1), 1.0, rtol=1e-5)
    assert found[0].argmax(1)[[0, -1]].tolist() == [0, 399]  # follows the diagonal


def test_the_prior_of_one_token_is_certain() -> None:
    found = beta_binomial_log_prior(torch.tensor([1]), torch.tensor([5]), 1, 5)
    assert found.abs().max() < 1e-6


# Sixty-fourths add up without rounding, so that ties are ties in fp32 as well.
exact = st.integers(-192, 0).map(lambda value: value / 64)


@st.composite
def tables(draw: st.DrawFn, values: st.SearchStrategy[float] = exact) -> np.ndarray:
    n, t = draw(sizes)
    flat = draw(st.lists(values, min_size=n * t, max_size=n * t))
    return np.array(flat, dtype=np.float32).reshape(t, n)


@given(st.lists(tables(), min_size=1, max_size=3), st.sampled_from([-np.inf, 0.0, 1e4]))
@settings(max_examples=60, deadline=None)
def test_the_search_is_the_papers_recursion_in_ragged_batches(
    rows: list[np.ndarray], padding: float
) -> None:
    found = search_durations(pad(rows, padding), *lengths(rows))
    assert found.dtype == torch.int64
    for durations, row in zip(found, rows, strict=True):
        tokens = row.shape[1]
        assert durations[:tokens].tolist() == slow_search(row)
        assert (durations[:tokens] >= 1).all() and (durations[tokens:] == 0).all()
        assert durations.sum() == row.shape[0]


# Quarters of −1e4 … 0 add up without rounding over 32 frames.
extreme = st.sampled_from([0.0, -0.25, -1.0, -1e4, -math.inf])


@given(st.lists(tables(extreme), min_size=1, max_size=3))
@settings(max_examples=60, deadline=None)
def test_the_search_survives_impossible_and_nearly_impossible_cells(rows: list[np.ndarray]) -> None:
    found = search_durations(pad(rows, -np.inf), *lengths(rows))
    for durations, row in zip(found, rows, strict=True):
        tokens = row.shape[1]
        assert durations[:tokens].tolist() == slow_search(row)
        assert (durations[:tokens] >= 1).all() and durations.sum() == row.shape[0]


@given(
    st.lists(tables(exact | extreme | st.floats(-1e3, 0, width=32)), min_size=1, max_size=4),
    st.sampled_from([-np.inf, 0.0, 1e4]),
)
@settings(max_examples=100, deadline=None)
def test_a_gpu_finds_the_same_path_as_the_cpu(rows: list[np.ndarray], padding: float) -> None:
    log_p = pad(rows, padding)
    assert torch.equal(
        search_on_device(log_p, *lengths(rows)), search_durations(log_p, *lengths(rows))
    )


@given(tables(st.floats(-1e3, 0, width=32)), st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_no_other_path_is_better(row: np.ndarray, seed: int) -> None:
    frames, tokens = min(row.shape[0], 9), min(row.shape[1], 5)
    row = row[: max(frames, tokens), :tokens]
    found = search_durations(torch.from_numpy(row)[None], *lengths([row]))[0].tolist()
    paths = every_path(tokens, row.shape[0])
    assert found in paths
    best = max(score_of(row, path) for path in paths)
    assert score_of(row, found) >= best - 1e-3 - 1e-6 * abs(best)


@pytest.mark.parametrize(
    ("tokens", "frames", "expected"),
    [
        (1, 1, [1]),
        (1, 4, [4]),
        (4, 4, [1, 1, 1, 1]),
        (3, 5, [3, 1, 1]),  # all paths tie: every step back goes to the earlier token
    ],
)
def test_the_corners_of_the_search(tokens: int, frames: int, expected: list[int]) -> None:
    log_p = torch.zeros(1, frames, tokens)
    found = search_durations(log_p, torch.tensor([tokens]), torch.tensor([frames]))
    assert found[0].tolist() == slow_search(log_p[0].numpy()) == expected


def test_an_impossible_frame_does_not_break_the_search() -> None:
    log_p = torch.zeros(1, 6, 3)
    log_p[0, 2] = -torch.inf  # every token impossible in one frame
    found = search_durations(log_p, torch.tensor([3]), torch.tensor([6]))
    assert found.sum() == 6 and (found >= 1).all()


def slow_averages(values: np.ndarray, durations: np.ndarray) -> list[float]:
    """Return the mean over each token's frames of one utterance, frame by frame."""
    out, at = [], 0
    for count in durations:
        total = 0.0
        for t in range(at, at + count):
            total += float(values[t])
        out.append(total / count if count else 0.0)
        at += count
    return out


@given(
    st.lists(
        st.lists(
            st.one_of(st.integers(0, 5), st.sampled_from([0, 1, 3000])), min_size=1, max_size=6
        ),
        min_size=1,
        max_size=3,
    ),
    st.integers(0, 2),
    st.integers(0, 2**31),
    st.sampled_from([1e-3, 1.0, 1e4]),
)
@settings(max_examples=60, deadline=None)
def test_token_averages_are_means_over_frames(
    batch: list[list[int]], spare: int, seed: int, scale: float
) -> None:
    durations = np.zeros((len(batch), max(map(len, batch))), dtype=np.int64)
    for row, counts in zip(durations, batch, strict=True):
        row[: len(counts)] = counts
    frames = max(1, int(durations.sum(1).max())) + spare
    random = np.random.default_rng(seed)
    values = random.normal(3.0, scale, (len(batch), frames)).astype(np.float32)
    for row, counts in zip(values, durations, strict=True):
        row[counts.sum() :] = 1e9  # loud padding
    found = average_by_token(torch.from_numpy(values), torch.from_numpy(durations)).numpy()
    assert found.shape == durations.shape and found.dtype == np.float32
    for row, counts, means in zip(values, durations, found, strict=True):
        np.testing.assert_allclose(means, slow_averages(row, counts), rtol=1e-5, atol=1e-6 * scale)


def test_averages_late_in_a_long_utterance_are_exact() -> None:
    values = torch.full((1, 6000), 1000.0)  # their running sum is too large for fp32
    values[0, -3:] = torch.tensor([1000.1, 1000.2, 1000.3])
    found = average_by_token(values, torch.tensor([[5997, 3]]))
    torch.testing.assert_close(found, torch.tensor([[1000.0, 1000.2]]), atol=1e-4, rtol=0)


def test_frames_know_their_tokens() -> None:
    found = token_of_frame(torch.tensor([[2, 0, 1, 0], [1, 1, 1, 3]]), 6)
    assert found.tolist() == [[0, 0, 2, 3, 3, 3], [0, 1, 2, 3, 3, 3]]


def test_the_path_probability_is_a_mean_with_gradient_on_the_path_only() -> None:
    log_p = torch.randn(2, 5, 3).log_softmax(-1)
    log_p[1, :, 2] = -torch.inf  # a padded token
    log_p.requires_grad_()
    durations = torch.tensor([[2, 1, 2], [1, 3, 0]])
    frames = torch.tensor([5, 4])
    found = path_log_probability(log_p, durations, frames)
    paths = [[0, 0, 1, 2, 2], [0, 1, 1, 1]]
    for row, path in enumerate(paths):
        slow = sum(float(log_p[row, t, n].detach()) for t, n in enumerate(path)) / len(path)
        assert float(found[row].detach()) == pytest.approx(slow, rel=1e-6)
    found.sum().backward()
    expected = torch.zeros(2, 5, 3)
    for row, path in enumerate(paths):
        for t, n in enumerate(path):
            expected[row, t, n] = 1 / len(path)
    torch.testing.assert_close(log_p.grad, expected)


@given(
    st.lists(tables(st.sampled_from([0.0, -0.25, -1.0, -1e4])), min_size=1, max_size=3),
    st.integers(0, 2**31),
)
@settings(max_examples=40, deadline=None)
def test_the_path_probability_of_any_path(rows: list[np.ndarray], seed: int) -> None:
    random = np.random.default_rng(seed)
    log_p = pad(rows, -np.inf)
    durations = torch.zeros(log_p.shape[0], log_p.shape[2], dtype=torch.int64)
    for row, counts in zip(rows, durations, strict=True):
        frames, tokens = row.shape
        cuts = np.sort(random.integers(0, frames + 1, tokens - 1))  # tokens without frames too
        counts[:tokens] = torch.from_numpy(np.diff(cuts, prepend=0, append=frames))
    found = path_log_probability(log_p, durations, lengths(rows)[1])
    for value, row, counts in zip(found, rows, durations, strict=True):
        slow = score_of(row, counts[: row.shape[1]].tolist()) / len(row)
        assert float(value) == pytest.approx(slow, rel=1e-5, abs=1e-5)


def test_diagonality_is_1_for_certainty_and_small_for_a_blur() -> None:
    tokens, frames = torch.tensor([4]), torch.tensor([12])
    sharp = torch.full((1, 12, 4), -1e3)
    for t in range(12):
        sharp[0, t, t // 3] = 0.0
    assert float(diagonality(sharp, tokens, frames)) == pytest.approx(1.0)
    assert float(diagonality(torch.zeros(1, 12, 4), tokens, frames)) < 0.25


def test_diagonality_is_small_for_a_path_that_rushes_and_stays() -> None:
    sharp = torch.full((1, 300, 50), -1e3)
    for t in range(300):
        sharp[0, t, min(t, 49)] = 0.0
    found = float(diagonality(sharp, torch.tensor([50]), torch.tensor([300])))
    assert found < 0.25


@given(st.integers(0, 2**31), st.sampled_from([1e-3, 1.0, 30.0]))
@settings(max_examples=20, deadline=None)
def test_distances_are_euclidean(seed: int, scale: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(2, 5, 8, generator=generator) * scale
    y = torch.randn(2, 3, 8, generator=generator) * scale
    slow = (x[:, :, None].double() - y[:, None].double()).square().sum(-1).sqrt().float()
    torch.testing.assert_close(pairwise_distance(x, y), slow, rtol=1e-4, atol=1e-5)


def test_the_gradient_at_distance_0_is_finite() -> None:
    x = torch.randn(1, 4, 8, requires_grad=True)
    pairwise_distance(x, x.detach()).sum().backward()
    assert torch.isfinite(x.grad).all()


def make_aligner() -> tuple[Aligner, torch.Tensor, torch.Tensor]:
    torch.manual_seed(3)
    return Aligner(8, 5), torch.randn(2, 4, 8), torch.randn(2, 9, 5)


def test_padding_never_reaches_the_scores() -> None:
    aligner, hidden, mel = make_aligner()
    tokens, frames = torch.tensor([3, 4]), torch.tensor([6, 9])
    hidden[0, 3:], mel[0, 6:] = 1e3, -1e3  # loud padding
    together = aligner(hidden, tokens, mel, frames)
    alone = aligner(hidden[:1, :3], tokens[:1], mel[:1, :6], frames[:1])
    torch.testing.assert_close(together[0, :6, :3], alone[0])
    assert (together[0, :, 3] == -torch.inf).all()


def test_scores_are_log_softmax_of_distances_plus_prior() -> None:
    aligner, hidden, mel = make_aligner()
    tokens, frames = torch.tensor([4, 4]), torch.tensor([9, 9])
    log_p = aligner(hidden, tokens, mel, frames)
    prior = torch.from_numpy(slow_prior(4, 9, 3)).float()
    np.testing.assert_allclose((log_p - prior).exp().sum(-1).detach(), 1.0, rtol=1e-5)
    keys = aligner.text_conv2(torch.relu(aligner.text_conv1(hidden.mT))).mT
    queries = torch.relu(aligner.mel_conv1(mel.mT))
    queries = aligner.mel_conv3(torch.relu(aligner.mel_conv2(queries))).mT
    for b, t, n in itertools.product(range(2), range(9), range(4)):
        logits = [-(queries[b, t] - keys[b, k]).norm() for k in range(4)]
        expected = torch.stack(logits).log_softmax(0)[n] + prior[t, n]
        torch.testing.assert_close(log_p[b, t, n], expected, atol=1e-4, rtol=0)


def test_every_parameter_of_the_aligner_learns() -> None:
    aligner, hidden, mel = make_aligner()
    log_p = aligner(hidden, torch.tensor([3, 4]), mel, torch.tensor([6, 9]))
    weights = torch.randn(log_p.shape)
    (log_p.masked_fill(log_p.isinf(), 0.0) * weights).sum().backward()
    for name, parameter in aligner.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


def test_the_aligner_stays_in_fp32_under_autocast() -> None:
    aligner, hidden, mel = make_aligner()
    lengths_of = torch.tensor([4, 4]), torch.tensor([9, 9])
    plain = aligner(hidden, lengths_of[0], mel, lengths_of[1])
    with torch.autocast("cpu", torch.bfloat16):
        cast = aligner(hidden, lengths_of[0], mel, lengths_of[1])
    assert cast.dtype == torch.float32
    torch.testing.assert_close(cast, plain)


def test_a_wrong_width_is_refused() -> None:
    aligner, hidden, _ = make_aligner()
    with pytest.raises(RuntimeError, match="5 channels, but got 7"):
        aligner(hidden, torch.tensor([4, 4]), torch.randn(2, 9, 7), torch.tensor([9, 9]))
