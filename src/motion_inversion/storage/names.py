"""What the files are called that evaluation writes and the report reads, and the versions of their formats."""

FORMAT = "motion-inversion-score/2"
SCORE = "score.json"
PLAN_FORMAT = "motion-inversion-plan/1"
PLAN = "plan-{digest}.json"
RUN_FORMAT = "motion-inversion-run/1"
RUN = "run-{digest}.json"
RECORDS = "records.jsonl"
COST = "cost.json"  # differs from run to run, so it is no part of what an artifact is
MANIFEST = "manifest.json"
UNFINISHED = ".part"
LOCK = ".lock"  # in an unfinished artifact, held by the process that makes it

FROZEN = "none"  # the method that is no customisation: the frozen model
UNRELATED = "unrelated"  # in place of a method: another clip of the set, the floor of a table
SOURCE = "source"  # in place of a method: the clip itself, the ceiling of a table
