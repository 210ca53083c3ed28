"""What the recipes that train from scratch hand to the network, the optimizer and the schedule: the papers' numbers."""

import contextlib
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from tiny_imagenet_tf import published
from tiny_imagenet_tf.data.views import LE_YANG, LE_YANG_ANYWHERE, MILANI, PLAIN
from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.experiments.clock import Clock
from tiny_imagenet_tf.hardware import Placement
from tiny_imagenet_tf.published import LE_YANG_TABLE_1
from tiny_imagenet_tf.runs.files import read_object
from tiny_imagenet_tf.runs.run import Run
from tiny_imagenet_tf.training import convnets, inception
from tiny_imagenet_tf.training.options import ModernOptions
from tiny_imagenet_tf.training.scratch import Scratch

ROOT = Path(__file__).parents[2]


class Begun:
    """An experiment that trains nothing and keeps what it is given."""

    classes, precision = published.CLASSES, "float32"
    placement = Placement(1, lambda: keras.device("cpu"))
    data, steps = SimpleNamespace(validation=None), SimpleNamespace(per_epoch=1000)

    def __init__(self, folder: Path):
        (folder / "metrics.jsonl").touch()
        self.run, self.trained = Run(folder), []

    @contextlib.contextmanager
    def begin(self, study, options, *, devices=(), screened=False):
        self.study, self.options, self.screened = study, options, screened
        yield self

    def part(self, name):
        return self


@pytest.fixture
def begun(monkeypatch, tmp_path):
    begun = Begun(tmp_path)
    for module in (inception, convnets):
        monkeypatch.setattr(module, "begin", begun.begin)
    monkeypatch.setattr(Scratch, "fit", lambda self, **options: begun.trained.append((self, options)))
    monkeypatch.setattr(Scratch, "report", lambda self, clock, **more: None)
    monkeypatch.setattr(Scratch, "write_features", lambda self, view: None)
    return begun


@pytest.mark.parametrize(("name", "views"), [("inception_baseline", PLAIN), ("inception_regularized", MILANI)])
def test_the_inception_recipes(recipe, begun, monkeypatch, name, views):
    key = name.replace("inception_", "milani/")
    stated, built = published.TRAINING[key], inception.compact_inception
    monkeypatch.setattr(inception, "compact_inception", lambda **options: built(**options | {"width_multiplier": 0.05}))
    module = recipe(name)
    module.main(module.Config())

    assert published.RESULTS[begun.study.row].name == begun.study.title and begun.study.row == key
    ((training, options),) = begun.trained
    assert training.views == views and not begun.screened
    assert training.model.loss.label_smoothing == stated.label_smoothing == 0.1
    layers = training.classifier.layers[-1].layers
    rates = [layer.rate for layer in layers if isinstance(layer, keras.layers.Dropout)]
    assert rates == ([] if stated.dropout_keep is None else [pytest.approx(1 - stated.dropout_keep)])
    optimizer = training.model.optimizer
    assert isinstance(optimizer, keras.optimizers.Adam)
    assert (optimizer.beta_1, optimizer.beta_2, optimizer.epsilon) == (0.9, 0.999, 1e-8)
    assert optimizer.weight_decay is None and stated.weight_decay == 0.08
    kernels = [layer.kernel_regularizer for layer in layers if hasattr(layer, "kernel_regularizer")]
    # 0.08 * sum(w^2)/2 beside the sum over a batch of 100
    assert [float(kernel.l2) for kernel in kernels] == [pytest.approx(0.08 / 2 / 100)] * 67

    (schedule,) = options["callbacks"]
    schedule.set_model(training.model)
    for epoch in range(4):
        schedule.on_epoch_begin(epoch)
        stairs = epoch // stated.decay_every_epochs
        expected = stated.learning_rate * stated.learning_rate_decay**stairs
        assert float(optimizer.learning_rate) == pytest.approx(expected, rel=1e-6)


def test_the_svm_loss_learns_gently_since_it_sums_over_the_wrong_classes(recipe, begun):
    convnets = recipe("convnets")
    convnets.main(convnets.Config(model=1, loss="svm"))
    ((training, _),) = begun.trained
    assert float(training.model.optimizer.learning_rate) == pytest.approx(0.02 / 199)


