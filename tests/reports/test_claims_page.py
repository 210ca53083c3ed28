"""docs/claims.md: no claim without a record, a test or a page that shows it, or a reason."""

import tomllib
from pathlib import Path

import pytest

from tiny_imagenet_tf.errors import UserError
from tiny_imagenet_tf.reports import claims, markers
from tiny_imagenet_tf.runs import records

ROOT = Path(__file__).parents[2]
DATA = ROOT / "docs" / "claims.toml"


def test_the_page_is_what_data_and_records_say(tmp_path):
    page = tmp_path / "claims.md"
    page.write_text((ROOT / "docs" / "claims.md").read_text())
    results = ROOT / "results"
    markers.replace(page, "claims", lambda _: claims.section(DATA, records.read(results), results))
    assert page.read_text() == (ROOT / "docs" / "claims.md").read_text(), "run python recipes/record_result.py"


def test_at_most_a_quarter_is_not_run():
    papers = tomllib.loads(DATA.read_text())
    held = [claim["held"] for paper in papers.values() for claim in paper["claims"]]
    assert 4 * held.count("not run") <= len(held)


GOOD = '{at="1", says="it is so", kind="finding", held="yes", by="docs/claims.toml"}'


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        (
            '{at="1", says="it is so", kind="finding", held="yes", by="results/none.json"}',
            "results/none.json is not there",
        ),
        ('{at="1", says="it is so", kind="finding", held="yes"}', "None is not there"),
        ('{at="1", says="it is so", kind="finding", held="perhaps"}', "held is 'perhaps'"),
        ('{at="1", says="it is so", kind="idea", held="yes", by="docs/claims.toml"}', "kind is 'idea'"),
        ('{at="1", says="it is so", kind="finding", held="not run"}', "say why"),
        (
            '{at="1", says="it is so", kind="finding", held="not run", why="no", by="docs/claims.toml"}',
            "nothing that shows it",
        ),
        (
            '{at="1", says="it is so", kind="finding", held="no", by="docs/claims.toml", figure="{gone.x}"}',
            "no stored record",
        ),
        ('{at="1", says="it is so", kind="finding", held="no", by="docs/claims.toml", figure="{x}"}', "asks for: 'x'"),
        ('{at="1", says="it is so", kind="finding", held="no", by="docs/claims.toml", figure="{"}', "asks for: "),
        ('{at="1", says="it is so", kind="finding", held="no", by="docs/claims.toml", figure="{}"}', "asks for: "),
    ],
)
def test_a_claim_that_nothing_shows_is_an_error(tmp_path, claim, message):
    (tmp_path / "docs").mkdir()
    path = tmp_path / "docs" / "claims.toml"
    path.write_text(f"[milani]\nclaims=[{GOOD}, {claim}]\n[le_yang]\nclaims=[]\n")
    with pytest.raises(UserError, match=message):
        claims.section(path, [], tmp_path)
