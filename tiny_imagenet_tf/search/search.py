"""The search of Milani's section 4.2, "a thorough cross-validation", on training images alone.

Heads are trained on stored transfer values, a round of them at a time, and judged on held-out training images; val is
never looked at. Trials are stored as they end, so a search goes on where it was stopped, and several processes can
share one.
"""

import dataclasses
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tiny_imagenet_tf import cluster, hardware, interrupts, progress
from tiny_imagenet_tf.data.batches import Steps
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.experiments import images
from tiny_imagenet_tf.experiments.images import Data
from tiny_imagenet_tf.experiments.options import flag
from tiny_imagenet_tf.runs import searches
from tiny_imagenet_tf.runs.environment import describe_environment
from tiny_imagenet_tf.runs.networks import in_files
from tiny_imagenet_tf.search.heads import Heads, Setting
from tiny_imagenet_tf.search.options import SearchOptions
from tiny_imagenet_tf.search.trials import Trials
from tiny_imagenet_tf.transfer.extraction import Extraction
from tiny_imagenet_tf.transfer.options import ValueOptions
from tiny_imagenet_tf.transfer.pool import ValueBatches, ValuePool
from tiny_imagenet_tf.transfer.values import extraction_of, training_stores, trunk_of

_OTHER = {  # than the stored search has: what no option of that name says
    "train_sha256": "other training images",
    "weights_sha256": "other weights of the backbone",
    "config_sha256": "another backbone",
    "quantized_sha256": "another int8 network, of another kind of CPU or version of NNCF",
}


def run(options: SearchOptions) -> Path:
    """Searches, and returns the path of the JSON file that holds all trials.

    Raises:
        UserError: an option, the images or the weights cannot be used, or the folder is of another search.
    """
    options.check()
    hardware.set_seed(options.seed)
    given = options
    data = images.load(dataclasses.replace(options, holdout=0.0) if options.folds else options)
    folds = _folds(options, data)
    # One for all processes of a search: it is part of what the values are.
    precision = hardware.resolve_precision(options.precision, options.devices, frozen=True)
    options = dataclasses.replace(options.settled, precision=precision)
    trunk = trunk_of(options, precision)
    extraction = None if options.ray else extraction_of(options, trunk, data.all_train, precision)
    trials = Trials(options.folder, _space(options), options.sampler, options.seed)
    try:
        _check_same(options, data, trunk.digests if extraction is None else extraction.engine.digests)
        if extraction is None:
            _by_actors(options, trials)
        else:
            pool, whole_values = _values(options, data, extraction)
            with interrupts.telling("finished trials are kept; run the same command again to continue"):
                while round_trials := trials.ask(options.together, options.trials):
                    _round(options, trials, round_trials, pool, whole_values, folds)
    finally:
        trials.close()
    engine = options.engine if options.ray else given.engine  # auto is another one with --ray
    return _report(dataclasses.replace(options, engine=engine), trials, data)


