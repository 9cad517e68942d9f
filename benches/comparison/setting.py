"""What both commands ask for and say alike: numbers, where programs are, the machine and versions."""

import argparse
import platform
import shutil
import sys
import time
from pathlib import Path

from .programs import version_of
from .request import CALL

PROJECT = Path(__file__).resolve().parents[2]
# Longer than allocators keep what starting left free.
IDLE_SECONDS = 20
VERSION_FLAGS = {"nginx": "-v", "wrk": "-v", "haproxy": "-v", "openssl": "version"}


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def numbers(text):
    return [positive(part) for part in text.split(",")]


def found(chosen, name, needed_for=None):
    """The path of a program; None if it is not here and nothing needs it."""
    # Debian keeps servers where only root's PATH looks.
    path = shutil.which(chosen) if chosen else shutil.which(name) or shutil.which(f"/usr/sbin/{name}")
    if path:
        return str(Path(path).resolve())
    if chosen or needed_for:
        print(f"{chosen or name}: not found{f'; {needed_for}' if needed_for else ''}", file=sys.stderr)
        sys.exit(2)
    return None


def setting(chosen, paths):
    """The machine, the programs and what was asked for."""
    return machine(paths) | {
        "rules": chosen.rules,
        "body_bytes": CALL.stat().st_size,
        "seconds": chosen.seconds,
        "rounds": chosen.rounds,
    }


def machine(paths):
    """The machine and the programs."""
    cpu = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    here = {name: path for name, path in paths.items() if path}
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cpu": cpu[0].partition(":")[2].strip() if cpu else platform.machine(),
        "cores": sum(line.startswith("processor") for line in Path("/proc/cpuinfo").read_text().splitlines()),
        "kernel": platform.release(),
        "versions": {name: version_of([path, VERSION_FLAGS.get(name, "--version")]) for name, path in here.items()},
    }


def lines_of(the_setting):
    """The same for people."""
    machine = f"{the_setting['cpu']}, {the_setting['cores']} cores, Linux {the_setting['kernel']}"
    return "\n".join([machine, *the_setting["versions"].values()])
