# SPDX-License-Identifier: GPL-2.0-or-later
# fish completion for gpuctl: commands, options, and the GPUs, VMs and operations there are right now.

# The words that are neither options nor their values: command, subcommand, arguments.
function __gpuctl_words
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
            continue
        end
        switch $word
            case --host --gpu --looking-glass --transport --rom --report --output
                set skip 1
            case '-*'
            case '*'
                echo $word
        end
    end
end

# True when exactly these words have been typed.
function __gpuctl_at
    test "$(__gpuctl_words | string join ' ')" = "$argv"
end

# True when the words begin with one of these ("vm setup").
function __gpuctl_in
    set -l words (__gpuctl_words | string join ' ')
    for start in $argv
        string match -q -- "$start*" "$words"; and return 0
    end
    return 1
end

# True right after one of these commands, and for the nth argument after it.
function __gpuctl_after
    set -l words (__gpuctl_words | string join ' ')
    contains -- "$words" $argv
end

# Not what another host has.
function __gpuctl_live
    string match -q -- '--host*' (commandline -opc); and return
    gpuctl __complete $argv[1] 2>/dev/null
end

complete -c gpuctl -f
complete -c gpuctl -l json -d 'One JSON document instead of text'
complete -c gpuctl -l host -x -a '(__fish_print_hostnames)' -d 'Talk to gpuctld on another machine'
complete -c gpuctl -l no-color -d 'No colour'
complete -c gpuctl -l help -d 'Help'
complete -c gpuctl -n '__gpuctl_at' -l version -d 'Version'

complete -c gpuctl -n '__gpuctl_at' -a list -d 'GPUs'
complete -c gpuctl -n '__gpuctl_at' -a show -d 'One GPU'
complete -c gpuctl -n '__gpuctl_at' -a groups -d 'IOMMU groups, with verdict'
complete -c gpuctl -n '__gpuctl_at' -a check -d 'Would attach work?'
complete -c gpuctl -n '__gpuctl_at' -a attach -d 'Give a GPU to a VM'
complete -c gpuctl -n '__gpuctl_at' -a release -d 'Give a GPU back to the host'
complete -c gpuctl -n '__gpuctl_at' -a users -d 'Who holds the GPU'
complete -c gpuctl -n '__gpuctl_at' -a doctor -d 'Is this machine ready?'
complete -c gpuctl -n '__gpuctl_at' -a operations -d 'What runs'
complete -c gpuctl -n '__gpuctl_at' -a cancel -d 'Stop an operation and roll it back'
complete -c gpuctl -n '__gpuctl_at' -a monitor -d 'Tell what happens'
complete -c gpuctl -n '__gpuctl_at' -a vm -d 'Virtual machines'
complete -c gpuctl -n '__gpuctl_at' -a rom -d 'Option ROMs'
complete -c gpuctl -n '__gpuctl_at' -a looking-glass -d 'The picture of a VM'
complete -c gpuctl -n '__gpuctl_at' -a kernel-args -d 'Kernel arguments for the IOMMU'
complete -c gpuctl -n '__gpuctl_at' -a boot -d 'Which side a GPU is on after boot'
complete -c gpuctl -n '__gpuctl_at vm' -a 'list check setup'
complete -c gpuctl -n '__gpuctl_at rom' -a 'show dump check'
complete -c gpuctl -n '__gpuctl_at looking-glass' -a check
complete -c gpuctl -n '__gpuctl_at kernel-args' -a 'show plan enable undo'
complete -c gpuctl -n '__gpuctl_at boot' -a 'show set clear confirm'

complete -c gpuctl -n '__gpuctl_after attach check "vm check" "vm setup" "looking-glass check"' -a '(__gpuctl_live vms)'
complete -c gpuctl -n '__gpuctl_after show users release "boot set" "boot clear" "boot confirm" "rom show" "rom dump" "rom check"' -a '(__gpuctl_live gpus)'
complete -c gpuctl -n '__gpuctl_after cancel' -a '(__gpuctl_live operations)'
complete -c gpuctl -n '__gpuctl_after "rom show" "rom check" "rom dump"' -F
complete -c gpuctl -n '__gpuctl_in "boot set "' -a 'vm host last clear confirm'

complete -c gpuctl -n '__gpuctl_in attach check "vm check" "vm setup"' -l gpu -x -a '(__gpuctl_live gpus)' -d 'Which GPU'
complete -c gpuctl -n '__gpuctl_in attach release "vm setup"' -l dry-run -d 'Change nothing'
complete -c gpuctl -n '__gpuctl_in attach release check' -l force -d 'Override what can be'
complete -c gpuctl -n '__gpuctl_in attach release check' -l live -d 'The running VM too'
complete -c gpuctl -n '__gpuctl_in attach release check' -l config -d 'Only the definition of the VM'
complete -c gpuctl -n '__gpuctl_in release' -l reset -d 'Reset a card that does not answer'
complete -c gpuctl -n '__gpuctl_in release' -l rescan -d 'Take it off the PCI bus and scan again'
complete -c gpuctl -n '__gpuctl_in attach release' -l no-wait -d 'Do not follow the operation'
complete -c gpuctl -n '__gpuctl_in attach' -l start -d 'Start the VM afterwards'
complete -c gpuctl -n '__gpuctl_in attach' -l keep -d 'Leave the GPU with VFIO when the VM stops'
complete -c gpuctl -n '__gpuctl_in attach' -l view -d 'Open the Looking Glass client'
complete -c gpuctl -n '__gpuctl_in groups' -l all -d 'All IOMMU groups'
complete -c gpuctl -n '__gpuctl_in doctor' -l report -r -F -d 'Write a report for a bug'
complete -c gpuctl -n '__gpuctl_in "vm setup"' -l looking-glass -x -a '1920x1080 2560x1440 3440x1440 3840x2160' -d 'Size of the picture'
complete -c gpuctl -n '__gpuctl_in "vm setup"' -l transport -x -a 'shmem kvmfr' -d 'How the picture comes to the host'
complete -c gpuctl -n '__gpuctl_in "vm setup"' -l rom -r -F -a auto -d 'Option ROM'
complete -c gpuctl -n '__gpuctl_in "vm setup"' -l battery -d 'Give the VM a battery'
complete -c gpuctl -n '__gpuctl_in "vm setup"' -l undo -d 'Take the last setup back'
complete -c gpuctl -n '__gpuctl_in "rom dump"' -l output -r -F -d 'File to write'
complete -c gpuctl -n '__gpuctl_in "rom dump"' -l raw -d 'All bytes as they are'
complete -c gpuctl -n '__gpuctl_in "kernel-args plan" "kernel-args enable"' -l passthrough -d 'Also iommu=pt'
complete -c gpuctl -n '__gpuctl_in "kernel-args plan" "kernel-args enable"' -l drop-vfio-ids -d 'Take vfio-pci.ids= out'
complete -c gpuctl -n '__gpuctl_in "boot set"' -l migrate -d 'Replace vfio-pci.ids of an older set-up'
