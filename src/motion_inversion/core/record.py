"""What the files are called that evaluation writes and the report reads, and the version of their format."""

FORMAT = "motion-inversion-score/1"
SCORE = "score.json"
MANIFEST = "manifest.json"
UNFINISHED = ".part"
