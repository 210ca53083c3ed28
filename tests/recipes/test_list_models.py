"""The golden table of all networks: printed by the recipe, repeated in the docs, complete."""

import json
from pathlib import Path

from tiny_imagenet_tf import models

ROOT = Path(__file__).parents[2]

GOLDEN = """\
|           network |  parameters |     trained |  GFLOP |     input | output |
|------------------:|------------:|------------:|-------:|----------:|-------:|
|      inception_v3 |  21,802,784 |  21,768,352 |   11.5 | 299x299x3 |   2048 |
|     transfer_head |     409,800 |     409,800 | 0.0008 |      2048 |    200 |
| compact_inception |   2,582,660 |   2,573,116 |  0.767 |   64x64x3 |    200 |
|   le_yang_model_1 |   1,969,544 |   1,969,544 |  0.275 |   56x56x3 |    200 |
|   le_yang_model_2 |  13,740,552 |  13,740,552 |  0.956 |   56x56x3 |    200 |
|   le_yang_model_3 |  14,330,632 |  14,330,632 |   1.19 |   56x56x3 |    200 |
|   le_yang_model_4 |  14,330,632 |  14,330,632 |   1.19 |   56x56x3 |    200 |
|   le_yang_model_5 |  14,198,408 |  14,198,408 |  0.963 |   56x56x3 |    200 |
|   le_yang_model_6 |  14,196,488 |  14,196,488 |  0.963 |   56x56x3 |    200 |
|   le_yang_model_7 |  60,564,808 |  60,564,808 |   3.84 |   56x56x3 |    200 |
|   le_yang_model_8 |  60,564,808 |  60,564,808 |   3.84 |   56x56x3 |    200 |
|   le_yang_model_9 | 135,079,944 | 135,079,944 |   2.68 |   56x56x3 |    200 |
"""


def test_the_recipe_prints_the_golden_table(tiny_imagenet):
    done = tiny_imagenet("list")
    assert done.returncode == 0 and done.stdout == GOLDEN
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_no_network_is_missing_from_the_golden_table():
    listed = [line.split("|")[1].strip() for line in GOLDEN.splitlines()[2:]]
    assert listed == list(models.names())


def test_the_docs_show_the_golden_table_and_its_counts():
    counts = {row.split("|")[1].strip(): int(row.split("|")[2].replace(",", "")) for row in GOLDEN.splitlines()[2:]}
    assert json.loads((ROOT / "docs" / "networks.json").read_text()) == counts
    assert GOLDEN in (ROOT / "docs" / "networks.md").read_text(encoding="utf-8")
