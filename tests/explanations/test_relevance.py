"""Every method on every network: shapes, names, the network left as found, wrong use."""

import pytest
import timm
import torch
from explained import CELLS, build, inputs_of, timm_vit
from sklearn.ensemble import RandomForestClassifier

from cystgrid import explain
from cystgrid.errors import SettingsError, UsageError

SIGNED = ("integrated-gradients", "occlusion-cells", "occlusion-patches")
ANY = ("grad-cam", *SIGNED)
PAIRS = [
    (model, method)
    for model, methods in {
        ("vit_tiny", "early"): tuple(explain.METHODS),
        ("vit_tiny", "late"): tuple(explain.METHODS),
        ("resnet18", "late"): ANY,
        ("dense-inn", "intermediate"): ("grad-cam", "occlusion-cells"),
    }.items()
    for method in methods
]


def state(network):
    """Everything that a look at a network could change."""
    return [
        (
            name, module.training, dict(module._forward_hooks), dict(module._forward_pre_hooks),
            dict(module._backward_hooks), getattr(module, "fused_attn", None),
            [(p.requires_grad, p.grad, p._version) for p in module.parameters(recurse=False)],
            [b._version for b in module.buffers(recurse=False)],
        )
        for name, module in network.named_modules()
    ]  # fmt: skip


@pytest.mark.parametrize(("model", "method"), PAIRS, ids=str)
def test_size_names_and_a_network_left_as_found(model, method):
    network = build(*model)
    network.train()
    network.absent.requires_grad_(True)
    next(network.backbone.modules()).eval()  # an odd mixture must come back too
    images = inputs_of(network)
    before, shown = state(network), images.clone()
    found = explain.relevance(network, images, method, options=CELLS)
    assert state(network) == before and torch.equal(images, shown)
    assert found.values.shape == (2, len(found.of), *images.shape[2:])
    assert found.values.dtype == torch.float32 and found.values.isfinite().all()
    apart = method in SIGNED or model[1] == "late"
    assert found.of == (("t1", "t2") if apart else ("t1+t2",))
    assert found.method is explain.METHODS[method]
    assert found.method.signed or (found.values >= 0).all()


@pytest.mark.parametrize("method", explain.METHODS)
def test_same_bytes_twice_and_a_batch_is_its_items(method):
    network = build("vit_tiny", "late")
    images = inputs_of(network, batch=3)
    both = [explain.relevance(network, images, method, options=CELLS).values for _ in range(2)]
    assert torch.equal(*both)
    alone = torch.cat(
        [explain.relevance(network, i[None], method, options=CELLS).values for i in images]
    )
    assert torch.allclose(alone, both[0], atol=1e-5 * float(both[0].abs().max()))


@pytest.mark.parametrize("method", [m for m in explain.METHODS if m != "rollout"])
def test_the_predicted_class_is_explained_where_none_is_said(method):
    network, images = build("vit_tiny"), inputs_of(build("vit_tiny"), batch=3)
    predicted = network(images).argmax(1).tolist()
    others = [(c + 1) % 3 for c in predicted]
    values = [
        explain.relevance(network, images, method, classes=classes, options=CELLS).values
        for classes in (None, predicted, others)
    ]
    assert torch.equal(values[0], values[1])
    assert not torch.allclose(values[0], values[2], rtol=1e-2)
    assert explain.METHODS[method].class_specific


def test_gradients_may_be_off_around_it():
    network, images = timm_vit(), torch.rand(1, 3, 48, 32)
    for method in ("gradient-rollout", "grad-cam", "integrated-gradients"):
        expected = explain.relevance(network, images, method).values
        with torch.no_grad():
            assert torch.equal(explain.relevance(network, images, method).values, expected)


def test_half_precision_networks_give_float_maps():
    network, images = timm_vit().to(torch.bfloat16), torch.rand(1, 3, 48, 32)
    for method in ("rollout", "gradient-rollout", "grad-cam"):
        values = explain.relevance(network, images, method).values
        assert values.dtype == torch.float32 and values.isfinite().all()


@pytest.mark.parametrize("pooling", ["token", "avg"])
@pytest.mark.parametrize("method", explain.METHODS)
def test_scans_are_weighed_where_shares_follow_the_score(method, pooling):
    """A branch that the score does not depend on has no share; ten times the score, the same ones.

    What holds of each method is measured, and the method must say just that.
    """
    network, images = build("vit_tiny", "late"), inputs_of(build("vit_tiny", "late"))
    for branch in (network.backbone.t1, network.backbone.t2):
        branch.global_pool = pooling
        for block in branch.blocks:
            block.attn.qkv.weight.data.mul_(8)  # attention that is far from even
    head = network.backbone.head.weight
    half = head.shape[1] // 2
    whole = torch.randn(head.shape, generator=torch.Generator().manual_seed(2))
    one_sided = torch.cat([torch.zeros(len(head), half), whole[:, half:]], dim=1)

    def share_of_t1(weight):
        head.data.copy_(weight)
        found = explain.relevance(network, images, method, classes=[1, 1], options=CELLS)
        sizes = found.values.abs().sum(dim=(2, 3))
        return sizes[:, 0] / sizes.sum(dim=1)

    follows = torch.allclose(share_of_t1(10 * whole), share_of_t1(whole), atol=1e-3)
    follows &= bool((share_of_t1(one_sided) < 1e-3).all())
    assert follows == explain.METHODS[method].weighs_scans


