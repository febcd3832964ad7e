"""New recipes: the three files of an existing one, under another name."""

from __future__ import annotations

import difflib
import os
import re
import shlex
from pathlib import Path

from malsori.core.errors import MalsoriError, UsageError
from malsori.core.files import atomic_folder

FILES = ("run.sh", "local/prepare.py", "conf/train_jets.yaml")
REPOSITORY = Path(__file__).resolve().parents[3]
NAME = re.compile(r"[a-z][a-z0-9_]*")


def new_recipe(
    name: str,
    source: str,
    *,
    out: Path | None = None,
    corpus: str | None = None,
    repository: Path = REPOSITORY,
) -> Path:
    """Return the folder of a new recipe made from another one.

    The name stands in the files' titles and as the speaker, the path to ``tools/recipe.sh`` fits
    the new place, and ``corpus=`` has the new path; what the corpus looks like is for
    ``local/prepare.py`` to say.

    Args:
        name: Name of the recipe: lower case, digits and underscores.
        source: Name of a recipe in ``egs/``.
        out: Folder to make; ``egs/NAME`` if None.
        corpus: Where the corpus is; None leaves ``downloads/NAME``.
        repository: The source tree.

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
    template = repository / "egs" / source
    texts = {file: _read(template / file) for file in FILES}
    texts["run.sh"] = _adapt_run(texts["run.sh"], name, corpus, folder, repository)
    texts["local/prepare.py"] = re.sub(
        r'^""".*?"""',
        f'"""Stage 1 of the {name} recipe: data dirs from the corpus."""',
        texts["local/prepare.py"],
        count=1,
        flags=re.S,
    )
    with atomic_folder(folder) as aside:
        for file, text in texts.items():
            (aside / file).parent.mkdir(exist_ok=True)
            (aside / file).write_text(text, encoding="utf-8")
        (aside / "run.sh").chmod(0o755)
    return folder


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
