"""Show versions, devices and which optional parts are there."""

from __future__ import annotations

import argparse

SUMMARY = "show versions, devices, and which optional parts are there"
EPILOG = "example: malsori doctor"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> None:
    """Print one line for each thing, with the install line for what is missing."""
    import platform

    from malsori.core.extras import EXTRAS, missing
    from malsori.core.record import versions

    print(f"python {platform.python_version()} on {platform.platform()}")
    for name, version in versions().items():
        print(f"{name} {version}")
    import torch

    print(f"cpu: {torch.get_num_threads()} threads")
    gpus = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    for number in gpus:
        print(f"cuda:{number}: {torch.cuda.get_device_name(number)}")
    if not gpus:
        print("cuda: none")
    for extra in EXTRAS.values():
        lacking = missing(extra)
        if lacking:
            print(f"{extra.name}: missing {', '.join(lacking)}: {extra.install}")
        else:
            print(f"{extra.name}: there ({extra.purpose})")
