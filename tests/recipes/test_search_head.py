"""What ``search_head.py`` leaves beside the trials."""

import json

import pytest


def trial(state, accuracy):
    return {"state": state, "accuracy": accuracy, "weight_decay": 1e-4, "learning_rate": 1e-3}


def test_trials_are_drawn_where_one_has_ended(recipe, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    stored = tmp_path / "trials.json"
    stored.write_text(json.dumps({"trials": [trial("pruned", None)]}))
    recipe("search_head").draw(stored, "v2")
    assert list(tmp_path.iterdir()) == [stored]
    stored.write_text(json.dumps({"trials": [trial("pruned", None), trial("complete", 0.5)]}))
    recipe("search_head").draw(stored, "v2")
    assert (tmp_path / "trials.svg").read_bytes().startswith(b"<?xml")
    assert capsys.readouterr().out == f"Drawn in {tmp_path / 'trials.svg'}\n"
