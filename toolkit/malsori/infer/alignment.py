"""Forced alignment of a data dir: when each word and token is said, and whether to believe it.

Axes: N tokens, T frames, S samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from malsori.core.errors import MalsoriError
from malsori.core.files import write_text
from malsori.core.log import get_logger, progress
from malsori.data.datadir import DataDir
from malsori.dsp.silence import silences
from malsori.infer.alignment_health import Health, Judged, judge, table
from malsori.infer.labels import Label, ctm, textgrid
from malsori.infer.utterances import speaks
from malsori.infer.voice import Voice
from malsori.models.voice import AligningModel, Conditions
from malsori.modules.alignment import diagonality, path_probability
from malsori.modules.features import FeatureExtractor
from malsori.text.frontend import TextError, Word
from malsori.text.tokens import SPACE

log = get_logger(__name__)

LARGEST = 100_000_000
"""Frames times tokens of an utterance: 400 MB for each table of them. Ten minutes of speech have
half of that."""
REACH = 0.1
"""Seconds between a boundary and the silence that it belongs to, at most."""
GRIDS = "textgrid"
"""Folder of the TextGrids."""
TABLE = "alignment.tsv"
"""What is to be thought of each utterance."""
SHOWN = 5
"""Suspicious utterances that are told at the end."""


@dataclass(frozen=True, kw_only=True)
class Aligned:
    """One utterance, aligned."""

    key: str
    seconds: float
    words: list[Label]
    tokens: list[Label]
    health: Health


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What became of a data dir."""

    judged: list[Judged]
    """The aligned utterances, the most suspicious first."""
    rejected: list[tuple[str, str]]
    """The others, with the reason."""
    seconds: float
    """Of aligned audio."""

    def told(self, out: Path) -> str:
        """Return some lines for people: how much was aligned, and what to look at first.

        Args:
            out: Where it was written.
        """
        suspicious = [judged for judged in self.judged if judged.reasons]
        median = sorted(judged.health.confidence for judged in self.judged)[len(self.judged) // 2]
        lines = [
            f"{out}: {len(self.judged)} utterances, {self.seconds / 60:.1f} min aligned, "
            f"{len(self.rejected)} rejected, {len(suspicious)} suspicious; "
            f"median confidence {median:.2f}"
        ]
        for judged in suspicious[:SHOWN]:
            lines.append(f"  {judged.health.key}: {', '.join(judged.reasons)}")
        if len(suspicious) > SHOWN:
            lines.append(f"  … all of them are in {out / TABLE}")
        return "\n".join(lines)


def align(voice: Voice, data: DataDir, out: Path, pause: float = 0.1) -> Summary:
    """Align every utterance of a data dir, one by one.

    Writes ``textgrid/UTTERANCE.TextGrid``, ``words.ctm``, ``tokens.ctm``, ``alignment.tsv`` and,
    for utterances that cannot be aligned, ``rejected.tsv``. Times count from the beginning of the
    utterance: of its segment where the data dir has ``segments``.

    Args:
        voice: Who aligns.
        data: What is aligned.
        out: Folder to write into.
        pause: Silences of so many seconds between words, found by energy, belong to no word; 0
            leaves every frame to the token that the network gives it to.

    Raises:
        MalsoriError: The voice does not align, no utterance can be aligned, or a file cannot be
            written.
    """
    if not isinstance(voice.model, AligningModel):
        raise MalsoriError(
            f"{voice.origin}: this model does not align recordings; JETS, VAEJETS, VITS and "
            "'aligner' do"
        )
    if voice.embedding_size:
        data.check_embeddings(voice.embedding_size, voice.speaker_encoder)
    aligner = UtteranceAligner(voice, pause)
    lines: dict[str, list[str]] = {"words": [], "tokens": []}
    found: list[Health] = []
    rejected: list[tuple[str, str]] = []
    seconds = 0.0
    for row in progress(range(len(data)), len(data), f"align {data.path.name}"):
        key = data.key(row)
        try:
            done = aligner.align(data, row)
        except MalsoriError as error:
            reason = " ".join(str(error).split())
            log.warning("%s: left out: %s", key, reason)
            rejected.append((key, reason))
            continue
        tiers = {"words": done.words, "tokens": done.tokens}
        write_text(out / GRIDS / f"{key}.TextGrid", textgrid(tiers, done.seconds))
        for name, labels in tiers.items():
            lines[name].append(ctm(key, labels))
        found.append(done.health)
        seconds += done.seconds
    if not found:
        raise MalsoriError(
            f"{data.path}: none of its {len(data)} utterances can be aligned; the first: "
            f"{rejected[0][1]}"
        )
    judged = judge(found)
    for name, rows in lines.items():
        write_text(out / f"{name}.ctm", "".join(rows))
    write_text(out / TABLE, table(judged))
    write_text(out / "rejected.tsv", "".join(f"{key}\t{why}\n" for key, why in rejected))
    _remove_stale(out / GRIDS, {health.key for health in found})
    return Summary(judged=judged, rejected=rejected, seconds=seconds)


class UtteranceAligner:
    """Aligns utterances one at a time.

    Args:
        voice: Who aligns.
        pause: As for ``align``.
    """

    def __init__(self, voice: Voice, pause: float) -> None:
        self.voice, self.pause = voice, pause
        self.model: Any = voice.model
        self.extractor = FeatureExtractor(voice.audio, voice.statistics).to(voice.device)
        self._unknown: set[str] = set()

    def align(self, data: DataDir, row: int) -> Aligned:
        """Return an utterance's alignment.

        Raises:
            MalsoriError: Its text or audio cannot be read, or they do not fit each other.
        """
        audio = self.voice.audio
        key = data.key(row)
        if "/" in key or key.startswith("."):
            raise MalsoriError(f"{key!r} cannot be the name of a file")
        language = data.language(row)
        known = language in self.voice.languages
        words = self.voice.words(data.text(row), language if known else None)
        if not speaks(words):
            raise TextError(f"no word in {data.text(row)!r}")
        ids = self.voice.tokens.encode([token for word in words for token in word.tokens])
        wav = data.wav(row, audio.sample_rate)
        frames = audio.frames(len(wav))
        if frames < len(ids):
            raise MalsoriError(f"fewer frames ({frames}) than tokens ({len(ids)})")
        if frames * len(ids) > LARGEST:
            raise MalsoriError(
                f"too long to align at once ({len(wav) / audio.sample_rate:.0f} s); "
                "cut it into sentences with 'segments'"
            )
        durations, certainty, straight = self._analyse(ids, wav, self._conditions(data, row))
        times = Times.of(durations, audio.hop, len(wav), audio.sample_rate)
        spans = list(_spans(words))
        if self.pause:
            times = times.without(
                silences(wav, audio.sample_rate, shortest_seconds=self.pause),
                [(first, last) for _, first, last in spans],
            )
        tokens = [token for word in words for token in word.tokens]
        return Aligned(
            key=key,
            seconds=times.seconds,
            words=times.labels(spans, certainty, durations),
            tokens=times.labels(
                [("" if token == SPACE else token, i, i) for i, token in enumerate(tokens)],
                certainty,
                durations,
            ),
            health=_health(key, tokens, durations, certainty, straight, times.seconds),
        )

    @torch.inference_mode()
    def _analyse(
        self, ids: list[int], wav: NDArray[np.float32], conditions: Conditions
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], float]:
        """Return frames of each token, (N,), each frame's probability, (T,), and diagonality."""
        device = self.voice.device
        samples = torch.from_numpy(wav)[None].to(device)
        wav_lengths = torch.tensor([len(wav)], device=device)
        silent = torch.zeros(1, len(wav) // self.voice.audio.hop + 1, device=device)
        features = self.extractor(samples, wav_lengths, silent)  # nothing here depends on pitch
        conditions = conditions.with_own_style(features.mel, features.mel_lengths)
        tokens, lengths = torch.tensor([ids], device=device), torch.tensor([len(ids)]).to(device)
        prosody, log_p = self.model.analyse(tokens, lengths, features, conditions)
        certainty = path_probability(log_p, prosody.durations)
        if not torch.isfinite(certainty).all():
            raise MalsoriError("the network's answer is not finite")
        straight = diagonality(log_p, lengths, features.mel_lengths, prosody.durations)
        return prosody.durations[0].cpu().numpy(), certainty[0].cpu().numpy(), float(straight)

    def _conditions(self, data: DataDir, row: int) -> Conditions:
        voice, device = self.voice, self.voice.device
        speaker = self._index(voice.speakers, data.speaker(row))
        language = self._index(voice.languages, data.language(row))
        vector = data.embedding(row) if voice.embedding_size else None
        return Conditions(
            speaker=torch.tensor([speaker], device=device),
            language=torch.tensor([language], device=device),
            embedding=None if vector is None else torch.from_numpy(vector)[None].to(device),
        )

    def _index(self, names: tuple[str, ...], name: str | None) -> int:
        """Return the index of a name; that of the first where the voice does not know it."""
        if name in names or len(names) == 1 or name is None:
            return names.index(name) if name in names else 0
        if name not in self._unknown:
            self._unknown.add(name)
            log.warning("%s: does not know %r; aligned as %r", self.voice.origin, name, names[0])
        return 0


@dataclass(frozen=True)
class Times:
    """When each token begins and ends, in seconds, (N,) each."""

    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    seconds: float
    """Length of the audio."""
    frame: float
    """Seconds of a frame."""

    @classmethod
    def of(cls, durations: NDArray[np.int64], hop: int, samples: int, sample_rate: int) -> Times:
        """Return the times of tokens on frames.

        Frame t is centred on sample t · hop, so that it begins half a hop before; the first and the
        last one end with the audio.

        Args:
            durations: Frames of each token, (N,).
            hop: Samples of a frame.
            samples: S.
            sample_rate: Samples a second.
        """
        ends = (np.cumsum(durations) - 0.5) * hop
        ends[-1] = samples
        starts = np.concatenate([[0.0], ends[:-1]])
        return cls(
            starts / sample_rate, ends / sample_rate, samples / sample_rate, hop / sample_rate
        )

    def without(
        self, silent: Sequence[tuple[float, float]], words: Sequence[tuple[int, int]]
    ) -> Times:
        """Return the times with silences between words taken from the words.

        Each silence goes to the nearest place between two words, if there is one within ``REACH``:
        the word before ends where it begins, the word after begins where it ends; tokens between
        them, such as a comma, have what is between. Inside of a word nothing changes.

        Args:
            silent: Begin and end of each silence.
            words: First and last token of each word.
        """
        starts, ends = self.starts.copy(), self.ends.copy()
        for (last, first), (begin, end) in self._pauses(silent, words):
            low, high = 0.0, self.seconds
            if last >= 0:
                low = min(starts[last] + self.frame, ends[last])
            if first < len(starts):
                high = max(ends[first] - self.frame, starts[first])
            begin, end = (float(np.clip(time, low, high)) for time in (begin, end))
            if end - begin < self.frame:
                continue
            if last >= 0:
                ends[last] = begin
            if first < len(starts):
                starts[first] = end
            if last + 1 < first:
                edges = np.concatenate([starts[last + 1 : last + 2], ends[last + 1 : first]])
                edges = np.interp(edges, edges[[0, -1]], [begin, end])  # in the same proportions
                starts[last + 1 : first], ends[last + 1 : first] = edges[:-1], edges[1:]
        return Times(starts, ends, self.seconds, self.frame)

    def _pauses(
        self, silent: Sequence[tuple[float, float]], words: Sequence[tuple[int, int]]
    ) -> list[tuple[tuple[int, int], tuple[float, float]]]:
        """Return each place between two words that has a silence, and the silence.

        A place is the last token before it (−1 at the beginning) and the first behind it (N at the
        end). Of several silences the nearest counts, of equally near ones all and what is between.
        """
        lasts = [-1, *(last for _, last in words)]
        firsts = [*(first for first, _ in words), len(self.starts)]
        found: dict[tuple[int, int], tuple[float, float, float]] = {}
        for begin, end in silent:
            nearest: list[tuple[float, float, tuple[int, int]]] = []
            for last, first in zip(lasts, firsts, strict=True):
                left = self.ends[last] if last >= 0 else 0.0
                right = self.starts[first] if first < len(self.starts) else self.seconds
                away = max(begin - right, left - end, 0.0)
                nearest.append((away, abs(begin + end - left - right), (last, first)))
            away, _, place = min(nearest)
            known = found.get(place, (REACH, end, begin))
            if away < known[0] or (away == known[0] and place not in found):
                found[place] = (away, begin, end)
            elif away == known[0]:
                found[place] = (away, min(begin, known[1]), max(end, known[2]))
        return [(place, (begin, end)) for place, (_, begin, end) in sorted(found.items())]

    def labels(
        self,
        spans: Sequence[tuple[str, int, int]],
        certainty: NDArray[np.float32],
        durations: NDArray[np.int64],
    ) -> list[Label]:
        """Return labels that reach from one token to another, with their mean probability.

        Args:
            spans: Text, first and last token of each label.
            certainty: Of each frame, (T,).
            durations: Frames of each token, (N,).
        """
        sums = np.concatenate([[0.0], np.cumsum(certainty, dtype=np.float64)])
        after = np.cumsum(durations)
        found = []
        for text, first, last in spans:
            begin, end = int(after[first] - durations[first]), int(after[last])
            found.append(
                Label(
                    text=text,
                    start=float(self.starts[first]),
                    end=float(self.ends[last]),
                    confidence=float(sums[end] - sums[begin]) / (end - begin),
                )
            )
        return found


def _spans(words: Sequence[Word]) -> Iterator[tuple[str, int, int]]:
    """Yield text, first and last token of each word that is spoken."""
    first = 0
    for word in words:
        count = len(word.tokens)
        if count and any(character.isalnum() for character in word.text):
            yield word.text, first, first + count - 1
        first += count


def _health(
    key: str,
    tokens: Sequence[str],
    durations: NDArray[np.int64],
    certainty: NDArray[np.float32],
    straight: float,
    seconds: float,
) -> Health:
    spoken = np.array([any(map(str.isalnum, token)) and token != SPACE for token in tokens])
    return Health(
        key=key,
        frames=int(durations.sum()),
        tokens=len(tokens),
        diagonality=straight,
        confidence=float(certainty.mean()),
        one_frame=float((durations[spoken] == 1).mean()),
        rate=float(spoken.sum()) / seconds,
    )


def _remove_stale(folder: Path, written: set[str]) -> None:
    """Delete TextGrids of an earlier run whose utterances are gone."""
    for path in folder.glob("*.TextGrid"):
        if path.stem not in written:
            path.unlink()
