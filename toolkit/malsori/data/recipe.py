"""New recipes: the three files of an existing one, under another name.

For a corpus whose layout is recognised they fit it: ``local/prepare.py`` reads that layout,
language and text front end are those of its texts, and the voice is not trained above its sample
rate.
"""

from __future__ import annotations

import difflib
import os
import re
import shlex
from pathlib import Path

from malsori.core.errors import MalsoriError, UsageError
from malsori.core.files import atomic_folder
from malsori.data.recognition import Recognised

FILES = ("run.sh", "local/prepare.py", "conf/train_jets.yaml")
REPOSITORY = Path(__file__).resolve().parents[3]
NAME = re.compile(r"[a-z][a-z0-9_]*")
GENERAL = "ljspeech"
"""The recipe whose ``run.sh`` names speaker and language, and which others are made from."""
OWN_RECIPES = {"kss": "kss", "ljspeech": GENERAL}
"""Layouts that a recipe of the source tree reads itself."""
DEFAULT = {"ko": "kss", "en": "ljspeech"}
"""Whose settings are taken for a language."""
SENTENCES = {"ko": "안녕하세요. 만나서 반갑습니다.", "en": "Hello. Nice to meet you."}
LEAST_RATE = 16000
SAMPLE_RATE = r"^  sample_rate: *(\d+)"
PREPARE = '''"""Stage 1 of the {name} recipe: data dirs from the corpus."""

from argparse import Namespace

from malsori.data import script
from malsori.data.layouts import {layout}
from malsori.data.prepare import Split, Utterance


def list_corpus(args: Namespace) -> list[Utterance]:
    """Return the utterances of the corpus."""
    return {layout}.read_corpus(
        args.corpus,
        speaker=args.speaker,
        language=args.language,
        extract_to=args.out / "extracted",
    )


if __name__ == "__main__":
    parser = script.options(__doc__)
    parser.add_argument("--speaker", default="{name}", help="who speaks where nothing says it")
    parser.add_argument("--language", default="{language}", help="language code")
    script.run(parser, list_corpus, split=Split(dev=250, test=250, rule="even"))
'''


def new_recipe(
    name: str,
    source: str,
    *,
    out: Path | None = None,
    corpus: str | None = None,
    repository: Path = REPOSITORY,
    recognised: Recognised | None = None,
) -> Path:
    """Return the folder of a new recipe made from another one.

    The name stands in the files' titles and as the speaker, the path to ``tools/recipe.sh`` fits
    the new place, and ``corpus=`` has the new path; what the corpus looks like is for
    ``local/prepare.py`` to say, which is written for a recognised corpus.

    Args:
        name: Name of the recipe: lower case, digits and underscores.
        source: Name of a recipe in ``egs/``.
        out: Folder to make; ``egs/NAME`` if None.
        corpus: Where the corpus is; None leaves ``downloads/NAME``.
        repository: The source tree.
        recognised: What the corpus is; None copies the recipe as it is.

    Raises:
        UsageError: The name is no name, or there is no such recipe.
        MalsoriError: There is no source tree, the folder is there already, or it cannot be written.
    """
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no recipe name: lower case, digits and _, as 'my_voice'")
    recipes = sorted(path.parents[1].name for path in repository.glob("egs/*/local/prepare.py"))
    if not recipes:
        raise MalsoriError(
            f"{repository}: no recipes (egs/*/run.sh) here: new-recipe needs the source tree, "
            "installed with 'make install' or 'pip install -e .'"
        )
    if source not in recipes and (repository / "egs" / source / "run.sh").exists():
        raise UsageError(
            f"{source!r} has no corpus of its own: copy one of {', '.join(recipes)}, and name it "
            "and others in --corpora"
        )
    if source not in recipes:
        close = difflib.get_close_matches(source, recipes, n=1)
        hint = f": did you mean {close[0]!r}?" if close else ":"
        raise UsageError(f"no recipe named {source!r}{hint} known: {', '.join(recipes)}")
    folder = out or repository / "egs" / name
    if folder.exists():
        raise MalsoriError(f"{folder}: is there already: remove it or choose another name")
    texts = _template(repository / "egs", source, recognised)
    texts["run.sh"] = _adapt_run(texts["run.sh"], name, corpus, folder, repository)
    texts["local/prepare.py"] = re.sub(
        r'^""".*?"""',
        f'"""Stage 1 of the {name} recipe: data dirs from the corpus."""',
        texts["local/prepare.py"],
        count=1,
        flags=re.S,
    )
    if recognised is not None:
        texts = _fitted(texts, name, recognised)
    with atomic_folder(folder) as aside:
        for file, text in texts.items():
            (aside / file).parent.mkdir(exist_ok=True)
            (aside / file).write_text(text, encoding="utf-8")
        (aside / "run.sh").chmod(0o755)
    return folder


