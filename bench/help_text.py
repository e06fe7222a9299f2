"""How long `serinus COMMAND --help` takes, from the start of the process to its end."""

import subprocess
import sys
import time

import typer
from typer.core import TyperGroup

from bench.machine import quantile
from controller.cli.main import app

RUNS = 7
LIMIT_MS = 300


def _took_ms(words: tuple[str, ...]) -> float:
    began = time.perf_counter()
    subprocess.run(
        (sys.executable, "-m", "controller", *words, "--help"), check=True, stdout=subprocess.DEVNULL
    )
    return (time.perf_counter() - began) * 1e3


def main() -> None:
    """Print the median of `RUNS` for the slowest commands, and of all together."""
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    lines = [(), *((name,) for name in root.commands)]
    medians = {words: quantile([_took_ms(words) for _ in range(RUNS)], 0.5) for words in lines}
    slowest = max(medians, key=lambda words: medians[words])
    name = " ".join(("serinus", *slowest))
    usual = quantile(list(medians.values()), 0.5)
    print(
        f"--help of {len(lines)} commands, {RUNS} runs each: median {usual:.0f} ms, slowest "
        f"{medians[slowest]:.0f} ms ({name}); the limit is {LIMIT_MS} ms"
    )


if __name__ == "__main__":
    main()
