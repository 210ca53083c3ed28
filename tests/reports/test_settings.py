"""docs/settings.md: the settings of every recipe, as the recipes have them."""


def test_defaults_stand_beside_what_the_paper_says(docs_script):
    script = docs_script("settings")
    heads = script.table(script.TABLES["Heads on transfer values (Milani, section 4)"])
    assert "| `--weight-decay` | 0.0116 | 0.0001933 | 9.669e-06 | 0.0116 for vanilla |" in heads
    assert "--precision" not in heads and "--store" not in heads  # they change no experiment
    fine_tuning = script.table({"finetune": "finetune"})
    assert "--unfreeze" in fine_tuning and "--dropout-keep" not in fine_tuning  # which is the transfer run's
