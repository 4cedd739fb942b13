"""Trials: what Sheetbend must withstand, alone on its core. Each has goals and says whether they were reached."""

from .base import Outcome, Trial, TrialSettings
from .half_open import HalfOpen
from .slow_readers import SlowReaders
from .storm import CutStorm, RestartStorm

__all__ = ["TRIALS", "Outcome", "Trial", "TrialSettings"]

TRIALS: tuple[Trial, ...] = (SlowReaders(), CutStorm(), RestartStorm(), HalfOpen())
