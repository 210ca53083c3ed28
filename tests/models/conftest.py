"""Settings shared by the tests of networks."""

import keras
import pytest


@pytest.fixture(autouse=True)
def _restore_global_settings():
    data_format = keras.config.image_data_format()
    policy = keras.config.dtype_policy()
    yield
    keras.config.set_image_data_format(data_format)
    keras.config.set_dtype_policy(policy)
