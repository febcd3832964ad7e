"""Optional parts: what each needs and how it is installed."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Extra:
    """One optional part of the toolkit."""

    name: str
    purpose: str
    modules: tuple[str, ...]
    """Import names that it needs."""
    install: str
    """The command that installs it."""


EXTRAS = {
    extra.name: extra
    for extra in (
        Extra(
            name="ko",
            purpose="text front end g2pk",
            modules=("g2pk", "mecab", "nltk", "jamo"),
            install="tools/installers/install_g2pk.sh",
        ),
        Extra(
            name="en",
            purpose="text front end en",
            modules=("gruut_lang_en", "pycrfsuite"),
            install="pip install 'malsori[en]'",
        ),
        Extra(
            name="speakers",
            purpose="speaker encoder resemblyzer: embed-speakers, synthesize --speaker-wav",
            modules=("resemblyzer",),
            install="tools/installers/install_speakers.sh",
        ),
        Extra(
            name="onnx",
            purpose="export --to onnx, and to speak with what it writes",
            modules=("onnx", "onnxruntime"),
            install="pip install 'malsori[onnx]'",
        ),
        Extra(
            name="huggingface",
            purpose="corpora that are Hugging Face datasets on disk: new-recipe",
            modules=("pyarrow",),
            install="pip install 'malsori[huggingface]'",
        ),
        Extra(
            name="espnet",
            purpose="models espnet.jets, espnet.vits, espnet.joint_text2wav",
            modules=("espnet2",),
            install="tools/installers/install_espnet.sh, then .espnet/bin/python -m malsori",
        ),
    )
}


def missing(extra: Extra) -> list[str]:
    """Return the modules of an extra that cannot be found, without importing any."""
    return [name for name in extra.modules if importlib.util.find_spec(name) is None]
