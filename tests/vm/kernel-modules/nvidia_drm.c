// SPDX-License-Identifier: GPL-2.0
/*
 * Test double for nvidia_drm: no PCI driver, as the real one, but an alias for NVIDIA's display functions, so that
 * udev loads it together with nvidia and lspci lists it among the "Kernel modules".
 */
#include <linux/module.h>
#include <linux/pci.h>

#include "nvidia_stub.h"

static bool modeset;
module_param(modeset, bool, 0400);
static bool pins;	/* as before 580.105.08 with modeset=1: it keeps every GPU open for as long as it is loaded */
module_param(pins, bool, 0400);
static bool fbdev;
module_param(fbdev, bool, 0400);

static const struct pci_device_id nv_drm_ids[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_NVIDIA, PCI_ANY_ID), .class = PCI_CLASS_DISPLAY_VGA << 8, .class_mask = ~0 },
	{ PCI_DEVICE(PCI_VENDOR_ID_NVIDIA, PCI_ANY_ID), .class = PCI_CLASS_DISPLAY_3D << 8, .class_mask = ~0 },
	{ }
};
MODULE_DEVICE_TABLE(pci, nv_drm_ids);

static int __init nv_drm_init(void)
{
	if (!nvidia_stub_present())
		return -ENODEV;
	nvidia_stub_pin(pins);
	return 0;
}

static void __exit nv_drm_exit(void)
{
	nvidia_stub_pin(false);
}

module_init(nv_drm_init);
module_exit(nv_drm_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("nvidia_drm test double");
MODULE_VERSION("999.0");
