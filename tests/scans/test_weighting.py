"""Weighting by words and by numbers, on protocols of the three large vendors' abdominal scans."""

from dataclasses import replace

import pytest

from cystgrid.scans.protocol_words import SHOWN_WORDS, protocol_words
from cystgrid.scans.weighting import (
    Acquisition,
    contrast_given,
    fat_suppressed,
    guess_weighting,
    is_localiser,
)

M = ("ORIGINAL", "PRIMARY", "M", "ND")


def of(description, technique, variant, tr, te, flip, *, kind=M, options=(), **more):
    return Acquisition(
        description=description,
        technique=frozenset(technique.split("\\")),
        variant=frozenset(variant.split("\\")),
        options=frozenset(options),
        image_type=kind,
        tr=tr,
        te=te,
        flip=flip,
        **more,
    )


SIEMENS_DIXON = ("DERIVED", "PRIMARY", "DIXON")
PROTOCOLS = [
    # Siemens
    ("t2", False, of("t2_haste_tra_p2_mbh_320", "SE", "SK\\SP\\OSP", 1400, 95, 160)),
    ("t2", True, of("t2_haste_fs_cor_p2", "SE", "SK\\SP\\OSP", 1000, 92, 150, options=["FS"])),
    ("t2", True, of("t2_tse_SPAIR_tra_trig", "SE", "SK\\SP\\OSP", 3300, 84, 140, options=["FS"])),
    ("t2", True, of("t2_blade_tra_fs_p2", "SE", "SK\\SP\\OSP", 2500, 110, 140, options=["FS"])),
    ("t1", True, of("t1_vibe_fs_tra_p2_bh_nativ", "GR", "SP\\OSP", 3.9, 1.5, 9, options=["FS"])),
    ("t1", False, of("t1_fl2d_opp-in_tra_mbh", "GR", "SP\\OSP", 112, 2.4, 70)),
    ("t1", False, of("t1_vibe_dixon_tra_bh_opp", "GR", "SP\\OSP", 6.9, 2.4, 10,
                     kind=(*SIEMENS_DIXON, "OPP_PHASE"))),
    ("t1", True, of("t1_vibe_dixon_tra_bh_W", "GR", "SP\\OSP", 6.9, 2.4, 10,
                    kind=(*SIEMENS_DIXON, "WATER"))),
    ("other", False, of("t1_vibe_dixon_tra_bh_F", "GR", "SP\\OSP", 6.9, 2.4, 10,
                        kind=(*SIEMENS_DIXON, "FAT"))),
    ("other", None, of("t1_vibe_fs_tra_SUB", "GR", "SP\\OSP", 3.9, 1.5, 9,
                       kind=("DERIVED", "PRIMARY", "M", "SUB"))),
    ("other", False, of("t2_trufi_cor_bh", "GR", "SS\\OSP", 4.3, 2.1, 55)),
    ("other", None, of("ep2d_diff_b50_400_800_tra", "EP", "SK\\SP\\OSP", 5500, 61, 90)),
    ("other", None, of("ep2d_diff_b50_400_800_tra_ADC", "EP", "SK\\SP\\OSP", 5500, 61, 90)),
    ("other", None, of("t2_space_cor_trig_MRCP", "SE", "SK\\SP\\OSP", 4000, 701, 100)),
    ("other", None, of("haste_thick slab", "SE", "SK\\SP\\OSP", 4500, 752, 180)),
    ("other", None, of("MIP RANGE", "SE", "SK", 4000, 701, 100)),
    ("other", False, of("localizer", "GR", "SP", 8.6, 4.0, 20)),
    # GE
    ("t2", False, of("Ax T2 SSFSE", "SE", "SS\\SK", 1100, 88, 90)),
    ("t2", True, of("Ax fs T2 FRFSE RTr", "SE", "SK\\OSP", 6800, 82, 111)),
    ("t2", False, of("COR SSFSE", "SE", "SS\\SK", 800, 90, 90)),
    ("t1", True, of("Ax LAVA PRE FatSat", "GR", "SS\\SP\\SK", 4.2, 2.0, 12)),
    ("t1", True, of("WATER: Ax LAVA-Flex", "RM", "NONE", 5.5, 1.7, 12)),
    ("t1", False, of("InPhase: Ax LAVA-Flex", "RM", "NONE", 5.5, 2.2, 12)),
    ("other", False, of("FAT: Ax LAVA-Flex", "RM", "NONE", 5.5, 1.7, 12)),
    ("t1", False, of("AX DUAL ECHO T1", "GR", "SS\\SP\\SK", 150, 2.1, 80)),
    ("t1", False, of("AX FSPGR", "GR", "SS\\SP", 165, 4.4, 80)),
    ("other", None, of("Ax FIESTA", "GR", "SS\\SK", 3.9, 1.7, 60)),
    ("other", None, of("Ax DWI b500", "EP", "NONE", 6000, 60, 90)),
    ("other", None, of("3D MRCP RTr", "SE", "SK", 3500, 600, 90)),
    ("other", None, of("FatFrac: IDEAL IQ", "RM", "NONE", 6.1, 1.0, 3)),
    # Philips
    ("t2", False, of("T2W_SSh_tra_BH", "SE", "SK", 850, 80, 90)),
    ("t2", True, of("T2W_TSE_SPAIR_RT", "SE", "SK", 1400, 70, 90)),
    ("t1", True, of("eTHRIVE_pre", "GR", "SP", 3.1, 1.5, 10, options=["FS"])),
    ("t1", False, of("dual_FFE_IP-OP", "GR", "SP", 180, 2.3, 55)),
    ("t1", True, of("mDIXON_W_BH", "GR", "SP", 5.6, 1.8, 15, kind=("ORIGINAL", "PRIMARY", "W"))),
    ("other", None, of("mDIXON_F_BH", "GR", "SP", 5.6, 1.8, 15, kind=("ORIGINAL", "PRIMARY", "F"))),
    ("other", None, of("mDIXON_quant", "GR", "SP", 7.0, 1.1, 3)),
    ("other", None, of("sBTFE_BH", "GR", "SK", 3.5, 1.7, 60)),
    ("other", None, of("no word here", "GR", "SK", 3.5, 1.7, 60)),
    ("other", None, of("DWI_3b_RT", "SE", "SK", 2200, 62, 90, b_value=800.0)),
    ("other", None, of("Survey_BH", "GR", "SK", 4.0, 1.9, 45)),
    ("other", None, of("PDW_TSE", "SE", "SK", 3000, 20, 90)),
    ("other", None, of("T2*_FFE", "GR", "SK", 600, 14, 25)),
    # numbers alone, words alone, and neither
    ("t1", False, of("", "SE", "SK", 550, 8, 90)),
    ("t2", False, of("", "SE", "SK", 4000, 101, 150)),
    ("other", False, of("", "SE", "SK", 1300, 45, 90)),
    ("t2", False, Acquisition(description="Ax T2")),
    ("t1", False, Acquisition(protocol="T1W TFE")),
    ("other", False, Acquisition(description="series 7")),
    # enhanced multi-frame
    ("t2", False, Acquisition(stated="T2", technique=frozenset({"SE"}), tr=2000.0, te=80.0)),
    ("t2", True, Acquisition(stated="T2", suppression=frozenset({"FAT"}))),
    ("other", False, Acquisition(stated="DIFFUSION", description="t2")),
    ("other", False, Acquisition(stated="T1", free_precession=True)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("weighting", "dark_fat", "acquisition"), PROTOCOLS, ids=lambda x: getattr(x, "description", "")
)
def test_realistic_protocols(weighting, dark_fat, acquisition):
    guess = guess_weighting(acquisition)
    assert guess.weighting == weighting, guess.why
    assert guess.why
    if dark_fat is not None:
        assert fat_suppressed(acquisition) == dark_fat


@pytest.mark.parametrize(
    "acquisition",
    [
        of("t1_tse_tra", "SE", "SK", 4000, 101, 150),
        of("t2_tse_tra", "SE", "SK", 550, 8, 90),
        of("T2 haste", "GR", "SP", 4.0, 1.5, 10),
        of("t1_vibe", "GR", "SP", 4.0, 1.5, 3),
    ],
)
def test_words_against_numbers_is_no_guess(acquisition):
    guess = guess_weighting(acquisition)
    assert guess.weighting == "other"
    assert guess.why.startswith("contradiction: description says t")
    agreeing = guess_weighting(replace(acquisition, description=""))  # the control: no words
    assert "contradiction" not in agreeing.why


def test_protocol_of_the_whole_examination_does_not_speak_for_a_series():
    named = of("Ax T2 SSFSE", "SE", "SS", 1100, 88, 90, protocol="MRCP w/wo contrast")
    assert guess_weighting(named).weighting == "t2"
    assert contrast_given(named) == "no"
    assert guess_weighting(replace(named, description="")).weighting == "other"


@pytest.mark.parametrize(
    ("description", "agent", "given"),
    [
        ("t1_vibe_fs_tra", "", "no"),
        ("t1_vibe_fs_tra", "Gadovist", "yes"),
        ("t1_vibe_fs_tra", "NONE", "no"),
        ("t1_vibe_fs_tra_nativ", "Gadovist", "unclear"),
        ("t1_vibe_fs_tra_nativ", "", "no"),
        ("Ax LAVA +C portal", "", "yes"),
        ("eTHRIVE_dyn_5ph", "", "yes"),
        ("Ax T1 w/o contrast", "", "no"),
    ],
)
def test_contrast_agent(description, agent, given):
    assert contrast_given(Acquisition(description=description, agent=agent)) == given


def test_localisers_are_known_by_word_and_by_type():
    assert is_localiser(Acquisition(description="3-plane Loc"))
    assert is_localiser(Acquisition(image_type=("ORIGINAL", "PRIMARY", "LOCALIZER")))
    assert not is_localiser(Acquisition(description="t2 tse"))


def test_only_known_words_are_taken_and_joined_ones_are_taken_apart():
    assert protocol_words("T2WTSE Maria_Muster eTHRIVE 20") == ("t2w", "tse", "thrive")
    assert protocol_words("AxT2SSFSE T1 +C") == ("ax", "t2", "ssfse", "t1", "pluscontrast")
    assert protocol_words("t2*") == ("t2star",)
    assert not protocol_words("Muster Haste1 Tset1")
    assert all(protocol_words(word) == (word,) for word in SHOWN_WORDS)


def test_nothing_of_the_text_is_in_what_is_shown():
    secret = of("t2 tse Muster", "SE", "SK", 4000, 101, 150, protocol="Muster", agent="Muster")
    assert "Muster" not in guess_weighting(secret).why
    assert "Muster" not in repr(secret)
