"""What a study may say of its models."""

import pytest

from cystgrid.errors import SettingsError
from cystgrid.models.registry import MODELS, ModelSettings


def test_vit_means_the_size_that_the_study_names():
    assert ModelSettings(vit="small").architecture("vit") == "vit_small"
    assert ModelSettings(vit="large").architecture("vit") == "vit_large"
    assert ModelSettings(vit="small").architecture("vit_base") == "vit_base"


def test_unknown_names_are_refused_wherever_they_stand():
    with pytest.raises(ValueError, match=r"did you mean 'vit'.*Available: vit, vit_tiny"):
        ModelSettings(names=("vitt",))
    for key in ("weights", "normalisation", "inputs"):
        value = {"weights": "none", "normalisation": "unit", "inputs": ("early",)}[key]
        with pytest.raises(ValueError, match="as keys default or known models"):
            ModelSettings(**{key: {"vitt": value}})


def test_features_is_short_for_both_and_nobody_runs_twice():
    settings = ModelSettings(names=("features", "features-forest", "majority", "majority"))
    assert settings.names == ("features-forest", "features-boosting", "majority")


def test_one_list_of_inputs_serves_every_model_with_what_it_takes():
    settings = ModelSettings(
        names=("vit", "dense-inn", "densenet121-3d", "majority"),
        inputs=("t1", "late", "intermediate", "early"),
    )
    assert settings.pairs() == (
        ("vit", "t1"), ("vit", "late"), ("vit", "early"),
        ("dense-inn", "t1"), ("dense-inn", "intermediate"), ("dense-inn", "early"),
        ("densenet121-3d", "t1"), ("densenet121-3d", "early"),
        ("majority", "none"),
    )  # fmt: skip


def test_a_table_names_the_inputs_of_each():
    settings = ModelSettings(
        names=("vit", "resnet18", "site-only"),
        inputs={"default": ("early",), "vit": ("t2", "late")},
    )
    assert settings.pairs() == (
        ("vit", "t2"), ("vit", "late"), ("resnet18", "early"), ("site-only", "none")
    )  # fmt: skip


@pytest.mark.parametrize(
    ("names", "inputs", "said"),
    [
        (("vit",), ("intermediate",), "inputs that vit takes: early, t1, t2, late"),
        (("vit",), ("early", "intermediate"), "no 'intermediate' here: vit takes early, t1"),
        (("vit", "densenet121-3d"), ("late",), "inputs that densenet121-3d takes: early, t1, t2"),
        (("vit",), {"vit": ("early", "intermediate")}, "inputs that vit takes"),
        (("vit", "majority"), {"majority": ("early",)}, "inputs that majority takes: none"),
        (("hussein-cca",), ("t1",), "inputs that hussein-cca takes: early"),
        (("vit",), ("none",), "inputs that vit takes"),
    ],
)
def test_what_no_model_takes_is_refused_by_what_it_takes(names, inputs, said):
    with pytest.raises(SettingsError, match=said) as found:
        ModelSettings.parse({"names": names, "inputs": inputs}, "study.toml")
    assert "\n" not in str(found.value)


def test_settings_survive_being_written_and_read():
    settings = ModelSettings(
        names=("vit", "features"),
        inputs={"vit": ("late",)},
        features={"file": "f", "columns": ["a"]},
    )
    assert ModelSettings.parse(settings.model_dump(), "again") == settings


def test_models_on_features_need_a_table():
    with pytest.raises(SettingsError, match="no table for features-forest"):
        ModelSettings(names=("features",)).pairs()


def test_relative_paths_are_the_study_files(tmp_path):
    settings = ModelSettings(
        weights={"default": "none", "vit": "w/a.npz"}, features={"file": "f.csv", "columns": ["a"]}
    ).beside(tmp_path)
    assert settings.weights_of("vit") == str(tmp_path / "w" / "a.npz")
    assert settings.weights_of("resnet18") == "none"
    assert settings.features.file == str(tmp_path / "f.csv")
    assert ModelSettings(weights="b.pth").beside(tmp_path).weights_of("vit") == str(
        tmp_path / "b.pth"
    )


def test_identity_changes_with_all_that_decides_and_with_nothing_else(tmp_path):
    table, weights = tmp_path / "f.csv", tmp_path / "w.safetensors"
    table.write_text("patient,a\np,1\n")
    weights.write_bytes(b"one")

    def settings(**changes):
        base = {"weights": str(weights), "features": {"file": str(table), "columns": ["a"]}}
        return ModelSettings(names=("vit", "features", "cnn-svm"), **{**base, **changes})

    plain = settings()
    for name in ("vit", "features-forest", "cnn-svm"):
        assert plain.identity(name) == settings().identity(name)
    changes = {
        "vit": {"vit": "tiny"}, "cnn-svm": {"extractor": "resnet18"},
        "features-forest": {"features": {"file": str(table), "columns": ["b"]}},
    }  # fmt: skip
    for changed, change in changes.items():
        for name in changes:
            same = settings(**change).identity(name) == plain.identity(name)
            assert same == (name != changed), (changed, name)
    assert settings(absent="learned").identity("vit") != plain.identity("vit")
    assert settings(normalisation="unit").identity("vit") != plain.identity("vit")
    before = {name: plain.identity(name) for name in changes}
    weights.write_bytes(b"other")
    assert plain.identity("vit") != before["vit"]
    assert plain.identity("features-forest") == before["features-forest"]
    table.write_text("patient,a\np,2\n")
    assert plain.identity("features-forest") != before["features-forest"]


def test_every_builder_is_where_its_entry_says():
    from importlib import import_module

    for entry in MODELS.values():
        module, _, name = entry.build.partition(":")
        assert callable(getattr(import_module(module), name)), entry.name
        assert entry.about
        assert entry.reference


def test_files_at_another_place_are_the_same_model(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
        (folder / "start.pth").write_bytes(b"weights")
        (folder / "table.csv").write_bytes(b"patient,size\n")
    settings = ModelSettings(
        names=("vit", "resnet18", "majority", "features-forest"),
        weights={"vit": str(here / "start.pth"), "default": "hub"},
        features={"file": str(here / "table.csv"), "columns": ("size",)},
    )
    files = {name: settings.files(name) for name in settings.names}
    assert files["vit"] == (here / "start.pth",)
    assert files["features-forest"] == (here / "table.csv",)
    assert files["resnet18"] == files["majority"] == ()
    moved = settings.relocated({path: there / path.name for path in here.iterdir()})
    for name in settings.names:
        assert moved.files(name) == tuple(there / path.name for path in files[name])
        assert moved.identity(name) == settings.identity(name)
