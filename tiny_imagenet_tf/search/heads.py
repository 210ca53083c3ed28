"""Many heads at once: the linear heads of a search, trained together on the same batches.

Their products are one: a batch of values (batch, width) times the kernels of all heads, side by side. Each head has its
own learning rate, decay, L2, dropout and label smoothing, and gets the weights that it would get alone.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from tiny_imagenet_tf import hardware
from tiny_imagenet_tf.choices import WeightDecayConvention
from tiny_imagenet_tf.experiments.losses import ADAM_EPSILON, l2_coefficient
from tiny_imagenet_tf.models.heads import transfer_head
from tiny_imagenet_tf.transfer.pool import ValueBatches


@dataclasses.dataclass(frozen=True)
class Setting:
    """The hyper-parameters of a head, under the names of the recipes' options."""

    learning_rate: float
    learning_rate_decay_per_epoch: float
    weight_decay: float
    dropout_keep: float = 1.0
    label_smoothing: float = 0.1


class Heads:
    """Heads in training.

    Args:
        settings: of each.
        width: transfer values an image.
        classes: scores an image.
        seed: of the run that each head would be alone.
        convention: what ``weight_decay`` multiplies.
        steps_per_execution: steps between two returns to Python; must divide an epoch.
    """

    def __init__(
        self,
        settings: Sequence[Setting],
        width: int,
        classes: int,
        *,
        seed: int = 0,
        convention: WeightDecayConvention = "l2_loss",
        steps_per_execution: int = 1,
    ):
        self.settings, self.seed, self.convention = tuple(settings), seed, convention
        self._together = steps_per_execution
        self.epoch, self._shape = 0, (width, classes)
        hardware.set_seed(seed)
        begun = [self._alone(setting) for setting in settings]
        self._compile(_side_by_side([head.get_layer("logits").get_weights() for head in begun]))
        dropouts = [layer for head in begun for layer in head.layers if isinstance(layer, keras.layers.Dropout)]
        if dropouts:
            self._scores.seeds.state.assign(dropouts[0].seed_generator.state)

    def fit_epoch(self, batches: ValueBatches) -> None:
        """Trains all heads for their next epoch."""
        decays = np.array([setting.learning_rate_decay_per_epoch for setting in self.settings])
        rates = np.array([setting.learning_rate for setting in self.settings]) * decays**self.epoch
        self._model.optimizer.rates.assign(rates)
        per_epoch = batches.steps.per_epoch
        data = batches.dataset(self.epoch * per_epoch, (self.epoch + 1) * per_epoch)
        self._model.fit(data, steps_per_epoch=per_epoch, verbose=0, shuffle=False)
        self.epoch += 1

    def accuracies(self, values: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Returns each head's top-1 accuracy (heads,) on transfer values (n, width) with labels (n,).

        A head whose scores are no longer finite has none right.
        """
        right = np.zeros(len(self.settings))
        for first in range(0, len(values), 1000):
            scores = self._model.predict_on_batch(values[first : first + 1000].astype(np.float32))
            right += (scores.argmax(axis=-1) == labels[first : first + 1000, None]).sum(axis=0)
            right[~np.isfinite(scores).all(axis=(0, 2))] = -np.inf
        return np.maximum(right, 0) / len(values)

    def weights(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Returns the kernel (width, classes) and the bias (classes,) of each head."""
        kernel, bias = (np.array(variable) for variable in (self._scores.kernel, self._scores.bias))
        count = len(self.settings)
        return list(zip(np.split(kernel, count, axis=1), np.split(bias, count), strict=True))

    def keep(self, chosen: Sequence[int]) -> None:
        """Goes on with some heads alone, their optimizer's state as it is."""
        columns = np.concatenate([np.arange(self._shape[1]) + head * self._shape[1] for head in chosen])
        parts = [np.array(variable)[..., columns] for variable in (self._scores.kernel, self._scores.bias)]
        adam, seeds = self._model.optimizer, np.array(self._scores.seeds.state)
        moments = [[np.array(each)[..., columns] for each in kind] for kind in (adam._momentums, adam._velocities)]
        steps = np.array(adam.iterations)
        self.settings = tuple(self.settings[head] for head in chosen)
        self._compile(parts)
        self._scores.seeds.state.assign(seeds)
        adam = self._model.optimizer
        adam.iterations.assign(steps)
        for kind, values in zip((adam._momentums, adam._velocities), moments, strict=True):
            for variable, value in zip(kind, values, strict=True):
                variable.assign(value)

    def _alone(self, setting: Setting) -> keras.Model:
        keras.utils.set_random_seed(self.seed)
        return transfer_head(*self._shape, dropout_rate=1 - setting.dropout_keep)

    def _compile(self, parts: Sequence[np.ndarray]) -> None:
        width, classes = self._shape
        decays = [l2_coefficient(setting.weight_decay, self.convention) for setting in self.settings]
        self._scores = _Scores([1 - setting.dropout_keep for setting in self.settings], classes)
        values = keras.Input((width,))
        self._model = keras.Model(values, self._scores(values))
        self._scores.kernel.assign(parts[0])
        self._scores.bias.assign(parts[1])
        loss = _Loss([setting.label_smoothing for setting in self.settings])
        jit, together = hardware.jit_compile(), self._together
        self._model.compile(_Adam(decays, classes), loss, jit_compile=jit, steps_per_execution=together)
        self._model.optimizer.build(self._model.trainable_variables)


def _side_by_side(weights: Sequence[Sequence[np.ndarray]]) -> list[np.ndarray]:
    return [np.concatenate(part, axis=-1) for part in zip(*weights, strict=True)]


class _Scores(keras.layers.Layer):
    """Values (batch, width) to scores (batch, heads, classes); kernels (width, heads * classes) lie side by side."""

    def __init__(self, dropout_rates: Sequence[float], classes: int):
        super().__init__(dtype="float32", name="scores")
        self.rates, self.classes = tuple(dropout_rates), classes
        self.seeds = keras.random.SeedGenerator(0)

    def build(self, shape: tuple[int | None, int]) -> None:
        columns = len(self.rates) * self.classes
        self.kernel = self.add_weight(shape=(shape[-1], columns))
        self.bias = self.add_weight(shape=(columns,), initializer="zeros")

    def call(self, values: Any, training: bool = False) -> Any:
        if not (training and any(self.rates)):
            scores = ops.matmul(values, self.kernel)
        else:  # one draw for all rates, as each head's own dropout draws it; one product for heads of one rate
            drawn, parts, first = keras.random.uniform(ops.shape(values), seed=self.seeds), [], 0
            for rate, alike in itertools.groupby(self.rates):
                kept = ops.where(_kept(drawn, rate), values / (1 - rate), 0.0) if rate else values
                last = first + len(list(alike)) * self.classes
                parts.append(ops.matmul(kept, self.kernel[:, first:last]))
                first = last
            scores = ops.concatenate(parts, axis=1)
        return ops.reshape(scores + self.bias, (-1, len(self.rates), self.classes))


def _kept(drawn: Any, rate: float) -> Any:
    """What dropout keeps of a draw from 0 to 1, as Keras has it: TensorFlow drops the low end, JAX the high one."""
    return drawn >= rate if keras.backend.backend() == "tensorflow" else drawn < 1 - rate


class _Loss(keras.losses.Loss):
    """The sum over the heads of their smoothed cross-entropies (Eq. 1): the gradient of each is that of its own."""

    def __init__(self, smoothings: Sequence[float]):
        super().__init__()
        self._smoothings = np.array(smoothings, np.float32)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        logs = ops.log_softmax(y_pred, axis=-1)
        right = ops.sum(logs * y_true[:, None], axis=-1)
        return -ops.sum((1 - self._smoothings) * right + self._smoothings * ops.mean(logs, axis=-1), axis=-1)


class _Adam(keras.optimizers.Adam):
    """Adam with a learning rate and an L2 a head, in one pass over the weights and their moments.

    On a CPU many heads cost little but their products and that pass: L2 is part of it, and no loss of its own.

    Args:
        decays: each head's c of c * sum(w^2), of its kernel.
        classes: scores a head.
    """

    def __init__(self, decays: Sequence[float], classes: int):
        super().__init__(1.0, epsilon=ADAM_EPSILON, name="adam")
        self._decays, self._classes = np.array(decays, np.float32), classes

    def build(self, variables: list) -> None:
        if not self.built:
            self.rates = self.add_variable((len(self._decays),), initializer="ones", name="rates")
            self._stepped = hardware.compiled(self._step)
        super().build(variables)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        index = self._get_variable_index(variable)
        moments = (self._momentums[index], self._velocities[index])
        decays = self._decays if len(variable.shape) == 2 else np.zeros_like(self._decays)  # none on a bias
        values = (each.value for each in (*moments, self.rates))
        news = self._stepped(variable, *values, gradient, decays, self.iterations + 1)
        for each, new in zip((variable, *moments), news, strict=True):
            self.assign(each, new)

    def _step(self, weight: Any, mean: Any, square: Any, rates: Any, gradient: Any, decays: Any, step: Any) -> Any:
        step = ops.cast(step, "float32")
        rates = rates * ops.sqrt(1 - ops.power(self.beta_2, step)) / (1 - ops.power(self.beta_1, step))
        gradient = gradient + 2 * ops.repeat(decays, self._classes) * weight
        mean = mean + (gradient - mean) * (1 - self.beta_1)
        square = square + (ops.square(gradient) - square) * (1 - self.beta_2)
        return weight - ops.repeat(rates, self._classes) * mean / (ops.sqrt(square) + self.epsilon), mean, square
