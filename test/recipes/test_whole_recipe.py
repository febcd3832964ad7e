"""The mini recipe through its own run.sh: from the corpus to a packed voice that speaks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from malsori.core.config import load
from malsori.infer.synthesizer import Synthesizer
from malsori.models import MODELS
from malsori.packs.format import read_meta
from malsori.train.config import TrainConfig

ROOT = Path(__file__).parents[2]
STEPS = 120


@pytest.fixture(scope="module")
def egs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of recipes and runner, so that the source tree stays as it is."""
    tree = tmp_path_factory.mktemp("tree")
    left_out = shutil.ignore_patterns("data", "exp")
    shutil.copytree(ROOT / "egs", tree / "egs", ignore=left_out)
    shutil.copytree(ROOT / "tools", tree / "tools")
    return tree / "egs"


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["./run.sh", *words],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )


@pytest.fixture(scope="module")
def mini_kss(egs: Path) -> Path:
    """The run folder after all stages, with a tenth of the recipe's steps."""
    settings = [f"training.steps={STEPS}", f"training.validate_every={STEPS // 2}"]
    settings += ["training.log_every=20", "schedule.final=1.0"]
    done = run(egs / "mini_kss", "--name", "ci", "--", *settings)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "malsori synthesize --model" in done.stdout
    return egs / "mini_kss" / "exp" / "ci"


def metrics(folder: Path) -> list[dict[str, float]]:
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.slow
def test_it_learns(mini_kss: Path) -> None:
    logged = [entry for entry in metrics(mini_kss) if "generator/reconstruction" in entry]
    mel = [entry["generator/reconstruction"] for entry in logged]
    aligned = [entry["generator/forward_sum"] for entry in logged]
    assert mel[-1] < 0.75 * mel[0]
    assert aligned[-1] < 0.6 * aligned[0]
    sharp = [entry["dev/diagonality"] for entry in metrics(mini_kss) if "dev/diagonality" in entry]
    assert sharp[-1] > sharp[0]


@pytest.mark.slow
def test_it_leaves_what_the_documentation_promises(mini_kss: Path) -> None:
    for name in ("config.yaml", "run.json", "checkpoints/best", "checkpoints/last"):
        assert (mini_kss / name).is_file(), name
    assert (mini_kss / "plots" / "curves.png").is_file()
    assert list((mini_kss / "tensorboard").iterdir())
    for name in ("test", "train_sample"):
        decoded, scored = mini_kss / "decode" / name, mini_kss / "score" / name
        keys = [line.split()[0] for line in (decoded / "tokens").read_text("utf-8").splitlines()]
        for key in keys:
            assert soundfile.info(decoded / "wav" / f"{key}.wav").frames > 0
        assert json.loads((decoded / "rtf.json").read_text("utf-8"))["real_time_factor"] > 0
        assert (scored / "report.html").is_file()
        assert json.loads((scored / "scores.json").read_text("utf-8"))


@pytest.mark.slow
def test_the_pack_speaks_with_the_command_the_recipe_prints(mini_kss: Path, tmp_path: Path) -> None:
    out = tmp_path / "said.wav"
    words = ["synthesize", "--model", str(mini_kss / "ci.malsori.zip"), "--out", str(out)]
    command = [sys.executable, "-m", "malsori", *words, "--text", "오늘은 날씨가 좋아요."]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert soundfile.info(out).samplerate == 16000