@pytest.mark.parametrize("method", explain.METHODS)
def test_an_absent_scan_has_a_map_of_0(method):
    network = build("vit_tiny", "late")
    images = inputs_of(network)
    images[0, 1] = torch.nan
    found = explain.relevance(network, images, method, options=CELLS)
    assert not found.values[0, 1].any()
    assert found.values[0, 0].any() and found.values[1, 1].any()


def test_a_network_that_pools_by_an_attention_of_its_own_is_not_offered_rollout():
    """As SigLIP does; its tokens still serve Grad-CAM."""
    siglip = timm_vit(global_pool="map", class_token=False, seed=1)
    assert explain.methods_for(siglip) == ANY
    images = torch.rand(1, 3, 48, 32)
    maps = [explain.relevance(siglip, images, "grad-cam", classes=[c]).values for c in range(3)]
    assert any(found.any() for found in maps)
    for method in ("rollout", "gradient-rollout"):
        with pytest.raises(UsageError, match="pools its tokens by 'map'"):
            explain.relevance(siglip, images, method)
    pooled = timm_vit(global_pool="avg")
    assert explain.methods_for(pooled) == tuple(explain.METHODS)


def test_methods_that_serve_a_network_paper_first():
    assert explain.methods_for(build("vit_tiny", "late")) == tuple(explain.METHODS)
    assert explain.methods_for(build("densenet121-3d")) == ANY
    assert explain.methods_for(torch.nn.Flatten()) == ANY[1:]
    assert explain.methods_for(timm_vit())[0] == "rollout"
    assert explain.methods_for(build("resnet18"))[0] == "grad-cam"


def test_channels_may_be_named():
    network = build("vit_tiny", "t1")
    images = inputs_of(network)
    assert explain.relevance(network, images, "rollout", channels=["t1"]).of == ("t1",)
    found = explain.relevance(timm_vit(), torch.rand(1, 3, 48, 32), "rollout", channels="rgb")
    assert found.of == ("r+g+b",)


@pytest.mark.parametrize("tag", ["beit_base_patch16_224", "eva02_tiny_patch14_224"])
def test_relatives_of_the_plain_transformer(tag):
    """Their blocks have an attention of their own, which shows itself in the same place."""
    settings = {"img_size": 56} if "eva" in tag else {}
    network = timm.create_model(tag, pretrained=False, depth=2, num_classes=3, **settings).eval()
    side = settings.get("img_size", 224)
    found = explain.relevance(network, torch.rand(1, 3, side, side), "rollout")
    assert 0 < float(found.values.sum()) / network.patch_embed.patch_size[0] ** 2 <= 1 + 1e-5


WRONG = {
    "method": (lambda n, x: (n, x, "saliency", {}), "method: got saliency, expected one of roll"),
    "class": (
        lambda n, x: (n, x, "grad-cam", {"classes": [0, 3]}),
        "classes: got class 3, expected 0 to 2; choose",
    ),
    "class of rollout": (
        lambda n, x: (n, x, "rollout", {"classes": [0, -1]}),
        "classes: got class -1, expected 0 to 2; choose",
    ),
    "classes": (
        lambda n, x: (n, x, "occlusion-cells", {"classes": [0], "options": CELLS}),
        "classes: got 1 classes, expected one for each of 2; choose",
    ),
    "no attention": (
        lambda n, x: (build("resnet18"), x, "rollout", {}),
        "network: got a ResNet, which has no attention over all tokens, expected a plain vision",
    ),
    "no attention of a branch": (
        lambda n, x: (build("resnet18", "late"), x, "gradient-rollout", {}),
        "network: got a ResNet, which has no attention over all tokens, expected a plain vision",
    ),
    "no network": (
        lambda n, x: (RandomForestClassifier(), x, "rollout", {}),
        "network: got a RandomForestClassifier, which sees no image, expected a network of torch",
    ),
    "no batch": (lambda n, x: (n, x[0], "rollout", {}), "inputs: got torch.float32 of shape"),
    "channels": (
        lambda n, x: (n, x[:, :1], "rollout", {}),
        "inputs: got 1 channels, expected 2; give the modalities",
    ),
    "NaN": (
        lambda n, x: (timm_vit(), torch.full((1, 3, 48, 32), torch.nan), "rollout", {}),
        "inputs: got NaN, which marks absent scans, expected numbers",
    ),
    "names": (
        lambda n, x: (n, x, "rollout", {"channels": ["t1"]}),
        r"channels: got 1 names \(t1\), expected one for each of 2 channels",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_use_is_one_clear_line(case):
    make, message = WRONG[case]
    network = build("vit_tiny")
    *given, options = make(network, inputs_of(network))
    before = state(network)
    with pytest.raises(UsageError, match=message) as caught:
        explain.relevance(*given, **options)
    assert "\n" not in str(caught.value)
    assert state(network) == before


def test_an_unknown_option_is_refused():
    with pytest.raises(SettingsError, match="head_fusion"):
        explain.Options.parse({"headfusion": "mean"}, "options")


def test_a_network_that_fails_is_left_as_found_too():
    network = timm_vit()
    before = state(network)
    for method in ("rollout", "gradient-rollout"):
        with pytest.raises(AssertionError):
            explain.relevance(network, torch.rand(1, 3, 40, 32), method)
        assert state(network) == before
