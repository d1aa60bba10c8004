// SPDX-License-Identifier: GPL-2.0
/*
 * Test double for the proprietary NVIDIA kernel module: a PCI driver named "nvidia" for the emulated laptop.
 *  - binds display functions of vendor 10de (class 0300/0302), and anything given by new_id / driver_override
 *  - /dev/nvidia0.. (major 195, minor = index) and /dev/nvidiactl (minor 255); opens are counted
 *  - remove() BLOCKS, uninterruptibly, while any fd on that GPU is open, or nvidia_drm pins it (as the real driver does)
 *  - loading it fails with ENODEV where it finds no GPU to bind ("NVRM: No NVIDIA devices probed.")
 *  - parameters (writable at run time in /sys/module/nvidia/parameters) inject faults
 */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/fs.h>
#include <linux/device.h>
#include <linux/delay.h>
#include <linux/slab.h>
#include <linux/mutex.h>
#include <linux/wait.h>
#include <linux/version.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

#include "nvidia_stub.h"

#define NV_MAJOR 195
#define NV_MAX   8
#define NV_CTL   255

static int probe_error;		/* e.g. 19 = -ENODEV, 16 = -EBUSY; 0 = none */
module_param(probe_error, int, 0644);
MODULE_PARM_DESC(probe_error, "probe() fails with -N");
static int probe_fail_count = -1;	/* how many probes fail; -1 = all */
module_param(probe_fail_count, int, 0644);
static uint probe_delay_ms;
module_param(probe_delay_ms, uint, 0644);
static uint remove_delay_ms;
module_param(remove_delay_ms, uint, 0644);
static bool remove_blocks = true;	/* wait for open fds in remove() */
module_param(remove_blocks, bool, 0644);
static bool remove_hangs;		/* remove() never returns while this is set */
module_param(remove_hangs, bool, 0644);

struct nvgpu {
	struct pci_dev *pdev;
	int minor;
	bool going;
	int users;
	struct kref ref;
};

static DEFINE_MUTEX(lock);
static DECLARE_WAIT_QUEUE_HEAD(idle_wq);
static struct nvgpu *gpus[NV_MAX];
static int ctl_users;
static int found;
static bool pinned;
static struct class *nvclass;

static void nvgpu_free(struct kref *k) { kfree(container_of(k, struct nvgpu, ref)); }

static int nv_open(struct inode *ino, struct file *f)
{
	unsigned int m = iminor(ino);
	struct nvgpu *g;
	int rc = 0;

	mutex_lock(&lock);
	if (m == NV_CTL) {
		ctl_users++;
		f->private_data = NULL;
	} else {
		g = m < NV_MAX ? gpus[m] : NULL;
		if (!g || g->going) {
			rc = -ENODEV;
		} else {
			g->users++;
			kref_get(&g->ref);
			f->private_data = g;
		}
	}
	mutex_unlock(&lock);
	return rc;
}

static int nv_release(struct inode *ino, struct file *f)
{
	struct nvgpu *g = f->private_data;

	mutex_lock(&lock);
	if (!g) {
		ctl_users--;
	} else {
		g->users--;
		kref_put(&g->ref, nvgpu_free);
	}
	mutex_unlock(&lock);
	wake_up_all(&idle_wq);
	return 0;
}

static const struct file_operations nv_fops = {
	.owner = THIS_MODULE, .open = nv_open, .release = nv_release,
};

static int nv_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct nvgpu *g;
	int i, rc;

	if (probe_delay_ms)
		msleep(probe_delay_ms);
	if (probe_error && probe_fail_count != 0) {
		if (probe_fail_count > 0)
			probe_fail_count--;
		pci_err(pdev, "nvidia-stub: injected probe failure -%d\n", probe_error);
		return -abs(probe_error);
	}
	if ((pdev->class >> 16) != PCI_BASE_CLASS_DISPLAY)
		return -ENODEV;	/* the real one does not take the audio function */
	g = kzalloc(sizeof(*g), GFP_KERNEL);
	if (!g)
		return -ENOMEM;
	kref_init(&g->ref);
	g->pdev = pdev;
	rc = pci_enable_device(pdev);
	if (rc) {
		kfree(g);
		return rc;
	}
	pci_set_master(pdev);
	mutex_lock(&lock);
	for (i = 0; i < NV_MAX && gpus[i]; i++)
		;
	if (i == NV_MAX) {
		mutex_unlock(&lock);
		pci_disable_device(pdev);
		kfree(g);
		return -ENOSPC;
	}
	g->minor = i;
	gpus[i] = g;
	mutex_unlock(&lock);
	device_create(nvclass, NULL, MKDEV(NV_MAJOR, i), NULL, "nvidia%d", i);
	pci_set_drvdata(pdev, g);
	found++;
	pci_info(pdev, "nvidia-stub: bound as /dev/nvidia%d\n", i);
	return 0;
}