def _by_actors(options: SearchOptions, trials: Trials) -> None:
    """Has actors of a cluster search; each is a process that shares the study.

    Raises:
        UserError: they have trained trials that this machine does not see.
    """
    import ray

    alone = dataclasses.replace(options, ray=None, cores=SearchOptions.cores)
    left = options.trials - len(trials.finished())
    if left <= 0:
        return
    rounds = -(-left // options.together)
    with cluster.actors(options.ray, options.cores, rounds, _Searcher, alone) as searchers:
        work = {searcher.search.remote(): searcher for searcher in searchers}
        with progress.bar(f"{len(searchers)} actors", options.trials, unit="trials") as bar:
            while work:
                for ended in ray.wait(list(work), timeout=5)[0]:
                    ray.get(ended)
                    ray.kill(work.pop(ended))  # one whose machine has left may find no other room
                bar.update(len(trials.finished()) - bar.n)
    if len(trials.all()) < options.trials:
        raise UserError(
            f"{options.folder} has {len(trials.all())} of the {options.trials} trials that actors have trained: "
            f"--study, {cluster.SHARED}"
        )


class _Searcher:
    """A process of a cluster.

    Args:
        options: of the search.
    """

    def __init__(self, options: SearchOptions):
        self._options = options

    def search(self) -> None:
        """Trains trials until none is left."""
        run(self._options)


def _space(options: SearchOptions) -> dict[str, Any]:
    import optuna

    return {
        name: optuna.distributions.FloatDistribution(low, high, log=name in ("learning_rate", "weight_decay"))
        for name, (low, high) in options.spans.items()
        if name not in options.fixed
    }


_NOT_ALWAYS = {"weights_sha256", "config_sha256", "quantized_sha256", "openvino", "seed", "augmented_views"}
"""Keys that a stored search may lack: it is an early one, has no augmented views, or has another precision."""


def _check_same(options: SearchOptions, data: Data, digests: dict[str, str]) -> None:
    """Trials of other images or options must not be compared."""
    free = (
        "trials", "together", "study", "store", "source", "data_dir", "sampler", "weights", "engine", "ray", "cores",
    )  # fmt: skip
    chosen = {name: value for name, value in dataclasses.asdict(options).items() if name not in free}
    if options.augments:
        chosen["views_seed"] = options.drawn_by
    else:
        del chosen["augmented_views"], chosen["views_seed"]  # it has none
    chosen |= {"openvino": options.openvino, "train_sha256": data.all_train.digest, **digests}
    stored = searches.begin(options.folder, chosen)
    if options.augments:
        stored.setdefault("views_seed", stored.get("seed", options.drawn_by))  # in early searches the seed drew them
    if odd := (stored.keys() ^ chosen.keys()) - _NOT_ALWAYS:
        raise UserError(f"{options.folder}: a search of another version; they differ in {', '.join(sorted(odd))}")
    for name, before in stored.items():
        if name not in chosen:
            continue  # one of those, which does not matter here
        now = list(chosen[name]) if isinstance(chosen[name], tuple) else chosen[name]
        if now != before and not (name == "backbone" and in_files(now, before)):  # whose digests are compared
            what = _OTHER.get(name) or f"{flag(name)} {before}, not {now}"
            if name == "openvino":
                what = f"--engine {'openvino' if before else 'tensorflow'}"
            raise UserError(f"{options.folder}: a search with {what}; choose another --study, or remove this one")
    searches.add(options.folder, digests)  # who has actors search has no int8 network


def _values(options: SearchOptions, data: Data, extraction: Extraction) -> tuple[ValuePool, np.ndarray]:
    """What heads are trained on, and the values (n, width) of all whole training images, which judge them."""
    _, views = training_stores(options, data, extraction)
    return ValuePool.from_views(views, data.all_train.labels), views[0][0]


def _folds(options: SearchOptions, data: Data) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows that are trained on and rows that judge, of each fold; every class is spread evenly."""
    if options.folds > len(data.all_train):
        raise UserError(f"--folds {options.folds}: there are {len(data.all_train)} training images")
    folds = [(data.rows, data.held_out)] if not options.folds else _drawn_folds(options, data)
    for rows, _ in folds:
        Steps(len(rows), options.batch_size, options.seed)  # refuses a batch that is larger than the set
    return folds


def _drawn_folds(options: SearchOptions, data: Data) -> list[tuple[np.ndarray, np.ndarray]]:
    labels, random = data.all_train.labels, np.random.default_rng(options.seed)
    order = np.lexsort((random.random(len(labels)), labels))
    fold = np.empty(len(labels), int)
    fold[order] = np.arange(len(labels)) % options.folds
    return [(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in range(options.folds)]


def _round(
    options: SearchOptions, trials: Trials, round_trials: list, pool: ValuePool, whole_values: np.ndarray, folds: list
) -> None:
    """Trains the heads of some trials, tells the worst of them early to stop, and what the others came to."""
    settings = [Setting(**options.fixed, **trial.params) for trial in round_trials]
    classes, parts = int(pool.labels.max()) + 1, []
    alike = {"seed": options.seed, "convention": options.weight_decay_convention}
    for rows, judges in folds:
        batches = ValueBatches(pool.only(rows), Steps(len(rows), options.batch_size, options.seed), classes)
        together = batches.steps_per_execution
        heads = Heads(settings, whole_values.shape[1], classes, **alike, steps_per_execution=together)
        parts.append((heads, batches, whole_values[judges], pool.labels[judges]))
    best = np.zeros(len(round_trials))
    for epoch in range(options.epochs):
        for heads, batches, *_ in parts:
            heads.fit_epoch(batches)
        accuracies = np.mean([heads.accuracies(*judges) for heads, _, *judges in parts], axis=0)
        best = np.maximum(best, accuracies)
        many = f"{len(round_trials)} head{'s' * (len(round_trials) > 1)}"
        print(f"{many}, epoch {epoch + 1} of {options.epochs}: best held-out accuracy {accuracies.max():.2%}")
        for trial, accuracy in zip(round_trials, accuracies, strict=True):
            trial.report(accuracy, epoch)
        last = epoch + 1 == options.epochs
        surviving = [index for index, trial in enumerate(round_trials) if last or not trial.should_prune()]
        for index in set(range(len(round_trials))) - set(surviving):
            trials.tell(round_trials[index], None)
        if len(surviving) < len(round_trials):
            print(f"  {len(round_trials) - len(surviving)} pruned, below the median of earlier trials")
            if not surviving:
                return
            round_trials, best = [round_trials[index] for index in surviving], best[surviving]
            for heads, *_ in parts:
                heads.keep(surviving)
    for trial, accuracy in zip(round_trials, best, strict=True):
        trials.tell(trial, float(accuracy))


def _learned(options: SearchOptions, data: Data) -> int:
    """The training images that a head sees: all but what is held out, one fold, say."""
    images = len(data.all_train)
    return images - images // options.folds if options.folds else len(data.rows)


def _report(options: SearchOptions, trials: Trials, data: Data) -> Path:
    """Stores all trials, and prints the best of them and how to run it."""
    finished = trials.finished()
    # Optuna gives a pruned trial its last accuracy as a value.
    completed = sorted((trial for trial in finished if trial.state.name == "COMPLETE"), key=lambda trial: -trial.value)
    stored = {
        **describe_environment(),
        "device": hardware.describe_device(alone=True),
        "variant": options.variant,
        "judged_on": f"{options.folds} folds" if options.folds else f"{len(data.held_out):,} held-out training images",
        "train_images": _learned(options, data),
        "epochs": options.epochs,
        "spans": options.spans,
        "trials": [
            {
                "number": trial.number,
                "state": trial.state.name.lower(),
                "accuracy": trial.value if trial.state.name == "COMPLETE" else None,
                **options.fixed,
                **trial.params,
                "accuracy_by_epoch": list(trial.intermediate_values.values()),
            }
            for trial in finished
        ],
    }
    path = searches.write_trials(options.folder, stored)
    ended = "1 trial" if len(finished) == 1 else f"{len(finished)} trials"
    print(f"\n{ended}, {len(finished) - len(completed)} of them pruned; judged on {stored['judged_on']}")
    others = [trial.state.name for trial in trials.all()]
    if under_way := others.count("RUNNING"):
        print(f"{under_way} more are under way in other processes; run the same command later to include them")
    if left := others.count("WAITING"):
        print(f"{left} more were left unfinished by a process that has ended; a larger --trials starts with them")
    print(f"{'trial':>5}{'accuracy':>10}{'rate':>11}{'decay':>8}{'L2':>11}{'keep':>6}{'smooth':>8}")
    for trial in completed[:5]:
        values = Setting(**options.fixed, **trial.params)
        print(
            f"{trial.number:5}{trial.value:10.2%}{values.learning_rate:11.2e}"
            f"{values.learning_rate_decay_per_epoch:8.3f}{values.weight_decay:11.2e}{values.dropout_keep:6.2f}"
            f"{values.label_smoothing:8.2f}"
        )
    if completed:
        words = [f"tiny-imagenet transfer {options.variant}", *_words(options, completed[0].params)]
        print(f"Stored in {path}\nTo measure the best on val, run:\n  " + " \\\n    ".join(words))
    return path


def _words(options: SearchOptions, found: dict[str, float]) -> Iterator[str]:
    """The options of a transfer run on the same values that trains as a trial did, as on a command line."""
    for field in dataclasses.fields(ValueOptions):
        value = getattr(options, field.name)
        as_usual = value == getattr(options.defaults, field.name) and field.name != "demo"
        if as_usual or field.name in ("holdout", "augment"):
            continue
        if isinstance(value, bool):
            yield from [flag(field.name)] * value
        else:
            yield f"{flag(field.name)}={shlex.quote(str(value))}"
    if options.demo:
        yield "--no-standardize"  # the demo's own heads are
    yield f"--epochs {options.epochs} --batch-size {options.batch_size}"
    values = options.fixed | found
    if values["weight_decay"]:
        yield f"--weight-decay-convention {options.weight_decay_convention}"
    yield from (f"{flag(name)} {value:.4g}" for name, value in values.items())
