"""What a run is trained on, as its task asks for it: speech with texts, or recordings alone."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from malsori.core.errors import MalsoriError
from malsori.core.files import atomic_write, read_json, write_json
from malsori.data.datadir import DataDir
from malsori.data.dataset import Dataset, Names, SpeechDataset
from malsori.data.recordings import RecordingDataset, open_recordings
from malsori.data.stats import check_audio
from malsori.dsp.statistics import Statistics
from malsori.models.voice import embedding_size
from malsori.tasks.task import TaskConfig
from malsori.text.tokens import TokenList
from malsori.train import initial
from malsori.train.config import TrainConfig

TOKEN_FILES = ("tokens.txt", "tokenizer.yaml", "bpe.model", "lexicon.tsv")
"""What stage 2 made and a voice needs to read text; those that exist are copied into the run."""


class Corpus(Protocol):
    """What a run is trained on."""

    @property
    def tokens(self) -> TokenList:
        """What texts are made of; of no text the empty list."""
        ...

    @property
    def statistics(self) -> Statistics:
        """What the run normalises with."""
        ...

    @property
    def names(self) -> Names:
        """Speakers and languages."""
        ...

    @property
    def sources(self) -> tuple[Path, ...]:
        """Files whose hashes the run keeps."""
        ...

    def started_from(self, base: initial.Base) -> Corpus:
        """Return it as a run sees it that starts from ``base``."""
        ...

    def resumed(self, folder: Path) -> Corpus:
        """Return it as the run in ``folder``, which started from a voice, sees it."""
        ...

    def dataset(self, folder: str) -> Dataset:
        """Return the utterances of one set."""
        ...

    def save(self, folder: Path) -> None:
        """Write what a voice needs of it, besides weights, into the run folder."""
        ...

    def compare(self, folder: Path) -> None:
        """Refuse a run folder in which something else was trained on."""
        ...


def open_corpus(config: TrainConfig) -> Corpus:
    """Return what the run's task is trained on.

    Raises:
        MalsoriError: A stage has not been run, or the data is not there.
    """
    task: TaskConfig = config.task.config
    return SpeechCorpus.open(config) if task.material == "speech" else RecordingCorpus(config)


@dataclass(frozen=True, kw_only=True)
class SpeechCorpus:
    """Recordings with tokens, F0, speakers, languages and statistics: stages 1 to 3."""

    config: TrainConfig
    tokens: TokenList
    statistics: Statistics
    names: Names

    @classmethod
    def open(cls, config: TrainConfig) -> SpeechCorpus:
        """Return what the stages made.

        Raises:
            MalsoriError: One has not been run, or with other audio settings.
        """
        tokens = TokenList.load(_needed(Path(config.data.tokens) / "tokens.txt", 2))
        statistics = Statistics.load(_needed(Path(config.data.stats) / "stats.json", 3))
        check_audio(Path(config.data.stats), config.audio)
        names = Names.of(DataDir(config.data.train))
        return cls(config=config, tokens=tokens, statistics=statistics, names=names)

    @property
    def embedding_size(self) -> int:
        """Numbers of the speaker vectors that the model takes; 0 for none."""
        return embedding_size(self.config.model.config)

    @property
    def speaker_encoder(self) -> str | None:
        """Whose speaker vectors the model learns; None for none, or where the data does not say."""
        return DataDir(self.config.data.train).speaker_encoder if self.embedding_size else None

    @property
    def sources(self) -> tuple[Path, ...]:
        """Texts, token list and statistics."""
        data = self.config.data
        return (
            Path(data.train) / "text",
            Path(data.tokens) / "tokens.txt",
            Path(data.stats) / "stats.json",
        )

    def started_from(self, base: initial.Base) -> SpeechCorpus:
        """Return it normalised as the base's weights know speech; how far it lies is logged.

        Raises:
            MalsoriError: The base knows the speaker vectors of another encoder.
        """
        known, own = base.files.description.get("speaker_encoder"), self.speaker_encoder
        if known and own and known != own:
            raise MalsoriError(
                f"init_from: {base.files.origin} knows speakers by vectors of {known}, and "
                f"{self.config.data.train} has those of {own}: embed them with {known}"
            )
        initial.report_statistics(self.statistics, base)
        return dataclasses.replace(self, statistics=base.files.statistics)

    def resumed(self, folder: Path) -> SpeechCorpus:
        """Return it normalised as the run in ``folder`` began."""
        return dataclasses.replace(self, statistics=Statistics.load(folder / "stats.json"))

    def dataset(self, folder: str) -> SpeechDataset:
        """Return the utterances of one set that passed stages 1 to 3."""
        return SpeechDataset(
            folder,
            self.config.data,
            self.config.audio,
            self.tokens,
            self.names,
            self.statistics.pitch_mean,
            self.embedding_size,
            self.speaker_encoder,
        )

    def save(self, folder: Path) -> None:
        """Write names, token files and statistics."""
        write_json(folder / "names.json", self._written_names())
        for path in (Path(self.config.data.tokens) / name for name in TOKEN_FILES):
            if path.exists():
                with atomic_write(folder / path.name, "wb") as file:
                    file.write(path.read_bytes())
        self.statistics.save(folder / "stats.json")

    def compare(self, folder: Path) -> None:
        """Refuse a run folder with another token list, other speakers or statistics.

        Raises:
            MalsoriError: The line names what differs.
        """
        data = self.config.data
        if (folder / "tokens.txt").exists():
            old = TokenList.load(folder / "tokens.txt")
            if old.symbols != self.tokens.symbols:
                raise MalsoriError(
                    f"{data.tokens}/tokens.txt: not the token list of {folder} "
                    f"({len(self.tokens)} tokens, there {len(old)}); choose another --exp"
                )
        names = folder / "names.json"
        if names.exists() and read_json(names) != self._written_names():
            raise MalsoriError(
                f"{data.train}: not the speakers that {folder} was trained with, or not the "
                "encoder of their vectors"
            )
        stats = folder / "stats.json"
        if stats.exists() and Statistics.load(stats) != self.statistics:
            raise MalsoriError(
                f"{Path(data.stats) / 'stats.json'}: not the statistics that {folder} was "
                "trained with; choose another --exp"
            )

    def _written_names(self) -> dict[str, Any]:
        """Return what a run folder keeps of speakers and languages, as JSON gives it back."""
        names = {key: list(value) for key, value in dataclasses.asdict(self.names).items()}
        encoder = self.speaker_encoder
        return {**names, "speaker_encoder": encoder} if encoder else dict(names)


@dataclass(frozen=True)
class RecordingCorpus:
    """Recordings alone: there is nothing to read, to normalise with or to tell speakers by."""

    config: TrainConfig

    @property
    def tokens(self) -> TokenList:
        """The empty list."""
        return TokenList.of(())

    @property
    def statistics(self) -> Statistics:
        """Neutral."""
        return Statistics.neutral(self.config.audio.mel_bands)

    @property
    def names(self) -> Names:
        """One speaker and one language, both without a name."""
        return Names(speakers=("",), languages=("",))

    @property
    def sources(self) -> tuple[Path, ...]:
        """The list of recordings, if it is a data dir."""
        listed = Path(self.config.data.train) / "wav.scp"
        return (listed,) if listed.exists() else ()

    def started_from(self, base: initial.Base) -> RecordingCorpus:
        """Return it unchanged: nothing is normalised."""
        return self

    def resumed(self, folder: Path) -> RecordingCorpus:
        """Return it unchanged: nothing is normalised."""
        return self

    def dataset(self, folder: str) -> RecordingDataset:
        """Return the recordings of a data dir or of a folder of audio files."""
        return RecordingDataset(open_recordings(folder), self.config.data, self.config.audio)

    def save(self, folder: Path) -> None:
        """Write nothing: a vocoder needs its settings and weights alone."""

    def compare(self, folder: Path) -> None:
        """Take any folder: nothing but settings and weights is in it."""


def _needed(path: Path, stage: int) -> Path:
    if not path.exists():
        raise MalsoriError(f"{path}: not there; run stage {stage} of the recipe first")
    return path
