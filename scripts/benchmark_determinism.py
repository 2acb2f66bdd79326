"""What `deterministic=true` costs: training steps with and without, in turns within one process.

    python scripts/benchmark_determinism.py --rounds 4 --steps 12 model=shapes_dit

On a CPU only uninitialised memory is filled; a GPU takes other algorithms. Words are overrides.
"""

import argparse

import torch

from benchmark_step import Clock, bare, prepare, same, spread
from motion_inversion.stage.environment import deterministic_algorithms


def main() -> None:
    """The ratio of each round, and whether both gave the same embeddings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("overrides", nargs="*", help="such as model=shapes_dit")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    work = prepare(options)
    ratios, equal = [], True
    for number in range(options.rounds):
        embeddings, seconds = {}, {}
        for wanted in (True, False) if number % 2 else (False, True):
            clock = Clock(work.model.device)
            with deterministic_algorithms(wanted):
                embeddings[wanted] = bare(work, options.steps, clock)
            seconds[wanted] = clock.seconds()[1]
        ratios.append(seconds[True] / seconds[False])
        equal = equal and same(embeddings[True], embeddings[False])
        print(f"round {number + 1}: {ratios[-1]:.3f} times the process time of a step without")
    print(f"deterministic=true: {spread(ratios)} times; the same embeddings: {'yes' if equal else 'no'}")


if __name__ == "__main__":
    main()
