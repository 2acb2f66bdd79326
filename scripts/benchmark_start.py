"""How much a process costs before it works: CPU seconds of fresh ones, of each command in turns.

python scripts/benchmark_start.py --rounds 5
python scripts/benchmark_start.py --against /path/to/another/checkout    # both in turns, and the quotients
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

HERE = Path(__file__).parents[1]
DEMO = ("experiment=demo", "threads=1", "trainer.max_steps=2", "sampler.steps=2", "inversion.steps=2")
MODULE = ("-m", "motion_inversion")
# {output} is where a demo was made before.
COMMANDS: dict[str, tuple[str, ...]] = {
    "import torch": ("-c", "import torch"),
    "import motion_inversion.experiment": ("-c", "import motion_inversion.experiment"),
    "--version": (*MODULE, "--version"),
    "--help": (*MODULE, "--help"),
    "layout=al (no such option)": (*MODULE, "layout=al"),
    "method.loss.beta=-1 (a bad value)": (*MODULE, "method.loss.beta=-1"),
    "status": (*MODULE, "status", "{output}/demo"),
    "experiment=demo --dry-run, all done": (*MODULE, *DEMO, "output={output}", "--dry-run"),
    "experiment=demo, all done": (*MODULE, *DEMO, "output={output}"),
}


def main() -> None:
    """Prints a table in Markdown: the median of each command, its least and its most."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--against", type=Path, help="another checkout, which is measured in turns with this one")
    given = parser.parse_args()
    checkouts = [*([given.against.resolve()] if given.against else []), HERE]
    seconds: dict[tuple[Path, str], list[float]] = {(each, name): [] for name in COMMANDS for each in checkouts}
    with tempfile.TemporaryDirectory() as place:
        for each in checkouts:  # the demo is done after its first run, and all that is imported is compiled
            for words in (COMMANDS["experiment=demo, all done"], *COMMANDS.values()):
                run(each, words, output(place, each))
        for _ in range(given.rounds):
            for name, words in COMMANDS.items():
                for each in checkouts:
                    seconds[each, name].append(run(each, words, output(place, each)))
    columns = ["before", "after", "after / before"] if given.against else ["CPU seconds"]
    print(f"| {' | '.join(['command', *columns])} |\n|{'---|' * (len(columns) + 1)}")
    for name in COMMANDS:
        found = [seconds[each, name] for each in checkouts]
        told = [f"{median(each):.2f} ({min(each):.2f}–{max(each):.2f})" for each in found]
        quotient = [f"{median(found[1]) / median(found[0]):.2f}"] if len(found) > 1 else []
        print(f"| {' | '.join([f'`{name}`', *told, *quotient])} |")


def output(place: str, checkout: Path) -> str:
    """A folder of results for each checkout: versions may differ in what they find done."""
    return str(Path(place) / checkout.as_posix().strip("/").replace("/", "-"))


def run(checkout: Path, words: tuple[str, ...], output: str) -> float:
    """CPU seconds of a process that ends, of the processes that it starts as well. It computes with one thread."""
    environment = os.environ | {
        "PYTHONPATH": str(checkout / "src"),
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "WANDB_MODE": "offline",
    }
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, *(word.format(output=output) for word in words)],
        env=environment,
        cwd=tempfile.gettempdir(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 2):
        raise SystemExit(f"{checkout}: {' '.join(words)} failed: {done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