def _template(recipes: Path, source: str, recognised: Recognised | None) -> dict[str, str]:
    """Return the three files of a recipe; of another one those that have to do with the corpus."""
    reader = source
    if recognised is not None:
        own = OWN_RECIPES.get(recognised.layout)
        reader = own if own and (recipes / own / "run.sh").is_file() else GENERAL
        mini = f"mini_{reader}"
        reader = source if source in (reader, mini) else reader
    return {file: _read(recipes / (source if "conf" in file else reader) / file) for file in FILES}


def _fitted(texts: dict[str, str], name: str, found: Recognised) -> dict[str, str]:
    """Return the files with the layout, language and sample rate of a recognised corpus."""
    texts = dict(texts)
    run, conf = texts["run.sh"], texts["conf/train_jets.yaml"]
    if found.layout not in OWN_RECIPES:
        language = found.language or "unknown"
        texts["local/prepare.py"] = PREPARE.format(
            name=name, layout=found.layout, language=language
        )
        run = re.sub(r"^(corpus=.*?  # ).*$", r"\1where the corpus is", run, flags=re.M)
    if OWN_RECIPES.get(found.layout, GENERAL) == GENERAL:  # whose licence is LJSpeech's alone
        run = re.sub(r'^(data_licence)="[^"]*" ', r'\1="unknown" ', run, flags=re.M)
    if found.language is not None:
        pattern = r"^(language|frontend)=\S+( *#)"
        run = re.sub(pattern, rf"\g<1>={found.language}\g<2>", run, flags=re.M)
        finish = r'^finish "[^"]*"'
        run = re.sub(finish, f'finish "{SENTENCES[found.language]}"', run, flags=re.M)
    texts["run.sh"] = run
    rate = re.search(SAMPLE_RATE, conf, flags=re.M)
    if rate and found.sample_rate and LEAST_RATE <= found.sample_rate < int(rate[1]):
        conf = conf[: rate.start(1)] + str(found.sample_rate) + conf[rate.end(1) :]
    texts["conf/train_jets.yaml"] = conf
    return texts


def settings_told(folder: Path, source: str, found: Recognised | None) -> str:
    """Return what was chosen for a new recipe, in a sentence.

    Args:
        folder: The recipe.
        source: The recipe whose settings were taken.
        found: The corpus, if it was recognised.
    """
    told = f"settings: those of {source}"
    rate = re.search(SAMPLE_RATE, _read(folder / "conf/train_jets.yaml"), flags=re.M)
    if found is None or rate is None or found.sample_rate is None:
        return told
    if found.sample_rate == int(rate[1]):
        return f"{told}, audio.sample_rate {rate[1]} as the recordings have"
    if found.sample_rate > int(rate[1]):
        return f"{told}, audio.sample_rate {rate[1]}: the recordings are resampled to it"
    return (
        f"{told}; but its audio.sample_rate is {rate[1]}, the recordings have {found.sample_rate}: "
        "lower it, and audio.mel_high_hz to half of it at most"
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise MalsoriError(f"{path}: no such file: that recipe cannot be copied") from None


def _adapt_run(text: str, name: str, corpus: str | None, folder: Path, repository: Path) -> str:
    """Return run.sh with another title, corpus, speaker and path to recipe.sh."""
    runner = repository / "tools" / "recipe.sh"
    place = os.path.relpath(runner, folder.absolute())
    path = shlex.quote(str(Path(corpus).expanduser().absolute())) if corpus else f"downloads/{name}"
    for pattern, replacement in (
        (
            r"^# .* to a packed JETS voice\..*$",
            f"# {name}: from the corpus to a packed JETS voice.",
        ),
        (r"^corpus=\S+ *#", f"corpus={path}  #"),
        (r"^speaker=\S+ *#", f"speaker={name}  #"),
        (r"\.\./\.\./tools/recipe\.sh", place),
    ):
        text = re.sub(pattern, replacement.replace("\\", r"\\"), text, flags=re.M)
    return text
