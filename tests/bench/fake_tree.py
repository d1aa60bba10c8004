# SPDX-License-Identifier: GPL-2.0-or-later
"""A /sys with any number of PCI functions, as plain files: of ten, one is a GPU and one its audio function."""
import os
import pathlib
import struct

# class, vendor:device, driver
KINDS = [('030000', 0x10de, 0x25a0, 'nvidia'), ('040300', 0x10de, 0x2291, 'snd_hda_intel'), ('060400', 0x8086, 0x460d, 'pcieport'),
         ('020000', 0x8086, 0x10d3, 'e1000e'), ('010802', 0x144d, 0xa80a, 'nvme'), ('0c0330', 0x8086, 0x51ed, 'xhci_hcd'),
         ('028000', 0x8086, 0x51f0, 'iwlwifi'), ('060400', 0x8086, 0x464d, 'pcieport'), ('010601', 0x8086, 0xa352, 'ahci'),
         ('0c0500', 0x8086, 0x51a3, 'i801_smbus')]


def address(number):
    """Ten functions in five slots: the GPU and its audio function share one."""
    ten, one = divmod(number, 10)
    slot, function = ten * 9 + max(0, one - 1), int(one == 1)
    return f'{slot // 8192:04x}:{slot // 32 % 256:02x}:{slot % 32:02x}.{function}'


def config_space(class_, vendor, device):
    head = struct.pack('<HHHHBBBB', vendor, device, 7, 0x10, 0xa1, *bytes.fromhex(class_)[::-1])
    space = bytearray(256)
    space[:len(head)] = head
    space[0x0e] = int(class_ == '060400')
    if class_ != '060400':
        space[0x2c:0x30] = struct.pack('<HH', 0x1043, 0x1ccc)
    return bytes(space)


def write(directory, **texts):
    for name, text in texts.items():
        data = text if isinstance(text, bytes) else text.encode() + b'\n'
        (directory / name).write_bytes(data)


def link(path, target):
    os.symlink(os.path.relpath(target, path.parent), path)


def function(sys, number):
    class_, vendor, device, driver = KINDS[number % 10]
    name, group = address(number), number - (number % 10 == 1)
    here = sys / f'devices/pci{name[:7]}/{name}'
    modalias = (f'pci:v0000{vendor:04X}d0000{device:04X}sv00001043sd00001CCC'
                f'bc{class_[:2].upper()}sc{class_[2:4].upper()}i{class_[4:].upper()}')
    (here / 'power').mkdir(parents=True)
    write(here, vendor=f'0x{vendor:04x}', device=f'0x{device:04x}', subsystem_vendor='0x1043', subsystem_device='0x1ccc', irq='16',
          revision='0xa1', driver_override='(null)', enable='1', numa_node='-1', power_state='D0', d3cold_allowed='1',
          reset_method='flr bus', resource='0x0 0x0 0x0\n' * 13, config=config_space(class_, vendor, device),
          uevent=f'DRIVER={driver}\nPCI_CLASS={int(class_, 16):X}\nPCI_ID={vendor:04X}:{device:04X}\nPCI_SUBSYS_ID=1043:1CCC\n'
                 f'PCI_SLOT_NAME={name}\nMODALIAS={modalias}',
          modalias=modalias, **{'class': f'0x{class_}'})
    write(here / 'power', control='on', runtime_status='active')
    if class_ == '030000':
        write(here, boot_vga='0')
    link(here / 'driver', sys / f'bus/pci/drivers/{driver}')
    link(here / 'subsystem', sys / 'bus/pci')
    link(here / 'iommu_group', sys / f'kernel/iommu_groups/{group}')
    link(sys / f'bus/pci/devices/{name}', here)
    link(sys / f'bus/pci/drivers/{driver}/{name}', here)
    devices = sys / f'kernel/iommu_groups/{group}/devices'
    devices.mkdir(parents=True, exist_ok=True)
    link(devices / name, here)
    write(devices.parent, type='DMA-FQ', reserved_regions='0x00000000fee00000 0x00000000feefffff msi')


def build(root, count):
    sys = pathlib.Path(root)
    for directory in ('bus/pci/devices', 'bus/pci/slots', 'kernel/iommu_groups', 'class/iommu', 'class/drm', 'module', 'fs/cgroup'):
        (sys / directory).mkdir(parents=True, exist_ok=True)
    for *_, driver in KINDS:
        drivers = sys / f'bus/pci/drivers/{driver}'
        drivers.mkdir(parents=True, exist_ok=True)
        module = sys / f'module/{driver}'
        module.mkdir(exist_ok=True)
        if not (drivers / 'module').is_symlink():
            link(drivers / 'module', module)
    (sys / 'class/iommu/dmar0').mkdir(exist_ok=True)
    for number in range(count):
        function(sys, number)