@pytest.mark.parametrize("number", LE_YANG_TABLE_1)
def test_the_convnets_recipe(recipe, begun, monkeypatch, number):
    stated = published.TRAINING["le_yang/model_9" if number == 9 else "le_yang/model_8"]
    module, asked = recipe("convnets"), []

    def convnet(architecture, **options):
        asked.append(options | {"architecture": architecture})
        return keras.Sequential([keras.Input((56, 56, 3)), keras.layers.Flatten(), keras.layers.Dense(200)])

    monkeypatch.setattr(convnets, "convnet", convnet)
    module.main(module.Config(model=number))

    assert asked[0] == {
        "architecture": LE_YANG_TABLE_1[number].architecture,
        "activation": LE_YANG_TABLE_1[number].activation,
        "classes": 200,
        "weight_decay": stated.weight_decay / 2,  # Caffe's convention
    }
    # The deep networks, 8 and 9, begin with a shallow one's weights (section 5.2.1).
    assert [epochs["epochs"] for _, epochs in begun.trained] == ([5, 40] if number >= 8 else [40])
    assert begun.options.batch_size == stated.batch_size == 200
    training, options = begun.trained[-1]
    assert training.views == LE_YANG and begun.screened == (number >= 5)
    optimizer = training.model.optimizer
    assert isinstance(optimizer, keras.optimizers.SGD)
    assert float(optimizer.learning_rate) == pytest.approx(0.01 if number == 9 else 0.02, rel=1e-6)
    assert optimizer.momentum == stated.momentum == 0.9
    assert training.model.loss.label_smoothing == 0
    (plateau,) = options["callbacks"]
    assert plateau.schedule(0, 0.0) == pytest.approx(float(optimizer.learning_rate), rel=1e-6)
    assert begun.study.row == f"le_yang/model_{number}" and begun.options.departures == ""


def test_the_options_of_section_5_reach_optimizer_and_stages(recipe, begun):
    convnets = recipe("convnets")
    words, own = "conv3-2 conv3-2 maxpool fc-4", {"momentum": 0.5, "staged_epochs": 2, "patience": 7}
    convnets.main(convnets.Config(architecture=words, staged="always", weight_decay_convention="keras", **own))
    (shallow, first), (deep, _) = begun.trained
    assert first["epochs"] == 2 and first["callbacks"][0]._patience == 7
    assert [each.model.optimizer.momentum for each in (shallow, deep)] == [0.5, 0.5]
    kernel = deep.classifier.layers[-1].get_layer("conv1_1")
    assert kernel.kernel_regularizer.l2 == pytest.approx(1e-4)  # not half of it


def test_random_crops_may_be_at_any_place(recipe, begun):
    convnets = recipe("convnets")
    convnets.main(convnets.Config(model=1, training_crops="anywhere"))
    ((training, _),) = begun.trained
    assert training.views == LE_YANG_ANYWHERE and begun.options.departures == "--training-crops anywhere"


def test_a_deep_network_begins_with_what_a_shallow_one_learned(recipe, begun, monkeypatch):
    def fit(self, **options):
        begun.trained.append((self, options))
        if len(begun.trained) == 1:  # the shallow one
            for variable in self.classifier.weights:
                variable.assign(keras.ops.ones(variable.shape))

    monkeypatch.setattr(Scratch, "fit", fit)
    module = recipe("convnets")
    module.main(module.Config(architecture="conv3-2 conv3-2 maxpool fc-4", staged="always"))
    deep = begun.trained[1][0].classifier.layers[-1]
    first, second = (np.array(deep.get_layer(name).kernel) for name in ("conv1_1", "conv1_2"))
    assert (first == 1).all() and not (second == 1).any()


def test_a_schedule_that_had_its_last_cut_trains_no_further_and_is_whole(recipe, begun, monkeypatch):
    reported = {}
    monkeypatch.setattr(Scratch, "report", lambda self, clock, **more: reported.update(more))
    monkeypatch.setattr(
        Scratch, "fit", lambda self, **options: begun.trained.append((self, options)) or Clock(1000, step=10_000)
    )
    rows = [{"epoch": epoch, "selection_accuracy": 1 / epoch} for epoch in range(1, 11)]  # cuts after 4, 7 and 10
    begun.run.write_metrics(rows)
    module = recipe("convnets")
    module.main(module.Config(model=1))
    ((_, options),) = begun.trained
    assert options["epochs"] == 10 and reported == {"recipe_epochs": 10}
    with pytest.raises(UserError, match="--stop-after-cuts 1: this run has had 3 cuts already"):
        module.main(module.Config(model=1, stop_after_cuts=1))
    begun.run.write_metrics(rows[:9])
    module.main(module.Config(model=1))
    assert begun.trained[1][1]["epochs"] == 40
    assert reported["partial"] == "2 of the recipe's 3 cuts of the learning rate"


