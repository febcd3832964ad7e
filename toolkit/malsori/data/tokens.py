"""Stage 2: the texts of data dirs become tokens, and the list of all tokens is written.

The output folder holds ``tokens.txt``, ``tokenizer.yaml``, one ``SET.tokens`` per data dir
("utterance token token …", in the order of its ``text``), ``rejected.tsv``
("utterance<TAB>reason"), and with them what the tokenizer needs: ``bpe.model``, ``lexicon.tsv``;
``made.json`` says what it was made of, and nothing is done again while that is the same.
Each text is read as its language in ``utt2lang`` wants it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from malsori.core.config import to_yaml
from malsori.core.errors import MalsoriError
from malsori.core.files import atomic_folder, write_text
from malsori.core.log import get_logger, progress
from malsori.data.table import Table
from malsori.data.token_folder import Rejection, TokenSet, fingerprint, made_before, note_made
from malsori.text.frontend import TextError
from malsori.text.pieces import train_pieces
from malsori.text.tokenizer import (
    BPE_FILE,
    LEXICON_FILE,
    TOKENIZER_FILE,
    TOKENS_FILE,
    Tokenizer,
    TokenizerConfig,
    front_ends,
)
from malsori.text.tokens import BLANK, TokenList

SHOWN_REASONS = 3

log = get_logger(__name__)


def make_tokens(
    data: Sequence[Path], out: Path, config: TokenizerConfig, max_rejected: float = 0.05
) -> list[TokenSet]:
    """Write the token folder of some data dirs, whole or not at all, and return what was done.

    A folder that was made of the same texts in the same way before is left as it is.

    Args:
        data: Data dirs; their folder names are the sets' names. The first is the training set:
            pieces are trained on it, and with characters its texts decide which ones there are.
        out: Folder to write; what was there before is replaced.
        config: How text becomes tokens; for type ``bpe`` the model is trained here.
        max_rejected: Largest share of a set that may be left out, 0 to 1.

    Raises:
        MalsoriError: A data dir has no texts, two have one name, or more than ``max_rejected`` of
            a set cannot be read, or a text's language has no front end.
    """
    names = [_name(folder) for folder in data]
    for name in names:
        if names.count(name) > 1:
            raise MalsoriError(f"two data dirs are called {name!r}: sets need different names")
    sets = [Texts(folder) for folder in data]
    readers = front_ends(config)
    for texts in sets:
        texts.check(list(readers))
    made_of = fingerprint(data, config, readers.values())
    before = made_before(out, made_of)
    if before is not None:
        for found, texts in zip(before, sets, strict=True):
            _check_share(found, texts.path, max_rejected)
        log.info("%s: unchanged, kept", out)
        return before
    with atomic_folder(out) as folder:
        config = _with_files(config, sets[0], folder)
        tokenizer = Tokenizer(config, folder)
        symbols = tokenizer.inventory
        done = []
        for name, texts in zip(names, sets, strict=True):
            found = _write_set(name, texts, tokenizer, symbols, folder)
            if symbols is None:
                symbols = _symbols(folder / f"{name}.tokens")
            _check_share(found, texts.path, max_rejected)
            done.append(found)
        TokenList.of(symbols or ()).save(folder / TOKENS_FILE)
        write_text(folder / TOKENIZER_FILE, to_yaml(config))
        rows = [
            f"{rejection.utterance}\t{rejection.reason}\n"
            for token_set in done
            for rejection in token_set.rejected
        ]
        write_text(folder / "rejected.tsv", "".join(rows))
        note_made(folder, made_of, done)
    return done


class Texts:
    """The texts of a data dir with their languages.

    Args:
        folder: The data dir; it needs no other file than ``text``.

    Raises:
        MalsoriError: It has no texts.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "text"
        self._texts = Table(self.path)
        languages = folder / "utt2lang"
        self._languages = Table(languages) if languages.exists() else None

    def __len__(self) -> int:
        return len(self._texts)

    def __iter__(self) -> Iterator[tuple[str, str, str | None]]:
        """Yield id, text and language (None without ``utt2lang``) of each utterance."""
        for i, (key, text) in enumerate(self._texts.items()):
            if self._languages is None:
                yield key, text, None
                continue
            if not self._languages.has_key(i, key):
                raise MalsoriError(
                    f"{self._languages.path}:{i + 1}: not {key!r} as in text: "
                    f"'malsori data check {self.path.parent}' shows all differences"
                )
            yield key, text, self._languages.value(i)

    def check(self, languages: Sequence[str]) -> None:
        """Refuse texts in a language that nothing reads.

        Args:
            languages: That are read; one alone may have any name.

        Raises:
            MalsoriError: The line says what ``--frontend`` to give.
        """
        read = ", ".join(languages)
        if self._languages is None:
            if len(languages) > 1:
                raise MalsoriError(
                    f"{self.path.parent}: has no utt2lang to tell {read} apart by: write one, or "
                    "give one --frontend"
                )
            return
        found = sorted({language for _, language in self._languages.items()})
        unread = [language for language in found if language not in languages]
        if unread and max(len(found), len(languages)) > 1:
            wanted = ",".join(f"{language}=NAME" for language in found)
            raise MalsoriError(
                f"{self._languages.path}: has texts in {', '.join(found)}, but --frontend reads "
                f"{read}: give one for each language, --frontend {wanted}"
            )


