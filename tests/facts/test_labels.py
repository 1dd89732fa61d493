"""Hardware and number formats as tables print them: read by rule, variants scaled, what is not known left alone."""

from dataclasses import replace

import pytest

from rackline.facts.formats import FORMATS, bytes_per_number
from rackline.facts.hardware import chip
from rackline.facts.labels import counted, read_label
from rackline.facts.measured_things import measured_machine, measured_model, printed_format
from rackline.facts.measurements import Formats, Measured

ROW = Measured("A-1", "decode_tokens_per_s", 10.0, "tokens/s", model="Llama-3-8B", hardware="RTX 4090",
               formats=Formats("Q4_K_M"))


@pytest.mark.parametrize(("label", "name"), [
    ("3070 8GB", "rtx-3070"), ("3080 Ti 12GB", "rtx-3080-ti"), ("RTX 3080 12GB", "rtx-3080-12gb"),
    ("4070 Ti 12GB", "rtx-4070-ti"), ("RTX 4080 SUPER", "rtx-4080-super"), ("RTX 4000 Ada 20GB", "rtx-4000-ada"),
    ("NVIDIA RTX 6000 Ada Generation", "rtx-6000-ada"), ("NVIDIA GeForce RTX 3060 12GB", "rtx-3060"),
    ("A40 48GB", "a40"), ("Tesla T4", "t4"), ("A100 PCIe 80GB", "a100-80gb-pcie"), ("A100-SXM4-80GB", "a100-80gb-sxm"),
    ("A100 40GB", "a100-40gb-sxm"), ("AMD Radeon RX 7900 XTX", "rx-7900-xtx"), ("MI300X", "mi300x"),
    ("M1 Max 32\u2011Core GPU 64GB", "m1-max"), ("Apple M2 Ultra 76c", "m2-ultra"), ("Apple M5 10-core GPU", "m5"),
    ("H100-SXM (8/node, InfiniBand)", "h100-sxm"), ("RTX 4090 Laptop GPU", "rtx-4090-laptop"),
    ("NVIDIA H100 80GB HBM3", "h100-sxm"), ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "rtx-pro-6000"),
    ("NVIDIA B300 SXM6 AC", "b300"), ("AMD Instinct MI300X OAM", "mi300x"), ("8xH100", "h100-sxm")])
def test_labels_of_public_tables_name_a_bundled_chip(label, name):
    assert read_label(label).chip == name


@pytest.mark.parametrize("label", ["abacus", "", "RTX 4095", "Quadro RTX 8000", "RTX 4070 Mobile", "RTX 4090 D",
                                   "NVIDIA H100 NVL"])
def test_a_label_of_another_chip_is_not_guessed(label):
    assert read_label(label) is None
    assert measured_machine(replace(ROW, hardware=label)) is None


def test_a_laptop_has_not_its_desktop_namesakes_memory():
    assert chip("rtx-4090-laptop").memory_bandwidth.value < chip("rtx-4090").memory_bandwidth.value


@pytest.mark.parametrize(("label", "rest", "chips"), [
    ("3090 24GB * 2", "3090 24GB", 2), ("4 x H100 SXM", "H100 SXM", 4), ("8xH100", "H100", 8),
    ("RTX A6000", "RTX A6000", 1)])
def test_the_number_of_chips_is_read_off_the_label(label, rest, chips):
    assert counted(label) == (rest, chips)
    assert measured_machine(replace(ROW, hardware=label)).chips == chips


def test_gpu_cores_scale_the_arithmetic_and_narrow_variants_their_memory():
    whole, eight = (measured_machine(replace(ROW, hardware=f"Apple M2 {n}-core GPU")).chip for n in (10, 8))
    assert eight.flops["bf16"].value == pytest.approx(0.8 * whole.flops["bf16"].value)
    assert eight.memory_bandwidth == whole.memory_bandwidth
    assert measured_machine(replace(ROW, hardware="Apple M3 Max 30-core GPU")).chip.memory_bandwidth.value == 3e11


def test_a_stated_power_limit_replaces_the_chips_power():
    assert measured_machine(replace(ROW, hardware="A100-80GB (330 W power limit)")).chip.power.value == 330.0
    half = [measured_machine(replace(ROW, hardware=f"H100-SXM-80GB{said}")).chip.power.value
            for said in ("", " (power-capped)", "-pcap")]
    assert half == [700.0, 350.0, 350.0]


@pytest.mark.parametrize(("printed", "size"), [("Q2_K", 2.9), ("Q3_K_M", 3.9), ("Q4_K_S", 4.6), ("Q5_K_M", 5.7),
                                               ("Q6_K", 6.5625), ("IQ4_XS", 4.25), ("Q8_0", 8.5), ("f16", 16.0)])
def test_llama_cpps_formats_take_about_the_bits_that_their_names_say(printed, size):
    found = measured_model(replace(ROW, formats=Formats(printed)))
    assert 8.0 * bytes_per_number(found.formats["dense"]) == size


def test_blocks_hold_their_numbers_and_scales():
    for name, bits in (("q4_1", 4), ("q5_0", 5), ("q3_k", 3), ("iq2_xxs", 2), ("iq3_s", 3), ("iq4_nl", 4)):
        assert bits < FORMATS[name].bits < bits + 1.01, name


def test_spellings_of_a_format_are_one_and_unknown_ones_are_none():
    assert printed_format("int4 weight-only g32") == printed_format("INT4") == "int4"
    assert printed_format("bfloat16") == "bf16"
    assert printed_format("Q9_Z") is None
    assert measured_model(replace(ROW, formats=Formats("Q9_Z"))) is None


@pytest.mark.parametrize("text", ["meta-llama/Llama-3.1-8B-Instruct", "Llama 3.1 8B", "llama-3.1-8b-instruct"])
def test_a_model_is_known_by_its_own_name_too(text):
    assert measured_model(replace(ROW, model=text)).name == "llama-3.1-8b"
