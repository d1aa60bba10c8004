// SPDX-License-Identifier: GPL-2.0
/*
 * Makes the probe of one PCI function fail, whatever the driver: probe_fault.address=0000:01:00.1
 * probe_fault.driver=vfio-pci probe_fault.error=5. An empty driver means any. All can be changed at run time.
 */
#include <linux/kprobes.h>
#include <linux/linkage.h>
#include <linux/module.h>
#include <linux/objtool.h>
#include <linux/pci.h>

static char address[32];
module_param_string(address, address, sizeof(address), 0644);
static char driver[32];
module_param_string(driver, driver, sizeof(driver), 0644);
static int error = EIO;
module_param(error, int, 0644);

/* Where a function that is skipped goes on: back to its caller, with the value that is in %rax. */
void probe_fault_return(void);
asm(".pushsection .text\n"
    ".globl probe_fault_return\n"
    ".type probe_fault_return, @function\n"
    "probe_fault_return:\n"
    ANNOTATE_NOENDBR
    ASM_RET
    ".size probe_fault_return, .-probe_fault_return\n"
    ".popsection\n");

static bool wanted(const struct device *dev)
{
	return sysfs_streq(dev_name(dev), address) &&
	       (!driver[0] || driver[0] == '\n' || (dev->driver && sysfs_streq(dev->driver->name, driver)));
}

static int before_probe(struct kprobe *probe, struct pt_regs *regs)
{
	if (!wanted((struct device *)regs->di))
		return 0;
	regs->ax = -abs(error);
	regs->ip = (unsigned long)probe_fault_return;
	return 1;
}

static struct kprobe probe = { .symbol_name = "pci_device_probe", .pre_handler = before_probe };

static int __init probe_fault_init(void)
{
	return register_kprobe(&probe);
}

static void __exit probe_fault_exit(void)
{
	unregister_kprobe(&probe);
}

module_init(probe_fault_init);
module_exit(probe_fault_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("lets the probe of one PCI function fail");
