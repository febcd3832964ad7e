"""The folder that decoding leaves: ``wav/UTT.wav`` and, where the model tells, token durations."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from malsori.core.errors import MalsoriError
from malsori.core.log import get_logger
from malsori.data.datadir import DataDir

log = get_logger(__name__)
SUFFIXES = (".wav", ".flac")


class TokenTimes(NamedTuple):
    """Which token stands where in a decoded utterance."""

    tokens: tuple[str, ...]
    """As many as durations."""
    durations: tuple[int, ...]
    """Frames; the frame's length is the recording's divided by their sum."""


class DecodedSpeech:
    """Decoded recordings by utterance id.

    Args:
        folder: Has ``wav/``; may have ``tokens`` and ``durations``, one utterance a line, and
            ``rejected.tsv`` with the utterances whose text decoding could not read.

    Raises:
        MalsoriError: There is no such folder or no recording in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        audio = folder / "wav"
        if not audio.is_dir():
            raise MalsoriError(f"{audio}: no such folder; decode the set first (stage 5)")
        self._paths = {p.stem: p for p in sorted(audio.iterdir()) if p.suffix.lower() in SUFFIXES}
        if not self._paths:
            raise MalsoriError(f"{audio}: holds no recordings; decode the set first (stage 5)")
        rejected = folder / "rejected.tsv"
        lines = rejected.read_text(encoding="utf-8").splitlines() if rejected.exists() else []
        self._rejected = {line.partition("\t")[0] for line in lines}

    def __len__(self) -> int:
        return len(self._paths)

    def path(self, utterance: str) -> Path:
        """Return the file of an utterance that ``rows`` has found."""
        return self._paths[utterance]

    def rows(self, data: DataDir) -> list[int]:
        """Return the numbers of the data dir's utterances, all of which must have been decoded.

        Those whose text decoding could not read are left out, with a warning.

        Raises:
            MalsoriError: Utterances are missing on one of the two sides.
        """
        rows = [i for i in range(len(data)) if data.key(i) not in self._rejected]
        wanted = [data.key(i) for i in rows]
        if len(wanted) < len(data):
            log.warning(
                "%s: %d texts could not be read and are not scored; rejected.tsv says why",
                self.folder,
                len(data) - len(wanted),
            )
        missing = [utterance for utterance in wanted if utterance not in self._paths]
        audio = self.folder / "wav"
        if len(missing) == len(wanted):
            first = data.key(rows[0] if rows else 0)
            raise MalsoriError(
                f"{audio}: none of its {len(self)} recordings is an utterance of {data.path}; "
                f"was another set decoded? (first there: {min(self._paths)}, here: {first})"
            )
        if missing:
            raise MalsoriError(
                f"{audio}: {len(missing)} of the {len(wanted)} utterances of {data.path} are "
                f"missing, first {missing[0]}; decode the set again (stage 5)"
            )
        if len(self) > len(wanted):
            extra = min(self._paths.keys() - set(wanted))
            raise MalsoriError(
                f"{audio}: {len(self) - len(wanted)} recordings have no reference in {data.path}, "
                f"first {extra}; remove them or score against the set they are of"
            )
        return rows

    def token_times(self, utterances: Collection[str]) -> dict[str, TokenTimes]:
        """Return the token times of the given utterances; empty where decoding left none.

        Raises:
            MalsoriError: A line is malformed, or tokens and durations do not agree.
        """
        durations_file, tokens_file = self.folder / "durations", self.folder / "tokens"
        if not (durations_file.is_file() and tokens_file.is_file()):
            return {}
        durations = _read(durations_file, set(utterances))
        tokens = _read(tokens_file, set(utterances))
        times = {}
        for utterance in durations.keys() & tokens.keys():
            numbers = durations[utterance]
            if not all(number.isdecimal() for number in numbers):
                raise MalsoriError(
                    f"{durations_file}: {utterance}: expected whole numbers of frames"
                )
            if len(numbers) != len(tokens[utterance]):
                raise MalsoriError(
                    f"{durations_file}: {utterance} has {len(numbers)} durations, "
                    f"but {len(tokens[utterance])} tokens in {tokens_file}; decode the set again"
                )
            times[utterance] = TokenTimes(tokens[utterance], tuple(map(int, numbers)))
        return times


def _read(path: Path, utterances: set[str]) -> dict[str, tuple[str, ...]]:
    """Return the fields after the id of the lines of the given utterances."""
    lines: dict[str, tuple[str, ...]] = {}
    with open(path, encoding="utf-8") as file:
        try:
            for line in file:
                fields = line.split()
                if fields and fields[0] in utterances:
                    lines[fields[0]] = tuple(fields[1:])
        except UnicodeDecodeError as error:
            raise MalsoriError(f"{path}: not UTF-8: {error.reason}") from error
    return lines
