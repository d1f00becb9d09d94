"""Many files: what to read, where to write, and one record per file whatever happens to it."""

from srcli.batch.job import Job, Options, Record
from srcli.batch.ledger import Ledger, Ledgers
from srcli.batch.plan import STREAM, Choice, Plan, UsageError, output_path, parse_shard, plan
from srcli.batch.run import Control, exit_code, run

__all__ = [
    "STREAM",
    "Choice",
    "Control",
    "Job",
    "Ledger",
    "Ledgers",
    "Options",
    "Plan",
    "Record",
    "UsageError",
    "exit_code",
    "output_path",
    "parse_shard",
    "plan",
    "run",
]
