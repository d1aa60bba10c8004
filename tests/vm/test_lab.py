# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of the laboratory itself that need no machine: python3 -m unittest test_lab, in this directory."""
import pathlib
import struct
import tempfile
import unittest

from fakepci.function import CONFIG_REGION, PCI_EXPRESS, Gpu
from fakepci.hda import GCTL, STATESTS, HdaController
from lab import cache, hardware, mirror
from lab.testing import is_part


class Sources(unittest.TestCase):
    def test_deb822_with_several_suites_and_a_security_archive(self):
        text = ("Types: deb deb-src\nURIs: http://a.example/debian/\nSuites: bookworm bookworm-updates\n"
                "Components: main contrib\n\n# a comment\nTypes: deb\nURIs: http://s.example/security\n"
                "Suites: bookworm-security\nComponents: main\n")
        self.assertEqual(self.found(sources=text), "http://a.example/debian")

    def test_disabled_and_source_only_stanzas_do_not_count(self):
        text = ("Enabled: no\nTypes: deb\nURIs: http://off.example\nSuites: bookworm\nComponents: main\n\n"
                "Types: deb-src\nURIs: http://src.example\nSuites: bookworm\nComponents: main\n\n"
                "Types: deb\nURIs: http://on.example\nSuites: trixie\nComponents:\n main\n non-free\n")
        self.assertEqual(self.found(sources=text), "http://on.example")

    def test_one_line_format_with_options_and_comments(self):
        text = ("# deb http://old.example bookworm main\ndeb [arch=amd64] http://tool.example stable-tool main\n"
                "deb [ signed-by=/k.gpg ] https://b.example/debian bookworm main contrib # the archive\n")
        self.assertEqual(self.found(one_line=text), "https://b.example/debian")

    def test_a_mirror_file_is_read(self):
        with tempfile.NamedTemporaryFile("w") as mirrors:
            mirrors.write("# nearest\nhttp://near.example/debian\tpriority:1\n")
            mirrors.flush()
            text = f"deb mirror+file:{mirrors.name} bookworm main\n"
            self.assertEqual(self.found(one_line=text), "http://near.example/debian")

    def test_an_archive_that_does_not_answer_is_named(self):
        with tempfile.TemporaryDirectory() as apt:
            pathlib.Path(apt, "sources.list").write_text("deb file:///nowhere bookworm main\n")
            with self.assertRaisesRegex(mirror.NoMirror, "file:///nowhere/dists/trixie/InRelease"):
                mirror.require_answer("trixie", pathlib.Path(apt))

    def test_without_a_debian_archive_it_says_so(self):
        with self.assertRaises(mirror.NoMirror):
            self.found(one_line="deb http://b.example/other nodistro main\n")

    def found(self, sources=None, one_line=None):
        with tempfile.TemporaryDirectory() as directory:
            apt = pathlib.Path(directory)
            (apt / "sources.list.d").mkdir()
            if sources:
                (apt / "sources.list.d" / "debian.sources").write_text(sources)
            if one_line:
                (apt / "sources.list").write_text(one_line)
            return mirror.debian(apt)


class Kept(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.addCleanup(setattr, cache, "ROOT", cache.ROOT)
        cache.ROOT = pathlib.Path(scratch.name)
        self.built = 0

    def build(self, directory):
        self.built += 1
        (directory / "product").write_text("x")

    def test_it_is_built_once(self):
        for _ in range(2):
            self.assertTrue((cache.built("thing", "0" * 16, self.build, "a thing") / "product").exists())
        self.assertEqual(self.built, 1)

    def test_what_fails_half_way_is_not_kept(self):
        def fail(directory):
            self.build(directory)
            raise OSError("disk full")
        with self.assertRaises(OSError):
            cache.built("thing", "1" * 16, fail, "a thing")
        cache.built("thing", "1" * 16, self.build, "a thing")
        self.assertEqual(self.built, 2)

    def test_the_hash_changes_with_name_and_content(self):
        one, two = cache.ROOT / "one", cache.ROOT / "two"
        one.write_text("x")
        two.write_text("x")
        self.assertNotEqual(cache.hash_of(one), cache.hash_of(two))
        before = cache.hash_of(cache.ROOT)
        two.write_text("y")
        self.assertNotEqual(cache.hash_of(cache.ROOT), before)


class Functions(unittest.TestCase):
    def test_a_bar_tells_its_size(self):
        gpu = Gpu((0x10DE, 0x25A0), (0x1043, 0x1CCC), 0x030000, log=lambda text: None)
        gpu.write(CONFIG_REGION, 0x10, b"\xff\xff\xff\xff")
        self.assertEqual(struct.unpack("<I", gpu.read(CONFIG_REGION, 0x10, 4))[0], -(16 << 20) & 0xFFFFFFFF)

    def test_gone_reads_all_ones_and_ignores_writes(self):
        gpu = Gpu((0x10DE, 0x25A0), (0x1043, 0x1CCC), 0x030000, log=lambda text: None)
        gpu.gone = True
        self.assertEqual(gpu.read(CONFIG_REGION, 0, 4), b"\xff\xff\xff\xff")

    def test_a_function_level_reset_restores_the_registers(self):
        gpu = Gpu((0x10DE, 0x25A0), (0x1043, 0x1CCC), 0x030000, log=lambda text: None)
        gpu.write(CONFIG_REGION, 0x04, b"\x06\x00")
        gpu.write(CONFIG_REGION, PCI_EXPRESS + 8, b"\x00\x80")
        self.assertEqual((gpu.counts["flr"], gpu.read(CONFIG_REGION, 0x04, 2)), (1, b"\0\0"))

    def test_the_sound_controller_finds_its_codec(self):
        hda = HdaController((0x10DE, 0x2291), (0x1043, 0x1CCC), 0x040300, log=lambda text: None)
        hda.write(0, GCTL, b"\x01\0\0\0")
        self.assertEqual(hda.get(STATESTS, 2), 1)


class Cards(unittest.TestCase):
    def test_function_zero_is_plugged_last(self):
        for name in hardware.CARDS:
            functions = [device["addr"] for device in hardware.card(name, "rp1") if "addr" in device]
            self.assertTrue(functions[-1].endswith("0x0"), name)

    def test_every_function_goes_to_the_port(self):
        self.assertEqual({device["bus"] for device in hardware.card("bochs", "rp4")}, {"rp4"})


class Comparing(unittest.TestCase):
    def test_a_part_is_compared_value_by_value(self):
        is_part({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}], "d": 3})
        with self.assertRaisesRegex(AssertionError, r"\$\.a\[0\]\.b is 2"):
            is_part({"a": [{"b": 1}]}, {"a": [{"b": 2}]})


if __name__ == "__main__":
    unittest.main()
