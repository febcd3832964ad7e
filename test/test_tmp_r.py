import shutil, torch, numpy as np
from safetensors.torch import load_file, save_file
def test_x(tiny_run, tmp_path):
    from malsori.infer.synthesizer import Synthesizer
    for f in (0.5, 0.8,1, 1.3, 1.7, 2):
        run = shutil.copytree(tiny_run, tmp_path / str(f))
        for p in run.glob("checkpoints/step-*/average.safetensors"):
            t = load_file(p)
            for k in t:
                if k.startswith("generator.") and k.endswith("original0"): t[k] = torch.full_like(t[k], f)
                if k.startswith("generator.") and k.endswith("bias"): t[k] = t[k] *0
            save_file(t, p)
        s = Synthesizer.from_pretrained(run)
        a = s("나무가 있다."); b = s("나무가 있다.", pitch=6.0)
        print(f, a.audio.std(), abs(a.audio).max(), abs(a.audio-b.audio).max())
