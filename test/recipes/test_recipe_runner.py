"""tools/recipe.sh: options, stages, failures, signals."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
RUN_SH = """#!/usr/bin/env bash
cd "$(dirname "${BASH_SOURCE[0]}")" && . RECIPE_SH

corpus=corpus/here        # where the corpus is
train_config=conf/a.yaml  # settings
name=                     # run folder
decode_sets="test dev"    # sets
processes=1               # that train
parse_options "$@"

log_dir=exp/log
fails() { echo before; false; echo after; }
stage 1 "first" echo "one corpus=$corpus train_config=$train_config name=$name"
stage 2 "second" ${SECOND:-true}
stage 3 "third" echo "three" "${overrides[@]}"
stage 4 "fourth" for_each_set echo "set {set} SET"
stage 5 "fifth" in_processes sh -c 'echo "rank ${RANK-none} of ${WORLD_SIZE-none}"'
name=${name:-voice} exp=exp/voice
finish "the end"
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    run_sh = tmp_path / "egs" / "made_up" / "run.sh"
    run_sh.parent.mkdir(parents=True)
    run_sh.write_text(RUN_SH.replace("RECIPE_SH", str(REPOSITORY / "tools" / "recipe.sh")))
    run_sh.chmod(0o755)
    fake = tmp_path / "bin" / "malsori"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\n")
    fake.chmod(0o755)
    return run_sh


def environment(recipe: Path, **extra: str) -> dict[str, str]:
    path = f"{recipe.parents[2] / 'bin'}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, **extra}


def call(recipe: Path, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(recipe), *arguments],
        env=environment(recipe, **extra),
        cwd=recipe.parents[2],
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_runs_all_stages_with_defaults_and_keeps_their_logs(recipe: Path) -> None:
    done = call(recipe)
    assert done.returncode == 0, done.stderr
    assert "one corpus=corpus/here train_config=conf/a.yaml name=\n" in done.stdout
    assert "set test SET\nset dev SET\n" in done.stdout
    folder = recipe.parent / "exp" / "voice"
    for line in (
        f"audio of dev:  {folder}/decode/dev/wav",
        f"scores of dev: {folder}/score/dev/report.html",
        f"plots:         {folder}/plots",
        f"packed voice:  {folder}/voice.malsori.zip",
    ):
        assert f"{line}\n" in done.stdout
    assert done.stdout.endswith('voice.malsori.zip --text "the end" --out hello.wav\n')
    log = recipe.parent / "exp" / "log" / "1.log"
    assert log.read_text() == "one corpus=corpus/here train_config=conf/a.yaml name=\n"


@pytest.mark.parametrize("stop", [["--stop-stage", "3"], ["--stop_stage=3"], ["--stop_stage", "3"]])
def test_runs_only_the_stages_asked_for(recipe: Path, stop: list[str]) -> None:
    done = call(recipe, "--stage", "3", *stop)
    assert done.returncode == 0, done.stderr
    assert "three" in done.stdout
    assert "one corpus" not in done.stdout and "set test" not in done.stdout
    assert "the end" not in done.stdout  # the last stage did not run


def test_options_set_variables_and_overrides_reach_their_stage(recipe: Path) -> None:
    done = call(recipe, "--train-config", "b c.yaml", "--name=x=y", "--", "a.b=1 2", "c=$HOME *")
    assert "train_config=b c.yaml name=x=y" in done.stdout
    assert "three a.b=1 2 c=$HOME *" in done.stdout


