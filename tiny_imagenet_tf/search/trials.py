"""The trials of a search, in one journal file that several processes share (Optuna; extra ``[search]``).

A trial belongs to the process that trains it. Each process holds a lock on a file of its own as long as it lives, so a
trial that is under way and whose lock is free was left by a dead one, and its settings are tried again.
"""

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tiny_imagenet_tf.choices import Sampler
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.runs import searches
from tiny_imagenet_tf.runs.locks import try_lock

if TYPE_CHECKING:
    import optuna

# What Optuna raises for lines of a journal that are not its own.
_FOREIGN = (ValueError, TypeError, KeyError, AttributeError, AssertionError)


class Trials:
    """A search under way.

    Args:
        folder: of the search; made if it is not there.
        space: Optuna's distribution of each hyper-parameter.
        sampler: ``tpe`` learns from the trials that have ended, ``random`` does not.
        seed: of the sampler.

    Raises:
        UserError: the journal is damaged.
    """

    def __init__(self, folder: Path, space: dict[str, Any], sampler: Sampler, seed: int):
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._space, self._states = folder, space, optuna.trial.TrialState
        self._worker = uuid.uuid4().hex
        with searches.alone(self._folder):
            self._held = (folder / f"worker-{self._worker}.lock").open("w")
            self._locks = try_lock(self._held) is not None
            for path in folder.glob("worker-*.lock"):
                self._lives(path.stem.removeprefix("worker-"))  # or its lock is removed
            try:
                self._study = self._opened(searches.journal(folder))
            except BaseException:
                self.close()
                raise
            kinds = {"random": optuna.samplers.RandomSampler, "tpe": optuna.samplers.TPESampler}
            more = {"multivariate": True, "constant_liar": True} if sampler == "tpe" else {}
            # The two numbers mixed, not added, or a search would repeat what one of another seed has drawn.
            self._sampler = lambda drawn: kinds[sampler](
                seed=int(np.random.SeedSequence([seed, drawn]).generate_state(1)[0]), **more
            )

    def _opened(self, journal: Path) -> "optuna.Study":
        import optuna
        from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

        # Optuna's default is a link, and where that leads nowhere, for ever a dead process'.
        lock = JournalFileOpenLock(str(journal))
        if journal.exists():
            _cut_torn_line(journal, lock)
        try:
            return optuna.create_study(
                study_name="heads",
                storage=optuna.storages.JournalStorage(JournalFileBackend(str(journal), lock_obj=lock)),
                direction="maximize",
                load_if_exists=True,
                pruner=optuna.pruners.MedianPruner(n_startup_trials=10, n_warmup_steps=2),
            )
        except _FOREIGN as error:
            message = f"{journal} is damaged ({error}); put back a whole copy, or choose another --study"
            raise UserError(message) from error

    def ask(self, most: int, total: int) -> list["optuna.Trial"]:
        """Returns the next trials, none where all are under way or have ended.

        Args:
            most: of them.
            total: trials of the whole search.
        """
        with searches.alone(self._folder):
            self._take_up_the_dead()
            # of what is drawn by now, or processes that begin together would draw the same
            self._study.sampler = self._sampler(len(self._study.trials))
            left = total - len([trial for trial in self.all() if trial.state != self._states.WAITING])
            asked = [self._study.ask(self._space) for _ in range(min(most, left))]
            for trial in asked:
                trial.set_user_attr("worker", self._worker)
        return asked

    def tell(self, trial: "optuna.Trial", accuracy: float | None) -> None:
        """Ends a trial: with its accuracy, or None where it was pruned."""
        state = self._states.PRUNED if accuracy is None else self._states.COMPLETE
        self._study.tell(trial, accuracy, state=state)

    def all(self) -> list["optuna.trial.FrozenTrial"]:
        """Returns every trial but those of dead processes."""
        return [trial for trial in self._study.get_trials() if trial.state != self._states.FAIL]

    def finished(self) -> list["optuna.trial.FrozenTrial"]:
        """Returns the trials that have ended, pruned ones too."""
        return [trial for trial in self.all() if trial.state.is_finished()]

    def close(self) -> None:
        """Gives the lock back."""
        self._held.close()
        Path(self._held.name).unlink(missing_ok=True)

    def _take_up_the_dead(self) -> None:
        for trial in self._study.get_trials(states=(self._states.RUNNING,)):
            if not self._lives(trial.user_attrs.get("worker")):
                self._study.tell(trial.number, state=self._states.FAIL)
                self._study.enqueue_trial(trial.params)

    def _lives(self, worker: str | None) -> bool:
        if worker == self._worker:
            return True
        if not self._locks:  # nobody else may search, as was told
            return False
        try:
            with (self._folder / f"worker-{worker}.lock").open("r+") as file:
                if try_lock(file) is not True:
                    return True
        except FileNotFoundError:
            return False
        except OSError:  # it cannot be known
            return True
        Path(file.name).unlink(missing_ok=True)
        return False


def _cut_torn_line(journal: Path, lock: Any) -> None:
    """Takes away what a process that died, or a full disk, has left of a last line; the next would be glued to it."""
    if journal.read_bytes()[-1:] in (b"", b"\n"):
        return
    lock.acquire()  # Optuna's: whoever is still writing the line holds it
    try:
        lines = journal.read_bytes()
        with journal.open("r+b") as file:
            file.truncate(lines.rfind(b"\n") + 1)
    finally:
        lock.release()
