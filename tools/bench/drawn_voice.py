"""Korean voices whose weights are drawn, not trained: they cost what trained ones cost.

Every token gets eight frames, 85 ms at 24 kHz, as tokens of read Korean have about.
"""

from __future__ import annotations

from typing import Any

import torch

from malsori.core.config import from_dict
from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.statistics import Statistics
from malsori.infer.synthesizer import Synthesizer
from malsori.infer.voice import Voice
from malsori.models.jets import Jets, JetsConfig
from malsori.models.voice import VoiceContext
from malsori.modules.weight_norm import fold_weight_norm
from malsori.text.tokenizer import Tokenizer, TokenizerConfig
from malsori.text.tokens import TokenList

TOKEN_FRAMES = 8
SMALL_STACK = {"layers": 3, "hidden": 512}
SMALL_FRONT = {
    "width": 128,
    "encoder": SMALL_STACK,
    "decoder": SMALL_STACK,
    "duration": {"channels": 128},
    "pitch": {"layers": 3, "channels": 128},
    "energy": {"channels": 128},
}
VOICES: dict[str, dict[str, Any]] = {
    "istft": {"generator": {"name": "istft"}},
    "small istft": {
        **SMALL_FRONT,
        "generator": {"name": "istft", "channels": 256, "hidden": 768},
    },
    "hifigan_v2": {"generator": {"name": "hifigan_v2"}},
    "small hifigan_v2": {**SMALL_FRONT, "generator": {"name": "hifigan_v2"}},
    "hifigan_v3": {"generator": {"name": "hifigan_v3"}},
    "hifigan_v1": {"generator": {"name": "hifigan_v1"}},
}
"""What differs from JETS for KSS."""
SENTENCE = (
    "봄이 오면 산과 들에 꽃이 피고, 여름에는 시원한 바람이 불며, 가을이 오면 단풍이 곱게 든다."
)
"""About seven seconds, with clauses."""


def drawn_voice(name: str) -> Synthesizer:
    """Return what speaks with one of ``VOICES``."""
    torch.manual_seed(0)
    tokenizer = Tokenizer(TokenizerConfig(type="phn", frontend="ko"))
    audio = AudioConfig()
    tokens = TokenList.of(tokenizer.inventory or ())
    model = Jets(from_dict(JetsConfig, VOICES[name]), VoiceContext(audio=audio, tokens=len(tokens)))
    fold_weight_norm(model).eval().requires_grad_(False)
    model.duration_predictor.out.weight.zero_()
    model.duration_predictor.out.bias.fill_(float(torch.tensor(TOKEN_FRAMES + 1.0).log()))
    return Synthesizer(
        Voice(
            model=model,
            tokenizer=tokenizer,
            tokens=tokens,
            audio=audio,
            statistics=Statistics.neutral(audio.mel_bands),
            speakers=("drawn",),
            languages=("ko",),
            origin=name,
        )
    )
