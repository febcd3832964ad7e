import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def malsori(*words: str, text: str | bytes) -> subprocess.CompletedProcess[bytes]:
    env = os.environ | {"PYTHONPATH": str(ROOT / "toolkit"), "LC_ALL": "C"}
    data = text.encode() if isinstance(text, str) else text
    return subprocess.run(
        [sys.executable, "-m", "malsori.bin.main", *words], input=data, capture_output=True, env=env
    )


def test_lines_become_token_lines() -> None:
    done = malsori("g2p", "--lang", "ko", text="안녕하세요!\n\n값이\n")
    assert done.returncode == 0
    assert done.stdout.decode() == "ᄋ ᅡ ᆫ ᄂ ᅧ ᆼ ᄒ ᅡ ᄉ ᅦ ᄋ ᅭ !\n\nᄀ ᅡ ᆸ ᄊ ᅵ\n"


def test_normalize_writes_words() -> None:
    assert malsori("normalize", text="3시 30분\n").stdout.decode() == "세시 삼십분\n"


def test_backend_and_lexicon(tmp_path: Path) -> None:
    lexicon = tmp_path / "lexicon.tsv"
    lexicon.write_text("값\t감\n", encoding="utf-8")
    assert malsori("g2p", "--lexicon", str(lexicon), text="값\n").stdout.decode() == "ᄀ ᅡ ᆷ\n"
    assert malsori("g2p", "--backend", "jamo", text="값\n").stdout.decode() == "ᄀ ᅡ ᆹ\n"


def test_phrases_are_a_setting_of_ko() -> None:
    said = malsori("g2p", "--phrases", "word", text="옷 안\n").stdout.decode()
    assert said == "ᄋ ᅩ ᆮ ᄋ ᅡ ᆫ\n"
    done = malsori("g2p", "--phrases", "all", "--backend", "jamo", text="가\n")
    assert done.returncode == 2 and "jamo has no phrases" in done.stderr.decode()


def test_bad_line_stops_with_its_number() -> None:
    done = malsori("g2p", text="가\nか\n나\n")
    assert done.returncode == 1 and done.stdout.decode() == "ᄀ ᅡ\n"
    assert "line 2" in done.stderr.decode() and "Traceback" not in done.stderr.decode()


@pytest.mark.parametrize("bad", ["か".encode(), b"\xff\xfe"])
def test_keep_going_writes_an_empty_line(bad: bytes) -> None:
    done = malsori("g2p", "--keep-going", text=b"\xea\xb0\x80\n" + bad + b"\n\xeb\x82\x98\n")
    assert done.returncode == 1 and done.stdout.decode() == "ᄀ ᅡ\n\nᄂ ᅡ\n"
    assert "line 2" in done.stderr.decode()


def test_bytes_that_are_no_text_are_told_with_their_place() -> None:
    done = malsori("g2p", text=b"\xea\xb0\x80\n\xeb\x82\x98 \xff\n")
    assert done.returncode == 1 and done.stdout.decode() == "ᄀ ᅡ\n"
    told = done.stderr.decode()
    assert told.count("\n") == 1
    assert "line 2: not UTF-8: byte 0xFF at place 5 of the line; save the text as UTF-8" in told


@pytest.mark.parametrize("command", ["g2p", "normalize"])
def test_line_ends_and_byte_order_mark_of_windows(command: str) -> None:
    plain = malsori(command, text="가\n\n나\n")
    assert plain.returncode == 0 and plain.stdout.count(b"\n") == 3
    assert malsori(command, text="\ufeff가\r\n\r\n나".encode()).stdout == plain.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_cannot_be_written_is_one_line() -> None:
    env = os.environ | {"PYTHONPATH": str(ROOT / "toolkit")}
    command = [sys.executable, "-m", "malsori.bin.main", "g2p", "--backend", "jamo"]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, input="가\n".encode(), stdout=full, stderr=-1, env=env)
    assert done.returncode == 1 and b"Traceback" not in done.stderr
    assert b"standard output cannot be written" in done.stderr


def test_output_streams() -> None:
    env = os.environ | {"PYTHONPATH": str(ROOT / "toolkit")}
    with subprocess.Popen(
        [sys.executable, "-m", "malsori.bin.main", "g2p"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=env,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write("가\n".encode())
        process.stdin.flush()
        assert process.stdout.readline().decode() == "ᄀ ᅡ\n"  # before the input has ended
        process.stdin.close()


@pytest.mark.parametrize(
    ("words", "code"),
    [(["--backend", "kko"], 1), (["--lang", "xx"], 2), (["--backend", "en", "--lang", "ko"], 2)],
)
def test_wrong_use(words: list[str], code: int) -> None:
    done = malsori("g2p", *words, text="")
    assert done.returncode == code and "Traceback" not in done.stderr.decode()


def test_normalize_keeps_going_and_keeps_pronunciations() -> None:
    words = ("normalize", "--lang", "ko", "--keep-going")
    done = malsori(*words, text="3시 {ᄆ ᅡ ᆯ}\n漢か\n5월 1일\n")
    assert done.returncode == 1
    assert done.stdout.decode() == "세시 [[ᄆ ᅡ ᆯ]]\n\n오월 일일\n"
    told = done.stderr.decode()
    assert "line 2: cannot read" in told and "Traceback" not in told


def test_what_normalize_writes_is_pronounced_alike() -> None:
    text = "3시에 {ᄆ ᅡ ᆯ}을 2마리\n$5 at 3:30\n"
    korean, english = text.splitlines()
    for line, lang in ((korean, "ko"), (english, "en")):
        if lang == "en":
            pytest.importorskip("gruut_lang_en", reason="the extra [en] is not installed")
        once = malsori("g2p", "--lang", lang, text=line + "\n").stdout
        words = malsori("normalize", "--lang", lang, text=line + "\n").stdout
        assert malsori("g2p", "--lang", lang, text=words).stdout == once != b"\n"


def test_pronunciations_in_the_text_with_every_korean_backend() -> None:
    for backend in ("ko", "jamo"):
        done = malsori("g2p", "--backend", backend, text="{ᄆ ᅡ ᆯ}\n")
        assert done.stdout.decode() == "ᄆ ᅡ ᆯ\n"


def test_lexicon_of_normalize(tmp_path: Path) -> None:
    lexicon = tmp_path / "lexicon.tsv"
    lexicon.write_text("QXJ\t큐엑스\n", encoding="utf-8")
    done = malsori("normalize", "--lexicon", str(lexicon), text="QXJ 3개\n")
    assert done.stdout.decode() == "큐엑스 세개\n"


def test_a_reader_that_has_gone_is_no_traceback() -> None:
    env = os.environ | {"PYTHONPATH": str(ROOT / "toolkit")}
    with subprocess.Popen(
        [sys.executable, "-m", "malsori.bin.main", "g2p"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write("가\n".encode())
        process.stdin.flush()
        assert process.stdout.readline()
        process.stdout.close()
        process.stdin.write("나\n".encode() * 5)
        process.stdin.close()
        assert process.stderr is not None and b"Traceback" not in process.stderr.read()
