"""Process many files: plan inputs and outputs, run them, and record the outcome of each."""

from srcli.batch.batches import RunOptions, UpscaleBatch
from srcli.batch.ledger import Ledger, Ledgers
from srcli.batch.names import STREAM, UsageError, output_path
from srcli.batch.plan import Plan, Selection, parse_shard, plan
from srcli.batch.records import Record
from srcli.batch.run import Control, exit_code, run

__all__ = [
    "STREAM",
    "Control",
    "Ledger",
    "Ledgers",
    "Plan",
    "Record",
    "RunOptions",
    "Selection",
    "UpscaleBatch",
    "UsageError",
    "exit_code",
    "output_path",
    "parse_shard",
    "plan",
    "run",
]