def test_the_rate_of_larger_batches_is_scaled_on_request(recipe, begun):
    module = recipe("convnets")
    module.main(module.Config(model=1, batch_size=400, scale_learning_rate=True))
    assert float(begun.trained[0][0].model.optimizer.learning_rate) == pytest.approx(0.04)
    assert ModernOptions(batch_size=200, scale_learning_rate=True).rate == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("options", "architecture", "activation", "screened"),
    [
        ({"model": 5, "reading": "text"}, LE_YANG_TABLE_1[4].architecture, "prelu", True),
        ({"model": 4, "activation": "leaky_relu", "screen": True}, LE_YANG_TABLE_1[4].architecture, "leaky_relu", True),
        ({"model": 6, "no_screen": True}, LE_YANG_TABLE_1[6].architecture, "leaky_relu", False),
        ({"architecture": "conv3-8 maxpool fc-9"}, "conv3-8 maxpool fc-9", "relu", False),
    ],
)
def test_what_section_5_compares(recipe, begun, monkeypatch, options, architecture, activation, screened):
    module, asked = recipe("convnets"), []

    def convnet(words, **options):
        asked.append((words, options["activation"]))
        return keras.Sequential([keras.Input((56, 56, 3)), keras.layers.Flatten(), keras.layers.Dense(200)])

    monkeypatch.setattr(convnets, "convnet", convnet)
    module.main(module.Config(**options))
    assert asked == [(architecture, activation)] and begun.screened == screened
    assert begun.options.departures  # not the paper's row


def test_to_name_what_is_the_models_own_makes_no_other_experiment(recipe):
    config = recipe("convnets").Config
    for own in (
        config(model=3, no_screen=True),
        config(model=6, screen=True, activation="leaky_relu", staged="never", learning_rate=0.02),
        config(model=8, reading="text", staged="always"),
        config(model=9, learning_rate=0.01, weight_decay=5e-4),
    ):
        assert own.departures == ""
    assert config(model=3, screen=True, staged="never").departures == "--screen"
    others = "--learning-rate 0.02 --weight-decay 0.0001"  # model 8's
    assert config(model=9, learning_rate=0.02, weight_decay=1e-4).departures == others
    assert config(model=1, loss="svm", learning_rate=0.02).departures == "--loss svm --learning-rate 0.02"
    assert config(model=7, reading="text").departures == "--reading text"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"screen": True, "no_screen": True}, "--screen and --no-screen"),
        ({"architecture": "conv3-8", "model": 3}, "leave out --model and --reading"),
        ({"architecture": "conv3-8 pool"}, "'pool' is none of convK-W"),
        ({"model": 1, "staged": "always"}, "one convolution a stage"),
        ({"architecture": "conv3-4 conv3-8 maxpool fc-4", "staged": "always"}, "conv3-4 conv3-8: the first and"),
    ],
)
def test_convnets_that_cannot_be(recipe, options, message):
    with pytest.raises(UserError, match=message):
        recipe("convnets").Config(demo=True, **options).check()


def searched(name: str) -> dict[str, float]:
    """The settings of the best trial of a stored search on Inception-v3's values, to four digits."""
    trials = read_object(ROOT / f"results/search/inception_{name}.json")["trials"]
    best = max((trial for trial in trials if trial["state"] == "complete"), key=lambda trial: trial["accuracy"])
    names = ("learning_rate", "learning_rate_decay_per_epoch", "weight_decay")
    return {name: float(f"{best[name]:.4g}") for name in names}


HEADS = {
    "vanilla": {"learning_rate": 6.5e-4, "learning_rate_decay_per_epoch": 0.713, "weight_decay": 0.0116},
    "v2": {"crops": "ten", "dropout_keep": 0.8} | searched("v2"),
    "v3": {"crops": "ten", "augment": True} | searched("v3"),
}


@pytest.mark.parametrize("name", HEADS)
def test_the_transfer_recipes(recipe, name):
    module, plain = recipe(f"transfer_{name}"), {"crops": "whole", "dropout_keep": 1.0, "augment": False}
    alike = {"epochs": 10, "batch_size": 100, "label_smoothing": 0.1, "weight_decay_convention": "l2_loss"}
    found = vars(module.Config())
    for option, value in (alike | plain | HEADS[name]).items():
        assert found[option] == value, option
    assert published.RESULTS[module.STUDY.row].name == f"TL {name.replace('vanilla', 'Vanilla')}"
    if name == "vanilla":
        stated = published.TRAINING["milani/transfer_vanilla"]
        assert (stated.learning_rate, stated.learning_rate_decay) == (6.5e-4, 0.713)
        assert (stated.weight_decay, stated.batch_size, stated.epochs) == (0.0116, 100, (10, 10))
