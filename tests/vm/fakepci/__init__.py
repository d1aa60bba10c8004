# SPDX-License-Identifier: GPL-2.0-or-later
"""Fake PCI functions for QEMU: an NVIDIA GPU, its audio function, a USB-C controller."""
