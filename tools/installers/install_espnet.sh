#!/usr/bin/env bash
# Install ESPnet 202511, of which malsori needs the text-to-speech part, into an environment of its own.
#
#   tools/installers/install_espnet.sh [ENVIRONMENT [PYTHON]]
#
# ENVIRONMENT is the folder to make (default: .espnet), PYTHON the interpreter of the environment that
# malsori lives in (default: .venv/bin/python): its PyTorch, NumPy and malsori are seen from the new one,
# so that both toolkits run in one process on the same PyTorch. Needs network access now, none later.
#
# ESPnet's own requirements would bring another PyTorch and much that speech recognition needs. Here
# only what its text-to-speech imports is installed; torchaudio, which it names and never calls, is
# an empty stand-in unless malsori's environment has the real one.
set -euo pipefail

environment=${1:-.espnet}
python=${2:-.venv/bin/python}
command -v "$python" > /dev/null || { echo "$0: no interpreter at '$python'; run 'make install' first" >&2; exit 2; }
"$python" -c 'import torch, malsori' 2> /dev/null || { echo "$0: $python has no torch or no malsori; run 'make install' first" >&2; exit 2; }

"$python" -m venv --clear "$environment"
ours=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
theirs=$("$environment/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
echo "import site; site.addsitedir('$ours')" > "$theirs/_malsori.pth" # behind its own packages

"$environment/bin/python" -m pip install --quiet --disable-pip-version-check --no-warn-conflicts --no-deps "espnet==202511" "torch-complex==0.4.4" "espnet-tts-frontend==0.0.3" "g2p-en==2.1.0"
"$environment/bin/python" -m pip install --quiet --disable-pip-version-check --no-warn-conflicts \
  "numba>=0.60" "librosa>=0.10.2" "scipy>=1.10" h5py configargparse editdistance inflect jaconv jamo==0.4.1 nltk unidecode

"$environment/bin/python" - "$theirs" << 'PYTHON'
import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("torchaudio") is None:
    stand_in = Path(sys.argv[1]) / "torchaudio"
    stand_in.mkdir(exist_ok=True)
    (stand_in / "__init__.py").write_text(
        '"""A stand-in: ESPnet imports torchaudio at the top, and its text-to-speech never calls it."""\n',
        encoding="utf-8",
    )
PYTHON

"$environment/bin/python" -W ignore - << 'PYTHON'
import espnet2
import torch
from espnet2.bin.tts_inference import Text2Speech  # noqa: F401
from espnet2.gan_tts.jets import JETS  # noqa: F401
from espnet2.tasks.gan_tts import GANTTSTask  # noqa: F401

print(f"ESPnet works: JETS, its task and Text2Speech import beside PyTorch {torch.__version__}")
PYTHON