static void nv_remove(struct pci_dev *pdev)
{
	struct nvgpu *g = pci_get_drvdata(pdev);

	mutex_lock(&lock);
	g->going = true;
	if (g->users && remove_blocks)
		pci_warn(pdev, "nvidia-stub: attempting to remove device with %d open fd(s)!\n", g->users);
	mutex_unlock(&lock);
	if (remove_delay_ms)
		msleep(remove_delay_ms);	/* TASK_UNINTERRUPTIBLE */
	if (remove_blocks)
		wait_event(idle_wq, READ_ONCE(g->users) == 0 && !READ_ONCE(pinned));
	while (READ_ONCE(remove_hangs))
		msleep(100);
	device_destroy(nvclass, MKDEV(NV_MAJOR, g->minor));
	mutex_lock(&lock);
	gpus[g->minor] = NULL;
	mutex_unlock(&lock);
	pci_set_drvdata(pdev, NULL);
	pci_disable_device(pdev);
	pci_info(pdev, "nvidia-stub: released\n");
	mutex_lock(&lock);
	kref_put(&g->ref, nvgpu_free);
	mutex_unlock(&lock);
}

static const struct pci_device_id nv_ids[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_NVIDIA, PCI_ANY_ID), .class = PCI_CLASS_DISPLAY_VGA << 8, .class_mask = ~0 },
	{ PCI_DEVICE(PCI_VENDOR_ID_NVIDIA, PCI_ANY_ID), .class = PCI_CLASS_DISPLAY_3D << 8, .class_mask = ~0 },
	{ }
};
MODULE_DEVICE_TABLE(pci, nv_ids);

static struct pci_driver nv_driver = {
	.name = "nvidia", .id_table = nv_ids, .probe = nv_probe, .remove = nv_remove,
};

static int users_show(struct seq_file *s, void *v)
{
	int i;

	mutex_lock(&lock);
	seq_printf(s, "ctl %d\n", ctl_users);
	for (i = 0; i < NV_MAX; i++)
		if (gpus[i])
			seq_printf(s, "%s nvidia%d %d%s\n", pci_name(gpus[i]->pdev), i, gpus[i]->users,
				   gpus[i]->going ? " going" : "");
	mutex_unlock(&lock);
	return 0;
}

static char *nv_devnode(const struct device *dev, umode_t *mode)
{
	if (mode)
		*mode = 0666;
	return NULL;
}

static int __init nv_init(void)
{
	int rc = register_chrdev(NV_MAJOR, "nvidia-frontend", &nv_fops);

	if (rc)
		return rc;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
	nvclass = class_create("nvidia-stub");
#else
	nvclass = class_create(THIS_MODULE, "nvidia-stub");
#endif
	if (IS_ERR(nvclass)) {
		rc = PTR_ERR(nvclass);
		goto chr;
	}
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
	nvclass->devnode = nv_devnode;
#else
	nvclass->devnode = (char *(*)(struct device *, umode_t *))nv_devnode;
#endif
	device_create(nvclass, NULL, MKDEV(NV_MAJOR, NV_CTL), NULL, "nvidiactl");
	proc_mkdir("driver/nvidia", NULL);
	proc_create_single("driver/nvidia/users", 0444, NULL, users_show);
	rc = pci_register_driver(&nv_driver);
	if (!rc && found)
		return 0;
	if (!rc) {
		pr_err("nvidia-stub: No NVIDIA devices probed.\n");
		pci_unregister_driver(&nv_driver);
		rc = -ENODEV;
	}
	remove_proc_subtree("driver/nvidia", NULL);
	device_destroy(nvclass, MKDEV(NV_MAJOR, NV_CTL));
	class_destroy(nvclass);
chr:
	__unregister_chrdev(NV_MAJOR, 0, 256, "nvidia-frontend");
	return rc;
}

static void __exit nv_exit(void)
{
	pci_unregister_driver(&nv_driver);
	remove_proc_subtree("driver/nvidia", NULL);
	device_destroy(nvclass, MKDEV(NV_MAJOR, NV_CTL));
	class_destroy(nvclass);
	__unregister_chrdev(NV_MAJOR, 0, 256, "nvidia-frontend");
}

int nvidia_stub_present(void)
{
	return 1;
}
EXPORT_SYMBOL_GPL(nvidia_stub_present);

void nvidia_stub_pin(bool on)
{
	WRITE_ONCE(pinned, on);
	wake_up_all(&idle_wq);
}
EXPORT_SYMBOL_GPL(nvidia_stub_pin);

module_init(nv_init);
module_exit(nv_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("nvidia test double");
MODULE_VERSION("999.0");