def test_corpus_is_relative_to_where_the_caller_stands(recipe: Path) -> None:
    (recipe.parents[2] / "mine").mkdir()
    assert f"corpus={recipe.parents[2]}/mine" in call(recipe, "--corpus", "mine").stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--nonsense", "1"], "unknown option --nonsense"),
        (["--path", "1"], "unknown option --path"),
        (["--log-dir", "x"], "unknown option --log-dir"),  # set after parse_options
        (["--PATH", "x"], "unknown option --PATH"),
        (["positional"], "'positional' is no option"),
        (["--corpus"], "option --corpus needs a value"),
        (["--corpus", "--name"], "option --corpus needs a value"),
        (["--stage", "9"], "--stage is 1 to 8, not '9'"),
        (["--stage", "x[$(touch pwned)]"], "--stage is 1 to 8"),
        (["--stage", "3", "--stop-stage", "2"], "--stage 3 is after --stop-stage 2"),
        (["--", "no-override"], "'no-override' behind -- is no config override"),
    ],
)
def test_wrong_usage_stops_with_2_and_the_list_of_options(
    recipe: Path, arguments: list[str], told: str
) -> None:
    done = call(recipe, *arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert (
        "options: --stage --stop-stage --corpus --train-config --name --decode-sets" in done.stderr
    )
    assert done.stdout == ""
    assert not list(recipe.parents[2].rglob("pwned"))


@pytest.mark.parametrize(
    "option",
    ["--a[$(touch pwned)]", "--corpus[$(touch pwned)]", "--a[`touch pwned`]=1", "--$(touch pwned)"],
)
def test_an_option_never_runs_a_command(recipe: Path, option: str) -> None:
    assert call(recipe, option, "1").returncode == 2
    assert not list(recipe.parents[2].rglob("pwned"))


@pytest.mark.parametrize(
    ("second", "status"), [("fails", 1), ("bash exit_7.sh", 7), ("false", 1), ("no_such", 127)]
)
def test_a_failing_stage_ends_the_run_with_its_status(
    recipe: Path, second: str, status: int
) -> None:
    (recipe.parent / "exit_7.sh").write_text("exit 7")
    done = call(recipe, "--name", "a b", "--", "x.y=1 2", SECOND=second)
    assert done.returncode == status
    assert "three" not in done.stdout
    assert f"failed with status {status}" in done.stderr
    assert str(recipe.parent / "exp" / "log" / "2.log") in done.stderr
    assert f"cd {recipe.parent} && ./run.sh --stage 2 --name a\\ b -- x.y=1\\ 2" in done.stderr
    if second == "fails":  # set -e holds inside of functions
        assert "before" in done.stdout and "after" not in done.stdout


def test_help_lists_options_with_defaults_and_stages_and_runs_nothing(recipe: Path) -> None:
    done = call(recipe, "--help")
    assert done.returncode == 0
    assert "--train-config" in done.stdout and "conf/a.yaml" in done.stdout
    assert "where the corpus is" in done.stdout
    assert "  3  third" in done.stdout
    assert not (recipe.parent / "exp").exists()


def test_progress_bars_leave_their_last_state_in_the_log(recipe: Path) -> None:
    done = call(recipe, "--stop-stage", "2", SECOND=r"printf 10%%\r50%%\rdone\n")
    assert done.returncode == 0, done.stderr
    assert (recipe.parent / "exp" / "log" / "2.log").read_text() == "done\n"


@pytest.mark.parametrize(
    ("sent", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["TERM", "INT"]
)
def test_a_signal_reaches_the_stage_which_may_save_first(
    recipe: Path, sent: signal.Signals, status: int
) -> None:
    worker = recipe.parent / "worker.sh"
    worker.write_text(
        f"trap 'sleep 0.3; echo saved; exit {status}' TERM INT\n"
        "echo started\nfor i in $(seq 600); do sleep 0.05; done\n"
    )
    process = subprocess.Popen(
        [str(recipe)],
        env=environment(recipe, SECOND="bash worker.sh"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Run in the background, we were told to ignore SIGINT, and bash cannot trap it then.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    log = recipe.parent / "exp" / "log" / "2.log"
    deadline = time.monotonic() + 30
    while not (log.exists() and "started" in log.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, sent)
    out, err = process.communicate(timeout=30)
    assert process.returncode == status, err
    assert "saved" in out and "saved" in log.read_text()
    assert "three" not in out
    assert "--stage 2" in err


def test_without_malsori_the_recipe_says_how_to_install_it(recipe: Path) -> None:
    tools = recipe.parents[2] / "elsewhere" / "tools"
    tools.mkdir(parents=True)
    shutil.copy(REPOSITORY / "tools" / "recipe.sh", tools)
    text = recipe.read_text().replace(str(REPOSITORY / "tools"), str(tools))
    recipe.write_text(text)
    done = subprocess.run(
        [str(recipe)], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "make install" in done.stderr


@pytest.mark.parametrize(
    "script",
    sorted([*REPOSITORY.glob("egs/*/run.sh"), REPOSITORY / "tools" / "recipe.sh"]),
    ids=str,
)
def test_scripts_are_bash_and_clean(script: Path) -> None:
    subprocess.run(["bash", "-n", str(script)], check=True, timeout=60)
    if shutil.which("shellcheck"):
        command = ["shellcheck", "-x", "-P", str(script.parent), str(script)]
        checked = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert checked.returncode == 0, checked.stdout


def test_every_recipe_has_the_same_stages() -> None:
    titles = {}
    for script in sorted(REPOSITORY.glob("egs/*/run.sh")):
        lines = [line for line in script.read_text().splitlines() if line.startswith("stage ")]
        titles[script.parent.name] = [line.split('"')[1] for line in lines]
        assert [int(line.split()[1]) for line in lines] == list(range(1, 9))
    assert len(titles) >= 4
    assert len({tuple(each) for each in titles.values()}) == 1


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a source tree with two recipes, and a malsori that says how it was called."""
    root = tmp_path / "tree"
    shutil.copytree(REPOSITORY / "tools", root / "tools")
    for name in ("first", "second"):
        run_sh = root / "egs" / name / "run.sh"
        run_sh.parent.mkdir(parents=True)
        run_sh.write_text(
            "#!/usr/bin/env bash\n"
            'cd "$(dirname "${BASH_SOURCE[0]}")" && . ../../tools/recipe.sh\n'
            "corpora=                # of recipes\n"
            f'licence="of {name}"     # of the voice\n'
            'data_licence="the same" # of the corpus\n'
            "train_config=conf.yaml  # settings\n"
            'parse_options "$@"\n'
            "data=data log_dir=exp/log\n"
            "prepare() { mkdir -p data/train && echo u text >data/train/text; echo made $1; }\n"
            f'stage 1 "data" for_each_corpus prepare {name}\n'
            'stage 2 "told" echo "$licence, $data_licence"\n'
        )
        run_sh.chmod(0o755)
    fake = tmp_path / "bin" / "malsori"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\necho "malsori $*"\n')
    fake.chmod(0o755)
    return root


def in_tree(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = f"{tree.parent / 'bin'}:{os.environ['PATH']}"
    return subprocess.run(
        [str(tree / "egs" / "first" / "run.sh"), *arguments],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_one_corpus_is_prepared_and_nothing_combined(tree: Path) -> None:
    done = in_tree(tree)
    assert done.returncode == 0, done.stderr
    assert "made first\n" in done.stdout and "of first, the same\n" in done.stdout
    assert "malsori data" not in done.stdout


def test_several_corpora_are_prepared_by_their_recipes_and_combined(tree: Path) -> None:
    words = ["--corpora", "first second", "--", "audio.sample_rate=8000"]
    done = in_tree(tree, *words)
    assert done.returncode == 0, done.stderr
    assert "made first\n" in done.stdout and "made second\n" in done.stdout
    command = f"first={tree}/egs/first/data second={tree}/egs/second/data --out data"
    assert (
        f"malsori data combine {command} --config conf.yaml --set audio.sample_rate=8000\n"
        in done.stdout
    )
    assert "of first; of second, the same\n" in done.stdout
    again = in_tree(tree, *words[:2], "--licence", "mine")
    assert "made first\n" in again.stdout and "made second\n" not in again.stdout
    assert f"second: prepared before; anew: {tree}/egs/second/run.sh --stop-stage 1" in again.stdout
    assert "mine, the same\n" in again.stdout


def test_corpora_without_a_recipe_are_wrong_usage(tree: Path) -> None:
    done = in_tree(tree, "--corpora", "first third")
    assert done.returncode == 2
    assert "no recipe third in" in done.stdout and "first/run.sh second/run.sh" in done.stdout
    (tree / "egs" / "second" / "run.sh").write_text("#!/bin/sh\nexit 7\n")
    assert in_tree(tree, "--corpora", "first second").returncode == 7


@pytest.mark.slow
def test_processes_know_of_each_other(recipe: Path) -> None:
    path = f"{Path(sys.executable).parent}:{recipe.parents[2] / 'bin'}:{os.environ['PATH']}"
    done = call(recipe, "--stage", "5", "--processes", "2", PATH=path)
    assert done.returncode == 0, done.stderr
    assert "rank 0 of 2\n" in done.stdout and "rank 1 of 2\n" in done.stdout
    assert "rank none of none\n" in call(recipe, "--stage", "5").stdout
    refused = call(recipe, "--stage", "5", "--processes", "many")
    assert refused.returncode == 2
    assert "--processes is a number from 1 on, not 'many'" in refused.stdout + refused.stderr
