from __future__ import annotations

import copy
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from malsori.core.errors import ConfigError, MalsoriError
from malsori.data.batch import Batch, collate
from malsori.data.datadir import DataDir
from malsori.data.dataset import DataConfig, Names, SpeechDataset
from malsori.dsp.f0 import extract_f0, log_f0
from malsori.text.tokens import TokenList

UNVOICED = 5.0


def dataset(corpus: Any, name: str = "train", **settings: Any) -> SpeechDataset:
    config = corpus.settings()
    return SpeechDataset(
        str(corpus.data / name),
        replace(config.data, **settings),
        config.audio,
        TokenList.load(corpus.tokens / "tokens.txt"),
        Names.of(DataDir(corpus.data / "train")),
        UNVOICED,
    )


def edit(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    aside = path.with_suffix(".new")  # what is open keeps its content
    aside.write_text("\n".join(change(path.read_text().splitlines())) + "\n")
    aside.replace(path)


def test_an_utterance_is_what_the_stages_made(tiny_corpus: Any) -> None:
    data = dataset(tiny_corpus)
    source = DataDir(tiny_corpus.data / "train")
    assert len(data) == len(source) == 16
    for i in (0, 7, 15):
        got, key = data[i], source.key(i)
        wav = source.wav(i, 8000)
        np.testing.assert_array_equal(got.wav, wav)
        frames = len(wav) // 256 + 1
        assert got.id == key and data.key(i) == key and got.log_f0.shape == (frames,)
        np.testing.assert_array_equal(got.log_f0, log_f0(extract_f0(wav, 8000, 256)))
        assert data.token_list.decode(got.tokens) == data.token_text(i).split()
        assert data.seconds[i] == pytest.approx(len(wav) / 8000, abs=1e-3)


def test_missing_stages_are_named(tiny_corpus: Any, tmp_path: Path) -> None:
    with pytest.raises(MalsoriError, match=r"train\.tokens: not there; run stage 2"):
        dataset(tiny_corpus, tokens=str(tmp_path))
    with pytest.raises(MalsoriError, match=r"train\.f0\.scp: not there; run stage 3"):
        dataset(tiny_corpus, stats=str(tmp_path))


def test_rows_that_stage_3_rejected_are_left_out(copy_corpus: Callable[[], Any]) -> None:
    corpus = copy_corpus()
    whole = dataset(corpus)
    edit(corpus.stats / "train.f0.scp", lambda lines: lines[:3] + lines[5:])
    fewer = dataset(corpus)
    assert len(fewer) == 14
    for i, same in ((2, 2), (3, 5), (13, 15)):
        one, other = fewer[i], whole[same]
        assert one.id == other.id
        np.testing.assert_array_equal(one.tokens, other.tokens)
        np.testing.assert_array_equal(one.wav, other.wav)
        np.testing.assert_array_equal(one.log_f0, other.log_f0)


def test_texts_that_stage_2_rejected_are_left_out(copy_corpus: Callable[[], Any]) -> None:
    corpus = copy_corpus()
    whole = dataset(corpus)
    edit(corpus.tokens / "train.tokens", lambda lines: [*lines[:2], *lines[3:]])
    edit(corpus.stats / "train.f0.scp", lambda lines: [*lines[:2], *lines[3:7], *lines[8:]])
    fewer = dataset(corpus)
    left = [i for i in range(16) if i not in (2, 7)]
    assert len(fewer) == len(left)
    for i, same in enumerate(left):
        assert (fewer.key(i), fewer.token_text(i)) == (whole.key(same), whole.token_text(same))
        assert fewer.seconds[i] == whole.seconds[same]


def test_data_that_changed_since_is_refused(copy_corpus: Callable[[], Any]) -> None:
    corpus = copy_corpus()
    edit(corpus.tokens / "train.tokens", lambda lines: lines[:4] + lines[5:])
    with pytest.raises(MalsoriError, match=r"f0\.scp:5: .* run stages 2 and 3 again"):
        dataset(corpus)


def test_damaged_f0_archive_is_named(copy_corpus: Callable[[], Any]) -> None:
    corpus = copy_corpus()
    ark = corpus.stats / "train.f0.ark"
    ark.write_bytes(ark.read_bytes()[:200])
    with pytest.raises(MalsoriError, match=r"train\.f0\.ark: damaged .* run stage 3 again"):
        dataset(corpus)[15]


def test_unknown_token_and_speaker_are_named(copy_corpus: Callable[[], Any]) -> None:
    corpus = copy_corpus()
    edit(corpus.tokens / "train.tokens", lambda lines: [lines[0] + " QQ", *lines[1:]])
    with pytest.raises(MalsoriError, match="QQ"):
        dataset(corpus)[0]
    for name in ("utt2spk", "spk2utt"):
        edit(corpus.data / "dev" / name, lambda lines: [x.replace("tone", "eve") for x in lines])
    with pytest.raises(MalsoriError, match="dev: u04: speaker 'eve' is not in the training set"):
        dataset(corpus, "dev")[0]


def test_utterance_without_voiced_frames_gets_the_mean(copy_corpus: Callable[[], Any]) -> None:
    import kaldiio

    corpus = copy_corpus()
    line = (corpus.stats / "train.f0.scp").read_text().splitlines()[0]
    key = line.split()[0]
    with open(corpus.stats / "train.f0.ark", "ab") as ark:
        offset = ark.tell() + len(key) + 1
        kaldiio.save_ark(ark, {key: np.zeros(30, np.float32)})
    edit(
        corpus.stats / "train.f0.scp",
        lambda lines: [f"{key} train.f0.ark:{offset}", *lines[1:]],
    )
    assert (dataset(corpus)[0].log_f0 == UNVOICED).all()


@pytest.mark.parametrize("cache", ["ram", "disk"])
def test_caches_give_what_is_read_without(copy_corpus: Callable[[], Any], cache: str) -> None:
    corpus = copy_corpus()
    plain, cached = dataset(corpus), dataset(corpus, cache=cache)
    for _ in range(2):
        for i in range(3):
            np.testing.assert_array_equal(plain[i].wav, cached[i].wav)  # the corpus is 16 bit


def test_disk_cache_is_used_again_and_never_for_other_audio(
    copy_corpus: Callable[[], Any], tmp_path: Path
) -> None:
    corpus = copy_corpus()
    first = dataset(corpus, cache="disk")[0].wav
    files = list((corpus.stats / "cache").iterdir())
    dataset(corpus, cache="disk")
    assert list((corpus.stats / "cache").iterdir()) == files
    # the same utterances, as long as before, from other recordings
    louder = tmp_path / "louder"
    shutil.copytree(Path((corpus.data / "train" / "wav.scp").read_text().split()[1]).parent, louder)
    for path in louder.iterdir():
        import soundfile

        wav, rate = soundfile.read(path)
        soundfile.write(path, wav * 0.5, rate)
    edit(
        corpus.data / "train" / "wav.scp",
        lambda lines: [f"{x.split()[0]} {louder}/{x.split()[0]}.wav" for x in lines],
    )
    other = dataset(corpus, cache="disk")[0].wav
    np.testing.assert_allclose(other, first / 2, atol=1e-3)
    assert len(list((corpus.stats / "cache").iterdir())) == 2


def test_picklable_without_cache(tiny_corpus: Any) -> None:
    data = dataset(tiny_corpus)
    again = copy.deepcopy(data)  # by the same rules as pickle's
    np.testing.assert_array_equal(again[1].wav, data[1].wav)


def test_collate_pads_at_the_end(tiny_corpus: Any) -> None:
    data = dataset(tiny_corpus)
    parts = [data[0], data[12], data[5]]
    batch = collate(parts)
    assert isinstance(batch, Batch) and batch.ids == tuple(part.id for part in parts)
    for row, part in enumerate(parts):
        n, t, s = len(part.tokens), len(part.log_f0), len(part.wav)
        assert (int(batch.token_lengths[row]), int(batch.wav_lengths[row])) == (n, s)
        np.testing.assert_array_equal(batch.tokens[row, :n], part.tokens)
        assert not batch.tokens[row, n:].any() and not batch.wav[row, s:].any()
        np.testing.assert_array_equal(batch.wav[row, :s], part.wav)
        np.testing.assert_array_equal(batch.log_f0[row, :t], part.log_f0)
        assert (batch.log_f0[row, t:] == part.log_f0[-1]).all()
    assert batch.wav.shape[1] == max(len(part.wav) for part in parts)
    assert batch.to(torch.device("cpu")).ids == batch.ids


def test_names_come_sorted_and_language_may_be_missing(tiny_corpus: Any) -> None:
    names = Names.of(DataDir(tiny_corpus.data / "train"))
    assert names.speakers == ("tone",) and len(names.languages) == 1


@pytest.mark.parametrize(
    ("settings", "message"), [({"batch": 0.0}, "batch"), ({"workers": -1}, "workers")]
)
def test_settings_out_of_range(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DataConfig(**settings)