def _name(folder: Path) -> str:
    return folder.name or folder.resolve().name


def _with_files(config: TokenizerConfig, train: Texts, folder: Path) -> TokenizerConfig:
    """Put the lexicon and the piece model into the folder and return the settings that say so."""
    if config.lexicon is not None:
        Tokenizer(config)  # before anything is written: a wrong lexicon is named by its own path
        shutil.copyfile(config.lexicon, folder / LEXICON_FILE)
        config = replace(config, lexicon=LEXICON_FILE)
    if config.type == "bpe":
        normalizer = Tokenizer(replace(config, type="char", bpe_model=None))
        model, pieces = train_pieces(_readable(train, normalizer), config.vocabulary)
        if pieces != config.vocabulary:
            log.warning(
                "%s: %d pieces instead of the %d asked for fit this text",
                train.path,
                pieces,
                config.vocabulary,
            )
        (folder / BPE_FILE).write_bytes(model)
        config = replace(config, bpe_model=BPE_FILE, vocabulary=pieces)
    return config


def _readable(texts: Texts, normalizer: Tokenizer) -> Iterator[str]:
    """Yield the normalised texts, without those that cannot be read."""
    for _, text, language in texts:
        try:
            yield normalizer.normalize(text, language)
        except TextError:
            continue


def _write_set(
    name: str, texts: Texts, tokenizer: Tokenizer, symbols: Sequence[str] | None, folder: Path
) -> TokenSet:
    """Write ``NAME.tokens``; ``symbols`` are all that may appear, None for any."""
    allowed = None if symbols is None else frozenset(symbols)
    rejected: list[Rejection] = []
    utterances = total = 0
    with open(folder / f"{name}.tokens", "w", encoding="utf-8", newline="\n") as file:
        for key, text, language in progress(texts, len(texts), f"tokens of {name}"):
            try:
                tokens = _tokens(text, language, tokenizer, allowed)
            except TextError as error:
                reason = " ".join(str(error).split())
                rejected.append(Rejection(utterance=key, reason=reason))
                continue
            file.write(f"{key} {' '.join(tokens)}\n")
            utterances += 1
            total += len(tokens)
    log.info("%s: %d utterances, %d tokens, %d rejected", name, utterances, total, len(rejected))
    return TokenSet(name=name, utterances=utterances, tokens=total, rejected=tuple(rejected))


def _tokens(
    text: str, language: str | None, tokenizer: Tokenizer, allowed: frozenset[str] | None
) -> list[str]:
    if not text.strip():
        raise TextError("empty text")
    tokens = tokenizer.tokens(text, language)
    read = [token for token in tokens if token != BLANK]  # that is in every list
    if not any(character.isalnum() for token in read for character in token):
        raise TextError(f"no word in {text!r}")
    if allowed is not None:
        for token in read:
            if token not in allowed:
                raise TextError(f"token {token!r} is not in the training set: {text!r}")
    return tokens


def _symbols(path: Path) -> tuple[str, ...]:
    """Return the tokens of a written set, sorted."""
    found = {token for _, value in Table(path).items() for token in value.split()}
    return tuple(sorted(found - {BLANK}))


def _check_share(done: TokenSet, path: Path, max_rejected: float) -> None:
    count = len(done.rejected)
    all_utterances = done.utterances + count
    reasons = "; ".join(f"{r.utterance}: {r.reason}" for r in done.rejected[:SHOWN_REASONS])
    if count > max_rejected * all_utterances or not done.utterances:
        raise MalsoriError(
            f"{path}: {count} of {all_utterances} texts cannot be read, more than "
            f"{max_rejected:.0%} (--max-rejected); the first: {reasons}"
        )
    if count:
        log.warning("%s: %d rejected, the first: %s", path, count, reasons)
