"""Where a run stands."""

import dataclasses
import time


@dataclasses.dataclass
class Clock:
    """Counts the steps and seconds of a run over all its parts.

    Attributes:
        per_epoch: steps an epoch.
        step: steps taken since the run began.
        earlier: seconds spent in earlier parts of the run.
    """

    per_epoch: int
    step: int = 0
    earlier: float = 0.0
    _started: float = dataclasses.field(default_factory=time.perf_counter, init=False, repr=False)

    @property
    def epoch(self) -> int:
        """Whole epochs that are over."""
        return self.step // self.per_epoch

    @property
    def epochs(self) -> float:
        """The steps in epochs; an int when no epoch is under way."""
        return self.epoch if self.step % self.per_epoch == 0 else self.step / self.per_epoch

    @property
    def seconds(self) -> float:
        """Time spent, with measurements, without the pauses between the parts of a run."""
        return self.earlier + time.perf_counter() - self._started
