#!/usr/bin/env bash
# Install the weights of the speaker encoder resemblyzer into a Python environment.
#
#   tools/installers/install_speakers.sh [PYTHON]
#
# PYTHON is the environment's interpreter (default: .venv/bin/python, else python3). Needs network
# access now (16 MB), none later. The package (Apache-2.0) ships its weights in its wheel, and malsori
# reads nothing else of it: what the package itself would need (librosa with numba, webrtcvad, which
# is compiled and wants an old setuptools) is left out.
set -euo pipefail

python=${1:-}
if [[ -z "$python" ]]; then
  python=python3
  [[ -x .venv/bin/python ]] && python=.venv/bin/python
fi
command -v "$python" > /dev/null || { echo "$0: no interpreter at '$python'" >&2; exit 2; }

"$python" -m pip install --quiet --no-deps "resemblyzer==0.1.4"

if "$python" -c 'import malsori' 2> /dev/null; then
  "$python" -c "
from malsori.core.config import build, read_choice
from malsori.modules import SPEAKER_ENCODERS
encoder = build(SPEAKER_ENCODERS, read_choice(SPEAKER_ENCODERS, 'resemblyzer', 'encoder'))
print(f'resemblyzer works: vectors of {encoder.size} numbers')"
fi
