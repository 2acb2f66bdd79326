"""How quick a report is: its figures of clips of 21 rows, drawn first and kept, and records without figures.

python scripts/benchmark_report.py --clips 4 --threads 2
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmark_page import write_report, write_study
from motion_inversion.metric.tracker.dis import Dis
from motion_inversion.report.report import Report

ROWS = 20  # records of a clip


def main() -> None:
    """Prints wall and CPU seconds, and what a repeated report takes of the first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--records", type=int, default=2000, help="of the tables and the page without figures")
    parser.add_argument("--threads", type=int, default=0, help="0 for as many as there are idle cores")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        study, records = Path(place) / "study", Path(place) / "records"
        write_study(study, given.clips)
        report = Report(study, Path(place) / "report", follower=Dis(), threads=given.threads)
        first, again = _seconds(report.run), _seconds(report.run)
        for what, (wall, processor) in (("first", first), ("repeated", again)):
            print(f"{what}: {wall / given.clips:.2f} s a clip, {processor / given.clips:.2f} CPU s")
        print(f"repeated / first: {again[1] / first[1]:.3f} of the CPU seconds")
        write_study(records, given.records // ROWS)
        wall, processor = _seconds(lambda: write_report(records))
        print(f"{given.records} records without figures: {wall:.1f} s, {processor:.1f} CPU s")


def _seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds, those of the processes that it starts included."""
    wall, before = time.perf_counter(), _processor()
    work()
    return time.perf_counter() - wall, _processor() - before


def _processor() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    main()
