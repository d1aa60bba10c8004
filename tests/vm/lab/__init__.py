# SPDX-License-Identifier: GPL-2.0-or-later
"""The emulated laptop: how it is built, kept, started and talked to. tests/vm/README.md is the map."""