@pytest.mark.slow
def test_a_second_run_trains_nothing_again(mini_kss: Path) -> None:
    before = (mini_kss / "checkpoints" / "last").read_text("utf-8")
    settings = [f"training.steps={STEPS}", f"training.validate_every={STEPS // 2}"]
    settings += ["training.log_every=20", "schedule.final=1.0"]
    words = ["--stage", "3", "--stop-stage", "4", "--name", "ci", "--", *settings]
    done = run(mini_kss.parents[1], *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "steps are done" in done.stdout + done.stderr
    assert (mini_kss / "checkpoints" / "last").read_text("utf-8") == before


@pytest.mark.slow
def test_the_english_recipe_trains_and_decodes(egs: Path) -> None:
    settings = ["training.steps=4", "training.validate_every=4", "training.validate_batches=1"]
    done = run(egs / "mini_ljspeech", "--stop-stage", "5", "--", *settings)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list((egs / "mini_ljspeech" / "exp").glob("*/decode/test/wav/*.wav"))


@pytest.fixture(scope="module")
def mini_multi(egs: Path) -> Path:
    """The run folder of the recipe of two corpora after all stages; its first steps are small, so
    that an untrained voice does not speak for minutes."""
    settings = ["training.steps=4", "training.validate_every=4", "training.validate_batches=1"]
    settings += ["training.demonstrate=1", "training.demonstrate_train=0", "optimizer.lr=1e-5"]
    words = ["--name", "ci", "--sets", "train dev test"]
    words += ["--decode-sets", "test_mini_kss test_mini_ljspeech"]
    done = run(egs / "mini_multi", *words, "--", *settings)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "--language ko --speaker mini_kss-kss --out" in done.stdout
    return egs / "mini_multi" / "exp" / "ci"


@pytest.mark.slow
def test_two_corpora_make_one_voice(mini_multi: Path) -> None:
    names = json.loads((mini_multi / "names.json").read_text("utf-8"))
    speakers = ["mini_kss-kss", "mini_ljspeech-LJ"]
    assert names == {"speakers": speakers, "languages": ["en", "ko"]}
    for name, count in (("test_mini_kss", 4), ("test_mini_ljspeech", 2)):
        assert len(list((mini_multi / "decode" / name / "wav").glob("*.wav"))) == count
        assert (mini_multi / "score" / name / "report.html").is_file()
    meta = read_meta(mini_multi / "ci.malsori.zip")
    assert meta["speakers"] == speakers and meta["languages"] == ["en", "ko"]
    assert meta["licences"]["data"] == "CC BY 2.0 FR; public domain"
    voice = Synthesizer.from_pretrained(mini_multi / "ci.malsori.zip")
    said = {
        (speaker, language): voice(text, speaker=speaker, language=language)
        for speaker in speakers
        for language, text in (("ko", "3시에 만나요."), ("en", "Meet me at 3."))
    }
    korean, english = (said[speakers[0], language].tokens for language in ("ko", "en"))
    assert "ᄉ" in korean and "θ" not in korean and "θ" in english and "ᄉ" not in english
    assert all(spoken.seconds > 0 for spoken in said.values())


@pytest.mark.slow
def test_any_recipe_takes_other_corpora_along(mini_multi: Path) -> None:
    folder = mini_multi.parents[2] / "mini_kss"
    corpora = ["--corpora", "mini_kss mini_ljspeech"]
    refused = run(folder, *corpora, "--stop-stage", "2")
    assert refused.returncode == 1
    assert "has texts in en, ko, but --frontend reads ko" in refused.stdout
    done = run(folder, *corpora, "--stop-stage", "2", "--frontend", "ko,en")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "mini_ljspeech: prepared before" in done.stdout
    tokens = folder / "data" / "mini_kss_mini_ljspeech" / "tokens" / "phn_ko_en"
    assert len((tokens / "train.tokens").read_text("utf-8").splitlines()) == 100


@pytest.mark.slow
def test_a_vocoder_comes_out_of_the_same_recipe(egs: Path) -> None:
    """Recordings alone: no F0 is looked for; scores beat another utterance's."""
    settings = ["training.steps=75", "training.validate_every=75", "training.log_every=15"]
    words = ["--train-config", "conf/train_hifigan.yaml", "--name", "vocoder"]
    done = run(egs / "mini_kss", *words, "--", *settings, "schedule.final=1.0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "malsori decode --model" in done.stdout
    assert "nothing to do: the task vocoder is trained on recordings alone" in done.stdout
    folder = egs / "mini_kss" / "exp" / "vocoder"
    logged = [e for e in metrics(folder) if "generator/reconstruction" in e]
    mel = [entry["generator/reconstruction"] for entry in logged]
    assert mel[-1] < 0.75 * mel[0]
    assert not (folder / "tokens.txt").exists() and (folder / "vocoder.malsori.zip").is_file()
    for name in ("test", "train_sample"):
        assert (folder / "decode" / name / "rtf.json").is_file()
        summary = json.loads((folder / "score" / name / "scores.json").read_text("utf-8"))[
            "summary"
        ]
        mcd = {system: summary[system]["mcd_db"]["mean"] for system in summary}
        assert mcd["decoded"] < mcd["other_utterance"] < mcd["silence"]


@pytest.mark.slow
def test_an_aligner_comes_out_of_the_same_recipe(egs: Path) -> None:
    """Stage 5 aligns the sets, stage 6 has nothing to compare; the pack is how one aligns."""
    settings = ["training.steps=100", "training.validate_every=100", "training.log_every=20"]
    words = ["--train-config", "conf/train_align.yaml", "--name", "aligner"]
    done = run(egs / "mini_kss", *words, "--", *settings)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "malsori align --model" in done.stdout
    folder = egs / "mini_kss" / "exp" / "aligner"
    logged = [e["aligner/total"] for e in metrics(folder) if "aligner/total" in e]
    assert logged[-1] < 0.75 * logged[0]
    assert len(list((folder / "decode" / "test" / "textgrid").iterdir())) == 4
    assert (folder / "aligner.malsori.zip").is_file() and not (folder / "score").exists()


@pytest.mark.parametrize(
    "conf", sorted(ROOT.glob("egs/*/conf/*.yaml")), ids=lambda p: f"{p.parts[-3]}-{p.stem}"
)
def test_every_conf_is_read(conf: Path) -> None:
    """Loading compares the model with the audio settings, such as a generator's hop."""
    config = load(TrainConfig, conf)
    assert config.training.steps > 0 and config.model.name in MODELS.names()
